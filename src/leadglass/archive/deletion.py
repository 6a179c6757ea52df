"""Deleting for good: a study, a series or one object, by whoever may, with a reason, on the record.

    decide      PACS administrators of the study's department; a reason and a confirmation are theirs to give
    one unit    the entry on the record, the study's key (its crypto-shred) or the objects' wrapped keys,
                the rows, and the names of the blobs on the list of what was destroyed (store.shreds)
    COMMIT POINT: from here on nothing in the home opens what was deleted
    after it    the blobs are removed, and the database's log, which has older forms of its pages, is cut

A crash after the commit leaves blobs that no row names and no key opens; `leadglass check` collects them. An
access under way ends with the object it is at: the next one is no longer there. On a full disk the space kept
back for the record is used: deleting is how room is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import ABSENT, Doorkeeper
from leadglass.archive.ledger import Ledger
from leadglass.archive.objects import StudyKeys
from leadglass.db.engine import Transaction
from leadglass.errors import Conflict, NotFound, StorageFailed, Violation
from leadglass.index import lookup, removal
from leadglass.index.matching import Level, Query, Single
from leadglass.index.removal import Doomed
from leadglass.index.rows import StudyRow
from leadglass.record.entry import Entry
from leadglass.store import shreds
from leadglass.store.blobs import Blobs
from leadglass.store.shreds import Shred

REASON_LEAST: Final = 3  # characters
REASON_MOST: Final = 300
_BATCH: Final = 1000
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f]+")
GROWN: Final = "Something came in for it since you looked. Look again, then delete."


@dataclass(frozen=True, slots=True)
class Target:
    """What of a study is meant: all of it, a series of it, or one object, by their UIDs."""

    series_uid: str | None = None
    instance_uid: str | None = None


WHOLE: Final = Target()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deletion would take, before anybody agreed to it. `instances` and `bytes` include lost objects
    and what is kept aside with it; `whole`: no more of the study is left."""

    study: StudyRow
    series: int
    instances: int
    bytes: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion took. `entry`: its number on the record. `left`: blobs that the disk did not let go,
    for `check` to collect. `freed`: objects kept aside that contradicted the study and stay, for a person to
    decide. `overwritten`: nothing older is left in the database's log; else once it is closed."""

    entry: int
    series: int
    instances: int
    bytes: int
    whole: bool
    freed: int
    left: int
    overwritten: bool


