"""The byte layout of a data element header (PS3.5 7.1), and byte order.

explicit VR, most VRs      bytes 0-3 tag, 4-5 VR, 6-7 length
explicit VR, LONG_VRS      bytes 0-3 tag, 4-5 VR, 6-7 reserved, 8-11 length
implicit VR, items         bytes 0-3 tag, 4-7 length
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from leadglass.dicom.window import Window

UNDEFINED: Final = 0xFFFFFFFF
DELIMITER_GROUP: Final = 0xFFFE0000


def _codes(*vrs: str) -> dict[bytes, str]:
    return {vr.encode(): vr for vr in vrs}


# PS3.5 7.1.2: these, and any VR added later, have a 32-bit length. Keys are the bytes in the file.
LONG_VRS: Final = _codes("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
SHORT_VRS: Final = _codes(
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO",
    "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US",
)  # fmt: skip

# Values that may stay in the file as `Bulk`, or be made up of fragments (PS3.5 A.4).
BULK_VRS: Final = frozenset(
    {"OB", "OD", "OF", "OL", "OV", "OW", "UN", "OB or OW", "US or SS or OW", "US or OW"}
)

# Width of the words whose bytes the byte order concerns (PS3.5 7.3).
_WORD: Final = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), "H"),
    **dict.fromkeys(("UL", "SL", "FL", "OF", "OL"), "I"),
    **dict.fromkeys(("FD", "OD", "SV", "UV", "OV"), "Q"),
}

Unpack = Callable[[bytes, int], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How headers are read at one place; items may differ from the data set around them."""

    explicit: bool
    little_endian: bool
    explicit_head: Unpack
    implicit_head: Unpack
    long_length: Unpack


def _encoding(explicit: bool, little_endian: bool) -> Encoding:
    order = "<" if little_endian else ">"
    return Encoding(
        explicit,
        little_endian,
        struct.Struct(order + "HH2sH").unpack_from,
        struct.Struct(order + "HHI").unpack_from,
        struct.Struct(order + "I").unpack_from,
    )


_ENCODINGS: Final = {(e, le): _encoding(e, le) for e in (False, True) for le in (False, True)}


def encoding(*, explicit: bool, little_endian: bool) -> Encoding:
    return _ENCODINGS[explicit, little_endian]


def looks_explicit(buffer: bytes, at: int) -> bool:
    """Whether bytes 4-5 of the element header at index `at` are two capital letters, as every VR is.

    As the low half of an implicit length they would mean a first element of 16 KiB or more.
    """
    return 0x41 <= buffer[at + 4] <= 0x5A and 0x41 <= buffer[at + 5] <= 0x5A


class Head(NamedTuple):
    """A data element header. `vr` is None where it is implicit, `body` the value's index in the window."""

    tag: int
    vr: str | None
    body: int
    length: int


def read_head(window: Window, code: Encoding) -> Head | None:
    """The header at the window's position; None when more bytes are needed."""
    at = window.at
    if window.lacks(at + 8):
        return None
    group, number, written, length = code.explicit_head(window.buffer, at)
    tag = group << 16 | number
    if code.explicit and tag & 0xFFFF0000 != DELIMITER_GROUP:
        vr = SHORT_VRS.get(written)
        if vr is not None:
            return Head(tag, vr, at + 8, length)
        if written in LONG_VRS or looks_explicit(window.buffer, at):
            return _read_long_head(window, code, tag, LONG_VRS.get(written), length)
    # Tolerance: writers exist that leave single elements of an explicit data set implicit; no letters are
    # then where the VR belongs. Items and delimiters never have a VR (PS3.5 7.5).
    return Head(tag, None, at + 8, code.implicit_head(window.buffer, at)[2])


def _read_long_head(window: Window, code: Encoding, tag: int, vr: str | None, reserved: int) -> Head | None:
    at = window.at
    if vr is None and reserved:
        # Tolerance: a VR nobody knows, with a length where PS3.5 7.1.2 reserves two zero bytes.
        return Head(tag, "UN", at + 8, reserved)
    if window.lacks(at + 12):
        return None
    return Head(tag, vr or "UN", at + 12, code.long_length(window.buffer, at + 8)[0])


def word_size(vr: str) -> int:
    """How many bytes the byte order concerns at a time; 1 where it does not."""
    code = _WORD.get(vr)
    return struct.calcsize("=" + code) if code else 1


def swap_words(vr: str, value: bytes) -> bytes:
    """A value field in the other byte order; unchanged where its length fits no whole number of words."""
    code = _WORD.get(vr)
    if code is None:
        return value
    words = array(code)
    if len(value) % words.itemsize:
        return value
    words.frombytes(value)
    words.byteswap()
    return words.tobytes()
