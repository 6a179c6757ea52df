"""SQLite sealed by SQLCipher: the database of an embedded home, one file and its write-ahead log."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import sqlcipher3.dbapi2 as driver
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from leadglass.db.reading import reading
from leadglass.db.reserve import Reserve, release_to_open
from leadglass.db.transaction import Unit
from leadglass.db.turnstile import Turnstile
from leadglass.db.wal import UNSYNCED, Checkpointer, Doubt, WriteAheadLog
from leadglass.db.writer import Writer
from leadglass.errors import KeyWrong, StorageFailed, StorageFull, Unavailable

DAMAGED = "The index cannot be read: a page of it fails its authentication."
_SHARED = "The disk failed to make a change durable. Check it, end whatever uses this home, then start again."

# Checkpoints are made by `Checkpointer`, off the writer's path; temporary tables must not reach the disk.
_PRAGMAS = (
    "PRAGMA temp_store = MEMORY",
    "PRAGMA foreign_keys = ON",
    "PRAGMA case_sensitive_like = ON",  # as PostgreSQL's, and prefixes can use an index
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA busy_timeout = 30000",
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten with zeros: a wrapped key, above all
)


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A database file at `path`, and the 32-byte key that opens it."""

    path: Path
    key: bytes = field(repr=False)

    def exists(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size > 0

    def open(self, *, reserve: Reserve | None = None, readers: int = 6) -> SealedDatabase:
        """KeyWrong when the key does not open it, StorageFailed when the disk does not let it."""
        return SealedDatabase(self, reserve or Reserve(self.path.parent / "reserve", 0), readers)

    def engine(self) -> sa.Engine:
        """For work of one's own: one connection, writes allowed, no writer thread."""
        return _engine(self.path, self.key, query_only=False, pool_size=1, cache_kib=2048)

    def looking(self) -> AbstractContextManager[sa.Connection]:
        return looking(self.engine())

    @contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        _settle(self.path, self.key)
        turnstile, engine = Turnstile(self.path.parent), self.engine()
        try:
            with turnstile.passed(), engine.connect() as connection, connection.begin():
                yield connection
        finally:
            engine.dispose()
            turnstile.close()

    def make_room(self) -> bool:
        """SQLite needs some space for the index of its log before it opens anything."""
        return release_to_open(self.path.parent)

    def fault(self, error: sa.exc.DBAPIError) -> Unavailable | None:
        return fault(error)


@contextmanager
def looking(engine: sa.Engine) -> Iterator[sa.Connection]:
    """The one connection of an engine of one's own. KeyWrong or StorageFailed when it does not open."""
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DatabaseError as error:
        raise not_opened(error.orig) from error
    finally:
        engine.dispose()


class SealedDatabase:
    """One process's connections to a sealed file."""

    def __init__(self, site: SealedFile, reserve: Reserve, readers: int) -> None:
        path, key = site.path, site.key
        self.path = path
        self.reserve = reserve
        _probe(path, key)
        _settle(path, key)
        self._readers = _engine(path, key, query_only=True, pool_size=readers, cache_kib=8192)
        self._checkpointer = Checkpointer(
            _engine(path, key, query_only=False, pool_size=1, cache_kib=512), Turnstile(path.parent), path
        )
        self._writer = Writer(
            _engine(path, key, query_only=False, pool_size=1, cache_kib=16384, syncs=False),
            _Ground(Turnstile(path.parent), WriteAheadLog(path), self._checkpointer),
            reserve,
        )

    def read(self) -> AbstractContextManager[sa.Connection]:
        return reading(self._readers, fault)

    def write(self, unit: Unit, *, may_use_reserve: bool = False) -> Future[Any]:
        return self._writer.submit(unit, may_use_reserve=may_use_reserve)

    def overwrite_deleted(self) -> bool:
        """Its pages are overwritten already, and this cuts off the log that holds their older forms. False
        when that has to wait, for a reader or for room on the disk. When the last process closes the
        database, the log goes in any case."""
        return self._checkpointer.empty()

    def damaged_pages(self) -> list[str]:
        """Every page of the file, used or not, in SQLCipher's words."""
        found = self._failing_pages()
        # A page that was being written just then is whole the next time.
        return sorted(found & self._failing_pages()) if found else []

    def _failing_pages(self) -> set[str]:
        with self.read() as connection:
            return set(connection.exec_driver_sql("PRAGMA cipher_integrity_check").scalars())

    def close(self) -> None:
        self._writer.close()
        self._readers.dispose()


class _Ground:
    """Writers take turns by file locks; the log is made durable by us, and copied by a thread beside."""

    def __init__(self, turnstile: Turnstile, log: WriteAheadLog, checkpointer: Checkpointer) -> None:
        self._turnstile = turnstile
        self._log = log
        self._checkpointer = checkpointer

    def floor(self) -> AbstractContextManager[None]:
        return self._turnstile.passed()

    def begun(self, _: sa.Connection) -> None:
        self._log.open()  # it exists since the transaction began

    def undone(self, error: sa.exc.DBAPIError) -> bool:
        return _is_full(error)

    def sync(self) -> None:
        """With the floor left, so that the next writer is at work while the disk is."""
        self._log.sync()

    def idle(self) -> None:
        self._checkpointer.wake_if_due()

    def disconnected(self) -> None:
        self._log.close()

    def fault(self, error: sa.exc.DBAPIError) -> Unavailable | None:
        return fault(error)

    def unknown(self) -> tuple[StorageFailed, bool]:
        """After a failed fsync the page cache may show what the disk never got: refuse from now on."""
        self._log.failed()
        return StorageFailed(UNSYNCED), True

    def close(self) -> None:
        self._checkpointer.close()
        self._turnstile.close()


def fault(error: sa.exc.DBAPIError) -> Unavailable | None:
    """What an error of SQLite's means to others; None when it is the statement's own."""
    if _is_full(error):
        return StorageFull("The disk is full.")
    if _is_damaged(error):
        return StorageFailed(DAMAGED)
    if isinstance(error, sa.exc.OperationalError):
        return Unavailable("The database did not take the change.")
    return None


def _is_full(error: sa.exc.DBAPIError) -> bool:
    return isinstance(error, sa.exc.DatabaseError) and "full" in str(error.orig)


def _is_damaged(error: sa.exc.DBAPIError) -> bool:
    """A page that fails its authentication: SQLCipher calls it malformed, or no database at all."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return code in {driver.SQLITE_CORRUPT, driver.SQLITE_NOTADB}


def not_opened(error: Any) -> KeyWrong | StorageFailed:
    """Why a database did not open. Only what does not decrypt speaks against the key."""
    if error.sqlite_errorcode == driver.SQLITE_NOTADB:
        return KeyWrong("This master key does not open the database of this home.")
    return StorageFailed("The database of this home cannot be opened: the disk is full, or it fails.")


def _probe(path: Path, key: bytes) -> None:
    """A wrong key shows on the first page read, before anything else is opened or written."""
    try:
        connection = connect(path, key, cache_kib=64)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except driver.DatabaseError as error:
        raise not_opened(error) from error


def _settle(path: Path, key: bytes) -> None:
    """Let go of a log of which nobody knows what the disk has; StorageFailed while somebody still uses it.

    Whoever opens the database alone has SQLite read the log by its checksums, up to the last commit. That
    is copied into the database, made durable there, and the log removed: the next one begins anew.
    """
    doubt = Doubt(path)
    if not doubt:
        return
    connection = connect(path, key, cache_kib=64)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    except driver.OperationalError as error:
        raise StorageFailed(_SHARED) from error
    finally:
        connection.close()
    if mode != "delete":
        raise StorageFailed(_SHARED)
    doubt.end()


def connect(path: Path | str, key: bytes, *, cache_kib: int, uri: bool = False) -> Any:
    """A connection of its own to a database, opened by its raw key."""
    connection = driver.connect(str(path), check_same_thread=False, isolation_level=None, uri=uri)
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")  # its own log lines would reach the terminal
        connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    except BaseException:
        connection.close()
        raise
    return connection


def _engine(
    path: Path, key: bytes, *, query_only: bool, pool_size: int, cache_kib: int, syncs: bool = True
) -> sa.Engine:
    """`syncs`: whether SQLite makes each commit durable; if not, whoever commits has to."""

    def create() -> Any:
        connection = connect(path, key, cache_kib=cache_kib)
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.execute(f"PRAGMA synchronous = {'FULL' if syncs else 'NORMAL'}")
        if query_only:
            connection.execute("PRAGMA query_only = ON")
        return connection

    engine = sa.create_engine(
        "sqlite://",
        module=driver,
        creator=create,
        poolclass=sa.pool.QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        hide_parameters=True,  # parameters are patients' values; they stay out of exception texts
    )
    engine.dialect.statement_compiler = _Compiler
    begin = "BEGIN" if query_only else "BEGIN IMMEDIATE"

    def do_begin(dbapi_connection: sa.PoolProxiedConnection) -> None:
        engine.dialect.do_execute_no_params(dbapi_connection.cursor(), begin)

    engine.dialect.do_begin = do_begin  # type: ignore[method-assign]
    return engine


class _Compiler(SQLiteCompiler):
    """Writes `with_hint(table, "INDEXED BY …", "sqlite")`, which SQLAlchemy does for other databases only."""

    def get_from_hint_text(self, table: sa.FromClause, text: str | None) -> str | None:
        return text
