"""Rows of what was kept aside: of one department each, at odds with a study or at fault by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction
from leadglass.db.numbers import retire
from leadglass.index import schema
from leadglass.index.building import STUDY, study_row
from leadglass.index.fitting import Clash
from leadglass.index.matching import within
from leadglass.index.rows import NO_STUDY, AsideRow, KeptRow, Sealed, SourceRow

LEAST: Final = 1 << 16  # bytes that an object counts at least, so that their number is bounded too

MOST_SOURCES: Final = 100

_aside, _studies = schema.kept_aside, schema.studies

_find = sa.select(_aside.c.id).where(
    _aside.c.sop_instance_uid == bindparam("uid"),
    _aside.c.digest == bindparam("digest"),
    _aside.c.reason == bindparam("reason"),
    _aside.c.department_id == bindparam("department"),
)
_insert = sa.insert(_aside)
_counted = sa.case((_aside.c.size < LEAST, LEAST), else_=_aside.c.size)
_used = sa.func.coalesce(sa.func.sum(_counted), 0)
_homeless = sa.select(_used).where(_aside.c.study_id.is_(None))
_of_source = sa.select(_used).where(
    _aside.c.department_id == bindparam("department"), _aside.c.source == bindparam("source")
)
_example = (
    sa.select(schema.instances.c.id)
    .join_from(schema.instances, schema.series, schema.instances.c.series_id == schema.series.c.id)
    .where(schema.series.c.study_id == bindparam("study"))
    .order_by(schema.series.c.series_instance_uid != bindparam("series"), schema.instances.c.id)
    .limit(1)
)
_one = sa.select(
    _aside.c.id,
    _aside.c.reason,
    _aside.c.study_id,
    _aside.c.department_id,
    _aside.c.sop_instance_uid,
    _aside.c.source,
    _aside.c.received,
    sa.case((_aside.c.own_key, NO_STUDY), else_=_aside.c.study_id),
    _aside.c.blob,
    _aside.c.wrapped_key,
    _aside.c.size,
    _aside.c.digest,
    _aside.c.transfer_syntax_uid,
).where(_aside.c.id == bindparam("id"))
_EXTENT = (
    sa.func.coalesce(sa.func.sum(_aside.c.size), 0),
    sa.func.coalesce(sa.func.max(_aside.c.id), 0),
)
_COLUMNS = (
    _aside.c.id,
    _aside.c.reason,
    _aside.c.sop_instance_uid,
    _aside.c.source,
    _aside.c.received,
    _aside.c.size,
)


def is_kept(
    connection: sa.Connection | Transaction, uid: str, clash: Clash, digest: bytes, department_id: int
) -> bool:
    """True when these very bytes already wait for a decision of this kind in this department."""
    key = {"uid": uid, "digest": digest, "reason": clash.value, "department": department_id}
    return connection.execute(_find, key).first() is not None


def count(connection: sa.Connection, *, everything: bool, departments: frozenset[int]) -> int:
    """How many objects wait in these departments."""
    where = [] if everything else [_aside.c.department_id.in_(sorted(departments))]
    return int(connection.execute(sa.select(sa.func.count()).select_from(_aside).where(*where)).scalar_one())


def keep(
    tx: Transaction,
    uid: str,
    clash: Clash,
    sealed: Sealed,
    *,
    study_id: int | None,
    department_id: int,
    source: str,
    now: int,
) -> None:
    """`study_id` is the study that it is at odds with, `sealed` has the home's own key."""
    values = {
        "reason": clash.value,
        "study_id": study_id,
        "own_key": True,
        "department_id": department_id,
        "sop_instance_uid": uid,
        "source": source,
        "received": now,
        "blob": sealed.blob,
        "wrapped_key": sealed.wrapped_key,
        "size": sealed.size,
        "digest": sealed.digest,
        "transfer_syntax_uid": sealed.transfer_syntax_uid,
    }
    tx.execute(_insert, values)


def homeless_bytes(tx: Transaction) -> int:
    """What the objects of no study take up that are kept aside, LEAST bytes each at the least."""
    return int(tx.execute(_homeless).scalar_one())


