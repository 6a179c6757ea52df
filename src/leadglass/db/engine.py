"""Engines and connections: SQLCipher now, the same interface for PostgreSQL later.

Every table of the program hangs on the `metadata` below; the package that owns a table defines it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import sqlcipher3.dbapi2 as sqlcipher
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from leadglass.db.reserve import Reserve
from leadglass.db.transaction import Transaction, Unit
from leadglass.db.turnstile import Turnstile
from leadglass.db.wal import Checkpointer
from leadglass.db.writer import DAMAGED, Writer, is_damaged
from leadglass.errors import KeyWrong, StorageFailed, Unavailable

__all__ = ["Database", "Transaction", "Unit", "metadata"]

T = TypeVar("T")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Checkpoints are made by `Checkpointer`, off the writer's path; temporary tables must not reach the disk.
_PRAGMAS = (
    "PRAGMA temp_store = MEMORY",
    "PRAGMA foreign_keys = ON",
    "PRAGMA case_sensitive_like = ON",  # as PostgreSQL's, and prefixes can use an index
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA busy_timeout = 30000",
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten with zeros: a wrapped key, above all
)


class Database:
    """The sealed database of one home: a pool of reading connections and one writer.

    `read()` gives a short read transaction; nobody holds one across a network write.
    `write(unit)` runs the unit in the next group and resolves once the group survives a power cut.
    """

    def __init__(self, path: Path, key: bytes, *, reserve: Reserve | None = None, readers: int = 6) -> None:
        self.path = path
        self.reserve = reserve or Reserve(path.parent / "reserve", 0)
        _probe(path, key)
        self._readers = _engine(path, key, query_only=True, pool_size=readers, cache_kib=8192)
        self._watcher = _engine(path, key, query_only=True, pool_size=1, cache_kib=64)
        self._writer = Writer(
            _engine(path, key, query_only=False, pool_size=1, cache_kib=16384, syncs=False),
            Turnstile(path.parent),
            self.reserve,
            Checkpointer(
                _engine(path, key, query_only=False, pool_size=1, cache_kib=512), Turnstile(path.parent), path
            ),
            path,
        )

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        try:
            with self._readers.connect() as connection, connection.begin():
                yield connection
        except sa.exc.TimeoutError as error:
            raise Unavailable("Too many questions at once. Try again in a moment.") from error
        except sa.exc.DatabaseError as error:
            raise _translated(error) from error

    def write(self, unit: Unit, *, may_use_reserve: bool = False) -> Future[Any]:
        """Queue `unit`. With `may_use_reserve` a full disk gives up the space kept back for the record."""
        return self._writer.submit(unit, may_use_reserve=may_use_reserve)

    def overwrite_deleted(self) -> bool:
        """Have nothing of what was deleted left in the database's files: its pages are overwritten already,
        and this cuts off the log that holds their older forms. False when that has to wait, for a reader
        or for room on the disk. When the last process closes the database, the log goes in any case."""
        return self._writer.empty_log()

    def data_version(self) -> int:
        """Changes when anybody has committed. Asked of one connection, as its numbers are its own."""
        with self._watcher.connect() as connection:
            return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

    def damaged_pages(self) -> list[str]:
        """Every page of the file that fails its authentication, used or not, in SQLCipher's words."""
        found = self._failing_pages()
        # A page that was being written just then is whole the next time.
        return sorted(found & self._failing_pages()) if found else []

    def _failing_pages(self) -> set[str]:
        with self.read() as connection:
            return set(connection.exec_driver_sql("PRAGMA cipher_integrity_check").scalars())

    def close(self) -> None:
        """Finish what is queued, then let go of every connection. Safe to call twice."""
        self._writer.close()
        self._readers.dispose()
        self._watcher.dispose()


def migration_engine(path: Path, key: bytes) -> sa.Engine:
    """An engine for schema changes: one connection, writes allowed, no writer thread."""
    return _engine(path, key, query_only=False, pool_size=1, cache_kib=2048)


def _probe(path: Path, key: bytes) -> None:
    """A wrong key shows on the first page read, before anything else is opened or written."""
    try:
        connection = connect(path, key, cache_kib=64)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlcipher.DatabaseError as error:
        raise not_opened(error) from error


def connect(path: Path | str, key: bytes, *, cache_kib: int, uri: bool = False) -> Any:
    """A connection of its own to a database, opened by its raw key."""
    connection = sqlcipher.connect(str(path), check_same_thread=False, isolation_level=None, uri=uri)
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
        module=sqlcipher,
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


def not_opened(error: sqlcipher.DatabaseError) -> KeyWrong | StorageFailed:
    """Why a database did not open. Only what does not decrypt speaks against the key."""
    if error.sqlite_errorcode == sqlcipher.SQLITE_NOTADB:
        return KeyWrong("This master key does not open the database of this home.")
    return StorageFailed("The database of this home cannot be opened: the disk is full, or it fails.")


class _Compiler(SQLiteCompiler):
    """Writes `with_hint(table, "INDEXED BY …", "sqlite")`, which SQLAlchemy does for other databases only."""

    def get_from_hint_text(self, table: sa.FromClause, text: str | None) -> str | None:
        return text


def _translated(error: sa.exc.DatabaseError) -> Unavailable:
    if is_damaged(error):
        return StorageFailed(DAMAGED)
    return Unavailable("The index cannot be read right now.")
