"""From columns to rows: what is selected of each level, and the frozen rows that come of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.index import schema
from leadglass.index.matching import item_condition
from leadglass.index.query import Item, Level, Query
from leadglass.index.rows import InstanceRow, RequestRow, SeriesRow, StudyRow

_studies, _series, _instances = schema.studies, schema.series, schema.instances
_requests = schema.series_requests.c

STUDY: Final = (
    _studies.c.id,
    _studies.c.study_instance_uid,
    _studies.c.patient_name,
    _studies.c.patient_id,
    _studies.c.issuer,
    _studies.c.birth_date,
    _studies.c.sex,
    _studies.c.study_date,
    _studies.c.study_time,
    _studies.c.accession_number,
    _studies.c.study_id,
    _studies.c.description,
    _studies.c.referring_physician,
    _studies.c.modalities,
    _studies.c.series_count,
    _studies.c.instance_count,
    _studies.c.department_id,
    _studies.c.received,
    _studies.c.sop_classes,
    _studies.c.corrected,
)
SERIES: Final = (
    _series.c.id,
    _series.c.series_instance_uid,
    _series.c.modality,
    _series.c.number,
    _series.c.description,
    _series.c.body_part,
    _series.c.laterality,
    _series.c.series_date,
    _series.c.series_time,
    _series.c.instance_count,
    _series.c.performed_date,
    _series.c.performed_time,
)
INSTANCE: Final = (
    _instances.c.id,
    _instances.c.sop_instance_uid,
    _instances.c.sop_class_uid,
    _instances.c.number,
    _instances.c.rows,
    _instances.c.columns,
    _instances.c.bits_allocated,
    _instances.c.frames,
    _instances.c.transfer_syntax_uid,
    _instances.c.size,
)
COLUMNS: Final = {Level.SERIES: SERIES + STUDY, Level.INSTANCE: INSTANCE + SERIES + STUDY}

_MODALITIES: Final = STUDY.index(_studies.c.modalities)
_SOP_CLASSES: Final = STUDY.index(_studies.c.sop_classes)

_middle = (  # an image from the middle shows more of a series than its first does
    sa.select(_instances.c.id)
    .where(_instances.c.series_id == bindparam("series"))
    .order_by(_instances.c.number, _instances.c.id)
    .limit(1)
    .offset(bindparam("skip"))
)


def study_row(row: Sequence[Any]) -> StudyRow:
    values = list(row)
    values[_MODALITIES] = _apart(values[_MODALITIES])
    values[_SOP_CLASSES] = _apart(values[_SOP_CLASSES])
    return StudyRow(*values)


def _apart(joined: str) -> tuple[str, ...]:
    return tuple(joined.split("\\")) if joined else ()


def series_row(row: Sequence[Any], **more: Any) -> SeriesRow:
    width = len(SERIES)
    return SeriesRow(row[0], study_row(row[width:]), *row[1:width], **more)


def instance_row(row: Sequence[Any], **more: Any) -> InstanceRow:
    width = len(INSTANCE)
    return InstanceRow(row[0], series_row(row[width:], **more), *row[1:width])


def with_posters(connection: sa.Connection, rows: Sequence[SeriesRow]) -> list[SeriesRow]:
    """Each with the instance that stands for it: a look-up per series."""
    keys = ({"series": row.id, "skip": row.instance_count // 2} for row in rows)
    return [
        replace(row, poster=connection.execute(_middle, key).scalar())
        for row, key in zip(rows, keys, strict=True)
    ]


def _series_rows(connection: sa.Connection, rows: Sequence[Sequence[Any]], query: Query) -> list[SeriesRow]:
    items = _items(connection, query, {row[0] for row in rows})
    return [series_row(row, requests=items.get(row[0], ())) for row in rows]


def _instance_rows(
    connection: sa.Connection, rows: Sequence[Sequence[Any]], query: Query
) -> list[InstanceRow]:
    width = len(INSTANCE)
    items = _items(connection, query, {row[width] for row in rows})
    return [instance_row(row, requests=items.get(row[width], ())) for row in rows]


def _items(connection: sa.Connection, query: Query, series: set[int]) -> Mapping[int, tuple[RequestRow, ...]]:
    """Requests by series: with a sequence key those that match it, else all (C.2.2.2.6)."""
    columns = _requests.series_id, _requests.requested_procedure_id, _requests.scheduled_step_id
    asked = (item_condition(match) for _, match in query.match if isinstance(match, Item))
    statement = sa.select(*columns).where(_requests.series_id.in_(sorted(series)), *asked)
    found: defaultdict[int, tuple[RequestRow, ...]] = defaultdict(tuple)
    for series_id, procedure, step in connection.execute(
        statement.order_by(_requests.series_id, _requests.position)
    ):
        found[series_id] += (RequestRow(procedure, step),)
    return found


Builder = Callable[[sa.Connection, Sequence[Sequence[Any]], Query], list[Any]]
BUILD: Final[Mapping[Level, Builder]] = {
    Level.STUDY: lambda _, rows, __: [study_row(row) for row in rows],
    Level.SERIES: _series_rows,
    Level.INSTANCE: _instance_rows,
}
