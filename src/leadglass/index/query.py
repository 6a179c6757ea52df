"""Queries: what is asked of which level, and how a key's text is read (PS3.4 C.2.2.2). No SQL yet.

A key that is not in the table of its level matches universally and is reported back as ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from leadglass.dicom.dictionary import is_valid_uid
from leadglass.errors import Violation

MAX_VALUE_LENGTH: Final = 400
MAX_UIDS: Final = 10_000
MAX_WILDCARDS: Final = 16

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")  # a space in what the index holds; PostgreSQL takes no NUL


class Level(StrEnum):
    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    INSTANCE = "IMAGE"  # the Standard's word for the level (PS3.4 C.6.1.1.5)


@dataclass(frozen=True, slots=True)
class Single:
    """Single value matching (C.2.2.2.1)."""

    value: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """List of UID matching (C.2.2.2.2), and several codes where people write several."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Wild card matching (C.2.2.2.4): `*` any sequence, `?` any one character."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """Range matching (C.2.2.2.5), both ends included; an empty end is open."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Item:
    """Sequence matching (C.2.2.2.6): one and the same item of the sequence has all of these."""

    match: tuple[tuple[str, Match], ...]


Match: TypeAlias = "Single | AnyOf | Wildcard | Range | Item"
Place: TypeAlias = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows of one level. `words`: each begins a word of the patient's name.

    `moments` names dates of `match` that are one range with their times (C.2.2.2.5.4). `after` is the place
    of the last row seen (`order.place`): a page that begins there costs no more than the first.
    """

    level: Level
    match: tuple[tuple[str, Match], ...] = ()
    words: tuple[str, ...] = ()
    study_id: int | None = None
    series_id: int | None = None
    limit: int = 50
    offset: int = 0
    moments: tuple[str, ...] = ()
    after: Place = ()


class Kind(Enum):
    """How an attribute's values are read and compared."""

    TEXT = "text"
    CODE = "CS"
    UID = "UI"
    DATE = "DA"
    TIME = "TM"
    NAME = "PN"
    NUMBER = "IS"
    MODALITIES = "the modalities of a study"
    CLASSES = "the SOP classes of a study"
    SEQUENCE = "SQ"


_PATIENT: Final = {
    "PatientName": Kind.NAME,
    "PatientID": Kind.TEXT,
    "IssuerOfPatientID": Kind.TEXT,
    "PatientBirthDate": Kind.DATE,
    "PatientSex": Kind.CODE,
}
_STUDY: Final = _PATIENT | {
    "StudyInstanceUID": Kind.UID,
    "StudyDate": Kind.DATE,
    "StudyTime": Kind.TIME,
    "AccessionNumber": Kind.TEXT,
    "StudyID": Kind.TEXT,
    "StudyDescription": Kind.TEXT,
    "ReferringPhysicianName": Kind.NAME,
    "ModalitiesInStudy": Kind.MODALITIES,
    "SOPClassesInStudy": Kind.CLASSES,
}
_SERIES: Final = _STUDY | {
    "SeriesInstanceUID": Kind.UID,
    "Modality": Kind.CODE,
    "SeriesNumber": Kind.NUMBER,
    "SeriesDescription": Kind.TEXT,
    "BodyPartExamined": Kind.CODE,
    "Laterality": Kind.CODE,
    "SeriesDate": Kind.DATE,
    "SeriesTime": Kind.TIME,
    "PerformedProcedureStepStartDate": Kind.DATE,
    "PerformedProcedureStepStartTime": Kind.TIME,
    "RequestAttributesSequence": Kind.SEQUENCE,
}
_INSTANCE: Final = _SERIES | {
    "SOPInstanceUID": Kind.UID,
    "SOPClassUID": Kind.UID,
    "InstanceNumber": Kind.NUMBER,
}
KEYS: Final[Mapping[Level, Mapping[str, Kind]]] = {
    Level.PATIENT: _PATIENT,
    Level.STUDY: _STUDY,
    Level.SERIES: _SERIES,
    Level.INSTANCE: _INSTANCE,
}
# What an item of a sequence key is matched by.
ITEM_KEYS: Final[Mapping[str, Mapping[str, Kind]]] = {
    "RequestAttributesSequence": {
        "RequestedProcedureID": Kind.TEXT,
        "ScheduledProcedureStepID": Kind.TEXT,
    }
}
TIME_OF: Final[Mapping[str, str]] = {
    "StudyDate": "StudyTime",
    "SeriesDate": "SeriesTime",
    "PerformedProcedureStepStartDate": "PerformedProcedureStepStartTime",
}


