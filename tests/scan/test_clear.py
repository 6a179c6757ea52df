"""What is seen of a handshake before it is encrypted."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.scan.clear import Clear

CERTIFICATE = b"\x30\x03\x02\x01\x2a"


def record(body: bytes, kind: int = 22) -> bytes:
    return struct.pack(">BHH", kind, 0x0303, len(body)) + body


def said(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def chain(*certificates: bytes) -> bytes:
    inner = b"".join(len(each).to_bytes(3, "big") + each for each in certificates)
    return said(11, len(inner).to_bytes(3, "big") + inner)


HELLO, ASKS, DONE = said(2, bytes(70)), said(13, b"\1\1\0\0"), said(14, b"")
SERVER = HELLO + chain(CERTIFICATE, b"another") + ASKS + DONE


def heard(data: bytes, cut: int = 1 << 20) -> Clear:
    clear = Clear(1 << 16)
    for at in range(0, len(data), cut):
        clear.feed(data[at : at + cut])
    return clear


@given(st.integers(1, 200), st.integers(1, 200))
def test_however_it_is_cut(records: int, chunks: int) -> None:
    data = b"".join(record(SERVER[at : at + records]) for at in range(0, len(SERVER), records))
    clear = heard(data, chunks)
    assert (clear.certificate, clear.asks_certificate) == (CERTIFICATE, True)


def test_who_asks_for_none_shows_its_own_all_the_same() -> None:
    clear = heard(record(HELLO + chain(CERTIFICATE) + DONE))
    assert (clear.certificate, clear.asks_certificate) == (CERTIFICATE, False)


@pytest.mark.parametrize(
    "data",
    [b"", record(b"\2\x28", 21), record(b"", 20), record(chain()), record(said(11, b"")), b"HTTP/1.1 400",
     record(HELLO) + record(b"\1", 20) + record(chain(CERTIFICATE))],
)  # fmt: skip
def test_nothing_is_made_of_what_says_nothing(data: bytes) -> None:
    clear = heard(data)
    assert not clear.certificate and not clear.asks_certificate


def test_no_more_is_held_than_is_allowed() -> None:
    clear = Clear(1000)
    for _ in range(100):
        clear.feed(record(said(11, b"")[:1] + b"\xff\xff\xff" + bytes(500)))
    assert len(clear._messages) + len(clear._records) < 2000


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    heard(record(data) + data)
