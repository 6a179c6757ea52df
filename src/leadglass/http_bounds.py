"""uvicorn's HTTP protocol with the limits it lacks: how long a request head may take, how long it may be, and
how many connections wait for one.

A connection is *waiting* from its first byte, or the end of its last request, until a head is complete. When
there are more connections than allowed, the one that has waited longest goes. So a thousand half-open
connections cost a stranger ten seconds each, and nobody who sends a request at once is kept out by them.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_BYTES: Final = 32 * 1024  # request line and header fields
HEAD_FIELDS: Final = 100
HEAD_SECONDS: Final = 10.0
# How long the rest of a body may come that nobody wants any more. Closing at once would reset the connection,
# and many a client would then never see the answer that says why.
UNREAD_SECONDS: Final = 10.0


class HeadTooLarge(Exception):
    """Raised in a parser's callback to stop it."""


class Lobby:
    """The connections of one listener that wait for a request head, in the order they began to wait."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[HttpToolsProtocol, None] = {}

    def enter(self, protocol: HttpToolsProtocol, connections: int) -> None:
        """`protocol` begins to wait; of too many `connections` the longest waiting one is cut off."""
        self._waiting[protocol] = None
        if connections > self._most:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.transport.abort()

    def leave(self, protocol: HttpToolsProtocol) -> None:
        self._waiting.pop(protocol, None)


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. `bounded` makes the class that knows its listener's lobby."""

    lobby: ClassVar[Lobby]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._in_head = True
        self._head_bytes = 0
        self._head_fields = 0
        self._is_unread = False  # answered before the end of its request's body, whose rest is thrown away
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)
        self.lobby.enter(self, len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self.lobby.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head and self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)
        waited = self._in_head
        super().data_received(data)
        if waited and self._in_head:  # what the parser holds of an unfinished head
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes, self._head_fields = True, 0, 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > HEAD_BYTES:
            raise HeadTooLarge

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_fields += 1
        if self._head_fields > HEAD_FIELDS or sum(len(n) + len(v) for n, v in self.headers) > HEAD_BYTES:
            raise HeadTooLarge

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_clock()
        self.lobby.leave(self)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._is_unread:
            self._stop_clock()
            self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or self.pipeline:
            return
        self._is_unread = self.cycle.more_body
        if self._is_unread:
            self._deadline = self.loop.call_later(UNREAD_SECONDS, self.transport.close)
        else:
            self._wait()

    def _wait(self) -> None:
        """For the next head."""
        self._in_head, self._head_bytes, self._is_unread = True, 0, False
        self.lobby.enter(self, len(self.connections))

    def _too_slow(self) -> None:
        self._deadline = None
        if self._in_head and not self.transport.is_closing():
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        """In the middle of a head nothing else can be under way on this connection."""
        if not self.transport.is_closing():
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def bounded(connections: int) -> type[BoundedHttpProtocol]:
    """The protocol class of a listener that holds at most `connections` at once."""
    return type("ListenerProtocol", (BoundedHttpProtocol,), {"lobby": Lobby(connections)})
