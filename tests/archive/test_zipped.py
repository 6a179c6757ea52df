"""A study as a zip: whole, readable by others, named by nothing of a patient, and let go of in every end."""

from __future__ import annotations

import gc
import io
import re
import struct
import warnings
import zipfile
from typing import Any

import pydicom
import pytest
from pydicom.fileset import FileSet

from leadglass.access.principal import Via, operator
from leadglass.archive.ledger import IDLE
from leadglass.archive.zipped import MOST_INSTANCES
from leadglass.errors import LimitExceeded, NotFound, Tampered

OPERATOR = operator(1000, "op")


@pytest.fixture
def filled(clinic: Any) -> Any:
    for number in (1, 2, 3):
        clinic.take_in(number)
    clinic.take_in(1, series="1.2.3.2", instance="1.2.3.2.1")
    clinic.take_in(1, study="1.5", series="1.5.1", instance="1.5.1.1", department=clinic.foreign)
    return clinic


def pieces(clinic: Any, study: int = 1) -> Any:
    return clinic.services.retrieve.zipped(clinic.doctor, study, clinic.context())


def test_every_object_comes_as_it_is_kept_under_names_that_tell_nothing(filled: Any, dicom: Any) -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces(filled)))) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        names = archive.namelist()
        contents = [archive.read(name) for name in names]
    assert names == [f"S0000001/I000000{n}" for n in (1, 2, 3)] + ["S0000002/I0000004", "DICOMDIR"]
    assert contents[:3] == [dicom.file(number) for number in (1, 2, 3)]


def test_the_access_is_on_the_record_before_the_first_byte_and_closed_with_counts(filled: Any) -> None:
    before = filled.record_size()
    zipped = pieces(filled)
    assert filled.record_size() == before + 1
    assert filled.entries("study.retrieve")[0].at_least
    b"".join(zipped)
    filled.services.ledger.expire(filled.now + IDLE)
    filled.services.db.write(lambda _: None).result(30)
    [entry] = filled.entries("study.retrieve")
    assert (entry.at_least, entry.counts["instances"]) == (False, 4)


@pytest.mark.parametrize("study", [2, 77], ids=["foreign", "absent"])
def test_what_is_foreign_is_absent(filled: Any, study: int) -> None:
    with pytest.raises(NotFound):
        pieces(filled, study)


@pytest.mark.parametrize("end", ["closed", "dropped", "unstarted"])
def test_a_zip_that_nobody_takes_to_its_end_lets_go(filled: Any, descriptors: None, end: str) -> None:
    for number in range(4, 12):  # more than one piece
        filled.take_in(number, rows=256)
    zipped = pieces(filled)
    if end != "unstarted":
        next(zipped)
    if end == "closed":
        zipped.close()
    del zipped
    gc.collect()
    filled.services.ledger.expire(filled.now + IDLE)
    filled.services.db.write(lambda _: None).result(30)
    assert not filled.entries("study.retrieve")[0].at_least


def flip(clinic: Any, *uids: str, at: int = -1) -> None:
    """One bit of the sealed objects of these instances."""
    for uid in uids:
        name = clinic.scalar(f"SELECT blob FROM instances WHERE sop_instance_uid = '{uid}'")
        victim = clinic.root / "objects" / name[:2] / name
        whole = bytearray(victim.read_bytes())
        whole[at] ^= 1
        victim.write_bytes(whole)


def read(pieces: Any) -> tuple[dict[str, bytes], str]:
    """Members of a zip, and what it says is not in it."""
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    return found, found.pop("NOT-INCLUDED.TXT", b"").decode("ascii")


def closed(clinic: Any) -> Any:
    clinic.services.ledger.expire(clinic.now + IDLE)
    clinic.services.db.write(lambda _: None).result(30)
    return clinic.entries("study.retrieve")[0]


@pytest.mark.parametrize("held", [8 << 20, 1000], ids=["held", "read twice"])
@pytest.mark.parametrize("at", [0, 60, -1], ids=["head", "first segment", "last segment"])
def test_what_is_damaged_keeps_nothing_else_back(
    filled: Any, dicom: Any, monkeypatch: pytest.MonkeyPatch, descriptors: None, held: int, at: int
) -> None:
    monkeypatch.setattr("leadglass.archive.retrieve.HELD", held)
    flip(filled, "1.2.3.1.2", at=at)
    found, said = read(pieces(filled))
    assert list(found) == ["S0000001/I0000001", "S0000001/I0000003", "S0000002/I0000004", "DICOMDIR"]
    assert [found[f"S0000001/I000000{number}"] for number in (1, 3)] == [dicom.file(1), dicom.file(3)]
    assert said.startswith("Not in this zip: 1 of the study's 4 images.\r\n")
    assert "1.2.3.1.2  Damaged on the archive's disk." in said
    assert b"1.2.3.1.2\0" not in found["DICOMDIR"] and b"1.2.3.1.3" in found["DICOMDIR"]
    entry = closed(filled)
    assert (entry.counts["instances"], entry.counts["unreadable"], entry.at_least) == (3, 1, False)


def test_an_object_damaged_in_its_middle_has_no_byte_in_it(filled: Any) -> None:
    for number, rows in ((7, 512), (8, 256)):
        filled.take_in(number, rows=rows)
    flip(filled, "1.2.3.1.7", at=200_000)
    found, said = read(pieces(filled))
    assert "1.2.3.1.7" in said and "1.2.3.1.8" not in said
    assert not any(b"1.2.3.1.7" in content for content in found.values())


def test_all_of_it_damaged_is_an_error_before_the_first_byte(filled: Any) -> None:
    flip(filled, "1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3", "1.2.3.2.1")
    with pytest.raises(Tampered):
        next(pieces(filled))


def test_what_is_known_to_be_lost_is_said_too(filled: Any) -> None:
    flip(filled, "1.2.3.1.2")
    filled.services.upkeep.check(OPERATOR, filled.context(Via.COMMAND), deep=True, repair=True)
    found, said = read(pieces(filled))
    assert len(found) == 4
    assert (
        said.startswith("Not in this zip: 1 of the study's 4 images.")
        and "lost on the archive's disk" in said
    )


def test_more_than_a_zip_is_made_of_is_refused_beforehand(filled: Any) -> None:
    filled.sql(f"UPDATE studies SET instance_count = {MOST_INSTANCES + 1} WHERE id = 1")
    with pytest.raises(LimitExceeded):
        pieces(filled)


def test_pydicom_finds_every_object_by_its_dicomdir(filled: Any, tmp_path: Any) -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces(filled)))) as archive:
        archive.extractall(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = FileSet(pydicom.dcmread(tmp_path / "DICOMDIR"))
    assert sorted(instance.SOPInstanceUID for instance in found) == [
        "1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3", "1.2.3.2.1",
    ]  # fmt: skip
    assert [one.load().PatientID for one in found] == ["P-1"] * 4
    assert all(re.fullmatch(r"[A-Z0-9]{1,8}", part) for one in found for part in one.ReferencedFileID)


def test_a_member_as_large_as_four_gigabytes_says_so_beforehand(clinic: Any) -> None:
    """The sizes that follow a member are of 8 bytes then (APPNOTE 4.3.9.2)."""
    from leadglass.archive.zipped import _member, _Sink

    sink = _Sink()
    with (
        zipfile.ZipFile(sink, "w") as archive,
        archive.open(_member("A", 4 << 30, (2026, 1, 1, 0, 0, 0)), "w"),
    ):  # type: ignore[call-overload]
        pass
    head = sink.take()
    assert struct.unpack_from("<H", head, 28) == (20,)  # a zip64 extra field stands in the member's head
