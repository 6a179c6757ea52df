"""Data sets to bytes, in the four transfer syntaxes that compress no pixels (PS3.5 7, A.1 to A.3, A.5).

`encode_dataset` takes what the parser gives: values as they are in little endian, items as data sets. For
the rows of a query `IdentifierEncoder` has the headers ready and takes text.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from leadglass.dicom.charset import DEFAULT, Charset, charset_for
from leadglass.dicom.dictionary import (
    ITEM,
    SEQUENCE_DELIMITER,
    SPECIFIC_CHARACTER_SET,
    TransferSyntax,
    format_tag,
    public_vr,
)
from leadglass.dicom.elements import Bulk, DataSet
from leadglass.dicom.encoding import DELIMITER_GROUP, LONG_VRS, SHORT_VRS, UNDEFINED, swap_words
from leadglass.dicom.values import BINARY_NUMBER_VRS, ENCODED_VRS, NUMBER_FORMAT, TEXT_VRS
from leadglass.errors import BrokenInvariant

Value: TypeAlias = "bytes | Bulk | tuple[Elements, ...]"
Elements: TypeAlias = "DataSet | Iterable[tuple[int, str, Value]]"

_SHORT: Final = frozenset(SHORT_VRS.values())
_LONG: Final = frozenset(LONG_VRS.values())
_MOST_SHORT: Final = 0xFFFE  # the longest value that is even and fits 16 bits


# --- values -----------------------------------------------------------------------------------------------


def text_value(vr: str, values: str | Sequence[str], characters: Charset = DEFAULT) -> bytes:
    """The value field of a text VR; several values are joined with backslashes.

    What `characters` lacks becomes a question mark: choose with `charset_for` and nothing does.
    """
    text = values if isinstance(values, str) else "\\".join(values)
    raw = characters.encode(text, name=vr == "PN") if vr in ENCODED_VRS else None
    return text.encode("ascii", "replace") if raw is None else raw


def number_value(vr: str, *values: float) -> bytes:
    """The value field of a number VR: binary in little endian, IS and DS as text (PS3.5 6.2)."""
    if vr == "IS":
        return "\\".join(str(int(value)) for value in values).encode("ascii")
    if vr == "DS":
        return "\\".join(map(_decimal, values)).encode("ascii")
    try:
        return struct.pack(f"<{len(values)}{NUMBER_FORMAT[vr]}", *values)
    except (KeyError, struct.error) as error:
        raise BrokenInvariant(f"A number that VR {vr} cannot hold.") from error


def tag_value(*tags: int) -> bytes:
    """The value field of VR AT."""
    return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)


def _decimal(value: float) -> str:
    """At most 16 characters (PS3.5 Table 6.2-1, DS), with as many digits as that leaves."""
    text = repr(value)
    precision = 16
    while len(text) > 16:
        precision -= 1
        text = f"{value:.{precision}g}"
    return text


# --- data sets --------------------------------------------------------------------------------------------


def encode_dataset(elements: Elements, syntax: TransferSyntax) -> bytes:
    """The data set, in ascending order of tags, values padded, sequences and items with their lengths.

    In implicit VR a sequence that no dictionary calls one has a delimiter, so that readers know it. Group
    lengths are left out (retired, PS3.5 7.2). BrokenInvariant for what cannot be written: a tag twice, an
    unknown VR, a value that is not held.
    """
    if syntax.encapsulated:
        raise BrokenInvariant(f"{syntax.name} is not written here.")
    encoded = _encode(elements, writer(explicit=syntax.explicit, little_endian=syntax.little_endian))
    return deflated(encoded) if syntax.deflated else encoded


def encode_elements(elements: Elements, to: Writer) -> bytes:
    """As `encode_dataset`, in the encoding of `to`."""
    return _encode(elements, to)


def deflated(data: bytes) -> bytes:
    """PS3.5 A.5: a raw deflate stream, of even length."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = stream.compress(data) + stream.flush()
    return padded("OB", packed)


def padded(vr: str, value: bytes) -> bytes:
    """Of even length: text with a space, UIDs and everything else with NUL (PS3.5 6.2)."""
    if not len(value) % 2:
        return value
    return value + (b" " if vr in TEXT_VRS and vr != "UI" else b"\0")


class Writer:
    """Headers and values of one encoding."""

    __slots__ = ("_implicit", "_long", "_short", "explicit", "little_endian")

    def __init__(self, *, explicit: bool, little_endian: bool) -> None:
        order = "<" if little_endian else ">"
        self.explicit = explicit
        self.little_endian = little_endian
        self._implicit = struct.Struct(order + "HHI").pack
        self._short = struct.Struct(order + "HH2sH").pack
        self._long = struct.Struct(order + "HH2sxxI").pack

    def head(self, tag: int, vr: str, length: int) -> bytes:
        """A data element header; items and delimiters have no VR whatever the encoding (PS3.5 7.5)."""
        if length > UNDEFINED:
            raise BrokenInvariant(f"A value of more than 4 GiB: {format_tag(tag)}.")
        if not self.explicit or tag & 0xFFFF0000 == DELIMITER_GROUP:
            return self._implicit(tag >> 16, tag & 0xFFFF, length)
        if vr in _SHORT:
            if length <= _MOST_SHORT:
                return self._short(tag >> 16, tag & 0xFFFF, vr.encode("ascii"), length)
            vr = "UN"  # PS3.5 6.2.2: what is too long for 16 bits of length
        elif vr not in _LONG:
            raise BrokenInvariant(f"Not a VR to write: {vr}.")
        return self._long(tag >> 16, tag & 0xFFFF, vr.encode("ascii"), length)

    def shows_sequence(self, tag: int) -> bool:
        """Whether a reader knows it for a sequence by its header; of undefined length all are known."""
        return self.explicit or public_vr(tag) == "SQ"

    def value(self, vr: str, value: bytes) -> bytes:
        value = padded(vr, value)
        return value if self.little_endian else swap_words(vr, value)


