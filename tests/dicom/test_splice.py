"""Elements replaced in the stream, and text in UTF-8: pydicom reads the new ones, and all else as before."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from typing import Any

import pydicom
import pydicom_files
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.archive.beginning import Source
from leadglass.archive.corrected import Corrected
from leadglass.dicom.charset import charset
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TransferSyntax,
)
from leadglass.dicom.elements import Limits
from leadglass.dicom.finder import Finder
from leadglass.dicom.part10 import Part10Parser, data_set_offset
from leadglass.dicom.splice import spliced
from leadglass.dicom.writer import encode_dataset
from leadglass.errors import Violation
from leadglass.index.identity import Applied, Kind

LIMITS = Limits()
NEW = {
    "patient_name": "NEU^ANNA",
    "patient_id": "N-1",
    "issuer": "HOSP",
    "birth_date": "19990102",
    "sex": "F",
}
IDENTITY = {
    0x00080005, 0x00100010, 0x00100020, 0x00100021, 0x00100024, 0x00100030, 0x00100040, 0x04000561, 0xFFFCFFFC,
}  # fmt: skip


def corpus() -> dict[str, tuple[TransferSyntax, int, bytes]]:
    found = {}
    for name, path in pydicom_files.CORPUS.items():
        data, parser = path.read_bytes(), Part10Parser()
        try:
            parser.feed(data)
            parser.close()
        except Violation:
            continue
        assert parser.transfer_syntax is not None and parser.dataset_offset is not None
        if "DICOMDIR" not in name and len(data) < 1 << 20:
            found[name] = (parser.transfer_syntax, parser.dataset_offset, data)
    return found


CORPUS = corpus()


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def corrected(values: dict[str, str]) -> Corrected:
    return Corrected((Applied(Kind.MERGE, 1_800_000_000_123, values),), "LEADGLASS")


def delivered(name: str, values: dict[str, str], size: int = 5000) -> tuple[pydicom.Dataset, pydicom.Dataset]:
    """A file before and after, as pydicom reads it."""
    syntax, offset, data = CORPUS[name]
    made = corrected(values).delivered(
        Source(lambda at: pieces(data[at:], size), offset, len(data)), syntax, LIMITS, envelope=True
    )
    out = b"".join(made.chunks)
    if made.growth is not None:
        assert len(out) == len(data) + made.growth
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(data)), pydicom.dcmread(io.BytesIO(out))


def same(before: pydicom.Dataset, after: pydicom.Dataset) -> Iterator[Any]:
    """Elements of whose value something is lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for element in before:
            if element.tag in IDENTITY or not element.tag.element:
                continue
            other = after.get(element.tag)
            if other is None or (other != element and str(other.value) != str(element.value)):
                yield element.tag


@pytest.mark.parametrize("name", CORPUS)
def test_what_is_replaced_is_new_and_all_else_is_as_before(name: str) -> None:
    before, after = delivered(name, NEW)
    assert list(same(before, after)) == []
    assert (str(after.PatientName), after.PatientID, after.PatientBirthDate) == (
        "NEU^ANNA",
        "N-1",
        "19990102",
    )
    item = after.OriginalAttributesSequence[-1]
    came = item.ModifiedAttributesSequence[0]
    assert str(came.PatientName) == str(before.get("PatientName", ""))
    assert came.PatientID == str(before.get("PatientID", "") or "").strip()
    assert str(item.AttributeModificationDateTime) == "20270115080000.123000+0000"


@pytest.mark.parametrize("name", [name for number, name in enumerate(sorted(CORPUS)) if number % 4 == 0])
def test_text_of_another_character_set_stays_what_it_says(name: str) -> None:
    before, after = delivered(name, {"patient_name": "山田^太郎"})
    assert list(same(before, after)) == []
    assert str(after.PatientName) == "山田^太郎"


@pytest.mark.parametrize("values", [NEW, {"patient_name": "山田^太郎"}], ids=["plain", "beyond"])
def test_what_is_remembered_of_other_objects_changes_nothing(values: dict[str, str]) -> None:
    """Each object twice as it is, and with an instance number of another length."""
    made: dict[str, Corrected] = {}
    for syntax, offset, data in list(CORPUS.values())[::3]:
        one = made.setdefault(syntax.uid, corrected(values))
        longer = data.replace(b"IS\x02\x001 ", b"IS\x04\x001234")
        for file in (data, data, longer, data):
            source = Source(lambda at, file=file: pieces(file[at:], len(file)), offset, len(file))
            again, fresh = (each.delivered(source, syntax, LIMITS) for each in (one, corrected(values)))
            assert again.growth == fresh.growth
            assert b"".join(again.chunks) == b"".join(fresh.chunks)


