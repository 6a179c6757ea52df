"""Everything out to plain files: nobody is locked in.

Which studies, decided and on the record before the first of them; then each study as every other retrieval,
with an access of its own. What leaves is what is delivered to everybody. An object that cannot be read is
told of, and the others go on.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.export_folder import ExportFolder, Kept, file_id_of
from leadglass.archive.media import FileSet, Header
from leadglass.archive.retrieve import Exported, Retrieve
from leadglass.dicom.elements import Limits
from leadglass.errors import LeadglassError, LimitExceeded, NotFound, StorageFailed, Tampered
from leadglass.index import asides, selection
from leadglass.index.matching import within
from leadglass.index.rows import InstanceRow
from leadglass.index.selection import Keys

MOST_UIDS: Final = 1000
MOST_LISTED: Final = 10_000
_SETTLED: Final = 64  # files that become durable, and count, together


@dataclass(frozen=True, slots=True)
class Scope:
    """What an export is about. `lacking` are those asked for that are not here, or not the asker's."""

    studies: Sequence[int]  # their numbers, a patient's together
    instances: int
    lacking: tuple[str, ...]
    kept_aside: int  # objects of the same departments that are in no study, and in no export


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
    bytes: int = 0
    agree: int = 0  # of those written or there: as they were received, by their digest
    corrected: int = 0  # with another identity than that
    failures: int = 0
    failed: list[Failed] = field(default_factory=list)
    lacking: tuple[str, ...] = ()
    kept_aside: int = 0
    in_directory: int | None = None  # objects that the DICOMDIR names; None: none was written
    stopped: str = ""
    interrupted: bool = False

    @property
    def clean(self) -> bool:
        return not (self.failures or self.lacking or self.stopped or self.interrupted) and (
            self.in_directory == self.written + self.there
        )

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
            foreign = selection.studies(connection, Keys(study_uids=tuple(lacking)), limit=MOST_UIDS)
        found = {study.study_instance_uid: study for study in foreign}
        for uid in lacking:
            with suppress(NotFound):  # and recorded: foreign and absent are one answer
                self._doorkeeper.require_study(who, Action.STUDY_EXPORT, context, found.get(uid))
        counts = {"studies": len(numbers), "instances": instances}
        self._doorkeeper.record(
            self._doorkeeper.entry(who, "archive.export", context, counts=counts), context.now
        )
        return Scope(numbers, instances, tuple(sorted(lacking)), aside)

    def run(
        self,
        who: Principal,
        context: Callable[[], Context],
        scope: Scope,
        folder: ExportFolder,
        tick: Callable[[Report], None],
    ) -> Report:
        """Write all of it that is not there yet, and the DICOMDIR. Ctrl-C ends it; a later run goes on."""
        report = Report(lacking=scope.lacking, kept_aside=scope.kept_aside)
        target = folder.directory()
        run = _Run(self._retrieve, who, context, folder, FileSet(target), report, self._limits)
        try:
            for study_id in scope.studies:
                run.study(study_id, tick)
            if run.is_whole and scope.studies:
                run.files.finish()
                target.finish()
            report.in_directory = run.files.count if run.is_whole else None
        except OSError as error:
            report.stopped = f"The folder cannot be written: {error.strerror}."
        except KeyboardInterrupt:
            report.interrupted = True
        finally:
            with suppress(OSError):
                folder.settle()
            target.abandon()
        return report


@dataclass(slots=True)
class _Run:
    """An export under way."""

    retrieve: Retrieve
    who: Principal
    context: Callable[[], Context]
    folder: ExportFolder
    files: FileSet
    report: Report
    limits: Limits
    is_whole: bool = True  # the DICOMDIR names all that it should

    def study(self, study_id: int, tick: Callable[[Report], None]) -> None:
        known = self.folder.of_study(study_id)

        def is_there(row: InstanceRow, digest: bytes | None) -> bool:
            kept = known.get("/".join(file_id_of(row)))
            return (
                kept is not None
                and digest is not None
                and kept.data_set == digest.hex()
                and self.folder.holds(kept)
            )

        try:
            for one in self.retrieve.exported(self.who, study_id, self.context(), is_there):
                self._object(one)
                if self.folder.pending >= _SETTLED:
                    self.folder.settle()
                tick(self.report)
        except NotFound:
            return  # deleted since, or no image of it is left
        self.folder.settle()
        self.report.studies += 1

    def _object(self, one: Exported) -> None:
        header = Header(self.limits)
        try:
            if one.error is not None:
                raise one.error
            if one.stored is None:
                self._read_header(one.row, header)
                self._count(one.digest is not None)
                self.report.there += 1
            else:
                kept = self.folder.write(one.row, header.passing(one.stored.chunks), one.digest)
                self._written(kept)
        except (Tampered, StorageFailed) as error:
            self._fail(one.row, error)
            return
        self._add(one.row, header)

    def _written(self, kept: Kept) -> None:
        self._count(kept.as_received)
        self.report.written += 1
        self.report.bytes += kept.size

    def _count(self, as_received: bool) -> None:
        if as_received:
            self.report.agree += 1
        else:
            self.report.corrected += 1

    def _read_header(self, row: InstanceRow, header: Header) -> None:
        for chunk in self.folder.read(file_id_of(row)):
            if header.feed(chunk):
                return

    def _add(self, row: InstanceRow, header: Header) -> None:
        if self.is_whole:
            try:
                self.files.add(row, header, file_id_of(row))
            except LimitExceeded:  # it cannot name more; the files are all there
                self.is_whole = False

    def _fail(self, row: InstanceRow, error: LeadglassError) -> None:
        self.report.failures += 1
        if len(self.report.failed) < MOST_LISTED:
            self.report.failed.append(Failed(row.sop_instance_uid, error.code, str(error)))
