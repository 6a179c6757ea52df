"""Where C-STORE, STOW-RS and import meet: bytes in, a durable object out, or one plain sentence.

    open      the policy decides, space is checked, a random name and key are drawn
    write     each chunk is parsed within limits, digested and sealed; nothing is held
    finish    the blob is fsynced while one transaction writes its rows and its entry on the record
    COMMIT POINT: not before the blob and its directory are durable; the outcome's future resolves after it

A crash before the commit point leaves a blob that no row names, which `leadglass check` collects.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.facts import WANTED, claims_of, facts_of
from leadglass.archive.objects import Objects, StudyKeys
from leadglass.archive.outcome import Claims, Identity, Kind, Outcome, Sender
from leadglass.archive.presence import Presence
from leadglass.archive.sameness import is_same
from leadglass.db.engine import Database, Transaction
from leadglass.dicom.dataset import Limits
from leadglass.dicom.part10 import HEAD_SIZE, Part10Parser, neutral_preamble
from leadglass.errors import IllegalIdentity, LeadglassError, StorageFailed, StorageFull, Violation
from leadglass.index import arrivals, asides, records, upkeep
from leadglass.index.arrivals import Arrived
from leadglass.index.records import Clash, Known, Misfit, ObjectFacts
from leadglass.index.rows import NO_STUDY, Sealed
from leadglass.index.schema import instances, kept_aside, versions
from leadglass.index.versions import received_as
from leadglass.store.blobs import Blobs, BlobSize, BlobWriter
from leadglass.store.files import storage_errors

__all__ = ["Identity", "Incoming", "Ingest", "Kind", "Outcome"]

QUARANTINE = 4 << 30  # bytes of all objects together that are kept aside and no study's
QUARANTINE_SOURCE = 1 << 30  # bytes of all objects together that one source was kept aside in one department
_FAULTS = {clash.value: clash for clash in (Clash.ILLEGAL_IDENTITY, Clash.OTHER_IDENTITY)}
_NO_ROOM_ASIDE = "There is no room left for what cannot be kept among the rest."
_NO_ROOM = "The disk has no room left for images; what is left is kept for the record."
_SYNC = "archive.blobs"
_ALONGSIDE = 8 << 20  # bytes of a blob whose fsync a transaction waits for; a larger one is synced before it
_NAMED = sa.union_all(
    *(
        sa.select(table.c.id).where(table.c.blob == sa.bindparam("blob"))
        for table in (instances, kept_aside, versions)
    )
)


def may_be_named(db: Database, blob: str, error: BaseException) -> bool:
    """Whether a row may name the blob although the commit failed. After a failed fsync nobody knows what the
    disk has; in any doubt the blob stays: an orphan can be collected, a lost object cannot."""
    if isinstance(error, StorageFailed):
        return True
    try:
        with db.read() as connection:
            return connection.execute(_NAMED, {"blob": blob}).first() is not None
    except LeadglassError:
        return True


class Ingest:
    """Takes objects in for one home. `presence` is a lock file that tells `check` somebody may be at it."""

    def __init__(
        self,
        doorkeeper: Doorkeeper,
        blobs: Blobs,
        keys: StudyKeys,
        presence: Path,
        limits: Limits,
        *,
        quarantine: int = QUARANTINE,
        quarantine_source: int = QUARANTINE_SOURCE,
    ) -> None:
        self.doorkeeper = doorkeeper
        self.blobs = blobs
        self.keys = keys
        self.limits = limits
        self.quarantine = quarantine
        self.quarantine_source = quarantine_source
        self._examiner = ThreadPoolExecutor(1, "leadglass-examiner")  # its thread begins with its first work
        self._presence = Presence(presence)

    @property
    def most_aside(self) -> int:
        """Bytes that one object which cannot be read may have to be kept aside at all."""
        return min(self.quarantine, self.quarantine_source)

    def enter(self) -> None:
        """Before a blob is made: there is room, and `check` knows from now on that somebody is at it.
        StorageFull, StorageFailed."""
        with storage_errors("The home"):
            if not self.doorkeeper.db.reserve.room_for_objects():
                raise StorageFull(_NO_ROOM)
            self._presence.enter()

    def open(
        self,
        who: Principal,
        department_id: int,
        source: str,
        context: Context,
        *,
        expected: Identity | None = None,
        expected_study: str = "",
        keep_unidentified: bool = False,
    ) -> Incoming:
        """A place for one object. Denied, StorageFull, StorageFailed.

        `source` says where it came from in words without a patient's value; it stands in the record.
        What is not as `expected`, of another study than `expected_study`, has no legal UIDs or cannot be
        read is a Violation; with `keep_unidentified`, for doors behind which nobody has it any more, it is
        kept aside instead.
        """
        self.doorkeeper.require(who, Action.OBJECT_INGEST, context, department_id)
        self.enter()
        sender = Sender(who, department_id, source, context)
        return Incoming(self, sender, expected, expected_study, keep_unidentified=keep_unidentified)

    def sync_directories(self, tx: Transaction) -> None:
        """The last step before a group's commit: its blobs and their directories survive a power cut."""
        commits: list[_Commit] = tx.state[_SYNC]
        # An entry exists since the blob was opened: its directory's fsync need not wait for the file's.
        self.blobs.sync_directories(commit.blob.name for commit in commits if not commit.blob.is_entered)
        for commit in commits:
            commit.durable.result()

    def examine(self, work: Callable[[], None]) -> None:
        """Have `work` done elsewhere than in the writer's thread, which calls this."""
        try:
            self._examiner.submit(work)
        except RuntimeError:  # closing, and the writer only has its queue to finish
            work()

    def close(self) -> None:
        self._examiner.shutdown()
        self.blobs.close()  # while our presence keeps `check` from what was made ahead
        self._presence.leave()


