"""Whose images these are: doubts proposed, patients merged, identities corrected, studies moved, all undone.

Each change is one transaction with its entry on the record. It needs the right in every department that it
touches: those whose studies it changes, and those of the patient to whom they go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from leadglass.access.policy import Action, Narrowing
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.made import ABSENT, Made, made_of
from leadglass.archive.search import Page
from leadglass.archive.wishes import Plan, UndoPlan, Wish, checked_reason
from leadglass.db.engine import Transaction
from leadglass.errors import Conflict, Denied, NotFound
from leadglass.index import identity, patients, records
from leadglass.index.identity import FIELDS, Identity, Kind
from leadglass.index.patients import Change, Doubt, Proposal
from leadglass.index.rows import StudyRow
from leadglass.record.entry import MAX_SUBJECTS

__all__ = [
    "FIELDS",
    "Change",
    "Doubt",
    "Identities",
    "Identity",
    "Kind",
    "Patient",
    "Plan",
    "Proposal",
    "UndoPlan",
    "Wish",
]

ELSEWHERE: Final = (
    "Some of it belongs to another department. It takes somebody who puts the images of both in order."
)
MEANWHILE: Final = "It has changed since you looked. Please compare again."
SHOWN: Final = 200  # studies of one patient on his page
_MARKS: Final[Mapping[Kind, str]] = {
    Kind.PATIENT: "identity.correct",
    Kind.STUDY: "identity.correct",
    Kind.MOVE: "identity.move",
    Kind.MERGE: "identity.merge",
}


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient as his page shows him: all that his studies say of him, the newest first."""

    id: int
    identity: Identity
    also: tuple[Identity, ...]
    studies: tuple[StudyRow, ...]
    more: bool  # than SHOWN
    history: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class _Noted:
    """What the record says of a change that is made or undone."""

    action: str
    change: int
    why: str
    ids: tuple[str, str]
    uids: Sequence[str]
    images: int


