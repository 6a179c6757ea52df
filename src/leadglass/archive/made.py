"""From a wish to the change that it is: which studies, what is set, which departments are touched.

Asked twice: outside of a transaction for who wants to know, and inside of the one that makes the change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from leadglass.archive.wishes import Plan, Wish, checked_values
from leadglass.errors import Conflict, LimitExceeded, NotFound, Violation
from leadglass.index import patients
from leadglass.index.identity import Identity, Kind, New, changed
from leadglass.index.patients import Holding, Reader

ABSENT: Final = "There is no such patient or study, or it is not yours to change."
MOST_STUDIES: Final = 20_000  # of one change


@dataclass(frozen=True, slots=True)
class Made:
    """A wish as the index sees it at one moment."""

    new: New
    studies: Sequence[Holding]
    target_studies: int

    @property
    def uids(self) -> list[str]:
        return [study.uid for study in self.studies]

    @property
    def images(self) -> int:
        return sum(study.images for study in self.studies)

    @property
    def ids(self) -> tuple[str, str]:
        source = self.new.source
        return source.patient_id, changed(source, self.new.values).patient_id

    def plan(self) -> Plan:
        source, values = self.new.source, self.new.values
        after = changed(source, values)
        return Plan(self.new.kind, source, after, values, len(self.studies), self.images, self.target_studies)


def made_of(reader: Reader, wish: Wish, departments: Collection[int], actor: str, reason: str) -> Made:
    """NotFound for what is not there or all foreign; Violation and Conflict for what makes no sense."""
    studies = _studies(reader, wish, departments)
    source, target = studies[0].identity, _target(reader, wish, departments)
    if target:
        values = _values_of(target[0].identity)
    else:
        values = {
            name: value
            for name, value in checked_values(wish.values).items()
            if any(getattr(study.identity, name) != value for study in studies)
        }
    _require_sense(wish, studies, values)
    if not target:
        _require_new_id(reader, wish, changed(source, values), source, departments)
    touched = {study.department_id: False for study in target} | {
        study.department_id: True for study in studies
    }
    new = New(wish.kind, actor, reason, source, values, touched)
    return Made(new, studies, len(target))


def _studies(reader: Reader, wish: Wish, departments: Collection[int]) -> list[Holding]:
    if wish.kind in (Kind.STUDY, Kind.MOVE):
        one = patients.holding(reader, wish.study)
        studies = [one] if one is not None else []
    else:
        studies = patients.holdings(reader, wish.patient)
    if not any(study.department_id in departments for study in studies):
        raise NotFound(ABSENT)
    if len(studies) > MOST_STUDIES:
        raise LimitExceeded(f"A change is about {MOST_STUDIES:,} studies at most.")
    return studies


def _target(reader: Reader, wish: Wish, departments: Collection[int]) -> list[Holding]:
    """The studies of the patient to whom the others go, if they go to one."""
    if wish.kind not in (Kind.MERGE, Kind.MOVE):
        return []
    target = patients.holdings(reader, wish.target)
    if not any(study.department_id in departments for study in target):
        raise NotFound(ABSENT)
    return target


def _values_of(target: Identity) -> dict[str, str]:
    """What a study takes over from the patient it goes to: the ID, and what is known of him."""
    known = {name: getattr(target, name) for name in ("patient_name", "birth_date", "sex")}
    return {
        "patient_id": target.patient_id,
        "issuer": target.issuer,
        **{name: value for name, value in known.items() if value},
    }


def _require_sense(wish: Wish, studies: Sequence[Holding], values: Mapping[str, str]) -> None:
    source = studies[0].identity
    if wish.kind in (Kind.MERGE, Kind.MOVE):
        if not values["patient_id"]:
            raise Violation("That patient has no ID to go by: correct his first.", code="target")
        if (source.patient_id, source.issuer) == (values["patient_id"], values["issuer"]):
            raise Violation("It is the same patient already.", code="target")
    if wish.kind is Kind.MERGE and not source.patient_id:
        raise Violation("A patient without an ID has one study: move that.", code="source")
    if not values:
        raise Violation("That is what it says already.", code="nothing")
    if "issuer" in values and not changed(source, values).patient_id:
        raise Violation("An issuer belongs to a Patient ID, and there is none.", code="issuer")


def _require_new_id(
    reader: Reader, wish: Wish, after: Identity, source: Identity, departments: Collection[int]
) -> None:
    """Giving somebody the ID of another who is known here is a merge, or a move, and has to be called so."""
    if (after.patient_id, after.issuer) == (source.patient_id, source.issuer) or not after.patient_id:
        return
    for number in patients.by_id(reader, after.patient_id, after.issuer):
        if any(study.department_id in departments for study in patients.holdings(reader, number)):
            how = "Merge the two" if wish.kind is Kind.PATIENT else "Move the study to that patient"
            raise Conflict(f"Another patient has this ID already. {how} instead.", code="taken")
