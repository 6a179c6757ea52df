"""The reader's bounds and the path that images take: headers checked, bytes handed on, nothing kept."""

from __future__ import annotations

import tracemalloc

import pytest

from leadglass.errors import BrokenInvariant, ProtocolViolation
from leadglass.ul.pdu import PDV, PDataTF, ReleaseRQ
from leadglass.ul.wire import Fragment, PduReader, UlLimits, p_data

LIMITS = UlLimits(control_pdu=1000, p_data_pdu=500)


def fragments(reader: PduReader, data: bytes) -> list[Fragment]:
    found = list(reader.feed(data))
    assert all(isinstance(each, Fragment) for each in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("kind", "length", "taken"),
    [
        (4, 0, False),
        (4, 1, False),
        (4, 5, False),
        (4, 6, True),
        (4, 499, True),
        (4, 500, True),
        (4, 501, False),
        (4, 0xFFFFFFF0, False),
        (4, 0xFFFFFFFF, False),
        (1, 0, False),
        (1, 67, False),
        (1, 68, True),
        (1, 1000, True),
        (1, 1001, False),
        (1, 0xFFFFFFF0, False),
        (2, 1000, True),
        (2, 1001, False),
        (3, 3, False),
        (3, 4, True),
        (3, 5, False),
        (5, 5, False),
        (6, 0, False),
        (7, 0xFFFFFFF0, False),
    ],
)
def test_a_length_is_judged_by_the_header_alone(kind: int, length: int, taken: bool) -> None:
    reader = PduReader(LIMITS)
    head = bytes((kind, 0)) + length.to_bytes(4, "big")
    assert list(reader.feed(head[:5])) == []
    if taken:
        assert list(reader.feed(head[5:])) == []
    else:
        with pytest.raises(ProtocolViolation) as raised:
            list(reader.feed(head[5:]))
        assert raised.value.code == "pdu-length"


def test_the_limit_of_data_can_be_set_when_it_is_advertised() -> None:
    reader = PduReader(LIMITS)
    reader.p_data_limit = 600
    assert list(reader.feed(b"\4\0" + (600).to_bytes(4, "big"))) == []


def test_fragments_are_slices_of_what_was_fed() -> None:
    chunk = p_data(1, False, True, 10) + b"0123456789" + ReleaseRQ().encode()
    reader = PduReader(LIMITS)
    fragment, release = reader.feed(chunk)
    assert isinstance(fragment, Fragment)
    assert fragment.data.obj is chunk
    assert fragment == Fragment(1, False, True, memoryview(b"0123456789"))
    assert release == ReleaseRQ()


def test_last_is_said_with_the_last_bytes_only() -> None:
    data = p_data(3, True, True, 5) + b"abcde"
    reader = PduReader(LIMITS)
    found = [*fragments(reader, data[:14]), *fragments(reader, data[14:16]), *fragments(reader, data[16:])]
    assert [(f.is_last, bytes(f.data)) for f in found] == [(False, b"ab"), (False, b"cd"), (True, b"e")]
    assert {f.context_id for f in found} == {3} and all(f.is_command for f in found)


def test_an_empty_pdv_is_a_fragment_of_no_bytes() -> None:
    found = fragments(
        PduReader(LIMITS), PDataTF((PDV(1, False, False, b""), PDV(1, False, True, b""))).encode()
    )
    assert [(f.is_last, bytes(f.data)) for f in found] == [(False, b""), (True, b"")]


def test_an_empty_pdv_comes_with_its_header() -> None:
    """It does not wait for the next byte, which may never come."""
    reader = PduReader(LIMITS)
    data = PDataTF((PDV(1, False, True, b""),)).encode()
    assert fragments(reader, data[:-1]) == []
    assert len(fragments(reader, data[-1:])) == 1


def test_a_large_pdu_is_never_held() -> None:
    """64 MiB in one PDU, fed in pieces: the reader keeps a header."""
    size = 64 << 20
    reader = PduReader(UlLimits(p_data_pdu=size + 6))
    piece = bytes(1 << 16)
    assert fragments(reader, p_data(1, False, True, size)) == []
    tracemalloc.start()
    try:
        taken = sum(len(f.data) for _ in range(size // len(piece)) for f in reader.feed(piece))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken == size
    assert peak < 100_000


def test_a_control_pdu_holds_what_came_and_no_more() -> None:
    """A header that announces the longest A-ASSOCIATE-RQ does not make room for it."""
    reader = PduReader(UlLimits(control_pdu=64 << 20))
    tracemalloc.start()
    try:
        list(reader.feed(b"\1\0" + (64 << 20).to_bytes(4, "big") + bytes(100)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000


def test_what_is_written_is_read() -> None:
    for is_command in (False, True):
        for is_last in (False, True):
            [found] = fragments(PduReader(LIMITS), p_data(255, is_command, is_last, 3) + b"abc")
            assert found == Fragment(255, is_command, is_last, memoryview(b"abc"))
    assert p_data(1, True, True, 3) + b"abc" == PDataTF((PDV(1, True, True, b"abc"),)).encode()


@pytest.mark.parametrize(("context_id", "length"), [(0, 1), (256, 1), (-1, 1), (1, -1), (1, 0xFFFFFFFF)])
def test_a_header_that_cannot_be_is_our_bug(context_id: int, length: int) -> None:
    with pytest.raises(BrokenInvariant):
        p_data(context_id, False, True, length)
