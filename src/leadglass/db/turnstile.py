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

from leadglass.errors import Unavailable


class Turnstile:
    """The two locks of one home. Each thread that writes needs an instance of its own."""

    def __init__(self, directory: Path) -> None:
        self._gate = _open_lock(directory / "gate.lock")
        self._floor = _open_lock(directory / "floor.lock")

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Hold the floor. Blocks until it is this writer's turn. Unavailable when there are no locks."""
        _lock(self._gate)
        try:
            _lock(self._floor)
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._floor, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._gate)
        os.close(self._floor)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise Unavailable("The system refuses the lock of whoever writes to the database.") from error


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
