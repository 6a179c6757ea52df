"""export: everything leaves, is read back, goes on where it stopped, and goes into another home as it was."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import stat
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.fileset import FileSet

from leadglass.archive.export_folder import PARTS, ExportFolder
from leadglass.archive.export_manifest import MANIFEST
from leadglass.dicom.elements import Limits
from leadglass.store.files import write_all

Run = Callable[..., Any]


@pytest.fixture
def filled(home: Any, run: Run, dicom: Any, inbox: Path) -> Any:
    """Two patients and somebody without a number; four studies, nine images."""
    for study, patient, count in (
        ("1.2.3", "P-1", 4),
        ("1.2.4", "P-2", 2),
        ("1.2.5", "P-1", 2),
        ("1.2.6", "", 1),
    ):
        for number in range(1, count + 1):
            uid = f"{study}.1.{number}"
            data = dicom.data_set(
                study=study, series=f"{study}.1", instance=uid, patient_id=patient, fill=number
            )
            (inbox / f"{uid}.dcm").write_bytes(dicom.part10(data, instance=uid))
    assert run("import", inbox).code == 0
    return home


def digests(root: Path) -> dict[str, bytes]:
    """What a home has of each object."""
    from leadglass.compose import open_home
    from leadglass.home import clock

    with open_home(root, os.environ, clock) as opened, opened.services.db.read() as connection:
        rows = connection.execute(sa.text("SELECT sop_instance_uid, digest FROM instances"))
        return {row[0]: row[1] for row in rows}


def patients(found: FileSet) -> list[str]:
    """Whoever has no number is called by their study's, which hangs on the order in which files came in."""
    return sorted(value[:5] for value in found.find_values("PatientID"))


def images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("T*/S*/I*") if path.is_file())


def manifest(folder: Path) -> list[dict[str, Any]]:
    """Its whole lines: a kill may leave a part of one."""
    return [json.loads(line) for line in (folder / MANIFEST).read_bytes().split(b"\n")[:-1]]


def test_everything_goes_into_a_new_home_as_it_was(filled: Any, run: Run, tmp_path: Path) -> None:
    ran = run("export", "--all", "--json", tmp_path / "out")
    assert (ran.code, ran.json["written"], ran.json["agree"], ran.json["in_directory"]) == (0, 9, 9, 9)
    found = FileSet(pydicom.dcmread(tmp_path / "out" / "DICOMDIR"))
    assert sorted(each.SOPInstanceUID for each in found) == sorted(digests(filled.root))
    assert patients(found) == ["NO-ID", "P-1", "P-2"]
    assert run("init", "--home", tmp_path / "new", "--json").code == 0
    again = run("import", "--home", tmp_path / "new", "--json", tmp_path / "out")
    assert (again.code, again.json["stored"], again.json["refused"]) == (0, 9, 0)
    assert digests(tmp_path / "new") == digests(filled.root)


def test_names_and_manifest_tell_nothing_and_are_the_owners_alone(
    filled: Any, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = run("export", "--all", out)
    assert "sealed no more" in ran.out
    assert "9 images agree with the digest taken when they were received" in ran.out
    names = " ".join(str(path.relative_to(out)) for path in out.rglob("*"))
    for text in (names, (out / MANIFEST).read_text(), ran.out, ran.err):
        assert "Anna" not in text and "P-1" not in text
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in out.rglob("*"))
    lines = manifest(out)[1:]
    assert [(out / line["file"]).stat().st_size for line in lines] == [line["size"] for line in lines]


def test_it_is_on_the_record(filled: Any, run: Run, tmp_path: Path) -> None:
    run("export", "--json", "1.2.3", tmp_path / "out")
    entries = run("log", "show", "--json").json
    [begun] = [each for each in entries if each["action"] == "archive.export"]
    [study] = [each for each in entries if each["action"] == "study.export"]
    assert begun["counts"] == {"studies": 1, "instances": 4}
    assert (study["studies"], study["counts"]["instances"], study["at_least"]) == (["1.2.3"], 4, False)


def test_studies_by_their_uids_and_more_of_them_later(filled: Any, run: Run, tmp_path: Path) -> None:
    first = run("export", "--json", "1.2.3", tmp_path / "out")
    assert (first.code, first.json["studies"], first.json["written"]) == (0, 1, 4)
    second = run("export", "--json", "1.2.5", tmp_path / "out")
    assert (second.json["written"], second.json["there"], second.json["in_directory"]) == (2, 4, 6)
    missing = run("export", "1.2.99", tmp_path / "out")
    assert missing.code == 1
    assert "There is no such study" in missing.err


