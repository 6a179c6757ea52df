"""What upkeep remembers: lost objects, what reading found damaged, and its rounds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from leadglass.db.engine import Transaction
from leadglass.db.numbers import retire
from leadglass.db.prepared import Prepared
from leadglass.index import records
from leadglass.index.building import STUDY, study_row
from leadglass.index.counts import recount
from leadglass.index.evidence import InstanceEntry, instance_entry
from leadglass.index.rows import StudyRow
from leadglass.index.schema import instances, series, studies
from leadglass.index.upkeep_schema import damage, lost, rounds

_COPIED = [column.name for column in lost.columns if column.name not in {"id", "why", "noticed"}]
_ANY_LOST = Prepared(sa.select(lost.c.id).limit(1))
_LOST_KEY = "index.lost"


@dataclass(frozen=True, slots=True)
class Lost:
    """An instance that is not shown: why, since when, and all that its row was. `replaced`: other content has
    come under its SOP Instance UID since."""

    why: str
    noticed: int
    study: StudyRow
    series_instance_uid: str
    entry: InstanceEntry
    replaced: bool


@dataclass(frozen=True, slots=True)
class Round:
    """Times in ms, UTC; `kind` and `after` say where it stands, `finished` when the last whole one ended."""

    name: str
    started: int
    finished: int | None = None
    kind: str = ""
    after: int = 0
    objects: int = 0
    bytes: int = 0


# --- lost objects -----------------------------------------------------------------------------------------


def lose(tx: Transaction, instance_id: int, study_id: int, why: str, now: int) -> None:
    """Take an instance out of what is shown and put it among the lost."""
    records.forget(tx, study_id)
    row = tx.execute(sa.select(instances).where(instances.c.id == instance_id)).mappings().one()
    tx.execute(sa.insert(lost), {"why": why, "noticed": now, **{name: row[name] for name in _COPIED}})
    tx.execute(sa.delete(instances).where(instances.c.id == instance_id))
    tx.execute(sa.delete(damage).where(damage.c.blob == row["blob"]))
    retire(tx, "instances", (instance_id,))
    recount(tx, study_id)


def reinstate(tx: Transaction, lost_id: int, study_id: int) -> None:
    """Show a lost instance again: it was found to be there, as it was received."""
    records.forget(tx, study_id)
    row = tx.execute(sa.select(lost).where(lost.c.id == lost_id)).mappings().one()
    tx.execute(sa.delete(lost).where(lost.c.id == lost_id))
    tx.execute(sa.insert(instances), {name: row[name] for name in _COPIED})
    recount(tx, study_id)


def heal(tx: Transaction, sop_instance_uid: str, digest: bytes, syntax: str) -> bool:
    """The same object has come in again: it is lost no more. Whether it was."""
    if _LOST_KEY not in tx.state:
        tx.state[_LOST_KEY] = bool(tx.fetch(_ANY_LOST, {}))
    if not tx.state[_LOST_KEY]:
        return False
    same = sa.and_(
        lost.c.sop_instance_uid == sop_instance_uid,
        lost.c.digest == digest,
        lost.c.transfer_syntax_uid == syntax,
    )
    return tx.execute(sa.delete(lost).where(same)).rowcount > 0


def lost_page(
    connection: sa.Connection | Transaction,
    *,
    after: int = 0,
    limit: int = 500,
    departments: Collection[int] | None = None,
) -> list[Lost]:
    """The next lost instances by number behind `after`; of these departments only, if any are named."""
    there = sa.select(instances.c.id).where(instances.c.sop_instance_uid == lost.c.sop_instance_uid).exists()
    statement = (
        sa.select(*STUDY, series.c.series_instance_uid.label("its_series"), there.label("replaced"))
        .add_columns(*(column.label(f"lost_{column.name}") for column in lost.columns))
        .join_from(lost, series, lost.c.series_id == series.c.id)
        .join(studies, series.c.study_id == studies.c.id)
        .where(lost.c.id > after)
        .order_by(lost.c.id)
        .limit(limit)
    )
    if departments is not None:
        statement = statement.where(studies.c.department_id.in_(sorted(departments)))
    return [_lost(row) for row in connection.execute(statement)]


def _lost(row: sa.Row[Any]) -> Lost:
    study = study_row(row[: len(STUDY)])
    values = {column.name: row._mapping[f"lost_{column.name}"] for column in lost.columns}
    entry = instance_entry(study.id, values)
    return Lost(values["why"], values["noticed"], study, row.its_series, entry, bool(row.replaced))


def lost_of(connection: sa.Connection, study_id: int) -> int:
    """How many instances of a study are lost and have not come again in any form."""
    return int(connection.execute(_LOST_OF.where(series.c.study_id == study_id)).scalar_one())


def lost_by_study(connection: sa.Connection) -> dict[int, int]:
    """The same of every study that has such."""
    rows = connection.execute(_LOST_OF.add_columns(series.c.study_id).group_by(series.c.study_id))
    return {row[1]: row[0] for row in rows}


_LOST_OF = (
    sa.select(sa.func.count())
    .select_from(lost.join(series, lost.c.series_id == series.c.id))
    .where(~sa.select(instances.c.id).where(instances.c.sop_instance_uid == lost.c.sop_instance_uid).exists())
)


# --- damage, rounds ---------------------------------------------------------------------------------------


def note_damage(tx: Transaction, blob: str, why: str | None, now: int) -> None:
    """What reading this object found; None: it is as it was received."""
    before = tx.execute(sa.select(damage.c.why).where(damage.c.blob == blob)).scalar_one_or_none()
    if before == why:
        return
    tx.execute(sa.delete(damage).where(damage.c.blob == blob))
    if why is not None:
        tx.execute(sa.insert(damage), {"blob": blob, "why": why, "found": now})


def damaged(connection: sa.Connection | Transaction, after: str = "", limit: int = 1000) -> list[str]:
    """Names of objects that were found damaged, in their order."""
    found = sa.select(damage.c.blob).where(damage.c.blob > after).order_by(damage.c.blob).limit(limit)
    return list(connection.execute(found).scalars())


def round_of(connection: sa.Connection | Transaction, name: str) -> Round | None:
    row = connection.execute(sa.select(rounds).where(rounds.c.name == name)).one_or_none()
    return Round(*row) if row is not None else None


def keep_round(tx: Transaction, made: Round) -> None:
    tx.execute(sa.delete(rounds).where(rounds.c.name == made.name))
    tx.execute(sa.insert(rounds), asdict(made))


def troubles(connection: sa.Connection) -> tuple[int, int]:
    """How many objects are lost and did not come again; how many were found damaged and are still listed."""
    there = sa.select(instances.c.id).where(instances.c.sop_instance_uid == lost.c.sop_instance_uid).exists()
    gone = connection.execute(sa.select(sa.func.count()).select_from(lost).where(~there)).scalar_one()
    bad = connection.execute(sa.select(sa.func.count()).select_from(damage)).scalar_one()
    return int(gone), int(bad)


def newest(connection: sa.Connection) -> int | None:
    """When the youngest instance came, ms."""
    last = sa.select(instances.c.received).order_by(instances.c.id.desc()).limit(1)
    return connection.execute(last).scalar_one_or_none()
