"""Handing over: onto another department's list and back, whole, on the record, and telling nobody what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leadglass.access.policy import Action
from leadglass.access.principal import Role
from leadglass.archive.handing import MOST_SOURCE, source_there
from leadglass.archive.ingest import Kind
from leadglass.archive.standing import Decision
from leadglass.errors import Conflict, Denied, NotFound, Unavailable, Violation
from leadglass.index.fitting import Clash

WHY = "Sent to the wrong department"
THEIRS = {"study": "1.5", "series": "1.5.1"}


class Houses:
    """Two departments; `give` and `take` decide in the name of their PACS administrators."""

    def __init__(self, clinic: Any) -> None:
        self.clinic = clinic
        self.here = clinic.people[Role.PACS_ADMINISTRATOR]
        self.there = clinic.person(60, Role.PACS_ADMINISTRATOR, clinic.foreign)

    def list(self, who: Any) -> list[Any]:
        return [line.row for line in self.clinic.services.aside.page(who, self.clinic.context()).rows]

    def show(self, who: Any, number: int | None = None) -> Any:
        number = number or self.list(who)[0].id
        return self.clinic.services.aside.show(who, number, self.clinic.context())

    def decide(self, who: Any, decision: Decision, number: int | None = None, **options: Any) -> Any:
        number = number or self.list(who)[0].id
        return self.clinic.services.aside.decide(who, number, decision, WHY, self.clinic.context(), **options)

    def give(self, number: int | None = None, **options: Any) -> Any:
        options = {"to": self.clinic.foreign} | options
        return self.decide(self.here, Decision.HAND_OVER, number, **options)

    def hand_back(self) -> Any:
        return self.decide(self.there, Decision.HAND_OVER, to=self.clinic.own)

    def offered(self, who: Any) -> set[Decision]:
        return {choice.decision for choice in self.show(who).choices if choice.offered}

    def sound(self) -> bool:
        admin = self.clinic.people[Role.SYSTEM_ADMINISTRATOR]
        report = self.clinic.services.upkeep.check(admin, self.clinic.context(), deep=True)
        return bool(report.ok and not report.orphans and not report.young)


@pytest.fixture
def houses(clinic: Any) -> Houses:
    """A study of the other department, and an image of it that came to one's own."""
    clinic.take_in(1, **THEIRS, instance="1.5.1.1", department=clinic.foreign)
    outcome = clinic.ingest([clinic.dicom.file(2, **THEIRS, instance="1.5.1.2")], source="C-STORE from CT1")
    assert outcome.clash is Clash.OTHER_DEPARTMENT
    return Houses(clinic)


def test_an_image_of_their_study_is_taken_in_as_it_came(houses: Houses, dicom: Any) -> None:
    clinic = houses.clinic
    assert houses.offered(houses.here) == {Decision.HAND_OVER, Decision.REJECT}
    decided = houses.give()
    assert (decided.decision, decided.instance_id) == (Decision.HAND_OVER, None)
    assert houses.list(houses.here) == []
    [row] = houses.list(houses.there)
    assert (row.reason, row.source) == ("handed-over", "handed over by Radiology: C-STORE from CT1")
    assert row.study.study_instance_uid == "1.5"
    shown = houses.show(houses.there)
    assert shown.compared
    assert shown.study.study_instance_uid == "1.5"
    assert houses.offered(houses.there) == set(Decision)
    taken = houses.decide(houses.there, Decision.ACCEPT)
    assert taken.instance_id is not None
    assert clinic.retrieved(clinic.stranger, "1.5") == [
        dicom.file(1, **THEIRS, instance="1.5.1.1"), dicom.file(2, **THEIRS, instance="1.5.1.2"),
    ]  # fmt: skip
    assert clinic.scalar("SELECT instance_count FROM studies") == 2
    assert clinic.scalar("SELECT count(*) FROM versions") == 0
    assert houses.list(houses.there) == []
    assert houses.sound()


