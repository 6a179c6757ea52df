"""Memory that nobody uses any more goes back to the system.

glibc keeps what is freed below something that is not: after two hundred associations that had each sent half
an image, more than 200 MB for as long as the process ran. To look for it takes tens of milliseconds in which
others wait for memory, so it is done once after work, when there is none.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import Final

EVERY_SECONDS: Final = 15
WORK_SECONDS: Final = 0.75  # of processor time since it was last asked: less of it is housekeeping


def trim() -> None:
    """Give back whole pages that are free, where the C library can."""
    give = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none, and does not keep them
    if give is not None:
        give(0)


class AfterWork:
    """Called every EVERY_SECONDS, trims the heap in the first interval without work after one with some."""

    def __init__(
        self, used: Callable[[], float] = time.process_time, give_back: Callable[[], None] = trim
    ) -> None:
        self._used = used
        self._give_back = give_back
        self._before = used()
        self._owed = False

    def __call__(self) -> None:
        used = self._used()
        worked, self._before = used - self._before > WORK_SECONDS, used
        if not worked and self._owed:
            self._give_back()
        self._owed = worked
