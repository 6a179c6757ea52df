"""A database of either kind with one table of notes, and ways to fill the disk or fail it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import sqlcipher3.dbapi2 as sqlcipher

from leadglass.db.engine import Transaction
from leadglass.db.postgresql import PostgreSQL, ServerDatabase
from leadglass.db.reserve import Reserve
from leadglass.db.sqlcipher import SealedDatabase, SealedFile

KEY = bytes(range(32))
NOTES = sa.Table(
    "notes",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.String, unique=True),
)
Site = SealedFile | ServerDatabase
_ADD, _ALL = sa.insert(NOTES), sa.select(NOTES.c.text).order_by(NOTES.c.id)


class Desk:
    """One process's database with what tests do to it."""

    def __init__(self, site: Site, db: SealedDatabase | PostgreSQL) -> None:
        self.site = site
        self.db = db

    @property
    def path(self) -> Path:
        assert isinstance(self.site, SealedFile)
        return self.site.path

    def note(self, text: str) -> Callable[[Transaction], str]:
        def unit(tx: Transaction) -> str:
            tx.execute(_ADD, {"text": text})
            return text

        return unit

    def write(self, text: str, **options: bool) -> Future[Any]:
        return self.db.write(self.note(text), **options)

    def notes(self) -> list[str]:
        with self.db.read() as connection:
            return list(connection.execute(_ALL).scalars())

    def notes_elsewhere(self) -> list[str]:
        """What a connection of nobody's sees: what is committed."""
        engine = self.site.engine()
        try:
            with engine.connect() as connection:
                return list(connection.execute(_ALL).scalars())
        finally:
            engine.dispose()

    def held(self) -> Held:
        """The writer, busy until let go: what is submitted meanwhile becomes one group."""
        return Held(self.db)

    @property
    def writing(self) -> sa.Engine:
        return self.db._writer._engine

    def limit_pages(self, more: int) -> None:
        """As on a disk with room for so many more pages: SQLITE_FULL beyond."""

        def unit(tx: Transaction) -> None:
            pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")

        self.db.write(unit).result()


class Held:
    def __init__(self, db: SealedDatabase | PostgreSQL) -> None:
        self._db = db
        self._go, self._there = threading.Event(), threading.Event()

    def __enter__(self) -> Held:
        def unit(_: Transaction) -> None:
            self._there.set()
            assert self._go.wait(30)

        self.future = self._db.write(unit)
        assert self._there.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._go.set()


_SAID = {
    ("sqlcipher", "full"): sqlcipher.OperationalError("database or disk is full"),
    ("sqlcipher", "fails"): sqlcipher.OperationalError("disk I/O error"),
    ("postgresql", "full"): psycopg.errors.DiskFull("could not extend file"),
    ("postgresql", "fails"): psycopg.OperationalError("consuming input failed: server closed the connection"),
}


@pytest.fixture
def faults(kind: str) -> Callable[..., Callable[..., None]]:
    def failing(step: str, what: str, *, times: int = 1) -> Callable[..., None]:
        """A listener that fails `times` times as the database would whose disk is "full" or "fails"."""
        left = [times]

        def listener(*_: object) -> None:
            if left[0]:
                left[0] -= 1
                raise sa.exc.OperationalError(step, {}, _SAID[kind, what])

        return listener

    return failing


@pytest.fixture
def bare(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Site:
    """Where a database is to be, without any table."""
    if kind == "sqlcipher":
        return SealedFile(tmp_path / "index.db", KEY)
    site: ServerDatabase = request.getfixturevalue("server").bare()
    return site


@pytest.fixture
def make(bare: Site) -> Iterator[Callable[..., Desk]]:
    """Opens the same database again and again, as several processes would."""
    made: list[SealedDatabase | PostgreSQL] = []
    engine = bare.engine()
    NOTES.metadata.create_all(engine)
    engine.dispose()

    def build(reserve: Reserve | None = None, **options: Any) -> Desk:
        made.append(bare.open(reserve=reserve, **options))
        return Desk(bare, made[-1])

    yield build
    for db in made:
        db.close()


@pytest.fixture
def desk(make: Callable[..., Desk]) -> Desk:
    return make()