def test_both_steps_are_on_the_record(houses: Houses) -> None:
    clinic = houses.clinic
    houses.give()
    houses.decide(houses.there, Decision.ACCEPT)
    [given] = [one.entry for one in clinic.entries("aside.hand-over")]
    assert (given.department, given.detail["to"], given.detail["why"]) == (clinic.own, clinic.foreign, WHY)
    assert given.detail["source"] == "C-STORE from CT1"
    assert (given.studies, given.actor_name) == (("1.5",), houses.here.name)
    [taken] = [one.entry for one in clinic.entries("aside.accept")]
    assert (taken.department, taken.actor_name) == (clinic.foreign, houses.there.name)


def test_what_contradicts_a_third_department_says_no_more_than_that(houses: Houses, dicom: Any) -> None:
    clinic = houses.clinic
    clinic.take_in(1)
    clinic.take_in(2, study="1.9", series="1.2.3.1", instance="1.9.1.1")  # its series is of another study
    houses.give()
    [newest] = [row for row in houses.list(houses.there) if row.sop_instance_uid == "1.9.1.1"]
    assert newest.reason == "series-of-another-study"
    assert newest.study is None  # it is the first department's
    assert clinic.scalar("SELECT count(*) FROM studies") == 2


def test_what_fits_nowhere_yet_is_a_new_study(houses: Houses, dicom: Any) -> None:
    clinic = houses.clinic
    clinic.take_in(1)
    clinic.take_in(1, fill=9)  # contradicts what is here
    clinic.sql("DELETE FROM instances WHERE sop_instance_uid = '1.2.3.1.1'")
    clinic.sql("UPDATE studies SET study_instance_uid = '1.77' WHERE study_instance_uid = '1.2.3'")
    clinic.sql("UPDATE series SET series_instance_uid = '1.77.1' WHERE series_instance_uid = '1.2.3.1'")
    houses.give()
    [row] = [row for row in houses.list(houses.there) if row.sop_instance_uid == "1.2.3.1.1"]
    assert (row.reason, row.study) == ("handed-over", None)
    assert not houses.show(houses.there, row.id).compared
    houses.decide(houses.there, Decision.ACCEPT, row.id)
    assert clinic.retrieved(clinic.stranger, "1.2.3") == [dicom.file(1, fill=9)]


def test_what_contradicts_theirs_is_compared_and_decided_on_there(houses: Houses, dicom: Any) -> None:
    clinic = houses.clinic
    clinic.take_in(1, **THEIRS, instance="1.5.1.1", fill=9)
    houses.give()
    [row] = [row for row in houses.list(houses.there) if row.reason == "other-content"]
    shown = houses.show(houses.there, row.id)
    assert (shown.compared, shown.notes) == (True, ("The pixels differ.",))
    houses.decide(houses.there, Decision.ACCEPT, row.id)
    assert clinic.retrieved(clinic.stranger, "1.5") == [dicom.file(1, **THEIRS, instance="1.5.1.1", fill=9)]
    assert clinic.scalar("SELECT kind FROM versions") == "replaced"
    assert houses.sound()


def test_it_can_be_stored_separately_and_rejected_there(houses: Houses) -> None:
    clinic = houses.clinic
    clinic.take_in(1, **THEIRS, instance="1.5.1.1", fill=9)
    for _ in range(2):
        houses.give()
    assert houses.decide(houses.there, Decision.STORE).sop_instance_uid.startswith("2.25.")
    houses.decide(houses.there, Decision.REJECT)
    assert houses.list(houses.there) == []
    assert len(clinic.retrieved(clinic.stranger, "1.5")) == 2
    assert houses.sound()


def test_handed_back_it_is_as_it_was(houses: Houses) -> None:
    before = houses.show(houses.here)
    houses.give()
    houses.hand_back()
    [row] = houses.list(houses.here)
    assert (row.reason, row.source) == ("study-of-another-department", "C-STORE from CT1")
    assert row.study is None
    after = houses.show(houses.here)
    assert (after.lines, after.standing.kept.received) == (before.lines, before.standing.kept.received)
    assert houses.list(houses.there) == []
    assert houses.sound()


def test_a_fault_of_its_own_stays_one(houses: Houses, dicom: Any) -> None:
    clinic = houses.clinic
    clinic.ingest([dicom.file(4)[:-1]], keep_unidentified=True)
    clinic.ingest([dicom.part10(dicom.data_set(instance=""))], keep_unidentified=True)
    for _ in range(2):
        houses.give()
    assert {row.reason for row in houses.list(houses.there)} == {"unreadable", "illegal-identity"}
    assert houses.sound()


