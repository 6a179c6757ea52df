"""The DICOMDIR writer: links, keys and types, with pydicom as the reader."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pydicom
import pydicom.fileset
import pytest
from pydicom.dataset import Dataset

from leadglass.dicom import dicomdir
from leadglass.dicom.dataset import Bulk, Element, parse
from leadglass.dicom.dicomdir import Directory, Entry, write_link
from leadglass.dicom.dicomdir_records import (
    KEYS,
    RECORD_TYPES,
    WANTED,
    leaf_record,
    patient_record,
    record_type,
    upper_record,
)
from leadglass.dicom.dictionary import EXPLICIT_VR_LITTLE_ENDIAN
from leadglass.errors import BrokenInvariant, LimitExceeded

CT = "1.2.840.10008.5.1.4.1.1.2"


def path(patient: str, study: str, series: str, number: int) -> list[Entry]:
    header = {0x00100020: Element(0x00100020, "LO", patient.encode())}
    uid = f"{series}.{number}"
    leaf = leaf_record(
        {}, ("A", f"I{number}"), sop_class=CT, instance=uid, syntax="1.2.840.10008.1.2.1", pixels=True
    )
    return [
        Entry(patient, patient_record(header, otherwise="X")),
        Entry(study, upper_record("STUDY", {}, "StudyInstanceUID", study)),
        Entry(series, upper_record("SERIES", {}, "SeriesInstanceUID", series)),
        Entry(uid, leaf),
    ]


def written(*paths: list[Entry]) -> Any:
    return pydicom.dcmread(io.BytesIO(made(Directory("LEADGLASS", "2.25.1"), paths)))


def made(directory: Directory, paths: Iterable[list[Entry]]) -> bytes:
    """The file, as whoever writes one puts it together."""
    whole = bytearray(directory.head())

    def put(place: int, data: bytes) -> None:
        whole[place : place + len(data)] = data

    for each in paths:
        piece = directory.add(each)
        whole.extend(piece.data)
        for place, to in piece.links:
            write_link(place, to, put)
    put(0, directory.head())
    return bytes(whole)


def tree(found: Any) -> list[Any]:
    """What is reached by following the offsets from the first root record."""
    at = {item.seq_item_tell: item for item in found.DirectoryRecordSequence}

    def from_(offset: int) -> list[Any]:
        names = []
        while offset:
            item = at[offset]
            kind = item.DirectoryRecordType
            below = from_(item.OffsetOfReferencedLowerLevelDirectoryEntity)
            key = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}
            names.append((str(item.get(key.get(kind, "ReferencedSOPInstanceUIDInFile"))), *below))
            offset = item.OffsetOfTheNextDirectoryRecord
        return names

    return from_(found.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity)


def test_the_links_make_the_tree() -> None:
    found = written(
        path("P1", "1.1", "1.1.1", 1),
        path("P1", "1.1", "1.1.1", 2),
        path("P1", "1.1", "1.1.2", 1),
        path("P1", "1.2", "1.2.1", 1),
        path("P2", "2.1", "2.1.1", 1),
    )
    assert tree(found) == [
        (
            "P1",
            ("1.1", ("1.1.1", ("1.1.1.1",), ("1.1.1.2",)), ("1.1.2", ("1.1.2.1",))),
            ("1.2", ("1.2.1", ("1.2.1.1",))),
        ),
        ("P2", ("2.1", ("2.1.1", ("2.1.1.1",)))),
    ]
    last = found.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity
    assert [i.PatientID for i in found.DirectoryRecordSequence if i.seq_item_tell == last] == ["P2"]
    assert found.FileSetID == "LEADGLASS"
    assert found.file_meta.MediaStorageSOPClassUID == dicomdir.SOP_CLASS_UID


def test_a_series_of_the_same_name_below_another_study_is_another() -> None:
    found = written(path("P1", "1.1", "1.1.1", 1), path("P1", "1.2", "1.1.1", 1))
    assert tree(found) == [
        ("P1", ("1.1", ("1.1.1", ("1.1.1.1",))), ("1.2", ("1.1.1", ("1.1.1.1",))))
    ]  # fmt: skip


def test_nothing_in_it_is_a_dicomdir_too() -> None:
    assert tree(written()) == []


def test_it_never_grows_beyond_what_an_offset_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomdir, "MOST_BYTES", 2000)
    directory, size = Directory("LEADGLASS", "2.25.1"), 0
    with pytest.raises(LimitExceeded):
        for number in range(20):
            size += len(directory.add(path("P1", "1.1", "1.1.1", number)).data)
    assert 1000 < len(directory.head()) + size <= 2000
    assert directory.count > 1


def test_a_path_has_four_levels() -> None:
    with pytest.raises(BrokenInvariant):
        Directory("LEADGLASS", "2.25.1").add(path("P1", "1.1", "1.1.1", 1)[:3])


def test_the_types_are_those_that_pydicom_knows() -> None:
    theirs = {str(uid): kind for uid, kind in pydicom.fileset._FOUR_LEVEL_SOP_CLASSES.items()}
    assert {uid: RECORD_TYPES.get(uid) for uid in theirs} == theirs


@pytest.mark.parametrize(
    ("sop_class", "pixels", "kind"),
    [
        (CT, True, "IMAGE"),
        (CT, False, "IMAGE"),
        ("1.2.840.10008.5.1.4.1.1.66.4", True, "IMAGE"),  # a segmentation
        ("1.3.12.2.1107.5.9.1", True, "IMAGE"),
        ("1.3.12.2.1107.5.9.1", False, "PRIVATE"),
        ("1.2.840.10008.5.1.4.1.1.481.5", False, "RT PLAN"),
    ],
)
def test_what_a_record_is_called(sop_class: str, pixels: bool, kind: str) -> None:
    assert record_type(sop_class, has_pixels=pixels) == kind


VALUES = {"SQ": [Dataset()], "UI": "1.2", "US": 1, "UL": 1, "DA": "20260101", "TM": "12", "DT": "20260101"}
# What pydicom's own writer makes of an object, where it makes something of it.
ITS = {kind: name for kind, name in pydicom.fileset.DIRECTORY_RECORDERS.items() if kind in KEYS}


@pytest.mark.parametrize("kind", sorted(ITS.keys() - {"PRIVATE"}))
def test_the_keys_are_those_that_pydicom_writes(kind: str) -> None:
    """But for two of type 3 that it leaves out."""
    everything = Dataset()
    for tag, vr, _ in KEYS[kind]:
        everything.add_new(tag, vr, VALUES.get(vr, "1"))
    everything.StudyInstanceUID = "1.2.3"
    theirs = {element.tag for element in ITS[kind](everything)}
    ours = {tag for tag, _, _ in KEYS[kind]}
    assert theirs - ours == set()
    assert {pydicom.datadict.keyword_for_tag(tag) for tag in ours - theirs} <= {"DoseComment"}


def test_values_stay_in_the_character_set_of_their_object() -> None:
    name = "Buc^Jérôme".encode("latin-1")
    header = {
        0x00080005: Element(0x00080005, "CS", b"ISO_IR 100"),
        0x00100010: Element(0x00100010, "PN", name),
        0x00100020: Element(0x00100020, "LO", b""),
    }
    record = parse(patient_record(header, otherwise="NO-ID-7"), EXPLICIT_VR_LITTLE_ENDIAN)
    assert record[0x00100010].value == name
    assert record[0x00080005].value == b"ISO_IR 100"
    assert record[0x00100020].value == b"NO-ID-7 "


def test_what_is_too_long_or_of_another_kind_is_left_out() -> None:
    header = {
        0x0040A043: Element(
            0x0040A043, "SQ", ({0x00080104: Element(0x00080104, "LO", b"x" * 20_000)},)
        ),
        0x00080023: Element(0x00080023, "UN", b"20260101"),
        0x0040A491: Element(0x0040A491, "CS", Bulk(0, 10)),
        0x00080033: Element(0x00080033, "TM", b"12"),
    }  # fmt: skip
    sr = "1.2.840.10008.5.1.4.1.1.88.11"
    record = parse(
        leaf_record(header, ("A",), sop_class=sr, instance="1.2", syntax="1.2", pixels=False),
        EXPLICIT_VR_LITTLE_ENDIAN,
    )
    assert [record[tag].value for tag in (0x0040A043, 0x00080023, 0x0040A491, 0x00080033)] == [
        (), b"", b"", b"12",
    ]  # fmt: skip


def test_headers_are_read_for_every_key() -> None:
    assert {tag for keys in KEYS.values() for tag, _, _ in keys} == WANTED
