"""Rows of what was kept aside: of one department each, at odds with a study or at fault by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction
from leadglass.index import schema
from leadglass.index.building import STUDY, study_row
from leadglass.index.matching import within
from leadglass.index.records import Clash
from leadglass.index.rows import AsideRow, Sealed

LEAST: Final = 1 << 16  # bytes that an object counts at least, so that their number is bounded too

_aside, _studies = schema.kept_aside, schema.studies

_find = sa.select(_aside.c.id).where(
    _aside.c.sop_instance_uid == bindparam("uid"),
    _aside.c.digest == bindparam("digest"),
    _aside.c.reason == bindparam("reason"),
    _aside.c.department_id == bindparam("department"),
)
_insert = sa.insert(_aside)
_counted = sa.case((_aside.c.size < LEAST, LEAST), else_=_aside.c.size)
_homeless = sa.select(sa.func.coalesce(sa.func.sum(_counted), 0)).where(_aside.c.study_id.is_(None))
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


def page(
    connection: sa.Connection, *, everything: bool, departments: frozenset[int], limit: int, offset: int
) -> tuple[list[AsideRow], bool]:
    """A page of what was kept aside, newest first, and whether there is more.

    An object belongs to the department it came to; the study it clashes with may be another's, and is then
    not shown.
    """
    if not everything and not departments:
        return [], False
    its_study = sa.and_(_aside.c.study_id == _studies.c.id, *within(everything, departments))
    statement = (
        sa.select(*_COLUMNS, *STUDY)
        .join_from(_aside, _studies, its_study, isouter=True)
        .order_by(_aside.c.id.desc())
    )
    if not everything:
        statement = statement.where(_aside.c.department_id.in_(sorted(departments)))
    rows = connection.execute(statement.limit(limit + 1).offset(offset)).all()
    return [_row(row) for row in rows[:limit]], len(rows) > limit


def _row(row: Sequence[Any]) -> AsideRow:
    study = study_row(row[6:]) if row[6] is not None else None
    return AsideRow(row[0], row[1], study, *row[2:6])
