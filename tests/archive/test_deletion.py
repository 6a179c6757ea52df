"""Deleting for good: who may, what goes, what stays, and what nothing in the home opens afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from leadglass.access.principal import Role, Via, operator
from leadglass.archive.deletion import Plan, Target
from leadglass.archive.ingest import Kind
from leadglass.compose import open_home
from leadglass.errors import (
    Conflict,
    LeadglassError,
    NotFound,
    StorageFailed,
    StorageFull,
    Tampered,
    Violation,
)
from leadglass.home import open_master, read_home
from leadglass.store import shreds
from leadglass.store.keys import Keyring

OPERATOR = operator(1000, "op")
WHY = "asked for by the patient"
GONE = ("studies", "series", "instances", "study_keys", "study_words", "study_modalities", "patients")


@pytest.fixture
def admin(clinic: Any) -> Any:
    return clinic.people[Role.PACS_ADMINISTRATOR]


@pytest.fixture
def filled(clinic: Any) -> Any:
    """Study 1.2.3 with two series, and 1.2.4 of another patient."""
    for number in (1, 2):
        clinic.take_in(number)
    clinic.take_in(3, series="1.2.3.2")
    clinic.take_in(9, study="1.2.4", series="1.2.4.1", patient_id="P-2", name="Other^One")
    return clinic


def plan(clinic: Any, who: Any, study: str = "1.2.3", target: Target = Target()) -> Plan:  # noqa: B008
    found: Plan = clinic.services.deletion.plan_of(who, study, clinic.context(), target)
    return found


def delete(clinic: Any, who: Any, study: str = "1.2.3", **uids: Any) -> Any:
    target = Target(**uids)
    agreed = plan(clinic, who, study, target)
    return clinic.services.deletion.delete(who, agreed, clinic.context(), reason=WHY, target=target)


def blobs_of(clinic: Any, study: str) -> list[Path]:
    with clinic.services.db.read() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT blob FROM instances JOIN series ON series_id = series.id "
                "JOIN studies ON series.study_id = studies.id WHERE study_instance_uid = :study"
            ),
            {"study": study},
        )
        return [clinic.root / "objects" / row[0][:2] / row[0] for row in rows]


def check(clinic: Any) -> Any:
    return clinic.services.upkeep.check(OPERATOR, clinic.context(Via.COMMAND), deep=True)


def test_a_study_goes_with_its_key_its_blobs_and_its_patient(filled: Any, admin: Any, kind: str) -> None:
    blobs, others = blobs_of(filled, "1.2.3"), blobs_of(filled, "1.2.4")
    agreed = plan(filled, admin)
    assert (agreed.series, agreed.instances, agreed.whole) == (2, 3, True)
    done = delete(filled, admin)
    assert (done.series, done.instances, done.bytes, done.whole) == (2, 3, agreed.bytes, True)
    assert (done.freed, done.left, done.overwritten) == (0, 0, kind == "sqlcipher")
    assert not any(blob.exists() for blob in blobs)
    assert all(blob.exists() for blob in others)
    assert [filled.scalar(f"SELECT count(*) FROM {table}") for table in GONE] == [1, 1, 1, 1, 2, 1, 1]
    assert filled.scalar("SELECT patient_id FROM patients") == "P-2"
    report = check(filled)
    assert (report.ok, report.objects, report.orphans) == (True, 1, 0)


def test_the_record_says_who_what_and_why_and_the_list_names_the_entry(filled: Any, admin: Any) -> None:
    names = {blob.name for blob in blobs_of(filled, "1.2.3")}
    done = delete(filled, admin)
    [entry] = filled.entries("study.delete")
    assert entry.seq == done.entry
    assert (entry.entry.actor, entry.entry.patients, entry.entry.studies) == ("user:12", ("P-1",), ("1.2.3",))
    assert entry.counts == {"series": 2, "instances": 3, "bytes": done.bytes}
    assert entry.entry.detail == {"reason": WHY}
    with filled.services.db.read() as connection:
        listed = shreds.page(connection)
        assert list(shreds.entries(connection)) == [done.entry]
    assert {one.blob for one in listed} == names
    assert {(one.entry, one.at) for one in listed} == {(done.entry, filled.now)}


def test_a_plan_shows_a_patient_so_it_is_on_the_record(filled: Any, admin: Any) -> None:
    plan(filled, admin)
    assert [e.entry.studies for e in filled.entries("study.view")] == [("1.2.3",)]


@pytest.mark.parametrize(
    "role", [role for role in Role if role not in (Role.OPERATOR, Role.APPLICATION_ENTITY)]
)
def test_only_pacs_administrators_may(filled: Any, role: Role) -> None:
    if role is Role.PACS_ADMINISTRATOR:
        return
    with pytest.raises(NotFound):
        plan(filled, filled.people[role])
    assert filled.entries("study.delete")[-1].entry.outcome == "denied"
    assert len(blobs_of(filled, "1.2.3")) == 3


def test_another_department_s_administrator_may_not_even_with_a_plan(filled: Any, admin: Any) -> None:
    other = filled.person(50, Role.PACS_ADMINISTRATOR, filled.foreign)
    agreed = plan(filled, admin)
    with pytest.raises(NotFound):
        filled.services.deletion.delete(other, agreed, filled.context(), reason=WHY)
    with pytest.raises(NotFound):
        filled.services.deletion.delete(OPERATOR, agreed, filled.context(Via.COMMAND), reason=WHY)
    assert len(blobs_of(filled, "1.2.3")) == 3


@pytest.mark.parametrize("reason", ["", "  ", "ab", "\n\n\t.", "x" * 301])
def test_no_deletion_without_a_reason(filled: Any, admin: Any, reason: str) -> None:
    with pytest.raises(Violation):
        filled.services.deletion.delete(admin, plan(filled, admin), filled.context(), reason=reason)
    assert len(blobs_of(filled, "1.2.3")) == 3


def test_what_came_in_since_the_plan_is_not_deleted_unseen(filled: Any, admin: Any) -> None:
    agreed = plan(filled, admin)
    filled.take_in(5)
    with pytest.raises(Conflict):
        filled.services.deletion.delete(admin, agreed, filled.context(), reason=WHY)
    assert len(blobs_of(filled, "1.2.3")) == 4
    assert filled.entries("study.delete") == []


def test_a_second_deletion_finds_nothing(filled: Any, admin: Any) -> None:
    agreed = plan(filled, admin)
    delete(filled, admin)
    with pytest.raises(NotFound):
        filled.services.deletion.delete(admin, agreed, filled.context(), reason=WHY)


def test_a_series_or_an_object_goes_alone_and_the_rest_is_counted_anew(filled: Any, admin: Any) -> None:
    done = delete(filled, admin, series_uid="1.2.3.2")
    assert (done.series, done.instances, done.whole) == (1, 1, False)
    assert filled.scalar("SELECT series_count || ' ' || instance_count FROM studies WHERE id = 1") == "1 2"
    done = delete(filled, admin, instance_uid="1.2.3.1.2")
    assert (done.series, done.instances, done.whole) == (0, 1, False)
    assert filled.scalar("SELECT series_count || ' ' || instance_count FROM studies WHERE id = 1") == "1 1"
    assert len(filled.retrieved(filled.doctor)) == 1
    assert [dict(e.entry.detail) for e in filled.entries("study.delete")] == [
        {"reason": WHY, "series": "1.2.3.2"},
        {"reason": WHY, "instance": "1.2.3.1.2"},
    ]
    assert check(filled).ok
    done = delete(filled, admin, instance_uid="1.2.3.1.1")
    assert done.whole
    assert filled.scalar("SELECT count(*) FROM study_keys") == 1


@pytest.mark.parametrize("uids", [{"series_uid": "9.9"}, {"instance_uid": "9.9"}])
def test_no_such_series_or_object(filled: Any, admin: Any, uids: dict[str, str]) -> None:
    with pytest.raises(NotFound):
        delete(filled, admin, **uids)


@pytest.mark.sqlcipher
def test_nothing_in_the_home_opens_what_was_deleted(filled: Any, admin: Any) -> None:
    """Somebody copied the blobs before. Neither free pages nor the log of the database hold a key, or a name."""
    copies = {blob.name: blob.read_bytes() for blob in blobs_of(filled, "1.2.3")}
    with filled.services.db.read() as connection:
        wrapped = "SELECT wrapped FROM study_keys WHERE study_id = 1 UNION ALL SELECT wrapped_key FROM instances WHERE id < 4"
        secrets = [bytes(row[0]) for row in connection.exec_driver_sql(wrapped)]
    assert len(secrets) == 4
    filled.services.db.overwrite_deleted()
    assert all(secret in decrypted(filled) for secret in (*secrets, b"Roentgen^Anna"))  # control
    delete(filled, admin)
    left = decrypted(filled)
    assert b"Other^One" in left  # control
    assert not [secret for secret in (*secrets, b"Roentgen^Anna", b"roentgen") if secret in left]
    for name, content in copies.items():
        path = filled.root / "objects" / name[:2] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    filled.services.ingest.close()
    report = check(filled)
    assert (report.ok, report.orphans) == (True, 3)


def decrypted(clinic: Any) -> bytes:
    """Every page of the database, free ones too, as whoever has the master key can read it: SQLCipher's format."""
    path = clinic.services.db.path
    assert not path.with_name(path.name + "-wal").stat().st_size
    key = Keyring.from_master(open_master(read_home(clinic.root), os.environ)).database_key
    content, plain = path.read_bytes(), b""
    for at in range(0, len(content), 4096):
        page = content[at : at + 4096]
        decryptor = Cipher(algorithms.AES(key), modes.CBC(page[-80:-64])).decryptor()
        plain += decryptor.update(page[0 if at else 16 : -80]) + decryptor.finalize()
    return plain


