"""Transcoding between uncompressed transfer syntaxes: pydicom reads the same before and after."""

from __future__ import annotations

import io
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pydicom_files
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.dicom import dictionary
from leadglass.dicom.dataset import DataSet, Limits, parse
from leadglass.dicom.dictionary import TransferSyntax
from leadglass.dicom.elements import Element
from leadglass.dicom.part10 import Part10Parser, write_file_meta
from leadglass.dicom.transcode import UNCOMPRESSED, can_transcode, transcode
from leadglass.dicom.writer import encode_dataset
from leadglass.errors import BrokenInvariant, LimitExceeded, MalformedDataSet, Violation

EXPLICIT = dictionary.EXPLICIT_VR_LITTLE_ENDIAN
IMPLICIT = dictionary.IMPLICIT_VR_LITTLE_ENDIAN
BIG = dictionary.EXPLICIT_VR_BIG_ENDIAN
DEFLATED = dictionary.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
each_target = pytest.mark.parametrize("target", UNCOMPRESSED.values(), ids=lambda s: s.name)


def uncompressed() -> dict[str, Path]:
    """Every uncompressed Part 10 file of pydicom and pydicom-data that we accept, by name."""
    found: dict[str, Path] = {}
    for name, path in pydicom_files.CORPUS.items():
        parser = Part10Parser()
        try:
            parser.feed(path.read_bytes())
            parser.close()
        except Violation:
            continue
        if parser.transfer_syntax is not None and parser.transfer_syntax.uid in UNCOMPRESSED:
            found[name] = path
    return found


CORPUS = uncompressed()
each_file = pytest.mark.parametrize("name", CORPUS)


def split(data: bytes) -> tuple[TransferSyntax, bytes]:
    """A file's transfer syntax and data set."""
    parser = Part10Parser()
    parser.feed(data)
    assert parser.transfer_syntax is not None and parser.dataset_offset is not None
    return parser.transfer_syntax, data[parser.dataset_offset :]


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def made(data: bytes, source: TransferSyntax, target: TransferSyntax, size: int = 65_536) -> bytes:
    return b"".join(transcode(pieces(data, size), source, target))


def theirs(data: bytes, syntax: TransferSyntax) -> pydicom.Dataset:
    meta = write_file_meta(
        sop_class_uid="1.2.3",
        sop_instance_uid="1.2.3.4",
        transfer_syntax_uid=syntax.uid,
        implementation_class_uid="1.2.3.5",
        implementation_version="TEST",
    )
    return pydicom.dcmread(io.BytesIO(meta + data))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_corpus_has_all_four() -> None:
    syntaxes = [split(path.read_bytes())[0] for path in CORPUS.values()]
    assert {s.uid for s in syntaxes} == UNCOMPRESSED.keys()
    assert len(syntaxes) > 100


@each_target
@each_file
def test_pydicom_reads_the_same(name: str, target: TransferSyntax, oracle: SimpleNamespace) -> None:
    data = CORPUS[name].read_bytes()
    source, body = split(data)
    written = made(body, source, target)
    swap = source.little_endian != target.little_endian
    before = pydicom.dcmread(io.BytesIO(data))
    assert oracle.differences(before, theirs(written, target), swap=swap, implicit=target is IMPLICIT) == []


@each_file
def test_there_and_back(name: str) -> None:
    """Once in our form (delimiters, even lengths), no way round changes a byte."""
    source, body = split(CORPUS[name].read_bytes())
    explicit = made(body, source, EXPLICIT)
    for between in (BIG, DEFLATED, EXPLICIT):
        assert made(made(explicit, EXPLICIT, between), between, EXPLICIT) == explicit
    implicit = made(body, source, IMPLICIT)
    assert made(made(implicit, IMPLICIT, EXPLICIT), EXPLICIT, IMPLICIT) == implicit
    assert made(made(implicit, IMPLICIT, BIG), BIG, IMPLICIT) == implicit


