"""Elements replaced in the stream, and text in UTF-8: pydicom reads the new ones, and all else as before."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import pydicom
import pydicom_files
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.archive.corrected import Corrected
from leadglass.dicom.dictionary import EXPLICIT_VR_LITTLE_ENDIAN, TransferSyntax
from leadglass.dicom.elements import Limits
from leadglass.dicom.part10 import Part10Parser
from leadglass.dicom.splice import Finder, spliced
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


def delivered(name: str, values: dict[str, str], size: int = 5000) -> tuple[pydicom.Dataset, pydicom.Dataset]:
    """A file before and after, as pydicom reads it."""
    syntax, offset, data = CORPUS[name]
    made = Corrected((Applied(Kind.MERGE, 1_800_000_000_123, values),), "LEADGLASS").delivered(
        lambda: pieces(data[offset:], size), syntax, LIMITS
    )
    out = b"".join(made.chunks)
    if made.growth is not None:
        assert len(out) == len(data) - offset + made.growth
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(data)), pydicom.dcmread(io.BytesIO(data[:offset] + out))


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
