"""log show, verify, export."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def filled(home: Any, run: Run, dicom: Any, inbox: Path) -> Any:
    (inbox / "one.dcm").write_bytes(dicom.file(1, patient_id="P-1"))
    (inbox / "two.dcm").write_bytes(dicom.file(2, study="1.2.4", series="1.2.4.1", patient_id="P-2"))
    assert run("import", inbox).code == 0
    assert run("user", "add", "aud", "--role", "auditor").code == 0
    return home


def test_what_is_shown_can_be_narrowed(filled: Any, run: Run) -> None:
    def found(*arguments: str) -> list[tuple[str, list[str]]]:
        return [(e["action"], e["patients"]) for e in run("log", "show", "--json", *arguments).json]

    assert found("--patient", "P-2") == [("object.store", ["P-2"])]
    assert found("--study", "1.2.3") == [("object.store", ["P-1"])]
    assert found("--action", "user.add") == [("user.add", [])]
    assert found("--user", f"operator:{os.getuid()}", "--limit", "1", "--action", "user.add") == [
        ("user.add", [])
    ]
    assert found("--until", "2001-01-01") == []
    assert found("--user", "aud") == []
    assert len(found("--since", "2001-01-01", "--action", "object.store")) == 2
    newest = run("log", "show", "--json", "--limit", "1").json[0]["seq"]
    assert run("log", "show", "--json", "--before", str(newest), "--limit", "1").json[0]["seq"] == newest - 1


def test_showing_is_recorded_and_as_whom(filled: Any, run: Run) -> None:
    shown = run("log", "show", "--as", "aud", "--limit", "1")
    assert "--before" in shown.err
    newest, *_ = run("log", "show", "--action", "record.read", "--json").json
    assert newest["actor_name"] == "aud"
    assert run("log", "show", "--patient", "P-1", "--user", "AUD").code == 0


def test_one_of_something_is_counted_as_one(filled: Any, run: Run) -> None:
    assert run("user", "add", "pacs", "--role", "pacs_administrator").code == 0
    run("patient", "correct", "P-1", "--sex", "O", "--reason", "told", "--yes", "--as", "pacs")
    lines = run("log", "show", "--action", "identity.correct").out.splitlines()
    assert any("1 instance, 1 study" in line for line in lines)


def test_an_empty_answer_says_so(filled: Any, run: Run) -> None:
    ran = run("log", "show", "--patient", "nobody")
    assert (ran.code, ran.out, "nothing" in ran.err) == (0, "", True)


def test_a_patient_id_cannot_steer_the_terminal(home: Any, run: Run, dicom: Any, inbox: Path) -> None:
    (inbox / "one.dcm").write_bytes(dicom.file(1, patient_id="P\u202e-1"))
    run("import", inbox)
    ran = run("log", "show")
    assert "\u202e" not in ran.out
    assert "\u202e" not in run("log", "show", "--json").out


def test_verify(filled: Any, run: Run) -> None:
    ran = run("log", "verify")
    assert (ran.code, "verifies" in ran.out) == (0, True)
    found = run("log", "verify", "--json").json
    assert (found["ok"], found["problems"]) == (True, [])
    assert len(found["root"]) == 64


def test_an_altered_entry_is_named(filled: Any, run: Run) -> None:
    from leadglass.db.sqlcipher import SealedFile
    from leadglass.home import open_master, read_home
    from leadglass.store.keys import Keyring

    here = read_home(filled.root)
    engine = SealedFile(
        here.database, Keyring.from_master(open_master(here, os.environ)).database_key
    ).engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE log_entries SET body = replace(body, 'P-1', 'P-9') WHERE seq = 0")
    engine.dispose()
    ran = run("log", "verify")
    assert (ran.code, "first bad entry is 0" in ran.out) == (1, True)
    assert run("log", "verify", "--json").json["first_bad"] == 0
    assert run("check").code == 1


def test_an_export_verifies_with_nothing_but_the_key(
    filled: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = run("status", "--json").json["record_key"]
    file = tmp_path / "record.jsonl"
    ran = run("log", "export", "--output", file)
    assert (ran.code, ran.out) == (0, "")
    assert key in ran.err
    monkeypatch.setenv("LEADGLASS_HOME", str(tmp_path / "nowhere"))
    assert run("log", "verify", "--file", file, "--key", key).code == 0
    lines = file.read_bytes().splitlines(keepends=True)
    assert json.loads(json.loads(lines[-2])["body"])["action"] == "record.export"
    file.write_bytes(b"".join(lines[:1] + lines[2:]))
    cut = run("log", "verify", "--file", file, "--key", key, "--json")
    assert (cut.code, cut.json["first_bad"]) == (1, 1)
    assert run("log", "verify", "--file", file, "--key", "x+y+z").code == 1
    assert run("log", "verify", "--file", tmp_path / "absent", "--key", key).code == 1


def test_an_export_does_not_replace_a_file(filled: Any, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    assert run("log", "export", "--output", tmp_path / "mine").code == 1
    assert (tmp_path / "mine").read_text() == "mine"


def test_an_export_goes_to_standard_output(filled: Any, start: Run) -> None:
    ran = start("log", "export").end()
    assert ran.code == 0
    assert "checkpoint" in ran.out.splitlines()[-1]


def test_who_may_not_read_the_record_cannot_export_it(filled: Any, run: Run, tmp_path: Path) -> None:
    run("user", "add", "dr", "--role", "radiologist")
    ran = run("log", "export", "--as", "dr", "--output", tmp_path / "out")
    assert ran.code == 1
    assert (tmp_path / "out").read_bytes() == b""
