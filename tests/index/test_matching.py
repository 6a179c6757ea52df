"""How a key's text is read, and the odd ends of matching that random queries seldom meet."""

from __future__ import annotations

from typing import Any

import pytest

from leadglass.errors import Violation
from leadglass.index import lookup
from leadglass.index.query import (
    KEYS,
    MAX_UIDS,
    MAX_VALUE_LENGTH,
    MAX_WILDCARDS,
    AnyOf,
    Item,
    Level,
    Match,
    Query,
    Range,
    Single,
    Wildcard,
    parse_item,
    parse_match,
    same_form,
)


@pytest.mark.parametrize(
    ("keyword", "value", "match"),
    [
        ("PatientID", "", None),
        ("PatientID", "*", None),
        ("PatientID", "***", None),
        ("PatientID", "  \0", None),
        ("PatientID", " A1 ", Single("A1")),
        ("PatientID", "A**?", Wildcard("A*?")),
        ("PatientName", "ROTH^*", Wildcard("ROTH^*")),
        ("StudyInstanceUID", "1.2.3", Single("1.2.3")),
        ("StudyInstanceUID", "1.2.3\\1.2.4,1.2.3", AnyOf(("1.2.3", "1.2.4"))),
        ("StudyDate", "20260131", Single("20260131")),
        ("StudyDate", "20260101-", Range("20260101", "")),
        ("StudyDate", "-20260131", Range("", "20260131")),
        ("StudyTime", "09", Range("09", "09")),
        ("StudyTime", "0930-1000", Range("0930", "1000")),
        ("ModalitiesInStudy", "CT", Single("CT")),
        ("ModalitiesInStudy", "CT\\ MR\\CT", AnyOf(("CT", "MR"))),
        ("ModalitiesInStudy", "CT\\M*", Wildcard("CT\\M*")),
        ("PatientSex", "F\\O", AnyOf(("F", "O"))),
        ("PatientID", "A\\1", Single("A\\1")),
        ("SOPClassesInStudy", "1.2\\1.3", AnyOf(("1.2", "1.3"))),
        ("StudyDate", "20260101 - 20260131", Range("20260101", "20260131")),
    ],
)
def test_how_values_are_read(keyword: str, value: str, match: Match | None) -> None:
    assert parse_match(Level.STUDY, keyword, value) == match


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "x" * (MAX_VALUE_LENGTH + 1)),
        ("PatientID", "*a" * (MAX_WILDCARDS + 1)),
        ("PatientID", "?" * (MAX_WILDCARDS + 1)),
        ("StudyInstanceUID", "1.2*"),
        ("StudyInstanceUID", "1.2,,1.3"),
        ("StudyInstanceUID", "../../etc/passwd"),
        ("StudyInstanceUID", "\\".join(f"1.{n}" for n in range(MAX_UIDS + 1))),
        ("StudyDate", "2026-01-31"),
        ("StudyDate", "-"),
        ("StudyDate", "2026*"),
        ("StudyDate", "٢٠٢٦٠١٣١"),
        ("StudyTime", "-"),
        ("StudyTime", "9"),
        ("StudyTime", "09300"),
    ],
)
def test_what_an_attribute_cannot_be_is_refused_without_repeating_it(keyword: str, value: str) -> None:
    with pytest.raises(Violation) as caught:
        parse_match(Level.STUDY, keyword, value)
    assert len(value) < 2 or value not in str(caught.value)
    assert keyword in str(caught.value)


@pytest.mark.parametrize("value", ["1.0", "x", "2147483648", "-2147483649", "1-2", "٣"])
def test_numbers_are_integers(value: str) -> None:
    with pytest.raises(Violation):
        parse_match(Level.INSTANCE, "InstanceNumber", value)


def test_a_sequence_is_asked_by_an_item_and_by_nothing_else() -> None:
    found = parse_item(
        "RequestAttributesSequence", {"RequestedProcedureID": "R*", "ScheduledProcedureStepID": ""}
    )
    assert found == Item((("RequestedProcedureID", Wildcard("R*")),))
    assert parse_item("RequestAttributesSequence", {"RequestedProcedureID": "*"}) is None
    with pytest.raises(Violation):
        parse_match(Level.SERIES, "RequestAttributesSequence", "R1")
    with pytest.raises(KeyError):
        parse_item("RequestAttributesSequence", {"StudyID": "1"})


@pytest.mark.parametrize(
    ("dates", "times", "same"),
    [
        (Range("20260101", "20260102"), Range("10", "11"), True),
        (Range("20260101", ""), Range("10", ""), True),
        (Range("", "20260101"), Range("", "10"), True),
        (Range("20260101", ""), Range("", "10"), False),
        (Range("20260101", "20260102"), Range("10", ""), False),
        (Single("20260101"), Range("10", "10"), False),
        (None, Range("10", "11"), False),
        (Range("20260101", "20260102"), None, False),
    ],
)
def test_ranges_of_the_same_form(dates: Match | None, times: Match | None, same: bool) -> None:
    assert same_form(dates, times) is same


def test_moments_need_two_ranges(shelf: Any) -> None:
    query = Query(
        Level.STUDY,
        (("StudyDate", Single("20260101")), ("StudyTime", Range("10", "11"))),
        moments=("StudyDate",),
    )
    with pytest.raises(Violation):
        lookup.page(shelf.connection, query, everything=True, departments=frozenset())


