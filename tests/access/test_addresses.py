from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.access.addresses import (
    LOOPBACK,
    MOST_NETWORKS,
    Place,
    admits,
    are_loopback,
    host_of,
    networks_of,
    parse_place,
    title_of,
)
from leadglass.errors import Violation


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("CT1", Place("CT1")),
        (" CT 1 ", Place("CT 1")),
        ("CT1@192.0.2.7", Place("CT1", "192.0.2.7")),
        ("CT1@192.0.2.7:104", Place("CT1", "192.0.2.7", 104)),
        ("CT1@ct1.example.org:65535", Place("CT1", "ct1.example.org", 65535)),
        ("CT1@2001:db8::7", Place("CT1", "2001:db8::7")),
        ("CT1@::1", Place("CT1", "::1")),
        ("CT1@[2001:db8::7]", Place("CT1", "2001:db8::7")),
        ("CT1@[2001:db8::7]:104", Place("CT1", "2001:db8::7", 104)),
        ("CT1@192.0.2.0/28", Place("CT1", "192.0.2.0/28")),
        ("CT1@192.0.2.7,2001:db8::7", Place("CT1", "192.0.2.7,2001:db8::7")),
        ("CT1@2001:db8::/64", Place("CT1", "2001:db8::/64")),
        ("A@B@192.0.2.7:104", Place("A@B", "192.0.2.7", 104)),
    ],
)
def test_places(text: str, place: Place) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "@192.0.2.7", "SEVENTEEN_LETTERS", "CT\\1", "CT\n1", "CT\x001", "CT1é", "CT1@", "CT1@:104",
        "CT1@192.0.2.7:0", "CT1@192.0.2.7:65536", "CT1@192.0.2.7:", "CT1@192.0.2.7:x", "CT1@[]:104",
        "CT1@[::1", "CT1@192.0.2.7:1:2z", "CT1@192.0.2.7:１０４",
    ],
)  # fmt: skip
def test_no_places(text: str) -> None:
    with pytest.raises(Violation):
        parse_place(text)


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_place_or_a_violation(text: str) -> None:
    try:
        place = parse_place(text)
    except Violation:
        return
    assert title_of(place.title) == place.title
    assert place.port is None or 0 < place.port < 65536


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("192.0.2.7", ("192.0.2.7",)),
        ("192.0.2.7/32", ("192.0.2.7",)),
        ("192.0.2.0/28,192.0.2.7, 192.0.2.7", ("192.0.2.0/28", "192.0.2.7")),
        ("2001:DB8:0::7", ("2001:db8::7",)),
        ("localhost", LOOPBACK),
        ("10.0.16.0/20", ("10.0.16.0/20",)),
        ("2001:db8::/64", ("2001:db8::/64",)),
    ],
)
def test_networks(text: str, networks: tuple[str, ...]) -> None:
    assert networks_of(text) == networks


@pytest.mark.parametrize(
    "text",
    [
        "", "ct1.example.org", "192.0.2.7,", "0.0.0.0", "::", "0.0.0.0/0", "::/0", "10.0.0.0/8", "10.0.0.0/19",
        "2001:db8::/63", "192.0.2.7/28", "224.0.0.1", "ff02::1", "192.0.2.300", "127.1", "0x7f000001",
        ",".join(["192.0.2.7"] * (MOST_NETWORKS + 1)),
    ],
)  # fmt: skip
def test_what_names_nobody_in_particular_is_refused(text: str) -> None:
    with pytest.raises(Violation):
        networks_of(text)


@pytest.mark.parametrize(
    ("networks", "address", "inside"),
    [
        (("192.0.2.7",), "192.0.2.7", True),
        (("192.0.2.7",), "::ffff:192.0.2.7", True),  # an IPv4 peer at a socket for both
        (("192.0.2.7",), "192.0.2.8", False),
        (("192.0.2.0/28",), "192.0.2.15", True),
        (("192.0.2.0/28",), "192.0.2.16", False),
        (("2001:db8::/64",), "2001:db8::1:2", True),
        (("2001:db8::/64",), "2001:db8:0:1::2", False),
        (("fe80::1",), "fe80::1%eth0", True),
        (LOOPBACK, "127.0.0.1", True),
        (LOOPBACK, "::1", True),
        (LOOPBACK, "127.0.0.2", False),
        (LOOPBACK, "192.0.2.7", False),
        (LOOPBACK, "", False),
        (LOOPBACK, "localhost", False),
        ((), "127.0.0.1", False),
    ],
)
def test_who_is_inside(networks: tuple[str, ...], address: str, inside: bool) -> None:
    assert admits(networks, address) is inside


def test_loopback_is_all_or_nothing() -> None:
    assert are_loopback(LOOPBACK)
    assert are_loopback(networks_of("127.0.0.0/24"))
    assert not are_loopback((*LOOPBACK, "192.0.2.7"))


@pytest.mark.parametrize("text", ["192.0.2.7", "2001:db8::7", "ct1", "ct-1.example.org", "ct_1", "localhost"])
def test_hosts(text: str) -> None:
    assert host_of(text) == text


@pytest.mark.parametrize("text", ["", "a b", "-a", "a-", "a/b", "192.0.2.0/28", "a,b", "x" * 254])
def test_no_hosts(text: str) -> None:
    with pytest.raises(Violation):
        host_of(text)
