"""The DICOM JSON Model where pydicom cannot be asked: bulk data, empty and impossible values."""

from __future__ import annotations

import struct
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.dicom.elements import Bulk, DataSet, Element
from leadglass.dicom.encoding import LONG_VRS, SHORT_VRS
from leadglass.dicom.json import dumps, to_json

TAG = 0x00091010


def attribute(vr: str, value: Any, **options: Any) -> dict[str, Any]:
    model = to_json({TAG: Element(TAG, vr, value)}, **options)
    assert orjson.loads(orjson.dumps(model)) == model
    found: dict[str, Any] = model["00091010"]
    return found


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("LO", b"", {"vr": "LO"}),
        ("LO", b" \0", {"vr": "LO"}),
        ("LO", b"a\\\\b", {"vr": "LO", "Value": ["a", None, "b"]}),
        ("CS", b" A\\\\B ", {"vr": "CS", "Value": ["A", None, "B"]}),
        ("SQ", (), {"vr": "SQ"}),
        ("SQ", ({},), {"vr": "SQ", "Value": [{}]}),
        ("PN", b"A^B\\\\C", {"vr": "PN", "Value": [{"Alphabetic": "A^B"}, None, {"Alphabetic": "C"}]}),
        ("PN", b"A==C", {"vr": "PN", "Value": [{"Alphabetic": "A", "Phonetic": "C"}]}),
        ("IS", b"1\\\\x", {"vr": "IS", "Value": [1, None, "x"]}),
        ("IS", b"9" * 30, {"vr": "IS", "Value": ["9" * 30]}),
        ("DS", b"1.50\\1e999", {"vr": "DS", "Value": [1.5, "1e999"]}),
        ("AT", b"\x10\0\x20\0", {"vr": "AT", "Value": ["00100020"]}),
        ("UV", b"\xff" * 8, {"vr": "UV", "Value": [2**64 - 1]}),
        ("US", b"\1", {"vr": "UN", "InlineBinary": "AQ=="}),
        ("OB", b"", {"vr": "OB"}),
        ("OB", b"\0\1\2", {"vr": "OB", "InlineBinary": "AAEC"}),
    ],
)
def test_values(vr: str, value: Any, expected: dict[str, Any]) -> None:
    assert attribute(vr, value) == expected


@pytest.mark.parametrize("vr", ["FD", "FL"])
def test_floats_that_json_has_no_number_for(vr: str) -> None:
    code = "<3d" if vr == "FD" else "<3f"
    raw = struct.pack(code, float("nan"), float("inf"), float("-inf"))
    assert attribute(vr, raw)["Value"] == ["NaN", "inf", "-inf"]


def test_group_length_is_left_out() -> None:
    assert to_json({0x00080000: Element(0x00080000, "UL", b"\0\0\0\0")}) == {}


def test_bulk_data() -> None:
    asked: list[tuple[tuple[int, ...], int]] = []

    def bulk(path: tuple[int, ...], element: Element) -> str | None:
        size = element.value.length if isinstance(element.value, Bulk) else len(element.value)
        asked.append((path, size))
        return "../bulk/" + "/".join(map(str, path)) if size != 7 else None

    item: DataSet = {TAG: Element(TAG, "OW", bytes(6))}
    elements: DataSet = {
        0x00090001: Element(0x00090001, "OB", bytes(5)),
        0x00090002: Element(0x00090002, "OB", bytes(6)),
        0x00090003: Element(0x00090003, "OB", bytes(7)),
        0x00090004: Element(0x00090004, "SQ", ({}, item)),
        0x00090005: Element(0x00090005, "UN", Bulk(100, 1 << 30)),
        0x00090006: Element(0x00090006, "UT", b"long text is no bulk data"),
    }
    model = to_json(elements, bulk=bulk, bulk_threshold=5)
    assert [path for path, _ in asked] == [(0x00090002,), (0x00090003,), (0x00090004, 1, TAG), (0x00090005,)]
    assert model["00090001"]["InlineBinary"]
    assert model["00090002"]["BulkDataURI"] == f"../bulk/{0x00090002}"
    assert model["00090003"] == {"vr": "OB"}
    assert model["00090004"]["Value"][1]["00091010"]["BulkDataURI"].endswith(f"/1/{TAG}")
    assert model["00090006"]["Value"] == ["long text is no bulk data"]


def test_bulk_without_a_place_is_left_without_value() -> None:
    assert attribute("OB", Bulk(0, 1 << 30)) == {"vr": "OB"}


def test_items_have_the_character_set_around_them() -> None:
    utf8 = Element(0x00080005, "CS", b"ISO_IR 192")
    name = {0x00100010: Element(0x00100010, "PN", "Jérôme".encode())}
    latin = {
        0x00080005: Element(0x00080005, "CS", b"ISO_IR 100"),
        0x00100010: Element(0x00100010, "PN", b"J\xe9r\xf4me"),
    }
    model = to_json({0x00080005: utf8, TAG: Element(TAG, "SQ", (name, latin))})
    for item in model["00091010"]["Value"]:
        assert item["00100010"]["Value"] == [{"Alphabetic": "Jérôme"}]


@given(
    vr=st.sampled_from(sorted({*LONG_VRS.values(), *SHORT_VRS.values()} - {"SQ"})), raw=st.binary(max_size=60)
)
def test_anything_can_be_written(vr: str, raw: bytes) -> None:
    elements = {TAG: Element(TAG, vr, raw), 0x00080005: Element(0x00080005, "CS", raw)}
    assert orjson.loads(dumps(elements)) == to_json(elements)
