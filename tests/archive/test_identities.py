"""Merging, correcting, moving and undoing: what is found, what is delivered, who may, what is on the record."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any
from zipfile import ZipFile

import orjson
import pytest
from identity_people import ANNA, BEN, SAME, image, read

from leadglass.access.policy import Action
from leadglass.access.principal import Role
from leadglass.archive.identities import Doubt, Kind, Wish
from leadglass.archive.ingest import Kind as Became
from leadglass.archive.queries import portal_query
from leadglass.archive.selection import Keys
from leadglass.errors import Conflict, Denied, NotFound, Violation
from leadglass.index.fitting import Clash

WHY = "told by the ward"


class Ward:
    """What the PACS administrator of the clinic's own department does."""

    def __init__(self, clinic: Any, dicom: Any) -> None:
        self.clinic, self.dicom = clinic, dicom
        self.identities = clinic.services.identities
        self.admin = clinic.people[Role.PACS_ADMINISTRATOR]
        self.files: dict[str, list[bytes]] = {}

    def take_in(self, study: str, number: int = 1, *, department: int | None = None, **who: Any) -> Any:
        file = image(self.dicom, study, number, **who)
        outcome = self.clinic.ingest([file], department=department)
        if outcome.kind is Became.STORED:
            self.files.setdefault(study, []).append(file)
        return outcome

    def patient(self, patient_id: str, issuer: str | None = None) -> int:
        (found,) = self.identities.find(self.admin, patient_id, issuer, self.clinic.context())
        return int(found)

    def study(self, uid: str) -> int:
        return int(self.identities.study(self.admin, uid, self.clinic.context()))

    def do(self, kind: Kind, who: Any = None, **wish: Any) -> int:
        self.clinic.now += 1000
        number = self.identities.change(who or self.admin, Wish(kind, **wish), WHY, self.clinic.context())
        return int(number)

    def merge(self, source: str, target: str) -> int:
        return self.do(Kind.MERGE, patient=self.patient(source), target=self.patient(target))

    def undo(self, number: int) -> None:
        self.identities.undo(self.admin, number, WHY, self.clinic.context())

    def delivered(self, study: str) -> list[bytes]:
        return list(self.clinic.retrieved(self.clinic.doctor, study))

    def received(self, study: str) -> list[bytes]:
        found = self.clinic.services.retrieve.received(self.admin, self.clinic.context(), study_uid=study)
        return [b"".join(one.chunks) for one in found]

    def row(self, study: str) -> Any:
        query = portal_query(accession="", name="")
        rows = self.clinic.services.search.studies(self.clinic.doctor, query, self.clinic.context()).rows
        return next(row for row in rows if row.study_instance_uid == study)


@pytest.fixture
def ward(clinic: Any, dicom: Any) -> Ward:
    return Ward(clinic, dicom)


def shown(row: Any) -> tuple[str, ...]:
    return (row.patient_name, row.patient_id, row.issuer, row.birth_date, row.sex)


def test_a_merge_is_delivered_everywhere_and_keeps_what_came(ward: Ward) -> None:
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **{**SAME, "issuer": "HOSP", "name": "ROTH^ANNA^MARIA"})
    number = ward.merge("A-1", "B-1")
    assert shown(ward.row("1.2.3")) == ("ROTH^ANNA^MARIA", "B-1", "HOSP", "19520301", "F")
    (file,) = ward.delivered("1.2.3")
    data = read(file)
    assert (data.PatientName, data.PatientID, data.IssuerOfPatientID) == ("ROTH^ANNA^MARIA", "B-1", "HOSP")
    (item,) = data.OriginalAttributesSequence
    assert item.ReasonForTheAttributeModification == "COERCE"
    assert item.ModifyingSystem == "LEADGLASS"
    assert str(item.AttributeModificationDateTime) == "20270115080001.000000+0000"
    assert item.SourceOfPreviousValues in ("", None)
    (came,) = item.ModifiedAttributesSequence
    assert (came.PatientName, came.PatientID, came.IssuerOfPatientID) == ("ROTH^ANNA", "A-1", "")
    assert "PatientBirthDate" not in came  # it was not modified
    assert data.PixelData == bytes(range(32))
    assert ward.received("1.2.3") == ward.files["1.2.3"]
    assert ward.delivered("1.2.4") == ward.files["1.2.4"]  # nobody corrected it
    ward.undo(number)
    assert ward.delivered("1.2.3") == ward.files["1.2.3"]
    assert shown(ward.row("1.2.3")) == ("ROTH^ANNA", "A-1", "", "19520301", "F")


