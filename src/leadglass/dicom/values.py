"""Value fields as Python values, by VR (PS3.5 section 6.2), and what searching needs of them."""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from leadglass.dicom.charset import DEFAULT, Charset
from leadglass.dicom.dictionary import LUT_DESCRIPTOR
from leadglass.dicom.elements import Element

_PADDING: Final = " \0"

# Text VRs in the data set's character set; the others have the default repertoire.
ENCODED_VRS: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})


def _several(text: str) -> tuple[str, ...]:
    """Values between backslashes, padding off their ends."""
    return tuple(part.rstrip(_PADDING) for part in text.split("\\"))


def _several_stripped(text: str) -> tuple[str, ...]:
    """As above where leading spaces do not count either (PS3.5 Table 6.2-1: AE, CS, DS, IS)."""
    return tuple(part.strip(_PADDING) for part in text.split("\\"))


def _single(text: str) -> tuple[str, ...]:
    """One value in which a backslash is a character like any other."""
    return (text.rstrip(_PADDING),)


_SPLIT: Final[Mapping[str, Callable[[str], tuple[str, ...]]]] = {
    **dict.fromkeys(("AE", "CS", "DS", "IS"), _several_stripped),
    **dict.fromkeys(("AS", "DA", "DT", "LO", "PN", "SH", "TM", "UC", "UI"), _several),
    **dict.fromkeys(("LT", "ST", "UR", "UT"), _single),
}
TEXT_VRS: Final = frozenset(_SPLIT)
_STRIP: Final[Mapping[str, Callable[[str, str], str]]] = {
    vr: str.strip if split is _several_stripped else str.rstrip for vr, split in _SPLIT.items()
}

NUMBER_FORMAT: Final = {
    "FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q",
}  # fmt: skip
_SIZE: Final = {vr: struct.calcsize("<" + code) for vr, code in NUMBER_FORMAT.items()}
BINARY_NUMBER_VRS: Final = frozenset(NUMBER_FORMAT)

_LUT_DESCRIPTORS: Final = frozenset({LUT_DESCRIPTOR, 0x00281101, 0x00281102, 0x00281103})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def texts(element: Element, charset: Charset = DEFAULT) -> tuple[str, ...]:
    """The values of a text VR, padding removed; () where there is none, or where the VR is no text."""
    split = _SPLIT.get(element.vr)
    if split is None or not isinstance(element.value, bytes):
        return ()
    raw = element.value
    encoded = element.vr in ENCODED_VRS
    values = split(charset.decode(raw, name=element.vr == "PN") if encoded else raw.decode("latin-1"))
    return values if any(values) or len(values) > 1 else ()


def text(element: Element | None, charset: Charset = DEFAULT) -> str:
    """The first value of a text VR, '' when there is none."""
    if element is None:
        return ""
    raw = element.value
    if type(raw) is bytes and raw.isascii() and b"\\" not in raw and b"\x1b" not in raw:
        strip = _STRIP.get(element.vr)  # one value, and the same in every character set: nearly all are
        return strip(raw.decode("ascii"), _PADDING) if strip is not None else ""
    values = texts(element, charset)
    return values[0] if values else ""


def integer(value: str) -> int | None:
    """One value of IS; a decimal without fraction passes, as writers produce it. None if it is no integer."""
    if _INTEGER.fullmatch(value):
        return int(value)
    number = decimal(value)
    return int(number) if number is not None and number.is_integer() and abs(number) < 2**63 else None


def decimal(value: str) -> float | None:
    """One value of DS; None if it is none, or larger than a float."""
    if not _DECIMAL.fullmatch(value):
        return None
    number = float(value)
    return None if number in (float("inf"), float("-inf")) else number


def numbers(element: Element) -> tuple[int | float, ...]:
    """The values of a number VR. What is no number is left out; a wrong length gives ()."""
    value = element.value
    if not isinstance(value, bytes):
        return ()
    if element.vr in ("IS", "DS"):
        parse = integer if element.vr == "IS" else decimal
        return tuple(n for n in map(parse, texts(element)) if n is not None)
    size = _SIZE.get(element.vr)
    if size is None or len(value) % size:
        return ()
    found = struct.unpack(f"<{len(value) // size}{NUMBER_FORMAT[element.vr]}", value)
    if element.vr == "SS" and element.tag in _LUT_DESCRIPTORS and found and found[0] < 0:
        # PS3.3 C.11.1.1: the number of entries is unsigned whatever the VR says.
        return (found[0] + 0x10000, *found[1:])
    return found


def tags(element: Element) -> tuple[int, ...]:
    """The values of AT as 32-bit tags."""
    value = element.value
    if not isinstance(value, bytes) or len(value) % 4:
        return ()
    words = struct.unpack(f"<{len(value) // 2}H", value)
    return tuple(group << 16 | number for group, number in zip(words[::2], words[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class PersonName:
    """The component groups of a PN value (PS3.5 6.2.1), each `family^given^middle^prefix^suffix`."""

    alphabetic: str = ""
    ideographic: str = ""
    phonetic: str = ""

    @classmethod
    def parse(cls, value: str) -> PersonName:
        """What follows a third = is dropped."""
        return cls(*value.split("=")[:3])

    def __str__(self) -> str:
        return "=".join((self.alphabetic, self.ideographic, self.phonetic)).rstrip("=")

    def __bool__(self) -> bool:
        return bool(self.alphabetic or self.ideographic or self.phonetic)


def parse_date(value: str) -> date | None:
    """A DA value: YYYYMMDD, or YYYY.MM.DD and YYYY-MM-DD as older writers have it. None if it is no date."""
    digits = value.strip().replace(".", "").replace("-", "")
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def fold(value: str) -> str:
    """Text as it is compared in searches: compatibility forms, case, accents and runs of spaces do not count.

    NFKC (full-width and half-width forms meet), casefold (ß = ss), accents off (é = e; the dots of kana are
    letters and stay), single spaces. PS3.4 C.2.2.2.1 leaves case and accents in names to the implementation.
    """
    if value.isascii():
        return " ".join(value.casefold().split())
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", value).casefold())
    bare = "".join(c for c in apart if not unicodedata.combining(c) or unicodedata.combining(c) == 8)
    return " ".join(unicodedata.normalize("NFC", bare).casefold().split())
