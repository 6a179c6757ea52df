"""The space kept back for the record: held, let go once, held again when there is plenty."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from leadglass.db.reserve import Reserve
from leadglass.errors import StorageFailed, StorageFull

SIZE = 1 << 16


@pytest.fixture
def reserve(tmp_path: Path) -> Reserve:
    return Reserve(tmp_path / "reserve", SIZE)


def free(monkeypatch: pytest.MonkeyPatch, amount: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=amount))


def no_space(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", fail)


def test_holding_it_takes_real_blocks(reserve: Reserve) -> None:
    assert not reserve.intact()
    reserve.ensure()
    assert reserve.intact()
    status = reserve.path.stat()
    assert (status.st_size, status.st_mode & 0o777) == (SIZE, 0o600)
    assert status.st_blocks * 512 >= SIZE


def test_it_is_let_go_once(reserve: Reserve) -> None:
    reserve.ensure()
    assert reserve.release()
    assert reserve.path.stat().st_blocks == 0
    assert not reserve.release()


def test_objects_are_taken_in_only_while_it_stands_and_as_much_is_free(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve.ensure()
    free(monkeypatch, SIZE)
    assert reserve.room_for_objects()
    free(monkeypatch, SIZE - 1)
    assert not reserve.room_for_objects()


def test_once_let_go_it_is_held_again_before_objects_are_taken_in(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve.ensure()
    reserve.release()
    free(monkeypatch, 3 * SIZE - 1)
    assert not reserve.room_for_objects()
    assert not reserve.intact()
    free(monkeypatch, 3 * SIZE)
    assert reserve.room_for_objects()
    assert reserve.intact()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_without_room_for_it_holds_nothing_half(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    no_space(monkeypatch, code)
    with pytest.raises(StorageFull):
        reserve.ensure()
    assert reserve.path.stat().st_size == 0


def test_a_failing_disk_is_not_a_full_one(reserve: Reserve, monkeypatch: pytest.MonkeyPatch) -> None:
    no_space(monkeypatch, errno.EIO)
    with pytest.raises(StorageFailed):
        reserve.ensure()


def test_a_size_of_nothing_reserves_nothing(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 0)
    reserve.ensure()
    assert reserve.intact()
    assert not reserve.release()
    assert not reserve.path.exists()


def test_no_descriptor_is_left_open(reserve: Reserve) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        reserve.ensure()
        reserve.release()
    assert len(os.listdir("/proc/self/fd")) == before
