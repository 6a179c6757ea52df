"""A web server as the estate plays it: requests in, prepared pages out, and those who cannot behave."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from estate.door import Door, Peer

_MOST_HEAD: Final = 64 << 10
_PIECE: Final = 64 << 10
_REASONS: Final = {200: "OK", 204: "No Content", 302: "Found", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # by their names in lower case
    door: Door

    @property
    def host(self) -> str:
        return self.headers.get("host", f"{self.door.address}:{self.door.port}")


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: bytes = b""
    type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, *, is_head: bool) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Status')}"]
        named = {"Content-Type": self.type, "Content-Length": str(len(self.body)), **self.headers}
        if self.status == 204:
            named = dict(self.headers)
        lines += [f"{name}: {value}" for name, value in named.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head if is_head else head + self.body


Page = Callable[[Request], Reply]
NOT_FOUND: Final = Reply(404, b"<html><head><title>404 Not Found</title></head></html>")


class WebPeer(Peer):
    def __init__(self, door: Door, site: Page) -> None:
        super().__init__(door)
        self._site = site
        self._buffer = bytearray()
        self._due = 0  # bytes of a body that nobody looks at

    def take(self, data: bytes) -> None:
        self._buffer += data
        while self.is_open and not self.transport.is_closing():
            passed = min(self._due, len(self._buffer))
            del self._buffer[:passed]
            self._due -= passed
            end = self._buffer.find(b"\r\n\r\n")
            if self._due or end < 0:
                if len(self._buffer) > _MOST_HEAD:
                    self.transport.abort()
                return
            head = bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            self._answer(head.decode("latin-1"))

    def _answer(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/"):
            self.say(Reply(400).encode(is_head=False))
            self.transport.close()
            return
        named = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in named}
        length = headers.get("content-length", "0")
        self._due = int(length) if length.isdigit() else 0
        where = urlsplit(words[1])
        query = dict(parse_qsl(where.query))
        self.door.happened[words[0]] += 1
        self._reply(Request(words[0], unquote(where.path), query, headers, self.door))

    def _reply(self, request: Request) -> None:
        self.say(self._site(request).encode(is_head=request.method == "HEAD"))
        if request.headers.get("connection", "").lower() == "close":
            self.transport.close()


# --- those who cannot behave ------------------------------------------------------------------------------

Flood = Callable[[], Iterator[bytes]]
_HTML: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


class FloodPeer(WebPeer):
    """Answers each request with the same pieces, as fast as they are taken or one `every` seconds."""

    def __init__(self, door: Door, flood: Flood, every: float = 0.0) -> None:
        super().__init__(door, lambda _: NOT_FOUND)
        self._flood = flood
        self._every = every
        self._pieces: Iterator[bytes] | None = None
        self._scheduled = False

    def _reply(self, request: Request) -> None:
        if self._pieces is None:
            self._pieces = self._flood()
            self.go_on()

    def go_on(self) -> None:
        if self._pieces is not None and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(self._every, self._next)

    def _next(self) -> None:
        self._scheduled = False
        if self._pieces is None or self.stalled or not self.is_open:
            return
        piece = next(self._pieces, None)
        if piece is None:
            self.transport.close()
            return
        self.quiet = 0
        self.say(piece)
        self.go_on()

    def end(self) -> None:
        self._pieces = None


def _gigabyte() -> Iterator[bytes]:
    yield _HTML + b"Content-Length: 1073741824\r\n\r\n"
    for _ in range((1 << 30) // _PIECE):
        yield b" " * _PIECE


def _without_end() -> Iterator[bytes]:
    yield _HTML + b"Transfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"10000\r\n" + b" " * 0x10000 + b"\r\n"


def _headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    number = 0
    while True:
        yield b"".join(b"X-Header-%08d: %b\r\n" % (number + each, b"x" * 64) for each in range(512))
        number += 512


def _one_header() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Header: "
    while True:
        yield b"x" * _PIECE


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(64 << 20), compresslevel=9)


def _gzip() -> Iterator[bytes]:
    """64 MB of zeros in 64 KB."""
    body = _bomb()
    yield _HTML + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _slow() -> Iterator[bytes]:
    for byte in _HTML + b"Content-Length: 2\r\n\r\nok":
        yield bytes((byte,))


FLOODS: Final[dict[str, tuple[Flood, float]]] = {
    "web-gigabyte": (_gigabyte, 0.0),
    "web-endless": (_without_end, 0.0),
    "web-header-bomb": (_headers, 0.0),
    "web-long-header": (_one_header, 0.0),
    "web-gzip-bomb": (_gzip, 0.0),
    "web-slow": (_slow, 1.0),
}


def flooding(name: str) -> Callable[[Door], Peer]:
    flood, every = FLOODS[name]
    return partial(FloodPeer, flood=flood, every=every)
