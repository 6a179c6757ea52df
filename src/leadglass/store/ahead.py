"""Names made ahead of the objects that take them, in a thread of their own.

To make an entry of a directory durable costs a write of the disk's journal. One for a batch of empty files,
made while nobody waits, takes it out of every object's way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from leadglass.errors import Unavailable

BATCH: Final = 32  # names that are made at once
LOW: Final = 24  # names left when more are made
STREAM: Final = 16  # names asked for, before it is worth while: a few objects do without


class Ahead:
    """`make(n)` makes n names, durable when it returns; `discard` is given those that nobody took."""

    def __init__(
        self, make: Callable[[int], Sequence[str]], discard: Callable[[Sequence[str]], None]
    ) -> None:
        self._make = make
        self._discard = discard
        self._names: list[str] = []
        self._changed = threading.Condition()
        self._asked = 0
        self._is_low = False
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def take(self) -> str | None:
        """A name, or None when there is none just now: whoever asks then makes one for itself."""
        with self._changed:
            self._asked += 1
            if self._asked < STREAM or self._is_closed:
                return None
            name = self._names.pop() if self._names else None
            if len(self._names) <= LOW and not self._is_low:
                self._is_low = True
                self._start()
                self._changed.notify_all()
            return name

    def close(self) -> None:
        """Nothing is made any more, and what is left is discarded."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        names, self._names = self._names, []
        self._discard(names)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="leadglass-ahead", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._wanted():
            made: Sequence[str] = ()
            with suppress(Unavailable):  # a full or failing disk: who needs a name next is told so
                made = self._make(BATCH)
            with self._changed:
                self._names += made
                self._is_low = False

    def _wanted(self) -> bool:
        """Waits until more names are; False once there is an end to it."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_low or self._is_closed)
            return not self._is_closed
