"""Who stores and who removes what nobody names keep out of each other's way."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from leadglass.archive.presence import Presence


@pytest.fixture
def two(tmp_path: Path) -> tuple[Presence, Presence]:
    """As two processes have it."""
    return Presence(tmp_path / "lock"), Presence(tmp_path / "lock")


def test_nobody_is_alone_while_another_may_be_storing(two: tuple[Presence, Presence]) -> None:
    storing, checking = two
    with checking.alone() as alone:
        assert alone
    storing.enter()
    storing.enter()
    with checking.alone() as alone:
        assert not alone
    storing.leave()
    storing.leave()
    with checking.alone() as alone:
        assert alone


def test_several_may_store_at_once(two: tuple[Presence, Presence]) -> None:
    for one in two:
        one.enter()
    for one in two:
        one.leave()


def test_whoever_wants_to_store_waits_until_nobody_is_alone(
    two: tuple[Presence, Presence], monkeypatch: pytest.MonkeyPatch
) -> None:
    storing, checking = two
    asked = threading.Event()
    order: list[str] = []
    lock = fcntl.flock

    def asking(descriptor: int, how: int) -> None:
        asked.set()
        lock(descriptor, how)

    with checking.alone():
        monkeypatch.setattr(fcntl, "flock", asking)
        thread = threading.Thread(target=lambda: (storing.enter(), order.append("entered")))
        thread.start()
        assert asked.wait(30)
        order.append("no longer alone")
    thread.join(30)
    assert order == ["no longer alone", "entered"]
    storing.leave()


def test_nothing_stays_open(two: tuple[Presence, Presence], tmp_path: Path) -> None:
    storing, checking = two
    storing.enter()
    with checking.alone():
        pass
    storing.leave()
    with pytest.raises(RuntimeError), checking.alone():
        raise RuntimeError
    names = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    assert str(tmp_path / "lock") not in [os.readlink(name) for name in names if os.path.lexists(name)]
