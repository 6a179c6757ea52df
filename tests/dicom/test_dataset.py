"""The data set parser: structure, tolerances, and what hostile input gets."""

from __future__ import annotations

import tomllib
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.dicom import dictionary
from leadglass.dicom.dataset import Bulk, DatasetParser, Element, Limits, parse
from leadglass.errors import LimitExceeded, MalformedDataSet, Violation

SYNTAXES = {
    "explicit": dictionary.EXPLICIT_VR_LITTLE_ENDIAN,
    "implicit": dictionary.IMPLICIT_VR_LITTLE_ENDIAN,
    "big": dictionary.EXPLICIT_VR_BIG_ENDIAN,
    "deflated": dictionary.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
}
EXPLICIT, IMPLICIT, BIG, DEFLATED = SYNTAXES.values()
MALFORMED = tomllib.loads(
    (Path(__file__).parents[1] / "vectors" / "dicom" / "malformed.toml").read_text("utf-8")
)["vector"]
MODALITY, PATIENT_ID, REFERENCED_IMAGES, ROWS = 0x00080060, 0x00100020, 0x00081140, 0x00280010
PIXELS = 0x7FE00010


def refusal(
    data: bytes | memoryview, syntax: Any, chunk: int, limits: Limits | None = None, **options: Any
) -> Violation:
    parser = DatasetParser(syntax, limits, **options)
    with pytest.raises(Violation) as caught:
        for at in range(0, len(data), chunk):
            parser.feed(data[at : at + chunk])
        parser.close()
    return caught.value


@pytest.mark.parametrize("vector", MALFORMED, ids=lambda v: v["name"])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_malformed(vector: dict[str, str], chunk: int) -> None:
    data = bytes.fromhex(vector["hex"])
    assert refusal(data, SYNTAXES[vector["syntax"]], chunk).code == vector["code"]


# --- structure --------------------------------------------------------------------------------------------


def test_elements_of_every_kind_of_length(build: SimpleNamespace) -> None:
    inner = build.explicit(MODALITY, "CS", b"CT")
    data = (
        build.explicit(MODALITY, "CS", b"MR")
        + build.sequence(
            REFERENCED_IMAGES, build.item(inner), build.item(inner, open_ended=True), build.item()
        )
        + build.sequence(0x00082112, build.item(inner), open_ended=True)
        + build.explicit(0x00091010, "OB", b"\1\2")
        + build.explicit(ROWS, "US", b"\0\2")
    )
    found = parse(data, EXPLICIT)
    ct = {MODALITY: Element(MODALITY, "CS", b"CT")}
    assert found == {
        MODALITY: Element(MODALITY, "CS", b"MR"),
        REFERENCED_IMAGES: Element(REFERENCED_IMAGES, "SQ", (ct, ct, {})),
        0x00082112: Element(0x00082112, "SQ", (ct,)),
        0x00091010: Element(0x00091010, "OB", b"\1\2"),
        ROWS: Element(ROWS, "US", b"\0\2"),
    }


def test_implicit_vr_comes_from_the_dictionary(build: SimpleNamespace) -> None:
    data = (
        build.implicit(MODALITY, b"CT")
        + build.implicit(0x00091234, b"abcd")
        + build.implicit(0x00280103, b"\1\0")
        + build.implicit(0x00280106, b"\xff\xff")
        + build.implicit(0x60003000, b"\0\0")
    )
    found = parse(data, IMPLICIT)
    assert {tag: e.vr for tag, e in found.items()} == {
        MODALITY: "CS",
        0x00091234: "UN",
        0x00280103: "US",
        0x00280106: "SS",
        0x60003000: "OW",
    }


def test_private_vr_comes_with_its_creator(build: SimpleNamespace) -> None:
    data = build.implicit(0x00190010, b"GEMS_ACQU_01") + build.implicit(0x00191002, b"\1\0\0\0")
    found = parse(data, IMPLICIT)
    assert found[0x00190010].vr == "LO"
    assert found[0x00191002].vr == "SL"


