"""A deadline that moves: rung once, when it is due, whatever was put off or brought forward meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from leadglass.net.alarm import Alarm


class Timer:
    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self._when, self.call, self.is_off = when, call, False

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        self.is_off = True


class Loop:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now, self.timers = 0.0, list[Timer]()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(when, call))
        return self.timers[-1]

    def until(self, now: float) -> None:
        while due := [each for each in self.timers if not each.is_off and each.when() <= now]:
            first = min(due, key=Timer.when)
            self.timers.remove(first)
            self.now = max(self.now, first.when())
            first.call()
        self.now = now


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def rung() -> list[float]:
    return []


@pytest.fixture
def alarm(loop: Any, rung: list[float]) -> Alarm:
    return Alarm(loop, lambda: rung.append(loop.now))


def test_it_rings_once_when_it_is_due(loop: Loop, alarm: Alarm, rung: list[float]) -> None:
    alarm.expect(10)
    loop.until(9.9)
    assert rung == []
    loop.until(100)
    assert rung == [10]


def test_putting_it_off_sets_no_new_timer(loop: Loop, alarm: Alarm, rung: list[float]) -> None:
    alarm.expect(10)
    for second in range(1, 9):
        loop.until(second)
        alarm.expect(10)
    alarm.due = 30
    assert len(loop.timers) == 1
    loop.until(100)
    assert rung == [30]


def test_it_can_be_brought_forward(loop: Loop, alarm: Alarm, rung: list[float]) -> None:
    alarm.expect(60)
    alarm.expect(1)
    loop.until(100)
    assert rung == [1]


def test_without_a_deadline_it_is_silent(loop: Loop, alarm: Alarm, rung: list[float]) -> None:
    alarm.expect(10)
    alarm.due = None
    loop.until(20)
    alarm.expect(10)
    alarm.stop()
    loop.until(100)
    assert rung == []
    assert [each for each in loop.timers if not each.is_off] == []