def test_an_access_under_way_ends_with_the_object_it_is_at(filled: Any, admin: Any) -> None:
    objects = filled.services.retrieve.objects(filled.doctor, filled.context(), study_uid="1.2.3")
    first = next(objects)
    delete(filled, admin)
    assert len(b"".join(first.chunks)) == first.size
    with pytest.raises((NotFound, StopIteration)):
        next(objects)
    objects.close()
    filled.services.ledger.expire(filled.now + 10 * 60_000)
    filled.services.db.write(lambda tx: None).result(30)
    entry = filled.entries("study.retrieve")[-1]
    assert entry.closed is not None
    assert entry.counts["instances"] == 1


def test_numbers_are_never_given_again(filled: Any, admin: Any) -> None:
    """A page left open names a study and its images by number: it must not show somebody else's."""
    before = {t: filled.scalar(f"SELECT max(id) FROM {t}") for t in ("studies", "series", "instances")}
    delete(filled, admin, "1.2.4")
    filled.take_in(20, study="1.2.5", series="1.2.5.1", patient_id="P-5")
    after = {t: filled.scalar(f"SELECT max(id) FROM {t}") for t in before}
    assert all(after[t] > before[t] for t in before)


def test_it_can_come_in_again_as_something_new(filled: Any, admin: Any) -> None:
    delete(filled, admin)
    assert filled.take_in(1).kind is Kind.STORED
    assert len(filled.retrieved(filled.doctor)) == 1
    assert check(filled).ok


