"""The one writer of a process: units of work in, group commits out.

A unit is a function of the transaction. Units that wait together are committed together, so that
one fsync serves them all. A unit that raises rolls the group back and the group's units then run
singly: savepoints would cost half the rate for the sake of the rare bad unit.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import sqlcipher3.dbapi2 as sqlcipher

from leadglass.db.reserve import Reserve
from leadglass.db.transaction import Transaction, Unit
from leadglass.db.turnstile import Turnstile
from leadglass.errors import LeadglassError, StorageFailed, StorageFull, Unavailable

GROUP_UNITS = 256
PAGE_BYTES = 4096
GROUP_SECONDS = 0.008  # a group runs no longer than this before it commits: others wait on the floor
CHECKPOINT_BYTES = 8 << 20  # of write-ahead log that is not in the database yet
ASK_SECONDS = 0.05  # between looks at how much that is: each takes 0.2 ms, at times as long as a commit
PATIENCE_MS = 500
DAMAGED = "The index cannot be read: a page of it fails its authentication."


@dataclass(slots=True)
class _Job:
    unit: Unit
    may_use_reserve: bool
    future: Future[Any] = field(default_factory=Future)
    result: Any = None  # of its unit, until the commit


class CommitError(Exception):
    """COMMIT itself failed: whether the group is durable is unknown, so nobody is told that it is."""


class Writer:
    """Owns the writing connection and its thread. A disk that fails an fsync ends it for good."""

    def __init__(
        self, engine: sa.Engine, turnstile: Turnstile, reserve: Reserve, checkpointer: Checkpointer
    ) -> None:
        self._engine = engine
        self._turnstile = turnstile
        self._reserve = reserve
        self._checkpointer = checkpointer
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: sa.Connection | None = None  # the thread's; not from the pool each time
        self._closed = False
        self._broken: Unavailable | None = None

    def submit(self, unit: Unit, *, may_use_reserve: bool) -> Future[Any]:
        job = _Job(unit, may_use_reserve)
        with self._lock:
            if self._closed:
                raise Unavailable("The database is closed.")
            if self._thread is None:
                self._thread = _started(self._run, "leadglass-writer")
            self._jobs.put(job)
        return job.future

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()
        self._engine.dispose()
        self._checkpointer.close()
        self._turnstile.close()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.future.set_running_or_notify_cancel():  # from here on nobody can cancel it
                self._serve(job)
                self._checkpointer.wake_if_due()
        self._disconnect()

    def _serve(self, first: _Job) -> None:
        if self._broken is not None:
            first.future.set_exception(self._broken)
            return
        group, error = self._attempt(self._waiting(first))
        if error is None:
            _tell(group)  # with the floor left: whoever is told takes the interpreter for a while
        elif len(group) <= 1:  # none when the transaction could not even begin
            self._settle(first, error)
        else:  # the group is rolled back: each on its own now, the culprit alone fails
            for job in group:  # other processes may write in between
                self._settle(job, self._broken or self._alone(job))

    def _waiting(self, first: _Job) -> Iterator[_Job]:
        """The job in hand, then what else is queued, until the group is full or has run long enough."""
        yield first
        deadline = time.monotonic() + GROUP_SECONDS
        for _ in range(GROUP_UNITS - 1):
            if time.monotonic() >= deadline:
                return
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is None:  # closing: put the end mark back for the loop
                self._jobs.put(None)
                return
            if job.future.set_running_or_notify_cancel():
                yield job

    def _attempt(self, jobs: Iterator[_Job]) -> tuple[list[_Job], BaseException | None]:
        """Run `jobs` in one transaction. Returns whom to tell, and what went wrong, if anything."""
        group: list[_Job] = []
        try:
            with self._turnstile.passed(), self._transaction() as tx:
                for job in jobs:
                    group.append(job)
                    job.result = job.unit(tx)
        except CommitError as error:
            self._fail(group, error)
            return [], None
        except BaseException as error:  # noqa: BLE001 - it belongs to a future, whatever it is
            return group, error
        return group, None

    def _alone(self, job: _Job) -> BaseException | None:
        """A transaction for one job, which is told unless something went wrong."""
        group, error = self._attempt(iter((job,)))
        if error is None:
            _tell(group)
        return error

    def _settle(self, job: _Job, error: BaseException | None) -> None:
        """Tell a failed job so; for the record's sake the kept-back space is spent before that."""
        if error is None:
            return
        error = _translated(error)
        if isinstance(error, StorageFull) and job.may_use_reserve and self._reserve.release():
            self._settle(job, self._alone(job))
            return
        job.future.set_exception(error)

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            with self._connection.begin() as begun:
                tx = Transaction(self._connection)
                yield tx
                tx.seal()
                # COMMIT POINT: when this returns, the group survives a power cut.
                self._commit(begun, self._connection)
        except BaseException:
            self._disconnect()  # the next group begins with one of which nothing is left
            raise

    def _commit(self, begun: sa.Transaction, connection: sa.Connection) -> None:
        try:
            begun.commit()
        except sa.exc.DatabaseError as error:
            connection.invalidate()  # it may still be inside of the transaction
            if _is_full(error):
                raise
            raise CommitError from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _fail(self, group: list[_Job], error: CommitError) -> None:
        """After a failed fsync the page cache may show what the disk never got: refuse from now on."""
        self._broken = StorageFailed("The disk failed to make a change durable. Check it, then restart.")
        self._broken.__cause__ = error
        for job in group:
            job.future.set_exception(self._broken)


