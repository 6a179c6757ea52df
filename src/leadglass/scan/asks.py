"""A query for studies, as a question and as matching keys, and what came of it (PS3.4 C.2.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

DAY: Final = 86_400  # seconds


class End(StrEnum):
    """How the answer to a query ended."""

    COMPLETE = "complete"  # it says that these were all
    LIMITED = "limited"  # it says that there are more, or cancels what nobody cancelled
    REFUSED = "refused"  # a status of failure
    SLOW = "slow"  # nothing more came in time
    LOST = "lost"  # it aborted, or went away
    CANCELLED = "cancelled"  # by us, after as many as we wanted
    SPENT = "spent"  # our own time is over
    MISBEHAVES = "misbehaves"


@dataclass(frozen=True, slots=True)
class Ask:
    """A query for studies. `days` and `times` (seconds) include both ends. After `most` matches it is to be
    cancelled."""

    days: tuple[date, date] | None = None
    times: tuple[int, int] | None = None
    modality: str = ""
    most: int = 0

    def keys(self) -> dict[str, str]:
        """The matching keys by keyword."""
        keys: dict[str, str] = {}
        if self.days is not None:
            keys["StudyDate"] = _range_of_days(*self.days)
        if self.times is not None:
            keys["StudyTime"] = _range_of_times(*self.times)
        if self.modality:
            keys["ModalitiesInStudy"] = self.modality
        return keys


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a query: matches, the images they say they have, and how it ended. `repeats`: matches that
    were there before, word for word."""

    matches: int
    end: End
    images: int = 0
    repeats: int = 0

    @property
    def different(self) -> int:
        return self.matches - self.repeats


def _range_of_days(first: date, last: date) -> str:
    return _day(first) if first == last else f"{_day(first)}-{_day(last)}"


def _range_of_times(begin: int, end: int) -> str:
    """To the end of its last second: archives compare fractions, and some compare text."""
    return f"{_time(begin)}-{_time(end)}.999999"


def _day(day: date) -> str:
    return day.isoformat().replace("-", "")


def _time(second: int) -> str:
    return f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"
