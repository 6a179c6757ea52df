"""Writing data sets: our own parser and pydicom read back what was written, in each transfer syntax."""

from __future__ import annotations

import io
import struct
import warnings
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from leadglass.dicom import dictionary
from leadglass.dicom.charset import DEFAULT, charset
from leadglass.dicom.dataset import DataSet, parse
from leadglass.dicom.dictionary import TransferSyntax
from leadglass.dicom.elements import Bulk, Element
from leadglass.dicom.part10 import Part10Parser, write_file_meta
from leadglass.dicom.values import decimal, numbers, tags, texts
from leadglass.dicom.writer import (
    Elements,
    IdentifierEncoder,
    encode_dataset,
    number_value,
    tag_value,
    text_value,
)
from leadglass.errors import BrokenInvariant

EXPLICIT = dictionary.EXPLICIT_VR_LITTLE_ENDIAN
IMPLICIT = dictionary.IMPLICIT_VR_LITTLE_ENDIAN
BIG = dictionary.EXPLICIT_VR_BIG_ENDIAN
DEFLATED = dictionary.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
SYNTAXES = (EXPLICIT, IMPLICIT, BIG, DEFLATED)
each_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda s: s.name)

# Little endian; nested, private, deflated, with many sequences and long values.
FILES = [
    "CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "rtdose.dcm", "reportsi.dcm", "test-SR.dcm", "priv_SQ.dcm",
    "nested_priv_SQ.dcm", "UN_sequence.dcm", "image_dfl.dcm", "waveform_ecg.dcm", "eCT_Supplemental.dcm",
]  # fmt: skip


def theirs(data: bytes, syntax: TransferSyntax) -> pydicom.Dataset:
    """pydicom's reading of a bare data set."""
    meta = write_file_meta(
        sop_class_uid="1.2.3",
        sop_instance_uid="1.2.3.4",
        transfer_syntax_uid=syntax.uid,
        implementation_class_uid="1.2.3.5",
        implementation_version="TEST",
    )
    return pydicom.dcmread(io.BytesIO(meta + data))


@each_syntax
@pytest.mark.parametrize("name", FILES)
def test_headers_of_real_files(name: str, syntax: TransferSyntax, oracle: SimpleNamespace) -> None:
    path = get_testdata_file(name)
    parser = Part10Parser()
    with open(path, "rb") as file:
        parser.feed(file.read())
    parser.close()
    assert parser.dataset is not None
    written = encode_dataset(parser.dataset.elements, syntax)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = pydicom.dcmread(path, stop_before_pixels=True)
        for tag in [e.tag for e in source if e.tag >= 0x7FE00008]:
            del source[tag]
        assert (
            oracle.differences(
                source, theirs(written, syntax), swap=syntax is BIG, implicit=syntax is IMPLICIT
            )
            == []
        )
    if syntax is not IMPLICIT:
        found = parser.dataset.elements.values()
        assert parse(written, syntax) == padded(e for e in found if e.tag & 0xFFFF)
    assert encode_dataset(parse(written, syntax), syntax) == written


# --- any data set -----------------------------------------------------------------------------------------

NAMES = st.text("abc^=é山", min_size=1, max_size=8)
VALUES: dict[str, st.SearchStrategy[bytes]] = {
    **{vr: st.binary(max_size=9) for vr in ("OB", "UN")},
    **{vr: st.binary(max_size=4).map(lambda b: b * 2) for vr in ("US", "SS", "OW")},
    **{vr: st.binary(max_size=4).map(lambda b: b * 4) for vr in ("UL", "SL", "FL", "OF", "OL", "AT")},
    **{vr: st.binary(max_size=4).map(lambda b: b * 8) for vr in ("FD", "SV", "UV", "OD", "OV")},
    **{
        vr: st.text("ABC 123\\.", max_size=9).map(str.encode)
        for vr in (
            "AE",
            "AS",
            "CS",
            "DA",
            "DS",
            "DT",
            "IS",
            "LO",
            "LT",
            "PN",
            "SH",
            "ST",
            "TM",
            "UC",
            "UI",
            "UR",
            "UT",
        )
    },
}
# Standard groups without a meaning, so that nothing but the file says what VR it is.
TAGS = st.integers(0x00091001, 0x000910FF)


