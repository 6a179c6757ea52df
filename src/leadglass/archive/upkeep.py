"""Is everything there that should be, and nothing else? Counts, checks, and the removal of orphans."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from leadglass.access import listeners
from leadglass.access.listeners import Looked
from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.backup import Last, last_backup
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.objects import Objects, StudyKeys
from leadglass.archive.presence import Presence
from leadglass.dicom.dataset import Limits
from leadglass.dicom.part10 import Part10Parser
from leadglass.errors import StorageFailed, Tampered, Violation
from leadglass.index import lookup
from leadglass.index.lookup import Holding
from leadglass.note import VerifierKey
from leadglass.record.chain import Verdict
from leadglass.record.log import read_head
from leadglass.record.verify import verify
from leadglass.store.blobs import Blobs, StoredBlob

GRACE = 60 * 60_000  # ms: what is younger may be an object somebody is sending right now
MAX_PROBLEMS = 1000

Progress = Callable[[int, int], None]  # done, of how many


@dataclass(frozen=True, slots=True)
class Status:
    patients: int
    studies: int
    series: int
    instances: int
    kept_aside: int
    object_bytes: int
    free_bytes: int
    record_entries: int
    reserve_intact: bool
    listeners: tuple[Looked, ...]  # what strangers met there when it was last looked
    backup: Last | None  # the last that was finished


@dataclass(slots=True)
class CheckReport:
    """What `check` found. Objects are named by their blob, pages of the index by their number: no patient's
    value stands in a report."""

    objects: int = 0
    missing: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    orphans: int = 0
    orphan_bytes: int = 0
    young: int = 0  # unreferenced, but perhaps still arriving
    collected: int = 0
    record: Verdict | None = None
    deep: bool = False

    @property
    def ok(self) -> bool:
        """Nothing lost and nothing altered. An orphan is neither: it was never acknowledged."""
        return not self.missing and not self.altered and self.record is not None and self.record.ok


class Upkeep:
    def __init__(
        self,
        doorkeeper: Doorkeeper,
        blobs: Blobs,
        keys: StudyKeys,
        objects: Objects,
        *,
        verifier: VerifierKey,
        tiles: Path,
        presence: Path,
        limits: Limits,
    ) -> None:
        self._doorkeeper = doorkeeper
        self._db = doorkeeper.db
        self._blobs = blobs
        self._keys = keys
        self._objects = objects
        self._verifier = verifier
        self._tiles = tiles
        self._presence = Presence(presence)
        self._limits = limits

    def status(self, who: Principal, context: Context) -> Status:
        self._doorkeeper.require(who, Action.SYSTEM_STATUS, context)
        with self._db.read() as connection:
            totals = lookup.totals(connection)
            head = read_head(connection)
            looked = tuple(listeners.looked(connection).values())
            backup = last_backup(connection)
        disk = os.statvfs(self._tiles)
        return Status(
            patients=totals["patients"],
            studies=totals["studies"],
            series=totals["series"],
            instances=totals["instances"],
            kept_aside=totals["kept_aside"],
            object_bytes=totals["bytes"],
            free_bytes=disk.f_bavail * disk.f_frsize,
            record_entries=head.size if head else 0,
            reserve_intact=self._db.reserve.intact(),
            listeners=looked,
            backup=backup,
        )

    def verify_record(self, who: Principal, context: Context, progress: Progress | None = None) -> Verdict:
        """Recompute the whole record, from the bodies to the published tree head."""
        self._doorkeeper.require(who, Action.RECORD_VERIFY, context)
        return self._verify(progress)

    def check(
        self,
        who: Principal,
        context: Context,
        *,
        deep: bool = False,
        collect: bool = False,
        progress: Progress | None = None,
    ) -> CheckReport:
        """Every row has its object, and `deep`: every byte of it, and of the index, is as it was written; the
        record verifies.

        With `collect`, blobs that no row names are removed, and that is on the record. While somebody
        else may be storing, only those older than an hour count, and no empty ones.
        """
        self._doorkeeper.require(who, Action.SYSTEM_STATUS, context)
        report = CheckReport(deep=deep)
        with self._presence.alone() as alone:
            # The directory first: a blob that is committed in between has its row by the time rows are read.
            found = {blob.name: blob for blob in self._blobs.names()}
            for holding in self._holdings():
                found.pop(holding.sealed.blob, None)
                report.objects += 1
            old = [b for b in found.values() if alone or _is_left(b, context.now)]
            report.orphans = len(old)
            report.young = len(found) - len(old)
            report.orphan_bytes = sum(blob.sealed_size for blob in old)
            if collect and old:
                self._collect(who, context, [blob.name for blob in old], report)
        # Nobody who wants to store waits for this, which takes hours when it is deep.
        for number, holding in enumerate(self._holdings(), 1):
            if (problems := self._unsound(holding, report)) is not None:
                _note(problems, holding.sealed.blob)
            if progress is not None:
                progress(number, max(number, report.objects))
        for page in self._db.damaged_pages() if deep else ():
            _note(report.altered, f"index: {page}")
        report.record = self._verify(None)
        return report

    def _collect(self, who: Principal, context: Context, names: list[str], report: CheckReport) -> None:
        entry = self._doorkeeper.entry(
            who, "store.collect", context, counts={"objects": len(names), "bytes": report.orphan_bytes}
        )
        self._doorkeeper.record(entry, context.now)
        for name in names:
            self._blobs.delete(name)
        self._blobs.sync_directories(names)
        report.collected = len(names)

    def _holdings(self) -> Iterator[Holding]:
        for kind in lookup.HOLDINGS:
            after = 0
            while batch := self._batch(kind, after):
                yield from batch
                after = batch[-1].id

    def _batch(self, kind: str, after: int) -> list[Holding]:
        with self._db.read() as connection:
            return lookup.holdings(connection, kind, after=after, limit=1000)

    def _unsound(self, holding: Holding, report: CheckReport) -> list[str] | None:
        """Where in the report an object belongs that is not as it was received. Opening authenticates the key
        and the size; a deep check every byte, and compares the digest."""
        try:
            with self._db.read() as connection:
                study_key = self._keys.of(connection, holding.sealed.study_id)
            with self._objects.open_sealed(holding.sealed, study_key) as reader:
                if not report.deep or self._digest(reader.chunks()) == holding.sealed.digest:
                    return None
        except Tampered as error:
            if error.code == "object-missing":
                return report.missing
        except StorageFailed:
            pass
        return report.altered

    def _digest(self, chunks: Iterator[bytes]) -> bytes:
        """SHA-256 over the data set of a Part 10 file; over all of what has none, which is kept aside."""
        digest, parser, head = sha256(), Part10Parser(self._limits, frozenset()), b""
        for chunk in chunks:
            head += chunk
            with suppress(Violation):
                parser.feed(chunk)
                if parser.dataset_offset is None:
                    continue
            break
        digest.update(head[parser.dataset_offset or 0 :])
        for chunk in chunks:
            digest.update(chunk)
        return digest.digest()

    def _verify(self, progress: Progress | None) -> Verdict:
        return verify(self._db.read, self._verifier, published=self._tiles, progress=progress)


def _is_left(blob: StoredBlob, now: int) -> bool:
    """While somebody may be storing. An empty file, of whatever age, may be one that an object takes next."""
    return blob.sealed_size > 0 and now - blob.modified >= GRACE


def _note(problems: list[str], blob: str) -> None:
    if len(problems) < MAX_PROBLEMS:
        problems.append(blob)
