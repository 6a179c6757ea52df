"""Showing the access record to those who audit it. Looking at it is itself on the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.record import reader
from leadglass.record.export import export_lines
from leadglass.record.reader import Recorded


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One access as people read it. `at_least`: it never said how it ended, so the counts are a floor."""

    seq: int
    time: int  # ms since the epoch, UTC
    closed: int | None
    expired: bool
    actor: str = ""
    actor_name: str = ""
    role: str = ""
    action: str = ""
    outcome: str = ""
    reason: str = ""
    address: str = ""
    via: str = ""
    patients: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()
    counts: Mapping[str, int] | None = None
    detail: Mapping[str, str | int] | None = None
    at_least: bool = False


class Trail:
    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def page(
        self,
        who: Principal,
        context: Context,
        *,
        patient: str | None = None,
        study: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        since: int | None = None,
        until: int | None = None,
        below: int | None = None,
        limit: int = 100,
    ) -> list[RecordLine]:
        """Newest first; page on with `below` = the last line's number. Times in ms, since ≤ t < until."""
        self._doorkeeper.require(who, Action.RECORD_READ, context)
        asked = {"patient": patient, "study": study, "actor": actor, "action": action}
        entry = self._doorkeeper.entry(
            who,
            Action.RECORD_READ,
            context,
            patients=(patient,) if patient else (),
            studies=(study,) if study else (),
            detail={"filters": ",".join(sorted(name for name, value in asked.items() if value))},
        )
        with self._doorkeeper.db.read() as connection:
            found = reader.entries(
                connection,
                patient=patient,
                study=study,
                actor=actor,
                action=action,
                since=since,
                until=until,
                below=below,
                limit=limit,
            )
        self._doorkeeper.record(entry, context.now)
        return [line_of(item) for item in found]

    def export(self, who: Principal, context: Context) -> Iterator[bytes]:
        """The whole record as lines that anybody can verify (docs/design/record.md); on the record first."""
        self._doorkeeper.require(who, Action.RECORD_READ, context)
        self._doorkeeper.record(self._doorkeeper.entry(who, "record.export", context), context.now)
        return self._lines()

    def _lines(self) -> Iterator[bytes]:
        with self._doorkeeper.db.read() as connection:
            yield from export_lines(connection)


def line_of(item: Recorded) -> RecordLine:
    entry = item.entry
    if entry is None:
        return RecordLine(item.seq, item.time, item.closed, expired=True)
    return RecordLine(
        seq=item.seq,
        time=item.time,
        closed=item.closed,
        expired=False,
        actor=entry.actor,
        actor_name=entry.actor_name,
        role=entry.role,
        action=entry.action,
        outcome=item.outcome,
        reason=entry.reason,
        address=entry.address,
        via=entry.via,
        patients=entry.patients,
        studies=entry.studies,
        counts=item.counts,
        detail=entry.detail,
        at_least=item.at_least,
    )
