"""From a `Query` to SQL (PS3.4 C.2.2.2): which column a key is about, and what is asked of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa

from leadglass.dicom.values import fold
from leadglass.errors import Violation
from leadglass.index import schema
from leadglass.index.names import name_key
from leadglass.index.query import (
    ITEM_KEYS,
    KEYS,
    MAX_UIDS,
    MAX_VALUE_LENGTH,
    MAX_WILDCARDS,
    TIME_OF,
    AnyOf,
    Item,
    Kind,
    Level,
    Match,
    Query,
    Range,
    Single,
    Wildcard,
    parse_item,
    parse_match,
)

__all__ = [
    "ITEM_KEYS",
    "KEYS",
    "MAX_UIDS",
    "MAX_VALUE_LENGTH",
    "MAX_WILDCARDS",
    "AnyOf",
    "Item",
    "Level",
    "Match",
    "Query",
    "Range",
    "Single",
    "Wildcard",
    "begins",
    "condition",
    "conditions",
    "item_condition",
    "parse_item",
    "parse_match",
    "within",
]

_LAST: Final = "\U0010ffff"
_SEPARATOR: Final = "\\"

_study, _series, _instance = schema.studies.c, schema.series.c, schema.instances.c
_request = schema.series_requests.c

COLUMNS: Final[Mapping[str, sa.Column[Any]]] = {
    "PatientName": _study.name_key,
    "PatientID": _study.patient_id,
    "IssuerOfPatientID": _study.issuer,
    "PatientBirthDate": _study.birth_date,
    "PatientSex": _study.sex,
    "StudyInstanceUID": _study.study_instance_uid,
    "StudyDate": _study.study_date,
    "StudyTime": _study.study_time,
    "AccessionNumber": _study.accession_number,
    "StudyID": _study.study_id,
    "StudyDescription": _study.description,
    "ReferringPhysicianName": _study.referring_key,
    "ModalitiesInStudy": schema.study_modalities.c.modality,
    "SOPClassesInStudy": _study.sop_classes,
    "SeriesInstanceUID": _series.series_instance_uid,
    "Modality": _series.modality,
    "SeriesNumber": _series.number,
    "SeriesDescription": _series.description,
    "BodyPartExamined": _series.body_part,
    "Laterality": _series.laterality,
    "SeriesDate": _series.series_date,
    "SeriesTime": _series.series_time,
    "PerformedProcedureStepStartDate": _series.performed_date,
    "PerformedProcedureStepStartTime": _series.performed_time,
    "RequestAttributesSequence": _request.series_id,
    "RequestedProcedureID": _request.requested_procedure_id,
    "ScheduledProcedureStepID": _request.scheduled_step_id,
    "SOPInstanceUID": _instance.sop_instance_uid,
    "SOPClassUID": _instance.sop_class_uid,
    "InstanceNumber": _instance.number,
}
_KINDS: Final[Mapping[str, Kind]] = {**KEYS[Level.INSTANCE], **ITEM_KEYS["RequestAttributesSequence"]}


def conditions(query: Query) -> list[sa.ColumnElement[bool]]:
    """What a query asks of the rows of its level."""
    match = dict(query.match)
    where = [_moment(date, match.pop(date), match.pop(TIME_OF[date])) for date in query.moments]
    where.extend(condition(keyword, found) for keyword, found in match.items())
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


def condition(keyword: str, match: Match) -> sa.ColumnElement[bool]:
    """One key of a query on the rows of its column."""
    return _CONDITIONS.get(_KINDS[keyword], _plain)(COLUMNS[keyword], match)


def item_condition(item: Item) -> sa.ColumnElement[bool]:
    """Which rows are items that match, of the table that holds a sequence."""
    return sa.and_(*(condition(name, match) for name, match in item.match))


def _time_condition(column: sa.Column[Any], match: Match) -> sa.ColumnElement[bool]:
    """A stored 093000 lies within 09 and within 0930: the upper end stands for all it abbreviates."""
    assert isinstance(match, Range)
    return _range(column, match.low, match.high and match.high + _LAST)


def _number_condition(column: sa.Column[Any], match: Match) -> sa.ColumnElement[bool]:
    assert isinstance(match, Single)
    return column == int(match.value)


def _moment(date: str, dates: Match, times: Match) -> sa.ColumnElement[bool]:
    """Date and time as if they were one attribute. Of what has no time the day decides."""
    if not isinstance(dates, Range) or not isinstance(times, Range):
        raise Violation("A date and a time are one range of moments only where both are ranges.")
    day, time = COLUMNS[date], COLUMNS[TIME_OF[date]]
    moment = sa.tuple_(day, time)
    parts = [day >= dates.low if dates.low else day != ""]
    if dates.low:
        parts.append(sa.or_(moment >= (dates.low, times.low), time == ""))
    if dates.high:
        parts.append(moment <= (dates.high, times.high + _LAST))
    return sa.and_(*parts)


def _sequence_condition(column: sa.Column[Any], match: Match) -> sa.ColumnElement[bool]:
    assert isinstance(match, Item)
    return _series.id.in_(sa.select(column).where(item_condition(match)))


def _classes_condition(column: sa.Column[Any], match: Match) -> sa.ColumnElement[bool]:
    assert isinstance(match, Single | AnyOf)
    values = match.values if isinstance(match, AnyOf) else (match.value,)
    return sa.or_(*(_is_among(column, value) for value in values))


def _plain(column: sa.Column[Any], match: Match) -> sa.ColumnElement[bool]:
    match match:
        case Single(value):
            return column == value
        case AnyOf(values):
            return column.in_(values)
        case Range(low, high):
            return _range(column, low, high)
        case Wildcard(pattern):
            return _like(column, pattern)
        case Item():
            raise Violation("Only a sequence is matched by an item.")


def _range(column: sa.Column[Any], low: str, high: str) -> sa.ColumnElement[bool]:
    parts = [column >= low if low else column != ""]
    if high:
        parts.append(column <= high)
    return sa.and_(*parts)


def _like(column: sa.Column[Any], pattern: str) -> sa.ColumnElement[bool]:
    literal = re.split(r"[*?]", pattern, maxsplit=1)[0]
    parts = [begins(column, literal)] if literal else []
    if pattern != literal + "*":
        escaped = re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%").replace("?", "_")
        parts.append(column.like(escaped, escape="\\"))
    return sa.and_(*parts)


def begins(column: sa.Column[Any], prefix: str) -> sa.ColumnElement[bool]:
    """A range of the column's index; without LIKE, whose use of an index depends on collations."""
    return sa.and_(column >= prefix, column < prefix + _LAST)


