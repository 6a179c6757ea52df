"""The order of each level's rows, and the place of a row in it: where the next page begins.

A page that is found by its place costs what the first costs, however many came before; a page found by
counting walks past all of them. And what arrives meanwhile makes no row come twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any, Final

import sqlalchemy as sa

from leadglass.index import schema
from leadglass.index.query import Level, Place
from leadglass.index.rows import InstanceRow, PatientRow, SeriesRow, StudyRow

_studies, _series, _instances = schema.studies.c, schema.series.c, schema.instances.c

NEWEST: Final = (_studies.study_date, _studies.study_time, _studies.id)
_NEWEST_FIRST: Final = tuple(column.desc() for column in NEWEST)

# What has no number comes first, on every database.
_NUMBERED: Final = {
    Level.SERIES: (_series.study_id, _series.number, _series.id),
    Level.INSTANCE: (_instances.series_id, _instances.number, _instances.id),
}
ORDER: Final[Mapping[Level, tuple[sa.ColumnElement[Any], ...]]] = {
    Level.PATIENT: _NEWEST_FIRST,  # by the newest study found
    Level.STUDY: _NEWEST_FIRST,
    **{level: (of, number.nulls_first(), last) for level, (of, number, last) in _NUMBERED.items()},
}


@singledispatch
def place(row: object) -> Place:
    """Where a row stands among those of its level."""
    raise TypeError(type(row))


@place.register
def _(row: PatientRow) -> Place:
    return place(row.study)


@place.register
def _(row: StudyRow) -> Place:
    return row.study_date, row.study_time, row.id


@place.register
def _(row: SeriesRow) -> Place:
    return row.study.id, row.number, row.id


@place.register
def _(row: InstanceRow) -> Place:
    return row.series.id, row.number, row.id


def beyond(level: Level, after: Place) -> sa.ColumnElement[bool]:
    """The rows behind a place."""
    if level not in _NUMBERED:
        return sa.tuple_(*NEWEST) < after
    of, number, key = _NUMBERED[level]
    owner, last, seen = after
    if last is not None:
        # Those of the same owner that have no number compare as unknown, and are over.
        return sa.tuple_(of, number, key) > after
    return sa.and_(of >= owner, sa.or_(of > owner, number.is_not(None), key > seen))
