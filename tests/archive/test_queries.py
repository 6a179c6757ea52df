"""How people, viewers and other archives write what they ask for."""

from __future__ import annotations

import pytest

from leadglass.archive.queries import (
    MAX_LIMIT,
    MAX_OFFSET,
    Level,
    Query,
    portal_query,
    query_from_keys,
    query_from_pairs,
)
from leadglass.errors import Violation
from leadglass.index.query import AnyOf, Item, Range, Single, Wildcard


@pytest.mark.parametrize(
    "paging", [{"limit": 0}, {"limit": MAX_LIMIT + 1}, {"offset": -1}, {"offset": MAX_OFFSET + 1}]
)
def test_pages_are_bounded(paging: dict[str, int]) -> None:
    with pytest.raises(Violation):
        portal_query(**paging)
    with pytest.raises(Violation):
        query_from_pairs(Level.STUDY, [], **paging)


def test_the_form_is_read_as_people_write() -> None:
    query = portal_query(
        name=" Roth, Anna ",
        patient_id=" P-1 ",
        date_from="2026-01-01",
        date_to="20260131",
        modality=" ct ",
        accession="A*",
    )
    assert query.words == ("anna", "roth")
    assert dict(query.match) == {
        "PatientID": Single("P-1"),
        "AccessionNumber": Wildcard("A*"),
        "StudyDate": Range("20260101", "20260131"),
        "ModalitiesInStudy": Single("CT"),
    }


def test_a_wild_card_in_the_name_makes_it_a_pattern() -> None:
    assert dict(portal_query(name="*ann?").match) == {"PatientName": Wildcard("*ann?")}
    assert portal_query(name="**").match == ()


@pytest.mark.parametrize(
    "day", ["31.01.2026", "2026-1-1", "tomorrow", "2026-01-01'--", "2026-02-30", "9999-99-99", "٢٠٢٦-٠١-٠١"]
)
def test_a_day_that_is_none_is_said_and_not_repeated(day: str) -> None:
    with pytest.raises(Violation) as caught:
        portal_query(date_from=day)
    assert day not in str(caught.value)


def test_days_in_the_wrong_order_are_said() -> None:
    with pytest.raises(Violation, match="after the last"):
        portal_query(date_from="2026-02-01", date_to="2026-01-31")


def test_attributes_are_named_by_keyword_or_tag_and_once() -> None:
    query, _ = query_from_pairs(Level.STUDY, [("00100020", "P-1")])
    assert dict(query.match) == {"PatientID": Single("P-1")}
    with pytest.raises(Violation, match="twice"):
        query_from_pairs(Level.STUDY, [("00100020", "P-1"), ("PatientID", "P-2")])


def test_attributes_of_a_lower_level_are_left_out_and_named() -> None:
    query, ignored = query_from_pairs(
        Level.STUDY, [("SOPInstanceUID", "1.2"), ("FFFFFFFF", "x"), ("zzz", "")]
    )
    assert query.match == ()
    assert ignored == ("SOPInstanceUID", "FFFFFFFF", "zzz")


def test_what_is_in_the_item_of_a_sequence_stands_behind_a_dot() -> None:
    wanted = Item((("RequestedProcedureID", Single("R1")), ("ScheduledProcedureStepID", Wildcard("S*"))))
    for names in (("00400275.00401001", "00400275.00400009"),
                  ("RequestAttributesSequence.RequestedProcedureID", "RequestAttributesSequence.00400009")):  # fmt: skip
        query, ignored = query_from_pairs(Level.SERIES, zip(names, ("R1", "S*"), strict=True))
        assert dict(query.match) == {"RequestAttributesSequence": wanted} and not ignored
    pairs = [
        ("RequestAttributesSequence.StudyID", "1"),
        ("StudyDate.StudyID", "1"),
        ("00400275.00401001", "*"),
    ]
    query, ignored = query_from_pairs(Level.SERIES, pairs)
    assert query.match == () and ignored == ("RequestAttributesSequence.StudyID", "StudyDate.StudyID")
    with pytest.raises(Violation, match="twice"):
        query_from_pairs(Level.SERIES, [("00400275.00401001", "1"), ("00400275.RequestedProcedureID", "2")])


def test_keys_by_their_keywords() -> None:
    query = query_from_keys(
        Level.SERIES,
        {"PatientID": "P-1", "StudyInstanceUID": "1.2\\1.3", "Modality": "", "SeriesDate": "20260101-"},
        {"RequestAttributesSequence": {"RequestedProcedureID": "R1"}},
    )
    assert query == Query(
        Level.SERIES,
        (
            ("PatientID", Single("P-1")),
            ("StudyInstanceUID", AnyOf(("1.2", "1.3"))),
            ("SeriesDate", Range("20260101", "")),
            ("RequestAttributesSequence", Item((("RequestedProcedureID", Single("R1")),))),
        ),
    )


@pytest.mark.parametrize(
    ("dates", "times", "joined"),
    [
        ("20260101-20260102", "10-18", True),
        ("20260101-", "10-", True),
        ("-20260101", "-10", True),
        ("20260101-", "-10", False),
        ("20260101-20260102", "10", False),
        ("20260101", "10-11", False),
        ("20260101-20260102", "", False),
    ],
)
def test_two_ranges_of_the_same_form_are_one_where_that_was_agreed(
    dates: str, times: str, joined: bool
) -> None:
    values = {"StudyDate": dates, "StudyTime": times}
    assert query_from_keys(Level.STUDY, values, moments=True).moments == (("StudyDate",) if joined else ())
    assert query_from_keys(Level.STUDY, values).moments == ()


def test_a_value_that_cannot_be_says_of_which_key() -> None:
    with pytest.raises(Violation) as caught:
        query_from_keys(Level.STUDY, {"PatientID": "1", "StudyDate": "Zzyzx"})
    assert caught.value.code == "StudyDate"
    assert "Zzyzx" not in str(caught.value)
    with pytest.raises(Violation) as caught:
        query_from_keys(Level.SERIES, {}, {"RequestAttributesSequence": {"RequestedProcedureID": "*a" * 20}})
    assert caught.value.code == "RequestAttributesSequence"
