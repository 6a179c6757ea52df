"""The Patients pages: doubts, one patient, what a change comes to, history and undo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from leadglass.access.principal import Role

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
WHY = "told by the ward"


class Office:
    """A PACS administrator before the portal, with four studies of a test's own: A-1 and B-1 may be one person,
    C-1 may be two. Values of one test do not occur in another's: they share the home."""

    def __init__(self, world: Any, helpers: Any, client: Any, number: int) -> None:
        self.world, self.helpers, self.client, self.number = world, helpers, client, number
        anna, ben = f"ROTH^ANNA{number}", f"MEIER^BEN{number}"
        self.take_in(1, "A-1", anna, "19520301")
        self.take_in(2, "B-1", anna, "19520301")
        self.take_in(3, "C-1", ben, "19700707")
        self.take_in(4, "C-1", f"MEIER^BERT{number}", "19700707")

    def id(self, patient_id: str) -> str:
        return f"{self.number}-{patient_id}"

    def take_in(
        self, study: int, patient_id: str, name: str, born: str, department: str = "Radiology"
    ) -> None:
        uid = f"1.2.{self.number}.{study}"
        made = self.helpers.made_up(
            StudyInstanceUID=uid,
            SeriesInstanceUID=f"{uid}.1",
            SOPInstanceUID=f"{uid}.1.1",
            PatientID=self.id(patient_id),
            PatientName=name,
            PatientBirthDate=born,
        )
        self.world.take_in(made, department)

    def patient(self, patient_id: str) -> str:
        """The address of a patient's page."""
        return str(self.post("/patients", patient_id=self.id(patient_id)).headers["location"])

    def no(self, patient_id: str) -> str:
        return self.patient(patient_id).rpartition("/")[2]

    def study(self, number: int) -> str:
        """A study's number."""
        with self.world.services.db.read() as connection:
            found = connection.exec_driver_sql(
                "SELECT id FROM studies WHERE study_instance_uid = ?", (f"1.2.{self.number}.{number}",)
            )
            return str(found.scalar_one())

    def change(self) -> str:
        """The newest change's number."""
        with self.world.services.db.read() as connection:
            return str(connection.exec_driver_sql("SELECT max(id) FROM identity_changes").scalar_one())

    def get(self, path: str) -> Any:
        return self.client.get(path)

    def post(self, path: str, **form: str) -> Any:
        return self.client.post(path, data=form, headers=SAME_ORIGIN)

    def confirmed(self, path: str, **form: str) -> Any:
        """First what it comes to, then the form that this page has, filled in."""
        asked = self.post(path, **form)
        assert asked.status_code == 200, asked.text
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked.text))
        return self.post(path, **hidden, reason=WHY, confirmed="yes")


_numbers = count(11)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, helpers: Any) -> Iterator[Any]:
    with helpers.new_world(tmp_path_factory.mktemp("patients")) as world:
        world.people()
        yield world, world.client(Role.PACS_ADMINISTRATOR)


@pytest.fixture
def office(shared: Any, helpers: Any) -> Office:
    world, client = shared
    return Office(world, helpers, client, next(_numbers))


def test_a_doubt_is_merged_and_the_merge_undone(office: Office) -> None:
    page = office.get("/patients").text
    assert office.id("A-1") in page and office.id("B-1") in page and f"Meier, Bert{office.number}" in page
    source, target = office.patient("A-1"), office.no("B-1")
    asked = office.post(f"{source}/change", action="give", target=target)
    assert "1 study with 1 image will show this identity" in asked.text
    assert f"{office.id('B-1')}</b>" in asked.text
    done = office.confirmed(f"{source}/change", action="give", target=target)
    assert (done.status_code, done.headers["location"]) == (303, f"/patients/{target}?done=merged")
    page = office.get(done.headers["location"]).text
    assert "The two are merged." in page and WHY in page and "corrected" in page
    assert office.id("B-1") not in office.get("/patients").text
    change = office.change()
    assert "will show again what they showed before" in office.post("/patients/undo", change=change).text
    done = office.confirmed("/patients/undo", change=change)
    assert done.headers["location"] == "/patients/history?done=undone"
    assert "undone" in office.get("/patients/history").text
    assert office.post("/patients/undo", change=change).status_code == 303


