"""Sets of IP addresses as a few ranges: what a scope allows, however much it is."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network, summarize_address_range
from itertools import accumulate, pairwise
from socket import AF_INET, AF_INET6, inet_pton

from leadglass.errors import Violation

Address = IPv4Address | IPv6Address
# Python takes anything for a zone, and addresses are shown (RFC 4007 11.2).
_ZONED = re.compile(r"[^%]*(%[A-Za-z0-9_.-]{1,32})?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """From `first` to `last`, both included, as (version, number)."""

    version: int
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def networks(self) -> list[str]:
        """The CIDR networks that it consists of."""
        first, last = _address(self.version, self.first), _address(self.version, self.last)
        return list(map(str, summarize_address_range(first, last)))

    def __str__(self) -> str:
        first, last = _address(self.version, self.first), _address(self.version, self.last)
        return str(first) if first == last else f"{first}-{last}"


@dataclass(frozen=True, slots=True)
class AddressSet:
    """Addresses in their order, without overlap. `set[i]` is the i-th of them."""

    ranges: tuple[Range, ...] = ()
    _ends: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _begins: tuple[tuple[int, int], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", tuple(accumulate(each.size for each in self.ranges)))
        object.__setattr__(self, "_begins", tuple((each.version, each.first) for each in self.ranges))

    @classmethod
    def of(cls, ranges: Iterable[Range]) -> AddressSet:
        """The union. Ranges that touch or overlap become one."""
        merged: list[Range] = []
        for each in sorted(ranges):
            if merged and merged[-1].version == each.version and each.first <= merged[-1].last + 1:
                last = max(merged[-1].last, each.last)
                merged[-1] = Range(each.version, merged[-1].first, last)
            else:
                merged.append(each)
        return cls(tuple(merged))

    def __len__(self) -> int:
        """Raises OverflowError beyond what a list could hold: `size` does not."""
        return self.size

    @property
    def size(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number: int) -> str:
        at = bisect_right(self._ends, number)
        if number < 0 or at == len(self.ranges):
            raise IndexError(number)
        each = self.ranges[at]
        return str(_address(each.version, each.last - (self._ends[at] - 1 - number)))

    def __contains__(self, address: object) -> bool:
        try:
            is_v6, number = in_bytes(str(address))
        except ValueError:
            return False
        return self._at(6 if is_v6 else 4, int.from_bytes(number)) is not None

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def covers(self, each: Range) -> bool:
        """Whether every address of the range is in the set."""
        within = self._at(each.version, each.first)
        return within is not None and each.last <= within.last

    def without(self, other: AddressSet) -> AddressSet:
        left = list(self.ranges)
        for hole in other.ranges:
            left = [rest for each in left for rest in _cut(each, hole)]
        return AddressSet(tuple(left))

    def _at(self, version: int, number: int) -> Range | None:
        at = bisect_right(self._begins, (version, number)) - 1
        if at >= 0 and self.ranges[at].version == version and number <= self.ranges[at].last:
            return self.ranges[at]
        return None


def range_of(text: str) -> Range:
    """`192.0.2.7`, `192.0.2.0/24`, `192.0.2.10-192.0.2.20`, the same in IPv6. Violation for anything else.

    A network with bits behind its mask is a typing mistake: one of the two numbers is not what was meant. An
    IPv4 address as IPv6 has it (::ffff:192.0.2.7) would be the same host under a second name, on one list and
    not on the other.
    """
    found = _range(text)
    if found is not None and not _mapped(found):
        return found
    raise Violation(
        f"{_shown(text)} is no range of addresses. Write 192.0.2.7, 192.0.2.0/24 or 192.0.2.10-192.0.2.20; "
        "a network begins at its first address.",
        code="range",
    )


def _range(text: str) -> Range | None:
    first, dash, last = (part.strip() for part in text.partition("-"))
    if not (_ZONED.fullmatch(first) and _ZONED.fullmatch(last)):
        return None
    try:
        if dash:
            lower, upper = ip_address(first), ip_address(last)
            if lower.version == upper.version and int(lower) <= int(upper):
                return Range(lower.version, int(lower), int(upper))
            return None
        network = ip_network(first)
    except ValueError:
        return None
    return Range(network.version, int(network[0]), int(network[-1]))


def _mapped(each: Range) -> bool:
    return each.version == 6 and each.first <= _MAPPED.last and _MAPPED.first <= each.last


def overlap(ranges: Iterable[Range]) -> tuple[Range, Range] | None:
    """Two of them that share an address, or None."""
    ordered = sorted(ranges)
    for one, other in pairwise(ordered):
        if one.version == other.version and other.first <= one.last:
            return one, other
    return None


def is_private(address: str) -> bool:
    """Not to be reached from the internet: loopback, link-local, RFC 1918, RFC 4193. What `ipaddress` calls
    private is more, such as test networks, and depends on the version of Python."""
    return address in _PRIVATE


def all_private(ranges: Iterable[Range]) -> bool:
    return all(_PRIVATE.covers(each) for each in ranges)


def in_bytes(address: str) -> tuple[bool, bytes]:
    """Whether it is IPv6, and its bytes: in this order addresses are in theirs. ValueError for none.

    For those that come by the ten thousand: `ipaddress` takes ten times as long.
    """
    is_v6 = ":" in address
    try:
        return is_v6, inet_pton(AF_INET6 if is_v6 else AF_INET, address)
    except OSError:
        if not _ZONED.fullmatch(address):
            raise ValueError from None
        return is_v6, ip_address(address).packed  # with a zone, or none at all


def network_24(address: str) -> str:
    """A word for the /24 an address is counted with when rates are kept; for IPv6 its /64."""
    if ":" in address:
        return str(ip_network((address, 64), strict=False))
    return address.rpartition(".")[0]  # once for every connection: ipaddress would cost ten times as much


def in_order(addresses: Iterable[str]) -> Iterator[str]:
    """Each once, IPv4 first, by number."""
    found = {ip_address(each) for each in addresses}
    return map(str, sorted(found, key=lambda each: (each.version, int(each))))


_MAPPED = Range(6, 0xFFFF_0000_0000, 0xFFFF_FFFF_FFFF)  # ::ffff:0:0/96 (RFC 4291 2.5.5.2)
_PRIVATE = AddressSet.of(
    range_of(network)
    for network in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


def _address(version: int, number: int) -> Address:
    return IPv4Address(number) if version == 4 else IPv6Address(number)


def _cut(each: Range, hole: Range) -> Iterator[Range]:
    if each.version != hole.version or hole.last < each.first or hole.first > each.last:
        yield each
        return
    if each.first < hole.first:
        yield Range(each.version, each.first, hole.first - 1)
    if hole.last < each.last:
        yield Range(each.version, hole.last + 1, each.last)


def _shown(text: str) -> str:
    return repr(text[:64])
