"""Another archive's studies on their way into this one: what is known of them, kept between runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from leadglass.access.actions import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.db.engine import Transaction
from leadglass.index import transfers
from leadglass.index.transfers import Listed, Migration, State

__all__ = ["Listed", "Migrations", "Progress", "State"]

_PAGE: Final = 200


class Migrations:
    """Whoever may put objects into a department may fill it from another archive, and learn how many of each
    study are here."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def open(
        self,
        who: Principal,
        context: Context,
        *,
        source: str,
        department_id: int,
        days: tuple[str, str],
        listing: Any,
    ) -> Progress:
        """The unfinished migration of these days from `source`, or a new one that begins with `listing`.

        On the record. Denied.
        """
        self._doorkeeper.require(who, Action.OBJECT_INGEST, context, department_id)
        first, last = days

        def unit(tx: Transaction) -> Migration:
            found = transfers.unfinished(tx.connection, source, department_id, first, last)
            made = found or Migration(0, source, department_id, first, last, listing, context.now, None)
            if found is None:
                made = Migration(
                    transfers.begin(tx, made), source, department_id, first, last, listing, context.now, None
                )
            entry = self._doorkeeper.entry(
                who,
                "migration.run",
                context,
                department=department_id,
                detail={"from": source, "days": f"{first}..{last}", "goes_on": str(bool(found)).lower()},
            )
            self._doorkeeper.log.append(tx, entry, context.now)
            return made

        return Progress(self._doorkeeper, self._doorkeeper.db.write(unit).result())


@dataclass(frozen=True, slots=True)
class Progress:
    """One migration. Everything blocks, and is durable when it returns."""

    _doorkeeper: Doorkeeper
    migration: Migration

    @property
    def listing(self) -> Any:
        return self.migration.listing

    def note(self, listing: Any, found: Iterable[tuple[str, int | None]]) -> int:
        """An answer of the other side, and where its listing goes on; how many studies of it are new."""
        rows = list(found)
        return self._write(lambda tx: transfers.note(tx, self.migration.id, listing, rows))  # type: ignore[no-any-return]

    def settle(self, listed: Listed) -> None:
        self._write(lambda tx: transfers.settle(tx, self.migration.id, listed))

    def finish(self, now: int) -> None:
        self._write(lambda tx: transfers.finish(tx, self.migration.id, now))

    def due(self) -> Iterator[Listed]:
        """Studies that do not agree, each once, in the order they were listed; read a page at a time."""
        after, page = 0, [Listed(0, "", None)]
        while page:
            with self._doorkeeper.db.read() as connection:
                page = transfers.due(connection, self.migration.id, after, _PAGE)
            yield from page
            after = page[-1].place if page else after

    def totals(self) -> dict[State, int]:
        with self._doorkeeper.db.read() as connection:
            return transfers.totals(connection, self.migration.id)

    def held(self, study_uid: str) -> int:
        """Instances of that study that are here."""
        with self._doorkeeper.db.read() as connection:
            return transfers.held(connection, study_uid)

    def _write(self, unit: Any) -> Any:
        return self._doorkeeper.db.write(unit).result()
