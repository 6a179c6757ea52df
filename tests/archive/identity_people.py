"""Images whose identity a test chooses, and how what is delivered reads."""

from __future__ import annotations

import io
import struct
from typing import Any

import pydicom

CT = "1.2.840.10008.5.1.4.1.1.2"
ANNA = {"name": "ROTH^ANNA", "patient_id": "A-1", "birth_date": "19520301", "sex": "F"}
SAME = {**ANNA, "patient_id": "B-1"}
BEN = {"name": "MEIER^BEN", "patient_id": "C-1", "birth_date": "19700707", "sex": "M"}


def image(
    dicom: Any,
    study: str = "1.2.3",
    number: int = 1,
    *,
    name: str = "ROTH^ANNA",
    patient_id: str = "A-1",
    issuer: str = "",
    birth_date: str = "19520301",
    sex: str = "F",
    characters: str = "",
    more: tuple[tuple[int, str, bytes | str], ...] = (),
) -> bytes:
    """A Part 10 file."""
    uid = f"{study}.1.{number}"
    elements = [
        (0x00080016, "UI", CT),
        (0x00080018, "UI", uid),
        (0x00080020, "DA", "20260131"),
        (0x00080060, "CS", "CT"),
        (0x00100010, "PN", name.encode("latin-1") if characters == "ISO_IR 100" else name),
        (0x00100020, "LO", patient_id),
        (0x00100030, "DA", birth_date),
        (0x00100040, "CS", sex),
        (0x0020000D, "UI", study),
        (0x0020000E, "UI", f"{study}.1"),
        (0x00200013, "IS", str(number)),
        (0x00280010, "US", struct.pack("<H", 4)),
        (0x00280011, "US", struct.pack("<H", 4)),
        (0x00280100, "US", struct.pack("<H", 16)),
        (0x00280103, "US", struct.pack("<H", 0)),
        (0x7FE00010, "OW", bytes(range(32))),
        *more,
    ]
    if issuer:
        elements.append((0x00100021, "LO", issuer))
    if characters:
        elements.append((0x00080005, "CS", characters))
    data_set = b"".join(dicom.element(*each) for each in sorted(elements, key=lambda each: each[0]))
    return bytes(dicom.part10(data_set, instance=uid))


def read(file: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(file))
