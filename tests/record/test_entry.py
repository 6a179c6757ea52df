"""Bodies: one spelling each, limits before bytes."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import BrokenInvariant, LimitExceeded, Violation
from leadglass.record.entry import (
    MAX_BODY,
    MAX_SUBJECTS,
    Entry,
    commitment_of,
    decode_body,
    encode_body,
    format_time,
    parse_time,
)

NOW = 1_760_000_000_123
ENTRY = Entry(
    "user:3", "Dr. Roth", "radiologist", "study.view", patients=("P1",), studies=("1.2.3",), department=0
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
names = texts.filter(bool)
numbers = st.integers(-(1 << 62), 1 << 62)
entries = st.builds(
    Entry,
    actor=names,
    actor_name=texts,
    role=texts,
    action=names,
    phase=st.sampled_from(["open", "single"]),
    outcome=st.sampled_from(["allowed", "denied", "failed"]),
    address=texts,
    via=st.sampled_from(["web", "dicomweb", "command"]),
    reason=texts,
    department=st.none() | numbers,
    patients=st.lists(texts, max_size=4).map(tuple),
    studies=st.lists(texts, max_size=4).map(tuple),
    counts=st.dictionaries(texts, numbers, max_size=4),
    detail=st.dictionaries(texts, texts | numbers, max_size=4),
)


def test_the_body_is_canonical_json() -> None:
    expected = (
        '{"action":"study.view","actor":"user:3","actor_name":"Dr. Roth","department":0,"outcome":"allowed",'
        '"patients":["P1"],"phase":"single","reason":"second opinion: Röntgen","role":"radiologist","seq":7,'
        '"studies":["1.2.3"],"time":"2025-10-09T08:53:20.123Z","v":1,"via":"web"}'
    )
    assert encode_body(7, NOW, replace(ENTRY, reason="second opinion: Röntgen")).decode() == expected


@given(st.integers(0, 1 << 62), st.integers(-(10**13), 10**14), entries)
def test_bodies_are_read_as_they_were_written(seq: int, now: int, entry: Entry) -> None:
    assert decode_body(encode_body(seq, now, entry)) == (seq, now, entry)


def nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    keys = st.sampled_from(["v", "seq", "time", "actor", "action", "patients", "counts", "opens"]) | texts
    return st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6)


json_values = st.recursive(st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | texts, nested)


@given(st.binary(max_size=200) | json_values.map(orjson.dumps))
def test_anything_else_is_a_violation(body: bytes) -> None:
    try:
        seq, now, entry = decode_body(body)
    except Violation:
        return  # the one refusal there is; any other exception fails the test
    assert encode_body(seq, now, entry) == body


BODY = encode_body(7, NOW, ENTRY)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (BODY.replace(b":", b": ", 1), "entry-canonical"),
        (BODY.replace(b'"department":0,', b'"department":0,"reason":"",'), "entry-canonical"),
        (BODY.replace(b'"v":1', b'"v":1,"v":1'), "entry-canonical"),
        (BODY.replace(b"Roth", b"\\u0052oth"), "entry-canonical"),
        (BODY.replace(b'"v":1', b'"v":2'), "entry-version"),
        (BODY.replace(b'"seq":7', b'"seq":-7'), "entry-fields"),
        (BODY.replace(b'"seq":7', b'"seq":7.0'), "entry-fields"),
        (BODY.replace(b'"seq":7', b'"seq":true'), "entry-fields"),
        (BODY.replace(b'"v":1', b'"v":1,"x":1'), "entry-fields"),
        (BODY.replace(b'"actor":"user:3",', b""), "entry-fields"),
        (BODY.replace(b'"single"', b'"close"'), "entry-fields"),
        (BODY.replace(b'"web"', b'"telepathy"'), "entry-fields"),
        (BODY.replace(b'["P1"]', b"[1]"), "entry-field"),
        (BODY.replace(b'["P1"]', b'"P1"'), "entry-field"),
        (BODY.replace(b"20.123Z", b"20.123+00:00"), "entry-time"),
        (BODY.replace(b"2025-10-09", b"2025-02-30"), "entry-time"),
        (BODY[:-1], "entry-json"),
        (b"[]", "entry-json"),
        (b"[" * 100_000, "entry-json"),
        (b" " * (MAX_BODY + 1), "entry-length"),
    ],
)
def test_bodies_that_are_refused(body: bytes, code: str) -> None:
    with pytest.raises(Violation) as refusal:
        decode_body(body)
    assert refusal.value.code == code


def test_a_page_of_two_hundred_studies_fits() -> None:
    studies = tuple("1.2.826.0.1.3680043.8.498." + f"{number:038}" for number in range(200))
    patients = tuple(f"{number:064}" for number in range(200))
    assert len(encode_body(0, NOW, replace(ENTRY, studies=studies, patients=patients))) < MAX_BODY


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "x" * 1025},
        {"patients": ("P",) * (MAX_SUBJECTS + 1)},
        {"patients": ("ü" * 1024,) * 900},
        {"patients": ("P\0",)},
        {"counts": {str(number): 0 for number in range(33)}},
        {"counts": {"instances": 1 << 64}},
        {"counts": {"instances": "three"}},
        {"department": 1 << 64},
    ],
)
def test_more_than_an_entry_holds(changes: dict[str, object]) -> None:
    with pytest.raises(LimitExceeded):
        encode_body(0, NOW, replace(ENTRY, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": "begin"},
        {"outcome": "maybe"},
        {"via": "fax"},
        {"actor": ""},
        {"action": ""},
        {"opens": 3},
        {"phase": "close"},
        {"phase": "close", "opens": 3},  # with subjects of its own
    ],
)
def test_entries_the_program_must_not_write(changes: dict[str, object]) -> None:
    with pytest.raises(BrokenInvariant):
        encode_body(0, NOW, replace(ENTRY, **changes))


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(Violation):
        encode_body(0, NOW, replace(ENTRY, reason="\ud800"))


def test_closing_keeps_who_and_what_but_not_whose() -> None:
    closing = replace(ENTRY, phase="open", reason="asked").closing(
        7, counts={"instances": 3}, outcome="failed"
    )
    assert (closing.actor, closing.action, closing.opens) == ("user:3", "study.view", 7)
    assert (closing.phase, closing.outcome, closing.counts) == ("close", "failed", {"instances": 3})
    assert not closing.subjects()
    assert decode_body(encode_body(8, NOW, closing)) == (8, NOW, closing)


def test_subjects() -> None:
    twice = replace(ENTRY, patients=("P1", "P1"))
    assert twice.subjects() == {
        ("actor", "user:3"),
        ("action", "study.view"),
        ("patient", "P1"),
        ("study", "1.2.3"),
    }


def test_commitment() -> None:
    assert commitment_of(b"salt", b"body") == sha256(b"saltbody").digest()


@given(st.integers(-62135596800_000, 253402300799_999))
def test_times(now: int) -> None:
    assert parse_time(format_time(now)) == now


@pytest.mark.parametrize("now", [-62135596800_001, 253402300800_000, 1 << 80])
def test_times_beyond_the_calendar(now: int) -> None:
    with pytest.raises(LimitExceeded):
        format_time(now)
