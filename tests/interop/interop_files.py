"""What is sent of every file that comes with pydicom and pydicom-data: its data set, byte for byte, and what
a sender has to say of it. Read with pydicom, so that it is not our parser that says where a data set begins."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pydicom
from interop_images import data_set_of
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pydicom_files import BARE, CORPUS

NOBODY = "1.2.826.0.1.3680043.10.1561.9"  # announced for what says of itself neither class nor instance
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
META = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")


@dataclass(frozen=True, slots=True)
class Sent:
    """One object as its sender has it. The UIDs are those of the data set, or else of the file's envelope."""

    name: str
    data_set: bytes
    syntax: str
    sop_class: str
    instance: str
    study: str
    series: str
    patient: str

    @property
    def kind(self) -> tuple[str, str]:
        """A presentation context: SOP class and transfer syntax."""
        return self.sop_class, self.syntax


def outgoing(name: str) -> Sent:
    content = CORPUS[name].read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(CORPUS[name], force=True, stop_before_pixels=True)
        uids = {keyword: str(header.get(keyword) or "") for keyword in UIDS}
        meta = {keyword: str(header.file_meta.get(keyword) or "") for keyword in META}
        patient = str(header.get("PatientID") or "")
    sop_class, instance, study, series = uids.values()
    meta_class, meta_instance, syntax = meta.values()
    return Sent(
        name,
        data_set_of(content) if content[128:132] == b"DICM" else content,
        BARE[name][0].uid if name in BARE else syntax or ExplicitVRLittleEndian,
        sop_class or meta_class or CTImageStorage,
        instance or meta_instance or NOBODY,
        study,
        series,
        patient,
    )


def everything() -> list[Sent]:
    return [outgoing(name) for name in CORPUS]


def in_a_study(sent: Sent) -> Sent:
    """The same object in a study and a series of its own, as pydicom writes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed = pydicom.dcmread(CORPUS[sent.name])
        changed.StudyInstanceUID = study = f"{NOBODY}.{len(sent.data_set)}"
        changed.SeriesInstanceUID = series = f"{study}.1"
        changed.save_as(buffer := io.BytesIO())
    return replace(sent, data_set=data_set_of(buffer.getvalue()), study=study, series=series)


def archives(sent: Iterable[Sent]) -> list[list[Sent]]:
    """So many lots that nothing in one of them contradicts another: each SOP Instance UID occurs once, a
    study has one patient and a series one study. What comes first is in the first."""
    lots: list[tuple[list[Sent], dict[str, str]]] = []
    for each in sent:
        claims = {
            f"instance {each.instance}": each.name,
            f"study {each.study}": each.patient,
            f"series {each.series}": each.study,
        }
        fitting = (one for one in lots if all(one[1].get(key, said) == said for key, said in claims.items()))
        lot = next(fitting, None)
        if lot is None:
            lots.append(lot := ([], {}))
        lot[0].append(each)
        lot[1].update(claims)
    return [members for members, _ in lots]
