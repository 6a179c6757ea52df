"""A fair queue of writers across processes, from two advisory file locks.

SQLite's own busy handler sleeps and retries, so a busy writer starves every other one. Here a
writer takes `gate`, then `floor`, then lets `gate` go. Whoever just left the floor finds the next
writer already inside the gate and has to queue behind it: writers alternate.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turnstile:
    """The two locks of one home. Each thread that writes needs an instance of its own."""

    def __init__(self, directory: Path) -> None:
        self._gate = _open_lock(directory / "gate.lock")
        self._floor = _open_lock(directory / "floor.lock")

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Hold the floor. Blocks until it is this writer's turn."""
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._floor, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._floor, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._gate)
        os.close(self._floor)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
