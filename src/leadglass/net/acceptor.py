"""The listening side: accept, count, and hand over to whoever has the least to attend to.

The accept path never waits for a peer: with TLS too, a connection is counted and handed over at once.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from leadglass.dimse.command import Field
from leadglass.net.attendant import Admit, Attendant, Attending, Handler, Manners
from leadglass.net.quota import Quota

ACCEPT_PAUSE: Final = 0.1  # s, when the process has no descriptor left


class Acceptor:
    """Listens on a socket it is given, for attendants here and elsewhere."""

    def __init__(self, manners: Manners, attendants: Sequence[Attending], name: str = "dicom") -> None:
        self._attendants = attendants
        self._log = structlog.get_logger("leadglass.net").bind(listener=name)
        self._quota = Quota(manners.connections, manners.per_address)

    @property
    def connections(self) -> int:
        return len(self._quota)

    async def serve(self, listening: socket.socket) -> None:
        """Accept until cancelled; then end what is established."""
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        try:
            while True:
                try:
                    connected, address = await loop.sock_accept(listening)
                except OSError:  # EMFILE, or a connection that was gone before it was accepted
                    await asyncio.sleep(ACCEPT_PAUSE)
                    continue
                self._take(connected, str(address[0]))
        finally:
            await asyncio.gather(*(attendant.end() for attendant in self._attendants))

    def _take(self, connected: socket.socket, address: str) -> None:
        place = self._quota.enter(address, connected.close)
        if place is None:
            self._log.warning("connection refused", address=address, code="quota")
            connected.close()
            return
        min(self._attendants, key=lambda attendant: attendant.load).attend(connected, place)


def alone(
    manners: Manners,
    admit: Admit,
    handlers: Mapping[Field, Handler],
    tls: Callable[[], ssl.SSLContext] | None = None,
    name: str = "dicom",
) -> Acceptor:
    """An acceptor that attends to its connections itself."""
    return Acceptor(manners, [Attendant(manners, admit, handlers, tls, name)], name)
