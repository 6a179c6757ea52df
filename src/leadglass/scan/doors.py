"""Observations by the port they are about. A door is one port of one address, and all that was seen of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from leadglass.scan.addresses import in_bytes
from leadglass.scan.observation import Observation, Outcome, Value
from leadglass.scan.words import About

_OK = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """An observation and its index among those that were given: what a proof refers to."""

    index: int
    what: Observation

    @property
    def outcome(self) -> Outcome:
        return self.what.outcome

    def said(self, name: str) -> Value | None:
        return self.what.said.get(name)

    def sent(self, name: str) -> Value | None:
        return self.what.sent.get(name)

    def number(self, name: str) -> int:
        """What was said as a number; 0 for nothing."""
        value = self.what.said.get(name)
        return value if isinstance(value, int) else 0

    def text(self, name: str) -> str:
        value = self.what.said.get(name)
        return value if isinstance(value, str) else ""

    def uids(self, name: str = "accepted") -> frozenset[str]:
        value = self.what.said.get(name)
        return frozenset(str(each) for each in value) if isinstance(value, tuple) else frozenset()


@dataclass(frozen=True, slots=True)
class Door:
    """`by_probe`: the same as `seen`, for looking up. Rules look for the same again and again."""

    address: str
    port: int
    seen: tuple[Seen, ...]
    by_probe: Mapping[str, tuple[Seen, ...]]
    _found: dict[tuple[str, ...], tuple[Seen, ...]] = field(default_factory=dict, repr=False, compare=False)

    def of(self, *probes: str) -> tuple[Seen, ...]:
        """By probe in the order asked for, each in the order seen."""
        if len(probes) == 1:
            return self.by_probe.get(probes[0], ())
        found = self._found.get(probes)
        if found is None:
            found = tuple(each for probe in probes for each in self.by_probe.get(probe, ()))
            self._found[probes] = found
        return found

    def http(self, *about: About) -> tuple[Seen, ...]:
        """HTTP responses to requests about that, or to any."""
        seen = self.by_probe.get("http")
        if seen is None:  # as at most ports
            return ()
        return tuple(
            each
            for each in seen
            if each.outcome is Outcome.RESPONDED and (not about or each.sent("about") in about)
        )

    def marker(self, seen: Seen) -> str:
        """The product that a page shows; '' where it may just say again for what it was asked, as pages do
        that say what was not found."""
        marker = seen.text("marker")
        if not _repeats(seen):
            return marker
        return marker if seen.said("status") == _OK and not self._finds_everything() else ""

    def _finds_everything(self) -> bool:
        """Whatever it is asked for, it has a page, with that name on it."""
        answered = self.http()
        names = {each.text("marker") for each in answered if _repeats(each)}
        return len(names) > 1 and all(each.said("status") == _OK for each in answered)

    def first(self, fits: Callable[[Seen], bool], *probes: str) -> Seen | None:
        return next((each for each in self.of(*probes) if fits(each)), None)


def _repeats(seen: Seen) -> bool:
    marker = seen.text("marker")
    return bool(marker) and marker in str(seen.sent("path")).lower()


def doors(observations: Sequence[Observation]) -> tuple[Door, ...]:
    """By address, then port; within a door in the order given."""
    found: dict[tuple[str, int], list[Seen]] = {}
    for index, what in enumerate(observations):
        found.setdefault((what.address, what.port), []).append(Seen(index, what))
    return tuple(_door(*key, found[key]) for key in sorted(found, key=_order))


def _door(address: str, port: int, seen: list[Seen]) -> Door:
    by_probe: dict[str, list[Seen]] = {}
    for each in seen:
        by_probe.setdefault(each.what.probe, []).append(each)
    return Door(address, port, tuple(seen), {probe: tuple(each) for probe, each in by_probe.items()})


def hosts(all_doors: Sequence[Door]) -> Iterator[tuple[str, tuple[Door, ...]]]:
    """Doors of one address together, addresses in the order given."""
    by_address: dict[str, list[Door]] = {}
    for door in all_doors:
        by_address.setdefault(door.address, []).append(door)
    for address, mine in by_address.items():
        yield address, tuple(mine)


def _order(key: tuple[str, int]) -> tuple[bool, bytes, int]:
    return *in_bytes(key[0]), key[1]