def _modality_condition(column: sa.Column[Any], match: Match) -> sa.ColumnElement[bool]:
    """One value is looked for among the study's own, which its index holds."""
    if isinstance(match, Single):
        return _is_among(_study.modalities, match.value)
    return _study.id.in_(sa.select(schema.study_modalities.c.study_id).where(_plain(column, match)))


def _is_among(column: sa.Column[Any], value: str) -> sa.ColumnElement[bool]:
    """One of the values between backslashes; most have but one."""
    several = (_SEPARATOR + column + _SEPARATOR).contains(f"{_SEPARATOR}{value}{_SEPARATOR}", autoescape=True)
    return sa.or_(column == value, sa.and_(column.contains(value, autoescape=True), several))


def _begins_a_word(word: str) -> sa.ColumnElement[bool]:
    """The name's key holds every word, so it is asked first: the word itself is a look-up per study."""
    words = schema.study_words.c
    itself = sa.exists().where(words.study_id == _study.id, begins(words.word, word))
    return sa.and_(_study.name_key.contains(word, autoescape=True), itself)


def _name_condition(column: sa.Column[Any], match: Match) -> sa.ColumnElement[bool]:
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


_CONDITIONS: Final[Mapping[Kind, Callable[[sa.Column[Any], Match], sa.ColumnElement[bool]]]] = {
    Kind.NAME: _name_condition,
    Kind.MODALITIES: _modality_condition,
    Kind.CLASSES: _classes_condition,
    Kind.TIME: _time_condition,
    Kind.NUMBER: _number_condition,
    Kind.SEQUENCE: _sequence_condition,
}
