"""The commit of a received object: blob durable, rows and entry written, and only then its outcome.

The transaction is at work while the disk is, and commits after it. What is here already, with other bytes of
the same values, is found out between two transactions.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from leadglass.archive.corrected import as_delivered
from leadglass.archive.objects import Objects, StudyKeys
from leadglass.archive.outcome import Kind, Outcome
from leadglass.archive.placing import Examined, Placing, Received
from leadglass.archive.sameness import sameness
from leadglass.db.engine import Database, Transaction
from leadglass.dicom.dataset import Limits
from leadglass.errors import AsideFull, LeadglassError, StorageFailed
from leadglass.index import lookup
from leadglass.index.fitting import Known
from leadglass.store.blobs import Blobs

NO_ROOM_ASIDE = "It would be kept aside, and the room for that is used up. Tell your PACS administrator."
_SYNC = "archive.blobs"
_ALONGSIDE = 8 << 20  # bytes of a blob whose fsync a transaction waits for; a larger one is synced before it


def may_be_named(db: Database, blob: str, error: BaseException) -> bool:
    """Whether a row may name the blob although the commit failed. After a failed fsync nobody knows what the
    disk has; in any doubt the blob stays: an orphan can be collected, a lost object cannot."""
    if isinstance(error, StorageFailed):
        return True
    try:
        with db.read() as connection:
            return lookup.is_named(connection, blob)
    except LeadglassError:
        return True


class Commits:
    """Makes received objects the archive's own, for one home. `system` names it in what it delivers."""

    def __init__(
        self, db: Database, blobs: Blobs, keys: StudyKeys, placing: Placing, limits: Limits, *, system: str
    ) -> None:
        self.db = db
        self.blobs = blobs
        self.keys = keys
        self.placing = placing
        self.limits = limits
        self.system = system
        self._examiner = ThreadPoolExecutor(1, "leadglass-examiner")  # its thread begins with its first work

    def submit(self, received: Received) -> Future[Outcome]:
        """Its outcome, resolved once it is durable. StorageFull, StorageFailed, Unavailable."""
        return _Commit(self, received).submit()

    def sync_directories(self, tx: Transaction) -> None:
        """The last step before a group's commit: its blobs and their directories survive a power cut."""
        commits: list[_Commit] = tx.state[_SYNC]
        blobs = (commit.received.blob for commit in commits)
        # An entry exists since the blob was opened: its directory's fsync need not wait for the file's.
        self.blobs.sync_directories(blob.name for blob in blobs if not blob.is_entered)
        for commit in commits:
            commit.durable.result()

    def examine(self, commit: _Commit, known: Known, outcome: Future[Outcome]) -> None:
        """Is it what is here? Found out elsewhere than in the writer's thread, which calls this."""
        work = partial(commit.examine, known, outcome)
        try:
            self._examiner.submit(work)
        except RuntimeError:  # closing, and the writer only has its queue to finish
            work()

    def close(self) -> None:
        self._examiner.shutdown()


@dataclass(frozen=True, slots=True)
class _Commit:
    """The commit of one object, and again after it was compared with what is here."""

    commits: Commits
    received: Received
    durable: Future[None] = field(default_factory=Future)
    examined: Examined | None = None

    def submit(self) -> Future[Outcome]:
        """The transaction is at work while this thread waits for the disk, and commits only after it."""
        outcome: Future[Outcome] = Future()
        if self.received.size.sealed > _ALONGSIDE:
            self._make_durable()
            self.durable.result()
        try:
            committed = self.commits.db.write(self.run)
        except LeadglassError:
            self.received.blob.abandon()
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
            self.received.blob.sync()
        except LeadglassError as error:
            self.durable.set_exception(error)
        except BaseException:
            self.durable.set_exception(StorageFailed("An object was not made durable."))
            raise
        else:
            self.durable.set_result(None)

    def run(self, tx: Transaction) -> Outcome | Known:
        """The unit of work."""
        outcome = self.commits.placing.place(tx, self.received, self.examined)
        # Last of all, so that rows and record are written while the disk is at work.
        tx.before_commit(_SYNC, self.commits.sync_directories)
        tx.state.setdefault(_SYNC, []).append(self)
        return outcome

    def _settle(self, committed: Future[Outcome | Known], outcome: Future[Outcome]) -> None:
        """After the commit: a blob that no row names is removed again; a failed removal leaves an orphan."""
        blob, error = self.received.blob, committed.exception()
        if error is not None:
            if not may_be_named(self.commits.db, blob.name, error):
                blob.abandon()
            outcome.set_exception(error)
            return
        became = committed.result()
        if isinstance(became, Known):
            self.commits.examine(self, became, outcome)
            return
        if became.again or became.kind in (Kind.DUPLICATE, Kind.REFUSED):
            blob.abandon()
        if became.kind is Kind.REFUSED:
            outcome.set_exception(AsideFull(NO_ROOM_ASIDE))
        else:
            outcome.set_result(became)

    def examine(self, known: Known, outcome: Future[Outcome]) -> None:
        """Then decide again, in a transaction that sees whether `known` is still what is here."""
        commits, blob = self.commits, self.received.blob
        try:
            incoming = partial(commits.blobs.open, blob.name, blob.key)
            objects = Objects(commits.db, commits.blobs, commits.keys)
            with commits.db.read() as connection:
                delivered = as_delivered(connection, known.study_id, commits.system)
            same = sameness(objects, known, incoming, commits.limits, delivered)
            again = replace(self, examined=(known, same))
            committed = commits.db.write(again.run)
        except BaseException as error:  # noqa: BLE001 - it belongs to a future, whatever it is
            blob.abandon()
            outcome.set_exception(error)
        else:
            committed.add_done_callback(lambda done: again._settle(done, outcome))
