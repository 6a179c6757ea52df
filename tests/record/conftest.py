"""A record in a database of either kind. SQLite's is in memory and plain, for the record knows nothing of
sealing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.db.engine import Transaction, metadata
from leadglass.note import Signer
from leadglass.record import schema
from leadglass.record.chain import Verdict
from leadglass.record.entry import Entry
from leadglass.record.log import Log
from leadglass.record.published import Publisher
from leadglass.record.verify import verify

NOW = 1_760_000_000_000
TABLES = [schema.log_entries, schema.log_subjects, schema.log_head, schema.log_key]


class Shelf:
    """The databases of one test, each with the tables of the record and nothing in them."""

    def __init__(self, kind: str, request: pytest.FixtureRequest, folder: Path) -> None:
        self.kind, self._request, self._folder = kind, request, folder
        self._count = 0
        self._engines: dict[int, sa.Engine] = {}

    def engine(self, again: int | None = None) -> sa.Engine:
        """A new one. `again`: number so many of this test, emptied."""
        number = len(self._engines) if again is None else again
        if self.kind == "sqlcipher":
            self._engines[number] = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
            metadata.create_all(self._engines[number], tables=TABLES)
        else:
            site = self._request.getfixturevalue("server").fresh(number)
            if number not in self._engines:
                self._engines[number] = site.engine()
        return self._engines[number]

    def record(self, published: Path | None = None, again: int | None = None) -> Records:
        self._count += 1
        return Records(self, self.engine(again), published or self._folder / f"record{self._count}")

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()


class Records:
    """One record with its signing key, and the directory it is published in."""

    def __init__(self, shelf: Shelf, engine: sa.Engine, published: Path) -> None:
        self._shelf = shelf
        self.engine = engine
        self.signer = Signer.from_seed("leadglass.test/record", bytes(range(32)))
        self.log = Log(self.signer)
        self.published = published

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            yield connection

    def write(self, *units: Callable[[Transaction], Any]) -> list[Any]:
        """The units as one group, as the writer commits them."""
        with self.engine.begin() as connection:
            tx = Transaction(connection)
            results = [unit(tx) for unit in units]
            tx.seal()
            return results

    def append(self, *entries: Entry, now: int = NOW) -> list[int]:
        return self.write(*(lambda tx, entry=entry: self.log.append(tx, entry, now) for entry in entries))

    def fill(self, count: int) -> None:
        """`count` entries that differ, in groups of 100."""
        for start in range(0, count, 100):
            self.append(*(self.entry(number) for number in range(start, min(start + 100, count))))

    @staticmethod
    def entry(number: int = 0, **changes: Any) -> Entry:
        members: dict[str, Any] = {
            "actor": f"user:{number % 3}",
            "actor_name": "Dr. Roth",
            "role": "radiologist",
            "action": "study.view",
            "address": "192.0.2.7",
            "department": 1,
            "patients": (f"P{number}",),
            "studies": (f"1.2.826.{number}",),
        }
        return Entry(**(members | changes))

    def beside(self) -> Records:
        """Another record, which is published in the same directory."""
        return self._shelf.record(self.published)

    def copy_to(self, other: Records) -> None:
        """Everything as it is here, for tests that spoil it."""
        source, target = self.engine.raw_connection(), other.engine.raw_connection()
        with closing(source), closing(target):
            if self._shelf.kind == "sqlcipher":
                source.driver_connection.backup(target.driver_connection)
            else:
                _copy(source, target)
        shutil.copytree(self.published, other.published)

    def publish(self) -> int:
        return Publisher(self.published, self.signer.key).publish(self.read)

    def verify(self, **options: Any) -> Verdict:
        return verify(self.read, self.signer.key, **({"published": self.published} | options))

    def sql(self, statement: str, **parameters: Any) -> None:
        """What an intruder with the database key would do."""
        with self.engine.begin() as connection:
            assert connection.execute(sa.text(statement), parameters).rowcount != 0


def _copy(source: Any, target: Any) -> None:
    for table in TABLES:
        with source.cursor() as read, target.cursor() as write:
            with read.copy(f"COPY {table} TO STDOUT") as rows, write.copy(f"COPY {table} FROM STDIN") as into:
                for each in rows:
                    into.write(each)
    target.commit()


@pytest.fixture
def shelf(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(kind, request, tmp_path)
    yield made
    made.close()


@pytest.fixture
def records(shelf: Shelf) -> Records:
    return shelf.record()
