"""The machine is lost: a home out of its back-up and the recovery key, or a plain sentence and nothing at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.access.principal import Context, Kind, Principal, Role, Via, operator
from leadglass.compose import found_home, open_home
from leadglass.errors import (
    Conflict,
    HomeBusy,
    HomeNewer,
    KeyWrong,
    LeadglassError,
    NotFound,
    StorageFull,
    Tampered,
)
from leadglass.home import HALF, clock, parse_home, read_home, refounding
from leadglass.record.reader import entries
from leadglass.restoring import Drilled, Hand, Restored, drill, restore
from leadglass.store.recovery import new_recovery_key
from leadglass.store.vault import Vault
from leadglass.store.vault_label import LABEL

OPERATOR = operator(1000, "op")


def context() -> Context:
    return Context("", Via.COMMAND, clock())


HAND = Hand(OPERATOR, context, clock)


@dataclass
class Loss:
    """A machine with a home and its back-ups, and a blank one. `paper` is the recovery key."""

    folder: Path
    paper: str
    root: Path
    machine: dict[str, str]
    blank: Path
    objects: dict[str, bytes]

    @property
    def target(self) -> Path:
        return self.blank / "home"

    @property
    def environ(self) -> dict[str, str]:
        return {"HOME": str(self.blank), "LEADGLASS_STORAGE_RESERVE_MIB": "1"}

    def restore(self, **options: Any) -> Restored:
        paper = options.pop("paper", self.paper)
        return restore(self.folder, self.target, self.environ, lambda: paper, HAND, **options)

    def at_work(self, work: Callable[[Any], Any]) -> Any:
        """On the machine that is to be lost."""
        with open_home(self.root, self.machine, clock) as opened:
            return work(opened)

    def backup(self, **options: Any) -> Any:
        return self.at_work(
            lambda opened: opened.services.backups.make(OPERATOR, context(), self.folder, clock, **options)
        )

    def drill(self, **options: Any) -> Drilled:
        return self.at_work(lambda opened: drill(opened, self.folder, self.blank, HAND, **options))


def store(opened: Any, *files: bytes) -> None:
    ingest = opened.services.ingest
    for file in files:
        incoming = ingest.open(OPERATOR, 1, "test", context())
        incoming.write(file)
        incoming.finish().result(60)
    ingest.close()


def held(opened: Any) -> dict[str, bytes]:
    """Every object by its UID, opened with its key."""
    rows = sa.text("SELECT id, sop_instance_uid FROM instances")
    with opened.services.db.read() as connection:
        found = connection.execute(rows).all()
    objects = {}
    for number, uid in found:
        with opened.services.retrieve._objects.open(number) as reader:
            objects[uid] = b"".join(reader.chunks())
    return objects


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, dicom: Any) -> Path:
    """A machine with a home of four images and one back-up of it."""
    from leadglass.access.passwords import Cost

    user = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("leadglass.compose.HASH_COST", Cost(memory=8, passes=1, lanes=1))
        patch.setenv("LEADGLASS_STORAGE_RESERVE_MIB", "1")
        environ = {"HOME": str(user)}
        founded = found_home(user / "home", environ, clock())
        (user / "paper").write_text(founded.recovery_key)
        with open_home(user / "home", environ, clock) as opened:
            store(opened, *(dicom.file(number) for number in (1, 2, 3, 4)))
            opened.services.backups.make(OPERATOR, context(), user / "backups", clock)
    return user


@pytest.fixture
def loss(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dicom: Any) -> Loss:
    monkeypatch.setenv("LEADGLASS_STORAGE_RESERVE_MIB", "1")
    user, blank = tmp_path / "machine", tmp_path / "blank"
    shutil.copytree(made, user)
    blank.mkdir()
    objects = {f"1.2.3.1.{number}": dicom.file(number) for number in (1, 2, 3, 4)}
    paper = (user / "paper").read_text()
    return Loss(user / "backups", paper, user / "home", {"HOME": str(user)}, blank, objects)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def sealed_files_of(folder: Path) -> list[Path]:
    return [path for path in files_of(folder) if path.name != LABEL]


def flip(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at if at >= 0 else len(content) // 2] ^= 0x40
    path.write_bytes(content)


# --- all is well ------------------------------------------------------------------------------------------


def test_a_lost_machine_comes_back(loss: Loss) -> None:
    shutil.rmtree(loss.root)
    done = loss.restore()
    assert (done.objects, done.missing, done.key_was_there) == (4, 0, False)
    assert done.key_file.stat().st_mode & 0o077 == 0
    with open_home(loss.target, loss.environ, clock) as opened:
        assert held(opened) == loss.objects
        report = opened.services.upkeep.check(OPERATOR, context(), deep=True)
        assert report.ok and report.objects == 4
        assert opened.services.db.reserve.intact()
        with opened.services.db.read() as connection:
            last = entries(connection, limit=1)[0]
        assert last.entry is not None and last.entry.action == "system.restore"
        assert last.seq == done.heading.record_size
        assert last.entry.detail == {
            "generation": done.heading.generation,
            "size": done.heading.record_size,
            "root": done.heading.record_root,
        }
        store(opened, loss.objects["1.2.3.1.1"])
    with open_home(loss.target, loss.environ, clock) as opened:
        assert opened.services.upkeep.verify_record(OPERATOR, context()).ok
    assert {path.name for path in loss.target.iterdir()} >= {"home.json", "config.toml", "db", "objects"}
    assert HALF not in {path.name for path in loss.target.iterdir()}


def test_settings_and_what_they_name_come_along(loss: Loss) -> None:
    (loss.root / "config.toml").write_text('[http]\ntls_certificate = "tls/a.pem"\ntls_key = "tls/a.key"\n')
    (loss.root / "tls").mkdir()
    (loss.root / "tls" / "a.key").write_text("A PRIVATE KEY")
    loss.backup()
    assert not any(b"PRIVATE" in path.read_bytes() for path in files_of(loss.folder))
    loss.restore()
    assert (loss.target / "tls" / "a.key").read_text() == "A PRIVATE KEY"
    assert (loss.target / "config.toml").read_text() == (loss.root / "config.toml").read_text()


def test_sessions_end(loss: Loss) -> None:
    sql = (
        "INSERT INTO users (id, name, display_name, role, created) VALUES (1, 'x', 'X', 'auditor', 1)",
        "INSERT INTO sessions (digest, user_id, created, last_seen, expires) VALUES (x'00', 1, 1, 1, 9)",
    )

    def sign_in(tx: Any) -> None:
        for each in sql:
            tx.execute(sa.text(each))

    loss.at_work(lambda opened: opened.services.db.write(sign_in).result())
    loss.backup()
    loss.restore()
    with open_home(loss.target, loss.environ, clock) as opened, opened.services.db.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM sessions")).scalar_one() == 0
        assert connection.execute(sa.text("SELECT count(*) FROM users")).scalar_one() == 1


def test_with_the_key_file_there_the_paper_is_not_asked_for(loss: Loss) -> None:
    keys = loss.blank / ".config" / "leadglass"
    keys.mkdir(parents=True)
    shutil.copy2(next((loss.root.parent / ".config" / "leadglass").iterdir()), keys)
    assert loss.restore(paper="").key_was_there


def test_an_older_one_can_be_asked_for(loss: Loss, dicom: Any) -> None:
    first = Vault.open(loss.folder).generations()[0][0]
    loss.at_work(lambda opened: store(opened, dicom.file(5)))
    second = loss.backup()
    done = loss.restore(generation=first)
    assert done.objects == 4
    assert any(second.generation in note and "more entries" in note for note in done.notes)
    shutil.rmtree(loss.target)
    with pytest.raises(NotFound, match="no finished"):
        loss.restore(generation="000009-20260131T030000Z")


def test_a_drill_compares_everything_and_leaves_nothing(loss: Loss) -> None:
    before = files_of(loss.folder)
    found = loss.drill()
    assert (found.ok, found.objects) == (True, 4)
    assert found.rows > 20 and found.tables > 20 and found.record_size > 4
    assert list(loss.blank.iterdir()) == []
    assert files_of(loss.folder) == before
    with open_home(loss.root, loss.machine, clock) as opened, opened.services.db.read() as connection:
        (one,) = entries(connection, action="system.drill")
        assert one.closing is not None and one.closing.counts["objects"] == 4


# --- a record that went on --------------------------------------------------------------------------------


def test_a_checkpoint_says_what_is_lost(loss: Loss, dicom: Any) -> None:
    loss.at_work(lambda opened: store(opened, dicom.file(5)))
    newer = (loss.root / "record" / "checkpoint").read_bytes()
    done = loss.restore(checkpoint=newer)
    size = int(newer.split(b"\n")[1])
    lost = size - done.heading.record_size
    assert lost > 0 and any(f"{lost} of them are lost" in note for note in done.notes)


def test_a_checkpoint_of_before_agrees_and_one_of_another_history_does_not(loss: Loss, dicom: Any) -> None:
    older = (loss.root / "record" / "checkpoint").read_bytes()
    loss.at_work(lambda opened: store(opened, dicom.file(5)))
    loss.backup()
    assert any("agrees" in note for note in loss.restore(checkpoint=older).notes)
    with open_home(loss.target, loss.environ, clock) as opened:
        for _ in range(9):
            opened.services.trail.page(OPERATOR, context())
    fork = (loss.target / "record" / "checkpoint").read_bytes()
    for _ in range(20):
        loss.at_work(lambda opened: opened.services.trail.page(OPERATOR, context()))
    loss.backup()
    shutil.rmtree(loss.target)
    with pytest.raises(Tampered, match="another history"):
        loss.restore(checkpoint=fork)
    with pytest.raises(LeadglassError):
        loss.restore(checkpoint=b"no checkpoint")
    assert not loss.target.exists()


# --- what was deleted -------------------------------------------------------------------------------------


def delete(opened: Any, study: str) -> None:
    who = Principal(Kind.USER, 5, 5, "pacs", "PACS", Role.PACS_ADMINISTRATOR, frozenset({1}), "session:5")
    at = Context("192.0.2.7", Via.WEB, clock())
    plan = opened.services.deletion.plan_of(who, study, at)
    opened.services.deletion.delete(who, plan, at, reason="asked for by the patient")


def of_another_study(dicom: Any) -> bytes:
    return dicom.file(9, instance="1.2.4.1.9", series="1.2.4.1", study="1.2.4", patient_id="P-2")  # type: ignore[no-any-return]


def test_what_was_deleted_does_not_come_back_from_an_older_one(loss: Loss, dicom: Any) -> None:
    loss.at_work(lambda opened: store(opened, of_another_study(dicom)))
    older = loss.backup()
    blobs = {path.name for path in (loss.folder / "objects").rglob("*") if path.is_file()}
    loss.at_work(lambda opened: delete(opened, "1.2.3"))
    newer = loss.backup()
    drilled = loss.drill(generation=older.generation)
    assert (drilled.ok, drilled.objects) == (True, 1)
    done = loss.restore(generation=older.generation)
    assert (done.objects, done.destroyed) == (1, 4)
    with open_home(loss.target, loss.environ, clock) as opened:
        assert list(held(opened)) == ["1.2.4.1.9"]
        assert opened.services.upkeep.check(OPERATOR, context(), deep=True).ok
        with opened.services.db.read() as connection:
            count = sa.text("SELECT (SELECT count(*) FROM study_keys), (SELECT count(*) FROM studies)")
            assert connection.execute(count).one() == (1, 1)
            (again,) = entries(connection, action="study.delete")
        assert again.entry is not None and again.entry.studies == ("1.2.3",)
        assert again.entry.detail["again"] < again.seq
    copied = {
        path.name for path in (loss.target / "objects").rglob("*") if path.stat().st_size and path.is_file()
    }
    assert copied < blobs and len(copied) == 1
    assert newer.generation > older.generation


def test_what_is_deleted_while_a_back_up_is_made_does_not_come_back_from_it(
    loss: Loss, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadglass.db import snapshot

    take = snapshot.take

    def then_delete(*arguments: Any) -> None:
        take(*arguments)
        delete(opened, "1.2.3")

    with open_home(loss.root, loss.machine, clock) as opened:
        store(opened, of_another_study(dicom))
        monkeypatch.setattr("leadglass.db.snapshot.take", then_delete)
        made = opened.services.backups.make(OPERATOR, context(), loss.blank / "new", clock)
    assert (made.end.objects, made.deleted, made.missing) == (1, 4, 0)
    loss.folder = loss.blank / "new"
    loss.restore()
    with open_home(loss.target, loss.environ, clock) as opened:
        assert list(held(opened)) == ["1.2.4.1.9"]
        assert opened.services.upkeep.check(OPERATOR, context()).ok


def test_keeping_fewer_lets_go_of_what_was_deleted(loss: Loss, dicom: Any) -> None:
    loss.at_work(lambda opened: store(opened, of_another_study(dicom)))
    loss.backup()
    loss.at_work(lambda opened: delete(opened, "1.2.3"))
    made = loss.backup(keep=9)
    assert (made.removed, made.removed_objects) == ((), 4)
    older = Vault.open(loss.folder).generations()[0][1]
    assert loss.drill(generation=older).ok
    assert loss.restore(generation=older).objects == 1


# --- what is bad ------------------------------------------------------------------------------------------


def test_no_byte_of_any_file_can_be_altered(loss: Loss) -> None:
    for path in sealed_files_of(loss.folder):
        whole = path.read_bytes()
        for at in {0, len(whole) // 3, len(whole) - 2}:
            flip(path, at)
            with pytest.raises((Tampered, KeyWrong)) as found:
                loss.restore()
            assert not loss.target.exists(), path
            assert not list((loss.blank / ".config" / "leadglass").glob("*")), path
            assert str(found.value).endswith((".", "?"))
            path.write_bytes(whole)
    assert loss.restore().objects == 4


def test_a_drill_finds_it(loss: Loss) -> None:
    for path in sealed_files_of(loss.folder):
        whole = path.read_bytes()
        flip(path)
        found = loss.drill()
        assert not found.ok, path
        assert list(loss.blank.iterdir()) == []
        path.write_bytes(whole)


def test_a_missing_file_is_named(loss: Loss) -> None:
    for path in sealed_files_of(loss.folder):
        whole = path.read_bytes()
        path.unlink()
        with pytest.raises((Tampered, NotFound)) as found:
            loss.restore()
        assert path.name in str(found.value) or path.name == "manifest"
        assert not loss.target.exists()
        path.write_bytes(whole)


def test_a_folder_without_back_ups(loss: Loss, tmp_path: Path) -> None:
    loss.folder = tmp_path / "nothing"
    with pytest.raises(NotFound, match="disk"):
        loss.restore()
    loss.folder.mkdir()
    with pytest.raises(NotFound, match="no back-ups"):
        loss.restore()


def test_an_unfinished_one_is_passed_over_and_told(loss: Loss) -> None:
    (loss.folder / "generations" / "000007-20260131T030000Z").mkdir()
    done = loss.restore()
    assert any("000007" in note and "never finished" in note for note in done.notes)


def test_a_wrong_recovery_key(loss: Loss) -> None:
    for paper, said in ((new_recovery_key(), "does not open"), ("7K2MQ", "groups"), ("", "groups")):
        with pytest.raises(KeyWrong, match=said):
            loss.restore(paper=paper)
        assert not loss.target.exists() and not (loss.blank / ".config").exists()


def test_another_homes_key_file_is_in_the_way(loss: Loss) -> None:
    keys = loss.blank / ".config" / "leadglass"
    keys.mkdir(parents=True)
    name = read_home(loss.root).id
    (keys / f"{name}.key").write_text("something")
    (keys / f"{name}.key").chmod(0o600)
    with pytest.raises(KeyWrong):
        loss.restore()
    assert (keys / f"{name}.key").read_text() == "something"
    assert not loss.target.exists()


def test_a_home_that_is_not_empty_is_left_alone(loss: Loss) -> None:
    loss.target.mkdir()
    (loss.target / "letters.txt").write_text("mine")
    with pytest.raises(Conflict, match="not empty"):
        loss.restore()
    assert [path.name for path in loss.target.iterdir()] == ["letters.txt"]
    (loss.target / "letters.txt").unlink()
    loss.restore()
    with pytest.raises(Conflict, match="a home at"):
        loss.restore()
    with pytest.raises(Conflict, match="lie in each other"):
        restore(loss.folder, loss.folder / "home", loss.environ, lambda: loss.paper, HAND)


def test_a_killed_restore_is_no_home_and_the_next_begins_anew(loss: Loss) -> None:
    home = parse_home(loss.target, (loss.root / "home.json").read_text())
    with pytest.raises(KeyboardInterrupt), refounding(home):
        (home.objects / "ab").mkdir()
        (home.objects / "ab" / "half").write_bytes(b"x")
        shutil.copytree(loss.target, loss.blank / "left")
        with pytest.raises(HomeBusy):
            loss.restore()
        raise KeyboardInterrupt
    assert not loss.target.exists()
    (loss.blank / "left").rename(loss.target)  # as kill -9 leaves it
    with pytest.raises(NotFound, match="leadglass init"):
        read_home(loss.target)
    assert loss.restore().objects == 4
    assert not list(loss.target.rglob("half"))


def test_a_later_program_wrote_it(loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadglass.db.snapshot.revision", lambda _: "9999")
    loss.backup()
    with pytest.raises(HomeNewer, match="later version"):
        loss.restore()
    assert not loss.target.exists()
    assert "later version" in loss.drill().problems[0]


def test_an_older_schema_is_brought_up_to_date(loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    from leadglass.archive.backup_copy import Named
    from leadglass.db.migrations import ARCHIVE, current, migrate
    from leadglass.db.sqlcipher import SealedFile
    from leadglass.home import open_master
    from leadglass.store.keys import Keyring
    from leadglass.store.sealed import sealed_size

    def of_instances(connection: Any) -> Any:
        rows = connection.execute(sa.text("SELECT blob, size FROM instances ORDER BY blob"))
        return iter([Named(blob, sealed_size(size)) for blob, size in rows])

    home = read_home(loss.root)
    key = Keyring.from_master(open_master(home, loss.machine)).database_key
    with monkeypatch.context() as patch:
        migrate(SealedFile(home.database, key), ARCHIVE.revisions[-2])
        patch.setattr("leadglass.compose.upgrade", lambda *_: None)
        # The older program knew of none of the tables that came later.
        patch.setattr("leadglass.archive.backup._Making._destroyed", lambda _: iter(()))
        patch.setattr("leadglass.archive.backup._names", of_instances)
        patch.setattr("leadglass.index.lookup.objects", lambda _: 4)
        loss.backup()
    assert loss.restore().objects == 4
    assert current(SealedFile(loss.target / "db" / "index.db", key)) == ARCHIVE.head


def test_rows_that_are_not_those_of_the_manifest(loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is the matter with the copy of a database that is byte by byte as it was."""
    from leadglass.db import snapshot

    sums = snapshot.table_sums

    def others(connection: Any) -> Any:
        found = sums(connection)
        return found | {"studies": snapshot.TableSum(found["studies"].rows, "00")}

    monkeypatch.setattr("leadglass.db.snapshot.table_sums", others)
    with pytest.raises(Tampered, match="rows"):
        loss.restore()
    assert not loss.target.exists()


