"""Changes of patients' identities: what people set instead of what came, study by study, until it is undone.

A study shows the newest change in force, and each change keeps what the study showed before it. So undoing is
putting that back, and the changes of a study are a stack: the newest goes first.

    received ── merge 3 ──▶ ── correction 7 ──▶ shown        undo 7, then 3: received
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction
from leadglass.db.numbers import retire
from leadglass.db.prepared import Prepared
from leadglass.errors import Conflict
from leadglass.index import persons, schema
from leadglass.index.names import name_key

_changes, _of_studies = schema.identity_changes, schema.identity_studies
_departments, _studies = schema.identity_departments, schema.studies
MOST_RULES: Final = 16  # merges that one new study passes through


class Kind(StrEnum):
    PATIENT = "correct-patient"
    STUDY = "correct-study"
    MOVE = "move"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose a study is, as it shows it. The names are those of the columns."""

    patient_name: str = ""
    patient_id: str = ""
    issuer: str = ""
    birth_date: str = ""
    sex: str = ""


FIELDS: Final = tuple(field.name for field in fields(Identity))
Values = Mapping[str, str]  # some of FIELDS: what a change sets


@dataclass(frozen=True, slots=True)
class Applied:
    """One change in force, as delivery needs it."""

    kind: Kind
    made: int  # ms since the epoch
    values: Values


@dataclass(frozen=True, slots=True)
class New:
    """A change to be made. `departments`: those it touches, and whether it changes studies of theirs."""

    kind: Kind
    actor: str
    reason: str
    source: Identity
    values: Values
    departments: Mapping[int, bool]


_IDENTITY = tuple(_studies.c[name] for name in FIELDS)
_in_force = _changes.c.undone.is_(None)
_stacks = (
    sa.select(
        _of_studies.c.study_id, _changes.c.kind, _changes.c.made, *(_changes.c[name] for name in FIELDS)
    )
    .join_from(_of_studies, _changes)
    .where(_of_studies.c.study_id.in_(bindparam("studies", expanding=True)), _in_force)
    .order_by(_of_studies.c.id)
)
_knows = sa.select(_of_studies.c.id).where(
    _of_studies.c.study_id == bindparam("study"),
    _of_studies.c.patient_id == bindparam("patient_id"),
    _of_studies.c.issuer == bindparam("issuer"),
    _of_studies.c.change_id.in_(sa.select(_changes.c.id).where(_in_force)),
)
_rule = Prepared(
    sa.select(_changes.c.id, *(_changes.c[name] for name in FIELDS))
    .join_from(_changes, _departments)
    .where(
        _changes.c.from_patient_id == bindparam("patient_id"),
        _changes.c.from_issuer == bindparam("issuer"),
        _changes.c.kind == Kind.MERGE.value,
        _in_force,
        _departments.c.department_id == bindparam("department"),
        _departments.c.source,
    )
    .order_by(_changes.c.id.desc())
    .limit(1)
)
_top = (
    sa.select(sa.func.max(_of_studies.c.id))
    .join_from(_of_studies, _changes)
    .where(_of_studies.c.study_id == bindparam("study"), _in_force)
    .scalar_subquery()
)
_join = sa.update(_of_studies).where(_of_studies.c.id == _top).values(joined=_of_studies.c.joined + 1)


# --- what delivery and ingest ask -------------------------------------------------------------------------


def stacks(connection: sa.Connection, study_ids: Iterable[int]) -> dict[int, tuple[Applied, ...]]:
    """The changes in force of each of these studies, the oldest first."""
    found: defaultdict[int, tuple[Applied, ...]] = defaultdict(tuple)
    for some in persons.in_parts(sorted(set(study_ids))):
        for study_id, kind, made, *values in connection.execute(_stacks, {"studies": some}):
            found[study_id] += (Applied(Kind(kind), made, _values(values)),)
    return dict(found)


def came_as(tx: sa.Connection | Transaction, study_id: int, patient_id: str, issuer: str) -> bool:
    """Whether a study that is corrected once showed this ID: images of it still come under that."""
    key = {"study": study_id, "patient_id": patient_id, "issuer": issuer}
    return tx.execute(_knows, key).first() is not None


