"""Value fields as Python values, and folding for searches."""

from __future__ import annotations

import math
import struct
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.dicom.charset import charset
from leadglass.dicom.elements import Bulk, Element
from leadglass.dicom.values import (
    PersonName,
    decimal,
    fold,
    integer,
    numbers,
    parse_date,
    tags,
    text,
    texts,
)


def element(vr: str, value: Any, tag: int = 0x00100010) -> Element:
    return Element(tag, vr, value)


@pytest.mark.parametrize(
    ("vr", "raw", "expected"),
    [
        ("LO", b"", ()),
        ("LO", b"   ", ()),
        ("LO", b"a \\b\0", ("a", "b")),
        ("LO", b" a", (" a",)),
        ("LO", b"\\", ("", "")),
        ("CS", b" ORIGINAL \\PRIMARY ", ("ORIGINAL", "PRIMARY")),
        ("AE", b"  SCANNER  ", ("SCANNER",)),
        ("UI", b"1.2.3\0", ("1.2.3",)),
        ("LT", b"a\\b ", ("a\\b",)),
        ("UT", b"  kept in front\r\n", ("  kept in front\r\n",)),
        ("UR", b"https://example.org/a\\b ", ("https://example.org/a\\b",)),
        ("OB", b"a", ()),
        ("SQ", (), ()),
        ("LO", Bulk(0, 10), ()),
    ],
)
def test_texts(vr: str, raw: Any, expected: tuple[str, ...]) -> None:
    assert texts(element(vr, raw)) == expected


def test_only_some_vrs_have_the_character_set() -> None:
    utf8 = charset(["ISO_IR 192"])
    raw = "é".encode()
    assert text(element("LO", raw), utf8) == "é"
    assert text(element("CS", raw), utf8) == raw.decode("latin-1")
    assert text(None) == ""


def test_a_backslash_inside_a_character_is_no_delimiter() -> None:
    raw = "王\U00020000".encode("gb18030") + "誠".encode("gbk")
    assert len(texts(element("LO", raw), charset(["GB18030"]))) == 1
    assert "\\" not in text(element("LO", b"\x81\x5c"), charset(["GBK"]))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", 1), ("+1", 1), ("-12", -12), ("1.0", 1), ("1e3", 1000), ("1.5", None), ("", None), ("1A", None),
     ("1_000", None), ("\u0661", None), ("9" * 40, None), ("nan", None), ("inf", None)],
)  # fmt: skip
def test_integer(value: str, expected: int | None) -> None:
    assert integer(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", 1.0), ("-.5", -0.5), ("1.", 1.0), ("1E-3", 0.001), ("", None), (".", None), ("1,5", None),
     ("1e999", None), ("1e99999", None), ("nan", None), ("infinity", None), ("0x1", None), ("1 2", None)],
)  # fmt: skip
def test_decimal(value: str, expected: float | None) -> None:
    assert decimal(value) == expected


@pytest.mark.parametrize(
    ("vr", "raw", "expected"),
    [
        ("US", b"\1\0\2\0", (1, 2)),
        ("SS", b"\xff\xff", (-1,)),
        ("UL", b"\1\0\0\0", (1,)),
        ("FD", struct.pack("<d", 0.5), (0.5,)),
        ("UV", b"\xff" * 8, (2**64 - 1,)),
        ("US", b"\1\0\2", ()),
        ("IS", b" 1\\x\\3", (1, 3)),
        ("DS", b"1.5\\", (1.5,)),
        ("LO", b"1", ()),
        ("US", Bulk(0, 4), ()),
    ],
)
def test_numbers(vr: str, raw: Any, expected: tuple[float, ...]) -> None:
    assert numbers(element(vr, raw)) == expected


def test_lut_descriptor_counts_unsigned() -> None:
    assert numbers(element("SS", b"\0\x80\0\0\x10\0", tag=0x00283002)) == (32768, 0, 16)


@pytest.mark.parametrize(("raw", "expected"), [(b"", ()), (b"\x10\0\x20\0", (0x00100020,)), (b"\1\2\3", ())])
def test_tags(raw: bytes, expected: tuple[int, ...]) -> None:
    assert tags(element("AT", raw)) == expected


def test_person_names() -> None:
    raw = "Wang^XiaoDong=王^小東=わん\\B^C ".encode()
    first, second = map(PersonName.parse, texts(element("PN", raw), charset(["ISO_IR 192"])))
    assert first == PersonName("Wang^XiaoDong", "王^小東", "わん")
    assert second == PersonName("B^C")
    assert str(first) == "Wang^XiaoDong=王^小東=わん"
    assert str(PersonName("A", "", "C")) == "A==C"
    assert PersonName.parse("a=b=c=d") == PersonName("a", "b", "c")
    assert not PersonName.parse("==")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20240229", date(2024, 2, 29)),
        ("2024.02.29", date(2024, 2, 29)),
        ("2024-02-29", date(2024, 2, 29)),
        (" 19700101 ", date(1970, 1, 1)),
        ("20230229", None),
        ("00000000", None),
        ("2024022", None),
        ("", None),
        ("today", None),
        ("２０２４０２２９", None),
    ],
)
def test_parse_date(value: str, expected: date | None) -> None:
    assert parse_date(value) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MÜLLER^Jörg", "muller^jorg"),
        ("Straße", "STRASSE"),
        ("e\u0301", "é"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("  A   B ", "a b"),
        ("Ａ", "a"),
        ("ΣΊΣΥΦΟΣ", "σισυφος"),
    ],
)
def test_fold_makes_equal(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("は", "ば"), ("가", "나"), ("Ann", "Anna"), ("a^b", "a b")])
def test_fold_keeps_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text(max_size=40))
def test_fold_is_idempotent(value: str) -> None:
    assert fold(fold(value)) == fold(value)


VRS = [
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "FD",
    "FL",
    "IS",
    "LO",
    "PN",
    "SL",
    "SS",
    "UI",
    "UL",
    "US",
    "UT",
    "UV",
    "OB",
]


@given(vr=st.sampled_from(VRS), raw=st.binary(max_size=60))
def test_no_value_raises(vr: str, raw: bytes) -> None:
    found = element(vr, raw)
    assert all(isinstance(value, str) for value in texts(found))
    assert all(isinstance(value, int | float) for value in numbers(found))
    assert all(0 <= tag < 2**32 for tag in tags(found))
    if vr == "DS":
        assert all(math.isfinite(value) for value in numbers(found))
