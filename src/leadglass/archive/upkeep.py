"""How the archive is doing, and the checks of it: one place for who runs it to ask."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leadglass.access import listeners
from leadglass.access.listeners import Looked
from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.backup import Last, last_backup
from leadglass.archive.check import Check, CheckReport, Progress
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.objects import Objects, StudyKeys
from leadglass.archive.outlook import Outlook, outlook
from leadglass.archive.repair import Repair
from leadglass.archive.search import Page
from leadglass.archive.soundness import Examiner
from leadglass.dicom.dataset import Limits
from leadglass.index import lookup, upkeep
from leadglass.index.upkeep import Lost
from leadglass.note import VerifierKey
from leadglass.record.chain import Verdict
from leadglass.record.log import read_head
from leadglass.store.blobs import Blobs

__all__ = ["CheckReport", "Status", "Upkeep"]

MOST_LOST: Final = 500  # that a page shows


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
    outlook: Outlook


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
        web_certificate: Path | None = None,
    ) -> None:
        self._doorkeeper = doorkeeper
        self._db = doorkeeper.db
        self._tiles = tiles
        self._web_certificate = web_certificate
        self.examiner = Examiner(self._db, keys, objects, limits)
        self._check = Check(
            doorkeeper,
            blobs,
            self.examiner,
            Repair(doorkeeper, self.examiner),
            presence,
            verifier=verifier,
            tiles=tiles,
        )

    def status(self, who: Principal, context: Context) -> Status:
        self._doorkeeper.require(who, Action.SYSTEM_STATUS, context)
        with self._db.read() as connection:
            totals = lookup.totals(connection)
            head = read_head(connection)
            looked = tuple(listeners.looked(connection).values())
            backup = last_backup(connection)
        return Status(
            patients=totals["patients"],
            studies=totals["studies"],
            series=totals["series"],
            instances=totals["instances"],
            kept_aside=totals["kept_aside"],
            object_bytes=totals["bytes"],
            free_bytes=self._free(),
            record_entries=head.size if head else 0,
            reserve_intact=self._db.reserve.intact(),
            listeners=looked,
            backup=backup,
            outlook=self.outlook(context.now),
        )

    def outlook(self, now: int) -> Outlook:
        """Ages and forecasts. They name no patient; who may see them is asked by whoever shows them."""
        with self._db.read() as connection:
            return outlook(
                connection,
                now,
                free=max(0, self._free() - self._db.reserve.size),
                tiles=self._tiles,
                web_certificate=self._web_certificate,
            )

    def _free(self) -> int:
        disk = os.statvfs(self._tiles)
        return disk.f_bavail * disk.f_frsize

    def verify_record(self, who: Principal, context: Context, progress: Progress | None = None) -> Verdict:
        """Recompute the whole record, from the bodies to the published tree head."""
        self._doorkeeper.require(who, Action.RECORD_VERIFY, context)
        return self._check.verify(progress)

    def check(
        self,
        who: Principal,
        context: Context,
        *,
        deep: bool = False,
        collect: bool = False,
        repair: bool = False,
        progress: Progress | None = None,
    ) -> CheckReport:
        """See leadglass.archive.check."""
        return self._check.run(who, context, deep=deep, collect=collect, repair=repair, progress=progress)

    def lost(self, who: Principal, context: Context) -> Page[Lost]:
        """What is lost of the departments whose images `who` puts in order, the first of it."""
        narrowing = self._doorkeeper.narrowed(who, Action.ASIDE_REVIEW, context)
        departments = None if narrowing.everything else narrowing.departments
        with self._db.read() as connection:
            found = upkeep.lost_page(connection, limit=MOST_LOST + 1, departments=departments)
        shown = found[:MOST_LOST]
        studies = list({one.study.id: one.study for one in shown}.values())
        entry = self._doorkeeper.entry(
            who,
            Action.ASIDE_REVIEW,
            context,
            counts={"rows": len(shown)},
            **self._doorkeeper.about(studies),
        )
        self._doorkeeper.record(entry, context.now)
        return Page(tuple(shown), len(found) > MOST_LOST)