@each_file
def test_chunking_changes_nothing(name: str) -> None:
    source, body = split(CORPUS[name].read_bytes())
    size = 1 if len(body) < 12_000 else 997 if len(body) < 200_000 else 8191
    for target in (IMPLICIT, BIG):
        assert made(body, source, target, size) == made(body, source, target)


# --- VRs --------------------------------------------------------------------------------------------------


def converted(rows: object, source: TransferSyntax, target: TransferSyntax) -> DataSet:
    return parse(made(encode_dataset(rows, source), source, target), target)  # type: ignore[arg-type]


SIGN = (0x00280103, "US", b"\1\0")
DOPPLER = (0x00186011, "SQ", ([(0x00189810, "US", b"\xff\xff")],))


def vrs_in_header(data: bytes) -> list[bytes]:
    """The VR codes of an explicit little endian data set, read by no parser of ours: two capitals."""
    return [data[at : at + 2] for at in range(len(data) - 1) if data[at : at + 2] in (b"US", b"SS", b"OW")]


def test_a_sign_that_is_told_later_decides() -> None:
    """(0018,9810) is US or SS, and stands before Pixel Representation."""
    body = encode_dataset([DOPPLER, (0x00280102, "US", b"\7\0"), SIGN, (0x00280106, "US", b"\1\0")], IMPLICIT)
    assert vrs_in_header(made(body, IMPLICIT, EXPLICIT, 7)) == [b"SS", b"US", b"US", b"SS"]
    for later, vr in ((0x00281041, "SS"), (0x00280010, "US")):
        body = encode_dataset([DOPPLER, (later, vr, b"\7\0")], IMPLICIT)
        assert vrs_in_header(made(body, IMPLICIT, EXPLICIT, 7)) == [b"US", vr.encode()]


def test_a_sign_told_in_the_item_counts_first() -> None:
    mapping = (0x00409096, "SQ", ([SIGN, (0x00409216, "US", b"\0\0")], [(0x00409216, "US", b"\0\0")]))
    body = encode_dataset([(0x00280103, "US", b"\0\0"), mapping], IMPLICIT)
    assert vrs_in_header(made(body, IMPLICIT, EXPLICIT)) == [b"US", b"US", b"SS", b"US"]


def test_waiting_for_a_sign_is_bounded() -> None:
    rows = [DOPPLER, (0x00200010, "OB", bytes(60_000)), (0x00204000, "UT", b" " * 200_000), SIGN]
    body = encode_dataset(rows, IMPLICIT)
    limits = Limits(value_bytes=100_000)
    chunks = list(transcode(pieces(body, 4096), IMPLICIT, EXPLICIT, limits))
    assert vrs_in_header(b"".join(chunks)) == [b"US", b"US"]
    assert max(map(len, chunks)) < 200_000
    assert len(list(transcode(pieces(body, 4096), IMPLICIT, EXPLICIT))) == 1


def test_lut_data_of_one_entry() -> None:
    for entries, vr in ((b"\1\0", b"US"), (b"\0\1", b"OW")):
        rows = [(0x00283002, "US", entries + b"\0\0\x10\0"), (0x00283006, "OW", b"\1\0")]
        found = vrs_in_header(made(encode_dataset(rows, IMPLICIT), IMPLICIT, EXPLICIT))
        assert found == [b"US", vr]


def test_private_elements() -> None:
    rows = [
        (0x00190010, "LO", b"GEMS_ACQU_01"),
        (0x00191002, "SL", b"\1\0\0\0"),
        (0x00210010, "LO", b"NOBODY KNOWS"),
        (0x00211002, "SL", b"\1\0\0\0"),
        (0x00231002, "SL", b"\1\0\0\0"),  # without a creator
        (0x00250010, "LO", b"NOBODY KNOWS"),
        (0x00251001, "SQ", ([(0x00100010, "PN", b"A ")],)),
    ]
    for target in (EXPLICIT, BIG):
        found = converted(rows, IMPLICIT, target)
        assert {tag: e.vr for tag, e in found.items() if tag & 0xFF00} == {
            0x00191002: "SL",
            0x00211002: "UN",
            0x00231002: "UN",
            0x00251001: "SQ",
        }
        assert {e.value for e in found.values() if e.vr in ("SL", "UN")} == {b"\1\0\0\0"}
    kept = converted(rows, EXPLICIT, BIG)
    assert [e.vr for e in kept.values()] == [row[1] for row in rows]
    assert [e.value for e in kept.values()][:6] == [row[2] for row in rows][:6]


