"""The DICOM files that come with pydicom and pydicom-data, for every test that wants all of them."""

from __future__ import annotations

from pathlib import Path

import data_store
import pydicom

from leadglass.dicom import dictionary
from leadglass.dicom.dictionary import TransferSyntax

PYDICOM_FILES = Path(pydicom.__file__).parent / "data"
DATA_STORE_FILES = Path(data_store.__file__).parent / "data"
# Neither DICOM nor meant to be.
NO_IMAGES = {".txt", ".dump", ".json", ".icc", ".gz", ".py", ".pyc", ".lut"}


def corpus() -> dict[str, Path]:
    """Every DICOM file of the two, by its name relative to either."""
    roots = (PYDICOM_FILES / "test_files", PYDICOM_FILES / "charset_files", DATA_STORE_FILES)
    return {
        path.relative_to(root).as_posix(): path
        for root in roots
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix not in NO_IMAGES and path.name != "README"
    }


CORPUS = corpus()

# No Part 10 file: a bare data set, as pydicom reads it with force=True. Syntax and where it begins.
BARE: dict[str, tuple[TransferSyntax, int]] = {
    "ExplVR_BigEndNoMeta.dcm": (dictionary.EXPLICIT_VR_BIG_ENDIAN, 0),
    "ExplVR_LitEndNoMeta.dcm": (dictionary.EXPLICIT_VR_LITTLE_ENDIAN, 0),
    "OT-PAL-8-face.dcm": (dictionary.IMPLICIT_VR_LITTLE_ENDIAN, 0),
    "rtstruct.dcm": (dictionary.IMPLICIT_VR_LITTLE_ENDIAN, 0),
}
