"""How much came in, by the hour, and what came in last.

Counted where an instance row is written, in its transaction: a group of objects lets the row of its hour,
source and modality grow. Every read is a range of the key, or of the newest rows alone.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction
from leadglass.db.prepared import Prepared
from leadglass.index import schema
from leadglass.index.building import STUDY, study_row
from leadglass.index.rows import StudyRow

HOUR: Final = 3_600_000  # ms
NEWEST: Final = 1_000  # studies among which the last ones are looked for
MOST_WAITING: Final = 1_000
_KEY: Hashable = "index.arrivals"
_COUNTS = ("instances", "studies", "bytes")  # as in `Arrived`

_arrivals, _studies, _aside = schema.arrivals, schema.studies, schema.kept_aside
_days = schema.sending_days
_departments = sa.table("departments", sa.column("id"))
_grow = Prepared(
    sa.update(_arrivals)
    .where(
        _arrivals.c.department_id == bindparam("department"),
        _arrivals.c.hour == bindparam("at"),
        _arrivals.c.source == bindparam("whence"),
        _arrivals.c.modality == bindparam("kind"),
    )
    .values({name: _arrivals.c[name] + bindparam(f"more_{name}") for name in _COUNTS})
)
_begin = Prepared(sa.insert(_arrivals), [column.name for column in _arrivals.columns])
_still = Prepared(
    sa.update(_days)
    .where(
        _days.c.department_id == bindparam("department"),
        _days.c.source == bindparam("whence"),
        _days.c.day == bindparam("on"),
    )
    .values(last_hour=bindparam("at"))
)
_wakes = Prepared(sa.insert(_days), [column.name for column in _days.columns])


@dataclass(frozen=True, slots=True)
class Arrived:
    """How much of one thing came in."""

    instances: int
    studies: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Within:
    """Of which departments, and since and until which hour (`since` ≤ hour < `until`)."""

    departments: frozenset[int]
    everything: bool
    since: int
    until: int

    @property
    def conditions(self) -> list[sa.ColumnElement[bool]]:
        own = [] if self.everything else [_arrivals.c.department_id.in_(sorted(self.departments))]
        return [*own, _arrivals.c.hour >= self.since, _arrivals.c.hour < self.until]


def count(tx: Transaction, department_id: int, now: int, whence: tuple[str, str], more: Arrived) -> None:
    """`more` has arrived, from a source and of a modality; added when the group commits."""
    growth: dict[tuple[int, int, str, str], list[int]] | None = tx.state.get(_KEY)
    if growth is None:
        growth = tx.state[_KEY] = {}
        tx.before_commit(_KEY, _flush)
    key = (department_id, now // HOUR, whence[0][:64], whence[1][:16])
    grown = growth.setdefault(key, [0] * len(_COUNTS))
    grown[0] += more.instances
    grown[1] += more.studies
    grown[2] += more.bytes


def _flush(tx: Transaction) -> None:
    for (department, hour, source, modality), grown in tx.state[_KEY].items():
        counts = dict(zip(_COUNTS, grown, strict=True))
        key = {"department": department, "at": hour, "whence": source, "kind": modality}
        row = {"department_id": department, "source": source}
        if tx.change(_grow, key | {f"more_{name}": more for name, more in counts.items()}):
            continue  # what began this row has put the hour among its day's
        tx.change(_begin, [{**row, "hour": hour, "modality": modality, **counts}])
        day = {"department": department, "whence": source, "on": hour // 24, "at": hour}
        if not tx.change(_still, day):
            tx.change(_wakes, [{**row, "day": hour // 24, "first_hour": hour, "last_hour": hour}])


def arrived(connection: sa.Connection, within: Within, step: int) -> dict[tuple[int, str, str], Arrived]:
    """By (number of the `step` hours since the epoch, source, modality), in one pass over the hours."""
    keys = ((_arrivals.c.hour // step).label("at"), _arrivals.c.source, _arrivals.c.modality)
    counts = (sa.func.sum(_arrivals.c[name]) for name in _COUNTS)
    found = connection.execute(sa.select(*keys, *counts).where(*within.conditions).group_by(*keys))
    return {(row[0], row[1], row[2]): Arrived(*row[3:]) for row in found}


def by_day(connection: sa.Connection, since: int) -> list[tuple[int, int, int]]:
    """(day since the epoch, instances, bytes) from day `since` on, where anything came in."""
    day = (_arrivals.c.hour // 24).label("day")
    found = (
        sa.select(day, sa.func.sum(_arrivals.c.instances), sa.func.sum(_arrivals.c.bytes))
        .where(_arrivals.c.department_id.in_(sa.select(_departments.c.id)), _arrivals.c.hour >= since * 24)
        .group_by(day)
        .order_by(day)
    )
    return [(int(row[0]), int(row[1]), int(row[2])) for row in connection.execute(found)]


def first_day(connection: sa.Connection) -> int | None:
    """The first day on which anything came in, found by the first key of each department."""
    first = sa.select(sa.func.min(_arrivals.c.hour)).where(_arrivals.c.department_id == _departments.c.id)
    each = sa.select(first.scalar_subquery().label("hour")).select_from(_departments).subquery()
    hour = connection.execute(sa.select(sa.func.min(each.c.hour))).scalar_one()
    return None if hour is None else int(hour) // 24


def sending_days(connection: sa.Connection, within: Within) -> dict[str, list[tuple[int, int, int]]]:
    """Of each source: (day since the epoch, first hour, last hour) in order, whatever department got it."""
    own = [] if within.everything else [_days.c.department_id.in_(sorted(within.departments))]
    asked = (*own, _days.c.day >= within.since // 24, _days.c.day <= within.until // 24)
    statement = (
        sa.select(
            _days.c.source, _days.c.day, sa.func.min(_days.c.first_hour), sa.func.max(_days.c.last_hour)
        )
        .where(*asked)
        .group_by(_days.c.source, _days.c.day)
        .order_by(_days.c.source, _days.c.day)
    )
    found: dict[str, list[tuple[int, int, int]]] = {}
    for source, *when in connection.execute(statement):
        found.setdefault(source, []).append((when[0], when[1], when[2]))
    return found


def newest(
    connection: sa.Connection, *, everything: bool, departments: frozenset[int], limit: int
) -> list[StudyRow]:
    """The studies that began to come in last, among the archive's NEWEST: numbers grow with time."""
    last = sa.select(sa.func.max(_studies.c.id)).scalar_subquery()
    statement = sa.select(*STUDY).where(_studies.c.id > last - NEWEST).order_by(_studies.c.id.desc())
    if not everything:
        # In a form no index serves: the newest rows are to be walked, not a department's.
        own = sa.func.coalesce(_studies.c.department_id, 0).in_(sorted(departments))
        statement = statement.where(own)
    return [study_row(row) for row in connection.execute(statement.limit(limit))]


def waiting(connection: sa.Connection, *, everything: bool, departments: frozenset[int]) -> int:
    """How many objects are kept aside; MOST_WAITING stands for that many or more."""
    few = sa.select(_aside.c.id)
    if not everything:
        few = few.where(_aside.c.department_id.in_(sorted(departments)))
    statement = sa.select(sa.func.count()).select_from(few.limit(MOST_WAITING).subquery())
    return int(connection.execute(statement).scalar_one())
