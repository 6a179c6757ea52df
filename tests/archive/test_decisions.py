"""Deciding on what was kept aside: each decision does what its words say, once, on the record, or not at all."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest

from leadglass.access.principal import Role
from leadglass.archive.deletion import Target
from leadglass.archive.ingest import Kind
from leadglass.archive.standing import Decision
from leadglass.errors import Conflict, Denied, NotFound, RecordUnavailable, StorageFull, Violation
from leadglass.index.fitting import Clash

ACCEPT, STORE, HAND_OVER, REJECT = Decision
WHY = "The scanner sent it twice"


@pytest.fixture
def admin(clinic: Any) -> Any:
    return clinic.people[Role.PACS_ADMINISTRATOR]


def newest(clinic: Any) -> int:
    return int(clinic.scalar("SELECT coalesce(max(id), 0) FROM kept_aside"))


def decide(clinic: Any, decision: Decision, aside_id: int | None = None, **options: Any) -> Any:
    who = options.pop("who", clinic.people[Role.PACS_ADMINISTRATOR])
    options = {"to": clinic.foreign} | options
    return clinic.services.aside.decide(
        who, aside_id or newest(clinic), decision, options.pop("why", WHY), clinic.context(), **options
    )


def offered(clinic: Any, aside_id: int | None = None) -> set[Decision]:
    who = clinic.people[Role.PACS_ADMINISTRATOR]
    shown = clinic.services.aside.show(who, aside_id or newest(clinic), clinic.context())
    found = {choice.decision for choice in shown.choices if choice.offered}
    assert HAND_OVER in found  # always, where there is another department: see test_handing
    return found - {HAND_OVER}


def sound(clinic: Any) -> bool:
    report = clinic.services.upkeep.check(
        clinic.people[Role.SYSTEM_ADMINISTRATOR], clinic.context(), deep=True
    )
    return bool(report.ok and not report.orphans and not report.young)


def data_set(raw: bytes) -> Any:
    return pydicom.dcmread(io.BytesIO(raw))


def versions(clinic: Any) -> list[Any]:
    who = clinic.people[Role.PACS_ADMINISTRATOR]
    return list(clinic.services.aside.versions(who, clinic.context()).rows)


def bytes_of(clinic: Any, version_id: int) -> bytes:
    who = clinic.people[Role.PACS_ADMINISTRATOR]
    version = clinic.services.aside.version(who, version_id, clinic.context())
    with version.reader as reader:
        return b"".join(reader.chunks())


# --- accept -----------------------------------------------------------------------------------------------


def test_what_is_accepted_takes_the_place_and_the_old_one_is_a_version(clinic: Any, dicom: Any) -> None:
    clinic.take_in(1, rows=16)
    clinic.take_in(1, rows=8, fill=9)
    assert offered(clinic) == {ACCEPT, STORE, REJECT}
    decided = decide(clinic, ACCEPT)
    assert (decided.instance_id, decided.sop_instance_uid) == (1, "1.2.3.1.1")
    assert clinic.retrieved(clinic.doctor) == [dicom.file(1, rows=8, fill=9)]
    assert clinic.scalar("SELECT rows FROM instances") == 8
    assert clinic.scalar("SELECT count(*) FROM kept_aside") == 0
    [version] = versions(clinic)
    assert (version.kind, version.facts.rows, version.study.study_instance_uid) == ("replaced", 16, "1.2.3")
    assert bytes_of(clinic, version.id) == dicom.file(1, rows=16)
    assert sound(clinic)


def test_the_rows_above_follow_the_first_object_of_a_study(clinic: Any, admin: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(2)
    for number in (2, 1):
        clinic.take_in(number, name="Roentgen^Anne", fill=9)
        decide(clinic, ACCEPT)
        shown = "Roentgen^Anna" if number == 2 else "Roentgen^Anne"
        assert clinic.scalar("SELECT patient_name FROM studies") == shown
    assert sound(clinic)
    clinic.services.aside.put_back(admin, versions(clinic)[0].id, WHY, clinic.context())
    assert clinic.scalar("SELECT patient_name FROM studies") == "Roentgen^Anna"
    assert sound(clinic)


def test_the_decision_is_on_the_record_with_its_reason(clinic: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    decide(clinic, ACCEPT, why="  The first was\nincomplete ")
    [recorded] = clinic.entries("aside.accept")
    entry = recorded.entry
    assert entry.detail["why"] == "The first was incomplete"
    assert (entry.detail["kept_for"], entry.detail["source"]) == ("other-content", "import")
    assert (entry.patients, entry.studies, entry.department) == (("P-1",), ("1.2.3",), clinic.own)


def test_it_is_under_its_studys_key_from_then_on(clinic: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    decide(clinic, ACCEPT)
    clinic.sql("DELETE FROM study_keys")
    assert not sound(clinic)


@pytest.mark.parametrize(
    "other",
    [{"patient_id": "P-2"}, {"study": "1.9"}, {"series": "1.9.1"}],
    ids=lambda other: next(iter(other)),
)
def test_what_names_another_place_does_not_take_this_one(clinic: Any, other: dict[str, str]) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9, **other)
    assert offered(clinic) == {STORE, REJECT}
    with pytest.raises(Conflict, match="another patient, study or series"):
        decide(clinic, ACCEPT)
    assert newest(clinic) == 1


def test_what_was_replaced_can_be_put_back_and_again(clinic: Any, dicom: Any, admin: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, rows=8, fill=9)
    decide(clinic, ACCEPT)
    for expected, replaced in (
        ({"rows": 16}, {"rows": 8, "fill": 9}),
        ({"rows": 8, "fill": 9}, {"rows": 16}),
    ):
        [version] = versions(clinic)
        clinic.services.aside.put_back(admin, version.id, WHY, clinic.context())
        assert clinic.retrieved(clinic.doctor) == [dicom.file(1, **expected)]
        [version] = versions(clinic)
        assert bytes_of(clinic, version.id) == dicom.file(1, **replaced)
    assert [e.entry.detail["why"] for e in clinic.entries("aside.put-back")] == [WHY, WHY]
    assert sound(clinic)


@pytest.mark.parametrize("instance", ["1.2.3.1.1", None], ids=["by itself", "with its study"])
def test_a_version_goes_when_its_instance_is_deleted(clinic: Any, admin: Any, instance: str | None) -> None:
    clinic.take_in(1)
    clinic.take_in(2)
    for fill in (8, 9):
        clinic.take_in(1, fill=fill)
        decide(clinic, ACCEPT)
    deletion, target = clinic.services.deletion, Target(instance_uid=instance)
    plan = deletion.plan_of(admin, "1.2.3", clinic.context(), target)
    deletion.delete(admin, plan, clinic.context(), reason=WHY, target=target)
    assert clinic.scalar("SELECT count(*) FROM versions") == 0
    assert clinic.scalar("SELECT count(*) FROM shreds") == (3 if instance else 4)
    assert len(clinic.blobs()) == (1 if instance else 0)
    assert sound(clinic)


def test_a_version_stays_when_what_replaced_it_is_lost(clinic: Any, admin: Any, dicom: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    decide(clinic, ACCEPT)
    clinic.sql("DELETE FROM instances")
    [version] = versions(clinic)
    assert bytes_of(clinic, version.id) == dicom.file(1)
    with pytest.raises(Conflict, match="not here any more"):
        clinic.services.aside.put_back(admin, version.id, WHY, clinic.context())


def test_a_version_is_not_put_back_where_another_is_now(clinic: Any, admin: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    decide(clinic, ACCEPT)
    [version] = versions(clinic)
    with pytest.raises(Conflict):
        clinic.services.aside.put_back(admin, version.id, WHY, clinic.context(), seen="another")
    with pytest.raises(Violation):
        clinic.services.aside.put_back(admin, version.id, " ", clinic.context())


# --- store separately -------------------------------------------------------------------------------------


def test_other_content_is_stored_beside_what_is_here(clinic: Any, dicom: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    decided = decide(clinic, STORE)
    first, second = map(data_set, clinic.retrieved(clinic.doctor))
    assert first.SOPInstanceUID == "1.2.3.1.1"
    assert second.SOPInstanceUID == second.file_meta.MediaStorageSOPInstanceUID == decided.sop_instance_uid
    assert decided.sop_instance_uid.startswith("2.25.")
    assert (second.StudyInstanceUID, second.SeriesInstanceUID) == ("1.2.3", "1.2.3.1")
    [item] = second.OriginalAttributesSequence
    assert item.ModifiedAttributesSequence[0].SOPInstanceUID == "1.2.3.1.1"
    assert (item.SourceOfPreviousValues, item.ModifyingSystem) == ("import", "LEADGLASS")
    assert second.PixelData == data_set(dicom.file(1, fill=9)).PixelData
    [version] = versions(clinic)
    assert (version.kind, version.facts.sop_instance_uid) == ("received", "1.2.3.1.1")
    assert version.instance_uid == decided.sop_instance_uid
    assert bytes_of(clinic, version.id) == dicom.file(1, fill=9)
    assert clinic.scalar("SELECT instance_count FROM studies") == 2
    assert sound(clinic)


def test_a_received_version_cannot_be_put_back(clinic: Any, admin: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    decide(clinic, STORE)
    [version] = versions(clinic)
    with pytest.raises(Conflict, match="Only what was replaced"):
        clinic.services.aside.put_back(admin, version.id, WHY, clinic.context())


def test_what_was_stored_separately_is_known_when_it_comes_again(clinic: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    decided = decide(clinic, STORE)
    again = clinic.take_in(1, fill=9)
    assert (again.kind, again.instance_id) == (Kind.DUPLICATE, decided.instance_id)
    assert clinic.take_in(1, fill=9, department=clinic.foreign).clash is Clash.OTHER_DEPARTMENT
    assert sound(clinic)


def test_a_series_of_another_study_becomes_a_series_of_its_own(clinic: Any) -> None:
    clinic.take_in(1)
    for number in (2, 3):
        assert clinic.take_in(number, study="1.9").clash is Clash.OTHER_STUDY
        assert offered(clinic) == {STORE, REJECT}
        decide(clinic, STORE)
    found = [data_set(raw) for raw in clinic.retrieved(clinic.doctor, "1.9")]
    assert {one.StudyInstanceUID for one in found} == {"1.9"}
    [series] = {one.SeriesInstanceUID for one in found}
    assert series.startswith("2.25.")
    originals = found[0].OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (originals.SeriesInstanceUID, "StudyInstanceUID" in originals) == ("1.2.3.1", False)
    assert sound(clinic)


def test_a_study_of_another_patient_becomes_a_study_of_its_own(clinic: Any) -> None:
    clinic.take_in(1)
    for number in (2, 3):
        assert clinic.take_in(number, patient_id="P-2").clash is Clash.OTHER_PATIENT
        decide(clinic, STORE)
    study = clinic.scalar("SELECT study_instance_uid FROM studies WHERE patient_id = 'P-2'")
    found = [data_set(raw) for raw in clinic.retrieved(clinic.doctor, study)]
    assert len(found) == 2
    assert len({one.SeriesInstanceUID for one in found}) == 1
    assert not {"1.2.3", "1.2.3.1"} & {found[0].StudyInstanceUID, found[0].SeriesInstanceUID}
    assert len(clinic.retrieved(clinic.doctor)) == 1
    assert sound(clinic)


def send(clinic: Any, content: bytes, source: str = "C-STORE from CT1", **options: Any) -> Any:
    return clinic.ingest([content], keep_unidentified=True, source=source, **options)


@pytest.mark.parametrize("instance", ["", "../../etc/passwd"], ids=["missing", "illegal"])
def test_what_had_no_legal_uid_gets_one(clinic: Any, dicom: Any, instance: str) -> None:
    assert send(clinic, dicom.part10(dicom.data_set(instance=instance))).clash is Clash.ILLEGAL_IDENTITY
    assert offered(clinic) == {STORE, REJECT}
    decided = decide(clinic, STORE)
    [found] = map(data_set, clinic.retrieved(clinic.doctor))
    assert found.SOPInstanceUID == decided.sop_instance_uid
    item = found.OriginalAttributesSequence[0]
    assert item.ModifiedAttributesSequence[0].SOPInstanceUID == ""
    if instance:
        assert item[0x04000551].value[0][0x04000552].value == instance.encode()
    assert sound(clinic)


def test_a_missing_study_is_made_up_and_is_the_same_for_the_whole_series(clinic: Any, dicom: Any) -> None:
    for number in (1, 2):
        send(clinic, dicom.file(number, study=""))
        decide(clinic, STORE)
    assert clinic.scalar("SELECT count(*) FROM studies") == 1
    assert clinic.scalar("SELECT instance_count FROM studies") == 2


def test_without_a_class_it_can_only_be_rejected(clinic: Any, dicom: Any) -> None:
    content = dicom.data_set()
    start = dicom.element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2")
    send(clinic, dicom.part10(content.replace(start, dicom.element(0x00080016, "UI", "CT"))))
    assert offered(clinic) == {REJECT}
    with pytest.raises(Conflict, match="SOP Class"):
        decide(clinic, STORE)


def test_what_cannot_be_read_can_only_be_rejected(clinic: Any, dicom: Any) -> None:
    send(clinic, dicom.file()[:-1])
    assert offered(clinic) == {REJECT}
    with pytest.raises(Conflict):
        decide(clinic, STORE)


def test_of_another_departments_nothing_is_shown_and_it_can_only_be_rejected(clinic: Any, admin: Any) -> None:
    clinic.take_in(1, name="Foreign^Frida", department=clinic.foreign)
    clinic.take_in(1, fill=9)
    assert offered(clinic) == {REJECT}
    shown = clinic.services.aside.show(admin, newest(clinic), clinic.context())
    assert (shown.study, shown.compared) == (None, False)
    assert "Foreign" not in repr(shown)
    for decision in (ACCEPT, STORE):
        with pytest.raises(Conflict):
            decide(clinic, decision)
    decide(clinic, REJECT)
    assert clinic.scalar("SELECT count(*) FROM instances") == 1


# --- reject -----------------------------------------------------------------------------------------------


def test_what_is_rejected_is_gone_with_its_key(clinic: Any, dicom: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    blob = clinic.scalar("SELECT blob FROM kept_aside")
    decide(clinic, REJECT)
    assert blob not in {path.name for path in clinic.blobs()}
    assert clinic.scalar("SELECT count(*) FROM kept_aside") == 0
    assert clinic.retrieved(clinic.doctor) == [dicom.file(1)]
    [recorded] = clinic.entries("aside.reject")
    assert recorded.entry.detail["why"] == WHY
    assert clinic.scalar("SELECT blob FROM shreds") == blob
    assert sound(clinic)
    assert clinic.take_in(1, fill=9).clash is Clash.OTHER_CONTENT


# --- who, and when ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "role", [Role.RADIOLOGIST, Role.TECHNOLOGIST, Role.AUDITOR, Role.SYSTEM_ADMINISTRATOR]
)
@pytest.mark.parametrize("decision", Decision)
def test_others_decide_nothing(clinic: Any, role: Role, decision: Decision) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    with pytest.raises(NotFound):
        decide(clinic, decision, who=clinic.people[role])
    with pytest.raises(Denied):
        clinic.services.aside.decide_all(
            clinic.people[role], decision, WHY, clinic.context(), reason="", source=""
        )
    assert [e.entry.outcome for e in clinic.entries("aside.decide")] == ["denied", "denied"]
    assert newest(clinic) == 1


def test_foreign_and_absent_are_the_same_answer(clinic: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    decide(clinic, ACCEPT)
    clinic.take_in(1)
    other = clinic.person(50, Role.PACS_ADMINISTRATOR, clinic.foreign)
    aside, context = clinic.services.aside, clinic.context()
    asked = (
        lambda number: aside.show(other, number, context),
        lambda number: aside.decide(other, number, REJECT, WHY, context),
        lambda number: aside.version(other, number, context),
        lambda number: aside.put_back(other, number, WHY, context),
    )
    for ask in asked:
        answers = []
        for number in (newest(clinic) if ask in asked[:2] else versions(clinic)[0].id, 99):
            with pytest.raises(NotFound) as caught:
                ask(number)
            answers.append(str(caught.value))
        assert answers[0] == answers[1]
    assert aside.versions(other, context).rows == ()


@pytest.mark.parametrize("why", ["", " \n ", "x" * 501])
def test_without_a_reason_nothing_is_decided(clinic: Any, why: str) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    with pytest.raises(Violation):
        decide(clinic, REJECT, why=why)
    assert newest(clinic) == 1


@pytest.mark.parametrize("decision", Decision)
def test_without_an_entry_nothing_is_decided(clinic: Any, dicom: Any, decision: Decision, mute: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    before = [path.name for path in clinic.blobs()]
    mute()
    with pytest.raises(StorageFull):
        decide(clinic, decision)
    assert newest(clinic) == 1
    assert [path.name for path in clinic.blobs()] == before
    assert clinic.scalar("SELECT count(*) FROM versions") == 0
    with pytest.raises(RecordUnavailable):
        offered(clinic)


def test_what_was_looked_at_is_what_is_decided_on(clinic: Any, admin: Any) -> None:
    """Meanwhile another has taken the place of what is here: the decision was about something else."""
    clinic.take_in(1)
    clinic.take_in(1, fill=8)
    clinic.take_in(1, fill=9)
    shown = clinic.services.aside.show(admin, 2, clinic.context())
    decide(clinic, ACCEPT, 1)
    with pytest.raises(Conflict, match="changed"):
        decide(clinic, ACCEPT, 2, seen=shown.token)
    again = clinic.services.aside.show(admin, 2, clinic.context())
    decide(clinic, ACCEPT, 2, seen=again.token)
    assert [version.kind for version in versions(clinic)] == ["replaced", "replaced"]
    with pytest.raises(NotFound):
        decide(clinic, REJECT, 2)


@pytest.mark.parametrize("decision", Decision)
def test_two_decide_at_once_and_one_of_them_wins(clinic: Any, decision: Decision, monkeypatch: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    standings = clinic.services.aside._standings
    asked = standings.of

    def meanwhile(kept: Any) -> Any:
        found = asked(kept)
        monkeypatch.setattr(standings, "of", asked)
        decide(clinic, REJECT)
        return found

    monkeypatch.setattr(standings, "of", meanwhile)
    with pytest.raises(Conflict, match="changed"):
        decide(clinic, decision)
    assert clinic.scalar("SELECT count(*) FROM instances") == 1
    assert len(clinic.blobs()) == 1
    assert sound(clinic)


# --- many at once -----------------------------------------------------------------------------------------


def many(clinic: Any, decision: Decision, **asked: Any) -> Any:
    who = clinic.people[Role.PACS_ADMINISTRATOR]
    return clinic.services.aside.decide_all(
        who, decision, WHY, clinic.context(), **{"reason": "", "source": "", **asked}
    )


def test_all_of_one_reason_and_source_together(clinic: Any, dicom: Any) -> None:
    clinic.take_in(1)
    for number in range(2, 6):
        clinic.take_in(number, study="1.9")
    clinic.take_in(1, fill=9)
    send(clinic, dicom.file(1)[:-1])
    settled = many(clinic, STORE, reason="series-of-another-study", source="import")
    assert (len(settled.decided), settled.refused, settled.left) == (4, (), 0)
    assert clinic.scalar("SELECT instance_count FROM studies WHERE study_instance_uid = '1.9'") == 4
    assert len(clinic.entries("aside.store")) == 4
    assert clinic.scalar("SELECT count(*) FROM kept_aside") == 2
    settled = many(clinic, ACCEPT)
    assert (len(settled.decided), [number for number, _ in settled.refused]) == (1, [6])
    assert sound(clinic)


def test_more_that_came_meanwhile_is_not_decided_on_unseen(clinic: Any, admin: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=8)
    extent = clinic.services.aside.extent(admin, "other-content", "", clinic.context())
    assert extent.count == 1
    clinic.take_in(1, fill=9)
    with pytest.raises(Conflict):
        many(clinic, REJECT, seen=extent.token)
    assert clinic.scalar("SELECT count(*) FROM kept_aside") == 2


def test_other_departments_are_not_in_the_batch(clinic: Any) -> None:
    clinic.take_in(1, department=clinic.foreign)
    clinic.take_in(1, fill=9, department=clinic.foreign)
    assert many(clinic, REJECT).decided == ()
    assert newest(clinic) == 1


# --- how much one source is kept aside --------------------------------------------------------------------


def test_a_source_at_its_limit_does_not_keep_others_from_theirs(clinic: Any, dicom: Any, admin: Any) -> None:
    """Each object counts 64 KiB at the least: two of them fit here."""
    clinic.services.ingest.room_aside.source = 2 << 16
    clinic.take_in(9)
    for fill in (1, 2):
        send(clinic, dicom.file(9, fill=fill))
    with pytest.raises(StorageFull):
        send(clinic, dicom.file(9, fill=3))
    with pytest.raises(StorageFull):
        send(clinic, dicom.file(1)[:-1])
    assert send(clinic, dicom.file(1)[:-1], "C-STORE from CT2").kind is Kind.KEPT_ASIDE
    assert send(clinic, dicom.file(2)).kind is Kind.STORED
    found = clinic.services.aside.sources(admin, clinic.context())
    assert [(one.source, one.objects, one.counted) for one in found] == [
        ("C-STORE from CT1", 2, 2 << 16),
        ("C-STORE from CT2", 1, 1 << 16),
    ]
    decide(clinic, REJECT, 1)
    assert send(clinic, dicom.file(9, fill=3)).kind is Kind.KEPT_ASIDE
    assert sound(clinic)


def test_sources_and_filters_are_each_departments_own(clinic: Any, dicom: Any, admin: Any) -> None:
    clinic.take_in(1)
    send(clinic, dicom.file(1, fill=9))
    send(clinic, dicom.file(1)[:-1], "C-STORE from CT2")
    send(clinic, dicom.file(2)[:-1], "C-STORE from CT3", department=clinic.foreign)
    aside, context = clinic.services.aside, clinic.context()
    assert {one.source for one in aside.sources(admin, context)} == {"C-STORE from CT1", "C-STORE from CT2"}
    one = aside.page(admin, context, reason="unreadable")
    assert [line.row.source for line in one.rows] == ["C-STORE from CT2"]
    assert aside.page(admin, context, source="C-STORE from CT3").rows == ()
    assert len(aside.page(admin, context, source="C-STORE from CT1").rows) == 1


# --- side by side -----------------------------------------------------------------------------------------


def test_two_objects_under_one_uid_side_by_side(clinic: Any, admin: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9, name="Roentgen^Anne")
    shown = clinic.services.aside.show(admin, newest(clinic), clinic.context())
    assert [(line.name, line.here, line.there) for line in shown.lines] == [
        ("Patient's Name", "Roentgen^Anna", "Roentgen^Anne")
    ]
    assert (shown.compared, shown.more, shown.notes) == (True, False, ("The pixels differ.",))
    assert shown.study.study_instance_uid == "1.2.3"
    [recorded] = clinic.entries("aside.review")
    assert (recorded.entry.patients, recorded.entry.studies) == (("P-1",), ("1.2.3",))


def test_a_series_of_another_study_beside_an_image_of_it(clinic: Any, admin: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(2, study="1.9", name="Other^Name")
    shown = clinic.services.aside.show(admin, newest(clinic), clinic.context())
    assert [line.name for line in shown.lines] == ["Patient's Name", "Study Instance UID"]


def test_an_unreadable_one_says_what_can_be_read(clinic: Any, dicom: Any, admin: Any) -> None:
    send(clinic, dicom.file(1)[:500])
    shown = clinic.services.aside.show(admin, newest(clinic), clinic.context())
    assert not shown.compared
    assert ("Patient ID", None, "P-1") in [(line.name, line.here, line.there) for line in shown.lines]
    assert "cannot be read to its end" in shown.notes[0]
    send(clinic, b"")
    shown = clinic.services.aside.show(admin, newest(clinic), clinic.context())
    assert shown.lines == ()


# --- an end in the middle ---------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here: nothing that would come after it happens."""


