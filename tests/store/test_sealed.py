from __future__ import annotations

import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadglass.errors import BrokenInvariant, LimitExceeded, Tampered
from leadglass.store import sealed as sealed_module
from leadglass.store.sealed import HEADER, ROOM, SEGMENT, TAG, SealedReader, SealingWriter, sealed_size

KEY = bytes(range(32))
NAME = b"0123456789abcdef0123456789abcdef"
FIRST = ROOM - HEADER  # plaintext bytes that fill segment 0
PATTERN = bytes(range(251)) * (4 * SEGMENT // 251 + 1)
BOUNDARIES = [0, 1, *(FIRST + n * ROOM + d for n in (0, 1, 2) for d in (-1, 0, 1))]
VECTORS = json.loads((Path(__file__).parents[1] / "vectors/store/sealed.json").read_text())["vectors"]

sizes = st.one_of(st.sampled_from(BOUNDARIES), st.integers(0, 3 * SEGMENT))


def plaintext(size: int) -> bytes:
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


@pytest.mark.parametrize("size", [*BOUNDARIES, 5_000_000])
def test_tink_opens_what_we_seal_and_we_open_what_tink_seals(size, tink_with, ours_with):
    theirs, ours, plain = tink_with(KEY), ours_with(KEY), plaintext(size)
    assert theirs.open(ours.seal(plain, NAME), NAME) == plain
    assert ours.open(theirs.seal(plain, NAME), NAME) == plain


@settings(max_examples=40, deadline=None)
@given(key=st.binary(min_size=32, max_size=32), name=st.binary(max_size=40), size=sizes, data=st.data())
def test_tink_agrees_on_any_key_name_and_size(key, name, size, data, tink_with, ours_with):
    plain = plaintext(size)
    step = data.draw(st.integers(1, size + 1).filter(lambda step: size // step < 500))
    assert tink_with(key).open(ours_with(key).seal(plain, name, step), name) == plain
    assert ours_with(key).open(tink_with(key).seal(plain, name), name) == plain


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["plain_size"]))
def test_the_same_header_gives_the_very_bytes_tink_wrote(vector):
    header, out = bytes.fromhex(vector["header"])[1:], bytearray()
    draws = iter((header[:32], header[32:]))
    writer = SealingWriter(
        out.extend,
        bytes.fromhex(vector["key"]),
        vector["associated_data"].encode(),
        random=lambda _: next(draws),
    )
    writer.write(plaintext(vector["plain_size"]))
    writer.finish()
    assert hashlib.sha256(out).hexdigest() == vector["sealed_sha256"]
    assert len(out) == vector["sealed_size"] == sealed_size(vector["plain_size"])
    assert vector.get("sealed", out.hex()) == out.hex()


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_the_size_of_the_pieces_does_not_matter(step, ours_with):
    ours, plain = ours_with(KEY), plaintext(FIRST + 10 if step > 1 else 3000)
    assert ours.open(ours.seal(plain, NAME, step), NAME) == plain


@given(sizes)
def test_sealed_size_is_what_the_writer_makes(size):
    lengths: list[int] = []
    writer = SealingWriter(lambda sealed: lengths.append(len(sealed)), KEY, NAME)
    writer.write(plaintext(size))
    writer.finish()
    assert sum(lengths) == sealed_size(size) == writer.sealed_size
    assert all(length == SEGMENT for length in lengths[:-1])


def test_an_equal_object_seals_differently_each_time(ours_with):
    assert ours_with(KEY).seal(b"image", NAME) != ours_with(KEY).seal(b"image", NAME)


# Reading by range


@pytest.fixture(scope="module")
def three_segments(ours_with):
    plain = plaintext(2 * SEGMENT + 5000)
    return plain, ours_with(KEY).reader(ours_with(KEY).seal(plain, NAME), NAME)


edges = st.one_of(
    st.integers(0, 2 * SEGMENT + 9000), st.sampled_from([0, FIRST - 1, FIRST, FIRST + 1, FIRST + ROOM])
)


@given(offset=edges, length=edges)
def test_a_read_is_the_slice(offset, length, three_segments):
    plain, reader = three_segments
    assert reader.size == len(plain)
    assert reader.read(offset, length) == plain[offset : offset + length]


@given(start=edges, end=st.one_of(st.none(), edges))
def test_the_chunks_together_are_the_range(start, end, three_segments):
    plain, reader = three_segments
    chunks = list(reader.chunks(start, end))
    assert b"".join(chunks) == plain[start:end]
    assert all(0 < len(chunk) <= ROOM for chunk in chunks)


def test_a_range_before_the_object_is_our_bug(three_segments):
    with pytest.raises(BrokenInvariant):
        three_segments[1].read(-1, 10)


def test_a_range_reads_only_the_segments_it_touches(ours_with):
    sealed, asked = ours_with(KEY).seal(plaintext(40 * ROOM), NAME), []

    def pread(offset: int, size: int) -> bytes:
        asked.append(offset)
        return sealed[offset : offset + size]

    reader = SealedReader(pread, len(sealed), KEY, NAME)
    asked.clear()
    reader.read(7 * ROOM, 64 * 1024)
    reader.read(7 * ROOM + 100, 100)
    assert asked == [7 * SEGMENT]


def test_memory_is_bounded_by_a_few_segments():
    piece, kept = plaintext(1024 * 1024), bytearray(sealed_size(32 * 1024 * 1024))
    tracemalloc.start()
    try:
        position = 0

        def sink(sealed: memoryview) -> None:
            nonlocal position
            kept[position : position + len(sealed)] = sealed
            position += len(sealed)

        writer = SealingWriter(sink, KEY, NAME)
        for _ in range(32):
            writer.write(piece)
        writer.finish()
        view = memoryview(kept)
        reader = SealedReader(lambda at, size: bytes(view[at : at + size]), len(kept), KEY, NAME)
        assert sum(len(chunk) for chunk in reader.chunks()) == 32 * 1024 * 1024
        assert tracemalloc.get_traced_memory()[1] < 10 * SEGMENT
    finally:
        tracemalloc.stop()


# Altered objects: Tampered, and before it nothing but true bytes


def opened_until_tampered(ours, plain: bytes, sealed: bytes, name: bytes = NAME) -> None:
    """Everything read before the alteration is noticed is true, and it is noticed."""
    served = bytearray()

    def serve() -> None:
        for chunk in ours.reader(sealed, name).chunks():
            served.extend(chunk)

    with pytest.raises(Tampered):
        serve()
    assert served == plain[: len(served)]


def test_any_flipped_bit_of_a_small_object(ours_with):
    ours, plain = ours_with(KEY), b"a radiograph"
    sealed = ours.seal(plain, NAME)
    for bit in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        opened_until_tampered(ours, plain, bytes(altered))


@pytest.fixture(scope="module")
def large(ours_with):
    plain = plaintext(3 * SEGMENT)
    return plain, ours_with(KEY).seal(plain, NAME)


@given(data=st.data())
def test_any_flipped_bit_of_a_large_object(data, large, ours_with):
    plain, sealed = large
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    altered = bytearray(sealed)
    altered[bit // 8] ^= 1 << bit % 8
    opened_until_tampered(ours_with(KEY), plain, bytes(altered))


@given(data=st.data())
def test_truncation_anywhere_is_noticed_before_the_first_byte(data, large, ours_with):
    _, sealed = large
    cut = data.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises(Tampered):
        ours_with(KEY).reader(sealed[:cut], NAME)


@pytest.mark.parametrize("segments", [0, 1, 2, 3])
@pytest.mark.parametrize("more", [-1, 0, 1, TAG, TAG + 1])
def test_truncation_at_and_beside_a_segment_boundary(segments, more, large, ours_with):
    _, sealed = large
    with pytest.raises(Tampered):
        ours_with(KEY).reader(sealed[: max(0, segments * SEGMENT + more)], NAME)


SWAPS = {
    "first and second": (1, 0, 2, 3),
    "second and third": (0, 2, 1, 3),
    "last and first": (3, 1, 2, 0),
    "one twice": (0, 1, 1, 3),
    "one dropped": (0, 2, 3),
    "last twice": (0, 1, 2, 3, 3),
}


@pytest.mark.parametrize("order", SWAPS.values(), ids=SWAPS.keys())
def test_segments_in_another_order(order, large, ours_with):
    plain, sealed = large
    segments = [sealed[start : start + SEGMENT] for start in range(0, len(sealed), SEGMENT)]
    opened_until_tampered(ours_with(KEY), plain, b"".join(segments[place] for place in order))


@pytest.mark.parametrize("extra", [1, TAG, TAG + 1, SEGMENT, 2 * SEGMENT])
@pytest.mark.parametrize("size", [0, 5, FIRST, FIRST + ROOM])
def test_trailing_bytes(extra, size, ours_with):
    sealed = ours_with(KEY).seal(plaintext(size), NAME)
    with pytest.raises(Tampered):
        ours_with(KEY).reader(sealed + bytes(extra), NAME)


@pytest.mark.parametrize("size", [0, 5, FIRST + 5])
def test_another_objects_name_or_key(size, ours_with):
    sealed = ours_with(KEY).seal(plaintext(size), NAME)
    with pytest.raises(Tampered):
        ours_with(KEY).reader(sealed, NAME[::-1])
    with pytest.raises(Tampered):
        ours_with(KEY[::-1]).reader(sealed, NAME)


def test_segments_of_another_object_under_the_same_key(large, ours_with):
    plain, sealed = large
    other = ours_with(KEY).seal(plain, NAME)
    opened_until_tampered(ours_with(KEY), plain, sealed[:SEGMENT] + other[SEGMENT:])
    opened_until_tampered(ours_with(KEY), plain, other[:HEADER] + sealed[HEADER:])


def test_what_is_served_before_an_alteration_is_noticed_is_not_nothing(large, ours_with):
    _, sealed = large
    altered = bytearray(sealed)
    altered[2 * SEGMENT] ^= 1
    chunks = ours_with(KEY).reader(bytes(altered), NAME).chunks()
    assert len(next(chunks)) == FIRST  # so the check above compares something


def test_an_object_that_shrinks_while_it_is_read(large, ours_with):
    plain, sealed = large
    left = bytearray(sealed)
    reader = SealedReader(lambda at, size: bytes(left[at : at + size]), len(sealed), KEY, NAME)
    chunks = reader.chunks()
    assert next(chunks) == plain[:FIRST]
    del left[SEGMENT + 100 :]
    with pytest.raises(Tampered):
        next(chunks)


def test_a_finished_object_takes_no_more(ours_with):
    writer = SealingWriter(lambda _: None, KEY, NAME)
    writer.finish()
    with pytest.raises(BrokenInvariant):
        writer.write(b"more")
    with pytest.raises(BrokenInvariant):
        writer.finish()


def test_a_short_key_is_our_bug():
    with pytest.raises(BrokenInvariant):
        SealingWriter(lambda _: None, KEY[:16], NAME)


def test_the_nonce_counter_never_wraps(monkeypatch):
    monkeypatch.setattr(sealed_module, "MAX_SEGMENTS", 2)  # the real one takes 512 TiB
    writer = SealingWriter(lambda _: None, KEY, NAME)
    writer.write(plaintext(FIRST + ROOM + 1))
    with pytest.raises(LimitExceeded):
        writer.finish()