def test_metadata_selections_and_sizes_say_the_same(ward: Ward) -> None:
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.9", **BEN)
    ward.do(Kind.MOVE, study=ward.study("1.2.3"), target=ward.patient("C-1"))
    services, clinic = ward.clinic.services, ward.clinic
    (document,) = services.retrieve.metadata(clinic.doctor, clinic.context(), study_uid="1.2.3")
    found = orjson.loads(document)
    assert found["00100010"]["Value"] == [{"Alphabetic": "MEIER^BEN"}]
    assert found["04000561"]["Value"][0]["04000565"]["Value"] == ["CORRECT"]
    (one,) = services.retrieve.objects(clinic.doctor, clinic.context(), study_uid="1.2.3")
    file = b"".join(one.chunks)
    assert one.size == len(file)
    chosen = services.retrieve.select(
        clinic.doctor, Action.STUDY_RETRIEVE, Keys(patient_id="C-1"), clinic.context()
    )
    bodies = [b"".join(each.chunks) for each in chosen.deliveries(lambda _: True) if each.chunks]
    assert len(bodies) == 2
    assert any(file.endswith(body) for body in bodies)


def test_images_of_a_moved_study_still_come_as_before(ward: Ward) -> None:
    """And those that come with the new identity are its as well; a third person's are not."""
    ward.take_in("1.2.3", 1, **ANNA)
    ward.take_in("1.2.9", **BEN)
    number = ward.do(Kind.MOVE, study=ward.study("1.2.3"), target=ward.patient("C-1"))
    assert ward.take_in("1.2.3", 2, **ANNA).kind is Became.STORED
    assert ward.take_in("1.2.3", 3, **BEN).kind is Became.STORED
    assert ward.take_in("1.2.3", 4, **{**ANNA, "patient_id": "X-9"}).kind is Became.KEPT_ASIDE
    delivered = ward.delivered("1.2.3")
    assert [read(file).PatientID for file in delivered] == ["C-1"] * 3
    assert delivered[2] == ward.files["1.2.3"][2]
    plan = ward.identities.plan_undo(ward.admin, number, ward.clinic.context())
    assert (plan.change.studies, plan.change.images, plan.change.joined) == (1, 3, 1)
    assert any("One image came since" in sentence for sentence in plan.sentences)
    ward.undo(number)
    assert ward.delivered("1.2.3") == ward.files["1.2.3"]


def test_studies_that_come_after_a_merge_follow_it_until_it_is_undone(ward: Ward) -> None:
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **SAME)
    number = ward.merge("A-1", "B-1")
    ward.take_in("1.2.5", **ANNA)
    ward.take_in("1.2.6", **SAME)
    assert [ward.row(uid).patient_id for uid in ("1.2.3", "1.2.4", "1.2.5", "1.2.6")] == ["B-1"] * 4
    assert read(ward.delivered("1.2.5")[0]).OriginalAttributesSequence[0]
    plan = ward.identities.plan_undo(ward.admin, number, ward.clinic.context())
    assert (plan.change.studies, plan.change.came) == (2, 1)
    ward.undo(number)
    ids = [ward.row(uid).patient_id for uid in ("1.2.3", "1.2.4", "1.2.5", "1.2.6")]
    assert ids == ["A-1", "B-1", "A-1", "B-1"]
    assert all(ward.delivered(uid) == ward.files[uid] for uid in ward.files)
    ward.take_in("1.2.7", **ANNA)
    assert ward.row("1.2.7").patient_id == "A-1"


def test_a_merge_is_for_the_departments_it_was_made_for(ward: Ward) -> None:
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **SAME)
    ward.merge("A-1", "B-1")
    ward.take_in("1.2.5", department=ward.clinic.foreign, **ANNA)
    assert ward.clinic.scalar("SELECT patient_id FROM studies WHERE study_instance_uid = '1.2.5'") == "A-1"