def test_a_key_of_another_level_is_none() -> None:
    with pytest.raises(KeyError):
        parse_match(Level.STUDY, "InstanceNumber", "1")
    assert KEYS[Level.PATIENT].keys() < KEYS[Level.STUDY].keys()
    assert KEYS[Level.STUDY].keys() < KEYS[Level.SERIES].keys() < KEYS[Level.INSTANCE].keys()


def found(shelf: Any, level: Level, **match: str) -> list[Any]:
    read = ((keyword, parse_match(level, keyword, value)) for keyword, value in match.items())
    query = Query(level, tuple((keyword, match) for keyword, match in read if match is not None))
    return lookup.page(shelf.connection, query, everything=True, departments=frozenset())[0]


@pytest.fixture
def filled(shelf: Any, facts: Any) -> Any:
    for number in (1, 2, 3):
        shelf.add(facts(number, instance_number=number * 10, series_number=-1))
    shelf.add(
        facts(1, series_instance_uid="1.2.3.2", modality="SR", series_number=2147483647, body_part="CHEST")
    )
    shelf.add(facts(1, study_instance_uid="1.4", modality="MR", patient_name="A_B", patient_id="100%"))
    return shelf.seal()


def test_numbers_match_as_numbers(filled: Any) -> None:
    assert [row.number for row in found(filled, Level.INSTANCE, InstanceNumber="+020")] == [20]
    assert [row.number for row in found(filled, Level.SERIES, SeriesNumber="-1")] == [-1]
    assert [row.number for row in found(filled, Level.SERIES, SeriesNumber="2147483647")] == [2147483647]


def test_series_and_instances_are_found_by_all_levels_above(filled: Any) -> None:
    assert [row.modality for row in found(filled, Level.SERIES, Modality="S?")] == ["SR"]
    assert [row.modality for row in found(filled, Level.SERIES, ModalitiesInStudy="SR")] == ["CT", "SR"]
    assert len(found(filled, Level.INSTANCE, StudyInstanceUID="1.2.3", Modality="CT")) == 3
    assert len(found(filled, Level.INSTANCE, PatientName="roth^anna", BodyPartExamined="CHEST")) == 1
    assert len(found(filled, Level.INSTANCE, SOPInstanceUID="1.2.3.1.1\\1.4.1.1")) == 2


def test_what_like_takes_for_a_wildcard_is_a_character_here(filled: Any) -> None:
    assert len(found(filled, Level.STUDY, PatientName="A_B")) == 1
    assert found(filled, Level.STUDY, PatientName="_*") == []
    assert len(found(filled, Level.STUDY, PatientID="1*%")) == 1
    assert found(filled, Level.STUDY, PatientID="%*") == []


def test_ten_thousand_uids_at_once(filled: Any) -> None:
    uids = "\\".join(["1.2.3", *(f"1.9.{n}" for n in range(MAX_UIDS - 1))])
    assert [row.study_instance_uid for row in found(filled, Level.STUDY, StudyInstanceUID=uids)] == ["1.2.3"]


def test_a_name_takes_no_range(filled: Any) -> None:
    query = Query(Level.STUDY, (("PatientName", Range("A", "B")),))
    with pytest.raises(Violation):
        lookup.page(filled.connection, query, everything=True, departments=frozenset())


def test_nobody_without_a_department_sees_anything(filled: Any) -> None:
    for level in Level:
        assert lookup.page(filled.connection, Query(level), everything=False, departments=frozenset()) == (
            [],
            False,
        )


def test_a_study_and_a_series_by_number_are_narrowed_too(filled: Any) -> None:
    [study] = found(filled, Level.STUDY, StudyInstanceUID="1.2.3")
    for departments, expected in ((frozenset({1}), 2), (frozenset({2}), 0)):
        query = Query(Level.SERIES, study_id=study.id)
        rows, _ = lookup.page(filled.connection, query, everything=False, departments=departments)
        assert len(rows) == expected


MOMENTS = {
    # date, time, in 2026-01-30 10 to 2026-02-01 18
    "a": ("20260130", "095959", False),
    "b": ("20260130", "100000", True),
    "c": ("20260131", "030000", True),
    "d": ("20260201", "185959.9", True),
    "e": ("20260201", "190000", False),
    "f": ("20260202", "000000", False),
    "g": ("20260129", "230000", False),
    "h": ("20260130", "", True),
    "i": ("20260201", "", True),
    "j": ("20260202", "", False),
    "k": ("", "120000", False),
}


@pytest.mark.parametrize(
    ("dates", "times", "skipped"),
    [
        (Range("20260130", "20260201"), Range("10", "18"), ""),
        (Range("20260130", ""), Range("10", ""), "efj"),
        (Range("", "20260201"), Range("", "18"), "ag"),
    ],
)
def test_a_date_and_its_time_as_one_range(
    shelf: Any, facts: Any, dates: Range, times: Range, skipped: str
) -> None:
    """C.2.2.2.5.4. `skipped` are outside only at the end that is open here."""
    for number, (date, time, _) in enumerate(MOMENTS.values()):
        shelf.add(facts(study_instance_uid=f"1.8.{number}", study_date=date, study_time=time))
    shelf.seal()
    query = Query(Level.STUDY, (("StudyDate", dates), ("StudyTime", times)), moments=("StudyDate",))
    rows, _ = lookup.page(shelf.connection, query, everything=True, departments=frozenset())
    names = {list(MOMENTS)[int(row.study_instance_uid.rpartition(".")[2])] for row in rows}
    assert names == {name for name, (_, _, within) in MOMENTS.items() if within} | set(skipped)
