"""Rows as identifiers: pydicom reads what was asked for, each with its dictionary's VR, and nothing else."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from leadglass.archive.identifiers import ATTRIBUTES, ITEM_ATTRIBUTES, Identifiers
from leadglass.dicom.dictionary import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TransferSyntax,
)
from leadglass.index.query import Level
from leadglass.index.rows import InstanceRow, PatientRow, RequestRow, SeriesRow, StudyRow

STUDY = StudyRow(
    id=1,
    study_instance_uid="1.2.3",
    patient_name="Roth^Anna",
    patient_id="P-1",
    issuer="H1",
    birth_date="19700101",
    sex="F",
    study_date="20260131",
    study_time="093000",
    accession_number="A1",
    study_id="7",
    description="Thorax",
    referring_physician="Baum^B",
    modalities=("CT", "SR"),
    series_count=2,
    instance_count=30,
    department_id=1,
    received=0,
    sop_classes=("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.11"),
)
SERIES = SeriesRow(
    id=2,
    study=STUDY,
    series_instance_uid="1.2.3.1",
    modality="CT",
    number=None,
    description="Axial",
    body_part="CHEST",
    laterality="",
    series_date="20260131",
    series_time="0931",
    instance_count=29,
    performed_date="20260131",
    performed_time="0929",
    requests=(RequestRow("R1", "S1"), RequestRow("R1", "")),
)
INSTANCE = InstanceRow(
    id=3,
    series=SERIES,
    sop_instance_uid="1.2.3.1.1",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    number=-4,
    rows=512,
    columns=256,
    bits_allocated=16,
    frames=1,
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    size=100,
)
ROWS = {
    Level.PATIENT: PatientRow(9, STUDY, 3, 5, 70),
    Level.STUDY: STUDY,
    Level.SERIES: SERIES,
    Level.INSTANCE: INSTANCE,
}
SYNTAXES = (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
CONSTANTS = {"QueryRetrieveLevel": "X", "RetrieveAETitle": "LEADGLASS"}


def read(data: bytes, syntax: TransferSyntax = EXPLICIT_VR_LITTLE_ENDIAN) -> Dataset:
    return pydicom.filereader.read_dataset(io.BytesIO(data), not syntax.explicit, syntax.little_endian)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("level", Level)
def test_all_that_there_is_at_a_level(level: Level, syntax: TransferSyntax) -> None:
    made = Identifiers(
        level,
        ATTRIBUTES[level],
        syntax,
        constants=CONSTANTS,
        items=ITEM_ATTRIBUTES["RequestAttributesSequence"],
    )
    found = read(made.encode(ROWS[level]), syntax)
    assert set(found.dir()) == {*ATTRIBUTES[level], *CONSTANTS}
    tags = [element.tag for element in found]
    assert tags == sorted(tags)
    assert found.PatientName == "Roth^Anna"
    assert found.RetrieveAETitle == "LEADGLASS"
    if level is Level.PATIENT:
        counts = (found.NumberOfPatientRelatedStudies, found.NumberOfPatientRelatedSeries)
        assert (*counts, found.NumberOfPatientRelatedInstances) == (3, 5, 70)
    else:
        assert (found.StudyInstanceUID, found.NumberOfStudyRelatedInstances) == ("1.2.3", 30)
        assert (list(found.ModalitiesInStudy), len(found.SOPClassesInStudy)) == (["CT", "SR"], 2)
    if level in (Level.SERIES, Level.INSTANCE):
        assert (found.SeriesNumber, found.Laterality, found.NumberOfSeriesRelatedInstances) == (None, "", 29)
        steps = [
            (item.RequestedProcedureID, item.ScheduledProcedureStepID)
            for item in found.RequestAttributesSequence
        ]
        assert steps == [("R1", "S1"), ("R1", "")]
    if level is Level.INSTANCE:
        assert (found.Rows, found.Columns, found.InstanceNumber) == (512, 256, -4)


def test_only_what_was_asked_for() -> None:
    made = Identifiers(Level.STUDY, {"StudyDate", "PatientID"}, EXPLICIT_VR_LITTLE_ENDIAN)
    assert set(read(made.encode(STUDY)).dir()) == {"StudyDate", "PatientID"}
    one = Identifiers(Level.SERIES, {"StudyInstanceUID"}, EXPLICIT_VR_LITTLE_ENDIAN)
    assert read(one.encode(SERIES)).StudyInstanceUID == "1.2.3"
    assert Identifiers(Level.STUDY, (), EXPLICIT_VR_LITTLE_ENDIAN).encode(STUDY) == b""


def test_of_an_item_only_what_was_asked_for() -> None:
    asked = ("SeriesInstanceUID", "RequestAttributesSequence")
    made = Identifiers(Level.SERIES, asked, EXPLICIT_VR_LITTLE_ENDIAN, items=("RequestedProcedureID",))
    items = read(made.encode(SERIES)).RequestAttributesSequence
    assert [item.dir() for item in items] == [["RequestedProcedureID"]] * 2
    assert read(made.encode(replace(SERIES, requests=()))).RequestAttributesSequence == []


NAMES = {
    "ISO_IR 100": "Müller^Jörg",
    "ISO_IR 192": "Müller^Jörg=山田",
    "ISO 2022 IR 6\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "GB18030": "Wang^XiaoDong=王^小东",
}


@pytest.mark.parametrize("wanted", NAMES)
@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES])
def test_text_is_in_the_characters_of_the_query(wanted: str, level: Level) -> None:
    study = replace(STUDY, patient_name=NAMES[wanted])
    row: Any = study if level is Level.STUDY else replace(SERIES, study=study)
    asked = ("PatientName", "StudyDescription", "RequestAttributesSequence")
    made = Identifiers(level, asked, EXPLICIT_VR_LITTLE_ENDIAN, characters=wanted.split("\\"))
    found = read(made.encode(row))
    assert found.SpecificCharacterSet == (wanted.split("\\") if "\\" in wanted else wanted)
    found.decode()
    assert found.PatientName == NAMES[wanted]
    assert "SpecificCharacterSet" not in read(made.encode(STUDY if level is Level.STUDY else SERIES))


def test_characters_that_the_query_lacks_come_in_utf_8() -> None:
    made = Identifiers(Level.SERIES, ("PatientName", "RequestAttributesSequence"), EXPLICIT_VR_LITTLE_ENDIAN,
                       characters=("ISO_IR 100",), items=("RequestedProcedureID",))  # fmt: skip
    found = read(made.encode(replace(SERIES, requests=(RequestRow("検査", ""),))))
    found.decode()
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.RequestAttributesSequence[0].RequestedProcedureID == "検査"


def test_deflated() -> None:
    import zlib

    asked = ("StudyInstanceUID", "PatientName")
    plain, packed = (
        Identifiers(Level.STUDY, asked, syntax).encode(STUDY)
        for syntax in (EXPLICIT_VR_LITTLE_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    )
    assert zlib.decompress(packed, wbits=-15) == plain