def parse_match(level: Level, keyword: str, value: str) -> Match | None:
    """A key's text as the Standard writes it → how it matches; None for universal matching.

    Raises Violation when the value is not one that the attribute may have, KeyError for other keys.
    """
    return _parsed(KEYS[level][keyword], keyword, value)


def parse_item(keyword: str, values: Mapping[str, str]) -> Match | None:
    """The one item of a sequence key, in the same way."""
    kinds = ITEM_KEYS[keyword]
    read = ((name, _parsed(kinds[name], name, value)) for name, value in values.items())
    match = tuple((name, found) for name, found in read if found is not None)
    return Item(match) if match else None


def same_form(dates: Match | None, times: Match | None) -> bool:
    """Whether both are ranges with the same ends open (C.2.2.2.5.4)."""
    if not isinstance(dates, Range) or not isinstance(times, Range):
        return False
    return (bool(dates.low), bool(dates.high)) == (bool(times.low), bool(times.high))


def _parsed(kind: Kind, keyword: str, value: str) -> Match | None:
    if len(value) > _LONGEST.get(kind, MAX_VALUE_LENGTH):
        raise Violation(f"The value for {keyword} is too long.")
    value = re.sub(r"\*+", "*", _CONTROL.sub(" ", value).strip())
    if value in {"", "*"}:
        return None
    return _PARSERS[kind](keyword, value)


def _parse_text(keyword: str, value: str) -> Match:
    if "*" not in value and "?" not in value:
        return Single(value)
    if value.count("*") + value.count("?") > MAX_WILDCARDS:
        raise Violation(f"Too many wild cards in {keyword}.")
    return Wildcard(value)


def _parse_code(keyword: str, value: str) -> Match:
    r"""No code has a backslash in it: several of them mean any, as people write `CT\MR`."""
    codes = tuple(dict.fromkeys(filter(None, (code.strip() for code in value.split("\\")))))
    if len(codes) < 2 or "*" in value or "?" in value:
        return _parse_text(keyword, value)
    return AnyOf(codes)


def _parse_uid(keyword: str, value: str) -> Match:
    uids = tuple(dict.fromkeys(uid.strip(" \0") for uid in re.split(r"[,\\]", value)))
    if len(uids) > MAX_UIDS or not all(map(is_valid_uid, uids)):
        raise Violation(f"{keyword} is not a list of legal UIDs.")
    return AnyOf(uids) if len(uids) > 1 else Single(uids[0])


def _parse_date(keyword: str, value: str) -> Match:
    if re.fullmatch(r"[0-9]{8}", value):
        return Single(value)
    if value != "-" and (found := re.fullmatch(r"([0-9]{8})? ?- ?([0-9]{8})?", value)):
        return Range(found[1] or "", found[2] or "")
    raise Violation(f"{keyword} is neither YYYYMMDD nor a range YYYYMMDD-YYYYMMDD.")


def _parse_time(keyword: str, value: str) -> Match:
    time = r"[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?)?"
    if re.fullmatch(time, value):
        return Range(value, value)  # 09 means the whole hour, 0930 the whole minute
    if value != "-" and (found := re.fullmatch(f"({time})? ?- ?({time})?", value)):
        return Range(found[1] or "", found[2] or "")
    raise Violation(f"{keyword} is neither a time HHMMSS nor a range of times.")


def _parse_number(keyword: str, value: str) -> Match:
    if not re.fullmatch(r"[+-]?[0-9]{1,12}", value) or not -(1 << 31) <= int(value) < 1 << 31:
        raise Violation(f"{keyword} is no integer of 32 bits.")  # PS3.5 Table 6.2-1, IS
    return Single(value)


def _parse_sequence(keyword: str, value: str) -> Match:
    raise Violation(f"{keyword} is a sequence: ask for what is in its items.")


_LONGEST: Final = {Kind.UID: 65 * MAX_UIDS, Kind.CLASSES: 65 * MAX_UIDS}
_PARSERS: Final[Mapping[Kind, Callable[[str, str], Match]]] = {
    Kind.TEXT: _parse_text,
    Kind.NAME: _parse_text,
    Kind.CODE: _parse_code,
    Kind.MODALITIES: _parse_code,
    Kind.UID: _parse_uid,
    Kind.CLASSES: _parse_uid,
    Kind.DATE: _parse_date,
    Kind.TIME: _parse_time,
    Kind.NUMBER: _parse_number,
    Kind.SEQUENCE: _parse_sequence,
}