def items(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(TAGS, st.just("SQ"), st.lists(children, max_size=3).map(tuple))


DATA_SETS = st.recursive(
    st.lists(
        st.sampled_from(sorted(VALUES)).flatmap(lambda vr: st.tuples(TAGS, st.just(vr), VALUES[vr])),
        max_size=6,
        unique_by=lambda row: row[0],
    ),
    lambda inner: st.lists(items(inner), max_size=3, unique_by=lambda row: row[0]),
    max_leaves=8,
)


def as_rows(item: Any) -> Any:
    return item.values() if isinstance(item, dict) else item


def padded(rows: Any) -> DataSet:
    """What the parser makes of it."""
    found: DataSet = {}
    for tag, vr, value in sorted(rows, key=lambda row: row[0]):
        if isinstance(value, tuple):
            found[tag] = Element(tag, vr, tuple(padded(as_rows(item)) for item in value))
        else:
            pad = b"\0" if vr in ("UI", "OB", "UN") else b" "
            found[tag] = Element(tag, vr, value + pad * (len(value) % 2))
    return found


@given(DATA_SETS, st.sampled_from([EXPLICIT, BIG, DEFLATED]))
def test_what_is_written_is_parsed_again(rows: Any, syntax: TransferSyntax) -> None:
    written = encode_dataset(rows, syntax)
    assert not len(written) % 2
    assert parse(written, syntax) == padded(rows)


@given(DATA_SETS)
def test_implicit_keeps_every_byte(rows: Any) -> None:
    """The VRs are gone, so writing it once more is what is compared."""
    written = encode_dataset(rows, IMPLICIT)
    again = [(tag, "UN" if vr == "UN" else vr, value) for tag, vr, value in parse(written, IMPLICIT).values()]
    assert encode_dataset(again, IMPLICIT) == written


# --- layout -----------------------------------------------------------------------------------------------

NESTED: Elements = [
    (0x00100010, "PN", b"A"),
    (0x00080018, "UI", b"1.2"),
    (0x00081140, "SQ", ([(0x00081155, "UI", b"1")], [])),
    (0x00280010, "US", b"\1\0"),
    (0x7FE00010, "OW", b"\1\0\2\0"),
    (0x00080000, "UL", b"\1\2\3\4"),
]


def test_explicit_little_endian() -> None:
    assert encode_dataset(NESTED, EXPLICIT) == (
        b"\x08\0\x18\0UI\4\0001.2\0"
        b"\x08\0\x40\x11SQ\0\0\x1a\0\0\0"
        b"\xfe\xff\0\xe0\x0a\0\0\0\x08\0\x55\x11UI\2\0001\0\xfe\xff\0\xe0\0\0\0\0"
        b"\x10\0\x10\0PN\2\0A \x28\0\x10\0US\2\0\1\0"
        b"\xe0\x7f\x10\0OW\0\0\4\0\0\0\1\0\2\0"
    )


def test_implicit_little_endian() -> None:
    assert encode_dataset(NESTED, IMPLICIT) == (
        b"\x08\0\x18\0\4\0\0\0001.2\0"
        b"\x08\0\x40\x11\x1a\0\0\0"
        b"\xfe\xff\0\xe0\x0a\0\0\0\x08\0\x55\x11\2\0\0\0001\0\xfe\xff\0\xe0\0\0\0\0"
        b"\x10\0\x10\0\2\0\0\0A \x28\0\x10\0\2\0\0\0\1\0"
        b"\xe0\x7f\x10\0\4\0\0\0\1\0\2\0"
    )


def test_explicit_big_endian() -> None:
    assert encode_dataset(NESTED, BIG) == (
        b"\0\x08\0\x18UI\0\0041.2\0"
        b"\0\x08\x11\x40SQ\0\0\0\0\0\x1a"
        b"\xff\xfe\xe0\0\0\0\0\x0a\0\x08\x11\x55UI\0\0021\0\xff\xfe\xe0\0\0\0\0\0"
        b"\0\x10\0\x10PN\0\2A \0\x28\0\x10US\0\2\0\1"
        b"\x7f\xe0\0\x10OW\0\0\0\0\0\4\0\1\0\2"
    )


def test_a_value_too_long_for_its_vr_becomes_un() -> None:
    """PS3.5 6.2.2. Implicit VR has the room."""
    fits, long = b"1" * 0xFFFE, b"1" * 0xFFFF
    assert encode_dataset([(0x00090010, "LO", fits)], EXPLICIT)[4:8] == b"LO\xfe\xff"
    assert encode_dataset([(0x00090010, "LO", long)], EXPLICIT) == b"\x09\0\x10\0UN\0\0\0\0\1\0" + long + b" "
    assert encode_dataset([(0x00090010, "LO", long)], IMPLICIT) == b"\x09\0\x10\0\0\0\1\0" + long + b" "


@pytest.mark.parametrize(
    "rows",
    [
        [(0x00100010, "PN", b""), (0x00100010, "PN", b"")],
        [(0x00100010, "XX", b"")],
        [(0x7FE00010, "OW", Bulk(0, 10))],
    ],
)
def test_what_cannot_be_written_is_our_bug(rows: Elements) -> None:
    with pytest.raises(BrokenInvariant):
        encode_dataset(rows, EXPLICIT)


def test_compressed_syntaxes_are_not_written() -> None:
    with pytest.raises(BrokenInvariant):
        encode_dataset([], dictionary.transfer_syntax("1.2.840.10008.1.2.4.50"))


# --- values -----------------------------------------------------------------------------------------------


def test_text_values() -> None:
    latin = charset(["ISO_IR 100"])
    assert text_value("LO", "Jérôme", latin) == "Jérôme".encode("latin-1")
    assert text_value("PN", ["A^é", "B"], latin) == "A^é\\B".encode("latin-1")
    assert text_value("CS", "é", latin) == b"?"
    assert text_value("LO", "é", DEFAULT) == b"?"
    assert text_value("UI", ["1.2", "1.3"]) == b"1.2\\1.3"


@given(st.sampled_from(["SS", "US", "SL", "UL", "SV", "UV"]), st.data())
def test_integers(vr: str, data: st.DataObject) -> None:
    bits = {"S": 16, "L": 32, "V": 64}[vr[1]]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if vr[0] == "S" else (0, (1 << bits) - 1)
    values = tuple(data.draw(st.lists(st.integers(low, high), max_size=4)))
    assert numbers(Element(0x00091001, vr, number_value(vr, *values))) == values
    for beyond in (low - 1, high + 1):
        with pytest.raises(BrokenInvariant):
            number_value(vr, beyond)


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=4))
def test_floats(values: list[float]) -> None:
    for vr in ("FL", "FD"):
        assert numbers(Element(0x00091001, vr, number_value(vr, *values))) == tuple(values)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_decimals_fit(value: float) -> None:
    """DS has 16 characters: enough for nine digits, whatever sign and exponent."""
    written = number_value("DS", value).decode()
    assert len(written) <= 16
    assert decimal(written) == pytest.approx(value, rel=1e-8) or abs(value) > 1.797e308