def test_changes_of_a_study_are_undone_newest_first(ward: Ward) -> None:
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **SAME)
    first = ward.merge("A-1", "B-1")
    second = ward.do(Kind.STUDY, study=ward.study("1.2.3"), values={"patient_name": "ROTH^ANNE"})
    data = read(ward.delivered("1.2.3")[0])
    assert [item.ReasonForTheAttributeModification for item in data.OriginalAttributesSequence] == [
        "COERCE",
        "CORRECT",
    ]
    with pytest.raises(Conflict, match=f"Undo first .*: {second}"):
        ward.undo(first)
    assert ward.identities.plan_undo(ward.admin, first, ward.clinic.context()).blocked_by == (second,)
    ward.undo(second)
    ward.undo(first)
    assert ward.delivered("1.2.3") == ward.files["1.2.3"]
    with pytest.raises(Conflict, match="already"):
        ward.undo(first)


def test_a_correction_reaches_all_of_a_patients_studies_and_searches_find_it(ward: Ward) -> None:
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **ANNA)
    ward.do(
        Kind.PATIENT,
        patient=ward.patient("A-1"),
        values={"patient_name": "ROTH-MÜLLER^ANNA", "birth_date": "1953-03-01", "patient_id": "A-2"},
    )
    query = portal_query(name="muller")
    rows = ward.clinic.services.search.studies(ward.clinic.doctor, query, ward.clinic.context()).rows
    assert {row.study_instance_uid for row in rows} == {"1.2.3", "1.2.4"}
    assert {row.birth_date for row in rows} == {"19530301"}
    data = read(ward.delivered("1.2.4")[0])
    assert data.SpecificCharacterSet == "ISO_IR 192"
    assert data.PatientName == "ROTH-MÜLLER^ANNA"
    old = portal_query(name="anna roth", patient_id="A-1")
    assert not ward.clinic.services.search.studies(ward.clinic.doctor, old, ward.clinic.context()).rows
    with pytest.raises(NotFound):
        ward.identities.patient(ward.admin, 10**6, ward.clinic.context())
    assert ward.identities.find(ward.admin, "A-1", None, ward.clinic.context()) == []


def test_a_name_that_the_character_set_lacks_corrupts_no_other_text(ward: Ward) -> None:
    more = ((0x00081030, "LO", "Schädel".encode("latin-1")), (0x00104000, "LT", "größer".encode("latin-1")))
    ward.take_in("1.2.3", **{**ANNA, "name": "RÖTH^ANNA"}, characters="ISO_IR 100", more=more)
    ward.do(Kind.STUDY, study=ward.study("1.2.3"), values={"patient_name": "ROTH^ANNA=山田^花子"})
    (one,) = ward.clinic.services.retrieve.objects(
        ward.clinic.doctor, ward.clinic.context(), study_uid="1.2.3"
    )
    file = b"".join(one.chunks)
    assert len(file) == one.size
    data = read(file)
    assert data.SpecificCharacterSet == "ISO_IR 192"
    assert (data.StudyDescription, data.PatientComments) == ("Schädel", "größer")
    assert data.PatientName == "ROTH^ANNA=山田^花子"
    assert data.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientName == "RÖTH^ANNA"


def test_original_attributes_that_are_there_stay_first(ward: Ward, dicom: Any) -> None:
    inner = dicom.element(0x04000550, "SQ", b"") + dicom.element(0x04000565, "CS", "COERCE")
    item = b"\xfe\xff\x00\xe0" + len(inner).to_bytes(4, "little") + inner
    ward.take_in("1.2.3", **ANNA, more=((0x04000561, "SQ", item),))
    ward.do(Kind.STUDY, study=ward.study("1.2.3"), values={"sex": "M"})
    reasons = [
        one.ReasonForTheAttributeModification
        for one in read(ward.delivered("1.2.3")[0]).OriginalAttributesSequence
    ]
    assert reasons == ["COERCE", "CORRECT"]


def test_doubts_are_proposed_until_somebody_says_no(ward: Ward) -> None:
    context = ward.clinic.context()
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **SAME)
    ward.take_in("1.2.5", **{**ANNA, "patient_id": "M-1", "sex": "M"})  # a namesake
    ward.take_in("1.2.6", **BEN)
    ward.take_in("1.2.7", **{**BEN, "name": "MEIER^BERT"})
    ward.take_in("1.2.8", department=ward.clinic.foreign, **{**BEN, "patient_id": "Z-1"})
    (same,) = ward.identities.proposals(ward.admin, Doubt.SAME_PERSON, context).rows
    assert {member.identity.patient_id for member in same.members} == {"A-1", "B-1"}
    (other,) = ward.identities.proposals(ward.admin, Doubt.OTHER_PERSON, context).rows
    assert {member.identity.patient_name for member in other.members} == {"MEIER^BEN", "MEIER^BERT"}
    ward.identities.dismiss(ward.admin, same.word, WHY, context)
    ward.identities.dismiss(ward.admin, same.word, WHY, context)
    assert not ward.identities.proposals(ward.admin, Doubt.SAME_PERSON, context).rows
    ward.take_in("1.2.10", **{**ANNA, "patient_id": "D-1"})
    (again,) = ward.identities.proposals(ward.admin, Doubt.SAME_PERSON, context).rows
    assert len(again.members) == 3
    assert len(ward.clinic.entries("identity.dismiss")) == 2


