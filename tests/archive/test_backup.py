"""Back-ups of a home that goes on working: what is copied, what is told, what is removed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leadglass.access.principal import Role, Via, operator
from leadglass.archive.backup import MAX_KEPT, last_backup
from leadglass.archive.backup_check import verify
from leadglass.db import snapshot
from leadglass.db.engine import metadata
from leadglass.errors import Conflict, Denied, HomeBusy, NotFound, StorageFailed, StorageFull
from leadglass.index import lookup
from leadglass.index.schema import instances
from leadglass.store import manifest
from leadglass.store.manifest import Absent, Kept, Object
from leadglass.store.vault import Vault
from leadglass.store.vault_label import LABEL

pytestmark = pytest.mark.sqlcipher  # the home's own file is what is copied

OPERATOR = operator(1000, "op")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def filled(clinic: Any) -> Any:
    """Three images, and something kept aside."""
    for number in (1, 2, 3):
        clinic.take_in(number)
    clinic.take_in(1, fill=9)
    return clinic


@pytest.fixture
def make(filled: Any, folder: Path) -> Callable[..., Any]:
    """Back the home up into `folder`, or the one that is named."""

    def make(where: Path = folder, who: Any = OPERATOR, **options: Any) -> Any:
        context = filled.context(Via.COMMAND)
        return filled.services.backups.make(who, context, where, lambda: filled.now + 5, **options)

    return make


@pytest.fixture
def read(filled: Any, folder: Path) -> Callable[..., Any]:
    def read(**options: Any) -> Any:
        context = filled.context(Via.COMMAND)
        return verify(filled.services.backups, OPERATOR, context, folder, lambda: filled.now, **options)

    return read


def lines(clinic: Any, folder: Path, generation: str) -> list[Any]:
    files = clinic.services.backups.files
    with Vault.open(folder) as vault:
        return list(manifest.lines(vault, files.keyring.backup_key, files.id, generation))


def copies(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "objects").rglob("*") if path.is_file()}


def stored(clinic: Any) -> dict[str, bytes]:
    """Files of the home's objects, but for empty ones that were made ahead."""
    return {path.name: path.read_bytes() for path in clinic.blobs() if path.stat().st_size}


def test_everything_is_there(filled: Any, folder: Path, make: Any, read: Any) -> None:
    steps: list[tuple[int, int]] = []
    made = make(progress=lambda done, total: steps.append((done, total)))
    assert (made.end.objects, made.copied, made.deleted, made.missing) == (4, 4, 0, 0)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert copies(folder) == stored(filled)
    found = lines(filled, folder, made.generation)
    assert [line.name for line in found if isinstance(line, Object)] == sorted(stored(filled))
    assert [line.name for line in found if isinstance(line, Kept)] == ["config.toml"]
    assert found[0].record_size == filled.entries("system.backup")[0].seq + 1
    report = read()
    assert (report.ok, report.objects, report.bytes) == (True, 4, made.end.bytes)


def test_nothing_of_it_can_be_read_without_a_key(filled: Any, folder: Path, make: Any) -> None:
    make()
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for secret in (b"Roentgen", b"1.2.3.1", b"SQLite format", b"reserve_mib", b"log_entries"):
            assert secret not in content, path
        assert path.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


def test_it_is_on_the_record_before_it_begins_and_at_its_end(
    filled: Any, folder: Path, make: Any, mute: Callable[[], None]
) -> None:
    make()
    (one,) = filled.entries("system.backup")
    assert one.entry.detail == {"folder": str(folder)}
    assert one.closing.counts["objects"] == one.closing.counts["copied"] == 4
    with filled.services.db.read() as connection:
        assert last_backup(connection).at == filled.now + 5
    assert filled.services.upkeep.outlook(filled.now + 9).backed_up == filled.now + 5
    mute()
    with pytest.raises(Exception, match="record"):
        make(folder.with_name("another"))
    assert not folder.with_name("another").exists()


def test_who_may(filled: Any, make: Any, folder: Path) -> None:
    for role, who in filled.people.items():
        if role is Role.SYSTEM_ADMINISTRATOR:
            continue
        with pytest.raises(Denied):
            make(who=who)
        assert filled.entries("system.backup")[-1].entry.outcome == "denied"
    assert not folder.exists()
    assert make(who=filled.people[Role.SYSTEM_ADMINISTRATOR]).end.objects == 4