# --- who may, and what they learn -------------------------------------------------------------------------


def test_only_to_another_department_that_there_is(houses: Houses) -> None:
    for to in (None, houses.clinic.own, 9999, -1):
        with pytest.raises(Violation, match="another department"):
            houses.give(to=to)
    assert len(houses.list(houses.here)) == 1
    assert houses.clinic.entries("aside.hand-over") == []


@pytest.mark.parametrize("role", [each for each in Role if each is not Role.PACS_ADMINISTRATOR])
def test_others_hand_nothing_over(houses: Houses, role: Role) -> None:
    who = houses.clinic.person(70, role, houses.clinic.own)
    number = houses.list(houses.here)[0].id
    with pytest.raises((Denied, NotFound)):
        houses.decide(who, Decision.HAND_OVER, number, to=houses.clinic.foreign)
    assert len(houses.list(houses.here)) == 1


def test_nobody_hands_over_what_is_not_on_a_list_of_theirs(houses: Houses) -> None:
    number = houses.list(houses.here)[0].id
    with pytest.raises(NotFound):
        houses.decide(houses.there, Decision.HAND_OVER, number, to=houses.clinic.own)
    houses.give()
    with pytest.raises(NotFound):  # and what was handed over is out of one's hands
        houses.decide(houses.here, Decision.REJECT, houses.list(houses.there)[0].id)


def test_a_right_that_was_not_granted_is_denied_on_the_record(houses: Houses) -> None:
    lesser = replace(houses.here, actions=frozenset({Action.ASIDE_REVIEW, Action.ASIDE_DECIDE}))
    with pytest.raises(Denied):
        houses.decide(lesser, Decision.HAND_OVER, to=houses.clinic.foreign)
    [denied] = houses.clinic.entries("aside.hand-over")
    assert denied.entry.outcome == "denied"


def test_the_answer_is_the_same_whatever_is_there(houses: Houses, dicom: Any) -> None:
    """Fitting, contradicting, the very same as what they have, and waiting there already."""
    clinic = houses.clinic
    same = [dicom.file(1, **THEIRS, instance="1.5.1.1")]
    answers = [houses.give()]
    for file in (same, [dicom.file(1, **THEIRS, instance="1.5.1.1", fill=9)], same):
        clinic.ingest(file)
        answers.append(houses.give())
    assert {(one.decision, one.instance_id) for one in answers} == {(Decision.HAND_OVER, None)}
    assert houses.list(houses.here) == []
    details = [set(one.entry.detail) for one in clinic.entries("aside.hand-over")]
    assert all(detail == details[0] for detail in details)
    assert len(houses.list(houses.there)) == 3  # the last one waited there already, and is there once
    assert houses.sound()
    assert len(clinic.blobs()) == 4


def test_room_is_what_was_handed_over_and_goes_with_it(houses: Houses, dicom: Any) -> None:
    clinic = houses.clinic
    clinic.services.ingest.room_aside.source = 2 << 16  # two objects of each source
    for number in (3, 4, 5):
        clinic.ingest([dicom.file(number, **THEIRS, instance=f"1.5.1.{number}")], source="C-STORE from CT1")
        if number < 5:
            houses.give(houses.list(houses.here)[-1].id)
    with pytest.raises(Conflict, match="As much waits there already"):
        houses.give()
    assert len(houses.list(houses.here)) == 2
    # What they were sent themselves by a source of that name is not touched by it.
    clinic.ingest(
        [dicom.file(9, **THEIRS, instance="1.5.1.1", fill=9)],
        source="C-STORE from CT1",
        department=clinic.foreign,
    )
    houses.decide(houses.there, Decision.REJECT)
    houses.decide(houses.there, Decision.REJECT)
    houses.give()
    by_source = {
        (each.department_id, each.source): each.objects
        for who in (houses.here, houses.there)
        for each in clinic.services.aside.sources(who, clinic.context())
    }
    assert by_source[clinic.foreign, "handed over by Radiology: C-STORE from CT1"] == 2