class Incoming:
    """One object streaming in. `finish` or `abandon` it; as a context manager it abandons on errors."""

    def __init__(
        self,
        ingest: Ingest,
        sender: Sender,
        expected: Identity | None,
        expected_study: str = "",
        *,
        keep_unidentified: bool,
    ) -> None:
        self._ingest = ingest
        self._sender = sender
        self._expected = expected
        self._expected_study = expected_study
        self._keep_unidentified = keep_unidentified
        self._violation: Violation | None = None  # after it, what comes is sealed without being read
        self._parser = Part10Parser(ingest.limits, WANTED)
        self._digest = sha256()
        self._head: bytearray | None = bytearray()  # until the data set begins
        self._blob: BlobWriter | None = ingest.blobs.create()

    def write(self, chunk: bytes | memoryview) -> None:
        """The next bytes of the Part 10 file. A Violation says why it cannot be kept."""
        assert self._blob is not None
        try:
            if self._violation is None:
                self._parse(chunk)
            elif self._blob.size + len(chunk) > self._ingest.most_aside:
                self.refuse()  # larger than all that may be kept aside
                raise StorageFull(_NO_ROOM_ASIDE)
            if self._head is None:
                self._digest.update(chunk)
                self._blob.write(chunk)
            else:
                self._pass_head(chunk)
        except BaseException:
            self.abandon()
            raise

    def finish(self) -> Future[Outcome]:
        """The end of the object: its outcome, resolved once it is durable. Violation, StorageFull, …"""
        assert self._blob is not None
        try:
            facts, fault = self._identified()
            size = self._blob.seal()
        except BaseException:
            self.abandon()
            raise
        syntax = self._parser.transfer_syntax
        blob, self._blob = self._blob, None
        commit = _Commit(
            self._ingest,
            self._sender,
            facts,
            fault,
            blob,
            size,
            self._digest.digest(),
            syntax.uid if syntax is not None else "",
        )
        return commit.submit()

    def _parse(self, chunk: bytes | memoryview) -> None:
        try:
            self._parser.feed(chunk)
        except Violation as violation:
            if not self._keep_unidentified:
                raise
            self._violation = violation

    def _identified(self) -> tuple[ObjectFacts, Clash | None]:
        """What it is, and the fault for which it is kept aside."""
        try:
            if self._violation is not None:
                raise self._violation
            self._parser.close()
            facts = facts_of(self._parser)
            if self._expected not in (None, Identity(facts.sop_class_uid, facts.sop_instance_uid)):
                raise IllegalIdentity("It is not the object that was announced.", code=Clash.OTHER_IDENTITY)
            if self._expected_study not in ("", facts.study_instance_uid):
                raise IllegalIdentity("It is not of the study that was announced.", code=Clash.OTHER_IDENTITY)
        except Violation as violation:
            if not self._keep_unidentified:
                raise
            self._pass_head(b"", at_end=True)
            return claims_of(self._parser), _FAULTS.get(violation.code, Clash.UNREADABLE)
        return facts, None

    @property
    def claims(self) -> Claims:
        """What it says it is, as far as it was read; also once it is over."""
        said = claims_of(self._parser)
        return Claims(
            said.sop_class_uid, said.sop_instance_uid, said.study_instance_uid, said.series_instance_uid
        )

    def refuse(self) -> None:
        """Give it up because it is too large: on the record before its sender is told."""
        assert self._blob is not None
        outcome = Outcome(Kind.REFUSED, clash=Clash.UNREADABLE)
        claims, doorkeeper = claims_of(self._parser), self._ingest.doorkeeper
        entry = self._sender.entry(doorkeeper, claims, outcome, self._blob.size)
        self.abandon()
        doorkeeper.record(entry, self._sender.context.now)

    def abandon(self) -> None:
        blob, self._blob = self._blob, None
        if blob is not None:
            blob.abandon()

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def _pass_head(self, chunk: bytes | memoryview, *, at_end: bool = False) -> None:
        """Once the data set's beginning is known, hand on what was held back. Only the data set is digested:
        preamble and File Meta Information are the envelope, not the object (PS3.10 7). What has no beginning
        is digested as it is kept."""
        if self._head is None or self._blob is None:
            return
        offset = self._parser.dataset_offset
        if offset is None and not at_end and self._violation is None:
            self._head += chunk
            return
        whole = memoryview(bytes(self._head) + chunk if self._head else chunk)
        self._head = None
        first, rest = bytes(whole[:HEAD_SIZE]), whole[HEAD_SIZE:]
        if len(first) == HEAD_SIZE:
            first = neutral_preamble(first)
        for piece in (first, rest) if offset is None else (whole[offset:],):
            self._digest.update(piece)
        self._blob.write(first)
        self._blob.write(rest)