def test_a_small_disk_is_named_before_anything_is_written(
    loss: Loss, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(loss.blank)
    monkeypatch.setattr("leadglass.restoring.shutil.disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(StorageFull, match="free"):
        loss.restore()
    assert not loss.target.exists()


def test_a_name_that_leads_out_of_the_home_is_refused(loss: Loss) -> None:
    from leadglass.archive.backup import is_plain

    for name in ("../x", "/etc/x", "", "db/index.db", "objects/ab", "home.json", "a/../../b", "record/x"):
        assert not is_plain(name)
    assert is_plain("config.toml") and is_plain("tls/a.key")


def test_a_read_only_back_up_will_do(loss: Loss) -> None:
    if os.geteuid() == 0:
        (loss.folder / "lock").unlink()  # for root nothing is read-only: no lock file is all that shows
    else:
        for path in (loss.folder, *loss.folder.rglob("*")):
            path.chmod(0o500 if path.is_dir() else 0o400)
    assert loss.restore().objects == 4
    assert not (loss.folder / "lock").exists() or os.geteuid()


def test_the_label_is_vouched_for_by_the_key(loss: Loss) -> None:
    """Another home's recovery field or id in it does not open anything."""
    label = loss.folder / LABEL
    for copy in (loss.folder / "generations").rglob(LABEL):
        copy.unlink()
    members = json.loads(label.read_text())
    home = json.loads(members["home"])
    for change in ({"id": "0" * 16}, {"created": 1}, {"key_check": "00" * 8}, {"recovery": "AAAA" * 10}):
        label.write_text(json.dumps(members | {"home": json.dumps(home | change)}))
        with pytest.raises((KeyWrong, Tampered)):
            loss.restore()
        assert not loss.target.exists()


NESTED = "[" * 15_000
DAMAGE: list[Callable[[Path], object]] = [
    Path.unlink,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_text(NESTED),
    lambda path: os.truncate(path, 1 << 30),
    lambda path: (path.unlink(), os.mkfifo(path)),
    lambda path: (path.unlink(), path.mkdir()),
    lambda path: path.write_text(path.read_text().replace('"format": 1', '"format": 9')),
    lambda path: say(path, home=NESTED),
    lambda path: say(path, home='{"format": Infinity}'),
    lambda path: say(path, home=json.loads(path.read_text())["home"].replace('"created": 1', '"created": 2')),
]


def say(label: Path, **members: Any) -> None:
    label.write_text(json.dumps(json.loads(label.read_text()) | members))


@pytest.mark.parametrize("damage", DAMAGE, ids=map(str, range(len(DAMAGE))))
def test_one_small_file_is_not_all_back_ups(loss: Loss, damage: Callable[[Path], object]) -> None:
    """Each generation has a copy of the label; without that, it is a sentence."""
    label = loss.folder / LABEL
    damage(label)
    assert loss.drill().ok
    assert loss.restore().objects == 4
    shutil.rmtree(loss.target)
    (copy,) = (loss.folder / "generations").rglob(LABEL)
    copy.unlink()
    with pytest.raises((Tampered, NotFound, HomeNewer, KeyWrong), match=r"[.?]$"):
        loss.restore(paper=new_recovery_key())
    assert not loss.target.exists()


def test_the_next_one_writes_the_label_anew(loss: Loss) -> None:
    label = loss.folder / LABEL
    whole = label.read_bytes()
    for damage in (Path.unlink, flip, lambda path: say(path, home="another")):
        damage(label)
        loss.backup()
        assert label.read_bytes() == whole


def test_what_somebody_made_endless_is_not_read_endlessly(loss: Loss) -> None:
    """A terabyte of nothing in the place of each file, and a lock that nobody writes to."""
    (loss.folder / "lock").unlink()
    os.mkfifo(loss.folder / "lock")
    for path in sealed_files_of(loss.folder):
        kept = path.with_name("kept")
        path.rename(kept)
        with path.open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(Tampered):
            loss.restore()
        assert not loss.drill().ok
        kept.rename(path)
    assert loss.restore().objects == 4


def test_a_drill_asks_for_room_where_it_works(loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def usage(path: Path) -> Any:
        asked.append(path)
        return shutil._ntuple_diskusage(1 << 40, 0, 0)

    monkeypatch.setattr("leadglass.restoring.shutil.disk_usage", usage)
    with pytest.raises(StorageFull, match="MB free"):
        loss.drill()
    assert asked == [loss.blank]


def test_of_two_restores_one_has_the_place(loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another took the place for abandoned while we made it: it is theirs, and stays as it is."""
    home = parse_home(loss.target, (loss.root / "home.json").read_text())
    lock = "leadglass.home._lock"

    def theirs(*_: Any) -> None:
        (loss.target / "objects").mkdir()
        raise HomeBusy("Another restore is at work.")

    monkeypatch.setattr(lock, theirs)
    with pytest.raises(HomeBusy), refounding(home):
        pass
    assert (loss.target / "objects").is_dir()


def test_who_was_late_clears_nothing_away(loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    """The abandoned one was cleared away by another, who is at work there by now."""
    home = parse_home(loss.target, (loss.root / "home.json").read_text())
    loss.target.mkdir()
    (loss.target / HALF).touch()

    def theirs(*_: Any) -> None:
        (loss.target / HALF).unlink()
        (loss.target / HALF).touch()
        (loss.target / "theirs").touch()

    monkeypatch.setattr("leadglass.home._lock", theirs)
    with pytest.raises(HomeBusy), refounding(home):
        pass
    assert (loss.target / "theirs").exists()


def test_a_drill_clears_away_what_a_killed_one_left_and_nothing_else(loss: Loss) -> None:
    def killed(name: str) -> Path:
        left = loss.blank / name / "home"
        (left / "objects" / "ab").mkdir(parents=True)
        (left / HALF).touch()
        left.parent.chmod(0o700)
        return left

    killed("leadglass-drill-a")
    stays = [killed("another"), killed("leadglass-drill-open"), loss.blank / "leadglass-drill-mine"]
    stays[1].parent.chmod(0o755)
    (stays[2] / "home").mkdir(parents=True)
    (stays[2] / "home" / "letters.txt").touch()
    stays[2].chmod(0o700)
    (loss.blank / "leadglass-drill-link").symlink_to(loss.blank / "another")
    at_work = parse_home(killed("leadglass-drill-b"), (loss.root / "home.json").read_text())
    with refounding(at_work, lasting=False):
        assert loss.drill().ok
        assert (at_work.root / HALF).exists()
    assert not (loss.blank / "leadglass-drill-a").exists()
    assert all(path.exists() for path in stays)
    assert (stays[2] / "home" / "letters.txt").exists()
    assert (stays[0] / HALF).exists() and (stays[1] / HALF).exists()