class Deletion:
    def __init__(self, doorkeeper: Doorkeeper, ledger: Ledger, keys: StudyKeys, blobs: Blobs) -> None:
        self._doorkeeper = doorkeeper
        self._ledger = ledger
        self._keys = keys
        self._blobs = blobs

    def plan_of(self, who: Principal, study_uid: str, context: Context, target: Target = WHOLE) -> Plan:
        """As `plan`, by Study Instance UID."""
        query = Query(Level.STUDY, (("StudyInstanceUID", Single(study_uid)),), limit=1)
        with self._doorkeeper.db.read() as connection:
            rows, _ = lookup.page(connection, query, everything=True, departments=frozenset())
        return self._plan(who, rows[0] if rows else None, context, target)

    def plan(self, who: Principal, study_id: int, context: Context, target: Target = WHOLE) -> Plan:
        """What would go. NotFound when foreign or absent. It shows whose it is: that is on the record."""
        with self._doorkeeper.db.read() as connection:
            study = lookup.study(connection, study_id)
        return self._plan(who, study, context, target)

    def delete(
        self,
        who: Principal,
        plan: Plan,
        context: Context,
        *,
        reason: str,
        target: Target = WHOLE,
    ) -> Deleted:
        """Delete what `plan` said, for good. NotFound, Violation for no proper reason, Conflict when there is
        more of it by now, StorageFull or StorageFailed: then nothing was deleted."""
        study = self._require(who, plan.study, context)
        said = checked_reason(reason)

        def unit(tx: Transaction) -> tuple[int, Doomed]:
            doomed = self._doomed(tx.connection, study, target)
            if _measure(doomed) != (plan.series, plan.instances, plan.bytes, plan.whole):
                raise Conflict(GROWN, code="changed-meanwhile")
            entry = self._entry(who, context, study, doomed, reason=said, **_detail(target))
            return self._destroy(tx, doomed, entry, context.now), doomed

        entry, doomed = self._doorkeeper.db.write(unit, may_use_reserve=True).result()
        left = self._remove(doomed.blobs)
        overwritten = self._doorkeeper.db.overwrite_deleted()
        return Deleted(entry, *_measure(doomed), len(doomed.freed), left, overwritten)

    def replay(self, who: Principal, context: Context, destroyed: Iterable[Shred]) -> int:
        """Destroy again what a restored back-up brought back; how many blobs that were.

        `destroyed`: the list of a newer state of this home. Nobody is asked whether he may: somebody who
        might did so before. Each study is an entry on the record, which names that of the replay.
        """
        count, batch = 0, list[Shred]()
        for one in destroyed:
            batch.append(one)
            if len(batch) >= _BATCH:
                count += self._replay(who, context, batch)
                batch = []
        return count + (self._replay(who, context, batch) if batch else 0)

    def _plan(self, who: Principal, study: StudyRow | None, context: Context, target: Target) -> Plan:
        study = self._require(who, study, context)
        self._doorkeeper.require_study(who, Action.STUDY_VIEW, context, study)
        self._ledger.leave(self._ledger.enter(who, Action.STUDY_VIEW, study, context), context.now)
        with self._doorkeeper.db.read() as connection:
            doomed = self._doomed(connection, study, target)
        return Plan(study, *_measure(doomed))

    def _require(self, who: Principal, study: StudyRow | None, context: Context) -> StudyRow:
        return self._doorkeeper.require_study(who, Action.STUDY_DELETE, context, study)

    def _doomed(self, connection: sa.Connection, study: StudyRow, target: Target) -> Doomed:
        """What there is now. The study may have gone, or to another department, since it was decided on."""
        now = lookup.study(connection, study.id)
        if now is None or now.department_id != study.department_id:
            raise NotFound(ABSENT)
        doomed = removal.found(
            connection, study.id, series_uid=target.series_uid, instance_uid=target.instance_uid
        )
        if doomed is None:
            raise NotFound("This study has no such series or object.")
        return doomed

    def _destroy(self, tx: Transaction, doomed: Doomed, entry: Entry, now: int) -> int:
        """All that one deletion is in the database; the number of its entry."""
        seq = self._doorkeeper.log.append(tx, entry, now)
        if doomed.whole:
            self._keys.destroy(tx, doomed.study_id)
        removal.remove(tx, doomed)
        shreds.add(tx, (Shred(blob, seq, now) for blob in doomed.blobs))
        return seq

    def _entry(
        self, who: Principal, context: Context, study: StudyRow, doomed: Doomed, **detail: str | int
    ) -> Entry:
        series, instances, size, _ = _measure(doomed)
        return self._doorkeeper.entry(
            who,
            Action.STUDY_DELETE,
            context,
            department=study.department_id,
            counts={"series": series, "instances": instances, "bytes": size},
            detail=detail,
            **self._doorkeeper.about([study]),
        )

    def _remove(self, blobs: Sequence[str]) -> int:
        """The sealed files; how many of them the disk did not let go."""
        left = 0
        for blob in blobs:
            try:
                self._blobs.delete(blob)
            except StorageFailed:
                left += 1
        try:
            self._blobs.sync_directories(blobs)
        except StorageFailed:
            return left or len(blobs)
        return left

    def _replay(self, who: Principal, context: Context, batch: list[Shred]) -> int:
        by_blob = {one.blob: one for one in batch}

        def unit(tx: Transaction) -> list[str]:
            new = by_blob.keys() - shreds.known(tx, list(by_blob))
            if not new:
                return []
            entry = self._doorkeeper.entry(who, "store.replay", context, counts={"objects": len(new)})
            seq = self._doorkeeper.log.append(tx, entry, context.now)
            gone: list[str] = []
            for study_id in sorted(removal.studies_of(tx, list(new))):
                doomed = removal.found(tx, study_id, blobs=new)
                study = lookup.study(tx.connection, study_id)
                assert doomed is not None
                assert study is not None
                again = self._entry(who, context, study, doomed, again=seq)
                self._destroy(tx, doomed, again, context.now)
                gone += doomed.blobs
            removal.remove_asides(tx, list(new))
            shreds.add(tx, (Shred(blob, seq, by_blob[blob].at) for blob in new))
            return gone

        gone = self._doorkeeper.db.write(unit, may_use_reserve=True).result()
        self._remove([*gone, *by_blob])
        return len(gone)


def checked_reason(reason: str) -> str:
    """A reason as it goes on the record; Violation when it is none."""
    said = " ".join(_UNSEEN.sub(" ", reason).split())
    if not REASON_LEAST <= len(said) <= REASON_MOST:
        raise Violation(
            f"Say in {REASON_LEAST} to {REASON_MOST} characters why it is deleted. That goes on the record.",
            code="reason",
        )
    return said


def _measure(doomed: Doomed) -> tuple[int, int, int, bool]:
    return len(doomed.series), len(doomed.blobs), doomed.bytes, doomed.whole


def _detail(target: Target) -> dict[str, str]:
    named = {"series": target.series_uid, "instance": target.instance_uid}
    return {name: uid for name, uid in named.items() if uid is not None}
