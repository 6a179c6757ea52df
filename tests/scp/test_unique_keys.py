"""Identifiers of C-GET and C-MOVE: levels and unique keys (PS3.4 C.4.2.1.4.1, C.6.1, C.6.2)."""

from __future__ import annotations

from typing import Any

import pytest

from leadglass.archive.selection import Keys
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG, transfer_syntax
from leadglass.dicom.writer import encode_dataset, text_value
from leadglass.dimse import sop_classes as uids
from leadglass.errors import Violation
from leadglass.scp import unique_keys as module
from leadglass.scp.unique_keys import LEVELS, unique_keys

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
PATIENT_ROOT = (uids.PATIENT_ROOT_GET, uids.PATIENT_ROOT_MOVE)
STUDY_ROOT = (uids.STUDY_ROOT_GET, uids.STUDY_ROOT_MOVE)


def encoded(level: str | None, keys: dict[str, str], syntax: str = EXPLICIT) -> bytes:
    given = keys if level is None else {"QueryRetrieveLevel": level, **keys}
    elements = [
        (tag, VR_BY_TAG[tag], text_value(VR_BY_TAG[tag], value))
        for tag, value in ((TAG_BY_KEYWORD[keyword], value) for keyword, value in given.items())
    ]
    return encode_dataset(elements, transfer_syntax(syntax))


UIDS = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID", "image": "SOPInstanceUID"}


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
@pytest.mark.parametrize("sop_class", LEVELS)
def test_in_every_encoding_and_model(sop_class: str, syntax: str) -> None:
    data = encoded("SERIES", {UIDS["study"]: "1.2", UIDS["series"]: "1.2.1\\1.2.2"}, syntax)
    keys = unique_keys(data, sop_class, syntax)
    assert keys == Keys(study_uids=("1.2",), series_uids=("1.2.1", "1.2.2"))


@pytest.mark.parametrize(
    ("level", "keys", "expected"),
    [
        ("PATIENT", {"PatientID": "P-1"}, Keys("P-1")),
        ("PATIENT", {"PatientID": " P-1 ", "IssuerOfPatientID": "HERE"}, Keys("P-1", "HERE")),
        ("PATIENT", {"PatientID": "P*"}, Keys("P*")),
        ("PATIENT", {"PatientID": "P-1", UIDS["study"]: ""}, Keys("P-1")),
        ("STUDY", {UIDS["study"]: "1.2\\1.3\\1.2"}, Keys(study_uids=("1.2", "1.3"))),
        ("STUDY", {"PatientID": "P-1", UIDS["study"]: "1.2"}, Keys("P-1", study_uids=("1.2",))),
        ("IMAGE", {UIDS["image"]: "1.2.3"}, Keys(instance_uids=("1.2.3",))),
        ("IMAGE", {UIDS["series"]: "1.2", UIDS["image"]: "1.4"}, Keys("", "", (), ("1.2",), ("1.4",))),
        ("STUDY", {UIDS["study"]: "1.2", "PatientName": "ignored"}, Keys(study_uids=("1.2",))),
    ],
    ids=str,
)
def test_what_is_asked_for(level: str, keys: dict[str, str], expected: Keys) -> None:
    for sop_class in PATIENT_ROOT:
        assert unique_keys(encoded(level, keys), sop_class, EXPLICIT) == expected


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        (None, {UIDS["study"]: "1.2"}),
        ("", {UIDS["study"]: "1.2"}),
        ("WORKLIST", {UIDS["study"]: "1.2"}),
        ("study", {UIDS["study"]: "1.2"}),
        ("STUDY", {}),
        ("STUDY", {UIDS["study"]: ""}),
        ("STUDY", {"PatientID": "P-1"}),
        ("STUDY", {UIDS["study"]: "1.2", UIDS["series"]: "1.2.1"}),
        ("STUDY", {UIDS["study"]: "1.*"}),
        ("STUDY", {UIDS["study"]: "../../etc"}),
        ("STUDY", {UIDS["study"]: "1" * 65}),
        ("PATIENT", {"PatientID": "P-1\\P-2"}),
        ("PATIENT", {UIDS["study"]: "1.2"}),
        ("SERIES", {UIDS["series"]: "\\".join(f"1.{n}" for n in range(1, 5))}),
    ],
    ids=str,
)
def test_what_is_none_of_this_sop_class(level: Any, keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_UIDS", 3)
    with pytest.raises(Violation):
        unique_keys(encoded(level, keys), uids.PATIENT_ROOT_GET, EXPLICIT)


@pytest.mark.parametrize("sop_class", STUDY_ROOT)
def test_study_root_has_no_patient_level(sop_class: str) -> None:
    with pytest.raises(Violation):
        unique_keys(encoded("PATIENT", {"PatientID": "P-1"}), sop_class, EXPLICIT)


@pytest.mark.parametrize("data", [b"", b"\x08", b"\xff" * 100, b"\x08\0\x52\0CS\xff\xff"], ids=repr)
def test_what_is_no_data_set(data: bytes) -> None:
    with pytest.raises(Violation):
        unique_keys(data, uids.STUDY_ROOT_GET, EXPLICIT)
