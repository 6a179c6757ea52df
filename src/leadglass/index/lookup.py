"""Row reads: pages of a query, one row by its id or UID, and where its object lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.index import schema
from leadglass.index.candidates import few
from leadglass.index.matching import Level, Query, conditions, within
from leadglass.index.rows import AsideRow, InstanceRow, Sealed, SeriesRow, StudyRow

_studies, _series, _instances = schema.studies, schema.series, schema.instances

_STUDY = (
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
)
_SERIES = (
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
)
_INSTANCE = (
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
_aside = schema.kept_aside
_ASIDE = (
    _aside.c.id,
    _aside.c.reason,
    _aside.c.sop_instance_uid,
    _aside.c.source,
    _aside.c.received,
    _aside.c.size,
)
_FROM = {
    Level.STUDY: _studies,
    Level.SERIES: _series.join(_studies, _series.c.study_id == _studies.c.id),
    Level.INSTANCE: _instances.join(_series, _instances.c.series_id == _series.c.id).join(
        _studies, _series.c.study_id == _studies.c.id
    ),
}
_ORDER: dict[Level, tuple[sa.ColumnElement[Any], ...]] = {
    Level.STUDY: (_studies.c.study_date.desc(), _studies.c.study_time.desc(), _studies.c.id.desc()),
    # What has no number comes first, on every database.
    Level.SERIES: (_series.c.number.nulls_first(), _series.c.id),
    Level.INSTANCE: (_instances.c.series_id, _instances.c.number.nulls_first(), _instances.c.id),
}
_COLUMNS = {Level.STUDY: _STUDY, Level.SERIES: _SERIES + _STUDY, Level.INSTANCE: _INSTANCE + _SERIES + _STUDY}

# Keys that leave few studies but are not in ix_studies_list: the table itself is read through.
_OFF_LIST = frozenset({"PatientBirthDate", "StudyID", "ReferringPhysicianName"})
_RECENT = frozenset({"StudyDate", "StudyTime", "ModalitiesInStudy"})

_middle = (  # an image from the middle shows more of a series than its first does
    sa.select(_instances.c.id)
    .where(_instances.c.series_id == bindparam("series"))
    .order_by(_instances.c.number, _instances.c.id)
    .limit(1)
    .offset(bindparam("skip"))
)
_sealed = (
    sa.select(
        _series.c.study_id,
        _instances.c.blob,
        _instances.c.wrapped_key,
        _instances.c.size,
        _instances.c.digest,
        _instances.c.transfer_syntax_uid,
    )
    .join_from(_instances, _series, _instances.c.series_id == _series.c.id)
    .where(_instances.c.id == bindparam("id"))
)


def _holdings(table: sa.Table, study_id: sa.ColumnElement[int], source: sa.FromClause) -> sa.Select[Any]:
    columns = (table.c[name] for name in ("blob", "wrapped_key", "size", "digest", "transfer_syntax_uid"))
    return (
        sa.select(table.c.id, study_id, *columns)
        .select_from(source)
        .where(table.c.id > bindparam("after"))
        .order_by(table.c.id)
        .limit(bindparam("limit"))
    )


HOLDINGS = {
    "instances": _holdings(_instances, _series.c.study_id, _instances.join(_series)),
    "kept_aside": _holdings(_aside, _aside.c.study_id, _aside),
}


def page(
    connection: sa.Connection, query: Query, *, everything: bool, departments: frozenset[int]
) -> tuple[list[Any], bool]:
    """The rows of one page (StudyRow, SeriesRow or InstanceRow, as the query's level is), in order, and
    whether there are more. Only within the given departments."""
    if not everything and not departments:
        return [], False
    where = conditions(query) + within(everything, departments)
    some = few(connection, query, everything=everything, departments=departments)
    if some == []:
        return [], False
    if some is not None:
        where.append(_studies.c.id.in_(some))
    if query.level is Level.STUDY:
        hint = _hint(query, departments, walk=some is None)
        rows = _study_page(connection, query, where, hint)
    else:
        statement = sa.select(*_COLUMNS[query.level]).select_from(_FROM[query.level]).where(*where)
        statement = statement.order_by(*_ORDER[query.level]).limit(query.limit + 1).offset(query.offset)
        rows = connection.execute(statement).all()
    return _BUILD[query.level](connection, rows[: query.limit]), len(rows) > query.limit


def _study_page(
    connection: sa.Connection, query: Query, where: list[sa.ColumnElement[bool]], hint: str
) -> Sequence[Sequence[Any]]:
    """One row more than the page has. The ids first, so that walking the list reads its index alone."""
    page = sa.select(_studies.c.id).where(*where).order_by(*_ORDER[Level.STUDY])
    page = page.with_hint(_studies, hint, "sqlite").limit(query.limit + 1).offset(query.offset)
    ids = connection.execute(page).scalars().all()
    return connection.execute(_studies_by_id, {"ids": ids}).all() if ids else []


def _hint(query: Query, departments: frozenset[int], *, walk: bool) -> str:
    """SQLite is told how, for it cannot know how many there are: few by their ids; else the smallest index
    in the order of the list that holds all that is asked for; the table itself when none does."""
    asked = {keyword for keyword, _ in query.match} | ({"PatientName"} if query.words else set())
    if not walk or asked & _OFF_LIST:
        return "NOT INDEXED"
    if len(departments) == 1 and not asked:
        return "INDEXED BY ix_studies_department_recent"
    return "INDEXED BY ix_studies_recent" if asked <= _RECENT else "INDEXED BY ix_studies_list"


def study(connection: sa.Connection, study_id: int) -> StudyRow | None:
    row = connection.execute(_study_by_id, {"id": study_id}).one_or_none()
    return _study_row(row) if row else None


def instance(connection: sa.Connection, instance_id: int) -> InstanceRow | None:
    row = connection.execute(_instance_by_id, {"id": instance_id}).one_or_none()
    return _instance_row(row) if row else None


def sealed(connection: sa.Connection, instance_id: int) -> Sealed | None:
    row = connection.execute(_sealed, {"id": instance_id}).one_or_none()
    return Sealed(*row) if row else None


def asides(
    connection: sa.Connection, *, everything: bool, departments: frozenset[int], limit: int, offset: int
) -> tuple[list[AsideRow], bool]:
    """A page of what was kept aside, newest first, and whether there is more.

    An object stays with the department it came to; the study it clashes with may be another's, and is
    then shown to nobody here.
    """
    if not everything and not departments:
        return [], False
    where = within(everything, departments)
    where += [] if everything else [_aside.c.department_id.in_(sorted(departments))]
    statement = (
        sa.select(*_ASIDE, *_STUDY)
        .join_from(_aside, _studies, _aside.c.study_id == _studies.c.id)
        .where(*where)
        .order_by(_aside.c.id.desc())
    )
    rows = connection.execute(statement.limit(limit + 1).offset(offset)).all()
    found = [AsideRow(row[0], row[1], _study_row(row[6:]), *row[2:6]) for row in rows[:limit]]
    return found, len(rows) > limit


@dataclass(frozen=True, slots=True)
class Holding:
    """One object that a row answers for; `id` numbers it within its table."""

    id: int
    sealed: Sealed


def holdings(connection: sa.Connection, kind: str, *, after: int, limit: int) -> list[Holding]:
    """Up to `limit` objects of one table of HOLDINGS, in order of their numbers."""
    rows = connection.execute(HOLDINGS[kind], {"after": after, "limit": limit})
    return [Holding(row[0], Sealed(*row[1:])) for row in rows]


def totals(connection: sa.Connection) -> dict[str, int]:
    """How many rows of each kind, and the bytes of all objects."""
    return dict(connection.execute(_totals).mappings().one())


_studies_by_id = (
    sa.select(*_STUDY)
    .with_hint(_studies, "NOT INDEXED", "sqlite")
    .where(_studies.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(*_ORDER[Level.STUDY])
)
_study_by_id = sa.select(*_STUDY).where(_studies.c.id == bindparam("id"))
_instance_by_id = (
    sa.select(*_COLUMNS[Level.INSTANCE])
    .select_from(_FROM[Level.INSTANCE])
    .where(_instances.c.id == bindparam("id"))
)


def _count(table: sa.Table) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).select_from(table).scalar_subquery()


_totals = sa.select(
    _count(schema.patients).label("patients"),
    _count(schema.studies).label("studies"),
    _count(schema.series).label("series"),
    _count(schema.instances).label("instances"),
    _count(schema.kept_aside).label("kept_aside"),
    sa.select(sa.func.coalesce(sa.func.sum(_instances.c.size), 0)).scalar_subquery().label("bytes"),
)


def _study_row(row: Sequence[Any]) -> StudyRow:
    values = list(row)
    values[13] = tuple(filter(None, values[13].split("\\")))
    return StudyRow(*values)


def _series_row(row: Sequence[Any], poster: int | None = None) -> SeriesRow:
    width = len(_SERIES)
    values: list[Any] = [row[0], _study_row(row[width:]), *row[1:width], poster]
    return SeriesRow(*values)


def _instance_row(row: Sequence[Any]) -> InstanceRow:
    width = len(_INSTANCE)
    values: list[Any] = [row[0], _series_row(row[width:]), *row[1:width]]
    return InstanceRow(*values)


def _series_rows(connection: sa.Connection, rows: Sequence[Sequence[Any]]) -> list[SeriesRow]:
    skip = len(_SERIES) - 1  # instance_count is the last of them
    return [
        _series_row(row, connection.execute(_middle, {"series": row[0], "skip": row[skip] // 2}).scalar())
        for row in rows
    ]


_Builder = Callable[[sa.Connection, Sequence[Sequence[Any]]], list[Any]]
_BUILD: dict[Level, _Builder] = {
    Level.STUDY: lambda _, rows: [_study_row(row) for row in rows],
    Level.SERIES: _series_rows,
    Level.INSTANCE: lambda _, rows: [_instance_row(row) for row in rows],
}
