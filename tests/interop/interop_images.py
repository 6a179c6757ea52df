"""Made-up images for a test of its own, and pydicom's real ones in many transfer syntaxes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

# Of pydicom's own package: nothing is fetched. No two have the same SOP Instance UID.
REAL = (
    "CT_small.dcm",  # explicit VR
    "rtplan.dcm",  # implicit VR
    "ExplVR_BigEnd.dcm",
    "image_dfl.dcm",  # deflated
    "SC_rgb_rle.dcm",
    "JPEG-LL.dcm",
    "SC_rgb_small_odd_jpeg.dcm",  # baseline
    "MR_small_jpeg_ls_lossless.dcm",
    "US1_J2KR.dcm",
    "JPEG2000.dcm",
    "reportsi.dcm",
    "waveform_ecg.dcm",
)


@dataclass(frozen=True, slots=True)
class Image:
    """A file, and what names it."""

    path: Path
    instance: str
    sop_class: str
    syntax: str

    @property
    def data_set(self) -> bytes:
        """As it lies in the file, behind the File Meta Information."""
        return data_set_of(self.path.read_bytes())


def data_set_of(file: bytes) -> bytes:
    """What lies behind the File Meta Information of a Part 10 file (PS3.10 7.1), found without our parser."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filereader import _read_file_meta_info, read_preamble

    stream = DicomBytesIO(file)
    read_preamble(stream, force=False)
    _read_file_meta_info(stream)
    return file[stream.tell() :]


def image(path: Path) -> Image:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    return Image(
        path, str(header.SOPInstanceUID), str(header.SOPClassUID), str(header.file_meta.TransferSyntaxUID)
    )


def real(name: str) -> Image:
    found = get_testdata_file(name, download=False)
    assert found is not None, f"pydicom has no {name}"
    return image(Path(str(found)))


@dataclass(frozen=True, slots=True)
class Images:
    """CT slices of one made-up study whose UIDs come from the test's name."""

    folder: Path
    name: str

    @property
    def study(self) -> str:
        number = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big")
        return f"1.2.826.0.1.3680043.10.1561.{number}"

    @property
    def patient(self) -> str:
        return f"P{self.study[-8:]}"

    def slices(self, count: int = 3, size: int = 64) -> list[Image]:
        self.folder.mkdir(exist_ok=True)
        return [self.slice(number, size) for number in range(1, count + 1)]

    def slice(self, number: int, size: int = 64) -> Image:
        ds = Dataset()
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.SOPClassUID = CTImageStorage
        ds.SOPInstanceUID = f"{self.study}.1.{number}"
        ds.StudyDate, ds.StudyTime, ds.Modality = "20260131", "093000", "CT"
        ds.AccessionNumber, ds.StudyID = "A-17", "7"
        ds.PatientName, ds.PatientID = "MÜLLER^ANNA", self.patient
        ds.PatientBirthDate, ds.PatientSex = "19700101", "F"
        ds.StudyDescription, ds.SeriesDescription = "Thorax", "Axial"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = self.study, f"{self.study}.1"
        ds.SeriesNumber, ds.InstanceNumber = 1, number
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows = ds.Columns = size
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        y, x = np.mgrid[:size, :size]
        ds.PixelData = ((x * y + number * 7) % 4096).astype(np.uint16).tobytes()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        path = self.folder / f"{number}.dcm"
        self.folder.mkdir(exist_ok=True)
        ds.save_as(path, enforce_file_format=True)
        return image(path)
