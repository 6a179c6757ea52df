"""So many a second, between such and such hours."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import Violation
from leadglass.transfer.pace import Hours, Pace


@pytest.mark.parametrize(
    ("text", "rate", "of_bytes"),
    [
        ("20", 20, False),
        ("20/s", 20, False),
        ("0.5", 0.5, False),
        ("5MB", 5e6, True),
        (" 2.5 mb/s", 2.5e6, True),
    ],
)
def test_a_rate(text: str, rate: float, of_bytes: bool) -> None:
    pace = Pace.parse(text)
    assert (pace.rate, pace.of_bytes) == (rate, of_bytes)


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "5 GB", "1e9", "0.000MB", "٥"])
def test_no_rate(text: str) -> None:
    with pytest.raises(Violation):
        Pace.parse(text)


def test_without_a_rate_nobody_waits() -> None:
    assert Pace().took(10**9, 5) == 0


@given(
    st.floats(0.5, 1000),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 10**7), st.floats(0, 10)), min_size=1, max_size=30),
)
def test_never_faster_than_asked(rate: float, of_bytes: bool, taken: list[tuple[int, float]]) -> None:
    """Whoever waits as told has taken, at any moment, no more than the rate allows since the start."""
    pace, start = Pace(rate, of_bytes), 100.0
    now, amount = start, 0.0
    for size, idle in taken:
        now += idle
        amount += size if of_bytes else 1
        now += pace.took(size, now)
        assert amount <= rate * (now - start) * (1 + 1e-9) + 1e-6


def test_what_was_not_used_is_not_saved_up() -> None:
    pace = Pace(1)
    assert pace.took(0, 0) == 1
    assert pace.took(0, 1000) == 1
    assert pace.took(0, 1000) == 2


@pytest.mark.parametrize("text", ["20-06", "20:30-06:15", "0-6", "6-24", "22-00"])
def test_hours(text: str) -> None:
    assert isinstance(Hours.parse(text), Hours)


@pytest.mark.parametrize("text", ["", "20", "20-25", "20-20", "6:60-7", "20:5-6", "a-b", "-", "24:01-6"])
def test_no_hours(text: str) -> None:
    with pytest.raises(Violation):
        Hours.parse(text)


@pytest.mark.parametrize(
    ("text", "clock", "seconds"),
    [
        ("20-06", "19:59:30", 30),
        ("20-06", "20:00:00", 0),
        ("20-06", "00:00:00", 0),
        ("20-06", "05:59:59", 0),
        ("20-06", "06:00:00", 14 * 3600),
        ("08:30-12", "08:29:00", 60),
        ("08:30-12", "11:59:59", 0),
        ("08:30-12", "12:00:00", 20.5 * 3600),
        ("6-24", "23:59:59", 0),
        ("22-00", "23:00:00", 0),
        ("22-00", "00:00:00", 22 * 3600),
    ],
)
def test_waiting_for_them(text: str, clock: str, seconds: float) -> None:
    assert Hours.parse(text).wait(datetime.fromisoformat(f"2026-03-01T{clock}")) == seconds


@given(st.integers(0, 1439), st.integers(1, 1440), st.datetimes())
def test_after_waiting_it_is_time(begin: int, end: int, now: datetime) -> None:
    if begin == end % 1440:
        return
    hours = Hours(begin, end)
    now = now.replace(year=2026, microsecond=0)
    assert hours.wait(now + timedelta(seconds=hours.wait(now))) == 0


def test_all_day_unless_asked() -> None:
    assert Hours().wait(datetime.fromisoformat("2026-03-01T12:00")) == 0