def test_big_endian_values_become_little_endian(build: SimpleNamespace) -> None:
    data = build.explicit(ROWS, "US", b"\2\0", order=">") + build.explicit(
        0x00281201, "OW", b"\1\2\3\4", order=">"
    )
    found = parse(data, BIG)
    assert found[ROWS].value == b"\0\2"
    assert found[0x00281201].value == b"\2\1\4\3"


def test_un_of_undefined_length_is_an_implicit_sequence(build: SimpleNamespace) -> None:
    content = build.item(build.implicit(MODALITY, b"CT"))
    data = build.explicit(0x00091010, "UN", content, length=build.UNDEFINED) + build.implicit(0xFFFEE0DD)
    assert parse(data, EXPLICIT)[0x00091010] == Element(
        0x00091010, "SQ", ({MODALITY: Element(MODALITY, "CS", b"CT")},)
    )


def test_un_with_a_known_tag_gets_its_vr(build: SimpleNamespace) -> None:
    assert parse(build.explicit(PATIENT_ID, "UN", b"X1"), EXPLICIT)[PATIENT_ID].vr == "LO"


@pytest.mark.parametrize("head", ["explicit", "implicit"])
def test_the_first_element_tells_explicit_from_implicit(head: str, build: SimpleNamespace) -> None:
    data = build.explicit(MODALITY, "CS", b"CT") if head == "explicit" else build.implicit(MODALITY, b"CT")
    expected = {MODALITY: Element(MODALITY, "CS", b"CT")}
    assert parse(data, EXPLICIT) == parse(data, IMPLICIT) == expected


def test_unknown_vr_has_a_long_length(build: SimpleNamespace) -> None:
    data = b"\x09\0\x10\x10ZZ\0\0\4\0\0\0abcd" + build.explicit(PATIENT_ID, "LO", b"X1")
    found = parse(data, EXPLICIT)
    assert found[0x00091010] == Element(0x00091010, "UN", b"abcd")
    assert found[PATIENT_ID].value == b"X1"


def test_unknown_vr_where_a_length_is_reserved(build: SimpleNamespace) -> None:
    data = b"\x09\0\x10\x10ZZ\4\0abcd" + build.explicit(PATIENT_ID, "LO", b"X1")
    assert parse(data, EXPLICIT)[0x00091010] == Element(0x00091010, "UN", b"abcd")


def test_lut_data_of_one_entry_is_us(build: SimpleNamespace) -> None:
    for entries, vr in ((1, "US"), (2, "OW")):
        descriptor = build.implicit(0x00283002, bytes([entries, 0, 0, 0, 16, 0]))
        lut = build.implicit(0x00283006, b"\1\0" * entries)
        assert parse(descriptor + lut, IMPLICIT)[0x00283006].vr == vr


def test_settled_vr_of_a_big_endian_value(build: SimpleNamespace) -> None:
    data = build.explicit(0x00280103, "US", b"\0\1", order=">") + build.explicit(
        0x00280106, "UN", b"\xff\xfe", order=">"
    )
    assert parse(data, BIG)[0x00280106] == Element(0x00280106, "SS", b"\xfe\xff")


def test_big_endian_value_of_a_wrong_length_stays(build: SimpleNamespace) -> None:
    assert parse(build.explicit(ROWS, "US", b"\1\2\3", order=">"), BIG)[ROWS].value == b"\1\2\3"