def collected(clinic: Any) -> int:
    """Blobs that no row names and a check removes, as it would after a crash."""
    clinic.services.ingest.close()
    sysadmin = clinic.people[Role.SYSTEM_ADMINISTRATOR]
    return int(clinic.services.upkeep.check(sysadmin, clinic.context(), collect=True).collected)


def test_an_end_between_the_new_bytes_and_their_rows_leaves_an_orphan(clinic: Any, monkeypatch: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)

    def end(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(clinic.services.aside._decisions, "_stored", end)
        patched.setattr("leadglass.archive.decisions.may_be_named", lambda *_: True)
        with pytest.raises(BaseException):  # noqa: B017
            decide(clinic, STORE)
    assert newest(clinic) == 1
    assert collected(clinic) == 1
    decide(clinic, STORE)
    assert len(clinic.retrieved(clinic.doctor)) == 2


def test_an_end_between_the_shred_and_the_removal_leaves_an_orphan(clinic: Any, monkeypatch: Any) -> None:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)

    def end(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(clinic.services.aside._decisions, "_remove", end)
    with pytest.raises(Killed):
        decide(clinic, REJECT)
    assert clinic.scalar("SELECT count(*) FROM kept_aside") == 0
    assert len(clinic.blobs()) == 2
    assert collected(clinic) == 1
    assert sound(clinic)
