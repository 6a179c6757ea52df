"""Calling an AE: over mutual TLS, and only if who answers holds the certificate that the AE is known by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from hmac import compare_digest
from ssl import SSLContext
from typing import Final

from leadglass.archive.peers import Ae, Peers
from leadglass.dimse.message import DimseLimits
from leadglass.errors import Refused, Unreachable
from leadglass.net.deadlines import Deadlines
from leadglass.net.link import Link
from leadglass.net.requestor import connect
from leadglass.net.tls import client_context
from leadglass.net.workers import Workers
from leadglass.ul.pdu import AssociateRQ

MOST_ANSWER: Final = 1 << 20  # bytes of a data set that comes with an answer to us

Dial = Callable[[Ae, AssociateRQ], Awaitable[Link]]  # Refused, Unreachable, ProtocolViolation


class Dialler:
    """The archive calls with the certificate that its listener has."""

    def __init__(
        self, peers: Peers, workers: Workers, clock: Callable[[], int], deadlines: Deadlines | None = None
    ) -> None:
        self._peers = peers
        self._workers = workers
        self._clock = clock
        self._deadlines = deadlines

    async def __call__(self, ae: Ae, request: AssociateRQ) -> Link:
        """An association with where the AE listens."""
        if ae.port is None:
            raise Unreachable("Nobody has said where this AE listens.", code="no-address")
        tls = await self._workers.run(self._context) if ae.tls else None
        limits = DimseLimits(data_set_bytes=MOST_ANSWER)
        link = await connect(ae.host, ae.port, request, tls=tls, deadlines=self._deadlines, dimse=limits)
        if ae.tls and not _is(ae, link.peer.certificate):
            link.abort()
            raise Refused("Who answers for this AE has another certificate than the AE.", code="certificate")
        return link

    def _context(self) -> SSLContext:
        """A certificate stands for one AE, whatever name its host has: it is compared itself."""
        context = client_context(*self._peers.calling_identity(self._clock()), self._peers.trusted())
        context.check_hostname = False
        return context


def _is(ae: Ae, certificate: bytes | None) -> bool:
    if certificate is None or ae.fingerprint is None:
        return False
    return compare_digest(sha256(certificate).digest(), ae.fingerprint)
