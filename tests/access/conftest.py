from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.access import schema
from leadglass.access.identity import Outcome, sign_in
from leadglass.access.passwords import Cost, Hasher, PasswordHash
from leadglass.access.principal import Role
from leadglass.access.users import NewUser, add_user
from leadglass.db.engine import Database, Transaction, metadata
from leadglass.db.sqlcipher import SealedFile

PASSWORD = "four quiet herons wade"
TINY = Cost(memory=8, passes=1, lanes=1)
TABLES = [
    schema.departments,
    schema.users,
    schema.user_departments,
    schema.sessions,
    schema.tokens,
    schema.setup_links,
    schema.sign_in_failures,
    schema.aes,
    schema.tls_identities,
]


class CountingHasher(Hasher):
    """Keeps what was verified: equal work is asserted by counting it, never by a clock."""

    def __init__(self, cost: Cost = TINY) -> None:
        super().__init__(cost)
        self.verified: list[PasswordHash] = []

    def verify(self, encoded: PasswordHash, password: str) -> bool:
        self.verified.append(encoded)
        return super().verify(encoded, password)


class Desk:
    """A database with the access tables, and a short way to write, read, add people and sign them in."""

    password = PASSWORD

    def __init__(self, db: Database) -> None:
        self.db = db
        self.hasher = CountingHasher()
        self.outcomes: list[Outcome] = []

    def write(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.db.write(lambda tx: function(tx, *args, **kwargs)).result()

    def read(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self.db.read() as conn:
            return function(conn, *args, **kwargs)

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.db.read() as conn:
            return [dict(row._mapping) for row in conn.execute(sa.select(table))]

    def user(self, name: str = "dr.roth", role: Role = Role.RADIOLOGIST, **kwargs: Any) -> int:
        fields = {"password_hash": self.hasher.hash(PASSWORD)} | kwargs
        return int(self.write(add_user, NewUser(name, role, **fields), 0))

    def sign_in(self, name: str, password: str, now: int, **kwargs: Any) -> str | None:
        def record(_tx: Transaction, outcome: Outcome) -> None:
            self.outcomes.append(outcome)

        return sign_in(self.db, self.hasher, name, password, now=now, record=record, **kwargs)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    path, key = tmp_path / "access.db", bytes(range(32))
    engine = SealedFile(path, key).engine()
    metadata.create_all(engine, tables=TABLES)
    engine.dispose()
    db = SealedFile(path, key).open(readers=1)
    yield Desk(db)
    db.close()