def test_what_is_kept_aside_with_it_goes_or_stays_for_a_person(filled: Any, admin: Any) -> None:
    filled.take_in(1, fill=9)  # other content of an object of the study
    filled.take_in(30, patient_id="P-9")  # another patient's, into this study
    assert filled.scalar("SELECT count(*) FROM kept_aside") == 2
    done = delete(filled, admin)
    assert (done.instances, done.freed) == (4, 1)
    assert filled.scalar("SELECT reason || ' ' || coalesce(CAST(study_id AS text), '-') FROM kept_aside") == (
        "study-of-another-patient -"
    )
    assert check(filled).ok


def test_what_was_stored_in_the_same_group_goes_too_or_comes_after(filled: Any, admin: Any) -> None:
    """Units of one group commit share what they know of a study."""
    agreed = plan(filled, admin)
    outcomes = []
    for number in (40, 41):
        incoming = filled.services.ingest.open(OPERATOR, filled.own, "x", filled.context(Via.COMMAND))
        incoming.write(filled.dicom.file(number))
        outcomes.append(incoming.finish())
        if number == 40:
            try:
                filled.services.deletion.delete(admin, agreed, filled.context(), reason=WHY)
            except Conflict:
                delete(filled, admin)
    for outcome in outcomes:
        assert outcome.result(30).kind is Kind.STORED
    assert check(filled).ok
    assert len(filled.retrieved(filled.doctor)) == 1