def test_without_reason_or_yes_nothing_is_done(office: Office) -> None:
    path, form = f"{office.patient('A-1')}/change", {"action": "give", "target": office.no("B-1")}
    assert office.post(path, **form, confirmed="yes").status_code == 400
    assert "Say why" in office.post(path, **form, confirmed="yes", reason=" ").text
    assert office.post(path, **form, reason=WHY).status_code == 200
    assert "Nothing was changed" in office.get(office.patient("A-1")).text


def test_one_study_is_moved_and_another_corrected(office: Office) -> None:
    path, target = f"{office.patient('C-1')}/change", office.patient("A-1")
    done = office.confirmed(path, action="give", study=office.study(4), into=office.id("A-1"))
    assert done.headers["location"] == f"{target}?done=moved"
    was = {"was_patient_name": "MEIER^BEN", "was_sex": "F"}
    form = {"patient_name": "MEIER^BENNO", "sex": "F", "study": office.study(3), **was}
    done = office.confirmed(path, action="correct", **form)
    assert done.headers["location"] == f"{office.patient('C-1')}?done=corrected"
    page = office.get(office.patient("C-1")).text
    assert "Meier, Benno" in page
    assert "Meier, Bert" not in page
    old = office.patient("C-1")
    form = {"patient_id": office.id("C-2"), "was_patient_id": office.id("C-1")}
    done = office.confirmed(path, action="correct", **form)
    assert office.id("C-2") in office.get(done.headers["location"]).text
    assert office.get(old).status_code == 404


def test_what_makes_no_sense_is_a_sentence_on_the_page(office: Office) -> None:
    path = f"{office.patient('A-1')}/change"
    for form, said in (
        ({"action": "give", "into": "X-9"}, "Nobody with this Patient ID"),
        ({"action": "give", "into": ""}, "Fill in a Patient ID"),
        ({"action": "give", "target": office.no("A-1")}, "same patient already"),
        ({"action": "correct", "birth_date": "soon"}, "YYYY-MM-DD"),
        ({"action": "correct"}, "what it says already"),
    ):
        answer = office.post(path, **form)
        assert answer.status_code == 400
        assert said in answer.text
    taken = office.post(path, action="correct", patient_id=office.id("B-1"))
    assert taken.status_code == 409
    assert "Merge the two" in taken.text


def test_a_patient_is_found_by_id_which_enters_no_address(office: Office) -> None:
    found = office.post("/patients", patient_id=office.id("C-1"))
    assert (found.status_code, re.fullmatch(r"/patients/\d+", found.headers["location"]) is None) == (
        303,
        False,
    )
    assert office.get(f"/patients?study={office.study(2)}").headers["location"] == office.patient("B-1")
    lacking = office.post("/patients", patient_id="X-1")
    assert lacking.status_code == 400
    assert "Nobody with this Patient ID" in lacking.text


def test_a_change_is_made_only_as_it_was_seen(office: Office) -> None:
    path, target = f"{office.patient('A-1')}/change", office.no("B-1")
    asked = office.post(path, action="give", target=target).text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked))
    office.take_in(5, "A-1", f"ROTH^ANNA{office.number}", "19520301")
    for seen in (hidden["seen"], "", "0" * 64):
        answer = office.post(path, **{**hidden, "seen": seen}, reason=WHY, confirmed="yes")
        assert answer.status_code == 409
        assert "It has changed since you looked" in answer.text and "2 studies" in answer.text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text))
    assert office.post(path, **hidden, reason=WHY, confirmed="yes").status_code == 303
    # The back button, a second click: the patient is not here any more, and the page says where to look.
    for again in (
        office.post(path, **hidden, reason=WHY, confirmed="yes"),
        office.get(path[: -len("/change")]),
    ):
        assert again.status_code == 404
        assert "Perhaps it was merged" in again.text and 'href="/patients/history"' in again.text


