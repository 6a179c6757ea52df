"""What the index keeps of a header: decoded, bounded, harmless; the same as pydicom reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadglass.archive.facts import WANTED, facts_of
from leadglass.dicom.part10 import Part10Parser
from leadglass.errors import IllegalIdentity, Violation
from leadglass.index.facts import ObjectFacts

UIDS = {0x00080016: "1.2.840.1", 0x00080018: "1.2.3.1.1", 0x0020000D: "1.2.3", 0x0020000E: "1.2.3.1"}


def read(dicom: Any, *elements: tuple[int, str, bytes]) -> ObjectFacts:
    identity = [(tag, "UI", uid.encode()) for tag, uid in UIDS.items()]
    given = {tag: (tag, vr, value) for tag, vr, value in (*identity, *elements)}
    content = dicom.part10(b"".join(dicom.element(*given[tag]) for tag in sorted(given)))
    parser = Part10Parser(wanted=WANTED)
    parser.feed(content)
    parser.close()
    return facts_of(parser)


TEXTS = {"patient_id": (0x00100020, "LO"), "patient_name": (0x00100010, "PN"), "modality": (0x00080060, "CS"),
         "accession_number": (0x00080050, "SH"), "study_description": (0x00081030, "LO")}  # fmt: skip
LONGEST = {
    "patient_id": 64,
    "patient_name": 400,
    "modality": 16,
    "accession_number": 64,
    "study_description": 256,
}


@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(
    field=st.sampled_from(sorted(TEXTS)),
    value=st.binary(max_size=500),
    charset=st.sampled_from(
        (b"", b"ISO_IR 192", b"ISO_IR 100", b"\\ISO 2022 IR 87", b"GB18030", b"nonsense")
    ),
)
def test_any_bytes_give_text_that_can_be_stored(dicom: Any, field: str, value: bytes, charset: bytes) -> None:
    tag, vr = TEXTS[field]
    try:
        facts = read(dicom, (0x00080005, "CS", charset), (tag, vr, value))
    except Violation:
        return
    text = getattr(facts, field)
    assert len(text) <= LONGEST[field]
    assert text.encode("utf-8").decode("utf-8") == text  # no lone surrogates
    assert not any(ord(c) < 32 or ord(c) == 127 for c in text)


@pytest.mark.parametrize(
    ("tag", "vr", "value", "field", "expected"),
    [
        (0x00080020, "DA", b"20260131", "study_date", "20260131"),
        (0x00080020, "DA", b"2026.01.31", "study_date", "20260131"),
        (0x00080020, "DA", b"20260231", "study_date", ""),
        (0x00080020, "DA", b"yesterday", "study_date", ""),
        (0x00080030, "TM", b"09:30:00", "study_time", "093000"),
        (0x00080030, "TM", b"0930", "study_time", "0930"),
        (0x00080030, "TM", b"9", "study_time", ""),
        (0x00200013, "IS", b" 7 ", "instance_number", 7),
        (0x00200013, "IS", b"7.5", "instance_number", None),
        (0x00200013, "IS", b"99999999999", "instance_number", None),
        (0x00280010, "US", b"\x00\x02", "rows", 512),
        (0x00280010, "US", b"", "rows", None),
        (0x00280008, "IS", b"30", "frames", 30),
        (0x00280008, "IS", b"0", "frames", 1),
        (0x00280008, "IS", b"-3", "frames", 1),
        (0x00100020, "LO", b"  P-1  ", "patient_id", "P-1"),
    ],
)
def test_values(dicom: Any, tag: int, vr: str, value: bytes, field: str, expected: object) -> None:
    assert getattr(read(dicom, (tag, vr, value)), field) == expected


@pytest.mark.parametrize("tag", UIDS)
@pytest.mark.parametrize("uid", [b"", b"1..2", b"1.02", b"../../x", b"1.2.3 4", b"1" * 65, "1.٣".encode()])
def test_without_legal_uids_it_cannot_be_kept(dicom: Any, tag: int, uid: bytes) -> None:
    with pytest.raises(IllegalIdentity) as caught:
        read(dicom, (tag, "UI", uid))
    assert str(caught.value).startswith("It")


def item(dicom: Any, *elements: tuple[int, str, bytes]) -> bytes:
    body = b"".join(dicom.element(*each) for each in elements)
    return b"\xfe\xff\x00\xe0" + len(body).to_bytes(4, "little") + body


def test_requests_are_the_items_of_their_sequence(dicom: Any) -> None:
    items = (
        item(dicom, (0x00400009, "SH", b"S1"), (0x00401001, "SH", b"R1")),
        item(dicom, (0x00400009, "SH", b"S2")),
        item(dicom, (0x00081030, "LO", b"nothing that is kept")),
        item(dicom, (0x00080005, "CS", b"ISO_IR 192"), (0x00401001, "SH", "検査".encode())),
        item(dicom, (0x00401001, "SH", b"x" * 100)),
    )
    facts = read(dicom, (0x00400275, "SQ", b"".join(items)))
    assert facts.requests == (("R1", "S1"), ("", "S2"), ("検査", ""), ("x" * 64, ""))


def test_more_requests_than_a_series_can_answer_are_left_out(dicom: Any) -> None:
    items = (item(dicom, (0x00401001, "SH", f"R{number}".encode())) for number in range(40))
    facts = read(dicom, (0x00400275, "SQ", b"".join(items)))
    assert [procedure for procedure, _ in facts.requests] == [f"R{number}" for number in range(32)]


def test_a_sequence_that_is_none_and_none_at_all(dicom: Any) -> None:
    assert read(dicom, (0x00400275, "LO", b"R1")).requests == ()
    assert read(dicom).requests == ()


def test_when_the_performed_step_began(dicom: Any) -> None:
    facts = read(dicom, (0x00400244, "DA", b"20260131"), (0x00400245, "TM", b"0930"))
    assert (facts.performed_date, facts.performed_time) == ("20260131", "0930")
