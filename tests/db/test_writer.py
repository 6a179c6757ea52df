"""Group commit: who shares a group's fate, who learns of it, and when."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.db.engine import Transaction
from leadglass.db.reserve import Reserve
from leadglass.db.wal import WriteAheadLog
from leadglass.errors import Denied, StorageFailed, StorageFull, Unavailable


def refuse(_: Transaction) -> None:
    raise Denied("No.")


def no_locks(*_: int) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def test_units_that_wait_together_share_one_transaction(desk: Any) -> None:
    seen: list[int] = []
    with desk.held():
        futures = [desk.db.write(lambda tx: seen.append(id(tx.state))) for _ in range(20)]
    for future in futures:
        future.result(30)
    assert len(set(seen)) < len(seen)


def test_a_failing_unit_fails_alone_and_leaves_no_trace(desk: Any) -> None:
    def half(tx: Transaction) -> None:
        desk.note("half done")(tx)
        refuse(tx)

    with desk.held():
        before, failing, after = desk.write("before"), desk.db.write(half), desk.write("after")
    assert (before.result(30), after.result(30)) == ("before", "after")
    with pytest.raises(Denied):
        failing.result(30)
    assert desk.notes_elsewhere() == ["before", "after"]


def test_a_violated_constraint_fails_alone_and_hides_its_values(desk: Any) -> None:
    with desk.held():
        first, second, third = desk.write("ROENTGEN^ANNA"), desk.write("ROENTGEN^ANNA"), desk.write("other")
    assert first.result(30)
    assert third.result(30)
    with pytest.raises(sa.exc.IntegrityError) as caught:
        second.result(30)
    assert "ROENTGEN" not in str(caught.value)


def test_a_result_is_there_only_after_the_commit(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit's own future is not done while its transaction still runs, and what it says is then visible."""
    monkeypatch.setattr("leadglass.db.writer.GROUP_SECONDS", 30)  # one group, however slow the machine
    early: list[bool] = []
    futures: list[Any] = []

    def last(tx: Transaction) -> None:
        tx.before_commit("look", lambda _: early.extend(future.done() for future in futures))

    with desk.held():
        futures += [desk.write("one"), desk.write("two"), desk.db.write(last)]
    for future in futures:
        future.result(30)
    assert early == [False, False, False]
    assert desk.notes_elsewhere() == ["one", "two"]


def test_before_commit_runs_once_per_key_in_order_after_every_unit(desk: Any) -> None:
    steps: list[str] = []

    def unit(name: str) -> Callable[[Transaction], None]:
        def work(tx: Transaction) -> None:
            steps.append(name)
            tx.before_commit("rows", lambda _: steps.append("rows"))
            tx.before_commit("sync", lambda _: steps.append("sync"))

        return work

    with desk.held() as held:
        futures = [desk.db.write(unit(name)) for name in "abc"]
    held.future.result(30)
    for future in futures:
        future.result(30)
    # a, b and c end up in one group with the unit that held the writer, or in the next one
    assert steps == ["a", "b", "c", "rows", "sync"]


def test_an_action_before_the_commit_may_ask_for_a_further_one(desk: Any) -> None:
    steps: list[str] = []

    def second(_: Transaction) -> None:
        steps.append("second")

    def first(tx: Transaction) -> None:
        steps.append("first")
        tx.before_commit("second", second)

    desk.db.write(lambda tx: tx.before_commit("first", first)).result(30)
    assert steps == ["first", "second"]


def test_a_failing_action_before_the_commit_rolls_everything_back(desk: Any) -> None:
    def unit(tx: Transaction) -> None:
        desk.note("gone")(tx)
        tx.before_commit("fail", refuse)

    with pytest.raises(Denied):
        desk.db.write(unit).result(30)
    assert desk.notes_elsewhere() == []


def test_state_dies_with_its_attempt(desk: Any) -> None:
    """After the group was rolled back the same unit runs again and must not find what it left behind."""
    found: list[list[str]] = []

    def unit(tx: Transaction) -> None:
        found.append(list(tx.state))
        tx.state["key"] = "of an attempt that failed"

    with desk.held():
        survivor, culprit = desk.db.write(unit), desk.db.write(refuse)
    survivor.result(30)
    assert culprit.exception(30)
    desk.db.write(unit).result(30)
    assert len(found) >= 3  # in the group, on its own, and the second unit
    assert all(not keys for keys in found)


def test_closing_finishes_what_is_queued_and_takes_nothing_more(desk: Any) -> None:
    with desk.held():
        futures = [desk.write(str(number)) for number in range(300)]
        closer = threading.Thread(target=desk.db.close)
        closer.start()
    closer.join(30)
    assert [future.result(0) for future in futures] == [str(number) for number in range(300)]
    with pytest.raises(Unavailable):
        desk.write("late")
    desk.db.close()


def test_a_future_that_was_cancelled_is_not_run_and_does_no_harm(desk: Any) -> None:
    with desk.held():
        cancelled, kept = desk.write("cancelled"), desk.write("kept")
        assert cancelled.cancel()
    assert kept.result(30) == "kept"
    assert desk.write("later").result(30) == "later"
    assert desk.notes_elsewhere() == ["kept", "later"]


def test_a_unit_under_way_can_no_longer_be_cancelled(desk: Any) -> None:
    with desk.held() as held:
        assert not held.future.cancel()
    assert held.future.result(30) is None


def test_a_transaction_that_cannot_begin_fails_its_unit_and_only_that(desk: Any, faults: Any) -> None:
    begin = faults("BEGIN", "fails")
    sa.event.listen(desk.writing, "begin", begin)
    with pytest.raises(Unavailable):
        desk.write("never").result(30)
    assert desk.write("again").result(30) == "again"
    assert desk.notes_elsewhere() == ["again"]


