"""Everything out to plain files: nobody is locked in.

Which studies, decided and on the record before the first of them; then each study as every other retrieval,
with an access of its own. What leaves is what is delivered to everybody. An object that cannot be read is
told of, and the others go on.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Final

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.export_crew import Crew, Job
from leadglass.archive.export_folder import ExportFolder, file_id_of, why
from leadglass.archive.leaving import why_not
from leadglass.archive.media import FileSet, Header
from leadglass.archive.retrieve import Retrieve
from leadglass.dicom.elements import Limits
from leadglass.errors import LimitExceeded, NotFound, Unavailable
from leadglass.index import asides, selection, upkeep
from leadglass.index.matching import within
from leadglass.index.selection import Keys

MOST_UIDS: Final = 1000
MOST_LISTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What an export is about. `lacking` are those asked for that are not here, or not the asker's."""

    studies: Sequence[int]  # their numbers, a patient's together
    instances: int
    lacking: tuple[str, ...]
    kept_aside: int  # objects of the same departments that are in no study, and in no export
    lost: int = 0  # objects of these studies that the archive knows to be lost on its disk


@dataclass(frozen=True, slots=True)
class Failed:
    """An object that is not in the folder, and why."""

    uid: str
    code: str
    sentence: str


@dataclass(slots=True)
class Report:
    """What became of everything so far. `failed` lists at most 10,000."""

    studies: int = 0
    written: int = 0
    there: int = 0  # written and read back by an earlier run
    again: int = 0  # of those written: an earlier run had it, and it was altered since, or is gone
    bytes: int = 0
    agree: int = 0  # of those written or there: as they were received, by their digest
    corrected: int = 0  # with another identity than that
    failures: int = 0
    failed: list[Failed] = field(default_factory=list)
    lacking: tuple[str, ...] = ()
    kept_aside: int = 0
    lost: int = 0
    left: int = 0  # files of an earlier run whose objects are here no more, elsewhere, or not the asker's
    verified: bool = False  # what was there was read again, every byte
    in_directory: int | None = None  # objects that the DICOMDIR names; None: none was written
    stopped: str = ""
    interrupted: bool = False

    @property
    def clean(self) -> bool:
        incomplete = self.failures or self.lacking or self.lost or self.stopped or self.interrupted
        return not incomplete and self.in_directory == self.written + self.there

    @property
    def done(self) -> int:
        return self.written + self.there + self.failures


