"""Row reads: pages of a query, one row by its id or UID, and where its object lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.sql.util import ClauseAdapter

from leadglass.db.engine import Transaction
from leadglass.db.hints import by_index
from leadglass.index import schema
from leadglass.index.building import BUILD, COLUMNS, STUDY, instance_row, study_row, with_posters
from leadglass.index.candidates import few
from leadglass.index.matching import conditions, within
from leadglass.index.order import NEWEST, ORDER, beyond
from leadglass.index.query import Level, Query
from leadglass.index.rows import NO_STUDY, InstanceRow, PatientRow, Sealed, StudyRow
from leadglass.index.upkeep_schema import lost

_studies, _series, _instances = schema.studies, schema.series, schema.instances
_aside = schema.kept_aside
_FROM = {
    Level.STUDY: _studies,
    Level.SERIES: _series.join(_studies, _series.c.study_id == _studies.c.id),
    Level.INSTANCE: _instances.join(_series, _instances.c.series_id == _series.c.id).join(
        _studies, _series.c.study_id == _studies.c.id
    ),
}

# Keys that may leave few studies but are in no index: the table itself is read through.
_OFF_LIST = frozenset({"ReferringPhysicianName", "SOPClassesInStudy"})
_RECENT = frozenset({"StudyDate", "StudyTime", "ModalitiesInStudy"})

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


_of_accession = (
    sa.select(_studies.c.study_instance_uid)
    .where(_studies.c.accession_number == bindparam("sought"))
    .order_by(_studies.c.id.desc())
    .limit(bindparam("most"))
)

HOLDINGS = {
    "instances": _holdings(_instances, _series.c.study_id, _instances.join(_series)),
    "kept_aside": _holdings(_aside, sa.case((_aside.c.own_key, NO_STUDY), else_=_aside.c.study_id), _aside),
    "versions": _holdings(schema.versions, _series.c.study_id, schema.versions.join(_series)),
}


_HOLDERS = (_instances, _aside, schema.versions)
_BLOBS = (
    sa.union_all(
        *(
            sa.select(t.c.blob, t.c.size, sa.literal(t is lost, sa.Boolean)).where(
                t.c.blob > bindparam("after")
            )
            for t in (*_HOLDERS, lost)
        )
    )
    .order_by("blob")
    .limit(bindparam("limit"))
)
_NAMED = sa.union_all(*(sa.select(t.c.id).where(t.c.blob == bindparam("blob")) for t in (*_HOLDERS, lost)))
_OBJECTS = sa.select(
    sum(
        (sa.select(sa.func.count()).select_from(t).scalar_subquery() for t in (*_HOLDERS, lost)),
        sa.literal(0),
    )
)


def page(
    connection: sa.Connection,
    query: Query,
    *,
    everything: bool,
    departments: frozenset[int],
    posters: bool = True,
) -> tuple[list[Any], bool]:
    """The rows of one page (PatientRow, StudyRow, SeriesRow or InstanceRow, as the query's level is), in
    order, and whether there are more. Only within the given departments."""
    if not everything and not departments:
        return [], False
    where = conditions(query) + within(everything, departments)
    some = few(connection, query, everything=everything, departments=departments)
    if some == []:
        return [], False
    if some is not None:
        where.append(_studies.c.id.in_(some))
    index = _walked(query, departments, walk=some is None)
    rows, more = _PAGES[query.level](connection, query, where, index)
    if posters and query.level is Level.SERIES:
        rows = with_posters(connection, rows)
    return rows, more


_Where: TypeAlias = list[sa.ColumnElement[bool]]
_Page: TypeAlias = tuple[list[Any], bool]


def _cut(statement: sa.Select[Any], query: Query) -> sa.Select[Any]:
    """The page of a statement, and one row more, which says whether there are more."""
    if query.after:
        statement = statement.where(beyond(query.level, query.after))
    return statement.order_by(*ORDER[query.level]).limit(query.limit + 1).offset(query.offset)


def _study_page(connection: sa.Connection, query: Query, where: _Where, index: str | None) -> _Page:
    """The ids first, so that walking the list reads its index alone."""
    walk = by_index(sa.select(_studies.c.id).where(*where), _studies, index)
    ids = connection.execute(_cut(walk, query)).scalars().all()
    return _studies_of(connection, ids[: query.limit]), len(ids) > query.limit


def _patient_page(connection: sa.Connection, query: Query, where: _Where, index: str | None) -> _Page:
    """Each patient stands where the newest of the studies found does. No Patient ID, no patient: every
    entity has a value of its unique key (PS3.4 C.2.2.1.1)."""
    where = [*where, _studies.c.patient_id != ""]
    walk = by_index(sa.select(_studies.c.id).where(*where, ~_newer(where)), _studies, index)
    ids = connection.execute(_cut(walk, query)).scalars().all()
    newest = _studies_of(connection, ids[: query.limit])
    owner = {row[0]: row[1] for row in connection.execute(_patient_of, {"ids": ids})} if ids else {}
    counted = sa.select(_studies.c.patient, *_COUNTS).where(*where, _studies.c.patient.in_(owner.values()))
    counted = by_index(counted, _studies, "ix_studies_patient_recent")
    counts = {row[0]: row[1:] for row in connection.execute(counted.group_by(_studies.c.patient))}
    rows = [PatientRow(owner[row.id], row, *counts[owner[row.id]]) for row in newest]
    return rows, len(ids) > query.limit


def _newer(where: _Where) -> sa.ColumnElement[bool]:
    """Whether the same patient has a newer study that is found as well."""
    other = _studies.alias("newer")
    moved = ClauseAdapter(other)
    newer = sa.tuple_(*map(moved.traverse, NEWEST)) > sa.tuple_(*NEWEST)
    found = by_index(sa.select(sa.literal(1)), other, "ix_studies_patient_recent")
    return found.where(other.c.patient == _studies.c.patient, newer, *map(moved.traverse, where)).exists()


def _joined_page(connection: sa.Connection, query: Query, where: _Where, _: str | None) -> _Page:
    """Few studies are found by their ids. Else the index in the order of the level is walked, and each row's
    study looked up: left alone, SQLite would gather the rows of all studies and sort them."""
    statement = sa.select(*COLUMNS[query.level]).select_from(_FROM[query.level]).where(*where)
    statement = by_index(statement, _studies, None)
    table, index, unless = _WALKS[query.level]
    if query.series_id is None and not unless & {keyword for keyword, _ in query.match}:
        statement = by_index(statement, table, index)
    rows = connection.execute(_cut(statement, query)).all()
    return BUILD[query.level](connection, rows[: query.limit], query), len(rows) > query.limit


# The index in the order of a level, and the keys that have a narrower one.
_WALKS = {
    Level.SERIES: (_series, "ix_series_study_id", {"SeriesInstanceUID", "RequestAttributesSequence"}),
    Level.INSTANCE: (_instances, "ix_instances_in_order", {"SOPInstanceUID"}),
}
_PAGES: dict[Level, Callable[[sa.Connection, Query, _Where, str | None], _Page]] = {
    Level.PATIENT: _patient_page,
    Level.STUDY: _study_page,
    Level.SERIES: _joined_page,
    Level.INSTANCE: _joined_page,
}


def _walked(query: Query, departments: frozenset[int], *, walk: bool) -> str | None:
    """SQLite is told how, for it cannot know how many there are: few by their ids; else the smallest index
    in the order of the list that holds what is asked for; the table itself when none does, but for further
    pages: those go on where the last one ended."""
    asked = {keyword for keyword, _ in query.match} | ({"PatientName"} if query.words else set())
    if not walk or (asked & _OFF_LIST and not query.after):
        return None
    if len(departments) == 1 and not asked:
        return "ix_studies_department_recent"
    return "ix_studies_recent" if asked <= _RECENT else "ix_studies_list"


def study(connection: sa.Connection, study_id: int) -> StudyRow | None:
    row = connection.execute(_study_by_id, {"id": study_id}).one_or_none()
    return study_row(row) if row else None


def instance(connection: sa.Connection, instance_id: int) -> InstanceRow | None:
    row = connection.execute(_instance_by_id, {"id": instance_id}).one_or_none()
    return instance_row(row) if row else None


def sealed(connection: sa.Connection, instance_id: int) -> Sealed | None:
    row = connection.execute(_sealed, {"id": instance_id}).one_or_none()
    return Sealed(*row) if row else None


@dataclass(frozen=True, slots=True)
class Holding:
    """One object that a row answers for; `id` numbers it within its table."""

    id: int
    sealed: Sealed


def holdings(connection: sa.Connection, kind: str, *, after: int, limit: int) -> list[Holding]:
    """Up to `limit` objects of one table of HOLDINGS, in order of their numbers."""
    rows = connection.execute(HOLDINGS[kind], {"after": after, "limit": limit})
    return [Holding(row[0], Sealed(*row[1:])) for row in rows]


def blobs(connection: sa.Connection, *, after: str, limit: int) -> list[tuple[str, int, bool]]:
    """Up to `limit` of all objects' (blob, size, whether it was lost), in order of the blobs' names, behind
    the name `after`."""
    return [
        (row[0], row[1], bool(row[2])) for row in connection.execute(_BLOBS, {"after": after, "limit": limit})
    ]


def objects(connection: sa.Connection) -> int:
    """How many `blobs` there are."""
    return int(connection.execute(_OBJECTS).scalar_one())


def is_named(connection: sa.Connection | Transaction, blob: str) -> bool:
    """Whether some row answers for this blob, be it as one that is lost."""
    return connection.execute(_NAMED, {"blob": blob}).first() is not None


def digests(connection: sa.Connection, uids: Sequence[str], department_id: int) -> dict[str, bytes]:
    """The digest of the data set of each of these instances that one department has, by SOP Instance UID."""
    rows = connection.execute(_digests, {"uids": sorted(set(uids)), "department": department_id})
    return {row[0]: row[1] for row in rows} if uids else {}


def totals(connection: sa.Connection) -> dict[str, int]:
    """How many rows of each kind, and the bytes of all objects."""
    return dict(connection.execute(_totals).mappings().one())


def _studies_of(connection: sa.Connection, ids: Sequence[int]) -> list[StudyRow]:
    return [study_row(row) for row in connection.execute(_studies_by_id, {"ids": ids})] if ids else []


_FROM = {
    Level.SERIES: _series.join(_studies, _series.c.study_id == _studies.c.id),
    Level.INSTANCE: _instances.join(_series, _instances.c.series_id == _series.c.id).join(
        _studies, _series.c.study_id == _studies.c.id
    ),
}
_COUNTS = (
    sa.func.count(),
    sa.func.sum(_studies.c.series_count),
    sa.func.sum(_studies.c.instance_count),
)
_studies_by_id = by_index(
    sa.select(*STUDY)
    .where(_studies.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(*ORDER[Level.STUDY]),
    _studies,
    None,
)
_patient_of = sa.select(_studies.c.id, _studies.c.patient).where(
    _studies.c.id.in_(bindparam("ids", expanding=True))
)
_study_by_id = sa.select(*STUDY).where(_studies.c.id == bindparam("id"))
_instance_by_id = (
    sa.select(*COLUMNS[Level.INSTANCE])
    .select_from(_FROM[Level.INSTANCE])
    .where(_instances.c.id == bindparam("id"))
)


_digests = (
    sa.select(_instances.c.sop_instance_uid, _instances.c.digest)
    .select_from(_FROM[Level.INSTANCE])
    .where(
        _instances.c.sop_instance_uid.in_(bindparam("uids", expanding=True)),
        _studies.c.department_id == bindparam("department"),
    )
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


def uids_of_accession(connection: sa.Connection, accession_number: str, most: int) -> list[str]:
    """Of the studies of that accession number, the newest first."""
    return list(connection.execute(_of_accession, {"sought": accession_number, "most": most}).scalars())
