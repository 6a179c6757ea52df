"""The identifier of a C-FIND request: a level, what to match, what to return (PS3.4 C.4.1.1.3.1).

Asked strictly: a hierarchical query names one entity of each level above its own (C.4.1.2.1). Read
leniently: other keys of those levels match too, and keys we do not know match anything (C.2.2.1.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from leadglass.archive.identifiers import ATTRIBUTES, ITEM_ATTRIBUTES
from leadglass.archive.queries import ITEM_KEYS, KEYS, Level, Query, query_from_keys
from leadglass.dicom.charset import Charset, charset_of
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import (
    SPECIFIC_CHARACTER_SET,
    TAG_BY_KEYWORD,
    VR_BY_TAG,
    keyword_of,
    transfer_syntax,
)
from leadglass.dicom.elements import DataSet, Element, Limits
from leadglass.dicom.values import ENCODED_VRS
from leadglass.dimse import sop_classes as uids
from leadglass.errors import Violation
from leadglass.scp.extended import Options

MOST_BYTES: Final = 1 << 20  # of an identifier
_LIMITS: Final = Limits(depth=4, elements=1000, header_bytes=4 << 20, value_bytes=1 << 20)

# The levels of each information model from the top, each with its unique key (PS3.4 C.6.1.1, C.6.2.1).
UNIQUE: Final[Mapping[Level, str]] = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.INSTANCE: "SOPInstanceUID",
}
MODELS: Final[Mapping[str, tuple[Level, ...]]] = MappingProxyType(
    {uids.PATIENT_ROOT_FIND: tuple(UNIQUE), uids.STUDY_ROOT_FIND: tuple(UNIQUE)[1:]}
)

# Elements of an identifier that are no keys. The last two are answered whether they are asked for or not.
_NO_KEYS: Final = frozenset(
    {
        "SpecificCharacterSet",
        "TimezoneOffsetFromUTC",
        "QueryRetrieveLevel",
        "RetrieveAETitle",
        "InstanceAvailability",
    }
)
# What an identifier that names no character set, or none beyond ASCII, is answered in: what readers without
# code extensions have most likely.
_UNSAID: Final = ("", "ISO_IR 6")
_LIKELY: Final = ("ISO_IR 100",)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one C-FIND is about. `items` are keywords wanted of the items of a sequence.

    `is_partial`: an optional key is not supported, for existence or for matching (status 0xFF01).
    """

    query: Query
    keywords: frozenset[str]
    items: frozenset[str]
    characters: tuple[str, ...]
    is_partial: bool


@dataclass(slots=True)
class _Keys:
    """The keys of an identifier, sorted out."""

    level: Level
    values: dict[str, str] = field(default_factory=dict)
    items: dict[str, dict[str, str]] = field(default_factory=dict)
    returned: set[str] = field(default_factory=set)
    returned_items: set[str] = field(default_factory=set)
    is_partial: bool = False

    def take(self, element: Element, characters: Charset) -> None:
        keyword = keyword_of(element.tag)
        if keyword in _NO_KEYS or not element.tag & 0xFFFF:
            return
        if keyword not in ATTRIBUTES[self.level]:
            self.is_partial = True
            return
        self.returned.add(keyword)
        if keyword in ITEM_KEYS:
            self._take_sequence(keyword, element, characters)
            return
        value = _text(element, characters)
        if keyword in KEYS[self.level]:
            self.values[keyword] = value
        elif value:
            self.is_partial = True  # returned, but anything matches (C.2.2.1.3)

    def _take_sequence(self, keyword: str, element: Element, around: Charset) -> None:
        """One item at most (C.2.2.2.6); none, or an empty one, asks for whole items."""
        if not isinstance(element.value, tuple) or len(element.value) > 1:
            raise Violation(f"{keyword} is no sequence of one item.", code=keyword)
        item: DataSet = element.value[0] if element.value else {}
        known = {keyword_of(inner.tag): inner for inner in item.values()}
        self.is_partial |= not known.keys() <= ITEM_KEYS[keyword].keys()
        self.returned_items |= (
            known.keys() & ITEM_KEYS[keyword].keys() if item else {*ITEM_ATTRIBUTES[keyword]}
        )
        characters = charset_of(item, around)
        self.items[keyword] = {
            name: _text(inner, characters) for name, inner in known.items() if name in ITEM_KEYS[keyword]
        }


def read_identifier(
    identifier: bytes, sop_class_uid: str, transfer_syntax_uid: str, options: Options
) -> Asked:
    """Violation when it is not one of this SOP class, with the keyword at fault as its code; MalformedDataSet
    and LimitExceeded when it is no data set that we read."""
    found = parse(identifier, transfer_syntax(transfer_syntax_uid), _LIMITS)
    levels = MODELS[sop_class_uid]
    characters = charset_of(found)
    named = found.get(TAG_BY_KEYWORD["QueryRetrieveLevel"])
    level = next((one for one in levels if named and _text(named, characters) == one.value), None)
    if level is None:
        raise Violation("No level of this information model.", code="QueryRetrieveLevel")
    keys = _Keys(level)
    for element in found.values():
        keys.take(element, characters)
    if not options.relational:
        _require_one_of_each(levels[: levels.index(level)], keys.values)
    query = query_from_keys(level, keys.values, keys.items, moments=options.moments)
    return Asked(
        query,
        frozenset(keys.returned | {UNIQUE[one] for one in levels[: levels.index(level) + 1]}),
        frozenset(keys.returned_items),
        _characters(found),
        keys.is_partial,
    )


def _require_one_of_each(above: Iterable[Level], values: Mapping[str, str]) -> None:
    for keyword in (UNIQUE[level] for level in above):
        value = values.get(keyword, "")
        if not value or any(character in value for character in "*?\\"):
            raise Violation("A hierarchical query names one entity of each level above.", code=keyword)


def _characters(found: DataSet) -> tuple[str, ...]:
    element = found.get(SPECIFIC_CHARACTER_SET)
    raw = element.value if element is not None and isinstance(element.value, bytes) else b""
    terms = tuple(term.strip(" \0") for term in raw.decode("latin-1").split("\\"))
    return _LIKELY if len(terms) == 1 and terms[0] in _UNSAID else terms


def _text(element: Element, characters: Charset) -> str:
    """All of the value, backslashes and all, read by its attribute's own VR."""
    if not isinstance(element.value, bytes):
        return ""
    vr = VR_BY_TAG[element.tag]
    raw = element.value
    value = characters.decode(raw, name=vr == "PN") if vr in ENCODED_VRS else raw.decode("latin-1")
    return value.strip(" \0")
