"""Rates and waiting, with a clock of the test's own."""

from __future__ import annotations

import pytest

from leadglass.scan.pace import Pace, Waiting


def run(pace: Pace, addresses: list[str]) -> float:
    """Seconds until the last of these may be asked, one after the other."""
    now = 0.0
    for address in addresses:
        now += pace.take(address, 1, now)
    return now


def test_the_rate_in_all() -> None:
    addresses = [f"10.0.{n % 200}.1" for n in range(1000)]
    assert run(Pace(100, 1000), addresses) == pytest.approx(10, abs=0.2)


def test_the_rate_in_one_network() -> None:
    addresses = [f"10.0.0.{n % 200}" for n in range(100)]
    assert run(Pace(1000, 10), addresses) == pytest.approx(10, abs=0.2)
    assert run(Pace(1000, 10), [f"10.0.{n}.1" for n in range(100)]) == pytest.approx(0, abs=0.2)


def test_what_was_taken_beyond_counts_afterwards() -> None:
    pace = Pace(10, 1000)
    pace.take("10.0.0.1", 20, 0)
    assert pace.take("10.0.0.2", 1, 0) == pytest.approx(2, abs=0.2)


def test_networks_at_rest_are_forgotten() -> None:
    pace = Pace(1e9, 1e9)
    for number in range(70_000):
        pace.take(f"{number}.0.0.1", 1, number)  # a network is a word: none of these is an address
    assert len(pace._networks) < 70_000


def test_waiting_is_longest_while_nobody_answered() -> None:
    waiting = Waiting(3)
    assert waiting.seconds == 3
    waiting.answered(0.01)
    assert waiting.seconds == 1
    for _ in range(50):
        waiting.answered(0.9)
    assert 1 <= waiting.seconds <= 3
    for _ in range(50):
        waiting.answered(5)
    assert waiting.seconds == 3
