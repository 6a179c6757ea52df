"""The write-ahead log of one home: what makes its commits durable, and what moves them into the database."""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
import sqlcipher3.dbapi2 as sqlcipher

from leadglass.db.threads import started
from leadglass.db.turnstile import Turnstile
from leadglass.errors import StorageFailed, Unavailable

UNSYNCED = "The disk failed to make a change durable. Check it, then restart."
PAGE_BYTES = 4096
CHECKPOINT_BYTES = 8 << 20  # of write-ahead log that is not in the database yet
ASK_SECONDS = 0.05  # between looks at how much that is: each takes 0.2 ms, at times as long as a commit
PATIENCE_MS = 500


class Doubt:
    """A mark beside the database: the log was not made durable, and the kernel tells each error once.

    It tells it to those who had the log open. Whoever opens it later is told nothing, and would append behind
    frames that the disk may never have got: a power cut takes them all. The mark need not survive one itself.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-unsynced")

    def __bool__(self) -> bool:
        return os.path.lexists(self._path)

    def begin(self) -> None:
        with suppress(OSError):  # a disk that takes no file takes no commit either
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))

    def end(self) -> None:
        self._path.unlink(missing_ok=True)


class WriteAheadLog:
    """The file that commits are appended to, open beside SQLite's own descriptor to make them durable.

    SQLite would fsync it inside of COMMIT, with the floor held: writers of two processes then wait for each
    other's disk. The connection is therefore NORMAL, which leaves this to us; as the log is one sequence, its
    fsync covers every commit before it, whoever made it. SQLite's locks are not on this file, so that closing
    it takes none away.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-wal")
        self._doubt = Doubt(database)
        self._descriptor = -1

    def open(self) -> None:
        """Before the first commit that it has to cover: an earlier error of the disk would not be told."""
        if self._descriptor >= 0:
            return
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise Unavailable("The log of the database cannot be opened.") from error
        if self._doubt:
            self.close()
            raise StorageFailed(UNSYNCED)

    def sync(self) -> None:
        """OSError also when it failed for somebody else, who may have been told instead of us."""
        os.fdatasync(self._descriptor)
        if self._doubt:
            raise OSError(errno.EIO, UNSYNCED)

    def failed(self) -> None:
        """Whether what was committed last is durable is not known."""
        self._doubt.begin()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


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
                self._thread = started(self._run, "leadglass-checkpoint")
            self._due.set()

    def empty(self) -> bool:
        """Copy the whole log and cut it off, so that it holds no older form of a page. False when somebody
        still reads one, or the disk does not let us."""
        turnstile = Turnstile(self._wal.parent)  # of this call: the thread may be at work with its own
        try:
            with turnstile.passed():
                busy, _, _ = self._checkpoint("TRUNCATE")
        except (sa.exc.SQLAlchemyError, sqlcipher.Error, Unavailable):
            return False
        finally:
            turnstile.close()
        return not busy

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