def test_room_for_what_is_no_study_of_theirs_counts_whether_it_is_or_not(houses: Houses) -> None:
    houses.clinic.services.ingest.room_aside.homeless = 0
    with pytest.raises(Conflict, match="As much waits there already"):
        houses.give()


def test_sources_say_whence_and_come_back_as_they_were() -> None:
    there = source_there("import", "Radiology", "Cardiology")
    assert there == "handed over by Radiology: import"
    third = source_there(there, "Cardiology", "Surgery")
    assert third == "handed over by Cardiology: handed over by Radiology: import"
    assert source_there(third, "Surgery", "Cardiology") == there
    assert source_there(there, "Cardiology", "Radiology") == "import"
    assert len(source_there("x" * 200, "R" * 64, "C")) == MOST_SOURCE


# --- what happens meanwhile -------------------------------------------------------------------------------


def test_of_two_who_decide_at_once_one_hears_that_things_have_changed(houses: Houses) -> None:
    number, token = houses.list(houses.here)[0].id, houses.show(houses.here).token
    houses.give(number, seen=token)
    for decision in (Decision.HAND_OVER, Decision.REJECT):
        with pytest.raises(NotFound):
            houses.decide(houses.here, decision, number, seen=token, to=houses.clinic.foreign)
    both = houses.clinic.person(61, Role.PACS_ADMINISTRATOR, houses.clinic.own, houses.clinic.foreign)
    with pytest.raises(NotFound):
        houses.decide(both, Decision.REJECT, number, seen=token)
    assert len(houses.list(both)) == 1


def test_what_fits_no_more_is_not_taken_in(houses: Houses, dicom: Any) -> None:
    clinic = houses.clinic
    houses.give()
    token = houses.show(houses.there).token
    clinic.ingest([dicom.file(2, **THEIRS, instance="1.5.1.2", fill=9)], department=clinic.foreign)
    with pytest.raises(Conflict, match="changed"):
        houses.decide(houses.there, Decision.ACCEPT, seen=token)
    with pytest.raises(Conflict, match="fits no more"):
        houses.decide(houses.there, Decision.ACCEPT)
    assert houses.offered(houses.there) == {Decision.STORE, Decision.HAND_OVER, Decision.REJECT}
    houses.decide(houses.there, Decision.STORE)
    assert houses.sound()


def test_without_an_entry_it_stays_where_it_is(houses: Houses, mute: Any) -> None:
    number = houses.list(houses.here)[0].id
    mute()
    with pytest.raises(Unavailable):
        houses.give(number)
    assert houses.clinic.scalar("SELECT department_id FROM kept_aside") == houses.clinic.own


def test_the_study_is_deleted_while_it_waits(houses: Houses, dicom: Any) -> None:
    clinic = houses.clinic
    houses.give()
    plan = clinic.services.deletion.plan_of(houses.there, "1.5", clinic.context())
    clinic.services.deletion.delete(houses.there, plan, clinic.context(), reason=WHY)
    [row] = houses.list(houses.there)
    assert row.study is None
    houses.decide(houses.there, Decision.ACCEPT)
    assert clinic.retrieved(clinic.stranger, "1.5") == [dicom.file(2, **THEIRS, instance="1.5.1.2")]
    assert houses.sound()


def test_all_of_one_source_at_once(houses: Houses, dicom: Any) -> None:
    clinic = houses.clinic
    for number in range(3, 6):
        clinic.ingest([dicom.file(number, **THEIRS, instance=f"1.5.1.{number}")], source="C-STORE from CT1")
    settled = clinic.services.aside.decide_all(
        houses.here,
        Decision.HAND_OVER,
        WHY,
        clinic.context(),
        reason="",
        source="C-STORE from CT1",
        to=clinic.foreign,
    )
    assert (len(settled.decided), settled.refused) == (4, ())
    taken = clinic.services.aside.decide_all(
        houses.there, Decision.ACCEPT, WHY, clinic.context(), reason="handed-over", source=""
    )
    assert len(taken.decided) == 4
    assert clinic.take_in(2, **THEIRS, instance="1.5.1.2", department=clinic.foreign).kind is Kind.DUPLICATE
    assert houses.sound()
