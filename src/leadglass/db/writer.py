"""The one writer of a process: units of work in, group commits out.

A unit is a function of the transaction. Units that wait together are committed together, so that
one fsync serves them all. A unit that raises rolls the group back and the group's units then run
singly: savepoints would cost half the rate for the sake of the rare bad unit.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import sqlalchemy as sa

from leadglass.db.reserve import Reserve
from leadglass.db.threads import started
from leadglass.db.transaction import Transaction, Unit
from leadglass.errors import StorageFailed, StorageFull, Unavailable

GROUP_UNITS = 256
GROUP_SECONDS = 0.008  # a group runs no longer than this before it commits: others wait on the floor


@dataclass(slots=True)
class _Job:
    unit: Unit
    may_use_reserve: bool
    future: Future[Any] = field(default_factory=Future)
    result: Any = None  # of its unit, until the commit


class CommitError(Exception):
    """COMMIT or its fsync failed: whether the group is durable is unknown, so nobody is told that it is."""


class Ground(Protocol):
    """What the writer stands on: all that is different from one kind of database to the other.

    Called by the writer's thread alone, but for `close`, which comes when that has ended.
    """

    def floor(self) -> AbstractContextManager[None]:
        """Held around a transaction, from before its connection is used until it is committed."""

    def begun(self, connection: sa.Connection) -> None:
        """First thing in every transaction."""

    def undone(self, error: sa.exc.DBAPIError) -> bool:
        """Of a COMMIT that failed: whether it surely left nothing behind."""

    def sync(self) -> None:
        """After COMMIT, with the floor left: when it returns, the group survives a power cut. OSError."""

    def idle(self) -> None:
        """After each group."""

    def disconnected(self) -> None:
        """The writer lets its connection go."""

    def fault(self, error: sa.exc.DBAPIError) -> Unavailable | None:
        """What an error means; None when it is the unit's own."""

    def unknown(self) -> tuple[StorageFailed, bool]:
        """What those are told whose commit may or may not be durable, and whether that ends the writer."""

    def close(self) -> None: ...


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(self, engine: sa.Engine, ground: Ground, reserve: Reserve) -> None:
        self._engine = engine
        self._ground = ground
        self._reserve = reserve
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
                self._thread = started(self._run, "leadglass-writer")
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
        self._ground.close()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.future.set_running_or_notify_cancel():  # from here on nobody can cancel it
                self._serve(job)
                self._ground.idle()
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
            with self._ground.floor(), self._transaction() as tx:
                for job in jobs:
                    group.append(job)
                    job.result = job.unit(tx)
            # COMMIT POINT: when this returns, the group survives a power cut. The floor is left already, so
            # that the next writer is at work while the disk is.
            self._sync()
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
        error = self._translated(error)
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
                self._ground.begun(self._connection)
                tx = Transaction(self._connection)
                yield tx
                tx.seal()
                self._commit(begun, self._connection)
        except BaseException:
            self._disconnect()  # the next group begins with one of which nothing is left
            raise

    def _commit(self, begun: sa.Transaction, connection: sa.Connection) -> None:
        try:
            begun.commit()
        except sa.exc.DBAPIError as error:
            undone = self._ground.undone(error)
            connection.invalidate()  # it may still be inside of the transaction
            if undone:
                raise
            raise CommitError from error

    def _sync(self) -> None:
        try:
            self._ground.sync()
        except OSError as error:
            raise CommitError from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._ground.disconnected()
        if connection is not None:
            connection.close()

    def _fail(self, group: list[_Job], error: CommitError) -> None:
        told, ends = self._ground.unknown()
        told.__cause__ = error
        if ends:
            self._broken = told
        for job in group:
            job.future.set_exception(told)

    def _translated(self, error: BaseException) -> BaseException:
        fault = self._ground.fault(error) if isinstance(error, sa.exc.DBAPIError) else None
        if fault is None:
            return error
        fault.__cause__ = error
        return fault


def _tell(group: list[_Job]) -> None:
    for job in group:
        job.future.set_result(job.result)
