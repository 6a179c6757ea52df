"""Migrations from other archives: where their listing stands, which studies they have, how many agree.

It outlives a restart: the next run goes on where one stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction, metadata
from leadglass.index.schema import studies

_UID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")

migrations = sa.Table(
    "migrations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source", sa.String(255), nullable=False),  # AET@host:port
    sa.Column("department_id", sa.Integer, sa.ForeignKey("departments.id"), nullable=False),
    sa.Column("first", sa.String(10), nullable=False),  # the days asked for, ISO 8601; '' for all
    sa.Column("last", sa.String(10), nullable=False),
    sa.Column("listing", sa.Text, nullable=False),  # JSON: what of the study list is still to be asked for
    sa.Column("started", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.BigInteger),
)

migration_studies = sa.Table(
    "migration_studies",
    metadata,
    sa.Column("migration_id", sa.Integer, sa.ForeignKey("migrations.id"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),  # in the order they were listed
    sa.Column("study_instance_uid", _UID, nullable=False),
    sa.Column("expected", sa.Integer),  # instances there, as far as the other side says
    sa.Column("held", sa.Integer),  # instances here, when it was last compared
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("reason", sa.String(200), nullable=False, server_default=""),
    sa.UniqueConstraint("migration_id", "study_instance_uid"),
    sqlite_with_rowid=False,
)

_m, _s = migrations.c, migration_studies.c


class State(StrEnum):
    """How a study there compares with what is here."""

    OPEN = "open"  # not compared yet
    AGREES = "agrees"
    FEWER = "fewer"  # fewer instances here than there
    MORE = "more"
    UNKNOWN = "unknown"  # the other side does not say how many it has
    FAILED = "failed"  # it was not given to us


@dataclass(frozen=True, slots=True)
class Migration:
    id: int
    source: str
    department_id: int
    first: str
    last: str
    listing: Any
    started: int
    finished: int | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A study of the other archive."""

    place: int
    study_instance_uid: str
    expected: int | None
    held: int | None = None
    state: State = State.OPEN
    reason: str = ""


def unfinished(
    connection: sa.Connection, source: str, department_id: int, first: str, last: str
) -> Migration | None:
    """The one to go on with."""
    row = connection.execute(
        sa.select(migrations)
        .where(
            _m.source == source,
            _m.department_id == department_id,
            _m.first == first,
            _m.last == last,
            _m.finished.is_(None),
        )
        .order_by(_m.id.desc())
        .limit(1)
    ).first()
    return None if row is None else Migration(**{**row._mapping, "listing": json.loads(row.listing)})


def begin(tx: Transaction, made: Migration) -> int:
    """Note a new one; its number. The one given has none yet."""
    values = {
        "source": made.source,
        "department_id": made.department_id,
        "first": made.first,
        "last": made.last,
        "listing": json.dumps(made.listing),
        "started": made.started,
    }
    return int(tx.execute(sa.insert(migrations), values).inserted_primary_key[0])  # type: ignore[index]


def note(tx: Transaction, migration_id: int, listing: Any, found: Iterable[tuple[str, int | None]]) -> int:
    """One answer of the other side, and where to go on: studies by UID, with their numbers of instances.

    Returns how many of them had not been listed before.
    """
    given = dict(found)
    known = _known(tx.connection, migration_id, tuple(given))
    place = tx.execute(_LAST_PLACE, {"migration": migration_id}).scalar_one() or 0
    fresh = [uid for uid in given if uid not in known]
    rows = [
        {
            "migration_id": migration_id,
            "place": place + number,
            "study_instance_uid": uid,
            "expected": given[uid],
            "state": State.OPEN.value,
        }
        for number, uid in enumerate(fresh, 1)
    ]
    if rows:
        tx.execute(sa.insert(migration_studies), rows)
    tx.execute(_SET_LISTING, {"migration": migration_id, "text": json.dumps(listing)})
    return len(fresh)


def settle(tx: Transaction, migration_id: int, listed: Listed) -> None:
    """How a study compares now."""
    tx.execute(
        _SETTLE,
        {
            "migration": migration_id,
            "at": listed.place,
            "there": listed.expected,
            "here": listed.held,
            "now": listed.state.value,
            "why": listed.reason[:200],
        },
    )


def finish(tx: Transaction, migration_id: int, now: int) -> None:
    tx.execute(_FINISH, {"migration": migration_id, "now": now})


def due(connection: sa.Connection, migration_id: int, after: int, limit: int) -> list[Listed]:
    """Studies that do not agree yet, behind the place `after`, in their order."""
    rows = connection.execute(_DUE, {"migration": migration_id, "after": after, "most": limit})
    return [Listed(row[0], row[1], row[2], row[3], State(row[4]), row[5]) for row in rows]


def totals(connection: sa.Connection, migration_id: int) -> dict[State, int]:
    """How many studies are in which state."""
    rows = connection.execute(_TOTALS, {"migration": migration_id})
    return {State(row[0]): row[1] for row in rows}


def held(connection: sa.Connection, study_uid: str) -> int:
    """Instances of that study that are here."""
    return connection.execute(_HELD, {"uid": study_uid}).scalar_one_or_none() or 0


def _known(connection: sa.Connection, migration_id: int, uids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for at in range(0, len(uids), 500):
        part = list(uids[at : at + 500])
        found.update(connection.execute(_KNOWN, {"migration": migration_id, "uids": part}).scalars())
    return found


_OF = _s.migration_id == bindparam("migration")
_LAST_PLACE = sa.select(sa.func.max(_s.place)).where(_OF)
_KNOWN = sa.select(_s.study_instance_uid).where(
    _OF, _s.study_instance_uid.in_(bindparam("uids", expanding=True))
)
_SET_LISTING = sa.update(migrations).where(_m.id == bindparam("migration")).values(listing=bindparam("text"))
_SETTLE = (
    sa.update(migration_studies)
    .where(_OF, _s.place == bindparam("at"))
    .values(
        expected=bindparam("there"), held=bindparam("here"), state=bindparam("now"), reason=bindparam("why")
    )
)
_FINISH = sa.update(migrations).where(_m.id == bindparam("migration")).values(finished=bindparam("now"))
_DUE = (
    sa.select(_s.place, _s.study_instance_uid, _s.expected, _s.held, _s.state, _s.reason)
    .where(_OF, _s.place > bindparam("after"), _s.state != State.AGREES.value)
    .order_by(_s.place)
    .limit(bindparam("most"))
)
_TOTALS = sa.select(_s.state, sa.func.count()).where(_OF).group_by(_s.state)
_HELD = sa.select(studies.c.instance_count).where(studies.c.study_instance_uid == bindparam("uid"))
