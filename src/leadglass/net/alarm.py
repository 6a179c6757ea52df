"""A deadline that moves with every message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` when it is `due` (loop time; None: never). One timer looks at the number now and then, so
    that putting it off, by `expect` or by setting `due`, costs nothing; only `expect` brings it forward."""

    __slots__ = ("_loop", "_ring", "_timer", "due")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self.due: float | None = None
        self._loop = loop
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, seconds: float) -> None:
        self.due = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self.due:
            self._arm(self.due)

    def stop(self) -> None:
        self.due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self.due is None:
            return
        if self._loop.time() < self.due:
            self._arm(self.due)
        else:
            self._ring()