class Checkpointer:
    """Moves the write-ahead log into the database, beside the writer instead of inside its commits.

    A log that is appended to without a pause is never wholly copied and so never starts over. The
    bulk is therefore copied while writers go on, and the small rest with the floor held.
    """

    def __init__(self, engine: sa.Engine, turnstile: Turnstile, database: Path) -> None:
        self._engine = engine
        self._turnstile = turnstile
        self._wal = database.with_name(database.name + "-wal")
        self._due = threading.Event()
        self._tried = 0  # pages in the log when it was last copied, wholly or as far as readers let
        self._ask = 0.0  # by the monotonic clock
        self._thread: threading.Thread | None = None
        self._closed = False

    def wake_if_due(self) -> None:
        now = time.monotonic()
        if now < self._ask or self._due.is_set():
            return
        self._ask = now + ASK_SECONDS
        if self._wal_size() < CHECKPOINT_BYTES:
            return
        with suppress(Unavailable):  # it is due the next time, too
            if self._thread is None:
                self._thread = _started(self._run, "leadglass-checkpoint")
            self._due.set()

    def close(self) -> None:
        self._closed = True
        self._due.set()
        if self._thread is not None:
            self._thread.join()
        self._engine.dispose()
        self._turnstile.close()

    def _run(self) -> None:
        while self._due.wait() and not self._closed:
            self._due.clear()  # before the work: a call that comes in during it must not be lost
            with suppress(sa.exc.DBAPIError, sqlcipher.Error, Unavailable):
                # A full or failing disk: the commits say so; the log is copied another time.
                self._copy()

    def _copy(self) -> None:
        """A file that starts over keeps its size, so what is not copied yet is counted and not measured:
        copying at every commit from the first 8 MiB on took more than half of the writer's rate.

        Readers without a pause keep the log from starting over. When it has become twice as long as it
        should, writers wait for the readers there are; those who come meanwhile no longer need the log.
        """
        _, logged, copied = self._checkpoint("NOOP")
        self._tried = min(self._tried, logged)
        if (logged - max(copied, self._tried)) * PAGE_BYTES < CHECKPOINT_BYTES:
            return
        self._checkpoint("PASSIVE")
        with self._turnstile.passed():
            mode = "RESTART" if logged * PAGE_BYTES >= 2 * CHECKPOINT_BYTES else "PASSIVE"
            _, self._tried, _ = self._checkpoint(mode)

    def _checkpoint(self, mode: str) -> tuple[int, int, int]:
        """Busy, pages in the log, pages of it copied. NOOP only asks (SQLite 3.51)."""
        connection = self._engine.raw_connection()  # outside a transaction, as checkpoints must be
        try:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")  # for readers: the floor is held
            row = cursor.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            return int(row[0]), int(row[1]), int(row[2])
        finally:
            connection.close()

    def _wal_size(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:  # it is not there; or the disk fails, and the commits say so
            return 0


def _started(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise Unavailable("The system lets us have no further thread.") from error
    return thread


def _tell(group: list[_Job]) -> None:
    for job in group:
        job.future.set_result(job.result)


def _is_full(error: BaseException) -> bool:
    return isinstance(error, sa.exc.DatabaseError) and "full" in str(error.orig)


def is_damaged(error: sa.exc.DatabaseError) -> bool:
    """A page that fails its authentication: SQLCipher calls it malformed, or no database at all."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlcipher.SQLITE_CORRUPT, sqlcipher.SQLITE_NOTADB}


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, LeadglassError) or not isinstance(error, sa.exc.DatabaseError):
        return error
    if _is_full(error):
        wrapped: Unavailable = StorageFull("The disk is full.")
    elif is_damaged(error):
        wrapped = StorageFailed(DAMAGED)
    elif isinstance(error, sa.exc.OperationalError):
        wrapped = Unavailable("The database did not take the change.")
    else:
        return error
    wrapped.__cause__ = error
    return wrapped
