"""multipart/related as WADO-RS answers it (RFC 2387, PS3.18 8.6.1.2), written as it streams. Pure.

The boundary is random and drawn after the objects were stored, so no stored object can contain it on purpose;
144 random bits make it impossible by chance.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


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
