"""How fast and when: so many instances or bytes a second, between such and such hours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from leadglass.errors import Violation

_RATE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) *(|/s|MB|MB/s)", re.IGNORECASE | re.ASCII)
_HOURS: Final = re.compile(r"(\d{1,2})(?::(\d\d))?-(\d{1,2})(?::(\d\d))?", re.ASCII)
_MINUTES: Final = 24 * 60


@dataclass(slots=True)
class Pace:
    """At most `rate` instances or bytes a second, on average since the last pause; 0: as fast as it goes.

    Times are seconds of any one clock.
    """

    rate: float = 0
    of_bytes: bool = False
    _free: float = 0  # when all that was taken so far may have been taken

    @classmethod
    def parse(cls, text: str) -> Pace:
        """`20` or `20/s`: instances; `5MB` or `5MB/s`: megabytes. Violation when it is neither."""
        found = _RATE.fullmatch(text.strip())
        if found is None or not float(found[1]):
            raise Violation("A rate is 20 (instances a second) or 5MB (megabytes a second).", code="rate")
        of_bytes = "MB" in found[2].upper()
        return cls(float(found[1]) * (1_000_000 if of_bytes else 1), of_bytes)

    def took(self, size: int, now: float) -> float:
        """One instance of `size` bytes was taken: how many seconds to wait before the next."""
        if not self.rate:
            return 0
        self._free = max(self._free, now) + (size if self.of_bytes else 1) / self.rate
        return self._free - now


@dataclass(frozen=True, slots=True)
class Hours:
    """The part of the day in which something may be asked, in minutes of local time."""

    begin: int = 0
    end: int = _MINUTES

    @classmethod
    def parse(cls, text: str) -> Hours:
        """`20-06` or `20:30-06:15`. Violation when it is neither, or no time at all."""
        found = _HOURS.fullmatch(text.strip())
        if found is not None:
            begin, end = (int(found[at]) * 60 + int(found[at + 1] or 0) for at in (1, 3))
            legal = all(int(found[at] or 0) < 60 for at in (2, 4)) and max(begin, end) <= _MINUTES
            if legal and begin != end:
                return cls(begin % _MINUTES, end or _MINUTES)
        raise Violation("Hours are 20-06 or 20:30-06:15, in local time.", code="hours")

    def wait(self, now: datetime) -> float:
        """Seconds until they begin; 0 while they last."""
        minute = now.hour * 60 + now.minute
        if self.begin < self.end:
            inside = self.begin <= minute < self.end
        else:
            inside = minute >= self.begin or minute < self.end
        if inside:
            return 0
        return float((self.begin - minute) % _MINUTES * 60 - now.second)