def test_nested_encapsulated_icon_is_kept_whole(build: SimpleNamespace) -> None:
    fragments = build.item() + build.item(b"\xff\xd8\xff\xd9")
    icon = build.explicit(PIXELS, "OB", fragments, length=build.UNDEFINED) + build.implicit(0xFFFEE0DD)
    found = parse(build.sequence(0x00880200, build.item(icon)), EXPLICIT)
    assert found[0x00880200].value == ({PIXELS: Element(PIXELS, "OB", fragments)},)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_values_are_bytes_whatever_was_fed(kind: Any, build: SimpleNamespace) -> None:
    buffer = bytearray(build.explicit(MODALITY, "CS", b"CT"))
    parser = DatasetParser(EXPLICIT)
    parser.feed(kind(buffer))
    buffer[:] = bytes(len(buffer))
    parser.close()
    assert parser.elements == {MODALITY: Element(MODALITY, "CS", b"CT")}
    assert type(parser.elements[MODALITY].value) is bytes


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED], ids=["plain", "deflated"])
def test_views_in_chunks_of_any_size_are_read_alike(syntax: Any, size: int, build: SimpleNamespace) -> None:
    """A chunk that is pixels and nothing else is skipped uncopied; the walk has to end at the right byte."""
    data = build.explicit(MODALITY, "CS", b"CT") + build.explicit(PIXELS, "OW", bytes(3000))
    data += build.explicit(0xFFFCFFFC, "OB", bytes(56))
    stream = memoryview(deflate(data) if syntax is DEFLATED else data)
    parser = DatasetParser(syntax)
    for at in range(0, len(stream), size):
        parser.feed(stream[at : at + size])
    parser.close()
    assert set(parser.elements) == {MODALITY}


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 3072])
def test_a_byte_that_is_missing_is_missed_in_chunks_of_any_size(size: int, build: SimpleNamespace) -> None:
    data = memoryview(build.explicit(MODALITY, "CS", b"CT") + build.explicit(PIXELS, "OW", bytes(3000)))
    assert refusal(data[:-1], EXPLICIT, size).code == "truncated"


def test_odd_lengths_pass(build: SimpleNamespace) -> None:
    data = build.explicit(MODALITY, "CS", b"CTX") + build.explicit(PATIENT_ID, "LO", b"1")
    assert [e.value for e in parse(data, EXPLICIT).values()] == [b"CTX", b"1"]


# --- pixel data -------------------------------------------------------------------------------------------


def test_header_ends_at_pixel_data(build: SimpleNamespace) -> None:
    head = build.explicit(ROWS, "US", b"\2\0")
    parser = DatasetParser(EXPLICIT)
    parser.feed(head)
    assert not parser.header_complete
    parser.feed(build.explicit(PIXELS, "OW", bytes(6)) + build.explicit(0xFFFCFFFC, "OB", b"\0\0"))
    assert parser.header_complete
    parser.close()
    assert set(parser.elements) == {ROWS}
    assert parser.pixel_data is not None
    assert (parser.pixel_data.vr, parser.pixel_data.length) == ("OW", 6)
    assert parser.pixel_data_offset == len(head)
    assert parser.pixel_data.value_offset == len(head) + 12


def test_encapsulated_pixel_data_is_walked_to_its_delimiter(build: SimpleNamespace) -> None:
    fragments = build.item() + build.item(b"\xfe\xff\xdd\xe0\0\0\0\0") + build.implicit(0xFFFEE0DD)
    parser = DatasetParser(EXPLICIT)
    parser.feed(build.explicit(PIXELS, "OB", fragments, length=build.UNDEFINED))
    parser.close()
    assert parser.pixel_data is not None
    assert parser.pixel_data.length is None


