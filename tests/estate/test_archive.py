"""Made-up archives: what a query is about, against a look at every study."""

from __future__ import annotations

import pytest
from estate.archive import Archive, Holding
from hypothesis import given
from hypothesis import strategies as st

ARCHIVE = Archive(3, Holding(700, undated=40, burst=60), seed=5)


def moment(study: int) -> str:
    found = ARCHIVE.moment_of(study)
    return f"{found:014d}" if found else ""


DAYS = st.integers(2008, 2020).flatmap(
    lambda year: st.builds(lambda m, d: f"{year}{m:02d}{d:02d}", st.integers(1, 12), st.integers(1, 28))
)


@given(low=st.one_of(st.just(""), DAYS), high=st.one_of(st.just(""), DAYS))
def test_a_range_of_days_is_what_lies_in_it(low: str, high: str) -> None:
    expected = [
        study
        for study in range(ARCHIVE.studies)
        if not (low or high) or (moment(study) and (low or "0") <= moment(study)[:8] <= (high or "9"))
    ]
    asked = f"{low}-{high}" if low or high else ""
    assert list(ARCHIVE.matching({"StudyDate": asked})) == expected


@given(day=st.sampled_from(range(600)))
def test_one_day_is_a_range_of_itself(day: int) -> None:
    date = moment(day)[:8]
    found = list(ARCHIVE.matching({"StudyDate": date}))
    assert day in found
    assert found == list(ARCHIVE.matching({"StudyDate": f"{date}-{date}"}))


@pytest.mark.parametrize(
    ("asked", "low", "high"), [("09-11", "090000", "115959"), ("1230-1245", "123000", "124559")]
)
def test_a_range_of_times_has_all_of_its_last_minute(asked: str, low: str, high: str) -> None:
    expected = [s for s in range(ARCHIVE.studies) if moment(s) and low <= moment(s)[8:] <= high]
    assert expected
    assert list(ARCHIVE.matching({"StudyTime": asked})) == expected


def test_modalities_divide_all_studies() -> None:
    from estate.archive import MODALITIES

    found = [set(ARCHIVE.matching({"ModalitiesInStudy": each})) for each in MODALITIES]
    assert sum(map(len, found)) == len(set().union(*found)) == ARCHIVE.studies


def test_keys_are_asked_for_together() -> None:
    one = ARCHIVE.uid(123)
    date = moment(123)[:8]
    assert list(ARCHIVE.matching({"StudyInstanceUID": one, "StudyDate": date})) == [123]
    assert not ARCHIVE.matching({"StudyInstanceUID": one, "StudyDate": "18000101"})
    assert not ARCHIVE.matching({"StudyInstanceUID": "1.2.3"})
    assert list(ARCHIVE.matching({"StudyInstanceUID": f"1.2.3\\{one}"})) == [123]


def test_people_have_studies_and_wild_cards_find_them() -> None:
    assert {ARCHIVE.person_of(study) for study in range(ARCHIVE.studies)} == set(range(ARCHIVE.people))
    somebody = ARCHIVE.patient_id(7)
    assert list(ARCHIVE.matching_people({"PatientID": somebody})) == [7]
    assert {ARCHIVE.person_of(s) for s in ARCHIVE.matching({"PatientID": somebody[:-1] + "?"})} == set(
        range(10)
    )
    assert len(ARCHIVE.matching({"PatientName": "zzPLANTED*"})) == ARCHIVE.studies


def test_everything_that_is_made_of_a_study_has_one_length() -> None:
    for make in (ARCHIVE.uid, ARCHIVE.accession):
        assert len({len(make(study)) for study in range(ARCHIVE.studies)}) == 1
    assert len({ARCHIVE.uid(study) for study in range(ARCHIVE.studies)}) == ARCHIVE.studies


def test_a_hollow_archive_has_whatever_it_is_asked_for() -> None:
    hollow = Archive(1, Holding(2_000_000, hollow=True))
    assert len(hollow.matching({"StudyDate": "18000101", "StudyInstanceUID": "1.2"})) == 2_000_000
    assert len(hollow.moments) == 0


def test_the_same_archive_again() -> None:
    again = Archive(3, Holding(700, undated=40, burst=60), seed=5)
    other = Archive(3, Holding(700, undated=40, burst=60), seed=6)
    assert again.moments == ARCHIVE.moments != other.moments


def test_a_burst_is_one_day_and_frozen_one_moment() -> None:
    burst = Archive(0, Holding(500, burst=300, frozen=True))
    moments = list(burst.moments)
    assert max(moments.count(each) for each in set(moments)) >= 300
