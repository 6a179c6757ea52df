"""pydicom as the oracle: the same tags, VRs, values and JSON for every file it ships, or a reason why not.

Differences that hold everywhere, and are taken out before comparing:
- what stands behind top-level pixel data is walked, not kept;
- Group Length has no place in the JSON model (PS3.18 F.2.2), empty values are null or absent (F.2.5);
- padding of each value of several is removed, not only the last one's (PS3.5 6.2);
- a number whose text is no number stays text, where pydicom raises.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import orjson
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom_files import BARE, CORPUS

from leadglass.dicom import dictionary
from leadglass.dicom.charset import Charset, charset_of
from leadglass.dicom.dataset import DataSet, DatasetParser
from leadglass.dicom.json import dumps, to_json
from leadglass.dicom.part10 import Part10Parser
from leadglass.dicom.values import BINARY_NUMBER_VRS, TEXT_VRS, PersonName, numbers, tags, texts
from leadglass.errors import MalformedDataSet, NotDicom, Violation

FIRST_PIXEL_TAG = 0x7FE00008
# Refused, with the error and the reason. pydicom warns, guesses or returns what it has got.
REFUSED: dict[str, tuple[type[Violation], str]] = {
    "ExplVR_BigEndNoMeta.dcm": (NotDicom, "no preamble"),
    "ExplVR_LitEndNoMeta.dcm": (NotDicom, "no preamble"),
    "OT-PAL-8-face.dcm": (NotDicom, "no preamble"),
    "rtstruct.dcm": (NotDicom, "no preamble"),
    "no_meta.dcm": (NotDicom, "no preamble, and its bytes were changed by a text editor"),
    "meta_missing_tsyntax.dcm": (MalformedDataSet, "no transfer syntax; pydicom guesses one"),
    "MR_truncated.dcm": (MalformedDataSet, "pixel data cut off"),
    "emri_small_jpeg_2k_lossless_too_short.dcm": (MalformedDataSet, "pixel data cut off"),
    "rtplan_truncated.dcm": (MalformedDataSet, "cut off inside a sequence"),
    "dicomdirtests/DICOMDIR-nooffset": (MalformedDataSet, "sequence length ends inside its last item"),
}

# Accepted, but with other JSON.
OTHER_JSON: dict[str, str] = {
    "OBXXXX1A_expb.dcm": "OW of a big endian file: little endian in the JSON model, pydicom copies the bytes",
    "OBXXXX1A_expb_2frame.dcm": "OW of a big endian file, as above",
    "gdcm-US-ALOKA-16_big.dcm": "OW of a big endian file, as above",
    "badVR.dcm": "IS of 1A: text here, an exception there",
}

# Everything we parse to the end.
ACCEPTED = [name for name in CORPUS if name in BARE or name not in REFUSED]
accepted = pytest.mark.parametrize("name", ACCEPTED)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def ours(name: str, data: bytes, chunk: int | None = None) -> DataSet:
    """Our elements of a corpus file, fed whole or in chunks."""
    parser: DatasetParser | Part10Parser
    if name in BARE:
        syntax, start = BARE[name]
        parser, data = DatasetParser(syntax), data[start:]
    else:
        parser = Part10Parser()
    step = chunk or max(len(data), 1)
    for at in range(0, len(data), step):
        parser.feed(data[at : at + step])
    parser.close()
    found = parser.dataset if isinstance(parser, Part10Parser) else parser
    assert found is not None
    return found.elements


def theirs(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data), force=True)


def header(ds: pydicom.Dataset, *, top: bool) -> list[pydicom.DataElement]:
    return [e for e in ds if not (top and e.tag >= FIRST_PIXEL_TAG)]


def compare(mine: DataSet, other: pydicom.Dataset, around: Charset, path: str = "") -> list[str]:
    """Where tags, VRs or values differ."""
    charset = charset_of(mine, around)
    expected = {int(e.tag): e for e in header(other, top=not path)}
    found = [f"{path}{tag:08X} only on one side" for tag in mine.keys() ^ expected.keys()]
    for tag in mine.keys() & expected.keys():
        element, wanted = mine[tag], expected[tag]
        here = f"{path}{tag:08X}"
        if element.vr != wanted.VR:
            found.append(f"{here} VR {element.vr}, pydicom {wanted.VR}")
        elif element.vr == "SQ":
            assert isinstance(element.value, tuple)
            if len(element.value) != len(wanted.value):
                found.append(f"{here} {len(element.value)} items, pydicom {len(wanted.value)}")
            for i, (a, b) in enumerate(zip(element.value, wanted.value, strict=False)):
                found += compare(a, b, charset, f"{here}[{i}].")
        elif our_value(element, charset) != their_value(wanted):
            found.append(f"{here} other value")
    return found


def our_value(element: Any, charset: Charset) -> Any:
    if element.vr == "PN":  # pydicom drops empty component groups at the end
        return tuple(str(PersonName.parse(value)) for value in texts(element, charset))
    if element.vr in TEXT_VRS:
        return tuple(texts(element, charset))
    if element.vr in BINARY_NUMBER_VRS:
        return numbers(element)
    return tags(element) if element.vr == "AT" else element.value


def their_value(wanted: pydicom.DataElement) -> Any:
    if wanted.VM == 0:
        return () if wanted.VR in TEXT_VRS | BINARY_NUMBER_VRS | {"AT"} else b""
    values = wanted.value if wanted.VM > 1 else [wanted.value]
    if wanted.VR in TEXT_VRS:
        return tuple(getattr(v, "original_string", None) or str(v).rstrip(" ") for v in map(as_text, values))
    if wanted.VR in BINARY_NUMBER_VRS or wanted.VR == "AT":
        return tuple(values)
    return wanted.value


def as_text(value: Any) -> Any:
    """PersonName keeps bytes as `original_string`; IS and DS the text, which is what we compare."""
    return str(value) if isinstance(value, pydicom.valuerep.PersonName) else value


def normal(model: dict[str, Any]) -> dict[str, Any]:
    """pydicom's JSON with the differences that hold everywhere taken out."""
    return {tag: normal_attribute(a) for tag, a in model.items() if not tag.endswith("0000")}