def test_only_what_is_new_is_copied(filled: Any, folder: Path, make: Any, read: Any) -> None:
    make()
    before = {path: path.stat().st_ino for path in (folder / "objects").rglob("*") if path.is_file()}
    filled.take_in(4)
    second = make()
    assert (second.end.objects, second.copied) == (5, 1)
    assert {path: path.stat().st_ino for path in before} == before
    assert copies(folder) == stored(filled)
    assert read().generations == [first.name for first in sorted((folder / "generations").iterdir())]


def test_what_comes_in_while_it_is_made_is_in_the_next(
    filled: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = snapshot.take

    def then_store(*arguments: Any) -> None:
        take(*arguments)
        filled.take_in(5)

    monkeypatch.setattr("leadglass.db.snapshot.take", then_store)
    assert make().end.objects == 4
    monkeypatch.setattr("leadglass.db.snapshot.take", take)
    assert make().end.objects == 5


def test_what_is_deleted_and_what_is_missing_is_told_apart(
    filled: Any, folder: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, gone = (filled.scalar(f"SELECT {which}(blob) FROM instances") for which in ("min", "max"))
    take = snapshot.take

    def then_delete(*arguments: Any) -> None:
        take(*arguments)
        for blob in (lost, gone):
            filled.services.ingest.blobs.delete(blob)
        filled.sql("DELETE FROM instances WHERE blob = :blob", blob=gone)

    monkeypatch.setattr("leadglass.db.snapshot.take", then_delete)
    made = make()
    assert (made.end.objects, made.deleted, made.missing) == (2, 1, 1)
    absent = [line for line in lines(filled, folder, made.generation) if isinstance(line, Absent)]
    assert {(line.name, line.why) for line in absent} == {(lost, "missing"), (gone, "deleted")}


def test_what_the_home_has_lost_the_back_up_keeps(filled: Any, folder: Path, make: Any, read: Any) -> None:
    make()
    for path in filled.blobs():
        path.unlink()
    assert make().missing == 0
    assert read().ok and len(copies(folder)) == 4


def test_an_object_of_another_size_is_not_copied(filled: Any, make: Any) -> None:
    """It is damaged, and a copy of it would be called sound."""
    for path in filled.blobs()[:1] if filled.blobs()[0].stat().st_size else filled.blobs()[1:]:
        if path.stat().st_size:
            path.write_bytes(path.read_bytes() + b"x")
            break
    assert make().missing == 1


def test_what_was_put_down_as_lost_is_kept_where_it_still_is(
    filled: Any, folder: Path, make: Any, read: Any
) -> None:
    """A disk that rots in the home must not take the back-up's copy along. It can be found again after a restore."""
    make()
    blob = filled.scalar("SELECT min(blob) FROM instances")
    columns = ", ".join(column.name for column in instances.columns)
    filled.sql(
        f"INSERT INTO lost (why, noticed, {columns}) SELECT 'altered', 1, {columns} FROM instances"
        " WHERE blob = :blob",
        blob=blob,
    )
    filled.sql("DELETE FROM instances WHERE blob = :blob", blob=blob)
    (filled.root / "objects" / blob[:2] / blob).write_bytes(b"rotten")
    made = make(keep=1)
    assert (made.end.objects, made.missing, made.deleted) == (4, 0, 0)
    assert blob in copies(folder) and read().ok
    again = make(folder.with_name("another"))  # nobody has a sound copy for this one
    assert (again.end.objects, again.missing, again.deleted) == (3, 0, 0)


def test_every_table_that_names_objects_is_backed_up() -> None:
    holders = {
        table.name for table in metadata.tables.values() if {"blob", "wrapped_key"} <= set(table.c.keys())
    }
    said = str(lookup._BLOBS.compile())
    assert {name for name in holders if f"FROM {name}" in said} == holders


# --- interrupted ------------------------------------------------------------------------------------------


def test_one_that_was_interrupted_goes_on(
    filled: Any, folder: Path, make: Any, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make()
    for number in (4, 5, 6):
        filled.take_in(number)
    put, count = Vault.put_object, [0]

    def fail(self: Vault, name: str, pieces: Any) -> Any:
        count[0] += 1
        if count[0] == 3:
            raise StorageFailed("The disk is gone.")
        return put(self, name, pieces)

    monkeypatch.setattr("leadglass.archive.backup_copy.THREADS", 1)
    monkeypatch.setattr(Vault, "put_object", fail)
    with pytest.raises(StorageFailed):
        make()
    assert filled.entries("system.backup")[-1].closing.outcome == "failed"
    assert read().generations == [first.generation]
    assert read().ok
    count[0] = 10
    second = make()
    assert (second.end.objects, second.copied) == (7, 1)  # two were there already, and were compared
    assert read().ok
    assert len(list((folder / "generations").iterdir())) == 2


def test_what_an_interrupted_one_left_is_not_believed(
    filled: Any, folder: Path, make: Any, read: Any
) -> None:
    """Nobody vouches for a file that no manifest lists: it is compared, and written again."""
    make()
    filled.take_in(4)
    (new,) = set(stored(filled)) - set(copies(folder))
    path = folder / "objects" / new[:2] / new
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(len(stored(filled)[new])))
    assert make().copied == 1
    assert read().ok
    assert copies(folder) == stored(filled)


def test_a_full_disk_is_named_and_what_was_finished_is_whole(
    filled: Any, make: Any, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    filled.take_in(4)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("leadglass.store.vault.write_all", full)
        with pytest.raises(StorageFull, match="whole"):
            make()
    assert read().ok
    assert make().end.objects == 5


def test_two_at_once(filled: Any, folder: Path, make: Any) -> None:
    make()
    with Vault.open(folder) as vault, vault.alone(), pytest.raises(HomeBusy):
        make()
    assert make().end.objects == 4


# --- folders ----------------------------------------------------------------------------------------------


def test_folders_that_are_none(filled: Any, make: Any, tmp_path: Path) -> None:
    other = tmp_path / "letters"
    other.mkdir()
    (other / "mine.txt").write_text("x")
    file = tmp_path / "file"
    file.write_text("x")
    for where, error in (
        (filled.root / "backups", Conflict),
        (filled.root, Conflict),
        (filled.root.parent, Conflict),
        (other, Conflict),
        (file, NotFound),
        (tmp_path / "no" / "such", NotFound),
    ):
        with pytest.raises(error):
            make(where)
    assert [path.name for path in other.iterdir()] == ["mine.txt"]
    assert all(e.closing.outcome == "failed" for e in filled.entries("system.backup"))


def test_a_disk_that_is_not_mounted_is_noticed(make: Any, folder: Path) -> None:
    make()
    folder.rename(folder.with_name("unmounted"))
    for mountpoint in (False, True):
        if mountpoint:
            folder.mkdir()
        with pytest.raises(Conflict, match="Is its disk there"):
            make()
    assert list(folder.iterdir()) == []


def test_another_homes_folder(filled: Any, make: Any, read: Any, folder: Path) -> None:
    make()
    for label in folder.rglob(LABEL):
        label.write_text(label.read_text().replace(filled.opened.home.id, "0" * 16))
    for way in (make, read):
        with pytest.raises(Conflict, match="another home"):
            way()


# --- looking after it -------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_every_altered_file_is_named(folder: Path, make: Any, read: Any) -> None:
    make()
    for path in [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]:
        whole = path.read_bytes()
        if path.name == LABEL:
            continue
        damage(path)
        report = read()
        assert not report.ok
        assert path.name in report.problems[0] or path.parent.name in report.problems[0]
        path.unlink()
        if path.name == "manifest":  # then it was never finished
            with pytest.raises(NotFound):
                read()
        else:
            assert not read().ok
        path.write_bytes(whole)
        assert read().ok


def test_the_next_one_mends_what_is_missing_but_not_what_is_altered(
    filled: Any, folder: Path, make: Any, read: Any
) -> None:
    """Altered files keep their size: only reading finds them. Then remove them, and the next one copies them."""
    make()
    first, second = sorted(path for path in (folder / "objects").rglob("*") if path.is_file())[:2]
    first.unlink()
    second.write_bytes(b"short")
    assert make().copied == 2
    assert read().ok
    damage(first)
    assert make().copied == 0
    assert not read().ok


def test_a_damaged_manifest_costs_a_comparison_and_no_more(folder: Path, make: Any, read: Any) -> None:
    first = make()
    damage(folder / "generations" / first.generation / "manifest")
    second = make()
    assert (second.copied, second.end.objects) == (0, 4)
    assert first.generation in second.notes[0]
    assert read(generation=second.generation).ok
    assert not read().ok


def test_only_so_many_are_kept(filled: Any, folder: Path, make: Any, read: Any) -> None:
    generations = [make().generation]
    blob = filled.scalar("SELECT min(blob) FROM instances")
    filled.sql("DELETE FROM instances WHERE blob = :blob", blob=blob)
    (folder / "objects" / "ab").mkdir(exist_ok=True)
    (folder / "objects" / "ab" / f".{'ab' * 16}.part").write_bytes(b"x")
    (folder / "objects" / "ab" / "somebody's").mkdir()
    generations += [make().generation, make(keep=2).generation]
    assert sorted(path.name for path in (folder / "generations").iterdir()) == generations[1:]
    assert blob not in copies(folder) and len(copies(folder)) == 3
    assert read().ok
    last = make(keep=1)
    assert (last.removed, last.removed_objects) == (tuple(generations[1:]), 0)


def test_without_a_whole_manifest_nothing_is_swept_away(folder: Path, make: Any) -> None:
    first = make()
    damage(folder / "generations" / first.generation / "manifest")
    second = make(keep=2)
    assert (second.removed, second.removed_objects) == ((), 0)
    assert "kept until" in second.notes[-1]
    assert len(copies(folder)) == 4


def test_the_list(filled: Any, folder: Path, make: Any) -> None:
    first, second = make(), make()
    damage(folder / "generations" / first.generation / "manifest")
    os.mkdir(folder / "generations" / "000009-20260131T030000Z")  # never finished
    context = filled.context(Via.COMMAND)
    found = filled.services.backups.list(OPERATOR, context, folder)
    assert [one.name for one in found] == [first.generation, second.generation]
    assert first.generation in found[0].trouble
    assert found[1].end.objects == 4


def test_what_is_damaged_does_not_count_as_kept(filled: Any, folder: Path, make: Any) -> None:
    first, second = make(), make()
    damage(folder / "generations" / second.generation / "manifest")
    assert make(keep=2).removed == ()
    assert make(keep=2).removed == (first.generation, second.generation)


def test_earlier_versions_are_counted_too(filled: Any, make: Any) -> None:
    from leadglass.archive.standing import Decision

    number = filled.scalar("SELECT id FROM kept_aside")
    who = filled.people[Role.PACS_ADMINISTRATOR]
    filled.services.aside.decide(who, number, Decision.ACCEPT, "as it should be", filled.context())
    steps: list[tuple[int, int]] = []
    make(progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_is_not_there_any_more_is_told(filled: Any, folder: Path, make: Any, read: Any) -> None:
    first = make()
    filled.take_in(5)
    second = make()
    assert read().notes == ()
    (folder / "generations" / second.generation / "manifest").unlink()
    found = read()
    assert found.ok and found.generations == [first.generation]
    never, gone = found.notes
    assert second.generation in never and "not there" in gone


def test_the_last_one_is_found_behind_many_that_failed(filled: Any, make: Any, folder: Path) -> None:
    make()
    entry = filled.services.doorkeeper.entry(OPERATOR, "system.backup", filled.context(Via.COMMAND))
    for _ in range(101):
        filled.services.doorkeeper.record(entry, filled.now)
    last = filled.services.backups.last()
    assert last is not None and last.folder == str(folder)


def test_no_number_is_left(make: Any, folder: Path) -> None:
    make()
    (folder / "generations" / "999999-20260131T030000Z").mkdir()
    (folder / "generations" / "999999-20260131T030000Z" / "manifest").touch()
    with pytest.raises(Conflict, match="another folder"):
        make()


def test_what_an_interrupted_one_copied_is_made_durable_by_the_next(
    filled: Any, folder: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The killed one had written it, and its entry was not durable."""
    made = make()
    (folder / "generations" / made.generation / "manifest").unlink()
    synced: set[str] = set()

    def sync(descriptor: int) -> None:
        synced.add(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    monkeypatch.setattr("leadglass.store.vault.sync_folder", sync)
    assert make().copied == 0
    assert {name[:2] for name in stored(filled)} <= synced


def test_a_folder_s_name_need_not_be_text(filled: Any, folder: Path, make: Any) -> None:
    odd = folder.with_name(os.fsdecode(b"odd \xff ?mode=ro&x=%41#y"))
    made = make(odd)
    assert made.end.objects == 4
    context = filled.context(Via.COMMAND)
    assert verify(filled.services.backups, OPERATOR, context, odd, lambda: filled.now).ok


def test_a_file_that_is_too_large_to_go_along_is_no_half_file(filled: Any, make: Any) -> None:
    (filled.root / "config.toml").write_bytes(b"#" * (MAX_KEPT + 1))
    with pytest.raises(Conflict, match=r"config\.toml in the home is too large"):
        make()
