"""A consistent copy of the sealed database while others write, and what is in one.

`VACUUM INTO` reads in one transaction, so nobody waits for it and it sees one moment. What it writes is
sealed under the same key, page by page, and holds no pages that were freed, and so nothing that was deleted.
SQLite's back-up API would copy those pages, too.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote

import sqlalchemy as sa
import sqlcipher3.dbapi2 as sqlcipher

from leadglass.db.sqlcipher import connect, looking
from leadglass.errors import StorageFailed, StorageFull

CACHE_KIB: Final = 8192
_BATCH: Final = 1000
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY 1"
_REVISION = "SELECT version_num FROM alembic_version"


@dataclass(frozen=True, slots=True)
class TableSum:
    """How many rows a table has, and SHA-256 over all of them in the order of its own tree, hexadecimal."""

    rows: int
    digest: str


def take(database: Path, key: bytes, target: Path) -> None:
    """Write the copy to `target`, which is not there yet. The caller makes it durable.

    StorageFull when the disk of the copy is full, StorageFailed when that disk or a page of ours fails.
    """
    try:
        connection = connect(database, key, cache_kib=CACHE_KIB)
        try:
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA busy_timeout = 30000")
            # As bytes, because a path need not be UTF-8.
            connection.execute("VACUUM INTO CAST(? AS TEXT)", (os.fsencode(target),))
        finally:
            connection.close()
    except sqlcipher.DatabaseError as error:
        if "full" in str(error):
            raise StorageFull("The copy of the database cannot be written: the disk is full.") from error
        raise StorageFailed("The copy of the database cannot be made: a disk fails.") from error


def opened(path: Path, key: bytes) -> AbstractContextManager[sa.Connection]:
    """A copy to read. Nothing is written, no lock is taken and no file appears beside it.

    KeyWrong or StorageFailed when it does not open.
    """

    def create() -> sqlcipher.Connection:
        return connect(
            f"file:{quote(os.fsencode(path))}?mode=ro&immutable=1", key, cache_kib=CACHE_KIB, uri=True
        )

    engine = sa.create_engine("sqlite://", module=sqlcipher, creator=create, hide_parameters=True)
    return looking(engine)


def revision(connection: sa.Connection) -> str:
    """The revision of the schema."""
    return str(connection.exec_driver_sql(_REVISION).scalar_one())


def table_sums(connection: sa.Connection) -> dict[str, TableSum]:
    """Of every table. A row counts as Python spells the tuple of its values."""
    return {name: _sum(connection, name) for name in connection.exec_driver_sql(_TABLES).scalars().all()}


def _sum(connection: sa.Connection, table: str) -> TableSum:
    digest, count = sha256(), 0
    # NOT INDEXED: in the order of the table itself, also where an index holds all that is asked for.
    rows = connection.exec_driver_sql(f'SELECT * FROM "{table}" NOT INDEXED')  # noqa: S608 - a name of our schema
    for batch in rows.partitions(_BATCH):
        count += len(batch)
        digest.update("\n".join(map(repr, map(tuple, batch))).encode("utf-8", "surrogatepass"))
        digest.update(b"\n")
    return TableSum(count, digest.hexdigest())
