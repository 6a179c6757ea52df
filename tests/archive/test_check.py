"""Each kind of corruption: a check finds it, a repair does what can be proven, a second check says what stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from leadglass.access.principal import Role, Via, operator
from leadglass.archive.ingest import Kind
from leadglass.errors import NotFound, StorageFailed

OPERATOR = operator(1000, "op")


@pytest.fixture
def filled(clinic: Any) -> Any:
    """Two studies of three and one objects, and one object kept aside; nobody is storing."""
    for number in (1, 2):
        clinic.take_in(number)
    clinic.take_in(3, series="1.2.3.2")
    clinic.take_in(9, study="1.2.4", series="1.2.4.1", patient_id="P-2", name="Other^One")
    clinic.take_in(1, fill=9)
    clinic.services.ingest.close()
    clinic.opened.publish()
    return clinic


def check(clinic: Any, **options: Any) -> Any:
    asked = {"deep": True} | options
    return clinic.services.upkeep.check(OPERATOR, clinic.context(Via.COMMAND), **asked)


def path_of(clinic: Any, where: str, table: str = "instances") -> Path:
    name = clinic.scalar(f"SELECT blob FROM {table} WHERE {where}")
    path: Path = clinic.root / "objects" / name[:2] / name
    return path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


Corrupt = Callable[[Any], object]


@dataclass(frozen=True)
class Case:
    corrupt: Corrupt
    found: str  # the report's list, or count, that names it
    stays: str = ""  # the one that still does after the repair
    says: str = ""  # a sentence of SQL that is true after the repair


def sql(statement: str) -> Corrupt:
    return lambda clinic: clinic.sql(statement)


ONE = "sop_instance_uid = '1.2.3.1.1'"
CASES = {
    "an object is missing": Case(
        lambda c: path_of(c, ONE).unlink(), "missing", "lost", "SELECT count(*) = 3 FROM instances"
    ),
    "an object is altered": Case(
        lambda c: flip(path_of(c, ONE)), "altered", "lost", "SELECT why = 'altered' FROM lost"
    ),
    "an object is cut short": Case(
        lambda c: path_of(c, ONE).write_bytes(b"x"), "altered", "lost", "SELECT count(*) = 1 FROM lost"
    ),
    "an object's key": Case(
        sql(f"UPDATE instances SET wrapped_key = zeroblob(40) WHERE {ONE}"), "altered", "lost"
    ),
    "an object's size": Case(sql(f"UPDATE instances SET size = size + 1 WHERE {ONE}"), "altered", "lost"),
    "an object's digest": Case(
        sql(f"UPDATE instances SET digest = zeroblob(32) WHERE {ONE}"), "altered", "lost"
    ),
    "a study's key": Case(sql("DELETE FROM study_keys WHERE study_id = 2"), "altered", "lost"),
    "what is kept aside is missing": Case(
        lambda c: path_of(c, "1 = 1", "kept_aside").unlink(), "missing", "missing"
    ),
    "an orphan": Case(lambda c: (c.root / "objects" / "00").mkdir(exist_ok=True) or _orphan(c), "orphans"),
    "the count of a study": Case(sql("UPDATE studies SET instance_count = 7 WHERE id = 1"), "wrong_counts"),
    "the series of a study": Case(sql("UPDATE studies SET series_count = 0 WHERE id = 1"), "wrong_counts"),
    "the count of a series": Case(sql("UPDATE series SET instance_count = 0 WHERE id = 1"), "wrong_counts"),
    "the modalities of a study": Case(
        sql("UPDATE studies SET modalities = 'MR' WHERE id = 1"),
        "wrong_counts",
        says="SELECT modalities = 'CT' FROM studies WHERE id = 1",
    ),
    "the SOP classes of a study": Case(
        sql("UPDATE studies SET sop_classes = '' WHERE id = 1"), "wrong_counts"
    ),
    "the rows of an image": Case(
        sql(f'UPDATE instances SET "rows" = 9 WHERE {ONE}'),
        "wrong_facts",
        says=f'SELECT "rows" = 16 FROM instances WHERE {ONE}',
    ),
    "the SOP class of an image": Case(
        sql(f"UPDATE instances SET sop_class_uid = '1.2' WHERE {ONE}"),
        "wrong_facts",
        says="SELECT sop_classes = '1.2.840.10008.5.1.4.1.1.2' FROM studies WHERE id = 1",
    ),
    "a patient's name": Case(
        sql("UPDATE studies SET patient_name = 'Wrong^Name' WHERE id = 1"),
        "wrong_facts",
        says="SELECT patient_name = 'Roentgen^Anna' AND name_key = 'roentgen^anna' FROM studies WHERE id = 1",
    ),
    "a study's date": Case(
        sql("UPDATE studies SET study_date = '19990101' WHERE id = 1"),
        "wrong_facts",
        says="SELECT study_date = '20260131' FROM study_modalities WHERE study_id = 1",
    ),
    "a series' modality": Case(
        sql("UPDATE series SET modality = 'US' WHERE id = 1"),
        "wrong_facts",
        says="SELECT modality = 'CT' FROM series WHERE id = 1",
    ),
    "a patient ID": Case(sql("UPDATE studies SET patient_id = 'P-9' WHERE id = 1"), "misfiled", "misfiled"),
    "an image under another's UID": Case(
        sql(f"UPDATE instances SET sop_instance_uid = '1.2.3.9.9' WHERE {ONE}"),
        "misfiled",
        "misfiled unrecorded",
    ),
    "a series in another study": Case(
        sql("UPDATE series SET series_instance_uid = '9.9' WHERE id = 1"), "misfiled", "misfiled"
    ),
    "a transfer syntax": Case(
        sql(f"UPDATE instances SET transfer_syntax_uid = '1.2' WHERE {ONE}"), "misfiled", "misfiled"
    ),
    "a destruction that is on no record": Case(
        sql(f"INSERT INTO shreds VALUES ('{'0' * 32}', 999999, 0)"), "unrecorded", "unrecorded"
    ),
}


def _orphan(clinic: Any) -> None:
    (clinic.root / "objects" / "00" / ("0" * 32)).write_bytes(b"left by a crash")


def names(report: Any) -> set[str]:
    lists = ("missing", "altered", "misfiled", "wrong_facts", "wrong_counts", "unrecorded", "lost", "orphans")
    return {name for name in lists if getattr(report, name)}


@pytest.mark.sqlcipher  # whose SQL it is; what is found does not depend on the database
@pytest.mark.parametrize("name", CASES)
def test_it_is_found_repaired_where_there_is_proof_and_said_where_not(filled: Any, name: str) -> None:
    case = CASES[name]
    case.corrupt(filled)
    before = check(filled)
    assert case.found in names(before)
    assert before.ok == (case.found == "orphans")
    repaired = check(filled, repair=True)
    after = check(filled)
    assert names(after) == set(case.stays.split())
    assert after.ok == (not case.stays)
    assert names(repaired) - {"orphans"} == names(after)
    if case.says:
        assert filled.scalar(case.says) == 1


def test_a_sound_home_has_no_findings(filled: Any) -> None:
    """Control."""
    report = check(filled, repair=True)
    assert (names(report), report.ok, report.objects) == (set(), True, 5)
    assert report.repaired_counts == report.repaired_facts == report.taken_out == 0


def test_an_object_that_is_on_no_record_is_found(filled: Any) -> None:
    filled.sql("UPDATE instances SET sop_instance_uid = '7.7.7' WHERE sop_instance_uid = '1.2.3.1.1'")
    report = check(filled)
    assert len(report.unrecorded) == 1
    assert report.misfiled == report.unrecorded


def test_what_the_record_no_longer_holds_is_not_asked_of_it(filled: Any) -> None:
    from leadglass.record.log import expire

    filled.services.db.write(lambda tx: expire(tx, 10**6)).result(30)
    assert check(filled).unrecorded == []


@pytest.mark.parametrize("how", [Path.unlink, flip], ids=["missing", "altered"])
def test_a_lost_object_is_not_shown_and_comes_back_when_it_is_sent_again(
    filled: Any, how: Callable[[Path], None]
) -> None:
    how(path_of(filled, ONE))
    report = check(filled, repair=True)
    assert (report.taken_out, report.lost, report.missing, report.altered) == (1, 1, [], [])
    assert len(filled.retrieved(filled.doctor)) == 2
    [entry] = filled.entries("object.lost")
    assert (entry.entry.studies, entry.entry.detail["instance"]) == (("1.2.3",), "1.2.3.1.1")
    outcome = filled.take_in(1)
    assert (outcome.kind, outcome.healed) == (Kind.STORED, True)
    assert filled.entries("object.store")[-1].entry.detail["healed"] == 1
    assert len(filled.retrieved(filled.doctor)) == 3
    filled.services.ingest.close()
    report = check(filled, repair=True)
    assert (report.ok, report.lost) == (True, 0)


def test_other_content_under_a_lost_uid_does_not_pass_for_it(filled: Any) -> None:
    path_of(filled, ONE).unlink()
    check(filled, repair=True)
    outcome = filled.take_in(1, rows=8)
    assert (outcome.kind, outcome.healed) == (Kind.STORED, False)
    report = check(filled)
    assert (report.lost, report.replaced, report.ok) == (0, 1, True)


def test_a_lost_object_comes_back_when_its_file_does(filled: Any) -> None:
    path = path_of(filled, ONE)
    content = path.read_bytes()
    path.unlink()
    check(filled, repair=True)
    path.write_bytes(content)
    assert check(filled).orphans == 0
    report = check(filled, repair=True)
    assert (report.found_again, report.lost, report.ok) == (1, 0, True)
    assert len(filled.retrieved(filled.doctor)) == 3
    assert len(filled.entries("object.found")) == 1


def test_a_lost_object_can_be_deleted(filled: Any) -> None:
    from leadglass.archive.deletion import Target

    path_of(filled, ONE).unlink()
    check(filled, repair=True)
    admin, target = filled.people[Role.PACS_ADMINISTRATOR], Target(instance_uid="1.2.3.1.1")
    deletion = filled.services.deletion
    plan = deletion.plan_of(admin, "1.2.3", filled.context(), target)
    assert plan.instances == 2  # with what was kept aside of it
    deletion.delete(admin, plan, filled.context(), reason="is lost", target=target)
    assert check(filled).ok


def test_a_disk_that_is_not_there_takes_nothing_out_of_sight(clinic: Any) -> None:
    for number in range(1, 13):
        clinic.take_in(number)
    clinic.services.ingest.close()
    (clinic.root / "objects").rename(clinic.root / "elsewhere")
    (clinic.root / "objects").mkdir()
    report = check(clinic, repair=True)
    assert (report.taken_out, len(report.missing)) == (0, 12)
    assert "Look at the disk" in report.refused
    (clinic.root / "objects").rmdir()
    (clinic.root / "elsewhere").rename(clinic.root / "objects")
    assert check(clinic).ok


def test_pacs_administrators_see_what_is_lost_of_their_departments(filled: Any) -> None:
    path_of(filled, ONE).unlink()
    check(filled, repair=True)
    upkeep, context = filled.services.upkeep, filled.context()
    [gone] = upkeep.lost(filled.people[Role.PACS_ADMINISTRATOR], context).rows
    assert (gone.study.patient_id, gone.entry.sop_instance_uid, gone.why) == ("P-1", "1.2.3.1.1", "missing")
    assert filled.entries("aside.review")[-1].entry.studies == ("1.2.3",)
    foreign = filled.person(60, Role.PACS_ADMINISTRATOR, filled.foreign)
    assert upkeep.lost(foreign, context).rows == ()


def test_a_study_of_which_all_is_lost_stays_on_the_list(filled: Any) -> None:
    path_of(filled, "sop_instance_uid = '1.2.3.1.9'").unlink()
    check(filled, repair=True)
    assert filled.scalar("SELECT instance_count FROM studies WHERE study_instance_uid = '1.2.4'") == 0
    with pytest.raises(NotFound):
        filled.retrieved(filled.doctor, "1.2.4")


def test_damage_that_was_found_is_remembered_until_it_is_read_again(filled: Any) -> None:
    path = path_of(filled, ONE)
    sound = path.read_bytes()
    flip(path)
    check(filled)
    assert filled.scalar("SELECT count(*) FROM damage") == 1
    path.write_bytes(sound)
    check(filled)
    assert filled.scalar("SELECT count(*) FROM damage") == 0
    assert filled.scalar("SELECT count(*) FROM rounds WHERE name = 'deep check' AND finished > 0") == 1


def test_a_study_whose_identity_people_corrected_is_sound(filled: Any) -> None:
    """Its objects say otherwise: they come with Original Attributes. What they say beside that still counts."""
    filled.sql(
        "UPDATE studies SET corrected = 1, patient_name = 'Right^Name', patient_id = 'P-9' WHERE id = 1"
    )
    assert check(filled, repair=True).ok
    assert filled.scalar("SELECT patient_name FROM studies WHERE id = 1") == "Right^Name"
    filled.sql("UPDATE studies SET accession_number = 'wrong' WHERE id = 1")
    assert check(filled).wrong_facts == ["study 1"]


def test_what_is_accepted_while_orphans_are_looked_for_is_none(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes from a table that is still to be read to one that was: no table has it when it is asked."""
    from leadglass.archive.check import Check
    from leadglass.archive.standing import Decision

    blob, read = path_of(filled, "id > 0", "kept_aside"), Check._batch

    def then_accept(self: Any, kind: str, after: int) -> Any:
        if kind == "kept_aside" and filled.scalar("SELECT count(*) FROM kept_aside"):
            number = filled.scalar("SELECT id FROM kept_aside")
            who = filled.people[Role.PACS_ADMINISTRATOR]
            filled.services.aside.decide(who, number, Decision.ACCEPT, "as it should be", filled.context())
        return read(self, kind, after)

    monkeypatch.setattr(Check, "_batch", then_accept)
    assert check(filled, repair=True).collected == 0
    assert path_of(filled, "sop_instance_uid = '1.2.3.1.1'") == blob
    assert blob.exists()
    assert check(filled).ok


def test_what_is_no_file_is_no_orphan_and_stops_no_repair(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = path_of(filled, "id = 1").parent
    (folder / (folder.name + "0" * 30)).mkdir()
    orphans = [folder / (folder.name + digit * 30) for digit in "12"]
    for path in orphans:
        path.write_bytes(b"x" * 100)
    delete = filled.services.upkeep._check._blobs.delete

    def stubborn(name: str) -> None:
        if name == orphans[0].name:
            raise StorageFailed("The disk does not let it go.")
        delete(name)

    monkeypatch.setattr(filled.services.upkeep._check._blobs, "delete", stubborn)
    report = check(filled, repair=True)
    assert (report.ok, report.orphans, report.collected) == (True, 2, 1)
    assert orphans[0].exists() and not orphans[1].exists()
