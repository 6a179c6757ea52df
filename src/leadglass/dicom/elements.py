"""What a parsed data set is made of, and the limits under which it may be made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


@dataclass(frozen=True, slots=True)
class Bulk:
    """A binary value too long to hold: `length` bytes at `offset` of the (inflated) data set."""

    offset: int
    length: int


class Element(NamedTuple):
    """One data element. A named tuple, as it is made in a third of the time that a frozen dataclass takes.

    `value` is the raw value field, always in little endian whatever the file was; for SQ the items, each
    a data set; `Bulk` for a binary value longer than `Limits.value_bytes`.
    `vr` is settled: never ambiguous, and 'UN' only where nobody knows better.
    """

    tag: int
    vr: str
    value: bytes | tuple[DataSet, ...] | Bulk


DataSet: TypeAlias = dict[int, Element]


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where the pixels begin. Offsets count from the start of the (inflated) data set.

    `length` is None for encapsulated pixel data (PS3.5 A.4): items up to a sequence delimiter follow.
    """

    tag: int
    vr: str
    offset: int  # of the element
    value_offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What we are willing to hold and to walk; each is checked before anything is allocated for it.

    A file may be larger than all of these: what is not kept is skipped without buffering.
    """

    depth: int = 32  # nested sequences
    elements: int = 500_000  # elements and items walked through, kept or not: bounds the time
    header_bytes: int = 32 << 20  # held in memory at once, every kept element charged with ELEMENT_COST
    value_bytes: int = 4 << 20  # one value with a 32-bit length (16-bit lengths are below it anyway)
    fragments: int = 1_000_000  # of encapsulated pixel data
    meta_bytes: int = 1 << 20  # File Meta Information
    inflate_ratio: int = 200  # inflated : deflated, looked at once inflate_free bytes came out
    inflate_free: int = 16 << 20


# What a kept element or item costs beside its value's bytes (objects, table entries; rounded up).
ELEMENT_COST = 256
