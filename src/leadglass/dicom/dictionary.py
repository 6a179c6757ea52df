"""The Standard's registries as tables: tags and their VRs (PS3.6), private tags, UIDs, transfer syntaxes.

Names and VRs come from pydicom's dictionaries; the tables below are built once, at import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from leadglass.dicom.registries import (
    DicomDictionary,
    RepeatersDictionary,
    UID_dictionary,
    private_dictionaries,
)

# Tags this package itself has to know.
SPECIFIC_CHARACTER_SET: Final = 0x00080005
PIXEL_REPRESENTATION: Final = 0x00280103
LUT_DESCRIPTOR: Final = 0x00283002
PIXEL_DATA_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})  # Float, Double Float, Pixel Data
ITEM: Final = 0xFFFEE000
ITEM_DELIMITER: Final = 0xFFFEE00D
SEQUENCE_DELIMITER: Final = 0xFFFEE0DD

VR_BY_TAG: Final[Mapping[int, str]] = MappingProxyType({tag: row[0] for tag, row in DicomDictionary.items()})
KEYWORD_BY_TAG: Final[Mapping[int, str]] = MappingProxyType(
    {tag: row[4] for tag, row in DicomDictionary.items() if row[4]}
)
TAG_BY_KEYWORD: Final[Mapping[str, int]] = MappingProxyType(
    {word: tag for tag, word in KEYWORD_BY_TAG.items()}
)


def _masks() -> tuple[tuple[int, int, str, str], ...]:
    """Repeating groups (PS3.5 7.6), e.g. 60xx3000, as (mask, value under it, VR, keyword)."""
    return tuple(
        (
            int("".join("0" if digit == "x" else "F" for digit in pattern), 16),
            int(pattern.replace("x", "0"), 16),
            row[0],
            row[4],
        )
        for pattern, row in RepeatersDictionary.items()
    )


_REPEATERS: Final = _masks()


@lru_cache(maxsize=4096)
def _repeater(tag: int) -> tuple[str, str] | None:
    for mask, value, vr, keyword in _REPEATERS:
        if tag & mask == value:
            return vr, keyword
    return None


def is_private(tag: int) -> bool:
    """Private groups are the odd ones (PS3.5 7.8)."""
    return bool(tag & 0x00010000)


def is_private_creator(tag: int) -> bool:
    """(gggg,0010-00FF) in an odd group reserves a block of private elements (PS3.5 7.8.1)."""
    return is_private(tag) and 0x10 <= tag & 0xFFFF <= 0xFF


def creator_of(tag: int) -> int:
    """The private creator's tag of a private element: (gggg,xxee) belongs to (gggg,00xx)."""
    return tag & 0xFFFF0000 | (tag & 0xFF00) >> 8


def public_vr(tag: int) -> str | None:
    """VR of a standard tag, None when unknown. May be ambiguous: 'US or SS', 'OB or OW', …"""
    vr = VR_BY_TAG.get(tag)
    if vr is not None:
        return vr
    repeater = _repeater(tag)
    if repeater is not None:
        return repeater[0]
    # Every group once had a Group Length, UL (PS3.5 7.2).
    return "UL" if not tag & 0xFFFF and not is_private(tag) else None


def private_vr(tag: int, creator: str) -> str | None:
    """VR of a private element in a block that `creator` reserved, None when nobody has told us."""
    rows = private_dictionaries.get(creator)
    if rows is None:
        return None
    digits = f"{tag:08X}"
    for key in (digits, f"{digits[:4]}xx{digits[6:]}", f"{digits[:2]}xxxx{digits[6:]}"):
        if key in rows:
            return str(rows[key][0])
    return None


def keyword_of(tag: int) -> str:
    """Keyword of a standard tag, '' when it has none."""
    word = KEYWORD_BY_TAG.get(tag)
    if word is not None:
        return word
    repeater = _repeater(tag)
    return repeater[1] if repeater else ""


def name_of(tag: int) -> str:
    """Name of a standard tag as people read it (PS3.6), '' when it has none."""
    row = DicomDictionary.get(tag)
    return str(row[2]) if row is not None else keyword_of(tag)


def format_tag(tag: int) -> str:
    """(gggg,eeee), for messages."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


# --- UIDs -------------------------------------------------------------------------------------------------


def uid_name(uid: str) -> str:
    """Name of a well-known UID (PS3.6 Annex A), or the UID itself."""
    row = UID_dictionary.get(uid)
    return row[0] if row else uid


_UID: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")


def is_valid_uid(uid: str) -> bool:
    """PS3.5 9.1: at most 64 characters, digits and dots, no empty component, no leading zero."""
    return len(uid) <= 64 and _UID.fullmatch(uid) is not None


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """How a data set is encoded (PS3.5 section 10 and Annex A)."""

    uid: str
    name: str
    explicit: bool = True
    little_endian: bool = True
    deflated: bool = False
    encapsulated: bool = False


IMPLICIT_VR_LITTLE_ENDIAN: Final = TransferSyntax(
    "1.2.840.10008.1.2", "Implicit VR Little Endian", explicit=False
)
EXPLICIT_VR_LITTLE_ENDIAN: Final = TransferSyntax("1.2.840.10008.1.2.1", "Explicit VR Little Endian")
EXPLICIT_VR_BIG_ENDIAN: Final = TransferSyntax(
    "1.2.840.10008.1.2.2", "Explicit VR Big Endian", little_endian=False
)
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: Final = TransferSyntax(
    "1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", deflated=True
)

# The rest is explicit VR little endian and encapsulates its pixel data (PS3.5 A.4), except these.
_EXCEPTIONS: Final[Mapping[str, dict[str, bool]]] = {
    "1.2.840.10008.1.2.4.94": {},  # JPIP: pixels are elsewhere (PS3.5 A.6)
    "1.2.840.10008.1.2.4.204": {},
    "1.2.840.10008.1.2.4.95": {"deflated": True},  # JPIP Referenced Deflate (PS3.5 A.7)
    "1.2.840.10008.1.2.4.205": {"deflated": True},
    "1.2.840.10008.1.20": {"explicit": False},  # Papyrus 3
    "1.2.840.113619.5.2": {"explicit": False},  # GE private: implicit VR, pixels big endian
}


def _transfer_syntaxes() -> dict[str, TransferSyntax]:
    names = {uid: row[0] for uid, row in UID_dictionary.items() if row[1] == "Transfer Syntax"}
    names["1.2.840.113619.5.2"] = "GE Private Implicit VR Big Endian pixels"
    table = {
        uid: TransferSyntax(uid, name, **_EXCEPTIONS.get(uid, {"encapsulated": True}))
        for uid, name in names.items()
    }
    for syntax in (
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ):
        table[syntax.uid] = syntax
    return table


TRANSFER_SYNTAXES: Final[Mapping[str, TransferSyntax]] = MappingProxyType(_transfer_syntaxes())


def transfer_syntax(uid: str) -> TransferSyntax:
    """The syntax of that UID; an unknown one is taken as PS3.5 A.4 wants every compressed one to be."""
    return TRANSFER_SYNTAXES.get(uid) or TransferSyntax(uid, uid, encapsulated=True)
