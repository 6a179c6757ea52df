"""Values to kinds. All values here are made up; national numbers have a check digit that was made to fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG
from leadglass.dicom.elements import Bulk, DataSet, Element
from leadglass.scan.identity import KEYWORDS, KINDS, NATIONAL, kinds_of
from leadglass.scan.observation import PROBES, Form


def record(**values: bytes) -> DataSet:
    tags = {TAG_BY_KEYWORD[keyword]: value for keyword, value in values.items()}
    return {tag: Element(tag, VR_BY_TAG[tag], value) for tag, value in tags.items()}


def in_sequence(value: bytes) -> DataSet:
    tag = TAG_BY_KEYWORD["OtherPatientIDsSequence"]
    return {tag: Element(tag, "SQ", (record(PatientID=value),))}


@pytest.mark.parametrize(("kind", "keyword"), [(k, w) for k, words in KINDS.items() for w in words])
def test_each_key_shows_its_kind(kind: str, keyword: str) -> None:
    if keyword == "OtherPatientIDsSequence":
        assert kinds_of(in_sequence(b"A-77")) == {"other-ids"}
        assert kinds_of(in_sequence(b"")) == frozenset()
    else:
        value = b"20010203" if VR_BY_TAG[TAG_BY_KEYWORD[keyword]] == "DA" else b"Something"
        assert kinds_of(record(**{keyword: value})) == {kind}


@pytest.mark.parametrize(
    "value",
    [b"", b" ", b"\0", b"^^^^", b"==", b"ANONYMOUS", b"Anonymous^^ ", b"anon", b"None", b"N/A", b"UNKNOWN", b"0",
     b"00010101", b"19000101", b"-", b"\\", b"unknown\\anonymized", b"***"],
)  # fmt: skip
def test_what_is_written_where_there_is_nothing_to_write(value: bytes) -> None:
    assert kinds_of(record(PatientName=value, PatientBirthDate=value, PatientID=value)) == frozenset()


def test_one_value_of_several_is_enough() -> None:
    assert kinds_of(record(OtherPatientIDs=b"unknown\\X-1")) == {"other-ids"}


def test_an_empty_record() -> None:
    assert kinds_of({}) == frozenset()
    tag = TAG_BY_KEYWORD["PatientComments"]
    assert kinds_of({tag: Element(tag, "LT", Bulk(0, 1 << 30))}) == frozenset()


NATIONAL_NUMBERS = [
    b"078-05-1120",  # once printed on a specimen card
    b"44051401359",
    b"943 476 5919",
    b"1 85 05 78 006 084 91",
    b"756.9217.0769.85",
    b"211062-5629",
    b"811218-9876",
    b"19811218-9876",
    b"131052-308T",
    b"RSSMRA85T10A562S",
    b"A123456780",
]
OTHERS = [
    b"P-0815", b"12345678", b"000-12-3456", b"666-12-3456", b"912-12-3456", b"078-00-1120", b"44051401358",
    b"943 476 5918", b"0000000000", b"1 85 05 78 006 084 90", b"756.9217.0769.84", b"991399-9876", b"A111111111",
    b"DEMO-0007", b"\xff\xfe", b"1.2.840.113619",
]  # fmt: skip


@pytest.mark.parametrize("number", NATIONAL_NUMBERS)
def test_numbers_that_a_state_gives(number: bytes) -> None:
    assert kinds_of(record(PatientID=number)) == {"patient-id", NATIONAL}
    assert NATIONAL in kinds_of(record(OtherPatientIDs=b"X-1\\" + number))
    assert NATIONAL in kinds_of(in_sequence(number))


@pytest.mark.parametrize("number", OTHERS)
def test_numbers_that_are_none_of_a_state(number: bytes) -> None:
    assert NATIONAL not in kinds_of(record(PatientID=number))


@given(st.binary(max_size=24) | st.from_regex(rb"[0-9A-Z +-]{9,21}", fullmatch=True))
def test_any_bytes_are_an_id_or_none(value: bytes) -> None:
    assert kinds_of(record(PatientID=value, OtherPatientIDs=value)) <= {"patient-id", "other-ids", NATIONAL}


def test_kinds_fit_into_an_observation() -> None:
    assert PROBES["identifiers"].said["kinds"] is Form.WORDS
    assert len(KEYWORDS) == len(set(KEYWORDS)) <= 32
