"""Is everything there that should be: missing, altered, orphaned, young; and who may ask."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from leadglass.access.principal import Role, Via, operator
from leadglass.archive.check import GRACE
from leadglass.errors import Denied, RecordUnavailable

OPERATOR = operator(1000, "op")


@pytest.fixture
def filled(clinic: Any) -> Any:
    for number in (1, 2, 3):
        clinic.take_in(number)
    clinic.take_in(1, fill=9)  # kept aside
    clinic.services.ingest.close()  # the process that stored is gone
    clinic.opened.publish()
    return clinic


def check(clinic: Any, **options: Any) -> Any:
    return clinic.services.upkeep.check(OPERATOR, clinic.context(Via.COMMAND), **options)


def blob_of(clinic: Any, table: str = "instances") -> Any:
    name = clinic.scalar(f"SELECT min(blob) FROM {table}")
    return clinic.root / "objects" / name[:2] / name


def orphan(clinic: Any, age: int) -> Any:
    """A blob as a crash before the commit leaves it, `age` ms old."""
    with clinic.services.ingest.blobs.create() as writer:
        writer.write(b"x" * 1000)
        size = writer.finish()
    path = clinic.root / "objects" / writer.name[:2] / writer.name
    moment = (clinic.now - age) * 1_000_000
    os.utime(path, ns=(moment, moment))
    return path, size.sealed


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_home(filled: Any, deep: bool) -> None:
    steps: list[tuple[int, int]] = []
    report = check(filled, deep=deep, progress=lambda done, total: steps.append((done, total)))
    assert report.ok
    assert (report.objects, report.missing, report.altered, report.orphans) == (4, [], [], 0)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("table", ["instances", "kept_aside"])
def test_a_missing_object_is_named_by_its_blob(filled: Any, table: str) -> None:
    path = blob_of(filled, table)
    path.unlink()
    report = check(filled)
    assert (report.ok, report.missing, report.altered) == (False, [path.name], [])


@pytest.mark.parametrize("table", ["instances", "kept_aside"])
def test_a_flipped_bit_anywhere_is_found_by_a_deep_check(filled: Any, table: str) -> None:
    path = blob_of(filled, table)
    sound = path.read_bytes()
    for place in (0, 1, 30, len(sound) // 2, len(sound) - 1):
        content = bytearray(sound)
        content[place] ^= 1
        path.write_bytes(content)
        assert check(filled, deep=True).altered == [path.name]


def test_another_size_another_key_and_no_key_are_found_at_once(filled: Any) -> None:
    path = blob_of(filled)
    path.write_bytes(path.read_bytes()[:-1])
    assert check(filled).altered == [path.name]
    filled.sql("UPDATE instances SET wrapped_key = zeroblob(40)")
    assert len(check(filled).altered) == 3
    filled.sql("UPDATE kept_aside SET wrapped_key = zeroblob(40)")
    assert len(check(filled).altered) == 4


def test_without_its_key_a_study_is_gone_and_what_was_kept_aside_is_not(filled: Any) -> None:
    filled.sql("DELETE FROM study_keys")
    report = check(filled)
    assert (len(report.altered), report.objects) == (3, 4)
    assert blob_of(filled, "kept_aside").name not in report.altered


def test_a_digest_that_does_not_fit_is_found_by_a_deep_check(filled: Any) -> None:
    filled.sql("UPDATE instances SET digest = zeroblob(32)")
    assert len(check(filled, deep=True).altered) == 3
    assert check(filled).ok


def test_an_altered_entry_of_the_record_is_found(filled: Any) -> None:
    filled.sql("UPDATE log_entries SET body = 'x' WHERE seq = 3")
    report = check(filled)
    assert not report.ok
    assert not report.record.ok


def test_orphans_are_counted_and_collected_on_the_record(filled: Any) -> None:
    path, size = orphan(filled, 0)
    report = check(filled)
    assert (report.ok, report.orphans, report.orphan_bytes, report.young, report.collected) == (
        True,
        1,
        size,
        0,
        0,
    )
    assert path.exists()
    report = check(filled, collect=True)
    assert report.collected == 1
    assert not path.exists()
    [entry] = filled.entries("store.collect")
    assert entry.counts == {"objects": 1, "bytes": size}
    assert check(filled).orphans == 0


def test_while_somebody_stores_only_old_ones_are_orphans(filled: Any) -> None:
    filled.take_in(9)  # whoever stores holds the presence lock
    young, _ = orphan(filled, GRACE - 1)
    old, _ = orphan(filled, GRACE)
    report = check(filled, collect=True)
    assert (report.orphans, report.young, report.collected) == (1, 1, 1)
    assert young.exists()
    assert not old.exists()


def test_while_somebody_stores_an_empty_file_is_left_to_whoever_may_take_it(filled: Any) -> None:
    filled.take_in(9)
    path, _ = orphan(filled, 10 * GRACE)
    path.write_bytes(b"")
    os.utime(path, ns=((filled.now - 10 * GRACE) * 1_000_000,) * 2)
    report = check(filled, collect=True)
    assert (report.orphans, report.young, report.collected) == (0, 1, 0)
    assert path.exists()


def test_without_an_entry_nothing_is_collected(filled: Any, mute: Callable[[], None]) -> None:
    path, _ = orphan(filled, 0)
    mute()
    with pytest.raises(RecordUnavailable):
        check(filled, collect=True)
    assert path.exists()


def test_what_comes_in_during_a_check_is_neither_missing_nor_an_orphan(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory was read before the object came, its row after: no false alarm."""
    upkeep = filled.services.upkeep._check
    real = upkeep._holdings

    def late() -> Any:
        monkeypatch.setattr(upkeep, "_holdings", real)
        # As another process would, which cannot wait for this one: both locks are this one's.
        monkeypatch.setattr(filled.services.ingest._presence, "enter", lambda: None)
        filled.take_in(9)
        return real()

    monkeypatch.setattr(upkeep, "_holdings", late)
    report = check(filled)
    assert (report.missing, report.altered, report.orphans) == ([], [], 0)