@pytest.mark.parametrize("how", ["stopped", "full", "crashed"])
def test_it_goes_on_where_it_stopped(
    filled: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    out, write, calls = tmp_path / "out", ExportFolder.write, []
    counted = how != "crashed"

    def stops(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 6:
            raise OSError(errno.ENOSPC, "No space left on device") if how == "full" else KeyboardInterrupt
        return write(*given)

    with monkeypatch.context() as patch:
        patch.setattr(ExportFolder, "write", stops)
        if not counted:
            patch.setattr(ExportFolder, "settle", lambda self, secured: None)
        stopped = run("export", "--all", "--json", out)
    assert (stopped.code, stopped.json["in_directory"]) == (1, None)
    assert (stopped.json["interrupted"], "No space" in (stopped.json["stopped"] or "")) == (
        how != "full",
        how == "full",
    )
    assert not (out / "DICOMDIR").exists()
    again = run("export", "--all", "--json", out)
    there = again.json["there"]  # what the other threads had in hand is written to its end
    assert (again.code, again.json["written"]) == (0, 9 - there)
    assert there >= 5 if counted else there == 0
    assert len(images(out)) == again.json["in_directory"] == 9


def test_killed_runs_leave_no_half_file(
    filled: Any, run: Run, start: Any, dicom: Any, tmp_path: Path
) -> None:
    """The first in the middle of a group, the second behind one."""
    more = tmp_path / "more"
    more.mkdir()
    for number in range(10, 190):
        (more / f"{number}.dcm").write_bytes(dicom.file(number, rows=128))
    run("import", more)
    out = tmp_path / "out"
    kills = 0
    for pattern in (f"{PARTS}/*", "T*/S*/I*"):
        process = start("export", "--all", out)
        while not any(out.glob(pattern)) and process._process.poll() is None:
            time.sleep(0.002)
        kills += process._process.poll() is None
        process.kill()
        assert all(len(pydicom_bytes(path.read_bytes())) for path in images(out)[::10])
        newest = {line["file"]: line["sha256"] for line in manifest(out)[1:]}  # what counts is there
        assert {file: sha256((out / file).read_bytes()).hexdigest() for file in newest} == newest
    assert kills  # control
    again = run("export", "--all", "--verify", "--json", out)
    assert (again.code, again.json["again"]) == (0, 0)
    assert again.json["in_directory"] == again.json["agree"] == len(images(out)) == 189
    assert {each.name for each in out.iterdir() if not each.is_dir()} == {MANIFEST, "DICOMDIR"}
    assert not (out / PARTS).exists()


def pydicom_bytes(content: bytes) -> bytes:
    """A file that ends where its pixels end."""
    from io import BytesIO

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(BytesIO(content))
    assert len(ds.PixelData) == 2 * ds.Rows * ds.Columns
    return content


def test_what_was_altered_outside_is_written_again(filled: Any, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("export", "--all", out)
    first, second, *_ = images(out)
    first.unlink()
    second.write_bytes(b"short")
    with (out / MANIFEST).open("ab") as lines:
        lines.write(b'{"file":"T0000001/S00')  # a line that a crash cut short
    # As some editors leave it: another kind of white space inside a line.
    (out / MANIFEST).write_bytes((out / MANIFEST).read_bytes().replace(b'",', b'",\r'))
    again = run("export", "--all", "--json", out)
    assert (again.code, again.json["written"], again.json["there"]) == (0, 2, 7)
    assert (out / MANIFEST).read_bytes().count(b"\n") == 12


def test_what_was_altered_in_the_same_size_is_found_when_asked_for(
    filled: Any, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run("export", "--all", out)
    first, second, third, *_ = images(out)
    sound = first.read_bytes()
    altered = bytearray(sound)
    altered[-1] ^= 1
    first.write_bytes(altered)
    second.unlink()
    second.symlink_to(third)
    assert run("export", "--all", "--json", out).json["written"] == 1  # the link is no file
    verified = run("export", "--all", "--verify", "--json", out)
    assert (verified.code, verified.json["again"], verified.json["there"]) == (0, 1, 8)
    assert first.read_bytes() == sound
    assert not second.is_symlink()


def test_a_link_in_the_folder_leads_nowhere(filled: Any, run: Run, tmp_path: Path) -> None:
    for number, spot in enumerate(("T0000001", "T0000001/S0000001", PARTS, "DICOMDIR", MANIFEST)):
        out, elsewhere = tmp_path / f"out{number}", tmp_path / f"elsewhere{number}"
        elsewhere.mkdir()
        if spot != MANIFEST:
            assert run("export", "1.2.6", "--json", out).code == 0
        planted = out / spot
        planted.parent.mkdir(exist_ok=True, parents=True)
        if spot == "DICOMDIR":
            planted.unlink()
        planted.symlink_to(elsewhere / "file" if spot in ("DICOMDIR", MANIFEST) else elsewhere)
        ran = run("export", "--all", out)
        assert ran.code == (spot != "DICOMDIR"), spot  # that one is replaced
        assert "link" in ran.err or ran.code == 0, spot
        assert list(elsewhere.iterdir()) == [], spot


def test_a_file_larger_than_the_disk_takes_fails_alone(
    filled: Any, run: Run, start: Any, dicom: Any, inbox: Path, tmp_path: Path
) -> None:
    """As FAT's 4 GB."""
    (inbox / "large.dcm").write_bytes(dicom.file(50, rows=1024))
    run("import", inbox)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limit[1]))
    try:
        ran = run("export", "--all", "--json", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert [each["code"] for each in ran.json["failed"]] == ["file-too-large"]
    assert (ran.code, ran.json["written"], ran.json["in_directory"]) == (1, 9, 9)


def test_two_at_once(filled: Any, run: Run, tmp_path: Path) -> None:
    with closing(ExportFolder(tmp_path / "out", "x", Limits())):
        ran = run("export", "--all", tmp_path / "out")
    assert ran.code == 1
    assert "Another export is writing to this folder" in ran.err


def test_a_folder_that_vanishes(
    filled: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, secure = tmp_path / "out", ExportFolder.secure

    def gone(*given: Any) -> Any:
        shutil.rmtree(out, ignore_errors=True)
        return secure(*given)

    with monkeypatch.context() as patch:
        patch.setattr(ExportFolder, "secure", gone)
        ran = run("export", "--all", "--json", out)
    assert (ran.code, ran.json["written"]) == (1, 0)
    assert "cannot be written" in ran.json["stopped"]
    assert run("export", "--all", "--json", out).json["written"] == 9


@pytest.mark.parametrize("truncates", [True, False], ids=["", "nor can it be cut off"])
def test_half_a_line_of_the_manifest_does_no_harm(
    filled: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, truncates: bool
) -> None:
    out, left = tmp_path / "out", [300]

    def write(descriptor: int, data: memoryview) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= (some := min(left[0], len(data)))
        return os.write(descriptor, data[:some])

    def no(descriptor: int, size: int) -> None:
        if size < os.fstat(descriptor).st_size:
            raise OSError(errno.EIO, "x")

    assert run("export", "1.2.6", "--json", out).code == 0
    with monkeypatch.context() as patch:
        patch.setattr("leadglass.archive.export_crew.FILES", 2)
        patch.setattr(
            "leadglass.archive.export_manifest.write_all", lambda _, *given: write_all(write, *given)
        )
        if not truncates:
            patch.setattr("leadglass.archive.export_manifest.os.ftruncate", no)
        ran = run("export", "--all", "--json", out)
    assert ran.code == 1
    again = run("export", "--all", "--json", out)
    assert (again.code, again.json["there"] + again.json["written"], again.json["agree"]) == (0, 9, 9)


def test_a_bad_disk_is_found_out(
    filled: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = ExportFolder.secure

    def turned(folder: Any, written: Any, digest: Any) -> Any:
        path = tmp_path / "out" / PARTS / f"I000000{written.row.id}"
        if written.row.id == 3:
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        return secure(folder, written, digest)

    monkeypatch.setattr(ExportFolder, "secure", turned)
    ran = run("export", "--all", "--json", tmp_path / "out")
    assert [each["code"] for each in ran.json["failed"]] == ["storage-failed"]
    assert (ran.code, ran.json["written"], len(images(tmp_path / "out"))) == (1, 8, 8)


def test_what_was_deleted_since_stays_and_is_said(filled: Any, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("user", "add", "pacs", "--role", "pacs_administrator")
    run("export", "--all", out)
    why = ("--reason", "asked for", "--as", "pacs", "--yes")
    assert run("delete", "1.2.4", *why).code == 0
    assert run("delete", "1.2.3", "--instance", "1.2.3.1.1", *why).code == 0
    ran = run("export", "--all", "--verify", out)
    assert ran.code == 0
    assert "6 there already and as written" in ran.out
    assert "3 files of an earlier run are of images no longer here" in ran.out
    assert len(images(out)) == 9
    assert len(FileSet(pydicom.dcmread(out / "DICOMDIR"))) == 6


def test_what_is_lost_is_said(filled: Any, run: Run, tmp_path: Path) -> None:
    victim = next(
        path for path in (filled.root / "objects").rglob("*") if path.is_file() and path.stat().st_size
    )
    victim.unlink()
    run("check", "--repair")
    ran = run("export", "--all", tmp_path / "out")
    assert ran.code == 1
    assert "1 image of these studies is lost on the archive's disk" in " ".join(ran.out.split())


def test_what_cannot_be_read_is_told_and_the_others_go_on(filled: Any, run: Run, tmp_path: Path) -> None:
    blobs = [path for path in (filled.root / "objects").rglob("*") if path.is_file() and path.stat().st_size]
    from leadglass.compose import open_home
    from leadglass.home import clock

    for victim in blobs[:2]:
        victim.write_bytes(bytes(len(victim.read_bytes())))
    with open_home(filled.root, os.environ, clock) as opened:
        change = sa.text("UPDATE instances SET digest = zeroblob(32) WHERE sop_instance_uid = '1.2.4.1.1'")
        opened.services.db.write(lambda tx: tx.execute(change, {})).result(30)
    ran = run("export", "--all", "--json", tmp_path / "out")
    codes = sorted(each["code"] for each in ran.json["failed"])
    assert codes in (["digest", "tampered", "tampered"], ["tampered", "tampered"])
    assert (ran.code, ran.json["written"], ran.json["in_directory"]) == (1, 9 - len(codes), 9 - len(codes))
    assert len(images(tmp_path / "out")) == 9 - len(codes)


def test_a_corrected_identity_leaves_corrected_and_goes_back_when_that_is_undone(
    filled: Any, run: Run, tmp_path: Path
) -> None:
    assert run("user", "add", "pacs", "--role", "pacs_administrator").code == 0
    why = ("--reason", "told by the ward", "--as", "pacs", "--yes", "--json")
    out, received = tmp_path / "out", digests(filled.root)
    run("export", "--all", out)
    assert run("patient", "merge", "P-2", "P-1", *why).code == 0
    merged = run("export", "--all", "--json", out).json
    assert (merged["there"], merged["written"], merged["corrected"], merged["agree"]) == (7, 2, 2, 7)
    found = FileSet(pydicom.dcmread(out / "DICOMDIR"))
    assert patients(found) == ["NO-ID", "P-1"]
    assert {each.load().PatientID for each in found.find(StudyInstanceUID="1.2.4")} == {"P-1"}
    assert run("patient", "undo", "1", *why).code == 0
    undone = run("export", "--all", "--json", out).json
    assert (undone["there"], undone["written"], undone["corrected"], undone["agree"]) == (7, 2, 0, 9)
    newest = {line["uid"]: line["data_set"] for line in manifest(out)[1:]}
    assert newest == {uid: digest.hex() for uid, digest in received.items()}


WRONG: tuple[tuple[list[str], int, str], ...] = (
    (["--all", "1.2.3", "OUT"], 2, "Either --all"),
    (["OUT"], 2, "which studies"),
    (["no-uid", "OUT"], 2, "no UID"),
    (["--all", "HOME/out"], 2, "home itself"),
    (["--all", "FULL"], 1, "not empty"),
    (["--all", "OTHER"], 1, "another home"),
    (["--all", "ALTERED"], 1, "was altered"),
    (["--all", "NOTES"], 1, "was altered"),
)


def test_wrong_use_is_told_and_nothing_is_written(home: Any, run: Run, tmp_path: Path) -> None:
    contents = {"FULL": ("else.txt", "x"), "OTHER": (MANIFEST, "{}\n"), "ALTERED": (MANIFEST, "[]\n")}
    contents["NOTES"] = (MANIFEST, "what somebody noted, without an end of line")
    for name, (file, text) in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(text)
    places = {name: str(tmp_path / name) for name in (*contents, "OUT")} | {
        "HOME/out": str(home.root / "out")
    }
    for arguments, code, words in WRONG:
        ran = run("export", *(places.get(each, each) for each in arguments))
        assert ran.code == code, arguments
        assert words in " ".join((ran.out + ran.err).replace("│", " ").split())
    assert (tmp_path / "NOTES" / MANIFEST).read_text() == contents["NOTES"][1]
    assert not images(tmp_path)
    assert not (home.root / "out").exists()


def test_a_user_exports_what_is_theirs_and_not_everybody_may(filled: Any, run: Run, tmp_path: Path) -> None:
    for name, role in (("pacs", "pacs_administrator"), ("doc", "radiologist")):
        run("user", "add", name, "--role", role, "--department", "Elsewhere", "--password-stdin",
            stdin="lusab-babad-gutih-tugad-mohis\n")  # fmt: skip
    nothing = run("export", "--all", "--json", "--as", "pacs", tmp_path / "out")
    assert (nothing.code, nothing.json["studies"]) == (0, 0)
    foreign = run("export", "1.2.3", "--json", "--as", "pacs", tmp_path / "out")
    assert (foreign.code, foreign.json["lacking"]) == (1, ["1.2.3"])
    denied = run("export", "--all", "--as", "doc", tmp_path / "no")
    assert denied.code == 1
    assert not (tmp_path / "no").exists()
