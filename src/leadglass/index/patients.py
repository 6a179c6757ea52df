"""What the index knows of patients: their studies, who may be two or one, what was changed of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction
from leadglass.db.hints import by_index
from leadglass.index import schema
from leadglass.index.building import STUDY, study_row
from leadglass.index.identity import FIELDS, Identity, Kind
from leadglass.index.matching import within
from leadglass.index.rows import StudyRow

_studies, _patients = schema.studies, schema.patients
_changes, _of_studies = schema.identity_changes, schema.identity_studies
_departments, _dismissals = schema.identity_departments, schema.identity_dismissals
_study = _studies.c

MOST_GROUPS: Final = 5000  # that one page of proposals is looked for among
MOST_MEMBERS: Final = 12  # shown side by side
Reader = sa.Connection | Transaction

IDENTITY: Final = tuple(_study[name] for name in FIELDS)
_NEWEST: Final = (_study.study_date.desc(), _study.study_time.desc(), _study.id.desc())


# --- one patient ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Holding:
    """A study as a change needs it: whose department it is, what it shows, how much it is."""

    id: int
    department_id: int
    images: int
    uid: str
    identity: Identity


_HOLDING = (_study.id, _study.department_id, _study.instance_count, _study.study_instance_uid, *IDENTITY)
_holdings = sa.select(*_HOLDING).where(_study.patient == bindparam("patient")).order_by(*_NEWEST)
_one_study = sa.select(*_HOLDING).where(_study.id == bindparam("study"))


def holdings(connection: Reader, patient: int) -> list[Holding]:
    """All studies of a patient, whosever they are, the newest first."""
    return [_holding(row) for row in connection.execute(_holdings, {"patient": patient})]


def holding(connection: Reader, study_id: int) -> Holding | None:
    row = connection.execute(_one_study, {"study": study_id}).first()
    return _holding(row) if row else None


def _holding(row: Sequence[Any]) -> Holding:
    return Holding(row[0], row[1], row[2], row[3], Identity(*row[4:]))


def patient_of(connection: Reader, study_id: int) -> int | None:
    """The number of a study's patient."""
    return connection.execute(sa.select(_study.patient).where(_study.id == study_id)).scalar_one_or_none()


def study_by_uid(connection: Reader, uid: str) -> int | None:
    return connection.execute(
        sa.select(_study.id).where(_study.study_instance_uid == uid)
    ).scalar_one_or_none()


def by_id(connection: Reader, patient_id: str, issuer: str | None, limit: int = 10) -> list[int]:
    """The numbers of the patients who have this ID, of any issuer if none is given."""
    statement = sa.select(_patients.c.id).where(
        _patients.c.patient_id == patient_id, _patients.c.anchor == ""
    )
    if issuer is not None:
        statement = statement.where(_patients.c.issuer == issuer)
    return list(connection.execute(statement.order_by(_patients.c.issuer).limit(limit)).scalars())


def studies(connection: Reader, patient: int, departments: frozenset[int], limit: int) -> list[StudyRow]:
    """Those of these departments, the newest first."""
    statement = sa.select(*STUDY).where(_study.patient == patient, *within(False, departments))
    return [study_row(row) for row in connection.execute(statement.order_by(*_NEWEST).limit(limit))]


# --- proposals --------------------------------------------------------------------------------------------


class Doubt(StrEnum):
    SAME_PERSON = "same-person"  # one name and birth date under several IDs
    OTHER_PERSON = "other-person"  # one ID under several names or birth dates


@dataclass(frozen=True, slots=True)
class Member:
    """One side of a proposal: a patient as the newest of some studies shows him."""

    patient: int
    study: int  # the newest of them
    identity: Identity
    studies: int
    newest: str  # its date


@dataclass(frozen=True, slots=True)
class Proposal:
    doubt: Doubt
    digest: bytes  # of who stands in it: dismissed, it comes back when somebody joins
    members: tuple[Member, ...]

    @property
    def word(self) -> str:
        return self.digest.hex()


