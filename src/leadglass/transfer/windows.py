"""Another archive's study list in parts: windows of days, of times of one day, of patient IDs.

A window knows the keys that ask for it (PS3.4 C.2.2.2) and how to be split when its answer was cut short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

DAY: Final = 86_400  # seconds
LONGEST_PREFIX: Final = 20

# What patient IDs are made of: the default repertoire without wildcards, those of databases too, and the
# delimiter of values. An ID with other characters is found by its date only. A space stands nowhere in front.
_CHARACTERS: Final = tuple(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "*?%\\")


@dataclass(frozen=True, slots=True)
class Window:
    """Studies of the days `first` to `last`, both included; `date.min` and `date.max` leave it open.

    `begin` and `end` are seconds of the one day, both included. `prefix`: only patient IDs that begin so, or,
    if `exact`, that are so. A window of all days asks for no date at all: undated studies are in it.
    """

    first: date = date.min
    last: date = date.max
    begin: int = 0
    end: int = DAY - 1
    prefix: str = ""
    exact: bool = False

    @property
    def is_of_all_days(self) -> bool:
        return self.first == date.min and self.last == date.max

    @property
    def is_of_one_day(self) -> bool:
        return self.first == self.last

    @property
    def is_of_a_whole_day(self) -> bool:
        return self.is_of_one_day and self.end - self.begin == DAY - 1 and not self.prefix

    @property
    def is_of_one_second(self) -> bool:
        return self.is_of_one_day and self.begin == self.end

    @property
    def is_in_lower_case(self) -> bool:
        """Whether its patient IDs are among those of another window, for who does not mind the case."""
        return self.prefix != self.prefix.upper()

    def keys(self) -> Mapping[str, str]:
        """The matching keys of the query."""
        keys: dict[str, str] = {}
        if self.is_of_one_day:
            keys["StudyDate"] = _day(self.first)
        elif not self.is_of_all_days:
            keys["StudyDate"] = (
                f"{'' if self.first == date.min else _day(self.first)}-"
                f"{'' if self.last == date.max else _day(self.last)}"
            )
        if self.end - self.begin < DAY - 1:
            # To the end of the last second: archives compare fractions, and some compare text.
            keys["StudyTime"] = f"{_time(self.begin)}-{_time(self.end)}.999999"
        if self.prefix:
            keys["PatientID"] = self.prefix if self.exact else f"{self.prefix}*"
        return keys

    def split(self) -> tuple[Window, ...]:
        """Smaller windows that hold the same studies, the newest first; () when there are none."""
        if self.prefix or self.is_of_all_days:
            return self.by_patient()
        if self.first < self.last:
            middle = self.first + timedelta(days=(self.last - self.first).days // 2)
            return replace(self, first=middle + timedelta(days=1)), replace(self, last=middle)
        if self.begin < self.end:
            middle_second = (self.begin + self.end) // 2
            return replace(self, end=middle_second), replace(self, begin=middle_second + 1)
        return self.by_patient()

    def by_patient(self) -> tuple[Window, ...]:
        """As far as the studies have a patient ID."""
        if self.exact or len(self.prefix) >= LONGEST_PREFIX:
            return ()
        if not self.prefix:
            return tuple(replace(self, prefix=character) for character in _CHARACTERS)
        longer = (replace(self, prefix=self.prefix + character) for character in (" ", *_CHARACTERS))
        return (replace(self, exact=True), *longer)

    def to_row(self) -> list[Any]:
        """As JSON keeps it."""
        return [
            self.first.isoformat(), self.last.isoformat(), self.begin, self.end, self.prefix, self.exact,
        ]  # fmt: skip

    @classmethod
    def from_row(cls, row: list[Any]) -> Window:
        first, last, begin, end, prefix, exact = row
        return cls(date.fromisoformat(first), date.fromisoformat(last), begin, end, prefix, exact)

    def __str__(self) -> str:
        """For people: which studies. Without the prefix, which is of a patient's ID."""
        days = "no date" if self.prefix and self.is_of_all_days else "all days"
        days = days if self.is_of_all_days else f"{_bound(self.first)} to {_bound(self.last)}"
        if self.is_of_one_day:
            days = self.first.isoformat()
        if self.end - self.begin < DAY - 1:
            days += f" {_time(self.begin)} to {_time(self.end)}"
        return f"{days}, some patient IDs" if self.prefix else days


def _day(day: date) -> str:
    return day.isoformat().replace("-", "")


def _time(second: int) -> str:
    return f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"


def _bound(day: date) -> str:
    return "…" if day in (date.min, date.max) else day.isoformat()


def roots(first: date | None, last: date | None, today: date) -> list[Window]:
    """Where a listing starts. With bounds: those days; else everything, most likely days first."""
    if first is not None or last is not None:
        return [Window(first or date.min, last or date.max)]
    start, day = date(1990, 1, 1), timedelta(days=1)
    return [
        Window(start, today),
        Window(date.min, start - day),
        Window(today + day, date.max),
        Window(),  # no date, or none that a range finds
    ]