@dataclass(frozen=True, slots=True)
class _Commit:
    """All that the commit of one received object needs."""

    ingest: Ingest
    sender: Sender
    facts: ObjectFacts
    fault: Clash | None  # for which it is kept aside, whatever else is here
    blob: BlobWriter
    size: BlobSize
    digest: bytes
    syntax: str
    durable: Future[None] = field(default_factory=Future)
    examined: tuple[Known, bool] | None = None  # what is here under its UID, and whether it is the same

    def submit(self) -> Future[Outcome]:
        """The transaction is at work while this thread waits for the disk, and commits only after it."""
        outcome: Future[Outcome] = Future()
        if self.size.sealed > _ALONGSIDE:
            self._make_durable()
            self.durable.result()
        try:
            committed = self.ingest.doorkeeper.db.write(self.run)
        except LeadglassError:
            self.blob.abandon()
            raise
        self._make_durable()
        # After the disk, whose file is then free: one that has failed meanwhile is settled by this thread.
        committed.add_done_callback(lambda done: self._settle(done, outcome))
        return outcome

    def _make_durable(self) -> None:
        """Fsync the blob; a failure is the transaction's, which waits for it."""
        if self.durable.done():
            return
        try:
            self.blob.sync()
        except LeadglassError as error:
            self.durable.set_exception(error)
        except BaseException:
            self.durable.set_exception(StorageFailed("An object was not made durable."))
            raise
        else:
            self.durable.set_result(None)

    def run(self, tx: Transaction) -> Outcome | Known:
        """The unit of work. Everything it raises is our bug or the disk's. What is here under its UID is
        returned, and nothing written, when that has to be examined first."""
        outcome = self._placed(tx)
        # Last of all, so that rows and record are written while the disk is at work.
        tx.before_commit(_SYNC, self.ingest.sync_directories)
        tx.state.setdefault(_SYNC, []).append(self)
        return outcome

    def _placed(self, tx: Transaction) -> Outcome | Known:
        if self.fault is not None:
            return self._aside(tx, Misfit(self.fault, None))
        department_id, now = self.sender.department_id, self.sender.context.now
        known = records.find(tx, self.facts.sop_instance_uid)
        if known is not None:
            return self._met(tx, known)
        place = records.place(tx, self.facts, department_id, now)
        if isinstance(place, Misfit):
            return self._aside(tx, place)
        if place.is_new_study:
            self.ingest.keys.create(tx, place.study_id, now)
        sealed = self._sealed(tx, place.study_id)
        instance_id = records.add_instance(tx, self.facts, place.series_id, sealed, now)
        whence = (self.sender.source, self.facts.modality)
        arrivals.count(tx, department_id, now, whence, Arrived(1, int(place.is_new_study), sealed.size))
        healed = upkeep.heal(tx, self.facts.sop_instance_uid, self.digest, self.syntax)
        return self._noted(tx, Outcome(Kind.STORED, instance_id, healed=healed))

    def _met(self, tx: Transaction, known: Known) -> Outcome | Known:
        """Its SOP Instance UID is here already. Another department's is never looked at."""
        if known.department_id != self.sender.department_id:
            return self._aside(tx, Misfit(Clash.OTHER_DEPARTMENT, known.study_id))
        if (known.digest, known.transfer_syntax_uid) == (self.digest, self.syntax):
            return self._again(tx, Outcome(Kind.DUPLICATE, known.instance_id))
        if self.examined == (known, True):
            return self._again(tx, Outcome(Kind.DUPLICATE, known.instance_id, recoded=True))
        misfit = Misfit(Clash.OTHER_CONTENT, known.study_id)
        settled = self.examined is not None or known.transfer_syntax_uid != self.syntax
        return self._aside(tx, misfit) if settled or self._is_aside(tx, misfit.clash) else known

    def _is_aside(self, tx: Transaction, clash: Clash) -> bool:
        uid, department_id = self.facts.sop_instance_uid, self.sender.department_id
        return asides.is_kept(tx, uid, clash, self.digest, department_id)

    def _aside(self, tx: Transaction, misfit: Misfit) -> Outcome:
        sender, uid = self.sender, self.facts.sop_instance_uid
        outcome = Outcome(Kind.KEPT_ASIDE, clash=misfit.clash)
        if self._is_aside(tx, misfit.clash):
            return self._again(tx, replace(outcome, again=True))
        if (instance_id := received_as(tx, uid, self.digest, sender.department_id)) is not None:
            return self._again(tx, Outcome(Kind.DUPLICATE, instance_id))  # somebody has decided on it before
        if not self._fits_aside(tx, misfit):
            return self._noted(tx, replace(outcome, kind=Kind.REFUSED))
        asides.keep(
            tx,
            uid,
            misfit.clash,
            self._sealed(tx, NO_STUDY),
            study_id=misfit.study_id,
            department_id=sender.department_id,
            source=sender.source,
            now=sender.context.now,
        )
        return self._noted(tx, outcome)

    def _fits_aside(self, tx: Transaction, misfit: Misfit) -> bool:
        """Each source has a limit of its own; what is no study's has one for all sources together besides."""
        more, sender = max(self.size.plain, asides.LEAST), self.sender
        used = asides.bytes_of_source(tx, sender.department_id, sender.source)
        if used + more > self.ingest.quarantine_source:
            return False
        return misfit.study_id is not None or asides.homeless_bytes(tx) + more <= self.ingest.quarantine

    def _again(self, tx: Transaction, outcome: Outcome) -> Outcome:
        """It was here before, so its blob is removed; but not when its row is of this very attempt: a commit
        that was reported as failed can have happened, and a unit that is run again must not undo it."""
        if tx.execute(_NAMED, {"blob": self.blob.name}).first() is not None:
            kind = Kind.STORED if outcome.kind is Kind.DUPLICATE else outcome.kind
            outcome = replace(outcome, kind=kind, again=False)
        return self._noted(tx, outcome)

    def _sealed(self, tx: Transaction, study_id: int) -> Sealed:
        wrapped = self.ingest.keys.wrap(tx, study_id, self.blob.key)
        return Sealed(study_id, self.blob.name, wrapped, self.size.plain, self.digest, self.syntax)

    def _noted(self, tx: Transaction, outcome: Outcome) -> Outcome:
        sender, doorkeeper = self.sender, self.ingest.doorkeeper
        entry = sender.entry(doorkeeper, self.facts, outcome, self.size.plain)
        doorkeeper.log.append(tx, entry, sender.context.now)
        return outcome

    def _settle(self, committed: Future[Outcome | Known], outcome: Future[Outcome]) -> None:
        """After the commit: a blob that no row names is removed again; a failed removal leaves an orphan."""
        error = committed.exception()
        if error is not None:
            if not may_be_named(self.ingest.doorkeeper.db, self.blob.name, error):
                self.blob.abandon()
            outcome.set_exception(error)
            return
        became = committed.result()
        if isinstance(became, Known):
            self.ingest.examine(partial(self._examine, became, outcome))
            return
        if became.again or became.kind in (Kind.DUPLICATE, Kind.REFUSED):
            self.blob.abandon()
        if became.kind is Kind.REFUSED:
            outcome.set_exception(StorageFull(_NO_ROOM_ASIDE))
        else:
            outcome.set_result(became)

    def _examine(self, known: Known, outcome: Future[Outcome]) -> None:
        """Then decide again, in a transaction that sees whether `known` is still what is here."""
        ingest, incoming = self.ingest, partial(self.ingest.blobs.open, self.blob.name, self.blob.key)
        try:
            objects = Objects(ingest.doorkeeper.db, ingest.blobs, ingest.keys)
            again = replace(self, examined=(known, is_same(objects, known, incoming, ingest.limits)))
            committed = ingest.doorkeeper.db.write(again.run)
        except BaseException as error:  # noqa: BLE001 - it belongs to a future, whatever it is
            self.blob.abandon()
            outcome.set_exception(error)
        else:
            committed.add_done_callback(lambda done: again._settle(done, outcome))