def note_joined(tx: Transaction, study_id: int) -> None:
    """One more image has come under the identity that a change gave its study."""
    tx.execute(_join, {"study": study_id})


def rules(tx: Transaction, came: Identity, department_id: int) -> tuple[list[tuple[int, Identity]], Identity]:
    """What a new study passes through: merges with what it showed before each; and what it shows then."""
    passed: list[tuple[int, Identity]] = []
    shown = came
    while len(passed) < MOST_RULES and shown.patient_id:
        key = {"patient_id": shown.patient_id, "issuer": shown.issuer, "department": department_id}
        rows = tx.fetch(_rule, key)
        if not rows or rows[0][0] in (change for change, _ in passed):
            break
        passed.append((rows[0][0], shown))
        shown = changed(shown, _values(rows[0][1:]))
    return passed, shown


def note_came(tx: Transaction, study_id: int, passed: Iterable[tuple[int, Identity]]) -> None:
    """A study that came under merges in force is undone with them."""
    for change_id, before in passed:
        values = dict(zip(FIELDS, astuple(before), strict=True))
        tx.execute(
            sa.insert(_of_studies),
            {"change_id": change_id, "study_id": study_id, "came": True, "joined": 0, **values},
        )


def changed(identity: Identity, values: Values) -> Identity:
    return Identity(**{name: values.get(name, getattr(identity, name)) for name in FIELDS})


def _values(columns: Sequence[str | None]) -> Values:
    return {name: value for name, value in zip(FIELDS, columns, strict=True) if value is not None}


# --- making and undoing -----------------------------------------------------------------------------------


def make(tx: Transaction, new: New, studies: Sequence[int], now: int) -> int:
    """Put a change into force for these studies, which are one patient's; its number."""
    values: dict[str, Any] = {name: new.values.get(name) for name in FIELDS}
    values |= {"kind": new.kind.value, "made": now, "actor": new.actor, "reason": new.reason}
    values |= {"from_patient_id": new.source.patient_id, "from_issuer": new.source.issuer}
    change_id = int(tx.execute(sa.insert(_changes).returning(_changes.c.id), values).scalar_one())
    departments = [
        {"change_id": change_id, "department_id": number, "source": source}
        for number, source in sorted(new.departments.items())
    ]
    tx.execute(sa.insert(_departments), departments)
    for some in persons.in_parts(studies):
        _change(tx, change_id, new, some, now)
    return change_id


def _change(tx: Transaction, change_id: int, new: New, studies: Sequence[int], now: int) -> None:
    before = sa.select(sa.literal(change_id), _studies.c.id, *_IDENTITY).where(_studies.c.id.in_(studies))
    names = ["change_id", "study_id", *FIELDS]
    tx.execute(sa.insert(_of_studies).from_select(names, before.order_by(_studies.c.id)))
    values: dict[str, Any] = dict(new.values)
    patients: Sequence[int] = ()
    if "patient_id" in values or "issuer" in values:
        of = sa.select(_studies.c.patient).where(_studies.c.id.in_(studies)).distinct()
        patients = tx.execute(of).scalars().all()
        shown = changed(new.source, new.values)
        values["patient"] = persons.patient_of(tx, shown.patient_id, shown.issuer, "", now)
    if "patient_name" in values:
        values["name_key"] = name_key(values["patient_name"])
        persons.forget_words(tx, studies)
        persons.add_words(tx, values["patient_name"], studies)
    values["corrected"] = _studies.c.corrected + 1
    tx.execute(sa.update(_studies).where(_studies.c.id.in_(studies)).values(values))
    persons.forget_empty(tx, patients)


