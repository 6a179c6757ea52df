"""Storage Commitment (PS3.4 Annex J): what is here durably, an AE of its department may rely on.

The answer is decided and on the record when it is asked for, and kept until the AE has been told: a report
that fails is tried again, after a restart too, for about two days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from leadglass.access.actions import Action
from leadglass.access.policy import Resource, decide
from leadglass.access.principal import Context, Principal
from leadglass.access.schema import aes
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.db.engine import Transaction
from leadglass.errors import LimitExceeded
from leadglass.index import commitments, selection
from leadglass.index.commitments import Item, Pending
from leadglass.index.rows import StudyRow
from leadglass.record.log import Entry

__all__ = ["Commitments", "Item", "Pending", "Report"]

NO_SUCH_INSTANCE: Final = 0x0112  # Failure Reason (PS3.3 C.14.1.1)
CLASS_CONFLICT: Final = 0x0119
MOST_ITEMS: Final = 10_000  # of one request
MOST_NAMED: Final = 1000  # studies that an entry of the record can name

_MINUTE: Final = 60_000  # ms
FIRST: Final = _MINUTE  # before the report that follows the request at once is taken for lost
LEASE: Final = 10 * _MINUTE  # before a report that somebody took is taken for failed
# After each attempt on an association of our own; after one more the AE is not told any more.
DELAYS: Final = tuple(minutes * _MINUTE for minutes in (1, 5, 15, 60, 4 * 60, 12 * 60, 24 * 60))
_PAGE: Final = 500

_TITLES: Final = sa.select(aes.c.id, aes.c.title).where(
    aes.c.id.in_(sa.bindparam("ids", expanding=True)), aes.c.removed.is_(None)
)

Reference = tuple[str, str]  # SOP class and instance


@dataclass(frozen=True, slots=True)
class Report:
    """What an AE is to be told; `title` is its own."""

    title: str
    pending: Pending

    @property
    def committed(self) -> tuple[Item, ...]:
        return tuple(item for item in self.pending.items if item.failure is None)

    @property
    def failed(self) -> tuple[Item, ...]:
        return tuple(item for item in self.pending.items if item.failure is not None)


class Commitments:
    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def request(
        self,
        who: Principal,
        ae: tuple[int, str],
        transaction_uid: str,
        references: Sequence[Reference],
        context: Context,
    ) -> Report:
        """What of `references` is kept, durably noted for the AE (its number and title). Denied,
        LimitExceeded. The caller reports it at once, and says `reported` or `untold`."""
        self._doorkeeper.narrowed(who, Action.COMMITMENT_REQUEST, context)
        if len(references) > MOST_ITEMS:
            raise LimitExceeded(f"A commitment is about {MOST_ITEMS} instances at most.")
        held = self._held(references)
        allowed = {
            uid: found
            for uid, found in held.items()
            if decide(who, Action.COMMITMENT_REQUEST, Resource(found[1].department_id), context).allowed
        }
        items = [_item(reference, allowed) for reference in references]
        entries = self._entries(who, items, held, allowed, context)

        def unit(tx: Transaction) -> Pending:
            for entry in entries:
                self._doorkeeper.log.append(tx, entry, context.now)
            due = context.now + FIRST
            return commitments.add(tx, ae[0], transaction_uid, items, now=context.now, due=due)

        return Report(ae[1], self._doorkeeper.db.write(unit).result())

    def due(self, now: int, limit: int = 20) -> list[Report]:
        """Reports to be made now, each for whoever asks first. Those of removed AEs are dropped."""

        def unit(tx: Transaction) -> list[Report]:
            claimed = commitments.claim(tx, now=now, until=now + LEASE, limit=limit)
            ids = sorted({pending.ae_id for pending in claimed})
            rows: Sequence[Any] = tx.execute(_TITLES, {"ids": ids}).all() if ids else ()
            titles = {row.id: row.title for row in rows}
            for pending in claimed:
                if pending.ae_id not in titles:
                    commitments.remove(tx, pending.id)
            return [Report(titles[each.ae_id], each) for each in claimed if each.ae_id in titles]

        return self._doorkeeper.db.write(unit).result()  # type: ignore[no-any-return]

    def reported(self, report: Report) -> None:
        """The AE has been told."""
        self._doorkeeper.db.write(lambda tx: commitments.remove(tx, report.pending.id)).result()

    def untold(self, report: Report, now: int) -> None:
        """The AE did not take it on the association that asked for it: it is due on one of our own."""
        self._doorkeeper.db.write(lambda tx: commitments.postpone(tx, report.pending.id, now)).result()

    def failed(self, report: Report, now: int) -> bool:
        """The AE could not be told; whether that will be tried again."""
        pending = report.pending
        again = pending.attempts <= len(DELAYS)

        def unit(tx: Transaction) -> None:
            if again:
                commitments.postpone(tx, pending.id, now + DELAYS[pending.attempts - 1])
            else:
                commitments.remove(tx, pending.id)

        self._doorkeeper.db.write(unit).result()
        return again

    def _held(self, references: Sequence[Reference]) -> dict[str, tuple[str, StudyRow]]:
        found: dict[str, tuple[str, StudyRow]] = {}
        uids = [uid for _, uid in references]
        for start in range(0, len(uids), _PAGE):
            with self._doorkeeper.db.read() as connection:
                found |= selection.held(connection, uids[start : start + _PAGE])
        return found

    def _entries(
        self,
        who: Principal,
        items: list[Item],
        held: dict[str, tuple[str, StudyRow]],
        allowed: dict[str, tuple[str, StudyRow]],
        context: Context,
    ) -> list[Entry]:
        """One for what was asked, one more when some of it is another department's."""
        failed = sum(item.failure is not None for item in items)
        entries = [
            self._doorkeeper.entry(
                who,
                Action.COMMITMENT_REQUEST,
                context,
                counts={"committed": len(items) - failed, "failed": failed},
                **self._doorkeeper.about(_studies(list(allowed.values()))),
            )
        ]
        if foreign := _studies([found for uid, found in held.items() if uid not in allowed]):
            entries.append(
                self._doorkeeper.entry(
                    who,
                    Action.COMMITMENT_REQUEST,
                    context,
                    outcome="denied",
                    reason="other-department",
                    **self._doorkeeper.about(foreign),
                )
            )
        return entries


def _item(reference: Reference, allowed: dict[str, tuple[str, StudyRow]]) -> Item:
    """Foreign and absent alike are no such instance."""
    sop_class, uid = reference
    if uid not in allowed:
        return Item(sop_class, uid, NO_SUCH_INSTANCE)
    return Item(sop_class, uid, None if allowed[uid][0] == sop_class else CLASS_CONFLICT)


def _studies(found: list[tuple[str, StudyRow]]) -> list[StudyRow]:
    return list({study.id: study for _, study in found}.values())[:MOST_NAMED]