def normal_attribute(attribute: dict[str, Any]) -> dict[str, Any]:
    values = attribute.get("Value")
    if values is None:
        return attribute
    if attribute["vr"] == "SQ":
        values = [normal(item) for item in values]
    elif attribute["vr"] == "PN":
        values = [{group: name for group, name in value.items() if name} or None for value in values]
    else:
        values = [(v.rstrip(" ") or None) if isinstance(v, str) else v for v in values]
    rest = {key: value for key, value in attribute.items() if key != "Value"}
    return {**rest, "Value": values} if values else rest


def same_json(mine: DataSet, other: pydicom.Dataset) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = other.to_json_dict()
        except ValueError:
            return False
    model = {tag: a for tag, a in model.items() if int(tag, 16) < FIRST_PIXEL_TAG}
    return to_json(mine) == normal(model)


@accepted
def test_same_tags_vrs_and_values(name: str) -> None:
    data = CORPUS[name].read_bytes()
    differences = compare(ours(name, data), theirs(data), Charset())
    if name in OTHER_JSON and "big endian" in OTHER_JSON[name]:
        assert differences, f"{name} no longer differs: take it off the list"
        assert all("other value" in d for d in differences)
    else:
        assert not differences


@accepted
def test_same_json(name: str) -> None:
    data = CORPUS[name].read_bytes()
    mine = ours(name, data)
    assert same_json(mine, theirs(data)) == (name not in OTHER_JSON)
    assert orjson.loads(dumps(mine)) == to_json(mine)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    error, _ = REFUSED[name]
    parser = Part10Parser()
    with pytest.raises(error):
        parser.feed(CORPUS[name].read_bytes())
        parser.close()


def test_lists_name_files_that_exist() -> None:
    assert {**BARE, **REFUSED, **OTHER_JSON}.keys() <= CORPUS.keys()
    assert len(CORPUS) > 200


@accepted
def test_chunking_changes_nothing(name: str) -> None:
    data = CORPUS[name].read_bytes()
    chunk = 1 if len(data) < 12_000 else 997 if len(data) < 200_000 else 65_536
    assert ours(name, data, chunk) == ours(name, data)


SMALL = ["CT_small.dcm", "priv_SQ.dcm", "UN_sequence.dcm", "rtplan.dcm", "image_dfl.dcm", "MR_small_RLE.dcm"]


@given(name=st.sampled_from(SMALL), cuts=st.lists(st.integers(1, 9000), max_size=30))
def test_random_chunking(name: str, cuts: list[int]) -> None:
    data = CORPUS[name].read_bytes()
    parser = Part10Parser()
    at = 0
    for cut in cuts:
        parser.feed(data[at : at + cut])
        at += cut
    parser.feed(data[at:])
    parser.close()
    assert parser.dataset is not None
    assert parser.dataset.elements == ours(name, data)


@pytest.mark.parametrize("name", ["rtplan.dcm", "MR_small_RLE.dcm", "reportsi.dcm"])
def test_a_truncated_file_passes_only_between_elements(name: str) -> None:
    """A prefix that ends where a top-level element ends is a data set too; every other prefix is refused."""
    data = CORPUS[name].read_bytes()
    whole = Part10Parser()
    whole.feed(data)
    whole.close()
    assert whole.dataset is not None
    passed = 0
    for end in range(len(data)):
        parser = Part10Parser()
        try:
            parser.feed(data[:end])
            parser.close()
        except Violation:
            continue
        assert parser.dataset is not None
        passed += 1
        assert parser.dataset.elements.items() <= whole.dataset.elements.items()
        assert len(parser.dataset.elements) == passed or parser.dataset.pixel_data
    # One prefix per top-level element, and one more where something follows the pixel data.
    trailing = 1 if name == "MR_small_RLE.dcm" else 0
    assert passed == len(whole.dataset.elements) - (whole.dataset.pixel_data is None) + trailing


def test_a_truncated_deflated_file_never_passes() -> None:
    data = CORPUS["image_dfl.dcm"].read_bytes()
    gzip_trailer = 8
    for end in range(len(data)):
        parser = Part10Parser()
        whole = end == len(data) - gzip_trailer
        with contextlib.nullcontext() if whole else pytest.raises(Violation):
            parser.feed(data[:end])
            parser.close()


@pytest.mark.parametrize("name", [name for name in ACCEPTED if name not in BARE])
def test_wanted_keeps_only_what_is_wanted(name: str) -> None:
    data = CORPUS[name].read_bytes()
    wanted = frozenset({0x00080016, 0x00080018, 0x00100010, 0x00100020, 0x00400275})
    parser = Part10Parser(wanted=wanted)
    parser.feed(data)
    parser.close()
    assert parser.dataset is not None
    always = {dictionary.SPECIFIC_CHARACTER_SET, dictionary.PIXEL_REPRESENTATION}
    every = ours(name, data)
    assert parser.dataset.elements == {tag: e for tag, e in every.items() if tag in wanted | always}