@pytest.mark.parametrize(
    "role", [role for role in Role if role not in (Role.PACS_ADMINISTRATOR, Role.APPLICATION_ENTITY)]
)
def test_nobody_else_may(ward: Ward, role: Role) -> None:
    ward.take_in("1.2.3", **ANNA)
    who, context = (
        ward.clinic.people.get(role, ward.clinic.person(70, role, ward.clinic.own)),
        ward.clinic.context(),
    )
    wish = Wish(Kind.STUDY, study=1, values={"sex": "M"})
    for asked in (
        lambda: ward.identities.change(who, wish, WHY, context),
        lambda: ward.identities.plan(who, wish, context),
        lambda: ward.identities.undo(who, 1, WHY, context),
        lambda: ward.identities.proposals(who, Doubt.SAME_PERSON, context),
        lambda: ward.identities.patient(who, 1, context),
        lambda: ward.identities.history(who, context),
        lambda: ward.identities.dismiss(who, "00" * 32, WHY, context),
    ):
        with pytest.raises(Denied):
            asked()
    with pytest.raises(NotFound):
        ward.clinic.services.retrieve.received(who, context, study_uid="1.2.3")
    assert ward.delivered("1.2.3") == ward.files["1.2.3"]


def test_both_departments_have_to_be_ones_own(ward: Ward) -> None:
    clinic = ward.clinic
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **SAME)
    ward.take_in("1.2.5", department=clinic.foreign, **SAME)
    patient, target = ward.patient("A-1"), ward.patient("B-1")
    wish = Wish(Kind.MERGE, patient=patient, target=target)
    with pytest.raises(Denied, match="another department"):
        ward.identities.change(ward.admin, wish, WHY, clinic.context())
    assert clinic.entries("identity.correct")[-1].entry.reason == "other-department"
    both = clinic.person(71, Role.PACS_ADMINISTRATOR, clinic.own, clinic.foreign)
    number = ward.identities.change(both, wish, WHY, clinic.context())
    with pytest.raises(NotFound):  # neither seen nor undone by who has but one of them
        ward.undo(number)
    assert not ward.identities.history(ward.admin, clinic.context()).rows
    ward.identities.undo(both, number, WHY, clinic.context())


def test_foreign_and_absent_patients_are_one_answer(ward: Ward) -> None:
    clinic = ward.clinic
    ward.take_in("1.2.5", department=clinic.foreign, **BEN)
    messages = set()
    for number in (1, 10**6):
        for asked in (
            lambda n: ward.identities.patient(ward.admin, n, clinic.context()),
            lambda n: ward.identities.plan(
                ward.admin, Wish(Kind.PATIENT, patient=n, values={"sex": "F"}), clinic.context()
            ),
            lambda n: ward.identities.patient_of(ward.admin, n, clinic.context()),
        ):
            with pytest.raises(NotFound) as caught:
                asked(number)
            messages.add(str(caught.value))
    assert len(messages) == 1


def test_the_record_names_both_and_the_studies(ward: Ward) -> None:
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **SAME)
    number = ward.merge("A-1", "B-1")
    entry = ward.clinic.entries("identity.merge")[-1].entry
    assert entry.patients == ("A-1", "B-1")
    assert entry.studies == ("1.2.3",)
    assert dict(entry.detail) == {"change": number, "why": WHY}
    ward.undo(number)
    assert ward.clinic.entries("identity.undo")[-1].entry.studies == ("1.2.3",)
    ward.received("1.2.3")
    assert ward.clinic.entries("study.received")


