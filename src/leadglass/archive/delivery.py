"""Many objects of one sender, one after the other: what a STOW-RS request or an upload from a browser is.

Each object streams into `ingest`; its end is handed to another thread, so that the next one comes in while
the disk makes the last one durable. What was received is told only when that is known of all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from leadglass.access.principal import Context, Principal
from leadglass.archive.ingest import Incoming, Ingest, Kind
from leadglass.archive.outcome import Claims, Outcome
from leadglass.errors import LeadglassError, LimitExceeded, Unavailable

FINISHERS: Final = 4  # threads that fsync, of all deliveries together
IN_FLIGHT: Final = 32  # objects of a delivery that are sealed and wait for their commit
_NOTHING: Final = Claims()


@dataclass(frozen=True, slots=True)
class Received:
    """What became of one object: an outcome, durable and on the record, or the error that kept it out."""

    claims: Claims
    outcome: Outcome | None = None
    error: LeadglassError | None = None

    @property
    def is_kept(self) -> bool:
        """Among the images, now or before. What was kept aside is not."""
        return self.outcome is not None and self.outcome.kind in (Kind.STORED, Kind.DUPLICATE)


class Deliveries:
    """Of one home. `largest`: bytes that a single object may have."""

    def __init__(self, ingest: Ingest, largest: int) -> None:
        self._ingest = ingest
        self._largest = largest
        self._finishers = ThreadPoolExecutor(FINISHERS, "leadglass-finisher")  # begin with their first work

    def begin(
        self,
        who: Callable[[], Principal],
        department_id: int,
        source: str,
        context: Callable[[], Context],
        *,
        study: str = "",
        keep_unidentified: bool = False,
    ) -> Delivery:
        """`who` is asked for each object, as `context` is; Denied keeps that object out. `study`: the Study
        Instance UID that all of them announced; `source` as `Ingest.open` has it."""

        def opened() -> Incoming:
            return self._ingest.open(
                who(),
                department_id,
                source,
                context(),
                expected_study=study,
                keep_unidentified=keep_unidentified,
            )

        return Delivery(opened, self._finishers, self._largest)

    def close(self) -> None:
        self._finishers.shutdown()


class Delivery:
    """`begin`, `write` and `end` for each object; then `complete`, or `abandon` at any time.

    One thread at a time is at work; a call that comes after `abandon` does nothing. An object that cannot be
    kept is skipped to its end, and those after it are none the worse for it.
    """

    def __init__(self, opened: Callable[[], Incoming], finishers: ThreadPoolExecutor, largest: int) -> None:
        self._opened = opened
        self._finishers = finishers
        self._largest = largest
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(IN_FLIGHT)
        self._received: list[Future[Received]] = []
        self._incoming: Incoming | None = None
        self._size = 0
        self._is_over = False

    def begin(self) -> None:
        with self._lock:
            if self._is_over:
                return
            self._size = 0
            try:
                self._incoming = self._opened()
            except LeadglassError as error:
                self._fail(_NOTHING, error)

    def write(self, piece: bytes | memoryview) -> None:
        """The next bytes of the Part 10 file."""
        with self._lock:
            if self._incoming is None:
                return
            self._size += len(piece)
            try:
                if self._size > self._largest:
                    self._incoming.refuse()
                    raise LimitExceeded("It is larger than a single object may be.", code="object-too-large")
                self._incoming.write(piece)
            except LeadglassError as error:
                incoming, self._incoming = self._incoming, None
                incoming.abandon()
                self._fail(incoming.claims, error)

    def end(self) -> None:
        with self._lock:
            incoming, self._incoming = self._incoming, None
            if incoming is None:
                return
            told: Future[Received] = Future()
            self._received.append(told)
            self._places.acquire()
            self._finishers.submit(self._finish, incoming, told)

    def complete(self) -> list[Received]:
        """What became of each, in their order, once all of it is durable and on the record."""
        with self._lock:
            self._is_over = True
        return [told.result() for told in self._received]

    def abandon(self) -> None:
        """The rest will not come. What has come whole stays, and is waited for; of the one under way nothing
        does."""
        with self._lock:
            self._is_over = True
            incoming, self._incoming = self._incoming, None
            if incoming is not None:
                incoming.abandon()
        for told in self._received:
            told.result()

    def _fail(self, claims: Claims, error: LeadglassError) -> None:
        told: Future[Received] = Future()
        told.set_result(Received(claims, error=error))
        self._received.append(told)

    def _finish(self, incoming: Incoming, told: Future[Received]) -> None:
        try:
            committed = incoming.finish()
        except BaseException as error:  # noqa: BLE001 - it belongs to a future, whatever it is
            self._tell(told, incoming.claims, error)
        else:
            claims = incoming.claims
            committed.add_done_callback(lambda done: self._settle(told, claims, done))

    def _settle(self, told: Future[Received], claims: Claims, done: Future[Outcome]) -> None:
        """Called by the database's writer, after the commit."""
        error = done.exception()
        if error is not None:
            self._tell(told, claims, error)
        else:
            self._places.release()
            told.set_result(Received(claims, done.result()))

    def _tell(self, told: Future[Received], claims: Claims, error: BaseException) -> None:
        self._places.release()
        if not isinstance(error, LeadglassError):  # our bug: nothing of it is said, and nothing was kept
            error = Unavailable("It could not be kept.", code="failed")
        told.set_result(Received(claims, error=error))