def test_changes_are_undone_newest_first_and_the_page_leads_there(office: Office) -> None:
    path, target = f"{office.patient('C-1')}/change", office.patient("A-1")
    assert office.confirmed(path, action="give", study=office.study(4), into=office.id("A-1")).is_redirect
    moved = office.change()
    assert office.confirmed(f"{target}/change", action="give", target=office.no("B-1")).is_redirect
    merged = office.change()
    assert f"change {merged}</div>" in office.get("/patients/history").text
    said = office.post("/patients/undo", change=moved, reason=WHY, confirmed="yes")
    assert said.status_code == 400
    assert said.text.count('role="alert"') == 1 and f"Undo change {merged}…" in said.text
    assert office.confirmed("/patients/undo", change=merged).is_redirect
    assert office.confirmed("/patients/undo", change=moved).is_redirect
    assert f"Meier, Bert{office.number}" in office.get(office.patient("C-1")).text


def test_three_ids_of_one_person_are_merged_into_the_first(office: Office) -> None:
    office.take_in(5, "B-2", f"ROTH^ANNA{office.number}", "19520301")
    page = office.get("/patients").text
    found = re.findall(
        r'action="(/patients/\d+/change)"><input[^>]*><input type="hidden" name="target" value="(\d+)"><button class="button plain">Merge into the first',
        page,
    )
    assert len(found) == 2 and len({target for _, target in found}) == 1
    for path, target in found:
        assert office.confirmed(path, action="give", target=target).is_redirect


def test_pages_past_the_last_say_so(office: Office) -> None:
    assert "Nobody is here" not in office.get("/patients?page=9").text
    assert "Nothing was changed" not in office.get("/patients/history?page=9").text
    assert 'href="/aside/versions"' in office.get("/aside/versions?page=9").text


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\x00", "\\"])
def test_no_correction_turns_or_divides_what_is_read(office: Office, mark: str) -> None:
    path = f"{office.patient('A-1')}/change"
    for name, value in (("patient_name", f"ROTH{mark}^ANNA"), ("patient_id", f"A{mark}1")):
        refused = office.post(path, action="correct", **{name: value})
        assert refused.status_code == 400 and "control character" in refused.text


def test_dismissed_doubts_stay_dismissed(office: Office) -> None:
    word = re.findall(r'name="proposal" value="(\w+)"', office.get("/patients").text)[-1]
    assert office.post("/patients/dismiss", proposal=word).status_code == 400
    assert office.post("/patients/dismiss", proposal=word, reason=WHY).status_code == 303
    assert word not in office.get("/patients").text
    assert office.post("/patients/dismiss", proposal="zz", reason=WHY).status_code == 404


def test_other_departments_patients_are_not_there(office: Office) -> None:
    office.take_in(9, "F-1", "FOREIGN^FRIDA", "19600101", "Cardiology")
    with office.world.services.db.read() as connection:
        foreign = connection.exec_driver_sql(
            "SELECT patient FROM studies WHERE patient_name = 'FOREIGN^FRIDA'"
        ).scalar_one()
    for path in (f"/patients/{foreign}", "/patients/9999", f"/patients?study={office.study(9)}"):
        answer = office.get(path)
        assert answer.status_code == 404
        assert "FRIDA" not in answer.text.upper()
    assert office.post("/patients", patient_id=office.id("F-1")).status_code == 400
    office.take_in(10, "B-1", "ROTH^ANNA", "19520301", "Cardiology")
    refused = office.post(f"{office.patient('A-1')}/change", action="give", target=office.no("B-1"))
    assert refused.status_code == 400
    assert "another department" in refused.text


def test_received_bytes_are_for_administrators(office: Office, shared: Any) -> None:
    world, client = shared
    office.confirmed(f"{office.patient('A-1')}/change", action="give", target=office.no("B-1"))
    accept = {"accept": 'multipart/related; type="application/dicom"'}
    stranger = world.client(None, client.app)
    old, new = office.id("A-1").encode(), office.id("B-1").encode()
    address = f"/dicom-web/studies/1.2.{office.number}.1"
    for role, status in ((Role.PACS_ADMINISTRATOR, 200), (Role.RADIOLOGIST, 404)):
        headers = {**accept, "authorization": f"Bearer {world.tokens[role]}"}
        got = stranger.get(f"{address}?received=true", headers=headers)
        assert got.status_code == status
        if status == 200:
            assert old in got.content and new not in got.content
        assert new in stranger.get(address, headers=headers).content
    study = f"/studies/{office.study(1)}"
    assert "Correct whose study" in office.get(study).text
    assert "Correct whose study" not in world.client(Role.RADIOLOGIST, client.app).get(study).text
