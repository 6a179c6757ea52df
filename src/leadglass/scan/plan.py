"""What a survey goes through, in which order: a scope once its names and lists have been read.

The order is a walk with long strides: hosts of one network are asked far apart, and any part of the walk is a
sample of the whole, which makes an estimate of the rest honest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from types import MappingProxyType
from typing import Any, Final

from leadglass.errors import Violation
from leadglass.scan.addresses import AddressSet, Range, range_of
from leadglass.scan.ports import MOST_PORTS, port_of

BLOCK: Final = 256  # hosts that are done or not done together
_GOLDEN: Final = 0.6180339887498949


@dataclass(frozen=True)
class Plan:
    """`addresses` at `ports`, and `singles`: hosts with ports of their own, none of them in `addresses`."""

    addresses: AddressSet
    ports: tuple[int, ...]
    singles: tuple[tuple[str, tuple[int, ...]], ...] = ()
    titles: tuple[tuple[str, tuple[str, ...]], ...] = ()  # AE titles that an inventory knows, by address

    @property
    def hosts(self) -> int:
        return self.addresses.size + len(self.singles)

    @property
    def blocks(self) -> int:
        return -(-self.hosts // BLOCK)

    @property
    def endpoints(self) -> int:
        return self.addresses.size * len(self.ports) + sum(len(ports) for _, ports in self.singles)

    def holds(self, address: str, port: int) -> bool:
        """Whether that port is gone through."""
        own = dict(self.singles).get(address)
        return port in own if own is not None else address in self.addresses and port in self.ports

    def block(self, number: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The hosts of one block, each with its ports."""
        total = self.hosts
        for at in range(number * BLOCK, min((number + 1) * BLOCK, total)):
            place = at * self._stride % total
            if place < len(self.singles):
                yield self.singles[place]
            else:
                yield self.addresses[place - len(self.singles)], self.ports

    @cached_property
    def _stride(self) -> int:
        """About 0.618 of them all, with no divisor in common, so that the walk meets each once."""
        total = self.hosts
        stride = max(1, int(total * _GOLDEN))
        while gcd(stride, total) != 1:
            stride += 1
        return stride

    def to_json(self) -> dict[str, Any]:
        return {
            "ranges": [str(each) for each in self.addresses.ranges],
            "ports": list(self.ports),
            "singles": [[address, list(ports)] for address, ports in self.singles],
            "titles": [[address, list(titles)] for address, titles in self.titles],
        }

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Plan:
        """What `to_json` gave. Violation for anything else."""
        try:
            return cls(
                AddressSet.of(range_of(str(text)) for text in members["ranges"]),
                tuple(port_of(each) for each in members["ports"]),
                tuple((str(each), tuple(map(port_of, ports))) for each, ports in members["singles"]),
                tuple((str(each), tuple(map(str, titles))) for each, titles in members["titles"]),
            )
        except (KeyError, TypeError, ValueError):
            raise Violation("That is no plan of a survey.", code="plan") from None


def plan(
    ranges: AddressSet,
    ports: tuple[int, ...],
    hosts: Iterable[tuple[str, tuple[int, ...] | None]],
    avoid: AddressSet,
    titles: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Plan:
    """Each host once. One that is named with ports is asked at these, and at `ports` too if a range or a name
    without ports holds it; what is on the do-not-probe list is in no plan."""
    wanted: dict[str, dict[int, None]] = {}
    for address, own in hosts:
        if address not in avoid:
            ask = wanted.setdefault(address, {})
            ask.update(dict.fromkeys(ports if own is None or address in ranges else own))
            ask.update(dict.fromkeys(own or ()))
    for address, ask in wanted.items():
        if len(ask) > MOST_PORTS:
            raise Violation(f"At most {MOST_PORTS} ports of one host: {address} has more.", code="ports")
    singles = tuple((address, tuple(ask)) for address, ask in wanted.items())
    rest = ranges.without(avoid).without(AddressSet.of(_one(address) for address in wanted))
    return Plan(rest, ports, singles, tuple(titles.items()))


def _one(address: str) -> Range:
    return range_of(address)
