"""Queries and how they match: PS3.4 C.2.2.2 as data, and from there to SQL.

A key that is not in the table of its level matches universally and is reported back as ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum

import sqlalchemy as sa

from leadglass.dicom.dictionary import is_valid_uid
from leadglass.dicom.values import fold
from leadglass.errors import Violation
from leadglass.index import schema
from leadglass.index.records import name_key

MAX_VALUE_LENGTH = 400
MAX_UIDS = 10_000
MAX_WILDCARDS = 16
_LAST = "\U0010ffff"
_SEPARATOR = "\\"


class Level(StrEnum):
    STUDY = "STUDY"
    SERIES = "SERIES"
    INSTANCE = "IMAGE"  # the Standard's word for the level (PS3.4 C.6.1.1.5)


@dataclass(frozen=True, slots=True)
class Single:
    """Single value matching (C.2.2.2.1)."""

    value: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """List of UID matching (C.2.2.2.2)."""

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


Match = Single | AnyOf | Wildcard | Range


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows of one level. `words`: each begins a word of the patient's name."""

    level: Level
    match: tuple[tuple[str, Match], ...] = ()
    words: tuple[str, ...] = ()
    study_id: int | None = None
    series_id: int | None = None
    limit: int = 50
    offset: int = 0


class _Kind(Enum):
    TEXT = "text"
    UID = "UI"
    DATE = "DA"
    TIME = "TM"
    NAME = "PN"
    NUMBER = "IS"
    MODALITY = "modality"


@dataclass(frozen=True, slots=True)
class _Key:
    kind: _Kind
    column: sa.Column  # type: ignore[type-arg]


_study, _series, _instance = schema.studies.c, schema.series.c, schema.instances.c

STUDY_KEYS = {
    "StudyInstanceUID": _Key(_Kind.UID, _study.study_instance_uid),
    "PatientName": _Key(_Kind.NAME, _study.name_key),
    "PatientID": _Key(_Kind.TEXT, _study.patient_id),
    "IssuerOfPatientID": _Key(_Kind.TEXT, _study.issuer),
    "PatientBirthDate": _Key(_Kind.DATE, _study.birth_date),
    "PatientSex": _Key(_Kind.TEXT, _study.sex),
    "StudyDate": _Key(_Kind.DATE, _study.study_date),
    "StudyTime": _Key(_Kind.TIME, _study.study_time),
    "AccessionNumber": _Key(_Kind.TEXT, _study.accession_number),
    "StudyID": _Key(_Kind.TEXT, _study.study_id),
    "StudyDescription": _Key(_Kind.TEXT, _study.description),
    "ReferringPhysicianName": _Key(_Kind.TEXT, _study.referring_physician),
    "ModalitiesInStudy": _Key(_Kind.MODALITY, schema.study_modalities.c.modality),
}
SERIES_KEYS = {
    "SeriesInstanceUID": _Key(_Kind.UID, _series.series_instance_uid),
    "Modality": _Key(_Kind.TEXT, _series.modality),
    "SeriesNumber": _Key(_Kind.NUMBER, _series.number),
    "SeriesDescription": _Key(_Kind.TEXT, _series.description),
    "BodyPartExamined": _Key(_Kind.TEXT, _series.body_part),
    "SeriesDate": _Key(_Kind.DATE, _series.series_date),
}
INSTANCE_KEYS = {
    "SOPInstanceUID": _Key(_Kind.UID, _instance.sop_instance_uid),
    "SOPClassUID": _Key(_Kind.UID, _instance.sop_class_uid),
    "InstanceNumber": _Key(_Kind.NUMBER, _instance.number),
}
KEYS: dict[Level, dict[str, _Key]] = {
    Level.STUDY: STUDY_KEYS,
    Level.SERIES: STUDY_KEYS | SERIES_KEYS,
    Level.INSTANCE: STUDY_KEYS | SERIES_KEYS | INSTANCE_KEYS,
}


def parse_match(level: Level, keyword: str, value: str) -> Match | None:
    """A key's text as the Standard writes it → how it matches; None for universal matching.

    Raises Violation when the value is not one that the attribute may have, KeyError for other keys.
    """
    kind = KEYS[level][keyword].kind
    if len(value) > (64 * MAX_UIDS if kind is _Kind.UID else MAX_VALUE_LENGTH):
        raise Violation(f"The value for {keyword} is too long.")
    value = re.sub(r"\*+", "*", value.strip(" \0"))
    if value in {"", "*"}:
        return None
    return _PARSERS[kind](keyword, value)


def _parse_text(keyword: str, value: str) -> Match:
    if "*" not in value and "?" not in value:
        return Single(value)
    if value.count("*") + value.count("?") > MAX_WILDCARDS:
        raise Violation(f"Too many wild cards in {keyword}.")
    return Wildcard(value)


def _parse_uid(keyword: str, value: str) -> Match:
    uids = tuple(dict.fromkeys(uid.strip() for uid in re.split(r"[,\\]", value)))
    if len(uids) > MAX_UIDS or not all(map(is_valid_uid, uids)):
        raise Violation(f"{keyword} is not a list of legal UIDs.")
    return AnyOf(uids) if len(uids) > 1 else Single(uids[0])


def _parse_date(keyword: str, value: str) -> Match:
    if re.fullmatch(r"[0-9]{8}", value):
        return Single(value)
    if value != "-" and (found := re.fullmatch(r"([0-9]{8})?-([0-9]{8})?", value)):
        return Range(found[1] or "", found[2] or "")
    raise Violation(f"{keyword} is neither YYYYMMDD nor a range YYYYMMDD-YYYYMMDD.")


