"""PostgreSQL: the same tables on a server, whose disk has to be encrypted by whoever runs it.

What orders the writers of several processes is an advisory lock, taken first thing in the transaction and
freed by its end. A row lock, on the head of the record, would not do: not every unit appends to the record,
and the first one finds no row. The server queues whoever waits, so writers alternate as with the turnstile.
As nobody writes beside the holder, READ COMMITTED is enough: each statement sees all that came before. Under
REPEATABLE READ the state would be the one from before the wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from leadglass.db.reading import reading
from leadglass.db.reserve import Reserve
from leadglass.db.transaction import Unit
from leadglass.db.writer import Writer
from leadglass.errors import StorageFailed, StorageFull, Unavailable

_WRITERS: Final = 0x6C656164  # the advisory lock; its numbers are of one database each
_FLOOR: Final = (
    f"SELECT current_setting('fsync'), current_setting('full_page_writes'), "
    f"current_setting('synchronous_commit'), pg_advisory_xact_lock({_WRITERS})"
)
# Text is compared by code point, as in SQLite. An index by a locale breaks when the system's are updated.
_KIND: Final = (
    "SELECT pg_encoding_to_char(encoding), "
    "CASE datlocprovider WHEN 'c' THEN datcollate WHEN 'b' THEN 'C' END "  # (b)uiltin, as of version 17
    "FROM pg_database WHERE datname = current_database()"
)
_BY_CODE_POINT: Final = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8"})
_CONNECTION: Final = {
    "client_encoding": "utf8",
    "connect_timeout": 10,  # seconds, as all that follow, but for the last
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# A writer that vanished from the network must not keep the others waiting.
_WRITING: Final = _CONNECTION | {"options": "-c idle_in_transaction_session_timeout=60s"}
_NO_RESERVE: Final = Reserve(Path("/reserve"), 0)

_WEAK = "The database server does not make changes durable: {} is {}."
_UNKNOWN = "The database server was lost while it made a change durable. Nobody knows whether it did."
_FAULTS: Final = {
    "53100": (StorageFull, "The disk of the database server is full."),
    "58030": (StorageFailed, "The disk of the database server fails."),
    "XX001": (StorageFailed, "The index cannot be read: the database server finds it damaged."),
    "XX002": (StorageFailed, "The index cannot be read: the database server finds it damaged."),
}


@dataclass(frozen=True, slots=True)
class ServerDatabase:
    """A database of a server, of its own for one home, at `url` (postgresql://…)."""

    url: str = field(repr=False)  # it may hold a password

    def exists(self) -> bool:
        with self.looking() as connection:
            return bool(sa.inspect(connection).get_table_names())

    def open(self, *, reserve: Reserve | None = None, readers: int = 6) -> PostgreSQL:
        """Unavailable when the server is not there, StorageFailed when it is none that keeps our promises."""
        with self.looking() as connection:
            _require_kind(connection)
            _take_floor(connection)
        return PostgreSQL(self, reserve or _NO_RESERVE, readers)

    def engine(self) -> sa.Engine:
        """For work of one's own: one connection, writes allowed, no writer thread."""
        return _engine(self.url, pool_size=1, isolation_level="READ COMMITTED", connect_args=_WRITING)

    @contextmanager
    def looking(self) -> Iterator[sa.Connection]:
        engine = self.engine()
        try:
            with engine.connect() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise fault(error) or Unavailable("The database server cannot be asked.") from error
        finally:
            engine.dispose()

    @contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        engine = self.engine()
        try:
            with engine.connect() as connection, connection.begin():
                _take_floor(connection)
                yield connection
        finally:
            engine.dispose()

    def make_room(self) -> bool:
        return False

    def fault(self, error: sa.exc.DBAPIError) -> Unavailable | None:
        return fault(error)


class PostgreSQL:
    """One process's connections to the database of a server."""

    def __init__(self, site: ServerDatabase, reserve: Reserve, readers: int) -> None:
        self.reserve = reserve
        self._readers = _engine(
            site.url,
            pool_size=readers,
            isolation_level="REPEATABLE READ",
            connect_args=_CONNECTION,
            execution_options={"postgresql_readonly": True},
        )
        self._writer = Writer(site.engine(), _Ground(), reserve)

    def read(self) -> AbstractContextManager[sa.Connection]:
        return reading(self._readers, fault)

    def write(self, unit: Unit, *, may_use_reserve: bool = False) -> Future[Any]:
        return self._writer.submit(unit, may_use_reserve=may_use_reserve)

    def overwrite_deleted(self) -> bool:
        """What was deleted stays in the server's files and log until it needs their space."""
        return False

    def damaged_pages(self) -> list[str]:
        """Pages are the server's: it may have checksums for them, and says so when it reads a wrong one."""
        return []

    def close(self) -> None:
        self._writer.close()
        self._readers.dispose()


class _Ground:
    """The server orders the writers, and has made durable what it says is committed."""

    def floor(self) -> AbstractContextManager[None]:
        return nullcontext()

    def begun(self, connection: sa.Connection) -> None:
        _take_floor(connection)

    def undone(self, error: sa.exc.DBAPIError) -> bool:
        """Yes when the server said so and is still there. One that went away may have committed before."""
        return bool(_state(error)) and not error.connection_invalidated

    def sync(self) -> None:
        pass

    def idle(self) -> None:
        pass

    def disconnected(self) -> None:
        pass

    def fault(self, error: sa.exc.DBAPIError) -> Unavailable | None:
        return fault(error)

    def unknown(self) -> tuple[StorageFailed, bool]:
        """A server whose fsync failed starts anew from its log: what it shows afterwards, it has."""
        return StorageFailed(_UNKNOWN), False

    def close(self) -> None:
        pass


def fault(error: sa.exc.DBAPIError) -> Unavailable | None:
    """What an error of the server's means to others; None when it is the statement's own.

    By its SQLSTATE (PostgreSQL, Appendix A). None at all, or an OperationalError: the server was not reached,
    is shutting down, gave up on a lock, or has no memory or connection left.
    """
    known = _FAULTS.get(_state(error))
    if known is not None:
        kind, sentence = known
        return kind(sentence)
    if error.connection_invalidated or isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        return Unavailable("The database did not take the change.")
    return None


def _state(error: sa.exc.DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _take_floor(connection: sa.Connection) -> None:
    """Wait for the lock of whoever writes. StorageFailed when a commit would not survive a power cut: any of
    this can be changed while the server runs."""
    fsync, whole_pages, commit, _ = connection.exec_driver_sql(_FLOOR).one()
    for name, value, good in (
        ("fsync", fsync, ("on",)),
        ("full_page_writes", whole_pages, ("on",)),
        ("synchronous_commit", commit, ("on", "remote_apply")),
    ):
        if value not in good:
            raise StorageFailed(_WEAK.format(name, value))


def _require_kind(connection: sa.Connection) -> None:
    encoding, collation = connection.exec_driver_sql(_KIND).one()
    if encoding != "UTF8" or collation not in _BY_CODE_POINT:
        raise StorageFailed(
            "The database must be made with: CREATE DATABASE … ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0."
        )


def _engine(url: str, **options: Any) -> sa.Engine:
    engine = sa.create_engine(
        sa.engine.make_url(url).set(drivername="postgresql+psycopg"),
        poolclass=sa.pool.QueuePool,
        max_overflow=0,
        pool_timeout=30,
        hide_parameters=True,  # parameters are patients' values; they stay out of exception texts
        **options,
    )
    sa.event.listen(engine, "handle_error", _without_values)
    engine.dialect.do_commit = _commit  # type: ignore[method-assign, assignment]
    return engine


def _commit(connection: Any) -> None:
    """A unit that went on after an error has left a transaction that COMMIT would end as ROLLBACK does,
    without a word."""
    if connection.dbapi_connection.info.transaction_status.name == "INERROR":
        from psycopg.errors import InFailedSqlTransaction

        raise InFailedSqlTransaction("A unit went on after an error.")
    connection.commit()


def _without_values(context: sa.engine.ExceptionContext) -> None:
    """The server quotes values in what it says of an error; its code and the constraint's name stay."""
    wrapped, error = context.sqlalchemy_exception, context.original_exception
    if not isinstance(wrapped, sa.exc.StatementError):
        return
    state = getattr(error, "sqlstate", None)
    if state:
        said = " ".join(filter(None, (state, error.diag.constraint_name)))  # type: ignore[attr-defined]
    elif isinstance(wrapped, sa.exc.OperationalError):
        said = str(error)  # of the connection
    else:
        said = "a value that the driver does not take"
    error.args = (said,)
    wrapped.args = (f"({type(error).__name__}) {said}",)