def test_objects_built_alike_are_not_walked(dicom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made, files = corrected({"patient_name": "山田^太郎"}), [dicom.file(number) for number in range(1, 5)]
    outs = []
    for number, file in enumerate(files):
        if number == 3:
            monkeypatch.setattr("leadglass.archive.corrected.Beginning", None)
        offset = data_set_offset(file)
        assert offset is not None
        source = Source(lambda at, file=file: pieces(file[at:], len(file)), offset, len(file))
        out = made.delivered(source, EXPLICIT_VR_LITTLE_ENDIAN, LIMITS, envelope=True)
        outs.append(pydicom.dcmread(io.BytesIO(b"".join(out.chunks))))
    assert [str(out.SOPInstanceUID) for out in outs] == [f"1.2.3.1.{number}" for number in range(1, 5)]
    assert {str(out.PatientName) for out in outs} == {"山田^太郎"}


TEXTS = {
    "ISO_IR 100": "Grün",
    "ISO 2022 IR 6\\ISO 2022 IR 87": "山田",
    "ISO_IR 13": "ﾔﾏﾀﾞ",
    "GBK": "王小东",
    "\\ISO 2022 IR 149": "홍길동",
}


@pytest.mark.parametrize("terms", TEXTS)
@pytest.mark.parametrize(
    "syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN], ids=lambda s: s.name
)
def test_only_what_is_beyond_ascii_is_written_anew(terms: str, syntax: TransferSyntax) -> None:
    """In items with lengths, in one with a character set of its own, of private elements, behind the pixels."""
    raw = charset(terms.split("\\")).encode(TEXTS[terms])
    assert raw is not None
    own = [(0x00080005, "CS", b"ISO_IR 192"), (0x00080104, "LO", TEXTS[terms].encode())]
    inner = [(0x00080104, "LO", raw), (0x00081140, "SQ", (own, [(0x00081030, "LO", raw)]))]
    private = [(0x00290010, "LO", b"SIEMENS MEDCOM HEADER "), (0x00291009, "LO", raw)]
    head = [(0x00080005, "CS", terms.encode()), (0x00081032, "SQ", (inner, own))]
    tail = [(0x00100020, "LO", b"P-1"), *private, (0x7FE00010, "OW", bytes(40)), (0x7FE10010, "LO", raw)]
    data = encode_dataset([*head, *tail], syntax)
    first = encode_dataset(head, syntax)
    lengths = group_length(8, len(first), syntax) + first + data[len(first) :]
    source = Source(lambda at: pieces(lengths[at:], 100), 0, len(lengths))
    made = corrected({"patient_name": "Ελένη^山田", "patient_id": "N-1"}).delivered(source, syntax, LIMITS)
    out = b"".join(made.chunks)
    assert made.growth == len(out) - len(lengths)
    parsed, text = parse(out, syntax, LIMITS), TEXTS[terms].encode()
    assert 0x00080000 not in parsed
    (one, other), inside = parsed[0x00081032].value, parsed[0x00081032].value[0][0x00081140].value
    for element in (one[0x00080104], other[0x00080104], inside[0][0x00080104], inside[1][0x00081030]):
        assert element.value.rstrip() == text
    assert parsed[0x00291009].value.rstrip() == text
    read = pydicom.dcmread(io.BytesIO(out), force=True)  # it takes lengths that are wrong for damage
    assert read[0x00081032].value[0][0x00080104].value == TEXTS[terms]
    assert read[0x00081032].value[0][0x00081140].value[1][0x00081030].value == TEXTS[terms]
    assert (str(read.PatientName), read[0x7FE10010].value) == ("Ελένη^山田", TEXTS[terms])
    assert not read[0x00081032].is_undefined_length


def group_length(group: int, length: int, syntax: TransferSyntax) -> bytes:
    return struct.pack(
        "<HH2sHI" if syntax.explicit else "<HHII",
        *((group, 0, b"UL", 4, length) if syntax.explicit else (group, 0, 4, length)),
    )


@pytest.mark.parametrize("name", CORPUS)
def test_where_the_data_set_begins(name: str) -> None:
    _, offset, data = CORPUS[name]
    assert data_set_offset(data) in (offset, None)
    assert data_set_offset(data[: offset + 11]) is None


@given(
    data=st.binary(max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    size=st.integers(1, 20),
    new=st.binary(max_size=5),
)
def test_edits_do_not_depend_on_chunks(data: bytes, cuts: list[int], size: int, new: bytes) -> None:
    marks = sorted(min(cut, len(data)) for cut in cuts)
    edits = [(a, b, new) for a, b in zip(marks[::2], marks[1::2], strict=False)]
    wanted, at = b"", 0
    for start, stop, piece in edits:
        wanted, at = wanted + data[at:start] + piece, stop
    assert b"".join(spliced(pieces(data, size), edits)) == wanted + data[at:]


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_elements_out_of_order_are_found(dicom: Any, size: int) -> None:
    """PS3.5 7.1 wants them ascending; what is overlooked would leave under the wrong name."""
    parts = [
        dicom.element(0x00200013, "IS", "1"),
        dicom.element(0x00100020, "LO", "P-1"),
        dicom.element(0x00081030, "LO", "Head"),
        dicom.element(0x00100010, "PN", "OLD^NAME"),
        dicom.element(0x00280010, "US", b"\x04\x00"),
        dicom.element(0x7FE00010, "OW", bytes(8)),
    ]
    data = b"".join(parts)
    wanted = frozenset({0x00100010, 0x00100020, 0x00100021, 0x04000561})
    finder = Finder(EXPLICIT_VR_LITTLE_ENDIAN, LIMITS, wanted)
    for piece in pieces(data, size):
        finder.feed(piece)
    assert finder.done
    assert data[slice(*finder.span(0x00100010))] == parts[3]
    assert data[slice(*finder.span(0x00100020))] == parts[1]
    start, stop = finder.span(0x04000561)
    assert start == stop == len(data) - len(parts[5])
