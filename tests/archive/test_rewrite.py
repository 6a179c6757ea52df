"""An object under UIDs of its own, with pydicom as the oracle: every other value is as it was."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from leadglass.archive.rewrite import Came, rewrite
from leadglass.dicom.dataset import Limits
from leadglass.index.facts import ObjectFacts
from leadglass.store.blobs import Blobs

STUDY = 0x0020000D
IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.4.50",
)
SC, NOW = "1.2.840.10008.5.1.4.1.1.7", 1_800_000_000_123
BEFORE = {"study_instance_uid": "1.2.3", "series_instance_uid": "1.2.3.4"}
SOURCE = "C-STORE from CT\u20121 with a name that is far longer than the sixty-four characters there are"
SYNTAXES = (IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG)


def made(syntax: str, *, originals: bool = True) -> tuple[Dataset, bytes]:
    """An object with nested sequences, private elements, long values and pixels, and its file."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4.5"
    ds.PatientID, ds.PatientName = "P-1", "Roentgen^Anna"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "T-1", "x" * 300
    item = Dataset()
    item.ReferencedSOPInstanceUID = "9.9"
    item.PurposeOfReferenceCodeSequence = Sequence([inner, Dataset()])
    ds.SourceImageSequence = Sequence([item])
    if originals:
        before = Dataset()
        before.AttributeModificationDateTime, before.ModifyingSystem = "20200101", "Elsewhere"
        before.SourceOfPreviousValues, before.ReasonForTheAttributeModification = "X", "COERCE"
        gone = Dataset()
        gone.PatientID, gone.PatientName = "OLD", "Röntgen"
        before.ModifiedAttributesSequence = Sequence([gone])
        ds.OriginalAttributesSequence = Sequence([before])
    ds.Rows = ds.Columns = 2
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 15, 1, 1
    ds.SmallestImagePixelValue = -5
    ds.PhotometricInterpretation = "MONOCHROME2"
    block = ds.private_block(0x0029, "ACME", create=True)
    block.add_new(0x10, "OB", b"\1\2\3\4")
    ds.SpecificCharacterSet = "ISO_IR 192"
    if syntax == JPEG:
        ds.PixelData = encapsulate([b"\xff\xd8abcd\xff\xd9"])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    else:
        ds.PixelData = struct.pack("<4h", 1, -2, 3, -4)
        ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = (
        ds.SOPClassUID,
        "1.2.3.4.5",
    )
    out = io.BytesIO()
    pydicom.dcmwrite(out, ds, enforce_file_format=True)
    return pydicom.dcmread(io.BytesIO(out.getvalue())), out.getvalue()


def rewritten(folder: Path, file: bytes, **uids: str) -> bytes:
    """The file as it is stored under these UIDs."""
    blobs = Blobs(folder)
    facts = ObjectFacts(**{"sop_instance_uid": "2.25.1", "sop_class_uid": SC, **BEFORE, **uids})
    with blobs.create() as came:
        came.write(file)
        came.finish()
    syntax = str(pydicom.dcmread(io.BytesIO(file)).file_meta.TransferSyntaxUID)
    with blobs.create() as blob, blobs.open(came.name, came.key) as reader:
        written = rewrite(reader, blob, facts, Came(syntax, SOURCE, "LEADGLASS", NOW), Limits())
    with blobs.open(blob.name, blob.key) as reader:
        found = b"".join(reader.chunks())
    assert len(found) == written.size.plain
    return found


@pytest.mark.parametrize("originals", [True, False], ids=["changed before", "never changed"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_other_uids_and_all_else_as_it_was(tmp_path: Path, syntax: str, originals: bool) -> None:
    before, file = made(syntax, originals=originals)
    after = pydicom.dcmread(io.BytesIO(rewritten(tmp_path, file, study_instance_uid="2.25.2")))
    assert after.SOPInstanceUID == after.file_meta.MediaStorageSOPInstanceUID == "2.25.1"
    assert (after.StudyInstanceUID, after.SeriesInstanceUID) == ("2.25.2", "1.2.3.4")
    assert [element.tag for element in after] == sorted(element.tag for element in after)
    *kept, item = after.OriginalAttributesSequence
    assert len(kept) == originals
    assert (item.ModifyingSystem, item.ReasonForTheAttributeModification) == ("LEADGLASS", "CORRECT")
    assert item.AttributeModificationDateTime == "20270115080000.123+0000"
    assert item.SourceOfPreviousValues == SOURCE.replace("\u2012", "?")[:64]
    [modified] = item.ModifiedAttributesSequence
    assert (modified.SOPInstanceUID, modified.StudyInstanceUID) == ("1.2.3.4.5", "1.2.3")
    assert "SeriesInstanceUID" not in modified
    expected, found = before.to_json_dict(), after.to_json_dict()
    for tag in ("00080018", "0020000D", "04000561"):
        expected.pop(tag, None)
        found.pop(tag)
    assert found == expected
    if originals:
        assert kept[0].to_json_dict() == before.OriginalAttributesSequence[0].to_json_dict()


def test_what_was_illegal_or_missing(tmp_path: Path) -> None:
    before, _ = made(EXPLICIT, originals=False)
    del before.SOPInstanceUID
    before[STUDY].value = "../x"
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(out, before)
        after = pydicom.dcmread(io.BytesIO(rewritten(tmp_path, out.getvalue(), study_instance_uid="2.25.2")))
    [item] = after.OriginalAttributesSequence
    [modified], [illegal] = item.ModifiedAttributesSequence, item[0x04000551].value
    assert (modified.SOPInstanceUID, modified.StudyInstanceUID) == ("", "")
    assert (illegal[0x00720026].value, illegal[0x00720028].value) == (STUDY, 1)
    assert illegal[0x04000552].value == b"../x"


def test_group_lengths_that_would_be_wrong_go(tmp_path: Path, dicom: Any) -> None:
    length = dicom.element(0x00080000, "UL", struct.pack("<I", 12))
    file = dicom.part10(length + dicom.data_set(study="1.2.3", series="1.2.3.4"))
    assert 0x00080000 not in pydicom.dcmread(io.BytesIO(rewritten(tmp_path, file)))
