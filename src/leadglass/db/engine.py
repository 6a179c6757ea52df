"""What every database of the program is to those who use it, whichever of the two it is.

Every table of the program hangs on the `metadata` below; the package that owns a table defines it.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol

import sqlalchemy as sa

from leadglass.db.reserve import Reserve
from leadglass.db.transaction import Transaction, Unit
from leadglass.errors import Unavailable

__all__ = ["Database", "Site", "Transaction", "Unit", "metadata"]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Database(Protocol):
    """An open database: a pool of reading connections and one writer.

    `read()` gives a short read transaction that sees one state; nobody holds one across a network write.
    `write(unit)` runs the unit in the next group and resolves once the group survives a power cut.
    """

    @property
    def reserve(self) -> Reserve:
        """The space kept back for the record."""

    def read(self) -> AbstractContextManager[sa.Connection]: ...

    def write(self, unit: Unit, *, may_use_reserve: bool = False) -> Future[Any]:
        """Queue `unit`. With `may_use_reserve` a full disk gives up the space kept back for the record."""

    def overwrite_deleted(self) -> bool:
        """Have nothing of what was deleted left in the database's files. False when that has to wait, or is
        not ours to do."""

    def damaged_pages(self) -> list[str]:
        """Every page that fails its authentication, in words; none where we seal no pages."""

    def close(self) -> None:
        """Finish what is queued, then let go of every connection. Safe to call twice."""


class Site(Protocol):
    """Where a database is, and what opens it."""

    def exists(self) -> bool:
        """False when nothing was ever put there."""

    def open(self, *, reserve: Reserve | None = None, readers: int = 6) -> Database: ...

    def looking(self) -> AbstractContextManager[sa.Connection]:
        """A connection of its own, before anything else is opened; errors are those of `open`."""

    def changing(self) -> AbstractContextManager[sa.Connection]:
        """One transaction for changes of the schema, with no writer of any process at work."""

    def make_room(self) -> bool:
        """When it did not open: let go what the full disk kept back; False when that was not why."""

    def fault(self, error: sa.exc.DBAPIError) -> Unavailable | None:
        """What an error of the database means; None when it is the statement's own."""
