"""Is everything there that should be, unaltered, in its place, and nothing else?

    store       blobs against rows: orphans
    objects     rows against blobs: missing, altered; deep: every byte, and what the header says against the
                row of the object, of its series and of its study
    index       counts that rows repeat of those below them; deep: every page of the database
    record      every entry, the tree and what was published; deep: every object's arrival and every
                destruction stands on it, as far back as it is kept

What it finds can be repaired where there is proof (leadglass.archive.repair). No patient's value stands in a
report: objects are named by their blobs, studies by their numbers.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.presence import Presence
from leadglass.archive.repair import Repair
from leadglass.archive.soundness import Examined, Examiner, State
from leadglass.db.engine import Transaction
from leadglass.errors import StorageFailed
from leadglass.index import counts, evidence, lookup, upkeep
from leadglass.index.evidence import InstanceEntry, SeriesEntry, StudyEntry
from leadglass.index.facts import ObjectFacts
from leadglass.index.lookup import Holding
from leadglass.index.upkeep import Round
from leadglass.note import VerifierKey
from leadglass.record import reader
from leadglass.record.chain import Verdict
from leadglass.record.verify import verify
from leadglass.store import shreds
from leadglass.store.blobs import Blobs, StoredBlob

GRACE: Final = 60 * 60_000  # ms: what is younger may be an object somebody is sending right now
MAX_PROBLEMS: Final = 1000
ROUND: Final = {False: "check", True: "deep check"}

Progress = Callable[[int, int], None]  # done, of how many


@dataclass(slots=True)
class CheckReport:
    """What `check` found; what was repaired of it is counted and listed no more."""

    objects: int = 0
    missing: list[str] = field(default_factory=list)  # blobs
    altered: list[str] = field(default_factory=list)  # blobs, and "index: …"
    misfiled: list[str] = field(default_factory=list)  # blobs: the object says it is of another place
    wrong_facts: list[str] = field(default_factory=list)  # blobs, "series N", "study N"
    wrong_counts: list[int] = field(default_factory=list)  # studies
    unrecorded: list[str] = field(default_factory=list)  # blobs, "shred of entry N"
    lost: int = 0  # taken out of what is shown, and not come again
    replaced: int = 0  # of the lost: other content has come under their UIDs
    orphans: int = 0
    orphan_bytes: int = 0
    young: int = 0  # unreferenced, but perhaps still arriving
    collected: int = 0
    repaired_counts: int = 0
    repaired_facts: int = 0
    taken_out: int = 0
    found_again: int = 0
    refused: str = ""  # why nothing was taken out
    record: Verdict | None = None
    deep: bool = False

    @property
    def ok(self) -> bool:
        """Nothing lost, altered or wrong. An orphan is neither: it was never acknowledged."""
        wrong = (self.missing, self.altered, self.misfiled, self.wrong_facts, self.wrong_counts)
        return not (any(wrong) or self.unrecorded or self.lost) and self.record is not None and self.record.ok


class Check:
    def __init__(
        self,
        doorkeeper: Doorkeeper,
        blobs: Blobs,
        examiner: Examiner,
        repair: Repair,
        presence: Path,
        *,
        verifier: VerifierKey,
        tiles: Path,
    ) -> None:
        self._doorkeeper = doorkeeper
        self._db = doorkeeper.db
        self._blobs = blobs
        self._examiner = examiner
        self._repair = repair
        self._presence = Presence(presence)
        self._verifier = verifier
        self._tiles = tiles

    def run(
        self,
        who: Principal,
        context: Context,
        *,
        deep: bool = False,
        collect: bool = False,
        repair: bool = False,
        progress: Progress | None = None,
    ) -> CheckReport:
        """With `collect`, blobs that no row names are removed; with `repair` all is put right that there is
        proof for. Either is on the record. While somebody else may be storing, only orphans older than an
        hour count, and no empty ones."""
        self._doorkeeper.require(who, Action.SYSTEM_STATUS, context)
        round_ = Round(ROUND[deep], context.now)
        run = _Run(self, who, context, CheckReport(deep=deep), progress, repair=repair)
        self._orphans(run, collect=collect or repair)
        if repair:
            run.report.found_again = self._repair.find_again(who, context)
        # Nobody who wants to store waits for this, which takes hours when it is deep.
        run.instances()
        run.others()
        run.counts()
        for page in self._db.damaged_pages() if deep else ():
            _note(run.report.altered, f"index: {page}")
        run.report.record = self.verify(None)
        if deep and run.report.record.ok:
            run.against_the_record()
        self._settle(run, round_)
        return run.report

    def verify(self, progress: Progress | None) -> Verdict:
        return verify(self._db.read, self._verifier, published=self._tiles, progress=progress)

    def _orphans(self, run: _Run, *, collect: bool) -> None:
        report, now = run.report, run.context.now
        with self._presence.alone() as alone:
            # The directory first: a blob that is committed in between has its row by the time rows are read.
            found = {blob.name: blob for blob in self._blobs.names()}
            for holding in self._holdings():
                found.pop(holding.sealed.blob, None)
                report.objects += 1
            for gone in self._lost():
                found.pop(gone.entry.sealed.blob, None)
            old = [b for b in found.values() if alone or _is_left(b, now)]
            report.orphans = len(old)
            report.young = len(found) - len(old)
            report.orphan_bytes = sum(blob.sealed_size for blob in old)
            if collect and old:
                self._collect(run, old)

    def _collect(self, run: _Run, orphans: list[StoredBlob]) -> None:
        """Each is asked about once more, in one look at all tables: a decision on what was kept aside takes
        an object from one that was still to be read to one that had been."""
        with self._db.read() as connection:
            left = [blob for blob in orphans if not lookup.is_named(connection, blob.name)]
        run.report.orphans, run.report.orphan_bytes = len(left), sum(blob.sealed_size for blob in left)
        if not left:
            return
        names = [blob.name for blob in left]
        amount = {"objects": len(names), "bytes": run.report.orphan_bytes}
        entry = self._doorkeeper.entry(run.who, "store.collect", run.context, counts=amount)
        self._doorkeeper.record(entry, run.context.now)
        for name in names:
            with suppress(StorageFailed):  # what the disk does not let go is an orphan the next time, too
                self._blobs.delete(name)
                run.report.collected += 1
        self._blobs.sync_directories(names)

    def _settle(self, run: _Run, made: Round) -> None:
        """What stays, and that there was a check: `status` says both."""
        for gone in self._lost():
            run.report.replaced += gone.replaced
            run.report.lost += not gone.replaced
        whole = Round(made.name, made.started, finished=run.context.now, objects=run.report.objects)

        def unit(tx: Transaction) -> None:
            upkeep.keep_round(tx, whole)
            # A deep check has read everything: what it did not find damaged is sound, or gone.
            before = dict.fromkeys(upkeep.damaged(tx) if run.report.deep else ())
            for blob, why in (before | run.damage).items():
                upkeep.note_damage(tx, blob, why, run.context.now)

        self._db.write(unit, may_use_reserve=True).result()

    def _lost(self) -> Iterator[upkeep.Lost]:
        after = 0
        while batch := self._read_lost(after):
            yield from batch
            after = batch[-1].entry.id

    def _read_lost(self, after: int) -> list[upkeep.Lost]:
        with self._db.read() as connection:
            return upkeep.lost_page(connection, after=after)

    def _holdings(self, *, but: str = "") -> Iterator[Holding]:
        for kind in lookup.HOLDINGS:
            after = 0
            while kind != but and (batch := self._batch(kind, after)):
                yield from batch
                after = batch[-1].id

    def _batch(self, kind: str, after: int) -> list[Holding]:
        with self._db.read() as connection:
            return lookup.holdings(connection, kind, after=after, limit=1000)


@dataclass(slots=True)
class _Run:
    """One check under way."""

    check: Check
    who: Principal
    context: Context
    report: CheckReport
    progress: Progress | None
    repair: bool
    done: int = 0
    damage: dict[str, str | None] = field(default_factory=dict)
    suspects: list[tuple[int, int]] = field(default_factory=list)  # study, instance

    def instances(self) -> None:
        """Study by study. What has to go out of sight is decided on once it is known how much that is."""
        after = 0
        while page := self._studies(after):
            for study in page:
                self._study(study)
            after = page[-1].id
        if self.repair and self.suspects:
            out, refused = self.check._repair.take_out(
                self.who, self.context, self.suspects, self.report.objects
            )
            self.report.refused, self.report.taken_out = refused, len(out)
            self.report.missing = [blob for blob in self.report.missing if blob not in out]
            self.report.altered = [blob for blob in self.report.altered if blob not in out]
            for blob in out:
                self.damage[blob] = None

    def others(self) -> None:
        """What is kept aside and what else is no instance: whoever decides on it sees the damage there."""
        for holding in self.check._holdings(but="instances"):
            self._one(
                holding.sealed.blob, self.check._examiner.examine(holding.sealed, deep=self.report.deep)
            )

    def counts(self) -> None:
        after, wrong = 0, list[int]()
        while True:
            with self.check._db.read() as connection:
                studies, found = counts.page(connection, after)
            if not studies:
                break
            after, wrong = studies[-1], [*wrong, *found]
        if self.repair:
            self.report.repaired_counts = self.check._repair.recount(self.who, self.context, wrong)
        else:
            self.report.wrong_counts = wrong[:MAX_PROBLEMS]

    def against_the_record(self) -> None:
        """By 64 bits of a hash each: ten million objects are 80 MB. Of what came before the oldest entry that
        is kept nothing can be told."""
        known, since, numbers = array("Q"), 0, 0
        with self.check._db.read() as connection:
            for rows in reader.rows(connection):
                for row in rows:
                    numbers = row.seq + 1
                    entry = reader.open_row(row)
                    if entry is None:
                        since = row.time + 1
                        continue
                    known.extend(_hash(value) for value in entry.detail.values() if isinstance(value, str))
            ordered = array("Q", sorted(known))
            destroyed = list(shreds.entries(connection))
        for number in destroyed:
            if number >= numbers:
                _note(self.report.unrecorded, f"shred of entry {number}")
        for held in self._entries():
            wanted = _hash(held.sop_instance_uid)
            at = bisect_left(ordered, wanted)
            if held.received >= since and (at == len(ordered) or ordered[at] != wanted):
                _note(self.report.unrecorded, held.sealed.blob)

    def _entries(self) -> Iterator[InstanceEntry]:
        after = 0
        while page := self._studies(after):
            for study in page:
                for series in self._series(study):
                    yield from self._objects(study, series)
            after = page[-1].id

    def _study(self, study: StudyEntry) -> None:
        """Every object of it, and whether any of them says what its row and its series' rows hold."""
        first: ObjectFacts | None = None
        unsaid, all_sound = study.columns, True
        for series in self._series(study):
            held: ObjectFacts | None = None
            left = frozenset(evidence.SERIES)
            sound = True
            for entry in self._objects(study, series):
                examined = self.check._examiner.examine(entry.sealed, deep=self.report.deep)
                if not self._one(entry.sealed.blob, examined):
                    self.suspects.append((study.id, entry.id))
                if examined.facts is None:
                    sound = False
                    continue
                first, held = first or examined.facts, held or examined.facts
                unsaid &= evidence.differences(evidence.STUDY, study.values, examined.facts)
                left &= evidence.differences(evidence.SERIES, series.values, examined.facts)
                self._entry(study, series, entry, examined)
            all_sound &= sound
            if sound and held is not None and left:
                self._fix(f"series {series.id}", study, held, left, series_id=series.id)
        if all_sound and first is not None and unsaid:
            self._fix(f"study {study.id}", study, first, unsaid)

    def _entry(
        self, study: StudyEntry, series: SeriesEntry, entry: InstanceEntry, examined: Examined
    ) -> None:
        facts = examined.facts
        assert facts is not None
        says = (facts.sop_instance_uid, facts.series_instance_uid, facts.study_instance_uid)
        filed = (entry.sop_instance_uid, series.series_instance_uid, study.study_instance_uid)
        its_patient = study.corrected or (facts.patient_id, facts.issuer) == (study.patient_id, study.issuer)
        if says != filed or not its_patient or examined.syntax != entry.sealed.transfer_syntax_uid:
            _note(self.report.misfiled, entry.sealed.blob)
        elif wrong := evidence.differences(evidence.INSTANCE, entry.values, facts):
            self._fix(entry.sealed.blob, study, facts, wrong, instance_id=entry.id)

    def _fix(
        self, what: str, study: StudyEntry, facts: ObjectFacts, wrong: frozenset[str], **row: int
    ) -> None:
        if self.repair:
            self.check._repair.correct(self.who, self.context, study, facts, sorted(wrong), **row)
            self.report.repaired_facts += 1
        else:
            _note(self.report.wrong_facts, what)

    def _one(self, blob: str, examined: Examined) -> bool:
        """Whether an object is sound; where not, it is noted."""
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, max(self.done, self.report.objects))
        if examined.state is State.SOUND:
            return True
        self.damage[blob] = examined.state.value
        _note(self.report.missing if examined.state is State.MISSING else self.report.altered, blob)
        return False

    def _studies(self, after: int) -> list[StudyEntry]:
        with self.check._db.read() as connection:
            return evidence.studies(connection, after)

    def _series(self, study: StudyEntry) -> list[SeriesEntry]:
        with self.check._db.read() as connection:
            return evidence.series(connection, study.id)

    def _objects(self, study: StudyEntry, series: SeriesEntry) -> Iterator[InstanceEntry]:
        after = 0
        while page := self._page(study, series, after):
            yield from page
            after = page[-1].id

    def _page(self, study: StudyEntry, series: SeriesEntry, after: int) -> list[InstanceEntry]:
        with self.check._db.read() as connection:
            return evidence.objects(connection, study.id, series.id, after)


def _is_left(blob: StoredBlob, now: int) -> bool:
    """While somebody may be storing. An empty file, of whatever age, may be one that an object takes next."""
    return blob.sealed_size > 0 and now - blob.modified >= GRACE


def _note(problems: list[str], what: str) -> None:
    if len(problems) < MAX_PROBLEMS:
        problems.append(what)


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
