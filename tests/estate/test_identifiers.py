"""Answers made of templates, read by pydicom: they are the data sets that they should be."""

from __future__ import annotations

import io
import struct

import pydicom
import pytest
from estate import identifiers, markers
from estate.archive import Archive, Holding
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

ARCHIVE = Archive(4, Holding(30, undated=3), seed=1)
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def encoded(asked: Dataset, syntax: str) -> bytes:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, syntax == IMPLICIT
    write_dataset(out, asked)
    return out.getvalue()


def read(data: bytes, syntax: str) -> Dataset:
    explicit = syntax == EXPLICIT
    return pydicom.filereader.read_dataset(io.BytesIO(data), not explicit, True)


def data_sets(stream: bytes, syntax: str) -> list[Dataset]:
    """Those in P-DATA-TFs, one fragment each."""
    found, at = [], 0
    while at < len(stream):
        kind, length, pdv, context, control = struct.unpack_from(">BxIIBB", stream, at)
        assert (kind, length, context) == (4, pdv + 4, 1)
        if not control & 1:
            found.append(read(stream[at + 12 : at + 6 + length], syntax))
        at += 6 + length
    return found


def asked_for(*keywords: str, **values: str) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = "STUDY"
    for keyword in keywords:
        setattr(asked, keyword, "")
    for keyword, value in values.items():
        setattr(asked, keyword, value)
    return asked


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_every_answer_is_a_data_set_with_what_was_asked_for(syntax: str) -> None:
    wanted = sorted(
        identifiers.KNOWN | {"StudyComments", "RequestAttributesSequence"} - {"RequestAttributesSequence"}
    )
    asked = identifiers.read(encoded(asked_for(*wanted), syntax), syntax)
    assert asked is not None
    found = ARCHIVE.matching(asked.values)
    stream = b"".join(identifiers.responses(asked, ARCHIVE, found, 1, b"\0" * 10))
    answers = data_sets(stream, syntax)
    assert len(answers) == 30
    for study, answer in enumerate(answers):
        assert {element.keyword for element in answer} == {*wanted, "QueryRetrieveLevel"}
        assert answer.StudyInstanceUID == ARCHIVE.uid(study)
        assert answer.PatientID == ARCHIVE.patient_id(ARCHIVE.person_of(study))
        assert str(answer.PatientName) == ARCHIVE.patient_name(ARCHIVE.person_of(study))
        assert answer.NumberOfStudyRelatedInstances == ARCHIVE.images_of(study)
        assert answer.ModalitiesInStudy == ARCHIVE.modality_of(study)
        made = ARCHIVE.moment_of(study)
        assert answer.StudyDate + answer.StudyTime == (f"{made:014d}" if made else "")
        assert answer.PatientBirthDate.startswith(markers.BORN)
        assert not answer.StudyComments


def test_sequences_and_unknown_tags_come_back_empty() -> None:
    asked = asked_for("StudyInstanceUID")
    asked.RequestAttributesSequence = [Dataset()]
    asked.add_new(0x00091001, "UN", b"")
    read_back = identifiers.read(encoded(asked, EXPLICIT), EXPLICIT)
    assert read_back is not None and not read_back.is_narrow
    stream = b"".join(identifiers.responses(read_back, ARCHIVE, range(1), 1, b""))
    (answer,) = data_sets(stream, EXPLICIT)
    assert not answer[0x00400275].value and not answer[0x00091001].value


def test_a_key_in_a_sequence_narrows_too() -> None:
    item = Dataset()
    item.ScheduledProcedureStepStartDate = "18000101"
    asked = Dataset()
    asked.ScheduledProcedureStepSequence = [item]
    found = identifiers.read(encoded(asked, IMPLICIT), IMPLICIT)
    assert found is not None and found.is_narrow


def test_noise_is_no_identifier() -> None:
    assert identifiers.read(b"\x08\x00\x52\x00CS\xff\xff", EXPLICIT) is None