def test_other_numbers() -> None:
    assert number_value("IS", 3, -4) == b"3\\-4"
    assert number_value("DS", 0.5, 3) == b"0.5\\3"
    assert number_value("US") == b""
    with pytest.raises(BrokenInvariant):
        number_value("PN", 1)


def test_tags() -> None:
    assert tags(Element(0x00091001, "AT", tag_value(0x00100010, 0x7FE00010))) == (0x00100010, 0x7FE00010)


# --- identifiers ------------------------------------------------------------------------------------------

FIELDS = [
    (0x00100010, "PN"), (0x00080020, "DA"), (0x00080061, "CS"), (0x0020000D, "UI"), (0x00280010, "US"),
    (0x00201208, "IS"), (0x00080005, "CS"), (0x00081110, "SQ"), (0x0040A160, "UT"), (0x00189073, "FD"),
]  # fmt: skip
ROW = ["Roth^Anna", "20240102", "CT\\MR", "1.2.3", "512", "7", "ISO_IR 100", "", "text", "1.5"]


@each_syntax
def test_an_identifier(syntax: TransferSyntax) -> None:
    found = parse(IdentifierEncoder(FIELDS, syntax).encode(ROW), syntax)
    assert list(found) == sorted(tag for tag, _ in FIELDS if tag != 0x00080005)
    assert texts(found[0x00100010]) == ("Roth^Anna",)
    assert texts(found[0x00080061]) == ("CT", "MR")
    assert numbers(found[0x00280010]) == (512,)
    assert numbers(found[0x00189073]) == (1.5,)
    assert found[0x00081110].value == ()
    assert [(e.tag, e.vr) for e in found.values()] == sorted(f for f in FIELDS if f[0] != 0x00080005)


@each_syntax
@pytest.mark.parametrize(
    ("name", "wanted", "terms"),
    [
        ("Müller^Jörg", (), ("ISO_IR 192",)),
        ("Müller^Jörg", ("ISO_IR 100",), ("ISO_IR 100",)),
        ("山田^太郎", ("ISO_IR 100",), ("ISO_IR 192",)),
        ("Yamada=山田^太郎", ("", "ISO 2022 IR 87"), ("", "ISO 2022 IR 87")),
    ],
)
def test_an_identifier_says_its_character_set(
    syntax: TransferSyntax, name: str, wanted: tuple[str, ...], terms: tuple[str, ...]
) -> None:
    data = IdentifierEncoder(FIELDS, syntax, wanted).encode([name, *ROW[1:]])
    found = parse(data, syntax)
    assert texts(found[0x00080005]) == terms
    assert texts(found[0x00100010], charset(terms)) == (name,)
    other = theirs(data, syntax)
    other.decode()
    assert str(other.PatientName).split("=") == name.split("=")
    assert other.Rows == 512


@given(st.lists(st.text("ab^=é山 ", max_size=7), min_size=3, max_size=3), st.sampled_from(SYNTAXES))
def test_identifiers_are_data_sets_like_others(row: list[str], syntax: TransferSyntax) -> None:
    fields = [(0x00080050, "SH"), (0x00081030, "LO"), (0x00100010, "PN")]
    data = IdentifierEncoder(fields, syntax).encode(row)
    assert encode_dataset(parse(data, syntax), syntax) == data
    assert len(data) % 2 == 0


def test_a_long_text_in_an_identifier() -> None:
    encoder = IdentifierEncoder([(0x00081030, "LO")], EXPLICIT)
    assert encoder.encode(["a" * 70_000])[:12] == b"\x08\0\x30\x10UN\0\0" + struct.pack("<I", 70_000)


def test_an_identifier_has_no_text_for_a_sequence() -> None:
    with pytest.raises(BrokenInvariant):
        IdentifierEncoder([(0x00081110, "SQ")], EXPLICIT).encode(["x"])
