"""Which Value Representation an element has when the file does not say, or says UN."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from leadglass.dicom.dictionary import (
    LUT_DESCRIPTOR,
    PIXEL_REPRESENTATION,
    creator_of,
    is_private,
    is_private_creator,
    private_vr,
    public_vr,
)
from leadglass.dicom.elements import DataSet, Element

AMBIGUOUS: Final = frozenset({"US or SS", "OB or OW", "US or OW", "US or SS or OW"})


def _word(element: Element | None) -> int | None:
    """First 16-bit word of an element's value."""
    if element is None or not isinstance(element.value, bytes) or len(element.value) < 2:
        return None
    return int.from_bytes(element.value[:2], "little")


def _private(tag: int, siblings: DataSet) -> str:
    if is_private_creator(tag):
        return "LO"
    creator = siblings.get(creator_of(tag))
    if creator is None or not isinstance(creator.value, bytes):
        return "UN"
    return private_vr(tag, creator.value.decode("latin-1").strip("\0 ")) or "UN"


def resolve_vr(written: str | None, tag: int, siblings: DataSet) -> str:
    """The VR as written; where it is absent (implicit VR) or UN, the dictionary's (PS3.5 6.2.2).

    May be ambiguous. `siblings` are the elements before it, among them its private creator.
    """
    if written is not None and written != "UN":
        return written
    known = _private(tag, siblings) if is_private(tag) else public_vr(tag)
    return "UN" if known in (None, "NONE") else str(known)


def settle_vr(vr: str, surroundings: Iterable[DataSet]) -> str:
    """One VR for an ambiguous one (PS3.5 A.1); `surroundings` from the element's own data set outwards."""
    levels = list(surroundings)
    if vr == "US or SS":
        signs = (_word(level.get(PIXEL_REPRESENTATION)) for level in levels)
        return "SS" if next((sign for sign in signs if sign is not None), 0) else "US"
    if vr == "US or OW":  # LUT Data of a single entry is US (PS3.3 C.11.1.1.1)
        return "US" if _word(levels[0].get(LUT_DESCRIPTOR)) == 1 else "OW"
    return "OW"
