"""All studies of an archive that answers no more than so many at once, and does not always say so.

Some archives refuse a query with too many matches, some end it with a failure or a warning, some just stop.
For the last the rule is: an archive that stops, stops at the same number each time. So an answer as long as
the longest yet may have been cut and is asked for again in parts; a shorter one was whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from leadglass.transfer.windows import Window

LEAST_CAP: Final = 10  # nobody's limit is smaller
MOST_FAILED: Final = 50  # windows that could not be asked for any smaller


class Ended(StrEnum):
    """How an answer ended."""

    WHOLE = "whole"  # as far as the other side says
    CUT = "cut"  # we had enough, or the other side said that there was more
    FAILED = "failed"


@dataclass(slots=True)
class Listing:
    """What has been asked for and what is to be asked for. `cap`: what the other side is known to stop at."""

    pending: list[Window]  # the next one stands last
    cap: int | None = None
    longest: int = 0  # studies in the longest answer that ended as if it were whole
    unsure: list[Window] = field(default_factory=list)  # may have been cut, and cannot be split
    failed: list[Window] = field(default_factory=list)
    timed_days: int = 0  # days listed by time of day: studies of theirs without a time may be missing
    asked: int = 0
    given: bool = False  # whether any study was ever told
    folds: bool = False  # whether the other side matches patient IDs without regard to case

    @classmethod
    def of(cls, windows: Iterable[Window], cap: int | None = None) -> Listing:
        return cls(list(reversed(list(windows))), cap)

    @property
    def window(self) -> Window | None:
        """What to ask for now; None when everything has been."""
        return self.pending[-1] if self.pending else None

    @property
    def is_hopeless(self) -> bool:
        """Whether the other side fails however little it is asked."""
        return bool(self.failed) and (not self.given or len(self.failed) >= MOST_FAILED)

    def answered(self, count: int, ended: Ended, *, untimed: int = 0, folds: bool = False) -> None:
        """The current window's answer: how many studies, `untimed` of them without a time, and its end.
        `folds`: it has patient IDs that begin in other letter case than was asked for."""
        window = self.pending.pop()
        if folds and not self.folds:
            self.folds = True  # then half of the windows would bring the same again, at each letter
            self.pending = [each for each in self.pending if not each.is_in_lower_case]
        self.asked += 1
        self.given = self.given or count > 0
        cut = self._may_be_cut(count, ended) and not self._is_twin(window)
        if ended is Ended.WHOLE:
            self.longest = max(self.longest, count)
        if cut:
            self._split(window, self._parts(window, count, ended), ended, untimed)

    def _may_be_cut(self, count: int, ended: Ended) -> bool:
        if ended is not Ended.WHOLE:
            return True
        if self.cap is not None:
            return count >= self.cap
        return count >= max(LEAST_CAP, self.longest)

    def _split(self, window: Window, parts: tuple[Window, ...], ended: Ended, untimed: int) -> None:
        if not parts:
            (self.failed if ended is Ended.FAILED else self.unsure).append(window)
        elif window.is_of_a_whole_day:
            self.timed_days += 1
            parts += self._asked(window.by_patient()) if untimed else ()
        self.pending.extend(reversed(parts))

    def _parts(self, window: Window, count: int, ended: Ended) -> tuple[Window, ...]:
        if ended is Ended.FAILED and window.is_of_one_second:
            return ()  # nobody fails because of too many studies in one second
        if ended is Ended.CUT and window.prefix and not count:
            return ()  # Orthanc counts what a database's wildcard (_) matches, and gives what it means
        return self._asked(window.split())

    def _asked(self, windows: tuple[Window, ...]) -> tuple[Window, ...]:
        return tuple(each for each in windows if not self._is_twin(each))

    def _is_twin(self, window: Window) -> bool:
        """Whether another window brings the same."""
        return self.folds and window.is_in_lower_case

    def to_json(self) -> dict[str, Any]:
        return {
            "pending": [window.to_row() for window in self.pending],
            "cap": self.cap,
            "longest": self.longest,
            "unsure": [window.to_row() for window in self.unsure],
            "failed": [window.to_row() for window in self.failed],
            "timed_days": self.timed_days,
            "asked": self.asked,
            "given": self.given,
            "folds": self.folds,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Listing:
        names = ("pending", "unsure", "failed")
        return cls(**(kept | {name: [Window.from_row(row) for row in kept[name]] for name in names}))