def test_un_becomes_what_the_dictionary_says() -> None:
    rows = [(0x00100010, "UN", b"A "), (0x00280010, "UN", b"\1\0"), (0x00191001, "UN", b"\1\2")]
    found = converted(rows, EXPLICIT, BIG)
    assert [e.vr for e in found.values()] == ["PN", "UN", "US"]
    raw = made(encode_dataset(rows, EXPLICIT), EXPLICIT, BIG)
    assert raw == (b"\0\x10\0\x10PN\0\2A \0\x19\x10\x01UN\0\0\0\0\0\2\1\2\0\x28\0\x10US\0\2\0\1")


def test_un_of_undefined_length_is_implicit_little_endian_inside() -> None:
    """PS3.5 6.2.2; in a big endian data set too."""
    inside = b"\xfe\xff\0\xe0\xff\xff\xff\xff\x28\0\x10\0\2\0\0\0\1\0\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    body = b"\0\x19\x10\x01UN\0\0\xff\xff\xff\xff" + inside
    element = Element(0x00280010, "US", b"\1\0")
    for target in UNCOMPRESSED.values():
        if target is not BIG:
            found = parse(made(body, BIG, target), target)
            assert found == {0x00191001: Element(0x00191001, "SQ", ({0x00280010: element},))}


# --- bytes ------------------------------------------------------------------------------------------------


def test_words_are_swapped_by_their_vr() -> None:
    rows = [
        (0x00189073, "FD", b"\1\2\3\4\5\6\7\x08"),
        (0x00280009, "AT", b"\1\2\3\4"),
        (0x00720060, "UL", b"\1\2\3\4"),
        (0x7FE00010, "OW", b"\1\2\3\4"),
        (0xFFFCFFFC, "OB", b"\1\2"),
    ]
    written = made(encode_dataset(rows, EXPLICIT), EXPLICIT, BIG)
    assert written == (
        b"\0\x18\x90\x73FD\0\x08\x08\7\6\5\4\3\2\1"
        b"\0\x28\0\x09AT\0\4\2\1\4\3"
        b"\0\x72\0\x60UL\0\4\4\3\2\1"
        b"\x7f\xe0\0\x10OW\0\0\0\0\0\4\2\1\4\3"
        b"\xff\xfc\xff\xfcOB\0\0\0\0\0\2\1\2"
    )
    assert made(written, BIG, EXPLICIT) == encode_dataset(rows, EXPLICIT)


@pytest.mark.parametrize("vr", ["OW", "OB"])
@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 200_001])
@pytest.mark.parametrize("chunk", [1013, 4096, 1 << 20])
def test_pixels_of_any_length_in_any_chunks(vr: str, size: int, chunk: int) -> None:
    """An odd length, which writers exist for, becomes even; 8-bit pixels in OW are swapped like others."""
    pixels = bytes(i * 7 % 251 for i in range(size))
    head = b"\xe0\x7f\x10\0" + vr.encode() + b"\0\0" + size.to_bytes(4, "little")
    written = made(head + pixels, EXPLICIT, BIG, chunk)
    even = pixels + b"\0" * (size % 2)
    if vr == "OW":
        even = b"".join(even[at : at + 2][::-1] for at in range(0, len(even), 2))
    assert written == b"\x7f\xe0\0\x10" + vr.encode() + b"\0\0" + len(even).to_bytes(4, "big") + even