def test_nothing_is_deleted_when_it_cannot_be_recorded(
    filled: Any, admin: Any, mute: Callable[[], None]
) -> None:
    agreed, blobs = plan(filled, admin), blobs_of(filled, "1.2.3")
    mute()
    with pytest.raises(StorageFull):
        filled.services.deletion.delete(admin, agreed, filled.context(), reason=WHY)
    assert all(blob.exists() for blob in blobs)


def test_blobs_that_the_disk_does_not_let_go_are_counted_and_collected(
    filled: Any, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled.services.ingest.blobs

    def fails(_: str) -> None:
        raise StorageFailed("The disk answered EIO.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "delete", fails)
        done = delete(filled, admin)
    assert done.left == 3
    assert filled.scalar("SELECT count(*) FROM study_keys") == 1
    filled.services.ingest.close()
    assert check(filled).orphans == 3


@pytest.mark.sqlcipher  # an older home is a copy of its folder
def test_replaying_destroys_again_what_an_older_back_up_brings_back(
    filled: Any, admin: Any, tmp_path: Path
) -> None:
    filled.take_in(1, fill=9)
    filled.opened.publish()
    shutil.copytree(filled.root, tmp_path / "older")
    delete(filled, admin)
    with filled.services.db.read() as connection:
        listed = shreds.page(connection)
    with open_home(tmp_path / "older", os.environ, lambda: filled.now) as older:
        deletion, context = older.services.deletion, filled.context(Via.COMMAND)
        assert deletion.replay(OPERATOR, context, iter(listed)) == 4
        assert deletion.replay(OPERATOR, context, iter(listed)) == 0
        with older.services.db.read() as connection:
            held = {t: connection.exec_driver_sql(f"SELECT count(*) FROM {t}").scalar() for t in GONE}
            aside = connection.exec_driver_sql("SELECT count(*) FROM kept_aside").scalar()
            assert [one.blob for one in shreds.page(connection)] == [one.blob for one in listed]
        assert (held["studies"], held["study_keys"], held["instances"], aside) == (1, 1, 1, 0)
        report = older.services.upkeep.check(OPERATOR, context, deep=True)
        assert (report.ok, report.orphans) == (True, 0)


def test_the_study_key_gone_is_what_keeps_an_object_shut(filled: Any) -> None:
    """Control: this is what a shred comes to."""
    filled.sql("DELETE FROM study_keys")
    with pytest.raises(Tampered):
        filled.retrieved(filled.doctor)


def test_denied_and_absent_are_one_answer(filled: Any, admin: Any) -> None:
    other = filled.person(51, Role.PACS_ADMINISTRATOR, filled.foreign)
    said = []
    for who, study in ((other, "1.2.3"), (admin, "9.9.9")):
        with pytest.raises(LeadglassError) as told:
            plan(filled, who, study)
        said.append((type(told.value), str(told.value)))
    assert said[0] == said[1]
