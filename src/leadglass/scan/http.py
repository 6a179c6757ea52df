"""One HTTP request and as much of its answer as anybody needs, from whoever may be there.

h11 reads (RFC 9112); what is here are the bounds: one connection, one deadline for all of it, a head and a
body of so many bytes. Redirects are not followed, encodings neither asked for nor undone, cookies not kept.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import h11

from leadglass.scan.clocks import since, ticks
from leadglass.scan.dial import connected, round_trip
from leadglass.scan.ending import Ending, Over, alerted
from leadglass.scan.foreign import MOST, begins_pdu, looks_like
from leadglass.scan.manner import Manner
from leadglass.scan.observation import Outcome
from leadglass.scan.words import Fault

_READ: Final = 16 << 10
_MOST_INTERIM: Final = 8  # 1xx responses before the one that counts
# Bytes of a body, by which it ends or is without end: as it says itself, and as it is seen to.
_LONGEST_TOLD: Final = 64 << 20
_LONGEST_READ: Final = 1 << 20
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """`target`: path and query, ASCII, no host in it: what is asked for is asked of who was dialled."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers`: by lower-case name, the first of each. `is_whole`: nothing of the body was left behind;
    `is_endless`: it is longer than any page."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool
    connect_us: int
    answer_us: int
    is_endless: bool = False


async def ask(
    address: str, port: int, request: Request, manner: Manner, tls: ssl.SSLContext | None = None
) -> Reply:
    """Over, with what came of it, when it is no answer in HTTP."""
    started = ticks()
    sock = await connected(address, port, manner.patience.connect)
    exchange = _Exchange(manner, round_trip(sock) or since(started))
    try:
        async with asyncio.timeout(manner.patience.answer):
            return await exchange.run(sock, tls, request, _host(address, port))
    except TimeoutError:
        raise Over(exchange.too_slow()) from None
    except ssl.SSLError as error:
        raise Over(alerted(error)) from None
    except OSError:
        raise Over(Ending(Outcome.CLOSED, {"fault": "reset"})) from None
    finally:
        sock.close()


class _Exchange:
    """One request on one connection."""

    def __init__(self, manner: Manner, connect_us: int) -> None:
        self._manner = manner
        self._connect_us = connect_us
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=manner.bounds.head)
        self._first = b""
        self._began = ticks()
        self._reader: asyncio.StreamReader

    async def run(
        self, sock: socket.socket, tls: ssl.SSLContext | None, request: Request, host: str
    ) -> Reply:
        secured = {"ssl": tls, "server_hostname": ""} if tls is not None else {}
        self._reader, writer = await asyncio.open_connection(sock=sock, limit=_READ, **secured)  # type: ignore[arg-type]
        try:
            self._began = ticks()
            writer.write(self._encoded(request, host))
            response = await self._response()
            headers = _headers(response)
            body, is_whole = await self._body()
            is_endless = not is_whole and await self._does_not_end(headers.get("content-length", ""))
        finally:
            writer.transport.abort()
            with suppress(OSError, ssl.SSLError):
                await writer.wait_closed()
        took = since(self._began)
        return Reply(response.status_code, headers, body, is_whole, self._connect_us, took, is_endless)

    def too_slow(self) -> Ending:
        return Ending(Outcome.MISBEHAVES, {"fault": Fault.DRIP}) if self._first else Ending(Outcome.MUTE)

    def _encoded(self, request: Request, host: str) -> bytes:
        headers = {
            "Host": host,
            "User-Agent": self._manner.user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **request.headers,
        }
        head = h11.Request(method=request.method, target=request.target, headers=list(headers.items()))
        sent = self._h11.send(head) or b""
        return sent + (self._h11.send(h11.EndOfMessage()) or b"")

    async def _response(self) -> h11.Response:
        for _ in range(_MOST_INTERIM):
            event = await self._event()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                break
        raise Over(Ending(Outcome.MISBEHAVES, {"fault": Fault.ENDLESS}))

    async def _body(self) -> tuple[bytes, bool]:
        """At most as much as the bounds say; a body that breaks off is what there was of it."""
        held = bytearray()
        while True:
            try:
                event = await self._event()
            except Over:
                return bytes(held), False
            if not isinstance(event, h11.Data):
                return bytes(held), True
            held += event.data
            if len(held) > self._manner.bounds.body:
                return bytes(held[: self._manner.bounds.body]), False

    async def _does_not_end(self, told: str) -> bool:
        """Of what was left behind. Nothing more is read of what says itself how long it is."""
        if told:
            return int(told) > _LONGEST_TOLD
        passed = 0
        while passed <= _LONGEST_READ:
            try:
                event = await self._event()
            except Over:
                return False
            if not isinstance(event, h11.Data):
                return False
            passed += len(event.data)
        return True

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError:
                raise Over(self._broken()) from None
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            data = await self._reader.read(_READ)
            if not data and not self._first:
                raise Over(Ending(Outcome.CLOSED))
            self._first += data[: MOST - len(self._first)]
            self._h11.receive_data(data)

    def _broken(self) -> Ending:
        """Another protocol, if it did not begin as HTTP does."""
        if self._first[:5] == b"HTTP/":
            size = len(self._h11.trailing_data[0])
            fault = Fault.ENDLESS if size >= self._manner.bounds.head else "http"
            return Ending(Outcome.MISBEHAVES, {"fault": fault})
        word = looks_like(self._first) or ("dicom" if begins_pdu(self._first) else "unknown")
        return Ending(Outcome.FOREIGN, {"looks_like": word})


def _headers(response: h11.Response) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in response.headers:
        found.setdefault(name.decode("ascii", "replace"), value.decode("latin-1"))
    return found


def _host(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