def _parse_time(keyword: str, value: str) -> Match:
    time = r"[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?)?"
    if re.fullmatch(time, value):
        return Range(value, value)  # 09 means the whole hour, 0930 the whole minute
    if value != "-" and (found := re.fullmatch(f"({time})?-({time})?", value)):
        return Range(found[1] or "", found[2] or "")
    raise Violation(f"{keyword} is neither a time HHMMSS nor a range of times.")


def _parse_number(keyword: str, value: str) -> Match:
    if not re.fullmatch(r"[+-]?[0-9]{1,12}", value) or not -(1 << 31) <= int(value) < 1 << 31:
        raise Violation(f"{keyword} is no integer of 32 bits.")  # PS3.5 Table 6.2-1, IS
    return Single(value)


_PARSERS = {
    _Kind.TEXT: _parse_text,
    _Kind.NAME: _parse_text,
    _Kind.MODALITY: _parse_text,
    _Kind.UID: _parse_uid,
    _Kind.DATE: _parse_date,
    _Kind.TIME: _parse_time,
    _Kind.NUMBER: _parse_number,
}


def conditions(query: Query) -> list[sa.ColumnElement[bool]]:
    """What a query asks of the rows of its level."""
    where = [condition(KEYS[query.level][keyword], match) for keyword, match in query.match]
    where.extend(_begins_a_word(fold(word)) for word in query.words)
    if query.study_id is not None:
        where.append(_study.id == query.study_id)
    if query.series_id is not None:
        where.append(_series.id == query.series_id)
    return where


def within(everything: bool, departments: Iterable[int]) -> list[sa.ColumnElement[bool]]:
    """The policy's narrowing as a condition on studies."""
    if everything:
        return []
    ids = sorted(departments)
    return [_study.department_id == ids[0] if len(ids) == 1 else _study.department_id.in_(ids)]


def condition(key: _Key, match: Match) -> sa.ColumnElement[bool]:
    """One key of a query on the rows of its column."""
    if key.kind is _Kind.NAME:
        return _name_condition(key.column, match)
    if key.kind is _Kind.MODALITY:
        return _modality_condition(key.column, match)
    if key.kind is _Kind.TIME and isinstance(match, Range):
        # A stored 093000 lies within 09 and within 0930: the upper end stands for all it abbreviates.
        return _range(key.column, match.low, match.high and match.high + _LAST)
    if key.kind is _Kind.NUMBER and isinstance(match, Single):
        return key.column == int(match.value)
    return _plain(key.column, match)


def _plain(column: sa.Column, match: Match) -> sa.ColumnElement[bool]:  # type: ignore[type-arg]
    match match:
        case Single(value):
            return column == value
        case AnyOf(values):
            return column.in_(values)
        case Range(low, high):
            return _range(column, low, high)
        case Wildcard(pattern):
            return _like(column, pattern)


def _range(column: sa.Column, low: str, high: str) -> sa.ColumnElement[bool]:  # type: ignore[type-arg]
    parts = [column >= low if low else column != ""]
    if high:
        parts.append(column <= high)
    return sa.and_(*parts)


def _like(column: sa.Column, pattern: str) -> sa.ColumnElement[bool]:  # type: ignore[type-arg]
    literal = re.split(r"[*?]", pattern, maxsplit=1)[0]
    parts = [begins(column, literal)] if literal else []
    if pattern != literal + "*":
        escaped = re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%").replace("?", "_")
        parts.append(column.like(escaped, escape="\\"))
    return sa.and_(*parts)


def begins(column: sa.Column, prefix: str) -> sa.ColumnElement[bool]:  # type: ignore[type-arg]
    """A range of the column's index; without LIKE, whose use of an index depends on collations."""
    return sa.and_(column >= prefix, column < prefix + _LAST)


def _modality_condition(column: sa.Column, match: Match) -> sa.ColumnElement[bool]:  # type: ignore[type-arg]
    """One value is looked for among the study's own, which its index holds."""
    if isinstance(match, Single):
        among = f"{_SEPARATOR}{match.value}{_SEPARATOR}"
        several = (_SEPARATOR + _study.modalities + _SEPARATOR).contains(among, autoescape=True)
        return sa.or_(
            _study.modalities == match.value,
            sa.and_(_study.modalities.contains(match.value, autoescape=True), several),
        )
    return _study.id.in_(sa.select(schema.study_modalities.c.study_id).where(_plain(column, match)))


def _begins_a_word(word: str) -> sa.ColumnElement[bool]:
    """The name's key holds every word, so it is asked first: the word itself is a look-up per study."""
    words = schema.study_words.c
    itself = sa.exists().where(words.study_id == _study.id, begins(words.word, word))
    return sa.and_(_study.name_key.contains(word, autoescape=True), itself)


def _name_condition(column: sa.Column, match: Match) -> sa.ColumnElement[bool]:  # type: ignore[type-arg]
    """A value without `=` is about one component group: the alphabetic one for ASCII, else any."""
    if not isinstance(match, Single | Wildcard):
        raise Violation("A person's name takes a value or wild cards.")
    text = name_key(match.value if isinstance(match, Single) else match.pattern)
    patterns = [text]
    if "=" not in text:
        if not text.endswith("*"):
            patterns.append(f"{text}=*")
        if not text.isascii():
            patterns += [f"*={text}"] if text.endswith("*") else [f"*={text}", f"*={text}=*"]
    return sa.or_(*(_like(column, p) if "*" in p or "?" in p else column == p for p in patterns))