def proposals(
    connection: sa.Connection, doubt: Doubt, departments: frozenset[int], *, limit: int, offset: int = 0
) -> tuple[list[Proposal], bool]:
    """A page of what nobody has dismissed, and whether there is more. One walk along one index."""
    found: list[Proposal] = []
    for proposal in _undismissed(connection, doubt, departments):
        if offset:
            offset -= 1
        elif len(found) == limit:
            return found, True
        else:
            found.append(proposal)
    return found, False


def _undismissed(connection: sa.Connection, doubt: Doubt, departments: frozenset[int]) -> Iterator[Proposal]:
    groups, members = _LOOKS[doubt]
    for key in connection.execute(groups(departments)):
        sides = members(connection, key, departments)
        if len(sides) < 2:
            continue
        proposal = Proposal(doubt, _digest(doubt, sides), tuple(sides[:MOST_MEMBERS]))
        where = _dismissals.c.proposal == proposal.digest
        if connection.execute(sa.select(_dismissals.c.dismissed).where(where)).first() is None:
            yield proposal


def _several(column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.func.min(column) != sa.func.max(column)


def _same_person_groups(departments: frozenset[int]) -> sa.Select[Any]:
    found = by_index(sa.select(_study.birth_date, _study.name_key), _studies, "ix_studies_birth_date")
    return (
        found.where(_study.birth_date > "", _study.name_key > "", _study.patient_id > "")
        .where(*within(False, departments))
        .group_by(_study.birth_date, _study.name_key)
        .having(sa.or_(_several(_study.patient_id), _several(_study.issuer)))
        .order_by(_study.birth_date, _study.name_key)
        .limit(MOST_GROUPS)
    )


def _same_person_members(
    connection: sa.Connection, key: Sequence[str], departments: frozenset[int]
) -> list[Member]:
    """By ID. Two sexes that are known and differ are two people: only those of the first stay."""
    where = (_study.birth_date == key[0], _study.name_key == key[1], _study.patient_id > "")
    members = _members(connection, where, departments, lambda one: (one.patient_id, one.issuer))
    sexes = {one.identity.sex for one in members if one.identity.sex in ("M", "F")}
    if len(sexes) < 2:
        return members
    apart = [[one for one in members if one.identity.sex in (sex, "")] for sex in sorted(sexes)]
    return max(apart, key=len)


def _other_person_groups(departments: frozenset[int]) -> sa.Select[Any]:
    known = sa.func.nullif(_study.birth_date, ""), sa.func.nullif(_study.name_key, "")
    found = by_index(sa.select(_study.patient_id, _study.issuer), _studies, "ix_studies_patient_id")
    return (
        found.where(_study.patient_id > "", *within(False, departments))
        .group_by(_study.patient_id, _study.issuer)
        .having(sa.or_(*map(_several, known)))
        .order_by(_study.patient_id, _study.issuer)
        .limit(MOST_GROUPS)
    )


def _other_person_members(
    connection: sa.Connection, key: Sequence[str], departments: frozenset[int]
) -> list[Member]:
    where = (_study.patient_id == key[0], _study.issuer == key[1])
    return _members(connection, where, departments, lambda one: (one.patient_name, one.birth_date))


def _members(
    connection: sa.Connection,
    where: Sequence[sa.ColumnElement[bool]],
    departments: frozenset[int],
    side: Any,
) -> list[Member]:
    """Sides of a group; looked for among so many studies that a mass of them under one name stops nobody."""
    columns = (_study.patient, _study.id, _study.study_date, *IDENTITY)
    statement = sa.select(*columns).where(*where, *within(False, departments)).order_by(*_NEWEST)
    found: dict[tuple[str, ...], Member] = {}
    for patient, study_id, day, *values in connection.execute(statement.limit(2000)):
        identity = Identity(*values)
        known = found.get(side(identity))
        if known is None:
            found[side(identity)] = Member(patient, study_id, identity, 1, day)
        else:
            number = known.studies + 1
            found[side(identity)] = Member(known.patient, known.study, known.identity, number, known.newest)
    return list(found.values())


def _digest(doubt: Doubt, members: Sequence[Member]) -> bytes:
    who = sorted([getattr(member.identity, name) for name in FIELDS] for member in members)
    return sha256(orjson.dumps([doubt.value, who])).digest()


_LOOKS: Final = {
    Doubt.SAME_PERSON: (_same_person_groups, _same_person_members),
    Doubt.OTHER_PERSON: (_other_person_groups, _other_person_members),
}


def dismiss(tx: Transaction, digest: bytes, actor: str, reason: str, now: int) -> None:
    """It is proposed no more; a second time changes nothing."""
    where = _dismissals.c.proposal == digest
    if tx.execute(sa.select(_dismissals.c.dismissed).where(where)).first() is None:
        row = {"proposal": digest, "dismissed": now, "actor": actor, "reason": reason}
        tx.execute(sa.insert(_dismissals), row)


# --- what was changed -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """A change as it is told. `studies`, `images`: that are under it; `came`: studies of them that came after
    it; `joined`: images that came since with the identity it gave."""

    id: int
    kind: Kind
    made: int
    actor: str
    reason: str
    source: tuple[str, str]  # Patient ID and issuer
    values: tuple[tuple[str, str], ...]
    undone: int | None
    undone_by: str
    undone_reason: str
    studies: int
    images: int
    came: int
    joined: int
    departments: frozenset[int]


_CHANGE = (
    _changes.c.id, _changes.c.kind, _changes.c.made, _changes.c.actor, _changes.c.reason,
    _changes.c.from_patient_id, _changes.c.from_issuer, _changes.c.undone, _changes.c.undone_by,
    _changes.c.undone_reason, *(_changes.c[name] for name in FIELDS),
)  # fmt: skip
_counts = (
    sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(_study.instance_count), 0),
        sa.func.coalesce(sa.func.sum(sa.case((_of_studies.c.came, 1), else_=0)), 0),
        sa.func.coalesce(sa.func.sum(_of_studies.c.joined), 0),
    )
    .join_from(_of_studies, _studies)
    .where(_of_studies.c.change_id == bindparam("change"))
)
_touched = sa.select(_departments.c.department_id).where(_departments.c.change_id == bindparam("change"))


def change(connection: Reader, change_id: int) -> Change | None:
    row = connection.execute(sa.select(*_CHANGE).where(_changes.c.id == change_id)).first()
    return _change(connection, row) if row else None


def history(
    connection: sa.Connection,
    departments: frozenset[int],
    *,
    patient: int | None = None,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[Change], bool]:
    """Changes that touch none but these departments, the newest first; of `patient`: those that led to or
    from the ID he has, and those of his studies."""
    foreign = sa.exists().where(
        _departments.c.change_id == _changes.c.id, _departments.c.department_id.not_in(sorted(departments))
    )
    statement = sa.select(*_CHANGE).where(~foreign)
    if patient is not None:
        statement = statement.where(_changes.c.id.in_(_about(patient)))
    rows = connection.execute(statement.order_by(_changes.c.id.desc()).limit(limit + 1).offset(offset)).all()
    return [_change(connection, row) for row in rows[:limit]], len(rows) > limit


def _about(patient: int) -> sa.CompoundSelect[Any]:
    him = sa.and_(_patients.c.id == patient, _patients.c.patient_id != "")
    origin = sa.and_(
        _changes.c.from_patient_id == _patients.c.patient_id, _changes.c.from_issuer == _patients.c.issuer
    )
    target = sa.and_(_changes.c.patient_id == _patients.c.patient_id, _changes.c.issuer == _patients.c.issuer)
    return sa.union(
        sa.select(_changes.c.id).join_from(_patients, _changes, origin).where(him),
        sa.select(_changes.c.id).join_from(_patients, _changes, target).where(him),
        sa.select(_of_studies.c.change_id).join_from(_studies, _of_studies).where(_study.patient == patient),
    )


def _change(connection: Reader, row: Sequence[Any]) -> Change:
    counts: Sequence[int] = connection.execute(_counts, {"change": row[0]}).one()
    touched = connection.execute(_touched, {"change": row[0]}).scalars()
    values = tuple((name, value) for name, value in zip(FIELDS, row[10:], strict=True) if value is not None)
    number, kind, made, actor, reason, patient_id, issuer, undone, undone_by, undone_reason = row[:10]
    return Change(
        number, Kind(kind), made, actor, reason, (patient_id, issuer), values, undone, undone_by,
        undone_reason, counts[0], counts[1], counts[2], counts[3], frozenset(touched),
    )  # fmt: skip
