"""What of the old PACS a query is about."""

from __future__ import annotations

import pytest

from leadglass.demo.old_pacs import holdings
from leadglass.demo.old_pacs.holdings import Held, Holdings, from_network
from leadglass.errors import LimitExceeded, MalformedDataSet

EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"


def held(patient: int, study: int, series: int, image: int, **more: str) -> Held:
    values = {
        "PatientID": f"P{patient}",
        "PatientName": f"Müller^Anna {patient}",
        "StudyInstanceUID": f"1.{study}",
        "StudyDate": f"201{study}0615",
        "StudyTime": f"0{study}3012",
        "StudyDescription": "Thorax",
        "SeriesInstanceUID": f"1.{study}.{series}",
        "Modality": ("CT", "MR", "SR")[series],
        "SOPInstanceUID": f"1.{study}.{series}.{image}",
        "SOPClassUID": CT,
    }
    return Held(values | more, EXPLICIT, lambda: b"")


@pytest.fixture
def some() -> Holdings:
    """Two people, three studies; the first has two series of two images."""
    made = Holdings()
    for one in (held(1, 1, 0, 1), held(1, 1, 0, 2), held(1, 1, 1, 1), held(1, 1, 1, 2)):
        made.add(one)
    made.add(held(1, 2, 0, 1))
    made.add(held(2, 3, 1, 1, StudyDescription="Head*"))
    return made


def found(some: Holdings, level: str, **keys: str) -> list[str]:
    return [row[holdings.UNIQUE[level]] for row in some.find(level, keys)]


def test_each_level_has_its_entities(some: Holdings) -> None:
    assert {level: len(some.find(level, {})) for level in holdings.LEVELS} == {
        "PATIENT": 2,
        "STUDY": 3,
        "SERIES": 4,
        "IMAGE": 6,
    }


@pytest.mark.parametrize(
    ("keys", "studies"),
    [
        ({"PatientID": "P1"}, ["1.1", "1.2"]),
        ({"PatientID": "p1"}, []),
        ({"PatientID": "P?"}, ["1.1", "1.2", "1.3"]),
        ({"PatientName": "MULLER*"}, ["1.1", "1.2", "1.3"]),  # neither case nor dots
        ({"PatientName": "müller^anna 2"}, ["1.3"]),
        ({"StudyDate": "20110615"}, ["1.1"]),
        ({"StudyDate": "20110615-20120615"}, ["1.1", "1.2"]),
        ({"StudyDate": "-20111231"}, ["1.1"]),
        ({"StudyDate": "20120101-"}, ["1.2", "1.3"]),
        ({"StudyDate": "18000101"}, []),
        ({"StudyTime": "02"}, ["1.2"]),  # all of the hour
        ({"StudyTime": "0130-0230"}, ["1.1", "1.2"]),  # and all of the last minute
        ({"StudyTime": "0130-0229"}, ["1.1"]),
        ({"ModalitiesInStudy": "MR"}, ["1.1", "1.3"]),
        ({"StudyInstanceUID": "1.1\\1.3\\1.9"}, ["1.1", "1.3"]),
        ({"StudyDescription": "Head*"}, ["1.3"]),
        ({"StudyDescription": "T.orax"}, []),
        ({"PatientID": "P1", "StudyDate": "2012-"}, ["1.2"]),
        ({"PatientComments": "whatever"}, ["1.1", "1.2", "1.3"]),  # it does not have it: matches anything
    ],
)
def test_what_matches(some: Holdings, keys: dict[str, str], studies: list[str]) -> None:
    assert found(some, "STUDY", **keys) == studies


def test_counts(some: Holdings) -> None:
    (study,) = some.find("STUDY", {"StudyInstanceUID": "1.1"})
    assert (study["NumberOfStudyRelatedSeries"], study["NumberOfStudyRelatedInstances"]) == ("2", "4")
    assert study["ModalitiesInStudy"] == "CT\\MR"
    (patient,) = some.find("PATIENT", {"PatientID": "P1"})
    assert (patient["NumberOfPatientRelatedStudies"], patient["NumberOfPatientRelatedInstances"]) == (
        "2",
        "5",
    )


def test_unique_keys_select_objects(some: Holdings) -> None:
    assert len(some.select({"PatientID": "P1"})) == 5
    assert len(some.select({"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1"})) == 2
    assert len(some.select({"SOPInstanceUID": "1.1.0.1\\1.2.0.1"})) == 2
    assert some.select({}) == []  # nobody gets everything for asking nothing


def test_the_same_uid_replaces(some: Holdings) -> None:
    some.add(held(1, 1, 0, 1, StudyDescription="Other"))
    assert len(some.find("IMAGE", {})) == 6


def test_an_object_from_the_network(dicom: object) -> None:
    data_set = dicom.data_set(patient_id="P-7")  # type: ignore[attr-defined]
    one = from_network(data_set, EXPLICIT)
    assert (one.values["PatientID"], one.data_set()) == ("P-7", data_set)
    with pytest.raises(MalformedDataSet):
        from_network(dicom.data_set(instance=""), EXPLICIT)  # type: ignore[attr-defined]
    with pytest.raises(MalformedDataSet):
        from_network(data_set[:-3], EXPLICIT)


def test_it_takes_so_much_and_no_more(some: Holdings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdings, "MOST_BYTES", 100)
    some.add(held(3, 4, 0, 1), 60)
    with pytest.raises(LimitExceeded):
        some.add(held(3, 4, 0, 2), 60)
    assert len(some.find("IMAGE", {"PatientID": "P3"})) == 1
