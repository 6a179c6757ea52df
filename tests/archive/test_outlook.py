"""What came in per day, when the disk is full, what ends soon; and how that reads."""

from __future__ import annotations

from typing import Any

import pytest

from leadglass.archive import sentences
from leadglass.archive.outlook import DAY, Expiring, Intake, Outlook, Scrubbed, days_left

NOW = 1_800_000_000_000


def outlook_of(clinic: Any, now: int = NOW) -> Outlook:
    found: Outlook = clinic.services.upkeep.outlook(now)
    return found


def test_an_empty_archive(clinic: Any) -> None:
    found = outlook_of(clinic)
    assert (found.newest, found.days_left, found.lost, found.damaged, found.checked) == (
        None,
        None,
        0,
        0,
        None,
    )
    assert found.week == Intake(7, 0, 0)
    assert list(sentences.troubles(found, NOW)) == []


def test_what_came_in_is_counted_by_day_and_a_young_archive_by_its_age(clinic: Any) -> None:
    clinic.take_in(1)
    clinic.now += 3 * DAY
    clinic.take_in(2)
    clinic.take_in(3)
    size = clinic.scalar("SELECT max(size) FROM instances")
    found = outlook_of(clinic, clinic.now)
    assert found.week == found.month.__class__(4, 3, 3 * size)
    assert found.newest == clinic.now
    later = outlook_of(clinic, clinic.now + 20 * DAY)
    assert (later.week, later.month) == (Intake(7, 0, 0), Intake(24, 3, 3 * size))
    assert clinic.scalar("SELECT sum(instances) FROM arrivals") == 3


def test_rows_that_are_rolled_back_are_not_counted(clinic: Any, mute: Any) -> None:
    mute()
    with pytest.raises(Exception, match="full"):
        clinic.take_in(1)
    assert clinic.scalar("SELECT count(*) FROM arrivals") == 0


@pytest.mark.parametrize(
    ("free", "per_day", "days"),
    [(0, 100, 0), (1000, 100, 9), (10**12, 10**9, 999), (10**12, 0, None), (10**15, 1, None)],
)
def test_days_left(free: int, per_day: int, days: int | None) -> None:
    assert days_left(free, per_day) == days


@pytest.mark.parametrize(
    ("past", "said"),
    [
        (0, "just now"),
        (-5000, "just now"),
        (60_000, "1 minute ago"),
        (DAY - 1, "23 hours ago"),
        (2 * DAY, "2 days ago"),
        (70 * DAY, "2 months ago"),
        (800 * DAY, "2 years ago"),
    ],
)
def test_ages(past: int, said: str) -> None:
    assert sentences.ago(NOW - past, NOW) == said
    assert sentences.ago(None, NOW) == "never"


def test_what_calls_for_somebody() -> None:
    found = Outlook(
        newest=None,
        week=Intake(7, 0, 0),
        month=Intake(30, 10, 10**9),
        days_left=3,
        lost=2,
        damaged=1,
        checked=None,
        deep_checked=None,
        scrub=Scrubbed(None, NOW - 100 * DAY, 5, 5),
        published=None,
        expiring=(Expiring("web", NOW + 2 * DAY), Expiring("CT1", NOW - DAY)),
    )
    said = " ".join(sentences.troubles(found, NOW))
    for words in (
        "1 object was found damaged",
        "2 objects are lost",
        "disk is full in 3 days",
        "last all read again 3 months ago",
        "The web listener's certificate ends in 2 days.",
        "The certificate of CT1 has ended.",
    ):
        assert words in said