NONSENSE = [
    (Kind.STUDY, {"study": 1, "values": {}}, "already"),
    (Kind.STUDY, {"study": 1, "values": {"sex": "F"}}, "already"),
    (Kind.STUDY, {"study": 1, "values": {"sex": "Q"}}, "M, F, O"),
    (Kind.STUDY, {"study": 1, "values": {"birth_date": "1952-02-30"}}, "YYYY-MM-DD"),
    (Kind.STUDY, {"study": 1, "values": {"patient_id": ""}}, "cannot be taken away"),
    (Kind.STUDY, {"study": 1, "values": {"patient_id": "a\\b"}}, "backslash"),
    (Kind.STUDY, {"study": 1, "values": {"patient_name": "A^B^C^D^E^F"}}, "five parts"),
    (Kind.STUDY, {"study": 1, "values": {"patient_name": "N" * 65}}, "64"),
    (Kind.MERGE, {"patient": 1, "target": 1}, "same patient"),
    (Kind.MOVE, {"study": 1, "target": 1}, "same patient"),
    (Kind.MERGE, {"patient": 1, "target": 2}, "no ID"),
    (Kind.MERGE, {"patient": 2, "target": 1}, "move that"),
    (Kind.STUDY, {"study": 2, "values": {"issuer": "X"}}, "issuer belongs"),
]


@pytest.mark.parametrize(("kind", "wish", "said"), NONSENSE)
def test_nonsense_is_refused_with_a_sentence(ward: Ward, kind: Kind, wish: dict[str, Any], said: str) -> None:
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **{**BEN, "patient_id": ""})
    with pytest.raises(Violation, match=said):
        ward.do(kind, **wish)
    assert ward.clinic.scalar("SELECT count(*) FROM identity_changes") == 0


def test_an_id_that_is_taken_is_a_merge_or_a_move(ward: Ward) -> None:
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **BEN)
    with pytest.raises(Conflict, match="Merge"):
        ward.do(Kind.PATIENT, patient=1, values={"patient_id": "C-1"})
    with pytest.raises(Conflict, match="Move"):
        ward.do(Kind.STUDY, study=1, values={"patient_id": "C-1"})
    with pytest.raises(Violation, match="reason"):
        ward.identities.change(
            ward.admin, Wish(Kind.STUDY, study=1, values={"sex": "M"}), " ", ward.clinic.context()
        )


def test_a_patient_without_an_id_gets_one_and_gives_it_back(ward: Ward) -> None:
    ward.take_in("1.2.3", **{**ANNA, "patient_id": ""})
    number = ward.do(Kind.STUDY, study=1, values={"patient_id": "A-9"})
    assert read(ward.delivered("1.2.3")[0]).PatientID == "A-9"
    ward.undo(number)
    assert ward.delivered("1.2.3") == ward.files["1.2.3"]
    assert ward.clinic.scalar("SELECT anchor FROM patients") == "1.2.3"


def test_patients_who_have_no_study_any_more_are_gone(ward: Ward) -> None:
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **SAME)
    number = ward.merge("A-1", "B-1")
    assert ward.clinic.scalar("SELECT count(*) FROM patients") == 1
    page = ward.identities.patient(ward.admin, ward.patient("B-1"), ward.clinic.context())
    assert [change.id for change in page.history] == [number]
    ward.undo(number)
    assert ward.clinic.scalar("SELECT count(*) FROM patients") == 2


def test_a_deleted_study_leaves_nothing_of_its_identity(ward: Ward) -> None:
    """But a merge in force, which is the rule for what still comes."""
    clinic = ward.clinic
    ward.take_in("1.2.3", **ANNA)
    ward.take_in("1.2.4", **SAME)
    ward.take_in("1.2.5", **BEN)
    merge = ward.merge("A-1", "B-1")
    ward.do(Kind.STUDY, study=ward.study("1.2.5"), values={"patient_name": "SECRET^NAME"})
    for uid in ("1.2.3", "1.2.5"):
        plan = clinic.services.deletion.plan(ward.admin, ward.study(uid), clinic.context())
        clinic.services.deletion.delete(ward.admin, plan, clinic.context(), reason="the patient asked for it")
    with clinic.services.db.read() as connection:
        rows = connection.exec_driver_sql("SELECT id, patient_name FROM identity_changes").all()
        left = connection.exec_driver_sql("SELECT count(*) FROM identity_studies").scalar_one()
    assert ([row[0] for row in rows], left) == ([merge], 0)
    ward.take_in("1.2.6", **ANNA)
    assert ward.row("1.2.6").patient_id == "B-1"
    ward.undo(merge)
    assert ward.delivered("1.2.6") == ward.files["1.2.6"]


