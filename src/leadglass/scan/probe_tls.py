"""The T probes: which versions of TLS a port speaks, with which weakest cipher, under which certificate.

One handshake for each version, without a certificate of ours, and one for TLS 1.2 with weak ciphers alone.
Whether a client certificate is demanded shows in the D probes over TLS: TLS 1.3 says so after the handshake.

OpenSSL has no SSL 3, no RC4 and no export ciphers any more: what is not seen here may still be there.
"""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from types import MappingProxyType
from typing import Final, cast

from leadglass.scan.certificate import facts
from leadglass.scan.clear import Clear
from leadglass.scan.clocks import now, since, ticks
from leadglass.scan.dial import connected
from leadglass.scan.ending import Ending, Over, alerted
from leadglass.scan.foreign import begins_tls, looks_like
from leadglass.scan.manner import Manner
from leadglass.scan.observation import PROBES, Observation, Outcome, Value, product

MOST_HANDSHAKE: Final = 256 << 10  # bytes; a chain of certificates has a tenth of it

VERSIONS: Final[Mapping[str, ssl.TLSVersion]] = MappingProxyType(
    {
        "1.0": ssl.TLSVersion.TLSv1,
        "1.1": ssl.TLSVersion.TLSv1_1,
        "1.2": ssl.TLSVersion.TLSv1_2,
        "1.3": ssl.TLSVersion.TLSv1_3,
    }
)
# The weakest first, as most servers take what the client would rather have. @SECLEVEL=0 lets OpenSSL try.
_WEAK: Final = "eNULL:aNULL:RC4:3DES:DES:IDEA:SEED:MD5:EXPORT:@SECLEVEL=0"
_ANY: Final = "eNULL:aNULL:ALL:COMPLEMENTOFALL:@SECLEVEL=0"
_CIPHERS: Final = {"any": _ANY, "weak": _WEAK}
# The newest first: whoever is silent to that is not asked in older tongues.
_HANDSHAKES: Final = (*((version, "any") for version in reversed(tuple(VERSIONS))), ("1.2", "weak"))
# The server chose a version that was not offered, and OpenSSL, for us, alerts.
_OTHER_VERSION: Final = frozenset({"UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "WRONG_VERSION_NUMBER"})
_NOT_THIS_VERSION: Final = Ending(Outcome.ALERTED, {"alert": "protocol-version"})
_LEGACY: Final = getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)  # servers without RFC 5746; named in 3.12


def permissive(version: str | None = None, ciphers: str = "any") -> ssl.SSLContext:
    """For looking, not for trusting: any certificate, any cipher, one version of TLS or all of them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= _LEGACY
    context.set_ciphers(_CIPHERS[ciphers])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of old versions: they are what is looked for
        context.minimum_version = VERSIONS[version or "1.0"]
        context.maximum_version = VERSIONS[version or "1.3"]
    return context


async def probe_tls(
    address: str,
    port: int,
    manner: Manner,
    *,
    clock: Callable[[], int] = now,
    note: Callable[[Observation], object] = lambda _: None,
) -> list[Observation]:
    """An observation for each handshake, as far as the first shows that TLS is spoken at all.

    Unavailable (code sockets) when this machine cannot connect. `clock`: ms since the epoch, UTC.
    """
    seen: list[Observation] = []
    until = asyncio.get_running_loop().time() + manner.patience.host
    for version, ciphers in _HANDSHAKES if PROBES["tls"].level <= manner.max_level else ():
        at, started = clock(), ticks()
        ending = await _handshake(address, port, manner, version, ciphers)
        sent: dict[str, Value] = {"version": version, "ciphers": ciphers}
        seen.append(Observation("tls", address, port, at, since(started), ending.outcome, sent, ending.said))
        note(seen[-1])
        if ending.outcome not in _GO_ON or asyncio.get_running_loop().time() > until:
            break
    return seen


# Who refuses one version may speak another. Some old servers just close.
_GO_ON: Final = frozenset({Outcome.SECURED, Outcome.ALERTED, Outcome.UNTRIED, Outcome.CLOSED})


async def _handshake(address: str, port: int, manner: Manner, version: str, ciphers: str) -> Ending:
    if not speaks(version, ciphers):
        return Ending(Outcome.UNTRIED)
    try:
        sock = await connected(address, port, manner.patience.connect)
        hand = _Hand(permissive(version, ciphers))
        await asyncio.get_running_loop().create_connection(lambda: hand, sock=sock)
        return await hand.shaken(manner.patience.answer)
    except Over as over:
        return over.ending
    except OSError:  # gone between two calls
        return Ending(Outcome.CLOSED, {"fault": "reset"})


@cache
def speaks(version: str, ciphers: str = "any") -> bool:
    """Whether the OpenSSL here can: a handshake that it refuses itself says nothing about the other side."""
    try:
        context = permissive(version, ciphers)
        hello = ssl.MemoryBIO()
        context.wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
    except ssl.SSLWantReadError:
        return bool(hello.pending)
    except (ssl.SSLError, ValueError):
        return False
    return False


class _Hand(asyncio.Protocol):
    """A handshake over memory, so that what comes instead of TLS can be seen, and its length be bounded."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._clear = Clear(MOST_HANDSHAKE)
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._first = bytearray()
        self._heard = 0

    async def shaken(self, seconds: float) -> Ending:
        """What came of it; the connection is gone afterwards."""
        try:
            async with asyncio.timeout(seconds):
                return await self._done
        except TimeoutError:
            if self._first and not begins_tls(self._first):
                return self._foreign()
            return Ending(Outcome.MUTE, {"fault": "tls-stall"} if self._heard else {})
        finally:
            self._close()

    def _close(self) -> None:
        if self._transport is None:
            return
        with suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()  # close_notify; its answer is not waited for
        self._transport.write(self._outgoing.read())
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._step()

    def data_received(self, data: bytes) -> None:
        self._heard += len(data)
        if self._done.done():
            return
        if len(self._first) < 16:
            self._first += data[:64]
        if not begins_tls(self._first):
            self._settle(self._foreign())
        elif self._heard > MOST_HANDSHAKE:
            self._settle(Ending(Outcome.MISBEHAVES, {"fault": "tls-length"}))
        else:
            self._clear.feed(data)
            self._incoming.write(data)
            self._step()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._settle(self._refused(Ending(Outcome.CLOSED, {"fault": "reset"} if exc is not None else {})))

    def _step(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            other = error.reason in _OTHER_VERSION
            self._settle(self._refused(_NOT_THIS_VERSION if other else alerted(error)))
        else:
            self._settle(self._secured())
        if self._transport is not None and self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _settle(self, ending: Ending) -> None:
        if not self._done.done():
            self._done.set_result(ending)

    def _foreign(self) -> Ending:
        return Ending(Outcome.FOREIGN, {"looks_like": looks_like(self._first) or "dicom"})

    def _refused(self, ending: Ending) -> Ending:
        """Whoever asked for a certificate, and shows its own, speaks that version."""
        said = {**ending.said, **facts(self._clear.certificate)}
        if self._clear.asks_certificate:
            said["asks_certificate"] = True
        return Ending(ending.outcome, said)

    def _secured(self) -> Ending:
        name, _, bits = self._tls.cipher() or ("", "", 0)
        version = (self._tls.version() or "").lower().removeprefix("tlsv")
        said: dict[str, Value] = {"version": "1.0" if version == "1" else version, "cipher_bits": bits or 0}
        if name:
            said["cipher"] = product(name)
        if self._clear.asks_certificate:
            said["asks_certificate"] = True
        return Ending(Outcome.SECURED, said | facts(self._tls.getpeercert(binary_form=True)))