def undo(tx: Transaction, change_id: int, by: str, reason: str, now: int) -> None:
    """Put back what its studies showed before. Conflict where later changes are in force for one of them."""
    if later := later_changes(tx, change_id):
        numbers = ", ".join(map(str, later))
        raise Conflict(f"Undo first what was changed later of the same studies: {numbers}.", code="later")
    columns = (_of_studies.c.study_id, _studies.c.study_instance_uid, _studies.c.patient)
    rows: Sequence[Sequence[Any]] = tx.execute(
        sa.select(*columns, *(_of_studies.c[name] for name in FIELDS))
        .join_from(_of_studies, _studies)
        .where(_of_studies.c.change_id == change_id)
        .order_by(_of_studies.c.study_id)
    ).all()
    _restore(tx, rows, now)
    persons.forget_empty(tx, {row[2] for row in rows})
    done = {"undone": now, "undone_by": by, "undone_reason": reason}
    tx.execute(sa.update(_changes).where(_changes.c.id == change_id).values(done))


def _restore(tx: Transaction, rows: Sequence[Sequence[Any]], now: int) -> None:
    persons.forget_words(tx, [row[0] for row in rows])
    patients: dict[tuple[str, ...], int] = {}
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    updates = []
    for study_id, uid, _, *values in rows:
        shown = Identity(*values)
        key = shown.patient_id, shown.issuer, "" if shown.patient_id else uid
        if key not in patients:
            patients[key] = persons.patient_of(tx, key[0], key[1], key[2], now)
        by_name[shown.patient_name].append(study_id)
        row = {f"to_{name}": value for name, value in zip(FIELDS, values, strict=True)}
        updates.append(
            {"study": study_id, "person": patients[key], "key": name_key(shown.patient_name), **row}
        )
    if updates:
        tx.execute(_put_back, updates)
    for name, studies in by_name.items():
        persons.add_words(tx, name, studies)


_put_back = (
    sa.update(_studies)
    .where(_studies.c.id == bindparam("study"))
    .values(
        patient=bindparam("person"),
        name_key=bindparam("key"),
        corrected=_studies.c.corrected - 1,
        **{name: bindparam(f"to_{name}") for name in FIELDS},
    )
)


def later_changes(connection: sa.Connection | Transaction, change_id: int, most: int = 5) -> list[int]:
    """Changes in force that came later for studies of this one: the newest first, `most` at most."""
    mine, later = _of_studies.alias("mine"), _of_studies.alias("later")
    statement = (
        sa.select(_changes.c.id)
        .distinct()
        .select_from(mine)
        .join(later, sa.and_(later.c.study_id == mine.c.study_id, later.c.id > mine.c.id))
        .join(_changes, _changes.c.id == later.c.change_id)
        .where(mine.c.change_id == change_id, _in_force)
        .order_by(_changes.c.id.desc())
        .limit(most)
    )
    return list(connection.execute(statement).scalars())


def studies_of(connection: sa.Connection | Transaction, change_id: int) -> list[str]:
    """The Study Instance UIDs of what is under a change."""
    statement = (
        sa.select(_studies.c.study_instance_uid)
        .join_from(_of_studies, _studies)
        .where(_of_studies.c.change_id == change_id)
        .order_by(_of_studies.c.id)
    )
    return list(connection.execute(statement).scalars())


def forget_study(tx: Transaction, study_id: int) -> None:
    """A study goes for good, and with it what it showed, and changes that were of no other. A merge in force
    stays: it is the rule for what still comes."""
    of = sa.select(_of_studies.c.change_id).where(_of_studies.c.study_id == study_id)
    changes = tx.execute(of).scalars().all()
    tx.execute(sa.delete(_of_studies).where(_of_studies.c.study_id == study_id))
    others = sa.exists().where(_of_studies.c.change_id == _changes.c.id)
    rule = sa.and_(_changes.c.kind == Kind.MERGE.value, _in_force)
    empty = sa.select(_changes.c.id).where(_changes.c.id.in_(changes), ~others, ~rule)
    ids = tx.execute(empty).scalars().all()
    retire(tx, "identity_changes", ids)
    tx.execute(sa.delete(_departments).where(_departments.c.change_id.in_(ids)))
    tx.execute(sa.delete(_changes).where(_changes.c.id.in_(ids)))
