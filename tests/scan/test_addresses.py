"""Sets of addresses against Python's own."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import Violation
from leadglass.scan.addresses import (
    AddressSet,
    Range,
    all_private,
    in_bytes,
    is_private,
    network_24,
    overlap,
    range_of,
)

SMALL = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(
    lambda each: Range(4, each[0], each[0] + each[1])
)


def members(ranges: list[Range]) -> set[int]:
    return {number for each in ranges for number in range(each.first, each.last + 1)}


@given(st.lists(SMALL), st.lists(SMALL))
def test_union_difference_order_and_membership(some: list[Range], others: list[Range]) -> None:
    found, without = AddressSet.of(some), AddressSet.of(some).without(AddressSet.of(others))
    expected = sorted(members(some))
    assert [found[at] for at in range(found.size)] == [str(ip_address(number)) for number in expected]
    assert [int(ip_address(without[at])) for at in range(without.size)] == sorted(
        members(some) - members(others)
    )
    for number in range(60):
        assert (str(ip_address(number)) in found) == (number in members(some))
    with pytest.raises(IndexError):
        found[found.size]


@given(st.lists(SMALL))
def test_overlap_is_found_where_there_is_one(some: list[Range]) -> None:
    pair = overlap(some)
    assert (pair is not None) == (sum(each.size for each in some) > len(members(some)))


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.0/24",
        "192.0.2.7",
        "192.0.2.10-192.0.2.20",
        " 192.0.2.1 - 192.0.2.2 ",
        "2001:db8::/120",
        "::1",
    ],
)
def test_ranges_that_are_read(text: str) -> None:
    assert AddressSet.of([range_of(text)]).size >= 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.0.2.7/24",
        "192.0.2.300",
        "192.0.2.9-192.0.2.1",
        "192.0.2.1-::1",
        "pacs",
        "192.0.2.1/33",
        "1-2-3",
        "::ffff:192.0.2.7",
        "::ffff:192.0.2.0/120",
        "::/0",
    ],
)
def test_ranges_that_are_none(text: str) -> None:
    with pytest.raises(Violation) as caught:
        range_of(text)
    assert caught.value.code == "range"


@pytest.mark.parametrize(
    ("address", "private"),
    [("127.3.2.1", True), ("10.0.0.1", True), ("172.31.0.1", True), ("192.168.1.1", True), ("fd00::1", True),
     ("::1", True), ("8.8.8.8", False), ("172.32.0.1", False), ("2a00::1", False), ("0.0.0.0", False),
     ("fe80::1", True), ("169.254.1.1", True), ("192.0.2.7", False), ("2001:db8::7", False), ("198.18.0.1", False),
     ("100.64.0.1", False), ("240.0.0.1", False), ("255.255.255.255", False)],
)  # fmt: skip
def test_what_the_internet_does_not_reach(address: str, private: bool) -> None:
    assert is_private(address) is private
    assert all_private([range_of(address)]) is private


def test_a_range_that_is_private_in_part_is_not_private() -> None:
    assert not all_private([range_of("10.255.255.0-11.0.0.1")])


def test_networks_for_rates() -> None:
    assert network_24("192.0.2.7") == network_24("192.0.2.200") != network_24("192.0.3.7")
    assert network_24("2001:db8::1") == network_24("2001:db8::ffff") != network_24("2001:db8:0:1::1")


@pytest.mark.parametrize(
    "address", ["fe80::1%\x1b[31m", "fe80::1%a b", "fe80::1%" + "a" * 33, "fe80::1%\u00fc"]
)
def test_zones_are_words(address: str) -> None:
    with pytest.raises(Violation):
        range_of(address)
    with pytest.raises(ValueError):
        in_bytes(address)
    assert in_bytes("fe80::1%br-7") == in_bytes("fe80::1")
