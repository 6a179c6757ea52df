"""Those who do not keep to the rules: what they send, seen by a bare socket with a limit."""

from __future__ import annotations

import struct

import pytest
from estate.faults import SCRIPTS
from estate.starting import Playing
from estate_stranger import ECHO, REQUEST, associated, at, heard

ENOUGH = 1 << 20


def asked(zoo: Playing, kind: str, most: int, *, asks: bytes = REQUEST) -> tuple[bytes, bool]:
    return heard(*at(zoo, kind), most, asks)


@pytest.mark.parametrize(
    "kind", ["four-gigabytes", "long-data", "endless-command", "empty-fragments", "unasked-responses"]
)
def test_it_does_not_end(zoo: Playing, kind: str) -> None:
    got, ended = asked(zoo, kind, ENOUGH)
    assert len(got) == ENOUGH and not ended
    assert got[0] == 2


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("ssh", b"SSH-2.0-"),
        ("smtp", b"220 "),
        ("ftp", b"220 "),
        ("telnet", b"\xff\xfd"),
        ("http-only", b"HTTP/1.1 400"),
        ("tls-alert", b"\x15\x03"),
        ("tls-stalls", b"\x16\x03"),
        ("mirror", REQUEST[:10]),
        ("aborts", b"\x07\x00"),
        ("torn", b"\x02\x00"),
        ("half-answer", b"\x02\x00"),
        ("foreign-context", b"\x02\x00"),
        ("foreign-syntax", b"\x02\x00"),
    ],
)
def test_it_says_something_else(zoo: Playing, kind: str, begins: bytes) -> None:
    got, _ = asked(zoo, kind, len(begins))
    assert got == begins


def test_an_answer_of_four_gigabytes(zoo: Playing) -> None:
    got, _ = asked(zoo, "four-gigabytes", 6)
    assert struct.unpack(">BxI", got) == (2, 0xFFFFFFF0)


def test_half_an_answer_is_not_the_whole(zoo: Playing) -> None:
    got, ended = asked(zoo, "half-answer", ENOUGH)
    assert not ended and len(got) < 6 + struct.unpack_from(">I", got, 2)[0]


@pytest.mark.parametrize(
    ("kind", "ends"), [("mute", False), ("hangs-up", True), ("hangs-up-when-asked", True)]
)
def test_it_says_nothing(zoo: Playing, kind: str, ends: bool) -> None:
    assert asked(zoo, kind, 1) == (b"", ends)


def test_the_tarpit_begins_the_right_answer_and_takes_its_time(zoo: Playing) -> None:
    got, ended = asked(zoo, "tarpit", 1)
    assert got == b"\x02" and not ended


def test_garbage_is_none_of_the_seven_pdus(zoo: Playing) -> None:
    got, ended = asked(zoo, "garbage", ENOUGH)
    assert ended and len(got) == 512 and got[0] not in range(1, 8)


@pytest.mark.parametrize("kind", sorted(SCRIPTS))
def test_noise_does_it_no_harm(zoo: Playing, kind: str) -> None:
    asked(zoo, kind, 0, asks=b"\x01\x00\x00\x00\x00\x02??GET / HTTP/1.1\r\n\r\n")
    address, port = zoo.port("open")
    with associated(address, port["port"], ECHO) as found:
        assert found.send_c_echo().Status == 0
