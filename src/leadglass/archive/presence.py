"""A lock file: whoever wants to remove blobs that no row names learns that somebody may be storing one."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Presence:
    """Of this process among those that store into one home."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor = -1

    def enter(self) -> None:
        """From now on somebody may be storing; waits until nobody is `alone`. Twice does no harm."""
        with self._lock:
            if self._descriptor < 0:
                self._descriptor = self._locked(fcntl.LOCK_SH)

    def leave(self) -> None:
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody is storing, and nobody begins to while this lasts."""
        try:
            descriptor = self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            os.close(descriptor)

    def _locked(self, how: int) -> int:
        descriptor = os.open(self._path, _FLAGS, 0o600)
        try:
            fcntl.flock(descriptor, how)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor
