"""Putting right what a check found, where there is proof; each repair is on the record with its rows.

    counts      are derived from the rows below
    facts       are read from the sealed object, whose digest agrees
    lost        an instance whose object is missing or altered is taken out of what is shown and listed as
                lost, never deleted: it comes back when the object is found again, or the same one is sent

Anything else is for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.soundness import Examiner, State
from leadglass.db.engine import Transaction
from leadglass.index import evidence, lookup, upkeep
from leadglass.index.counts import recount
from leadglass.index.evidence import StudyEntry
from leadglass.index.facts import ObjectFacts
from leadglass.record.log import Entry

FEW: Final = 10  # lost objects that nobody takes for a disk that is not there
REFUSED: Final = (
    "More than half of all objects are missing or altered. The store itself seems not to be there, or not to "
    "be this home's: nothing was taken out of sight. Look at the disk first."
)


class Repair:
    def __init__(self, doorkeeper: Doorkeeper, examiner: Examiner) -> None:
        self._doorkeeper = doorkeeper
        self._db = doorkeeper.db
        self._examiner = examiner

    def recount(self, who: Principal, context: Context, studies: Sequence[int]) -> int:
        """Derive what rows of studies and series repeat; how many studies that were."""

        def unit(tx: Transaction) -> None:
            for study in studies:
                recount(tx, study)
            entry = self._doorkeeper.entry(who, "index.recount", context, counts={"studies": len(studies)})
            self._doorkeeper.log.append(tx, entry, context.now)

        if studies:
            self._db.write(unit, may_use_reserve=True).result()
        return len(studies)

    def correct(
        self,
        who: Principal,
        context: Context,
        study: StudyEntry,
        facts: ObjectFacts,
        columns: Sequence[str],
        *,
        instance_id: int | None = None,
        series_id: int | None = None,
    ) -> None:
        """Have the row of an instance, a series or the study say what the object says in these columns."""

        def unit(tx: Transaction) -> None:
            if instance_id is not None:
                evidence.correct_instance(tx, instance_id, facts, columns)
                recount(tx, study.id)
            elif series_id is not None:
                evidence.correct_series(tx, series_id, facts, columns)
                recount(tx, study.id)
            else:
                evidence.correct_study(tx, study.id, facts, columns)
            detail = {"columns": ",".join(columns), "instance": facts.sop_instance_uid}
            entry = self._entry(
                who, "index.correct", context, (study.study_instance_uid, study.patient_id), detail
            )
            self._doorkeeper.log.append(tx, entry, context.now)

        self._db.write(unit, may_use_reserve=True).result()

    def take_out(
        self, who: Principal, context: Context, suspects: Sequence[tuple[int, int]], objects: int
    ) -> tuple[set[str], str]:
        """Blobs of the instances among these (study, instance) that are no longer shown; or why none is."""
        if len(suspects) > max(FEW, objects // 2):
            return set(), REFUSED
        gone = (self._take_out(who, context, study, instance) for study, instance in suspects)
        return {blob for blob in gone if blob is not None}, ""

    def find_again(self, who: Principal, context: Context) -> int:
        """Show every lost instance again whose object is there and as it was received; how many."""
        after, found = 0, 0
        while batch := self._lost(after):
            for gone in batch:
                sealed = gone.entry.sealed
                if not gone.replaced and self._examiner.examine(sealed, deep=True).state is State.SOUND:
                    self._reinstate(who, context, gone)
                    found += 1
            after = batch[-1].entry.id
        return found

    def _take_out(self, who: Principal, context: Context, study_id: int, instance_id: int) -> str | None:
        """Looked at once more: it may have been deleted, or put back, since."""
        with self._db.read() as connection:
            sealed = lookup.sealed(connection, instance_id)
        if sealed is None:
            return None
        state = self._examiner.examine(sealed, deep=True).state
        if state is State.SOUND:
            return None

        def unit(tx: Transaction) -> bool:
            row = lookup.instance(tx.connection, instance_id)
            if row is None or lookup.sealed(tx.connection, instance_id) != sealed:
                return False
            study = row.series.study
            detail = {"instance": row.sop_instance_uid, "why": state.value}
            of = (study.study_instance_uid, study.patient_id)
            entry = self._entry(who, "object.lost", context, of, detail)
            self._doorkeeper.log.append(tx, entry, context.now)
            upkeep.lose(tx, instance_id, study_id, state.value, context.now)
            return True

        return sealed.blob if self._db.write(unit, may_use_reserve=True).result() else None

    def _reinstate(self, who: Principal, context: Context, gone: upkeep.Lost) -> None:
        study, uid = gone.study, gone.entry.sop_instance_uid

        def unit(tx: Transaction) -> None:
            of = (study.study_instance_uid, study.patient_id)
            entry = self._entry(who, "object.found", context, of, {"instance": uid})
            self._doorkeeper.log.append(tx, entry, context.now)
            upkeep.reinstate(tx, gone.entry.id, study.id)

        self._db.write(unit, may_use_reserve=True).result()

    def _lost(self, after: int) -> list[upkeep.Lost]:
        with self._db.read() as connection:
            return upkeep.lost_page(connection, after=after)

    def _entry(
        self, who: Principal, action: str, context: Context, of: tuple[str, str], detail: dict[str, str]
    ) -> Entry:
        study, patient = of
        return self._doorkeeper.entry(
            who,
            action,
            context,
            studies=(study,),
            patients=(patient,) if patient else (),
            detail=detail,
        )
