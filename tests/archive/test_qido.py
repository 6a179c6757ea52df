"""Result rows as DICOM JSON: what PS3.18 requires of each level, in the form that others read."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from leadglass.archive.qido import to_dicom_json
from leadglass.archive.queries import Level, query_from_pairs

# PS3.18 Tables 10.6.3-3, -4 and -5: what an answer has to carry beside Retrieve URL, which the web service adds.
STUDY = {
    "00080020", "00080030", "00080050", "00080061", "00080090", "00100010", "00100020", "00100030", "00100040",
    "0020000D", "00200010", "00201206", "00201208",
}  # fmt: skip
SERIES = {
    "00080060", "0008103E", "0020000E", "00200011", "00201209", "00400244", "00400245", "00400275",
}  # fmt: skip
INSTANCE = {"00080016", "00080018", "00200013", "00280010", "00280011", "00280100", "00280008"}
REQUIRED = {Level.STUDY: STUDY, Level.SERIES: STUDY | SERIES, Level.INSTANCE: STUDY | SERIES | INSTANCE}


@pytest.fixture
def answers(clinic: Any) -> Any:
    clinic.take_in(1)
    clinic.sql("UPDATE studies SET patient_name = :name", name="Yamada^Tarou=\u5c71\u7530^\u592a\u90ce")
    search = clinic.services.search
    asks = {Level.STUDY: search.studies, Level.SERIES: search.series, Level.INSTANCE: search.instances}

    def ask(level: Level) -> dict[str, Any]:
        page = asks[level](clinic.doctor, query_from_pairs(level, [])[0], clinic.context())
        [row] = page.rows
        return to_dicom_json(row)

    return ask


@pytest.mark.parametrize("level", REQUIRED)
def test_what_is_required_is_there(answers: Any, level: Level) -> None:
    assert REQUIRED[level] <= answers(level).keys()


@pytest.mark.parametrize("level", REQUIRED)
def test_every_vr_is_the_dictionarys_and_empty_means_no_value(answers: Any, level: Level) -> None:
    for tag, attribute in answers(level).items():
        assert attribute["vr"] == dictionary_VR(int(tag, 16)), tag
        assert attribute.keys() <= {"vr", "Value"}
        assert attribute.get("Value", [0]) != []
        assert None not in attribute.get("Value", [])
        assert "" not in attribute.get("Value", [])


@pytest.mark.parametrize("level", REQUIRED)
def test_pydicom_reads_it(answers: Any, level: Level) -> None:
    """And so does dicomweb-client, whose answers are read by `Dataset.from_json`."""
    ds = Dataset.from_json(answers(level))
    assert ds.StudyInstanceUID == "1.2.3"
    assert ds.PatientName.ideographic.startswith("\u5c71")
    assert ds.NumberOfStudyRelatedInstances == 1
    if level is not Level.STUDY:
        assert (ds.Modality, ds.SeriesInstanceUID) == ("CT", "1.2.3.1")
    if level is Level.INSTANCE:
        assert (ds.SOPInstanceUID, ds.Rows, ds.BitsAllocated) == ("1.2.3.1.1", 16, 16)


def test_several_modalities_are_several_values(clinic: Any) -> None:
    clinic.take_in(1)
    clinic.sql("UPDATE studies SET modalities = 'CT\\SR'")
    page = clinic.services.search.studies(
        clinic.doctor, query_from_pairs(Level.STUDY, [])[0], clinic.context()
    )
    assert to_dicom_json(page.rows[0])["00080061"] == {"vr": "CS", "Value": ["CT", "SR"]}


def test_what_is_no_row_is_our_mistake() -> None:
    with pytest.raises(TypeError):
        to_dicom_json(object())