@pytest.mark.sqlcipher
def test_a_lock_that_cannot_be_taken_fails_its_unit_and_only_that(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write("before").result(30)
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", no_locks)
        with pytest.raises(Unavailable):
            desk.write("never").result(30)
    assert desk.write("later").result(30) == "later"
    assert desk.notes_elsewhere() == ["before", "later"]


def test_a_thread_that_cannot_begin_is_begun_by_the_next(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(Unavailable):
            desk.write("never")
    assert desk.write("later").result(30) == "later"
    assert desk.notes_elsewhere() == ["later"]


@pytest.mark.sqlcipher
def test_a_log_that_cannot_be_measured_does_not_end_the_writer(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("leadglass.db.wal.ASK_SECONDS", 0)
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.stat", fails)
        assert desk.write("one").result(30) == "one"
        assert desk.write("two").result(30) == "two"


@pytest.mark.sqlcipher
def test_after_a_failed_commit_nothing_is_written_any_more(desk: Any, faults: Any) -> None:
    """A failed fsync leaves unknown what the disk has: nobody is told that it went well, then or later."""
    desk.write("safe").result(30)
    sa.event.listen(desk.writing, "commit", faults("COMMIT", "fails"))
    with desk.held():
        group = [desk.write("one"), desk.write("two")]
    for future in group:
        assert isinstance(future.exception(30), StorageFailed)
    with pytest.raises(StorageFailed):
        desk.write("three").result(30)
    assert desk.notes() == ["safe"]


@pytest.mark.sqlcipher
def test_the_log_is_synced_with_the_floor_left_and_before_anybody_is_told(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []
    real = WriteAheadLog.sync
    floor = os.open(desk.path.parent / "floor.lock", os.O_RDWR | os.O_CREAT, 0o600)

    def sync(self: WriteAheadLog) -> None:
        seen.append((futures[0].done(), is_free(floor)))
        real(self)

    monkeypatch.setattr(WriteAheadLog, "sync", sync)
    with desk.held():
        futures = [desk.write("one"), desk.write("two")]
    assert [future.result(30) for future in futures] == ["one", "two"]
    os.close(floor)
    assert seen == [(False, True)]


def is_free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


@pytest.mark.sqlcipher
def test_after_a_failed_sync_nothing_is_written_any_more(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """COMMIT had done its part, the disk did not: nobody is told that it went well, then or later."""

    def fails(_: WriteAheadLog) -> None:
        raise OSError(errno.EIO, "Input/output error")

    desk.write("safe").result(30)
    with monkeypatch.context() as patched:
        patched.setattr(WriteAheadLog, "sync", fails)
        with desk.held():
            group = [desk.write("one"), desk.write("two")]
        for future in group:
            assert isinstance(future.exception(30), StorageFailed)
    with pytest.raises(StorageFailed):
        desk.write("three").result(30)
    assert desk.notes()[0] == "safe"
    assert "three" not in desk.notes()


@pytest.mark.sqlcipher
def test_a_log_that_cannot_be_opened_fails_its_unit_and_only_that(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("leadglass.db.wal.os.open", refuse)
        with pytest.raises(Unavailable):
            desk.write("never").result(30)
    assert desk.write("later").result(30) == "later"
    assert desk.notes_elsewhere() == ["later"]


def test_a_disk_that_is_full_at_commit_is_no_failed_disk(desk: Any, faults: Any) -> None:
    sa.event.listen(desk.writing, "commit", faults("COMMIT", "full"))
    with pytest.raises(StorageFull):
        desk.write("no room").result(30)
    assert desk.write("room again").result(30) == "room again"
    assert desk.notes_elsewhere() == ["room again"]


@pytest.mark.sqlcipher
def test_a_full_disk_refuses_the_large_unit_alone(desk: Any) -> None:
    desk.limit_pages(4)
    with desk.held():
        small, large = desk.write("small"), desk.write("x" * 200_000)
    assert small.result(30) == "small"
    with pytest.raises(StorageFull):
        large.result(30)


def test_the_record_gets_the_space_kept_back_and_others_do_not(make: Any, tmp_path: Any, faults: Any) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 16)
    reserve.ensure()
    desk = make(reserve)
    sa.event.listen(desk.writing, "commit", faults("COMMIT", "full", times=2))
    with pytest.raises(StorageFull):
        desk.write("an image").result(30)
    assert reserve.intact()
    assert desk.write("an entry", may_use_reserve=True).result(30) == "an entry"
    assert not reserve.intact()
    assert desk.notes_elsewhere() == ["an entry"]


def test_the_space_kept_back_is_spent_once(make: Any, tmp_path: Any, faults: Any) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 16)
    reserve.ensure()
    desk = make(reserve)
    sa.event.listen(desk.writing, "commit", faults("COMMIT", "full", times=2))
    with pytest.raises(StorageFull):
        desk.write("an entry", may_use_reserve=True).result(30)
    assert desk.write("when there is room", may_use_reserve=True).result(30)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_whatever_a_unit_raises_belongs_to_its_caller(desk: Any, error: type[BaseException]) -> None:
    def unit(_: Transaction) -> None:
        raise error

    assert isinstance(desk.db.write(unit).exception(30), error)
    assert desk.write("alive").result(30) == "alive"


def test_results_are_not_kept_alive_by_the_writer(desk: Any) -> None:
    class Thing:
        pass

    future = desk.db.write(lambda _: Thing())
    future.result(30)
    del future
    desk.write("another round").result(30)
    gc.collect()
    assert not [thing for thing in gc.get_objects() if type(thing) is Thing]
