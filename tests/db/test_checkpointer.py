"""The write-ahead log stays bounded beside writers that never pause, and readers that come and go."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2 as sqlcipher

from leadglass.db import wal as log
from leadglass.db.wal import Checkpointer

pytestmark = pytest.mark.sqlcipher

MIB = 1 << 20
SMALL = 256 << 10


@pytest.fixture
def modes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the log was asked about, and copied."""
    counted: Counter[str] = Counter()
    real = Checkpointer._checkpoint

    def counting(self: Checkpointer, mode: str) -> tuple[int, int, int]:
        counted[mode] += 1
        return real(self, mode)

    monkeypatch.setattr(Checkpointer, "_checkpoint", counting)
    monkeypatch.setattr(log, "CHECKPOINT_BYTES", SMALL)
    monkeypatch.setattr(log, "ASK_SECONDS", 0.0)  # a log so short is full in no time
    return counted


def wal(desk: Any) -> int:
    return Path(f"{desk.path}-wal").stat().st_size


def fill(desk: Any, count: int, size: int) -> int:
    """`count` commits of about `size` bytes; the largest log seen between them."""
    largest = 0
    for number in range(count):
        desk.write(f"{number} " + os.urandom(size // 2).hex()).result(30)
        largest = max(largest, wal(desk))
    return largest


def test_the_log_stays_bounded_under_a_stream_of_commits(desk: Any, modes: Counter[str]) -> None:
    # 9 MiB, the index of the texts included, through a log whose copying begins at a quarter of one
    assert fill(desk, 150, 32 << 10) < 3 * MIB
    assert modes["PASSIVE"]


def test_readers_that_come_and_go_do_not_make_it_grow(desk: Any, modes: Counter[str]) -> None:
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            desk.notes()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert fill(desk, 150, 32 << 10) < 4 * MIB
    finally:
        stop.set()
        reader.join(30)


def test_a_reader_that_stays_keeps_its_view_and_the_log_recovers(desk: Any, modes: Counter[str]) -> None:
    desk.write("first").result(30)
    with desk.db.read() as connection:
        seen = connection.exec_driver_sql("SELECT count(*) FROM notes").scalar_one()
        grown = fill(desk, 60, 32 << 10)
        assert connection.exec_driver_sql("SELECT count(*) FROM notes").scalar_one() == seen == 1
    for number in range(60):
        desk.write(f"after {number} " + os.urandom(16 << 10).hex()).result(30)
    assert wal(desk) <= grown + 2 * MIB


def test_a_log_that_was_large_once_is_not_copied_at_every_commit(desk: Any, modes: Counter[str]) -> None:
    """Its file keeps the size; what is not copied yet is what counts."""
    fill(desk, 60, 32 << 10)
    assert wal(desk) >= SMALL
    before = modes["PASSIVE"]
    for number in range(50):
        desk.write(f"small {number}").result(30)
    assert modes["PASSIVE"] - before <= 6


def test_closing_during_a_checkpoint_does_not_hang(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "CHECKPOINT_BYTES", SMALL)
    inside, go = threading.Event(), threading.Event()
    real = Checkpointer._checkpoint

    def slow(self: Checkpointer, mode: str) -> tuple[int, int, int]:
        if mode == "PASSIVE":
            inside.set()
            assert go.wait(30)
        return real(self, mode)

    monkeypatch.setattr(Checkpointer, "_checkpoint", slow)
    desk = make()
    desk.write("x" * 2 * SMALL).result(30)
    assert inside.wait(30)
    closer = threading.Thread(target=desk.db.close)
    closer.start()
    go.set()
    closer.join(30)
    assert not closer.is_alive()
    assert make().notes_elsewhere() == ["x" * 2 * SMALL]


@pytest.mark.parametrize("rounds", range(3))
def test_opening_writing_and_closing_at_once_never_hangs(make: Any, modes: Counter[str], rounds: int) -> None:
    desk = make()
    desk.write(f"{rounds} " + "x" * 2 * SMALL)
    closer = threading.Thread(target=desk.db.close)
    closer.start()
    closer.join(30)
    assert not closer.is_alive()


def test_a_checkpoint_that_fails_is_made_another_time(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "CHECKPOINT_BYTES", SMALL)
    failed, copied = threading.Event(), threading.Event()
    real = Checkpointer._checkpoint

    def failing(self: Checkpointer, mode: str) -> tuple[int, int, int]:
        if mode == "PASSIVE" and not failed.is_set():
            failed.set()
            raise sqlcipher.OperationalError("disk I/O error")
        if mode == "PASSIVE":
            copied.set()
        return real(self, mode)

    monkeypatch.setattr(Checkpointer, "_checkpoint", failing)
    desk.write("x" * 2 * SMALL).result(30)
    assert failed.wait(30)
    for number in range(1000):
        desk.write(f"further {number}").result(30)
        if copied.is_set():
            break
    assert copied.is_set()
