"""Decoding behind glass: pictures come from processes with one principal's object, no key and no way out.

Whoever breaks a codec with a crafted image gains a process that may compute for a few seconds and sees what
its own principal was shown anyway. See docs/design/rendering.md.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

from leadglass.archive.rendering.confinement import Guards
from leadglass.archive.rendering.wire import (
    BrokenExchange,
    Deadline,
    Refusal,
    Rendered,
    RenderRequest,
    refused,
)
from leadglass.archive.rendering.zygote import Fetch, RenderLimits, Worker, Zygote
from leadglass.errors import LimitExceeded, Unavailable

__all__ = ["Fetch", "Guards", "RenderLimits", "RenderRequest", "Rendered", "Sandbox"]


class _Seat:
    """A worker's place among `RenderLimits.workers`. Only whoever made it `busy` may touch its worker."""

    __slots__ = ("busy", "idle_since", "worker")

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.busy = True
        self.idle_since = 0.0

    def vacate(self) -> None:
        if self.worker is not None:
            self.worker.end()
            self.worker = None


class Sandbox:
    """Renders frames in confined workers, one per owner, never handed on to another. Thread-safe.

    Processes start at the first request (or `start()`) and end when none has come for a while.
    """

    def __init__(self, limits: RenderLimits | None = None) -> None:
        self._limits = limits or RenderLimits()
        self._zygote = Zygote(self._limits)
        self._seats: OrderedDict[str, _Seat] = OrderedDict()  # least recently used first
        self._changed = threading.Condition()
        self._closed = False
        self._guards: Guards | None = None
        self._keeper: threading.Thread | None = None
        self._used = 0.0

    @property
    def guards(self) -> Guards | None:
        """What confines the latest worker beyond its limits; None before the first."""
        return self._guards

    def processes(self) -> dict[str, int]:
        """Owner and pid of every worker alive."""
        with self._changed:
            return {owner: seat.worker.pid for owner, seat in self._seats.items() if seat.worker}

    def start(self) -> None:
        """Load the codecs now, so that the first picture does not wait for them."""
        self._zygote.start()
        with self._changed:
            self._used = time.monotonic()
            self._keep()

    def render(
        self, owner: str, object_id: Hashable, fetch: Fetch, size: int, request: RenderRequest
    ) -> Rendered:
        """One frame of the Part 10 file that `fetch()` streams, called only if the worker lacks that object.

        `size` is the file's length in bytes. Raises Violation (cannot be shown, or not within the limits),
        Unavailable (no free worker in time), and whatever `fetch` raises, Tampered for one.
        """
        request.check()
        if size > self._limits.object_bytes:
            raise LimitExceeded("This object is too large to be shown here.", code="object-too-large")
        seat = self._take(owner)
        try:
            outcome = self._ask(seat, object_id, fetch, request)
        except BaseException:
            seat.vacate()
            raise
        finally:
            self._give_back(owner, seat)
        if isinstance(outcome, Refusal):
            raise refused(outcome)
        return outcome

    def end(self, owner: str) -> None:
        """End this owner's worker, if it has one that is not at work; for sign-out."""
        with self._changed:
            self._end_idle([owner])

    def close(self) -> None:
        """End every process. Requests under way fail with a Violation or Unavailable."""
        with self._changed:
            self._closed = True
            self._end_idle(list(self._seats))
            self._changed.notify_all()
        self._zygote.close()
        if self._keeper is not None:
            self._keeper.join()

    def _ask(
        self, seat: _Seat, object_id: Hashable, fetch: Fetch, request: RenderRequest
    ) -> Rendered | Refusal:
        """A worker may die of what it served before, so this object may fail only in a fresh one."""
        while True:
            fresh = seat.worker is None
            worker = seat.worker = seat.worker or self._zygote.spawn()
            self._guards = worker.guards
            deadline = Deadline(self._limits.seconds)
            try:
                return worker.render(object_id, fetch, self._limits.object_bytes, request, deadline)
            except BrokenExchange:
                seat.vacate()
                if fresh or deadline.passed():
                    return Refusal.LIMITS

    # ---- seats: all of them under the condition ------------------------------------------------------------

    def _take(self, owner: str) -> _Seat:
        """This owner's seat, or a new one; waits while the owner's or all others are at work."""
        give_up = time.monotonic() + self._limits.queue_seconds
        with self._changed:
            while not self._closed:
                seat = self._seats.get(owner)
                if seat is None and self._has_room():
                    seat = self._seats[owner] = _Seat()
                    self._keep()
                    return seat
                if seat is not None and not seat.busy:
                    seat.busy = True
                    self._seats.move_to_end(owner)
                    return seat
                if not self._changed.wait(give_up - time.monotonic()):
                    raise Unavailable("Too many pictures are being prepared. Try again in a moment.")
        raise Unavailable("The server is stopping.")

    def _give_back(self, owner: str, seat: _Seat) -> None:
        with self._changed:
            seat.busy = False
            seat.idle_since = self._used = time.monotonic()
            if seat.worker is None or self._closed:
                seat.vacate()
                del self._seats[owner]
            self._changed.notify_all()

    def _has_room(self) -> bool:
        if len(self._seats) < self._limits.workers:
            return True
        oldest = next((owner for owner, seat in self._seats.items() if not seat.busy), None)
        return oldest is not None and self._end_idle([oldest])

    def _end_idle(self, owners: list[str]) -> bool:
        ended = False
        for owner in owners:
            seat = self._seats.get(owner)
            if seat is not None and not seat.busy:
                seat.vacate()
                del self._seats[owner]
                ended = True
        return ended

    def _keep(self) -> None:
        if self._keeper is None and not self._closed:
            self._keeper = threading.Thread(target=self._watch, name="sandbox-keeper", daemon=True)
            self._keeper.start()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                self._changed.wait(self._retire(time.monotonic()))

    def _retire(self, now: float) -> float | None:
        """End what has been idle too long. Seconds until the next look, None for never."""
        idle = self._limits.idle_seconds
        self._end_idle([owner for owner, seat in self._seats.items() if now - seat.idle_since >= idle])
        waits = [seat.idle_since + idle - now for seat in self._seats.values() if not seat.busy]
        if not self._seats and self._zygote.pid is not None:
            left = self._used + self._limits.zygote_idle_seconds - now
            if left <= 0:
                self._zygote.rest()
            else:
                waits.append(left)
        return min(waits, default=None)
