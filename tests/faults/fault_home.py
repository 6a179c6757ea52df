"""A home to break, and the one question asked of it afterwards: is all that was acknowledged there?"""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from leadglass.access.passwords import Cost
from leadglass.access.principal import Context, Kind, Principal, Role, Via, operator
from leadglass.archive.ingest import Kind as Became
from leadglass.archive.ingest import Outcome
from leadglass.archive.queries import Level, Query
from leadglass.archive.upkeep import CheckReport
from leadglass.compose import Opened, found_home, open_home

CHEAPEST = Cost(memory=8, passes=1, lanes=1)
OPERATOR = operator(1000, "op")
CT = "1.2.840.10008.5.1.4.1.1.2"
WAIT = 60  # seconds a future may take; only a hanging one ever takes them


def clock() -> int:
    return time.time_ns() // 1_000_000


def context() -> Context:
    return Context("", Via.COMMAND, clock())


def made_up(uid: str, *, study: str = "1.2.3", size: int = 3000, **values: Any) -> bytes:
    """A Part 10 file of an invented CT image with `size` bytes of pixels; `values` by keyword."""
    dataset = Dataset()
    given = {
        "SOPClassUID": CT,
        "SOPInstanceUID": uid,
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.1",
        "PatientName": "MADE^UP",
        "PatientID": f"P-{study}",
        "StudyDate": "20260131",
        "Modality": "CT",
    }
    for keyword, value in {**given, **values}.items():
        setattr(dataset, keyword, value)
    dataset.Rows, dataset.Columns = size // 100, 50
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.PixelData = (uid.encode() * size)[: size // 100 * 100]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CT
    dataset.file_meta.MediaStorageSOPInstanceUID = uid
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def files(count: int, *, per_study: int = 3, size: int = 3000) -> dict[str, bytes]:
    """`count` objects by SOP Instance UID, a few to a study."""
    made = {}
    for number in range(count):
        study = f"1.2.3.{number // per_study}"
        uid = f"{study}.1.{number}"
        made[uid] = made_up(uid, study=study, size=size)
    return made


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with a home in it, its master key beside it."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "home"

    @property
    def environ(self) -> dict[str, str]:
        return {"HOME": str(self.folder), "LEADGLASS_MASTER_KEY_FILE": str(self.folder / "master.key")}

    @contextmanager
    def open(self) -> Iterator[Opened]:
        with open_home(self.root, self.environ, clock) as opened:
            try:
                yield opened
            finally:
                opened.services.ingest.close()

    def copy_to(self, folder: Path) -> Site:
        shutil.copytree(self.folder, folder)
        return Site(folder)

    def store(self, objects: dict[str, bytes]) -> None:
        """Take objects in without any fault."""
        with self.open() as opened:
            for outcome in [take_in(opened, file) for file in objects.values()]:
                assert outcome.result(WAIT).kind is Became.STORED


def found(folder: Path) -> Site:
    """As `leadglass init` does: the first command on the record, and published."""
    site = Site(folder)
    made = found_home(site.root, site.environ, clock())
    (folder / "recovery").write_text(made.recovery_key)  # the paper
    with site.open() as opened:
        opened.services.accounts.create_setup_link(OPERATOR, context())
    return site


def take_in(
    opened: Opened, file: bytes, *, department: int = 1, source: str = "test", **options: Any
) -> Future[Outcome]:
    incoming = opened.services.ingest.open(OPERATOR, department, source, context(), **options)
    for at in range(0, len(file), 65536):
        incoming.write(file[at : at + 65536])
    return incoming.finish()


def reader() -> Principal:
    """A radiologist of the default department, and of a second one where a test makes one."""
    return Principal(Kind.USER, 1, 1, "dr.roth", "Dr. Roth", Role.RADIOLOGIST, frozenset({1, 2}), "session:1")


def delivered(opened: Opened, receive: Callable[[str, bytes], None]) -> None:
    """Everything the home holds, by the way out that viewers use; `receive` gets (UID, chunk) as it comes."""
    page = opened.services.search.studies(reader(), Query(Level.STUDY, limit=500), context())
    for study in page.rows:
        stored = opened.services.retrieve.objects(reader(), context(), study_uid=study.study_instance_uid)
        for item in stored:
            for chunk in item.chunks:
                receive(item.row.sop_instance_uid, chunk)


def contents(opened: Opened) -> dict[str, bytes]:
    """Every object by its UID."""
    held: dict[str, bytearray] = {}
    delivered(opened, lambda uid, chunk: held.setdefault(uid, bytearray()).extend(chunk))
    return {uid: bytes(content) for uid, content in held.items()}


def check(opened: Opened, *, collect: bool = False, repair: bool = False) -> CheckReport:
    return opened.services.upkeep.check(OPERATOR, context(), deep=True, collect=collect, repair=repair)


def recorded(opened: Opened) -> set[str]:
    """SOP Instance UIDs of all that the record says was stored."""
    found: set[str] = set()
    below = None
    while lines := opened.services.trail.page(OPERATOR, context(), action="object.store", below=below):
        found |= {str((line.detail or {})["instance"]) for line in lines if line.outcome == "allowed"}
        below = lines[-1].seq
    return found


def aftermath(
    site: Site, objects: dict[str, bytes], acknowledged: set[str], *, of: Callable[[bytes], bytes] = bytes
) -> CheckReport:
    """What must hold however the home was left; returns what the first check found.

    Everything acknowledged is there, nothing else than what was sent, each with the same bytes (`of` it that
    are looked at) and on the record; the check finds nothing wrong; trying all of it again completes it; orphans can be collected.
    """
    sent = {uid: of(file) for uid, file in objects.items()}

    def looked_at(opened: Opened) -> dict[str, bytes]:
        return {uid: of(content) for uid, content in contents(opened).items()}

    with site.open() as opened:
        held = looked_at(opened)
        assert acknowledged <= held.keys()
        assert all(sent[uid] == content for uid, content in held.items())
        assert held.keys() <= recorded(opened)
        first = check(opened)
        assert first.ok, first
        assert first.objects == len(held)
    with site.open() as opened:
        retried = {uid: take_in(opened, file) for uid, file in objects.items()}
        for uid, outcome in retried.items():
            assert outcome.result(WAIT).kind is (Became.DUPLICATE if uid in held else Became.STORED)
        assert looked_at(opened) == sent
    with site.open() as opened:
        collected = check(opened, collect=True)
        assert collected.ok
        assert collected.collected == collected.orphans >= first.orphans
        last = check(opened)
        assert (last.ok, last.objects, last.orphans, last.young) == (True, len(objects), 0, 0)
        assert looked_at(opened) == sent
    return first