_WRITERS: Final = {
    (e, le): Writer(explicit=e, little_endian=le) for e in (False, True) for le in (False, True)
}


def writer(*, explicit: bool, little_endian: bool) -> Writer:
    return _WRITERS[explicit, little_endian]


def _encode(elements: Elements, to: Writer) -> bytes:
    rows = elements.values() if isinstance(elements, dict) else elements
    out: list[bytes] = []
    last = -1
    for tag, vr, value in sorted(rows, key=itemgetter(0)):
        if tag == last:
            raise BrokenInvariant(f"An element twice: {format_tag(tag)}.")
        last = tag
        if not tag & 0xFFFF:
            continue
        if isinstance(value, Bulk):
            raise BrokenInvariant(f"The value of {format_tag(tag)} is not held.")
        if isinstance(value, bytes):
            encoded = to.value(vr, value)
            out += (to.head(tag, vr, len(encoded)), encoded)
        elif to.shows_sequence(tag):
            encoded = _items(value, to)
            out += (to.head(tag, vr, len(encoded)), encoded)
        else:
            out += (to.head(tag, vr, UNDEFINED), _items(value, to), to.head(SEQUENCE_DELIMITER, "", 0))
    return b"".join(out)


def _items(items: tuple[Elements, ...], to: Writer) -> bytes:
    out: list[bytes] = []
    for item in items:
        encoded = _encode(item, to)
        out += (to.head(ITEM, "", len(encoded)), encoded)
    return b"".join(out)


# --- identifiers ------------------------------------------------------------------------------------------


class _Field(NamedTuple):
    """One attribute of every identifier: all of its header that does not change, and how to go on."""

    place: int  # among the values given
    tag: int
    vr: str
    head: bytes
    length: Callable[[int], bytes]
    pad: bytes
    is_text: bool


class IdentifierEncoder:
    """The identifiers of one query's answers: the same tags again and again, other text (PS3.4 C.4.1).

    Prepared once with `(tag, VR)` pairs; per answer one text for each, in the same order. Several values are
    joined with a backslash, numbers are given as text too, a sequence can only be empty. Specific Character
    Set is added where an answer needs it: `wanted`, the query's own, if it has the characters, else UTF-8.
    """

    __slots__ = ("_fields", "_syntax", "_to", "_wanted")

    def __init__(
        self, fields: Sequence[tuple[int, str]], syntax: TransferSyntax, wanted: Sequence[str] = ()
    ) -> None:
        self._syntax = syntax
        self._to = writer(explicit=syntax.explicit, little_endian=syntax.little_endian)
        self._wanted = tuple(wanted)
        ranked = sorted(enumerate(fields), key=lambda field: field[1][0])
        self._fields = tuple(
            self._field(index, tag, vr) for index, (tag, vr) in ranked if tag != SPECIFIC_CHARACTER_SET
        )

    def _field(self, index: int, tag: int, vr: str) -> _Field:
        head = self._to.head(tag, vr, 0)
        short = self._to.explicit and vr in _SHORT
        order = "<" if self._to.little_endian else ">"
        length = struct.Struct(order + ("H" if short else "I"))
        pad = padded(vr, b"0")[1:]
        return _Field(index, tag, vr, head[: -length.size], length.pack, pad, vr in TEXT_VRS)

    def encode(self, values: Sequence[str]) -> bytes:
        """One identifier."""
        out: list[bytes] = []
        plain = "".join(values).isascii()
        characters = DEFAULT if plain else self._announce(values, out)
        for index, tag, vr, head, length, pad, is_text in self._fields:
            text = values[index]
            if is_text and (plain or text.isascii()):
                raw = text.encode("ascii")
                if len(raw) & 1:
                    raw += pad
            else:
                raw = self._to.value(vr, field_value(vr, text, characters))
            size = len(raw)
            out += (head, length(size), raw) if size <= _MOST_SHORT else (self._to.head(tag, vr, size), raw)
        identifier = b"".join(out)
        return deflated(identifier) if self._syntax.deflated else identifier

    def _announce(self, values: Sequence[str], out: list[bytes]) -> Charset:
        terms, characters = charset_for(values, self._wanted)
        raw = padded("CS", text_value("CS", terms))
        out += (self._to.head(SPECIFIC_CHARACTER_SET, "CS", len(raw)), raw)
        return characters


def field_value(vr: str, text: str, characters: Charset) -> bytes:
    """The value field of any VR but sequences and bytes, from its text."""
    if vr in TEXT_VRS:
        return text_value(vr, text, characters)
    if not text:
        return b""
    if vr in BINARY_NUMBER_VRS:
        convert = float if vr in ("FD", "FL") else int
        return number_value(vr, *map(convert, text.split("\\")))
    raise BrokenInvariant(f"No text can be a value of VR {vr}.")
