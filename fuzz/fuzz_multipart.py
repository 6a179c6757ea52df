"""Fuzz the reader of multipart bodies, as STOW-RS and uploads send them: parts, or a Violation.

The first byte of an input chooses the size of the pieces, the rest is the body. Besides the contract on
exceptions: fed in pieces it gives the same parts as fed whole, or both are refused; parts begin and end in
turn; and what was given out is no more than what came.
"""

from __future__ import annotations

import seeded

from leadglass.errors import Violation
from leadglass.web.multipart import Part, Reader, write

BOUNDARY = "b0undary"
MOST = 20
CHUNKS = (1, 2, 7, 64, 4096)
TOKENS = (
    b"\r\n", b"\r", b"\n", b"--", b"--b0undary", b"\r\n--b0undary", b"\r\n--b0undary--", b"\t", b" ",
    b"--b0undary\r\n", b"\r\n\r\n", b":", b"Content-Type: application/dicom\r\n", b"\0", b"x" * 1100,
    b"A: b\r\n" * 20, b"\r\n--b0undar",
)  # fmt: skip


class Sink:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.is_open = False

    def begin(self) -> None:
        assert not self.is_open, "a part inside a part"
        self.is_open = True
        self.parts.append(b"")

    def write(self, piece: bytes | memoryview) -> None:
        assert self.is_open, "data of no part"
        self.parts[-1] += piece

    def end(self) -> None:
        assert self.is_open, "the end of no part"
        self.is_open = False


def outcome(body: bytes, chunk: int) -> list[bytes] | str:
    sink = Sink()
    reader = Reader(BOUNDARY, sink, MOST)
    try:
        for at in range(0, len(body), chunk):
            reader.feed(body[at : at + chunk])
        reader.close()
    except Violation as violation:
        return violation.code
    finally:
        assert sum(map(len, sink.parts)) <= len(body)
    assert not sink.is_open
    return sink.parts


def one_input(data: bytes) -> None:
    if not data:
        return
    body = data[1:]
    whole, pieces = outcome(body, len(body) or 1), outcome(body, CHUNKS[data[0] % len(CHUNKS)])
    assert whole == pieces, "pieces tell another story"


def corpus() -> list[bytes]:
    bodies = [
        b"".join(write([Part("application/dicom", [b"x" * size])] * parts, BOUNDARY))
        for size in (0, 1, 300)
        for parts in (1, 3)
    ]
    bodies += [b"\r\n" + body[:-2] for body in bodies]
    bodies += [body[:at] for body in bodies[:4] for at in (3, len(body) // 2, len(body) - 3)]
    bodies += [body.replace(b"xxx", b"\r\n--b0undar", 1) for body in bodies]
    return [bytes([choice]) + body for choice in range(len(CHUNKS)) for body in bodies]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