class Identities:
    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    # --- looking --------------------------------------------------------------------------------------------

    def proposals(
        self, who: Principal, doubt: Doubt, context: Context, *, limit: int = 20, offset: int = 0
    ) -> Page[Proposal]:
        """Who may be one person, or two: what nobody has dismissed, as far as `who` sees it."""
        narrowing = self._narrowed(who, context)
        with self._doorkeeper.db.read() as connection:
            found, more = patients.proposals(
                connection, doubt, narrowing.departments, limit=limit, offset=offset
            )
        ids = [member.identity.patient_id for proposal in found for member in proposal.members]
        self._reviewed(who, context, ids, {"rows": len(found)}, doubt.value)
        return Page(tuple(found), more)

    def find(self, who: Principal, patient_id: str, issuer: str | None, context: Context) -> list[int]:
        """The numbers of the patients of this ID who have a study that `who` puts in order."""
        narrowing = self._narrowed(who, context)
        with self._doorkeeper.db.read() as connection:
            numbers = patients.by_id(connection, patient_id, issuer)
            found = [
                number
                for number in numbers
                if patients.studies(connection, number, narrowing.departments, limit=1)
            ]
        self._reviewed(who, context, [patient_id] if found else [], {"rows": len(found)}, "find")
        return found

    def patient_of(self, who: Principal, study_id: int, context: Context) -> int:
        """The number of a study's patient. NotFound when it is foreign or absent."""
        narrowing = self._narrowed(who, context)
        with self._doorkeeper.db.read() as connection:
            study = patients.holding(connection, study_id)
            number = patients.patient_of(connection, study_id)
        if study is None or number is None or not narrowing.includes(study.department_id):
            self._absent(who, context)
        return number

    def study(self, who: Principal, uid: str, context: Context) -> int:
        """The number of a study by its UID. NotFound when it is foreign or absent."""
        narrowing = self._narrowed(who, context)
        with self._doorkeeper.db.read() as connection:
            number = patients.study_by_uid(connection, uid)
            study = patients.holding(connection, number) if number is not None else None
        if study is None or not narrowing.includes(study.department_id):
            self._absent(who, context)
        return study.id

    def patient(self, who: Principal, number: int, context: Context) -> Patient:
        """NotFound when none of his studies is one that `who` puts in order."""
        departments = self._narrowed(who, context).departments
        with self._doorkeeper.db.read() as connection:
            studies = patients.studies(connection, number, departments, SHOWN + 1)
            history, _ = patients.history(connection, departments, patient=number)
        if not studies:
            self._absent(who, context)
        shown = list(dict.fromkeys(map(_identity, studies)))
        self._reviewed(who, context, [shown[0].patient_id], {"studies": len(studies)}, "patient")
        more = len(studies) > SHOWN
        return Patient(number, shown[0], tuple(shown[1:]), tuple(studies[:SHOWN]), more, tuple(history))

    def history(
        self,
        who: Principal,
        context: Context,
        *,
        patient: int | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[Change]:
        departments = self._narrowed(who, context).departments
        with self._doorkeeper.db.read() as connection:
            found, more = patients.history(
                connection, departments, patient=patient, limit=limit, offset=offset
            )
        self._reviewed(who, context, [change.source[0] for change in found], {"rows": len(found)}, "history")
        return Page(tuple(found), more)

    # --- changing -------------------------------------------------------------------------------------------

    def plan(self, who: Principal, wish: Wish, context: Context) -> Plan:
        """What it would come to. NotFound, Denied, Violation, Conflict: it cannot be done, and why."""
        made = self._allowed(who, wish, context)
        self._reviewed(who, context, made.ids, {"studies": len(made.studies)}, made.new.kind.value)
        return made.plan()

    def change(self, who: Principal, wish: Wish, reason: str, context: Context, *, seen: str = "") -> int:
        """Do it; the number of the change, once it is durable. Raises as `plan`; Conflict where it is not the
        plan any more whose token was `seen`."""
        reason = checked_reason(reason)
        self._allowed(who, wish, context)
        narrowing = self._narrowed(who, context)

        def unit(tx: Transaction) -> int:
            made = made_of(tx, wish, narrowing.departments, who.name, reason)
            if not _covers(narrowing, made.new.departments) or (seen and made.plan().token != seen):
                raise Conflict(MEANWHILE, code="meanwhile")
            number = identity.make(tx, made.new, [study.id for study in made.studies], context.now)
            records.forget_studies(tx)
            noted = _Noted(_MARKS[made.new.kind], number, reason, made.ids, made.uids, made.images)
            self._note(tx, who, context, noted)
            return number

        return int(self._doorkeeper.db.write(unit).result())

    def plan_undo(self, who: Principal, number: int, context: Context) -> UndoPlan:
        """What undoing would come to. NotFound, Denied; Conflict when it is undone already."""
        found = self._undoable(who, number, context)
        with self._doorkeeper.db.read() as connection:
            later = identity.later_changes(connection, number)
        self._reviewed(who, context, [found.source[0]], {"studies": found.studies}, "undo")
        return UndoPlan(found, tuple(later))

    def undo(self, who: Principal, number: int, reason: str, context: Context) -> Change:
        """Put back what was before. Conflict where later changes of the same studies are in force."""
        reason = checked_reason(reason)
        self._undoable(who, number, context)

        def unit(tx: Transaction) -> Change:
            found = patients.change(tx, number)
            if found is None or found.undone is not None:
                raise Conflict("It has been undone already.", code="undone")
            uids = identity.studies_of(tx, number)
            identity.undo(tx, number, who.name, reason, context.now)
            records.forget_studies(tx)
            ids = (found.source[0], dict(found.values).get("patient_id", ""))
            self._note(tx, who, context, _Noted("identity.undo", number, reason, ids, uids, found.images))
            return found

        undone: Change = self._doorkeeper.db.write(unit).result()
        return undone

    def dismiss(self, who: Principal, word: str, reason: str, context: Context) -> None:
        """Propose this no more: `word` is the proposal's."""
        self._narrowed(who, context)
        reason = checked_reason(reason)
        try:
            digest = bytes.fromhex(word)
        except ValueError:
            digest = b""
        if len(digest) != 32:
            raise NotFound("There is no such proposal.")

        def unit(tx: Transaction) -> None:
            patients.dismiss(tx, digest, who.name, reason, context.now)
            entry = self._doorkeeper.entry(
                who, "identity.dismiss", context, detail={"proposal": word[:16], "why": reason}
            )
            self._doorkeeper.log.append(tx, entry, context.now)

        self._doorkeeper.db.write(unit).result()

    # --- the policy and the record --------------------------------------------------------------------------

    def _narrowed(self, who: Principal, context: Context) -> Narrowing:
        return self._doorkeeper.narrowed(who, Action.IDENTITY_CORRECT, context)

    def _allowed(self, who: Principal, wish: Wish, context: Context) -> Made:
        narrowing = self._narrowed(who, context)
        try:
            with self._doorkeeper.db.read() as connection:
                made = made_of(connection, wish, narrowing.departments, who.name, "")
        except NotFound:
            self._absent(who, context)
        if not _covers(narrowing, made.new.departments):
            self._elsewhere(who, context)
        return made

    def _undoable(self, who: Principal, number: int, context: Context) -> Change:
        narrowing = self._narrowed(who, context)
        with self._doorkeeper.db.read() as connection:
            found = patients.change(connection, number)
        if found is None or not _covers(narrowing, found.departments):
            self._absent(who, context)
        if found.undone is not None:
            raise Conflict("It has been undone already.", code="undone")
        return found

    def _absent(self, who: Principal, context: Context) -> NoReturn:
        """Foreign and absent are one answer, and one entry."""
        entry = self._doorkeeper.entry(
            who, Action.IDENTITY_CORRECT, context, outcome="denied", reason="absent"
        )
        self._doorkeeper.record(entry, context.now)
        raise NotFound(ABSENT)

    def _elsewhere(self, who: Principal, context: Context) -> NoReturn:
        entry = self._doorkeeper.entry(
            who, Action.IDENTITY_CORRECT, context, outcome="denied", reason="other-department"
        )
        self._doorkeeper.record(entry, context.now)
        raise Denied(ELSEWHERE, code="other-department")

    def _reviewed(
        self, who: Principal, context: Context, ids: Sequence[str], counts: Mapping[str, int], what: str
    ) -> None:
        subjects = tuple(dict.fromkeys(filter(None, ids)))[:MAX_SUBJECTS]
        entry = self._doorkeeper.entry(
            who, "identity.review", context, patients=subjects, counts=dict(counts), detail={"what": what}
        )
        self._doorkeeper.record(entry, context.now)

    def _note(self, tx: Transaction, who: Principal, context: Context, noted: _Noted) -> None:
        """As many entries as it takes to name the studies."""
        for start in range(0, max(1, len(noted.uids)), MAX_SUBJECTS):
            entry = self._doorkeeper.entry(
                who,
                noted.action,
                context,
                patients=tuple(dict.fromkeys(filter(None, noted.ids))),
                studies=tuple(noted.uids[start : start + MAX_SUBJECTS]),
                counts={"studies": len(noted.uids), "instances": noted.images},
                detail={"change": noted.change, "why": noted.why},
            )
            self._doorkeeper.log.append(tx, entry, context.now)


def _covers(narrowing: Narrowing, departments: Collection[int]) -> bool:
    return all(narrowing.includes(department) for department in departments)


def _identity(study: StudyRow) -> Identity:
    return Identity(study.patient_name, study.patient_id, study.issuer, study.birth_date, study.sex)
