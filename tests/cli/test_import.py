"""import: what goes in, what is refused and in which words, and how it stops."""

from __future__ import annotations

import io
import os
import signal
import stat
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def nested(dicom: Any, depth: int) -> bytes:
    """Sequences of undefined length, one in the other."""
    opening = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return (opening + item) * depth + bytes(dicom.data_set())


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


# What an issue lists under "what bad input gets": a name, how to make it, words that its sentence holds.
BAD: tuple[tuple[str, Callable[[Any], bytes], str], ...] = (
    ("no-dicom", lambda d: b"Dear Sir or Madam, " * 50, "DICOM"),
    ("empty", lambda d: b"", "DICOM"),
    ("truncated", lambda d: d.file()[:-100], "cut off"),
    ("truncated-head", lambda d: d.file()[:300], "cut off"),
    ("length-too-long", lambda d: d.part10(d.data_set(pixels=b"\0" * 8)[:-12] + b"\xff\xff\xff\x0f"), ""),
    ("length-odd-end", lambda d: d.part10(d.element(0x00100010, "PN", "A^B")[:-3] + b"\xff"), ""),
    ("nested-too-deep", lambda d: d.part10(nested(d, 5000)), "deep"),
    ("no-instance", lambda d: d.part10(d.data_set(instance="")), "SOP Instance UID"),
    ("illegal-uid", lambda d: d.part10(d.data_set(instance="../../etc/passwd")), "UID"),
    ("illegal-study-uid", lambda d: d.part10(d.data_set(study="1.2.x")), "UID"),
    ("long-uid", lambda d: d.part10(d.data_set(instance="1." + "2" * 63)), "UID"),
    (
        "header-bomb",
        lambda d: d.part10(d.element(0x00050010, "LO", "") * 1_100_000 + d.data_set()),
        "elements",
    ),
    (
        "deflate-bomb",
        lambda d: d.part10(
            deflated(b"".join(d.element(0x00091000 + n, "UT", b" " * (3 << 20)) for n in range(60))),
            syntax="1.2.840.10008.1.2.1.99",
        ),
        "",
    ),
)


def test_what_is_bad_is_refused_in_one_sentence_and_the_rest_goes_in(
    home: Any, run: Run, dicom: Any, inbox: Path
) -> None:
    for name, make, _ in BAD:
        (inbox / f"{name}.dcm").write_bytes(make(dicom))
    (inbox / "a-good.dcm").write_bytes(dicom.file(1))
    (inbox / "z-good.dcm").write_bytes(dicom.file(2))

    ran = run("import", "--json", inbox)

    assert ran.code == 1
    assert ran.json["stored"] == 2
    sentences = {Path(each["file"]).stem: each["reason"] for each in ran.json["refused_files"]}
    assert sentences.keys() == {name for name, _, _ in BAD}
    for name, _, words in BAD:
        assert words in sentences[name], name
        assert sentences[name].endswith("."), name
    found = run("check", "--deep", "--json").json
    assert (found.pop("ok"), found.pop("deep"), found.pop("objects")) == (True, True, 2)
    assert found.pop("record")
    assert not any(found.values()), found


@pytest.mark.parametrize(("name", "make", "words"), BAD, ids=[name for name, _, _ in BAD])
def test_each_refusal_is_listed_for_people(
    home: Any, run: Run, dicom: Any, inbox: Path, name: str, make: Callable[[Any], bytes], words: str
) -> None:
    (inbox / f"{name}.dcm").write_bytes(make(dicom))
    ran = run("import", inbox)
    assert ran.code == 1
    assert f"{name}.dcm" in ran.out
    assert words in ran.out
    assert "1 refused" in ran.out
    assert "Traceback" not in ran.err


def test_names_of_files_cannot_steer_the_terminal_and_go_nowhere_else(
    home: Any, run: Run, dicom: Any, inbox: Path
) -> None:
    (inbox / "Müller\x1b[2J\u202egpj.dcm").write_bytes(b"no")
    (inbox / os.fsdecode(b"caf\xe9-anna.dcm")).write_bytes(dicom.file())
    ran = run("import", inbox)
    assert "Müller\\x1b[2J\\u202egpj.dcm" in ran.out
    assert "\x1b[2J" not in ran.out + ran.err
    found = run("log", "show", "--json")
    assert "anna.dcm" not in found.out


