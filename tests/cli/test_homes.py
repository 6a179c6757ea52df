"""init, status, check: and every way a home can refuse to open."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def digests(folder: Path) -> dict[str, str]:
    """What is in a folder; SQLite's own side files come and go with every reader."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def key_file(place: Any) -> Path:
    (found,) = (place.user / ".config" / "leadglass").iterdir()
    return Path(found)


def test_init_says_what_to_keep_and_what_to_do_next(place: Any, run: Run) -> None:
    ran = run("init")
    assert ran.code == 0
    key = key_file(place)
    for said in (str(place.root), str(key), "http://localhost:8080/set-up", "leadglass import"):
        assert said in ran.out
    assert not any(str(place.root).encode() in path.read_bytes() for path in place.root.rglob("*.json"))


def test_init_as_json_has_the_secrets_once(place: Any, run: Run) -> None:
    made = run("init", "--json").json
    assert set(made) == {"home", "id", "master_key_file", "recovery_key", "setup_page", "setup_code"}
    for path in [path for path in place.user.rglob("*") if path.is_file()]:
        content = path.read_bytes()
        assert made["recovery_key"].encode() not in content
        assert made["setup_code"].encode() not in content


def test_a_home_is_its_owners_alone(place: Any, start: Run) -> None:
    assert start("init", umask=0o022).end().code == 0
    for path in (place.root, *place.root.rglob("*"), key_file(place)):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) & ~wanted == 0, path


def test_init_leaves_an_existing_home_alone(home: Any, run: Run) -> None:
    before = digests(home.user)
    ran = run("init")
    assert ran.code == 1
    assert "already" in ran.err
    assert digests(home.user) == before


def test_init_wants_an_empty_folder(place: Any, run: Run) -> None:
    place.root.mkdir()
    (place.root / "letters.txt").write_text("mine")
    ran = run("init")
    assert (ran.code, "not empty" in ran.err) == (1, True)
    assert [path.name for path in place.root.iterdir()] == ["letters.txt"]
    assert not (place.user / ".config").exists()