def bytes_of_source(tx: Transaction, department_id: int, source: str) -> int:
    """What is kept aside in this department that came from there, counted in the same way."""
    return int(tx.execute(_of_source, {"department": department_id, "source": source}).scalar_one())


def find(connection: sa.Connection | Transaction, aside_id: int) -> KeptRow | None:
    row = connection.execute(_one, {"id": aside_id}).first()
    return _kept(row) if row is not None else None


def example(connection: sa.Connection, study_id: int, series_instance_uid: str) -> int | None:
    """An instance of the study, of that series where it has it."""
    found = connection.execute(_example, {"study": study_id, "series": series_instance_uid}).first()
    return int(found[0]) if found is not None else None


def _kept(row: Sequence[Any]) -> KeptRow:
    return KeptRow(Sealed(*row[7:]), *row[:7])


def remove(tx: Transaction, kept: KeptRow) -> None:
    """Its row. Its number is nobody's from then on."""
    retire(tx, _aside.name, [kept.id])
    tx.execute(sa.delete(_aside).where(_aside.c.id == kept.id))


def sources(connection: sa.Connection, *, everything: bool, departments: frozenset[int]) -> list[SourceRow]:
    """Whose objects are kept aside in these departments, the largest first."""
    statement = sa.select(
        _aside.c.department_id, _aside.c.source, sa.func.count(), sa.func.sum(_aside.c.size), _used
    ).group_by(_aside.c.department_id, _aside.c.source)
    if not everything:
        statement = statement.where(_aside.c.department_id.in_(sorted(departments)))
    rows = connection.execute(statement.order_by(_used.desc(), _aside.c.source).limit(MOST_SOURCES))
    return [SourceRow(*row) for row in rows]


def ids(
    connection: sa.Connection,
    *,
    everything: bool,
    departments: frozenset[int],
    reason: str,
    source: str,
    after: int,
    limit: int,
) -> list[int]:
    """The oldest of them first, from behind `after` on."""
    where = _asked(everything, departments, reason, source)
    statement = sa.select(_aside.c.id).where(*where, _aside.c.id > after)
    return list(connection.execute(statement.order_by(_aside.c.id).limit(limit)).scalars())


def extent(
    connection: sa.Connection, *, everything: bool, departments: frozenset[int], reason: str, source: str
) -> tuple[int, int, int]:
    """How many there are, their bytes, and the number of the newest."""
    statement = sa.select(sa.func.count(), *_EXTENT).where(*_asked(everything, departments, reason, source))
    count, size, newest = connection.execute(statement).one()
    return count, size, newest


def _asked(
    everything: bool, departments: frozenset[int], reason: str, source: str
) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if not everything:
        where.append(_aside.c.department_id.in_(sorted(departments)))
    if reason:
        where.append(_aside.c.reason == reason)
    if source:
        where.append(_aside.c.source == source)
    return where


def page(
    connection: sa.Connection,
    *,
    everything: bool,
    departments: frozenset[int],
    limit: int,
    offset: int,
    reason: str = "",
    source: str = "",
) -> tuple[list[AsideRow], bool]:
    """A page of it, newest first, and whether there is more; of one reason or source where they are given.

    An object belongs to the department it came to; the study it clashes with may be another's, and is then
    not shown.
    """
    if not everything and not departments:
        return [], False
    # Which they are, an index says by itself; the rows of a hundred thousand others are not read for it.
    chosen = sa.select(_aside.c.id).where(*_asked(everything, departments, reason, source))
    chosen = chosen.order_by(_aside.c.id.desc()).limit(limit + 1).offset(offset)
    ids = list(connection.execute(chosen).scalars())
    its_study = sa.and_(_aside.c.study_id == _studies.c.id, *within(everything, departments))
    statement = (
        sa.select(*_COLUMNS, *STUDY)
        .join_from(_aside, _studies, its_study, isouter=True)
        .where(_aside.c.id.in_(ids))
        .order_by(_aside.c.id.desc())
    )
    rows = connection.execute(statement).all()
    return [_row(row) for row in rows[:limit]], len(rows) > limit


def _row(row: Sequence[Any]) -> AsideRow:
    study = study_row(row[6:]) if row[6] is not None else None
    return AsideRow(row[0], row[1], study, *row[2:6])