class Export:
    def __init__(self, doorkeeper: Doorkeeper, retrieve: Retrieve, limits: Limits) -> None:
        self._doorkeeper = doorkeeper
        self._retrieve = retrieve
        self._limits = limits

    def require(self, who: Principal, context: Context) -> None:
        """Denied, and recorded, for whoever may export nothing: before a folder is made for them."""
        self._doorkeeper.narrowed(who, Action.STUDY_EXPORT, context)

    def scope(
        self, who: Principal, context: Context, uids: Collection[str] | None, also: Collection[int] = ()
    ) -> Scope:
        """These studies, or all (`uids` None) that `who` may export, on the record; and those of the numbers
        `also` that are still here. Denied."""
        if uids is not None and len(uids) > MOST_UIDS:
            raise LimitExceeded(f"At most {MOST_UIDS} studies are named at once; --all takes every one.")
        narrowing = self._doorkeeper.narrowed(who, Action.STUDY_EXPORT, context)
        numbers, instances, known = array("q"), 0, frozenset(also)
        lacking = set(uids or ())
        where = within(narrowing.everything, narrowing.departments)
        with self._doorkeeper.db.read() as connection:
            for study in selection.by_patient(connection, where):
                if uids is None or study.uid in lacking or study.id in known:
                    lacking.discard(study.uid)
                    numbers.append(study.id)
                    instances += study.instance_count
            aside = asides.count(
                connection, everything=narrowing.everything, departments=narrowing.departments
            )
            lost_of = upkeep.lost_by_study(connection)
            foreign = selection.studies(connection, Keys(study_uids=tuple(lacking)), limit=MOST_UIDS)
        found = {study.study_instance_uid: study for study in foreign}
        for uid in lacking:
            with suppress(NotFound):  # and recorded: foreign and absent are one answer
                self._doorkeeper.require_study(who, Action.STUDY_EXPORT, context, found.get(uid))
        counts = {"studies": len(numbers), "instances": instances}
        self._doorkeeper.record(
            self._doorkeeper.entry(who, "archive.export", context, counts=counts), context.now
        )
        lost = sum(lost_of.get(number, 0) for number in numbers) if lost_of else 0
        return Scope(numbers, instances, tuple(sorted(lacking)), aside, lost)

    def run(
        self,
        who: Principal,
        context: Callable[[], Context],
        scope: Scope,
        folder: ExportFolder,
        tick: Callable[[Report], None],
        *,
        verify: bool = False,
    ) -> Report:
        """Write all of it that is not there yet, and the DICOMDIR; `verify` reads again what is there. Ctrl-C
        ends it; a later run goes on."""
        report = Report(lacking=scope.lacking, kept_aside=scope.kept_aside, lost=scope.lost, verified=verify)
        target = folder.directory()
        tally = _Tally(FileSet(target), report, tick)
        with closing(Crew(folder, tally.settled, verify)) as crew:
            try:
                for study_id in scope.studies:
                    with suppress(NotFound):  # deleted since, or no image of it is left
                        report.left += self._study(who, context(), study_id, folder, crew)
                        report.studies += 1
                crew.finish()
                report.left += _left(folder, scope)
                if tally.is_whole and scope.studies:
                    tally.files.finish()
                    target.finish()
                report.in_directory = tally.files.count if tally.is_whole else None
            except OSError as error:
                report.stopped = why(error)
            except Unavailable as error:  # the record, or the home: nothing more may leave
                report.stopped = str(error)
            except KeyboardInterrupt:
                report.interrupted = True
            if report.stopped or report.interrupted:
                crew.stop()
        target.abandon()
        return report

    def _study(
        self, who: Principal, context: Context, study_id: int, folder: ExportFolder, crew: Crew
    ) -> int:
        """How many files of it there are that are none of its objects any more."""
        known = folder.of_study(study_id)
        for one in self._retrieve.exported(who, study_id, context):
            kept = known.pop("/".join(file_id_of(one.row)), None)
            if kept is not None and (one.digest is None or kept.data_set != one.digest.hex()):
                kept = None  # it has another identity now, or has had
            crew.take(Job(one, Header(self._limits), kept))
        return sum(map(folder.holds, known.values()))


def _left(folder: ExportFolder, scope: Scope) -> int:
    """Files of whole studies that are here no more."""
    gone = folder.studies.difference(scope.studies)
    return sum(folder.holds(kept) for study_id in gone for kept in folder.of_study(study_id).values())


@dataclass(slots=True)
class _Tally:
    """What became of everything, and the DICOMDIR of what is there."""

    files: FileSet
    report: Report
    tick: Callable[[Report], None]
    is_whole: bool = True  # the DICOMDIR names all that it should

    def settled(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._one(job)
            self.tick(self.report)

    def _one(self, job: Job) -> None:
        report = self.report
        if job.kept is None or job.error is not None:
            self._fail(job)
            return
        if job.there:
            report.there += 1
        else:
            report.written += 1
            report.again += job.again
            report.bytes += job.kept.size
        if job.kept.as_received:
            report.agree += 1
        else:
            report.corrected += 1
        self._add(job)

    def _add(self, job: Job) -> None:
        if self.is_whole:
            try:
                self.files.add(job.one.row, job.header, file_id_of(job.one.row))
            except LimitExceeded:  # it cannot name more; the files are all there
                self.is_whole = False

    def _fail(self, job: Job) -> None:
        assert job.error is not None
        self.report.failures += 1
        if len(self.report.failed) < MOST_LISTED:
            uid = job.one.row.sop_instance_uid
            self.report.failed.append(Failed(uid, job.error.code, why_not(job.error)))