def test_a_failed_init_leaves_nothing_behind(place: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADGLASS_STORAGE_RESERVE_MIB", "0")
    ran = run("init")
    assert (ran.code, "reserve_mib" in ran.err) == (1, True)
    monkeypatch.setenv("LEADGLASS_STORAGE_RESERVE_MIB", "1")
    monkeypatch.setattr("leadglass.compose.upgrade", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run("init").code == 1
    assert not place.root.exists()
    assert list((place.user / ".config" / "leadglass").iterdir()) == []


def test_without_a_home_every_command_says_how_to_make_one(place: Any, run: Run) -> None:
    for command in (
        ("status",),
        ("check",),
        ("user", "list"),
        ("log", "show"),
        ("import", place.user),
        ("serve",),
    ):
        ran = run(*command)
        assert ran.code == 1
        assert "leadglass init" in ran.err
    assert not place.root.exists()


def test_a_missing_key_is_named_and_nothing_is_touched(home: Any, run: Run) -> None:
    key_file(home).rename(home.user / "elsewhere.key")
    before = digests(home.root)
    ran = run("status")
    assert ran.code == 1
    assert ".config/leadglass" in ran.err
    assert "init --home" in ran.err
    assert "--recover" in ran.err
    assert digests(home.root) == before


def test_a_key_at_another_place_is_found_by_the_variable(
    home: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = home.user / "elsewhere.key"
    key_file(home).rename(elsewhere)
    monkeypatch.setenv("LEADGLASS_MASTER_KEY_FILE", str(elsewhere))
    assert run("status").code == 0


def test_another_homes_key_is_refused(home: Any, run: Run) -> None:
    mine = key_file(home)
    other = run("init", "--home", home.user / "other", "--json").json
    text = Path(other["master_key_file"]).read_text().replace(other["id"], mine.stem)
    mine.write_text(text)
    before = digests(home.root)
    ran = run("status")
    assert (ran.code, "is not that of the home" in ran.err) == (1, True)
    assert digests(home.root) == before


def test_a_key_that_others_can_read_is_refused(home: Any, run: Run) -> None:
    key_file(home).chmod(0o644)
    ran = run("status")
    assert (ran.code, "chmod 600" in ran.err) == (1, True)


def test_the_recovery_key_brings_the_master_key_back(place: Any, run: Run) -> None:
    recovery = run("init", "--json").json["recovery_key"]
    key = key_file(place)
    whole = key.read_bytes()
    key.unlink()
    ran = run("init", "--recover", stdin=f"{recovery.lower().replace('-', ' ')}\n")
    assert (ran.code, ran.out) == (0, "")
    assert key.read_bytes() == whole
    assert run("status").code == 0


@pytest.mark.parametrize(
    ("typed", "said"), [("", "40 in all"), ("7K2MQ", "5 were typed"), ("0" * 40, "mistyped")]
)
def test_a_wrong_recovery_key_writes_no_key(home: Any, run: Run, typed: str, said: str) -> None:
    key_file(home).unlink()
    ran = run("init", "--recover", stdin=f"{typed}\n")
    assert ran.code == 1
    assert said in ran.err
    assert list((home.user / ".config" / "leadglass").iterdir()) == []


def test_another_homes_recovery_key_is_refused(home: Any, run: Run) -> None:
    other = run("init", "--home", home.user / "other", "--json").json
    ran = run("init", "--recover", stdin=other["recovery_key"])
    assert (ran.code, "does not open this home" in ran.err) == (1, True)


def test_recovery_does_not_replace_a_key_that_is_there(place: Any, run: Run) -> None:
    recovery = run("init", "--json").json["recovery_key"]
    whole = key_file(place).read_bytes()
    assert run("init", "--recover", stdin=recovery).code == 1
    assert key_file(place).read_bytes() == whole


def test_a_home_of_a_later_format_is_not_touched(home: Any, run: Run) -> None:
    file = home.root / "home.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 2}))
    before = digests(home.root)
    for command in (("status",), ("serve",), ("import", home.user), ("init", "--recover")):
        ran = run(*command)
        assert (ran.code, "format 2" in ran.err) == (1, True), ran.err
    assert digests(home.root) == before


def test_a_database_of_a_later_version_is_not_touched(home: Any, run: Run) -> None:
    from leadglass.db.sqlcipher import SealedFile
    from leadglass.home import open_master, read_home
    from leadglass.store.keys import Keyring

    here = read_home(home.root)
    engine = SealedFile(
        here.database, Keyring.from_master(open_master(here, os.environ)).database_key
    ).engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    before = digests(home.root)
    ran = run("status")
    assert (ran.code, "later version" in ran.err) == (1, True)
    assert digests(home.root) == before


def test_a_lost_index_is_not_made_anew(home: Any, run: Run) -> None:
    for spoil in (lambda path: path.write_bytes(b""), lambda path: path.unlink()):
        spoil(home.root / "db" / "index.db")
        before = digests(home.root)
        ran = run("status")
        assert (ran.code, "index of the home" in ran.err) == (1, True)
        assert digests(home.root) == before


def test_an_answer_is_given_also_when_the_record_cannot_be_published(
    home: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadglass.compose import Opened
    from leadglass.errors import StorageFull, Tampered

    def publish(_: Opened) -> None:
        raise StorageFull("full")

    monkeypatch.setattr(Opened, "publish", publish)
    assert run("user", "add", "dr", "--role", "auditor").code == 0
    monkeypatch.setattr(Opened, "publish", lambda _: (_ for _ in ()).throw(Tampered("rolled back")))
    assert run("status").code == 1


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", '{"format": 1}', '{"format": 1, "id": "../../x"}', "\0" * 5000, "[" * 4000),
        *('{"format": 1e999}', '{"format": 1, "id": "0", "created": Infinity}'),
    ],
)
def test_a_damaged_home_file_is_called_that(home: Any, run: Run, content: str) -> None:
    (home.root / "home.json").write_text(content)
    ran = run("status")
    assert (ran.code, "is damaged" in ran.err) == (1, True)


def test_a_setting_that_is_none_is_named(home: Any, run: Run) -> None:
    (home.root / "config.toml").write_text("[http]\nadress = '127.0.0.1:80'\n")
    ran = run("status")
    assert (ran.code, "http.adress" in ran.err) == (1, True)


def test_status_counts_and_warns(home: Any, run: Run) -> None:
    found = run("status", "--json").json
    assert (found["studies"], found["instances"], found["served"]) == (0, 0, False)
    assert found["record_key"].startswith(f"leadglass/record/{found['id']}+")
    assert any("one device" in warning for warning in found["warnings"])
    shown = run("status")
    assert found["record_key"] in shown.out
    assert "one device" in shown.err


def test_the_database_is_no_plain_one(home: Any) -> None:
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        sqlite3.connect(home.root / "db" / "index.db").execute("SELECT * FROM sqlite_master").fetchall()


def test_check_finds_what_is_lost_altered_and_left_over(home: Any, run: Run, dicom: Any, inbox: Path) -> None:
    for number in range(3):
        (inbox / f"{number}.dcm").write_bytes(dicom.file(number, rows=300))
    assert run("import", inbox).code == 0
    assert run("check", "--json").json["ok"] is True

    first, second, _ = sorted((home.root / "objects").rglob("*/*"))
    first.unlink()
    with second.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        byte = file.read(1)
        file.seek(-5, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    (second.parent / ("0" * 30 + "ff")).write_bytes(b"orphan")
    orphan = home.root / "objects" / second.parent.name / (second.parent.name + "0" * 30)
    orphan.write_bytes(b"orphan")

    ran = run("check", "--deep", "--json")
    assert ran.code == 1
    assert ran.json["missing"] == [first.name]
    assert ran.json["altered"] == [second.name]
    assert ran.json["orphans"] == 1
    shown = run("check", "--deep")
    assert shown.code == 1
    assert first.name in shown.out
    assert "--collect-orphans" in shown.out

    collected = run("check", "--collect-orphans", "--json").json
    assert collected["collected"] == 1
    assert not orphan.exists()
