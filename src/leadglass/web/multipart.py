"""multipart/related as it streams (RFC 2387, PS3.18 8.6.1.2): written for WADO-RS, read for STOW-RS. Pure.

The boundary is random and drawn after the objects were stored, so no stored object can contain it on purpose;
144 random bits make it impossible by chance.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from leadglass.errors import LimitExceeded, Violation

LONGEST_BOUNDARY: Final = 70  # RFC 2046 5.1.1
MOST_HEADERS: Final = 16  # of a part
HEADER_BYTES: Final = 1024  # of one of them
_DAMAGED: Final = "The body is no multipart, or it ends before its last boundary."

# The library's warnings quote what they stumbled over, which may be a file's name and so a patient's.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Part:
    """`content_type` as the whole header value; `chunks` is read once."""

    content_type: str
    chunks: Iterable[bytes]
    size: int | None = None


def new_boundary() -> str:
    return "leadglass-" + secrets.token_urlsafe(18)


def content_type(boundary: str, kind: str) -> str:
    """The `type` parameter names the root part's media type and is mandatory (RFC 2387 3.1)."""
    return f'multipart/related; type="{kind}"; boundary="{boundary}"'


def write(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """The body, chunk by chunk. A body without a part is no multipart: the caller makes sure there is one."""
    delimiter = f"--{boundary}\r\n".encode("ascii")
    for part in parts:
        yield delimiter + _head(part)
        yield from part.chunks
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")


def _head(part: Part) -> bytes:
    length = "" if part.size is None else f"Content-Length: {part.size}\r\n"
    return f"Content-Type: {part.content_type}\r\n{length}\r\n".encode("ascii")


class Sink(Protocol):
    """Where parts go: `begin`, the part's bytes, `end`, for each of them."""

    def begin(self) -> None: ...
    def write(self, piece: bytes | memoryview, /) -> None: ...
    def end(self) -> None: ...


class Reader:
    """Hands the parts of a body on as they come in; holds no more than a delimiter's length of them.

    Headers of parts are bounded and passed over: what a part is the request has said, and what its file was
    called nobody wants to know. Violation for a body that is no multipart, LimitExceeded for more parts.
    """

    def __init__(self, boundary: str, sink: Sink, most: int) -> None:
        if not (0 < len(boundary) <= LONGEST_BOUNDARY and boundary.isascii() and boundary.isprintable()):
            raise Violation("The boundary is missing, or none.", code="multipart")
        self._sink = sink
        self._most = most
        self._first = b"--" + boundary.encode("ascii")
        self._beginning: bytes | None = b""  # until it is known that the body begins as one must
        self._parts = 0
        self._is_complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_part_data": lambda data, start, end: sink.write(memoryview(data)[start:end]),
                "on_part_end": sink.end,
                "on_end": self._end,
            },
            max_header_count=MOST_HEADERS,
            max_header_size=HEADER_BYTES,
        )

    def feed(self, data: bytes) -> None:
        if self._beginning is not None:
            data = self._begun(self._beginning + data)
        try:
            if not self._is_complete:  # what follows the last boundary is nobody's (RFC 2046 5.1.1)
                self._parser.write(data)
        except MultipartParseError:
            raise Violation(_DAMAGED, code="multipart") from None

    def close(self) -> None:
        """The end of the body, which has one part at least."""
        if not (self._is_complete and self._parts):
            raise Violation(_DAMAGED, code="multipart")

    def _begun(self, data: bytes) -> bytes:
        """The body from its first boundary on, which may follow an empty line and nothing else: the library
        reads over more in one piece than in several. Nothing while too little has come to know."""
        if len(data) < len(self._first) + 2:
            self._beginning = data
            return b""
        data = data.removeprefix(b"\r\n")
        if not data.startswith(self._first):
            raise Violation(_DAMAGED, code="multipart")
        self._beginning = None
        return data

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._most:
            raise LimitExceeded("The request has too many parts.", code="parts")
        self._sink.begin()

    def _end(self) -> None:
        self._is_complete = True