def test_who_wants_to_store_does_not_wait_for_a_deep_check(filled: Any) -> None:
    """Only what decides about orphans keeps others out, not the reading of every byte."""
    inside, go, stored = threading.Event(), threading.Event(), threading.Event()

    def progress(*_: int) -> None:
        inside.set()
        assert go.wait(30)

    checking = threading.Thread(target=lambda: check(filled, deep=True, progress=progress))
    checking.start()
    assert inside.wait(30)
    storing = threading.Thread(target=lambda: (filled.take_in(9), stored.set()))
    storing.start()
    assert stored.wait(30)
    go.set()
    for thread in (checking, storing):
        thread.join(30)


def test_a_check_lets_go_of_its_lock(filled: Any) -> None:
    check(filled)
    descriptor = os.open(filled.root / "db" / "ingest.lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


@pytest.mark.parametrize("role", [Role.RADIOLOGIST, Role.TECHNOLOGIST, Role.PACS_ADMINISTRATOR, Role.AUDITOR])
def test_the_system_is_for_who_runs_it(filled: Any, role: Role) -> None:
    who, context = filled.people[role], filled.context()
    for ask in (filled.services.upkeep.status, filled.services.upkeep.check):
        with pytest.raises(Denied):
            ask(who, context)
    assert [e.entry.outcome for e in filled.entries("system.status")] == ["denied", "denied"]


def test_status_counts(filled: Any) -> None:
    status = filled.services.upkeep.status(filled.people[Role.SYSTEM_ADMINISTRATOR], filled.context())
    assert (status.patients, status.studies, status.series, status.instances, status.kept_aside) == (
        1,
        1,
        1,
        3,
        1,
    )
    assert status.object_bytes == filled.scalar("SELECT sum(size) FROM instances")
    assert status.record_entries == filled.record_size()
    assert status.reserve_intact
    assert status.free_bytes > 0


def test_verifying_the_record(filled: Any) -> None:
    auditor = filled.people[Role.AUDITOR]
    assert filled.services.upkeep.verify_record(auditor, filled.context()).ok
    with pytest.raises(Denied):
        filled.services.upkeep.verify_record(filled.doctor, filled.context())
