"""The two clocks of a probe: when it was, for the record, and how long it took. The loop's own goes by steps
of a millisecond and stands still while something is worked on: it is for deadlines only."""

from __future__ import annotations

import time

ticks = time.perf_counter


def now() -> int:
    """ms since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def since(started: float) -> int:
    """µs since `ticks()` said `started`."""
    return int((ticks() - started) * 1e6)