def test_pixels_are_never_held(build: SimpleNamespace) -> None:
    chunk = bytes(1 << 16)
    parser = DatasetParser(EXPLICIT)
    parser.feed(build.explicit(PIXELS, "OW", length=len(chunk) * 1000))
    tracemalloc.start()
    for _ in range(1000):
        parser.feed(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    parser.close()
    assert peak < 1 << 16


# --- wanted -----------------------------------------------------------------------------------------------


def test_unwanted_values_are_skipped_without_buffering(build: SimpleNamespace) -> None:
    chunk = bytes(1 << 16)
    parser = DatasetParser(EXPLICIT, wanted=frozenset({PATIENT_ID}))
    parser.feed(build.explicit(0x00091010, "OB", length=len(chunk) * 1000))
    tracemalloc.start()
    for _ in range(1000):
        parser.feed(chunk)
    parser.feed(build.explicit(PATIENT_ID, "LO", b"X1"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    parser.close()
    assert parser.elements == {PATIENT_ID: Element(PATIENT_ID, "LO", b"X1")}
    assert peak < 1 << 16


def test_wanted_sequences_are_complete(build: SimpleNamespace) -> None:
    inner = build.item(build.explicit(MODALITY, "CS", b"CT"), open_ended=True)
    data = build.sequence(REFERENCED_IMAGES, inner, open_ended=True) + build.sequence(
        0x00082112, inner, open_ended=True
    )
    found = parse(data, EXPLICIT, wanted=frozenset({0x00082112}))
    assert found == {0x00082112: Element(0x00082112, "SQ", ({MODALITY: Element(MODALITY, "CS", b"CT")},))}


# --- limits -----------------------------------------------------------------------------------------------


def test_long_binary_values_stay_in_the_file(build: SimpleNamespace) -> None:
    head = build.explicit(MODALITY, "CS", b"DOC ")
    data = head + build.explicit(0x00420011, "OB", bytes(100)) + build.explicit(0x00420012, "LO", b"text")
    found = parse(data, EXPLICIT, Limits(value_bytes=99))
    assert found[0x00420011].value == Bulk(len(head) + 12, 100)
    assert found[0x00420012].value == b"text"


@pytest.mark.parametrize("size", [0x10000000, 0x7FFFFFFF, 0xFFFFFFFE])
@pytest.mark.parametrize("vr", ["OB", "UT", "UN", "SQ", "OW", "UC"])
def test_forged_lengths_allocate_nothing(vr: str, size: int, build: SimpleNamespace) -> None:
    data = build.explicit(0x00091010, vr, bytes(32), length=size)
    tracemalloc.start()
    refusal(data, EXPLICIT, 1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("open_ended", [True, False])
def test_depth_bomb(open_ended: bool, build: SimpleNamespace) -> None:
    if open_ended:
        level = build.explicit(REFERENCED_IMAGES, "SQ", length=build.UNDEFINED) + build.implicit(
            0xFFFEE000, length=build.UNDEFINED
        )
        data = level * 100_000
    else:
        left = range(100_000, 0, -1)
        data = b"".join(
            build.explicit(REFERENCED_IMAGES, "SQ", length=20 * n - 12)
            + build.implicit(0xFFFEE000, length=20 * n - 20)
            for n in left
        )
    assert refusal(data, EXPLICIT, len(data)).code == "depth"


def test_depth_within_the_limit(build: SimpleNamespace) -> None:
    data = build.explicit(MODALITY, "CS", b"CT")
    for _ in range(4):
        data = build.sequence(REFERENCED_IMAGES, build.item(data, open_ended=True), open_ended=True)
    assert parse(data, EXPLICIT, Limits(depth=4))
    assert refusal(data, EXPLICIT, 5, Limits(depth=3)).code == "depth"


def test_unwanted_depth_is_limited_too(build: SimpleNamespace) -> None:
    level = build.explicit(REFERENCED_IMAGES, "SQ", length=build.UNDEFINED) + build.implicit(
        0xFFFEE000, length=build.UNDEFINED
    )
    assert refusal(level * 1000, EXPLICIT, 4096, wanted=frozenset()).code == "depth"


def test_element_count_bomb(build: SimpleNamespace) -> None:
    many = b"".join(build.explicit(0x00090000 + n, "CS") for n in range(0x1010, 0x1110))
    assert refusal(many, EXPLICIT, 1 << 20, Limits(elements=255)).code == "elements"
    assert len(parse(many, EXPLICIT, Limits(elements=256))) == 256


def test_item_count_bomb(build: SimpleNamespace) -> None:
    data = build.sequence(REFERENCED_IMAGES, *[build.item()] * 300)
    assert refusal(data, EXPLICIT, 64, Limits(elements=300)).code == "elements"
    # One sequence and 300 items.
    assert parse(data, EXPLICIT, Limits(elements=301))


def test_what_is_not_kept_costs_no_header_bytes(build: SimpleNamespace) -> None:
    items = [build.item(build.explicit(MODALITY, "CS", b"CT"))] * 500
    data = build.sequence(REFERENCED_IMAGES, *items, open_ended=True)
    assert parse(data, EXPLICIT, Limits(header_bytes=1000), frozenset({PATIENT_ID})) == {}
    assert refusal(data, EXPLICIT, 1 << 20, Limits(header_bytes=1000)).code == "header-bytes"


@pytest.mark.parametrize("content", ["elements", "items"])
def test_memory_of_the_worst_header(content: str, build: SimpleNamespace) -> None:
    """Tens of thousands of the smallest things there are stay within what Limits promise."""
    if content == "items":
        data = build.explicit(REFERENCED_IMAGES, "SQ", length=build.UNDEFINED) + build.item() * 50_000
    else:
        data = b"".join(build.implicit(0x00080001 + 0x10000 * (n >> 15) + n % 32768) for n in range(50_000))
    limits = Limits(header_bytes=8 << 20)
    tracemalloc.start()
    error = refusal(data, EXPLICIT if content == "items" else IMPLICIT, 1 << 16, limits)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.code == "header-bytes"
    assert peak < 2 * limits.header_bytes


def test_header_bytes(build: SimpleNamespace) -> None:
    data = build.explicit(0x00091010, "UT", bytes(5000)) + build.explicit(0x00091011, "UT", bytes(5000))
    assert refusal(data, EXPLICIT, 100, Limits(header_bytes=8000)).code == "header-bytes"


def test_fragment_bomb(build: SimpleNamespace) -> None:
    data = build.explicit(PIXELS, "OB", build.item() * 200, length=build.UNDEFINED)
    assert refusal(data, EXPLICIT, 1 << 20, Limits(fragments=100)).code == "fragments"


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def test_deflated(build: SimpleNamespace) -> None:
    data = build.explicit(PATIENT_ID, "LO", b"X1") + build.explicit(PIXELS, "OW", bytes(1 << 20))
    for end in (b"", b"\0"):  # PS3.5 A.5: padded to even length
        parser = DatasetParser(DEFLATED)
        parser.feed(deflate(data) + end)
        parser.close()
        assert parser.elements[PATIENT_ID].value == b"X1"


def test_deflate_bomb(build: SimpleNamespace) -> None:
    size = 48 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(build.explicit(PIXELS, "OW", length=size))
    packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
    assert size / len(packed) > 900
    tracemalloc.start()
    error = refusal(packed, DEFLATED, len(packed))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.code == "inflate-ratio"
    assert peak < 4 << 20


# --- properties -------------------------------------------------------------------------------------------


@given(data=st.binary(max_size=400), name=st.sampled_from(sorted(SYNTAXES)), chunk=st.integers(1, 50))
def test_noise_is_parsed_or_refused(data: bytes, name: str, chunk: int) -> None:
    assert outcome(data, name, chunk) == outcome(data, name, len(data) or 1)


def outcome(data: bytes, name: str, chunk: int) -> Any:
    parser = DatasetParser(SYNTAXES[name])
    try:
        for at in range(0, len(data), chunk):
            parser.feed(data[at : at + chunk])
        parser.close()
    except (MalformedDataSet, LimitExceeded) as error:
        return error.code
    return parser.elements


tags = st.integers(0x00080001, 0x7FDFFFFF).filter(lambda tag: tag & 0xFFFF > 0xFF)
values = st.binary(max_size=40)
leaves = st.dictionaries(tags, st.tuples(st.sampled_from(["LO", "OB", "UT", "FD"]), values), max_size=4)
trees = st.recursive(
    leaves, lambda inner: st.dictionaries(tags, st.lists(inner, max_size=3), max_size=3), max_leaves=12
)


@given(tree=trees, open_ended=st.booleans(), chunk=st.integers(1, 64))
def test_what_is_written_is_read(tree: dict[int, Any], open_ended: bool, chunk: int, build: Any) -> None:
    data = encode(tree, open_ended, build)
    parser = DatasetParser(EXPLICIT)
    for at in range(0, len(data), chunk):
        parser.feed(data[at : at + chunk])
    parser.close()
    assert decode(parser.elements) == tree


def encode(tree: dict[int, Any], open_ended: bool, build: Any) -> bytes:
    out = b""
    for tag, content in sorted(tree.items()):
        if isinstance(content, list):
            items = [build.item(encode(item, open_ended, build), open_ended=open_ended) for item in content]
            out += build.sequence(tag, *items, open_ended=open_ended)
        else:
            out += build.explicit(tag, *content)
    return out


def decode(elements: dict[int, Element]) -> dict[int, Any]:
    return {
        tag: [decode(item) for item in e.value] if isinstance(e.value, tuple) else (e.vr, e.value)
        for tag, e in elements.items()
    }