def test_the_same_again_is_fine_and_other_content_is_kept_aside(
    home: Any, run: Run, dicom: Any, inbox: Path
) -> None:
    (inbox / "one.dcm").write_bytes(dicom.file(1))
    assert run("import", inbox).code == 0
    again = run("import", "--json", inbox)
    assert (again.code, again.json["duplicates"], again.json["stored"]) == (0, 1, 0)
    (inbox / "one.dcm").write_bytes(dicom.file(1, fill=8))
    other = run("import", "--json", inbox)
    assert (other.code, other.json["kept_aside"]) == (1, 1)
    assert "SOP Instance UID" in other.json["kept_aside_files"][0]["reason"]
    shown = run("import", inbox)
    assert (shown.code, "already here" in shown.out) == (
        0,
        True,
    )  # the same contradiction again is nothing new


def test_no_room_aside_keeps_nothing_else_out(
    home: Any, run: Run, dicom: Any, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADGLASS_LIMITS_QUARANTINE_SOURCE_MIB", "1")
    (inbox / "1.dcm").write_bytes(dicom.file(1))
    assert run("import", inbox).code == 0
    (inbox / "1.dcm").write_bytes(dicom.file(1, pixels=bytes(2 << 20)))  # contradicts, and is too large
    for number in range(2, 60):
        (inbox / f"{number}.dcm").write_bytes(dicom.file(number))
    ran = run("import", "--json", inbox)
    assert (ran.code, ran.json["stored"], ran.json["stopped"]) == (1, 58, None)
    assert [each["code"] for each in ran.json["refused_files"]] == ["aside-full"]


def test_folders_zips_and_media(home: Any, run: Run, dicom: Any, inbox: Path) -> None:
    (inbox / "disc" / "DICOM").mkdir(parents=True)
    (inbox / "disc" / "DICOMDIR").write_bytes(b"a directory record")
    (inbox / "disc" / "DICOM" / "IM000001").write_bytes(dicom.file(1))
    with zipfile.ZipFile(inbox / "two.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../../etc/passwd", dicom.file(2))
        archive.writestr("folder/DICOMDIR", b"another")
        archive.writestr("folder/", b"")
        archive.writestr("folder/IM3", dicom.file(3))
    single = inbox.parent / "single.dcm"
    single.write_bytes(dicom.file(4))
    ran = run("import", "--json", inbox, single)
    assert (ran.code, ran.json["stored"]) == (0, 4)


def test_links_are_not_followed_out_of_a_folder(home: Any, run: Run, dicom: Any, inbox: Path) -> None:
    outside = inbox.parent / "outside.dcm"
    outside.write_bytes(dicom.file(1))
    (inbox / "out.dcm").symlink_to(outside)
    (inbox / "in.dcm").write_bytes(dicom.file(2))
    (inbox / "again.dcm").symlink_to(inbox / "in.dcm")
    (inbox / "loop").symlink_to(inbox)
    ran = run("import", "--json", inbox)
    assert (ran.code, ran.json["stored"], ran.json["duplicates"]) == (1, 1, 0)
    (refused,) = ran.json["refused_files"]
    assert refused["file"].endswith("out.dcm")
    assert run("import", "--json", inbox / "out.dcm").json["stored"] == 1  # named by hand: meant


@pytest.mark.usefixtures("deep")
def test_links_in_a_circle_and_folders_nested_deep_hold_nothing_up(
    home: Any, run: Run, dicom: Any, inbox: Path
) -> None:
    (inbox / "a").symlink_to("b")
    (inbox / "b").symlink_to("a")
    (inbox / "z.dcm").write_bytes(dicom.file(1))
    Path("deep.dcm").write_bytes(dicom.file(2))
    ran = run("import", "--json", inbox)
    assert (ran.code, ran.json["stored"], ran.json["refused"]) == (0, 2, 0)


def test_what_ends_an_import_too_early_is_told(
    home: Any, run: Run, dicom: Any, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours in a thread: whoever looks at the exit status must not take it for an end."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("ROTH^ANNA")

    (inbox / "one.dcm").write_bytes(dicom.file(1))
    monkeypatch.setattr("leadglass.cli.sources._file", broken)
    ran = run("import", inbox)
    assert ran.code == 1
    assert "The import failed: RuntimeError." in ran.err
    assert "ROTH" not in ran.out + ran.err


def test_a_name_of_any_length_leaves_room_for_the_reason(
    home: Any, run: Run, dicom: Any, inbox: Path
) -> None:
    with zipfile.ZipFile(inbox / "names.zip", "w") as archive:
        archive.writestr("x" * 10_000 + ".dcm", b"text")
    ran = run("import", inbox)
    assert "Too short to be a DICOM file." in ran.out
    assert len(ran.out) < 2000


def test_what_is_no_file_neither_blocks_nor_goes_in(home: Any, run: Run, inbox: Path) -> None:
    os.mkfifo(inbox / "fifo.dcm")
    ran = run("import", "--json", inbox, inbox / "absent.dcm", "/dev/zero")
    assert ran.code == 1
    reasons = {Path(each["file"]).name: each["code"] for each in ran.json["refused_files"]}
    assert reasons == {"fifo.dcm": "special", "absent.dcm": "unreadable", "zero": "special"}


def test_bad_zips(home: Any, run: Run, dicom: Any, inbox: Path) -> None:
    good = io.BytesIO()
    with zipfile.ZipFile(good, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.dcm", dicom.file(1))
        archive.writestr("two.dcm", dicom.file(2, rows=64))
        archive.writestr("three.dcm", dicom.file(3))
    whole = good.getvalue()
    encrypted = bytearray(whole)
    for place in [n for n in range(len(whole)) if whole.startswith(b"PK\x01\x02", n)]:
        encrypted[place + 8] |= 1
    (inbox / "encrypted.zip").write_bytes(encrypted)
    (inbox / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (inbox / "flipped.zip").write_bytes(whole[:250] + bytes([whole[250] ^ 255]) + whole[251:])
    with zipfile.ZipFile(inbox / "inner.zip", "w") as archive:
        archive.writestr("nested.zip", whole)
    with zipfile.ZipFile(inbox / "method.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("one.dcm", dicom.file(9))
    with zipfile.ZipFile(nameless := io.BytesIO(), "w") as archive:
        archive.writestr("NAME", dicom.file(10))
    # What zipfile takes for no name at all.
    (inbox / "nameless.zip").write_bytes(nameless.getvalue().replace(b"NAME", b"\0AME"))

    ran = run("import", "--json", inbox)

    assert ran.code == 1
    codes = {
        each["file"].removeprefix(str(inbox)).lstrip("/"): each["code"] for each in ran.json["refused_files"]
    }
    flipped = {name: code for name, code in codes.items() if name.startswith("flipped.zip")}
    assert codes.items() - flipped.items() == {
        ("encrypted.zip", "zip-encrypted"),
        ("cut.zip", "zip-damaged"),
        ("inner.zip/nested.zip", "zip-in-zip"),
        ("method.zip/one.dcm", "zip-method"),
    }
    assert set(flipped.values()) <= {"zip-damaged", "malformed", "not-dicom"}
    assert len(flipped) == 1
    assert ran.json["stored"] == 2 + 1  # what the flipped one still holds, and the nameless one


def test_a_zip_bomb_is_cut_off(
    home: Any, run: Run, dicom: Any, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADGLASS_LIMITS_ZIP_RATIO", "10")
    monkeypatch.setattr("leadglass.cli.sources.FREE_RATIO", 1 << 20)
    with zipfile.ZipFile(inbox / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.dcm", dicom.file(1, pixels=bytes(8 << 20)))
        archive.writestr("good.dcm", dicom.file(2))
    ran = run("import", "--json", inbox)
    assert (ran.code, ran.json["stored"]) == (1, 1)
    assert [each["code"] for each in ran.json["refused_files"]] == ["zip-ratio"]


def test_a_zip_of_too_many_members_is_not_even_listed(
    home: Any, run: Run, dicom: Any, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADGLASS_LIMITS_ZIP_MEMBERS", "2")
    with zipfile.ZipFile(inbox / "many.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.dcm", dicom.file(number))
    monkeypatch.setattr("zipfile.ZipFile", None)
    ran = run("import", "--json", inbox)
    assert (ran.code, ran.json["refused_files"][0]["code"]) == (1, "limit")
    monkeypatch.setenv("LEADGLASS_LIMITS_ZIP_MEMBERS", "3")
    monkeypatch.setattr(
        "leadglass.cli.sources.DIRECTORY_BYTES", 100
    )  # few members, in a directory of any size
    ran = run("import", "--json", inbox)
    assert (ran.code, ran.json["refused_files"][0]["code"]) == (1, "limit")


def test_an_object_larger_than_allowed(
    home: Any, run: Run, dicom: Any, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADGLASS_LIMITS_OBJECT_MIB", "1")
    (inbox / "large.dcm").write_bytes(dicom.file(1, pixels=bytes(2 << 20)))
    ran = run("import", "--json", inbox)
    assert (ran.code, ran.json["refused_files"][0]["code"]) == (1, "object-too-large")


def test_departments_and_acting_as(home: Any, run: Run, dicom: Any, inbox: Path) -> None:
    (inbox / "one.dcm").write_bytes(dicom.file(1))
    assert run("user", "add", "tech", "--role", "technologist", "--department", "Radiology").code == 0
    assert run("user", "add", "aud", "--role", "auditor").code == 0
    denied = run("import", "--as", "aud", inbox)
    assert (denied.code, "right" in denied.err) == (1, True)
    assert run("import", "--as", "tech", "--department", "radiology", inbox).code == 0
    assert run("import", "--as", "nobody", inbox).code == 1
    entries = run("log", "show", "--action", "object.store", "--json").json
    assert [entry["actor_name"] for entry in entries if entry["outcome"] == "allowed"] == ["tech"]


def test_the_first_interrupt_finishes_what_is_under_way(
    home: Any, start: Run, run: Run, inbox: Path, dicom: Any
) -> None:
    for number in range(1200):
        (inbox / f"{number:04}.dcm").write_bytes(dicom.file(number))
    # On a disk so slow that it is not done before somebody who is kept waiting himself has seen it at work.
    slow = "import os, time; sync = os.fsync; os.fsync = lambda file: (time.sleep(0.01), sync(file))[1]; "
    process = start("import", "--json", inbox, code=slow)
    while sum(1 for _ in (home.root / "objects").rglob("*")) < 100:
        os.sched_yield()
    ran = process.stop(signal.SIGINT)
    assert ran.code == 1
    assert ran.json["interrupted"] is True
    assert 0 < ran.json["stored"] < 1200
    assert "Traceback" not in ran.err
    report = run("check", "--deep", "--json").json
    assert (report["ok"], report["objects"], report["orphans"]) == (True, ran.json["stored"], 0)
    rest = run("import", "--json", inbox).json
    assert (rest["stored"] + ran.json["stored"], rest["duplicates"]) == (1200, ran.json["stored"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """8 MB of disk. Needs root: the message says what was not tried."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]
    mount = subprocess.run(command, capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("NOT TRIED: a full disk. Mounting a tmpfs needs root.")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_stops_the_import_and_loses_nothing(
    place: Any, small_disk: Path, run: Run, dicom: Any, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADGLASS_HOME", str(small_disk / "home"))
    assert run("init").code == 0
    for number in range(40):
        (inbox / f"{number:02}.dcm").write_bytes(dicom.file(number, rows=512))
    ran = run("import", "--json", inbox)
    assert ran.code == 1
    assert 0 < ran.json["stored"] < 40
    assert "disk" in ran.json["stopped"]
    assert "The import stopped" in ran.err
    report = run("check", "--deep", "--json").json
    assert (report["ok"], report["objects"]) == (True, ran.json["stored"])
    assert run("log", "show", "--limit", "1", "--json").code == 0  # the record's space was kept back


def test_nothing_is_unpacked_or_spooled(
    home: Any, start: Run, dicom: Any, inbox: Path, tmp_path: Path
) -> None:
    """With a temporary folder that cannot be written to, and nothing in it afterwards."""
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with zipfile.ZipFile(inbox / "one.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.dcm", dicom.file(1, pixels=bytes(3 << 20)))
    os.environ["TMPDIR"], before = str(closed), os.environ.get("TMPDIR")
    try:
        ran = start("import", "--json", inbox).end()
    finally:
        del os.environ["TMPDIR"]
        if before:
            os.environ["TMPDIR"] = before
    assert ran.json["stored"] == 1
    assert list(closed.iterdir()) == []