def test_a_zip_has_the_corrected_identity(ward: Ward) -> None:
    ward.take_in("1.2.3", **ANNA)
    number = ward.study("1.2.3")
    ward.do(Kind.STUDY, study=number, values={"patient_id": "A-7", "patient_name": "ROTH^ANNE"})
    pieces = ward.clinic.services.retrieve.zipped(ward.clinic.doctor, number, ward.clinic.context())
    with ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        (name,) = [name for name in archive.namelist() if name != "DICOMDIR"]
        assert read(archive.read(name)).PatientID == "A-7"
        directory = read(archive.read("DICOMDIR"))
    assert directory.DirectoryRecordSequence[0].PatientName == "ROTH^ANNE"


# --- what was delivered comes back ------------------------------------------------------------------------


def test_what_was_delivered_is_known_when_it_comes_back(ward: Ward) -> None:
    """Corrected twice: it is known with either identity, in another encoding too, and not with a third."""
    ward.take_in("1.2.3", characters="ISO_IR 100")
    ward.take_in("1.2.9", patient_id="B-1")
    ward.do(Kind.STUDY, study=ward.study("1.2.3"), values={"patient_name": "ROTH^ANNA MARIA"})
    (once,) = ward.delivered("1.2.3")
    ward.merge("A-1", "B-1")
    (twice,) = ward.delivered("1.2.3")
    padded = twice + struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 64) + bytes(64)
    for file in (once, twice, padded):
        outcome = ward.clinic.ingest([file], source="C-STORE from PEER")
        assert (outcome.kind, outcome.returned, outcome.recoded) == (Became.DUPLICATE, True, False)
    last = ward.clinic.entries("object.store")[-1].entry
    assert (last.outcome, last.detail.get("returned")) == ("allowed", 1)
    other = twice.replace(b"ROTH^ANNA MARIA", b"ROTH^ANNE MARIA")
    assert ward.clinic.ingest([other]).clash is Clash.OTHER_CONTENT
    assert ward.clinic.scalar("SELECT count(*) FROM instances") == 2
    assert ward.delivered("1.2.3") == [twice]


def test_what_was_delivered_before_a_change_was_undone_is_a_contradiction(ward: Ward) -> None:
    ward.take_in("1.2.3")
    number = ward.do(Kind.STUDY, study=ward.study("1.2.3"), values={"patient_name": "ROTH^ANNE"})
    (wrong,) = ward.delivered("1.2.3")
    ward.undo(number)
    assert ward.clinic.ingest([wrong]).clash is Clash.OTHER_CONTENT


def test_what_was_delivered_deflated_is_known_when_it_comes_back(ward: Ward) -> None:
    plain = image(ward.dicom, "1.2.3")
    syntax = "1.2.840.10008.1.2.1.99"
    packer = zlib.compressobj(9, wbits=-15)
    content = plain[plain.index(b"\x08\0\x16\0UI") :]
    file = ward.dicom.part10(packer.compress(content) + packer.flush(), syntax=syntax)
    assert ward.clinic.ingest([file]).kind is Became.STORED
    ward.do(Kind.STUDY, study=ward.study("1.2.3"), values={"patient_name": "ROTH^ANNE"})
    (delivered,) = ward.delivered("1.2.3")
    assert ward.clinic.ingest([delivered]).returned


@pytest.mark.parametrize("held", [8 << 20, 100], ids=["held", "read twice"])
@pytest.mark.parametrize("name", ["ROTH^ANNE", "ROTH^ĀNNE"], ids=["", "written anew"])
def test_of_a_corrected_study_with_a_damaged_object_the_others_leave_corrected(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, held: int, name: str
) -> None:
    monkeypatch.setattr("leadglass.archive.retrieve.HELD", held)
    for image_number in (1, 2):
        ward.take_in("1.2.3", image_number, **ANNA)
    number = ward.study("1.2.3")
    ward.do(Kind.STUDY, study=number, values={"patient_name": name})
    blob = ward.clinic.scalar("SELECT blob FROM instances WHERE sop_instance_uid = '1.2.3.1.1'")
    victim = ward.clinic.root / "objects" / blob[:2] / blob
    content = bytearray(victim.read_bytes())
    content[-20] ^= 1
    victim.write_bytes(content)
    pieces = ward.clinic.services.retrieve.zipped(ward.clinic.doctor, number, ward.clinic.context())
    with ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        members = [member for member in archive.namelist() if "/" in member]
        assert [str(read(archive.read(member)).PatientName) for member in members] == [name]
        assert b"1.2.3.1.1 " in archive.read("NOT-INCLUDED.TXT")
