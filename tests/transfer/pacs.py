"""Somebody else's archive: pynetdicom's SCPs over a few data sets in memory, as capable as a test wants it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE, AllStoragePresentationContexts, StoragePresentationContexts, evt
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

LITTLE = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
FIND = (StudyRootQueryRetrieveInformationModelFind, PatientRootQueryRetrieveInformationModelFind)
GET = (StudyRootQueryRetrieveInformationModelGet, PatientRootQueryRetrieveInformationModelGet)
MOVE = (StudyRootQueryRetrieveInformationModelMove, PatientRootQueryRetrieveInformationModelMove)
UNIQUE = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}


def image(study: int = 1, series: int = 1, number: int = 1, **more: Any) -> Dataset:
    """A CT image small enough to have many of."""
    made = Dataset()
    made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID = f"1.2.{study}.{series}.{number}"
    made.StudyDate, made.StudyTime, made.AccessionNumber = "20260131", "120000", ""
    made.Modality, made.PatientName, made.PatientID = "CT", f"Test^{study}", f"P-{study}"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"1.2.{study}", f"1.2.{study}.{series}"
    made.SeriesNumber, made.InstanceNumber = series, number
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows = made.Columns = 8
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    made.PixelData = bytes([number % 256, study % 256]) * 64
    for keyword, value in more.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


@dataclass
class Pacs:
    """What it holds and how it behaves. `cap`: studies of one answer; `manner`: silent, fail, cancel or
    refuse."""

    images: list[Dataset]
    cap: int | None = None
    manner: str = "silent"
    counts: bool = True  # whether it says how many instances a study has
    tells: bool = True  # whether it says of what SOP class an instance is
    repeats: bool = False  # whether it answers once for each image, at every level
    store_status: int = 0x0000
    losing: set[str] = field(default_factory=set)  # SOP Instance UIDs that it cannot give out
    destinations: dict[str, tuple[str, int]] = field(default_factory=dict)
    title: str = "PACS"
    port: int = 0
    asked: list[Dataset] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    received: list[Dataset] = field(default_factory=list)
    retrievals: int = 0
    cancelled: int = 0

    @property
    def ae(self) -> str:
        return f"{self.title}@127.0.0.1:{self.port}"

    # --- handlers -----------------------------------------------------------------------------------------

    def on_find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        self.asked.append(asked)
        rows = self._rows(asked)
        cut = self.cap if self.cap is not None and asked.QueryRetrieveLevel == "STUDY" else len(rows)
        if len(rows) > cut and self.manner == "refuse":
            yield 0xA700, None
            return
        for row in rows[:cut]:
            if event.is_cancelled:
                self.cancelled += 1
                yield 0xFE00, None
                return
            yield 0xFF00, row
        if len(rows) > cut and self.manner in ("fail", "cancel"):
            yield (0xC001 if self.manner == "fail" else 0xFE00), None

    def on_get(self, event: Any) -> Iterator[Any]:
        self.retrievals += 1
        matches = self._matches(event.identifier)
        yield len(matches)
        for match in matches:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, _unsendable(match) if match.SOPInstanceUID in self.losing else match

    def on_move(self, event: Any) -> Iterator[Any]:
        self.retrievals += 1
        address = self.destinations.get(event.move_destination)
        if address is None:
            yield None, None
            return
        yield *address, {"contexts": StoragePresentationContexts}
        matches = self._matches(event.identifier)
        yield len(matches)
        for match in matches:
            yield 0xFF00, match

    def on_store(self, event: Any) -> int:
        data = event.dataset
        data.file_meta = event.file_meta
        self.received.append(data)
        return self.store_status

    def on_accepted(self, event: Any) -> None:
        self.callers.append(event.assoc.requestor.ae_title)

    # --- matching -----------------------------------------------------------------------------------------

    def _matches(self, asked: Dataset) -> list[Dataset]:
        keys = {
            e.keyword: e.value
            for e in asked
            if e.keyword not in ("QueryRetrieveLevel", "SpecificCharacterSet")
        }
        return [image for image in self.images if all(_match(image, *key) for key in keys.items())]

    def _rows(self, asked: Dataset) -> list[Dataset]:
        unique = UNIQUE[asked.QueryRetrieveLevel]
        groups: dict[str, list[Dataset]] = {}
        for match in self._matches(asked):
            groups.setdefault(str(match.get(unique, "")), []).append(match)
        return [
            self._row(asked, members)
            for members in groups.values()
            for _ in (members if self.repeats else members[:1])
        ]

    def _row(self, asked: Dataset, members: list[Dataset]) -> Dataset:
        row = Dataset()
        row.QueryRetrieveLevel = asked.QueryRetrieveLevel
        if "SpecificCharacterSet" in members[0]:
            row.SpecificCharacterSet = members[0].SpecificCharacterSet
        for element in asked:
            if element.keyword in ("QueryRetrieveLevel", "SpecificCharacterSet"):
                continue
            value = members[0].get(element.keyword, "")
            if element.keyword.startswith("NumberOf"):
                value = len(members) if self.counts else ""
            elif element.keyword == "ModalitiesInStudy":
                value = sorted({member.Modality for member in members})
            elif element.keyword == "SOPClassUID" and not self.tells:
                value = ""
            elif element.keyword == "AvailableTransferSyntaxUID":
                value = members[0].file_meta.TransferSyntaxUID if self.tells else ""
            setattr(row, element.keyword, value)
        return row

    # --- running ------------------------------------------------------------------------------------------

    @contextmanager
    def running(
        self,
        *,
        classes: tuple[Any, ...] = (*FIND, *GET, *MOVE),
        callers: list[str] | None = None,
        port: int = 0,
        **start: Any,
    ) -> Iterator[Pacs]:
        """On a port of its own. `classes` are those of query and retrieval that it offers."""
        made = AE(ae_title=self.title)
        made.require_called_aet = True
        made.require_calling_aet = callers or []
        made.add_supported_context(Verification)
        for one in classes:
            made.add_supported_context(one, LITTLE)
        for context in AllStoragePresentationContexts:
            made.add_supported_context(
                context.abstract_syntax, [*LITTLE, RLELossless], scu_role=True, scp_role=True
            )
        handlers = [
            (evt.EVT_C_ECHO, lambda _: 0),
            (evt.EVT_C_FIND, self.on_find),
            (evt.EVT_C_GET, self.on_get),
            (evt.EVT_C_MOVE, self.on_move),
            (evt.EVT_C_STORE, self.on_store),
            (evt.EVT_ACCEPTED, self.on_accepted),
        ]
        server = made.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, **start)
        self.port = server.socket.getsockname()[1]
        try:
            yield self
        finally:
            server.shutdown()
            for thread in threading.enumerate():
                if type(thread).__module__.startswith("pynetdicom"):
                    thread.join(10)


def _unsendable(match: Dataset) -> Dataset:
    """Of a class that nobody proposes a context for: the sub-operation fails."""
    made = deepcopy(match)
    made.SOPClassUID = "1.2.3.4.5"
    return made


def _match(image: Dataset, keyword: str, asked: Any) -> bool:
    """PS3.4 C.2.2.2: universal, lists of UIDs, ranges, wildcards, single values."""
    if (
        asked in ("", None)
        or keyword in ("ModalitiesInStudy", "AvailableTransferSyntaxUID")
        or keyword.startswith("NumberOf")
    ):
        return keyword != "ModalitiesInStudy" or asked in ("", None) or image.Modality == asked
    held = str(image.get(keyword, ""))
    if isinstance(asked, MultiValue):
        return held in [str(one) for one in asked]
    wanted = str(asked)
    if keyword in ("StudyDate", "StudyTime"):
        low, dash, high = wanted.partition("-")
        return bool(held) and (low <= held and (not high or held <= high) if dash else held == wanted)
    return fnmatchcase(held, wanted)