def test_numbers_of_no_whole_length_stay_as_they_are() -> None:
    body = b"\x28\0\x10\0US\3\0\1\2\3" + b"\x72\0\x60\0UL\2\0\1\2"
    assert made(body, EXPLICIT, BIG) == (
        b"\0\x28\0\x10UN\0\0\0\0\0\4\1\2\3\0" + b"\0\x72\0\x60UN\0\0\0\0\0\2\1\2"
    )
    assert made(body, EXPLICIT, IMPLICIT) == b"\x28\0\x10\0\4\0\0\0\1\2\3\0\x72\0\x60\0\2\0\0\0\1\2"


def test_a_value_too_long_for_its_vr_becomes_un() -> None:
    body = encode_dataset([(0x00204000, "LT", b"a" * 70_000)], IMPLICIT)
    written = made(body, IMPLICIT, EXPLICIT)
    assert written == b"\x20\0\0\x40UN\0\0" + (70_000).to_bytes(4, "little") + b"a" * 70_000
    assert made(written, EXPLICIT, IMPLICIT) == body


def test_group_lengths_are_left_out_long_ones_too() -> None:
    body = (
        b"\x08\0\0\0UL\4\0\1\2\3\4" + b"\x09\0\0\0OB\0\0\0\0\2\0" + bytes(0x20000) + b"\x10\0\x10\0PN\2\0A "
    )
    for size in (5, 4096):
        assert made(body, EXPLICIT, IMPLICIT, size) == b"\x10\0\x10\0\2\0\0\0A "


def test_levels_get_delimiters() -> None:
    body = encode_dataset([(0x00081140, "SQ", ([], [(0x00081155, "UI", b"1")]))], EXPLICIT)
    assert made(body, EXPLICIT, IMPLICIT, 3) == (
        b"\x08\0\x40\x11\xff\xff\xff\xff"
        b"\xfe\xff\0\xe0\xff\xff\xff\xff\xfe\xff\x0d\xe0\0\0\0\0"
        b"\xfe\xff\0\xe0\xff\xff\xff\xff\x08\0\x55\x11\2\0\0\0001\0\xfe\xff\x0d\xe0\0\0\0\0"
        b"\xfe\xff\xdd\xe0\0\0\0\0"
    )


def test_an_empty_data_set() -> None:
    assert made(b"", EXPLICIT, IMPLICIT) == b""
    assert parse(made(b"", EXPLICIT, DEFLATED), DEFLATED) == {}


