"""The demo's people and images: made up, and nothing of whoever the originals were."""

from __future__ import annotations

import io
from typing import Any

import pytest

from leadglass.demo import images
from leadglass.demo.people import OLD_VISITS, PEOPLE, VISITS

CREATED = 1_800_000_000_000


def read(made: images.Made, *, pixels: bool = True) -> Any:
    import pydicom

    return pydicom.dcmread(io.BytesIO(made.file(pixels=pixels)), stop_before_pixels=True)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """What the demo imports, one data set per image, read by pydicom."""
    found: dict[str, Any] = {}
    for image in images.images(CREATED):
        found.setdefault(image.name, read(image, pixels=False))
    return found


@pytest.fixture(scope="module")
def old() -> list[Any]:
    """What the old PACS has."""
    return [read(image, pixels=False) for image in images.old_images(CREATED)]


def test_every_image_belongs_to_somebody_made_up(made: dict[str, Any], old: list[Any]) -> None:
    assert len(made) == images.expected()
    known = {person.patient_id: person for person in PEOPLE}
    for dataset in [*made.values(), *old]:
        person = known[dataset.PatientID]
        assert (str(dataset.PatientName), dataset.PatientBirthDate) == (person.name, person.born)
        assert dataset.StudyDate <= "20270115"
        assert dataset.PatientBirthDate < dataset.StudyDate


def test_nothing_of_the_originals_says_whose_they_were(made: dict[str, Any], old: list[Any]) -> None:
    names = {person.name for person in PEOPLE} | {visit.referrer for visit in VISITS}
    for dataset in [*made.values(), *old]:
        for element in dataset.iterall():
            assert not element.tag.is_private
            if element.VR == "PN":
                assert str(element.value) in names
        top = {element.keyword for element in dataset}
        assert not top & images._TAKEN_OUT - {"InstitutionName", "IssuerOfPatientID"}
        assert dataset.InstitutionName == "Leadglass Demo Clinic"
        assert "SourceApplicationEntityTitle" not in dataset.file_meta


def test_the_list_looks_like_one() -> None:
    assert len(PEOPLE) >= 20
    assert len(VISITS) >= 30
    assert {visit.person for visit in VISITS} == {person.number for person in PEOPLE}
    assert {key for visit in VISITS for key in visit.images} == set(images.IMAGES)
    assert [visit.days for visit in VISITS] == sorted(visit.days for visit in VISITS)
    assert max(visit.days for visit in VISITS) < 730
    for person in PEOPLE:
        assert all(len(group) <= 64 for group in person.name.split("="))


def test_the_old_pacs_has_sixty_studies_of_twenty_one_people(made: dict[str, Any], old: list[Any]) -> None:
    assert len({dataset.StudyInstanceUID for dataset in old}) == 60
    assert len({dataset.PatientID for dataset in old}) == 21
    assert len({dataset.SOPInstanceUID for dataset in old}) == len(old)
    assert [visit.days for visit in OLD_VISITS] == sorted(visit.days for visit in OLD_VISITS)
    assert min(visit.days for visit in OLD_VISITS) > max(visit.days for visit in VISITS)
    # The same images as the archive beside it, but those of the last of them.
    here, there = ({dataset.SOPInstanceUID for dataset in each} for each in (made.values(), old))
    missing = {dataset.PatientID for dataset in made.values() if dataset.SOPInstanceUID in here - there}
    assert missing == {PEOPLE[-1].patient_id}


def test_the_same_demo_has_the_same_bytes() -> None:
    first, again = (next(images.images(CREATED)) for _ in range(2))
    assert first.file() == again.file()


def test_without_pixels_it_is_the_beginning_of_the_same_file() -> None:
    image = next(images.images(CREATED))
    header, whole = image.file(pixels=False), image.file()
    assert whole.startswith(header) and len(whole) > 2 * len(header)
