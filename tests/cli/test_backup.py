"""leadglass backup and restore as an administrator types them, beside a running server."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def machine(place: Any, run: Run, inbox: Path, dicom: Any) -> str:
    """A home with three images. Its recovery key."""
    made = run("init", "--json").json
    for number in (1, 2, 3):
        (inbox / f"{number}.dcm").write_bytes(dicom.file(number))
    assert run("import", inbox).code == 0
    return str(made["recovery_key"])


def blank(place: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another machine."""
    user = place.user.with_name("blank")
    user.mkdir()
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("LEADGLASS_HOME", str(user / "home"))
    return user / "home"


def test_lost_and_restored(
    machine: str,
    place: Any,
    run: Run,
    start: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dicom: Any,
) -> None:
    folder, more = tmp_path / "backups", tmp_path / "more"
    assert "There is no back-up" in run("status").err
    server = start("serve", "--http", "127.0.0.1:0")
    server.until("Ctrl-C")
    first = run("backup", folder)
    assert (first.code, "Objects  3" in first.out) == (0, True)
    more.mkdir()
    (more / "4.dcm").write_bytes(dicom.file(4))
    assert run("import", more).code == 0
    second = run("backup", folder, "--json").json
    assert (second["end"]["objects"], second["copied"], second["missing"]) == (4, 1, 0)
    status = run("status")
    assert "less than an hour ago" in status.out and str(folder) in status.out
    assert "back-up" not in status.err
    drilled = run("backup", folder, "--drill", "--json").json
    assert drilled["ok"] and drilled["objects"] == 4 and drilled["seconds"] >= 0
    assert run("backup", folder, "--verify").code == 0
    server.kill()
    shutil.rmtree(place.user)

    root = blank(place, monkeypatch)
    restored = run("restore", folder, "--json", stdin=machine.lower())
    assert restored.code == 0, restored.err
    assert restored.json["objects"] == 4
    assert run("check", "--deep").code == 0
    assert run("log", "verify").code == 0
    assert run("log", "show", "--action", "system.restore", "--json").json[0]["detail"]["generation"]
    assert Path(restored.json["master_key_file"]).is_file()
    again = run("restore", folder, stdin=machine)
    assert (again.code, "already" in again.err) == (1, True)
    assert (root / "home.json").is_file()


def test_what_it_prints(
    machine: str, place: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    names = [run("backup", folder, "--json").json["generation"] for _ in range(3)]
    kept = run("backup", folder, "--keep", "2")
    assert "2 older back-ups, 0 objects" in kept.out and not kept.err
    listed = run("backup", folder, "--list", "--json").json
    assert listed[0]["generation"] == names[2] and len(listed) == 2
    assert names[2] in run("backup", folder, "--list").out
    assert "every one compared" in run("backup", folder, "--drill").out
    assert "Every file is as it was written." in run("backup", folder, "--verify").out
    path = next(path for path in (folder / "objects").rglob("*") if path.is_file())
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for option, said in (("--verify", path.name), ("--drill", "does NOT restore")):
        ran = run("backup", folder, option)
        assert (ran.code, said in ran.out) == (1, True)
    blank(place, monkeypatch)
    ran = run("restore", folder, stdin=machine)
    assert (ran.code, path.name in ran.err) == (1, True)
    path.write_bytes(content)
    ran = run("restore", folder, stdin=machine)
    assert ran.code == 0
    for said in ("Read this", "have it sent again", "two continuations", "sign in again"):
        assert said in ran.out


def test_sentences(
    machine: str, place: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    for command in (("--list",), ("--verify",), ("--drill",)):
        ran = run("backup", folder, *command)
        assert (ran.code, "Is its disk there" in ran.err) == (1, True)
    assert run("backup", folder).code == 0
    shutil.rmtree(folder)
    assert "the last back-up went there" in run("backup", folder).err
    blank(place, monkeypatch)
    assert "leadglass init" in run("backup", folder).err
    folder.mkdir()
    assert "no back-ups" in run("restore", folder, stdin=machine).err


@pytest.mark.parametrize(
    "options",
    [
        ("--list", "--verify"),
        ("--drill", "--keep", "3"),
        ("--scratch", "x"),
        ("--generation", "x"),
        ("--keep", "0"),
        (),
    ],
)
def test_wrong_use(run: Run, options: tuple[str, ...]) -> None:
    assert run("backup", *(("folder", *options) if options else ())).code == 2


def test_an_old_one_is_warned_of() -> None:
    from leadglass.archive.backup import Last
    from leadglass.cli.backup import backup_age, backup_warnings

    hour = 3_600_000
    last = Last(1_800_000_000_000, "/mnt/b", 0)
    assert backup_age(None, 0) == "never"
    assert backup_age(last, last.at - 5).startswith("less than an hour ago")
    assert backup_age(last, last.at + 50 * hour).startswith("50 hours ago, 2027-01-15")
    assert backup_age(last, last.at + 240 * hour).startswith("10 days ago")
    assert backup_warnings(None, 0, 0) == []
    assert backup_warnings(last, last.at + hour, 5) == []
    assert "7 days" in backup_warnings(last, last.at + 200 * hour, 5)[0]
    assert "2 objects" in backup_warnings(Last(last.at, "", 2), last.at, 5)[0]
    assert "clock was wrong" in backup_warnings(last, last.at - 2 * 24 * 3_600_000, 5)[0]


def test_sigterm_ends_it_in_order(
    machine: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ctrl-C does: said, on the record, and no scratch home is left of a drill."""
    folder = str(tmp_path / "vault")
    assert machine and run("backup", folder).code == 0
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("leadglass.restoring.require_rows", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    stopped = run("backup", folder, "--drill", "--scratch", str(tmp_path))
    assert stopped.code == 1 and "Stopped." in stopped.err
    assert not list(tmp_path.glob("leadglass-drill-*"))
    assert signal.getsignal(signal.SIGTERM) is before