def test_memory_is_bounded_and_output_flows() -> None:
    size = 48 << 20
    chunk = bytes(1 << 16)
    head = b"\x7f\xe0\0\x10OW\0\0" + size.to_bytes(4, "big")
    chunks = (chunk for _ in range(size // len(chunk)))
    tracemalloc.start()
    try:
        total = sum(map(len, transcode(joined([head], chunks), BIG, EXPLICIT)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == size + len(head)
    assert peak < 2 << 20


def joined(*parts: object) -> Iterator[bytes]:
    for part in parts:
        yield from part  # type: ignore[misc]


def test_private_creators_of_closed_items_cost_nothing() -> None:
    """Enhanced objects have some in every frame's item."""
    item = [(0x00190010, "LO", b"GEMS_ACQU_01"), (0x00191002, "SL", b"\1\0\0\0")]
    body = encode_dataset([(0x52009230, "SQ", (item,) * 300)], IMPLICIT)
    limits = Limits(header_bytes=2000)
    assert len(b"".join(transcode([body], IMPLICIT, EXPLICIT, limits))) > len(body)


# --- refusals ---------------------------------------------------------------------------------------------


def test_what_can_be_transcoded() -> None:
    assert all(can_transcode(a, b) for a in UNCOMPRESSED for b in UNCOMPRESSED)
    for uid in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5", "1.2.840.113619.5.2", "1.2.3", ""):
        assert not can_transcode(uid, EXPLICIT.uid)
        assert not can_transcode(EXPLICIT.uid, uid)
        with pytest.raises(BrokenInvariant):
            transcode([], dictionary.transfer_syntax(uid), EXPLICIT)


ITEM = b"\xfe\xff\0\xe0"


@pytest.mark.parametrize(
    "body",
    [
        b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff"
        + ITEM
        + bytes(4)
        + b"\xfe\xff\xdd\xe0"
        + bytes(4),  # fragments
        b"\x10\0\x10\0UT\0\0\xff\xff\xff\xff",
        b"\x08\0\x40\x11SQ\0\0\x08\0\0\0"
        + ITEM
        + b"\x08\0\0\0"
        + bytes(8),  # an item longer than its sequence
        b"\x08\0\x40\x11SQ\0\0\x04\0\0\0" + ITEM,
        b"\x08\0\x40\x11SQ\0\0\x08\0\0\0" + b"\x08\0\x55\x11" + bytes(4),  # no item
        b"\x08\0\x40\x11SQ\0\0\x08\0\0\0" + b"\xfe\xff\xdd\xe0" + bytes(4),  # closes nothing
        b"\x08\0\x40\x11SQ\0\0\x18\0\0\0" + ITEM + b"\x10\0\0\0" + b"\x10\0\x10\0PN\x10\0" + bytes(8),
        b"\x08\0\x40\x11SQ\0\0\x0c\0\0\0" + ITEM + b"\4\0\0\0" + bytes(4),
        b"\x08\0\x40\x11SQ\0\0\x10\0\0\0" + ITEM + b"\xff\xff\xff\xff" + b"\x10\0\x10\0PN\0\0",  # left open
        b"\xfe\xff\x0d\xe0" + bytes(4),
        b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\xdd\xe0\1\0\0\0",  # a delimiter with a length
    ],
)
def test_what_does_not_add_up_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedDataSet):
        made(body, EXPLICIT, IMPLICIT)


@pytest.mark.parametrize("name", ["rtplan.dcm", "MR_small_bigendian.dcm", "reportsi.dcm", "image_dfl.dcm"])
def test_a_truncated_data_set_never_passes_for_whole(name: str) -> None:
    """A prefix passes only where a top-level element ends, and then gives a prefix."""
    source, body = split(CORPUS[name].read_bytes())
    whole = made(body, source, IMPLICIT)
    passed = 0
    for end in range(0, len(body), 1 if len(body) < 10_000 else 97):
        try:
            part = made(body[:end], source, IMPLICIT)
        except MalformedDataSet:
            continue
        passed += 1
        assert whole.startswith(part)
    assert passed <= len(parse(whole, IMPLICIT)) + 1


def test_depth_and_number_are_limited() -> None:
    rows: object = []
    for _ in range(40):
        rows = [(0x00081140, "SQ", (rows,))]
    with pytest.raises(LimitExceeded):
        made(encode_dataset(rows, EXPLICIT), EXPLICIT, IMPLICIT)  # type: ignore[arg-type]
    many = encode_dataset([(0x00090010 + n, "LO", b"") for n in range(1, 200)], EXPLICIT)
    with pytest.raises(LimitExceeded):
        list(transcode([many], EXPLICIT, IMPLICIT, Limits(elements=100)))


SMALL = ["rtplan.dcm", "priv_SQ.dcm", "nested_priv_SQ.dcm", "MR_small_bigendian.dcm"]


@given(
    name=st.sampled_from(SMALL),
    patches=st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=4)), max_size=4),
    target=st.sampled_from(list(UNCOMPRESSED.values())),
)
def test_damage_is_refused_or_written_legally(
    name: str, patches: list[tuple[int, bytes]], target: TransferSyntax
) -> None:
    """What our parser accepts comes out as something it accepts; the rest is refused by the contract."""
    source, body = split(CORPUS[name].read_bytes())
    damaged = bytearray(body)
    for at, patch in patches:
        damaged[at : at + len(patch)] = patch
    try:
        found = parse(bytes(damaged), source)
        written = made(bytes(damaged), source, target)
    except Violation:
        return
    assert parse(written, target).keys() == {tag for tag in found if tag & 0xFFFF}
