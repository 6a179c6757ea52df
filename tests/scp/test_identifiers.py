"""Request identifiers: what is matched, what is returned, what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest

from leadglass.archive.queries import Level
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG, transfer_syntax
from leadglass.dicom.writer import encode_dataset
from leadglass.dimse import sop_classes as uids
from leadglass.errors import LimitExceeded, MalformedDataSet, Violation
from leadglass.index.query import AnyOf, Item, Range, Single, Wildcard
from leadglass.scp.extended import Options
from leadglass.scp.identifiers import Asked, read_identifier

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
STUDY_ROOT, PATIENT_ROOT = uids.STUDY_ROOT_FIND, uids.PATIENT_ROOT_FIND


def element(keyword: str, value: Any) -> tuple[int, str, Any]:
    tag = TAG_BY_KEYWORD[keyword]
    if isinstance(value, list):
        return tag, "SQ", tuple([element(*pair) for pair in item.items()] for item in value)
    return tag, VR_BY_TAG[tag], value.encode("latin-1") if isinstance(value, str) else value


def read(
    level: str,
    *,
    model: str = STUDY_ROOT,
    syntax: str = EXPLICIT,
    options: Options = Options(),  # noqa: B008 - frozen
    more: tuple[tuple[int, str, bytes], ...] = (),
    **keys: Any,
) -> Asked:
    given = [element("QueryRetrieveLevel", level)] if level else []
    given += [element(keyword, value) for keyword, value in keys.items()]
    return read_identifier(encode_dataset([*given, *more], transfer_syntax(syntax)), model, syntax, options)


RELATIONAL = Options(relational=True)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
def test_values_match_and_keys_return(syntax: str) -> None:
    asked = read("STUDY", syntax=syntax, PatientName="Ro*", StudyDate="20260101-", AccessionNumber="")
    assert asked.query.level is Level.STUDY
    assert dict(asked.query.match) == {"PatientName": Wildcard("Ro*"), "StudyDate": Range("20260101", "")}
    assert asked.keywords == {"PatientName", "StudyDate", "AccessionNumber", "StudyInstanceUID"}
    assert not asked.is_partial


ABOVE = {
    "PATIENT": {},
    "STUDY": {"PatientID": "P-1"},
    "SERIES": {"PatientID": "P-1", "StudyInstanceUID": "1.2"},
    "IMAGE": {"PatientID": "P-1", "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3"},
}


@pytest.mark.parametrize("level", ABOVE)
def test_a_hierarchical_query_names_one_of_each_level_above(level: str) -> None:
    keys = ABOVE[level]
    assert dict(read(level, model=PATIENT_ROOT, **keys).query.match) == {
        k: Single(v) for k, v in keys.items()
    }
    for keyword in keys:
        for bad in (None, "", "*", "1.2\\1.3"):
            without = {k: v for k, v in keys.items() if k != keyword} | (
                {keyword: bad} if bad is not None else {}
            )
            with pytest.raises(Violation) as caught:
                read(level, model=PATIENT_ROOT, **without)
            assert caught.value.code == keyword
    if level != "PATIENT":
        above = {k: v for k, v in ABOVE[level].items() if k != "PatientID"}
        assert read(level, **above).query.level.value == level


@pytest.mark.parametrize("level", ABOVE)
def test_a_relational_query_names_none(level: str) -> None:
    asked = read(level, model=PATIENT_ROOT, options=RELATIONAL, PatientName="R*")
    assert dict(asked.query.match) == {"PatientName": Wildcard("R*")}


@pytest.mark.parametrize(
    ("level", "model"),
    [
        ("PATIENT", STUDY_ROOT),
        ("", STUDY_ROOT),
        ("INSTANCE", PATIENT_ROOT),
        ("study", STUDY_ROOT),
        ("STUDY\\SERIES", STUDY_ROOT),
    ],
)
def test_a_level_that_the_model_has_not(level: str, model: str) -> None:
    with pytest.raises(Violation) as caught:
        read(level, model=model)
    assert caught.value.code == "QueryRetrieveLevel"


@pytest.mark.parametrize(
    "keys",
    [
        {"InstitutionName": ""},
        {"SeriesDescription": ""},  # of a level below
        {"OtherPatientIDsSequence": []},
        {"NumberOfStudyRelatedInstances": "7"},  # returned, not matched
        {"RequestAttributesSequence": [{"RequestedProcedureID": ""}]},
    ],
)
def test_what_is_not_supported_matches_anything_and_is_said(keys: dict[str, Any]) -> None:
    asked = read("STUDY", **keys)
    assert asked.query.match == ()
    assert asked.is_partial
    assert asked.keywords == {"StudyInstanceUID"} | (keys.keys() & {"NumberOfStudyRelatedInstances"})


def test_private_keys_are_not_supported_either() -> None:
    private = ((0x00290010, "LO", b"ACME"), (0x00291001, "LO", b"x"))
    assert read("STUDY", more=private).is_partial


def test_what_is_no_key_is_none() -> None:
    asked = read("STUDY", SpecificCharacterSet="ISO_IR 100", TimezoneOffsetFromUTC="+0100",
                 RetrieveAETitle="", InstanceAvailability="", more=((0x00080000, "UL", bytes(4)),))  # fmt: skip
    assert not asked.is_partial and asked.keywords == {"StudyInstanceUID"}


def test_counts_and_classes_are_returned() -> None:
    asked = read(
        "PATIENT", model=PATIENT_ROOT, NumberOfPatientRelatedStudies="", NumberOfPatientRelatedInstances=""
    )
    assert asked.keywords == {"PatientID", "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances"}
    asked = read(
        "STUDY", SOPClassesInStudy="1.2\\1.3", ModalitiesInStudy="CT\\MR", NumberOfStudyRelatedSeries=""
    )
    assert dict(asked.query.match) == {
        "SOPClassesInStudy": AnyOf(("1.2", "1.3")),
        "ModalitiesInStudy": AnyOf(("CT", "MR")),
    }
    assert not asked.is_partial


def requests(*items: dict[str, str]) -> Asked:
    return read("SERIES", StudyInstanceUID="1.2", RequestAttributesSequence=list(items))


def test_one_level_of_sequences() -> None:
    asked = requests({"RequestedProcedureID": "R1", "ScheduledProcedureStepID": ""})
    assert dict(asked.query.match)["RequestAttributesSequence"] == Item(
        (("RequestedProcedureID", Single("R1")),)
    )
    assert asked.items == {"RequestedProcedureID", "ScheduledProcedureStepID"}
    assert not asked.is_partial
    for whole in (requests(), requests({})):
        assert "RequestAttributesSequence" not in dict(whole.query.match)
        assert "RequestAttributesSequence" in whole.keywords
        assert whole.items == {"RequestedProcedureID", "ScheduledProcedureStepID"}
    some = requests({"RequestedProcedureID": "", "ReasonForTheRequestedProcedure": ""})
    assert some.is_partial and some.items == {"RequestedProcedureID"}
    with pytest.raises(Violation) as caught:
        requests({"RequestedProcedureID": "1"}, {"RequestedProcedureID": "2"})
    assert caught.value.code == "RequestAttributesSequence"


def test_a_sequence_that_is_none() -> None:
    with pytest.raises(Violation) as caught:
        read(
            "SERIES",
            StudyInstanceUID="1.2",
            more=((TAG_BY_KEYWORD["RequestAttributesSequence"], "LO", b"R1"),),
        )
    assert caught.value.code == "RequestAttributesSequence"


@pytest.mark.parametrize(
    ("terms", "raw", "name"),
    [
        ("ISO_IR 192", "Müller".encode(), "Müller"),
        ("ISO_IR 100", "Müller".encode("latin-1"), "Müller"),
        ("", "Müller".encode("latin-1"), "Müller"),
        ("ISO_IR 144", "Люкceмбypг".encode("iso8859_5"), "Люкceмбypг"),
        ("\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B", "山田"),
    ],
)
def test_names_are_read_in_the_identifiers_own_characters(terms: str, raw: bytes, name: str) -> None:
    given = {"SpecificCharacterSet": terms} if terms else {}
    asked = read("STUDY", **given, PatientName=raw)
    assert dict(asked.query.match) == {"PatientName": Single(name)}


@pytest.mark.parametrize(
    ("terms", "answered"),
    [
        (None, ("ISO_IR 100",)),
        ("ISO_IR 6", ("ISO_IR 100",)),
        ("ISO_IR 192", ("ISO_IR 192",)),
        ("ISO 2022 IR 6\\ISO 2022 IR 87", ("ISO 2022 IR 6", "ISO 2022 IR 87")),
        ("\\ISO 2022 IR 149", ("", "ISO 2022 IR 149")),
    ],
)
def test_answers_are_wanted_in_the_same_characters(terms: str | None, answered: tuple[str, ...]) -> None:
    asked = read("STUDY", **({} if terms is None else {"SpecificCharacterSet": terms}))
    assert asked.characters == answered


def test_dates_with_times_only_where_that_was_agreed() -> None:
    keys = {"StudyDate": "20260101-20260102", "StudyTime": "10-18"}
    assert read("STUDY", **keys).query.moments == ()
    assert read("STUDY", **keys, options=Options(moments=True)).query.moments == ("StudyDate",)


@pytest.mark.parametrize(
    "keys",
    [
        {"StudyDate": "20260*"},
        {"StudyTime": "9"},
        {"StudyInstanceUID": "1.2.*"},
        {"StudyInstanceUID": "../../etc"},
        {"PatientName": "*a" * 20},
        {"PatientID": "x" * 500},
    ],
)
def test_a_value_that_cannot_be(keys: dict[str, str]) -> None:
    with pytest.raises(Violation) as caught:
        read("STUDY", **keys)
    assert caught.value.code in keys


@pytest.mark.parametrize("data", [b"\x08", b"\x08\x00\x52\x00CS\xff\xffSTUDY", bytes(9)])
def test_what_is_no_data_set(data: bytes) -> None:
    with pytest.raises(MalformedDataSet):
        read_identifier(data, STUDY_ROOT, EXPLICIT, Options())


def test_what_is_too_much() -> None:
    deep: Any = {"RequestedProcedureID": "1"}
    for _ in range(6):
        deep = {"RequestAttributesSequence": [deep]}
    with pytest.raises(LimitExceeded):
        read("SERIES", StudyInstanceUID="1.2", **deep)
    many = tuple((0x00291000 + number, "LO", b"") for number in range(2000))
    with pytest.raises(LimitExceeded):
        read("STUDY", more=many)
