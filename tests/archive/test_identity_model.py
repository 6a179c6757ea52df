"""Images that come, merges, corrections, moves and undoing in any order, against a model that is a few lists."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from identity_people import image, read

from leadglass.access.principal import Role
from leadglass.archive.identities import Identity, Kind, Wish
from leadglass.archive.ingest import Kind as Became
from leadglass.errors import Conflict

PEOPLE = [
    Identity("ROTH^ANNA", "A", "", "19520301", "F"),
    Identity("ROTH^ANNA", "B", "HOSP", "19520301", "F"),
    Identity("MEIER^BEN", "C", "", "19700707", "M"),
    Identity("MÜLLER^ÄNNE", "D", "", "", ""),
]
a_person, a_number = st.sampled_from(PEOPLE), st.integers(0, 5)
_examples = count()


@dataclass
class Study:
    uid: str
    shown: Identity
    came: Identity
    stack: list[tuple[int, Identity]] = field(default_factory=list)  # change, what was shown before it
    files: list[bytes] = field(default_factory=list)
    whose: list[Identity] = field(default_factory=list)  # of each file


def key(identity: Identity) -> tuple[str, str]:
    return identity.patient_id, identity.issuer


class Machine(RuleBasedStateMachine):
    clinic: Any
    dicom: Any

    def __init__(self) -> None:
        super().__init__()
        self.example = next(_examples)
        self.admin = self.clinic.people[Role.PACS_ADMINISTRATOR]
        self.identities = self.clinic.services.identities
        self.studies: list[Study] = []
        self.values: dict[int, dict[str, str]] = {}  # of the changes in force
        self.merges: dict[int, tuple[str, str]] = {}

    def own(self, person: Identity) -> Identity:
        return replace(person, patient_id=f"{person.patient_id}-{self.example}")

    def take_in(self, study: Study, whose: Identity) -> Any:
        given = {
            "name": whose.patient_name,
            "patient_id": whose.patient_id,
            "issuer": whose.issuer,
            "birth_date": whose.birth_date,
            "sex": whose.sex,
            "characters": "ISO_IR 192" if not whose.patient_name.isascii() else "",
        }
        file = image(self.dicom, study.uid, len(study.files) + 1, **given)
        outcome = self.clinic.ingest([file])
        if outcome.kind is Became.STORED:
            study.files.append(file)
            study.whose.append(whose)
        return outcome

    def change(self, kind: Kind, studies: list[Study], sets: dict[str, str], **wish: Any) -> int:
        self.clinic.now += 1
        number = self.identities.change(self.admin, Wish(kind, **wish), "why", self.clinic.context())
        self.values[number] = sets
        for study in studies:
            study.stack.append((number, study.shown))
            study.shown = replace(study.shown, **sets)
        return int(number)

    def number_of(self, identity: Identity) -> int:
        (found,) = self.identities.find(self.admin, *key(identity), self.clinic.context())
        return int(found)

    def study_number(self, study: Study) -> int:
        return int(self.identities.study(self.admin, study.uid, self.clinic.context()))

    def of(self, identity: Identity) -> list[Study]:
        """The newest first, as the archive has them: they are all of one moment."""
        return [study for study in reversed(self.studies) if key(study.shown) == key(identity)]

    # --- what happens -----------------------------------------------------------------------------------------

    @rule(person=a_person)
    def a_study_comes(self, person: Identity) -> None:
        whose = self.own(person)
        study = Study(f"1.2.{self.example + 10}.{len(self.studies) + 1}", whose, whose)
        seen: set[int] = set()
        while True:
            found = [n for n, source in self.merges.items() if source == key(study.shown) and n not in seen]
            if not found:
                break
            newest = max(n for n, source in self.merges.items() if source == key(study.shown))
            if newest in seen:
                break
            seen.add(newest)
            study.stack.append((newest, study.shown))
            study.shown = replace(study.shown, **self.values[newest])
        self.studies.append(study)
        assert self.take_in(study, whose).kind is Became.STORED

    @precondition(lambda self: self.studies)
    @rule(at=a_number, person=st.none() | a_person, as_shown=st.booleans())
    def an_image_comes(self, at: int, person: Identity | None, *, as_shown: bool) -> None:
        study = self.studies[at % len(self.studies)]
        whose = self.own(person) if person else study.shown if as_shown else study.came
        known = {key(study.shown), *(key(before) for _, before in study.stack)}
        outcome = self.take_in(study, whose)
        assert outcome.kind is (Became.STORED if key(whose) in known else Became.KEPT_ASIDE)

    @precondition(lambda self: len({key(study.shown) for study in self.studies}) > 1)
    @rule(at=a_number, to=a_number, whole=st.booleans())
    def merge_or_move(self, at: int, to: int, *, whole: bool) -> None:
        study = self.studies[at % len(self.studies)]
        others = [other for other in self.studies if key(other.shown) != key(study.shown)]
        target = self.of(others[to % len(others)].shown)[0].shown
        known = {name: getattr(target, name) for name in ("patient_name", "birth_date", "sex")}
        values = {"patient_id": target.patient_id, "issuer": target.issuer}
        values |= {name: value for name, value in known.items() if value}
        number, source = self.number_of(target), key(study.shown)
        if whole:
            studies = self.of(study.shown)
            made = self.change(
                Kind.MERGE, studies, values, patient=self.number_of(study.shown), target=number
            )
            self.merges[made] = source
        else:
            self.change(Kind.MOVE, [study], values, study=self.study_number(study), target=number)

    @precondition(lambda self: self.studies)
    @rule(at=a_number, name=st.sampled_from(["ROTH^ANNE", "MÜLLER^Ö", "山田^太郎"]), whole=st.booleans())
    def correct(self, at: int, name: str, *, whole: bool) -> None:
        study = self.studies[at % len(self.studies)]
        studies = self.of(study.shown) if whole else [study]
        values = {"patient_name": name}
        if all(each.shown.patient_name == name for each in studies):
            return
        if whole:
            number = self.number_of(study.shown)
            self.change(Kind.PATIENT, studies, values, patient=number, values=values)
        else:
            self.change(Kind.STUDY, studies, values, study=self.study_number(study), values=values)

    @precondition(lambda self: self.values)
    @rule(at=a_number)
    def undo(self, at: int) -> None:
        number = sorted(self.values)[at % len(self.values)]
        touched = [study for study in self.studies if number in [change for change, _ in study.stack]]
        if any(study.stack[-1][0] != number for study in touched):
            with pytest.raises(Conflict, match="Undo first"):
                self.identities.undo(self.admin, number, "why", self.clinic.context())
            return
        self.identities.undo(self.admin, number, "why", self.clinic.context())
        del self.values[number]
        self.merges.pop(number, None)
        for study in touched:
            study.shown = study.stack.pop()[1]

    # --- what holds -------------------------------------------------------------------------------------------

    @invariant()
    def studies_show_what_the_model_does(self) -> None:
        prefix = f"1.2.{self.example + 10}.%"
        names = "patient_name, patient_id, issuer, birth_date, sex, corrected"
        with self.clinic.services.db.read() as connection:
            asked = f"SELECT study_instance_uid, {names} FROM studies WHERE study_instance_uid LIKE :prefix"
            rows = connection.execute(sa.text(asked), {"prefix": prefix}).all()
        found = {row[0]: (Identity(*row[1:6]), row[6]) for row in rows}
        assert found == {study.uid: (study.shown, len(study.stack)) for study in self.studies}

    def delivered(self, study: Study) -> list[bytes]:
        return list(self.clinic.retrieved(self.clinic.doctor, study.uid))

    def teardown(self) -> None:
        for study in self.studies:
            for file, whose in zip(self.delivered(study), study.whose, strict=True):
                wanted = whose
                for change, _ in study.stack:
                    wanted = replace(wanted, **self.values[change])
                data = read(file)
                told = (data.PatientName, data.PatientID, data.get("IssuerOfPatientID", ""))
                assert tuple(map(str, told)) == (wanted.patient_name, wanted.patient_id, wanted.issuer)
        for number in sorted(self.values, reverse=True):
            self.identities.undo(self.admin, number, "why", self.clinic.context())
        for study in self.studies:
            assert self.delivered(study) == study.files


@pytest.mark.slow
def test_any_order_of_events(clinic: Any, dicom: Any) -> None:
    bound = type("Bound", (Machine,), {"clinic": clinic, "dicom": dicom})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
