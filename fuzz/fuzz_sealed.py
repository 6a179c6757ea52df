"""Mutates sealed objects; only Tampered may come out, and nothing unauthenticated before it.

The input is a script of edits: (place, what, length) triples applied to one of a few honest objects.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence

import seeded

from leadglass.errors import Tampered
from leadglass.store.sealed import HEADER, ROOM, SEGMENT, SealedReader, SealingWriter

KEY = bytes(range(32))
NAME = b"0123456789abcdef0123456789abcdef"
SIZES = (0, 1, 1000, ROOM - HEADER, ROOM - HEADER + 1, 3 * ROOM)
EDIT = struct.Struct(">IBI")
MAX_EDITS = 10


def honest(size: int) -> tuple[bytes, bytes]:
    plain, sealed = (bytes(range(251)) * (size // 251 + 1))[:size], bytearray()
    writer = SealingWriter(sealed.extend, KEY, NAME)
    writer.write(plain)
    writer.finish()
    return plain, bytes(sealed)


OBJECTS = tuple(honest(size) for size in SIZES)
PLAIN = {sealed: plain for plain, sealed in OBJECTS}


def flip(data: bytearray, place: int, length: int) -> None:
    if data:
        data[place % len(data)] ^= 1 << length % 8


def drop(data: bytearray, place: int, length: int) -> None:
    start = place % (len(data) + 1)
    del data[start : start + length % (SEGMENT + 2)]


def insert(data: bytearray, place: int, length: int) -> None:
    start = place % (len(data) + 1)
    data[start:start] = bytes(length % (SEGMENT + 2))


def cut_at_segment(data: bytearray, place: int, length: int) -> None:
    del data[place % 5 * SEGMENT + length % 18 :]


def swap_segments(data: bytearray, place: int, length: int) -> None:
    one, two = (place % 4 * SEGMENT, length % 4 * SEGMENT)
    first, second = data[one : one + SEGMENT], data[two : two + SEGMENT]
    if len(first) == len(second):
        data[one : one + SEGMENT], data[two : two + SEGMENT] = second, first


def splice(data: bytearray, place: int, length: int) -> None:
    """Bytes of another object under the same key and name."""
    start = place % 4 * SEGMENT
    data[start : start + SEGMENT] = OBJECTS[length % len(OBJECTS)][1][start : start + SEGMENT]


EDITS: tuple[Callable[[bytearray, int, int], None], ...] = (
    flip, drop, insert, cut_at_segment, swap_segments, splice,
)  # fmt: skip


def one_input(script: bytes) -> None:
    """Any outcome but an honest object, or Tampered after true bytes, is an exception."""
    if not script:
        return
    plain, sealed = OBJECTS[script[0] % len(OBJECTS)]
    altered, edits = bytearray(sealed), script[1:]
    for start in range(0, len(edits) - EDIT.size + 1, EDIT.size)[:MAX_EDITS]:
        place, what, length = EDIT.unpack_from(edits, start)
        EDITS[what % len(EDITS)](altered, place, length)
    result = bytes(altered)
    if result in PLAIN:  # the edits undid each other, or made another honest object
        opens(result, PLAIN[result])
    else:
        is_refused(result, plain)


def chunks(sealed: bytes) -> Iterator[bytes]:
    yield from SealedReader(lambda at, size: sealed[at : at + size], len(sealed), KEY, NAME).chunks()


def opens(sealed: bytes, plain: bytes) -> None:
    if b"".join(chunks(sealed)) != plain:
        raise AssertionError("an honest object opened to something else")


def is_refused(sealed: bytes, plain: bytes) -> None:
    true = 0
    try:
        for chunk in chunks(sealed):
            if chunk != plain[true : true + len(chunk)]:
                raise AssertionError(f"unauthenticated bytes at {true}")
            true += len(chunk)
    except Tampered:
        return
    raise AssertionError("an altered object opened to its end")


def corpus() -> list[bytes]:
    """Every edit of every object, by itself."""
    one_each = [EDIT.pack(SEGMENT + 7, what, 1) for what in range(len(EDITS))]
    return [bytes([number]) + edit for number in range(len(OBJECTS)) for edit in one_each]


def script(chance: random.Random, _: bytes, __: Sequence[bytes]) -> bytes:
    """Any script at all: all of them mean something."""
    return chance.randbytes(1 + EDIT.size * chance.randint(1, 3))


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, (), script)
