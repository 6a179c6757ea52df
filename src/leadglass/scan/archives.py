"""Archives as they are counted: each once, behind however many ports, doors and addresses it stands.

Two doors lead to one archive when they count the same: exactly as many studies, told by the same program. At
one address any count will do. At several it takes more, as among hundreds of archives many hold as much: the
same answers (their mark, where one run has counted both), a second figure (images, people), one certificate,
or a number that is no chance. A certificate alone is a hint: hosts of one organisation share them.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from leadglass.scan.doors import Door, Seen, doors, hosts
from leadglass.scan.doubts import Doubt, DoubtKind, Reason, Target, Weight, suspects
from leadglass.scan.doubts_port import about_address, about_port
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.rules import ASSOCIATIONS, is_exact
from leadglass.scan.rules_web import statistics, told_counts

NO_CHANCE: Final = 50  # studies at two addresses, from which on the same number is none, if more agrees
ALONE: Final = 4096  # studies from which on it is none by itself; a mark is of so many at most
_DRIFT: Final = 1_000  # one study in so many may have come meanwhile
_SOON: Final = 3_600_000  # ms between two counts that may drift
_WEB: Final = ("", "")  # no program: a web server tells none that a DICOM port would tell too


@dataclass(frozen=True, slots=True)
class Archive:
    """What one archive holds, the best count of its doors. `exact`: else "at least". `decided_by`: index of
    the observation that says so. `apart`: likely no archive at all, not to be summed up."""

    doors: tuple[Target, ...]
    studies: int
    exact: bool
    images: int | None
    people: int | None
    decided_by: int
    apart: bool


@dataclass(frozen=True, slots=True)
class _Count:
    target: Target
    seen: Seen
    studies: int
    exact: bool
    images: int | None
    people: int | None
    program: tuple[str, str]
    certificates: frozenset[str]
    mark: str = ""

    @property
    def order(self) -> tuple[int, int]:
        return self.studies, self.seen.index


def doubts(observations: Sequence[Observation]) -> tuple[Doubt, ...]:
    """All that may be doubted, in the order of addresses and ports; duplicates last."""
    return doubts_at(doors(observations))


def doubts_at(all_doors: Sequence[Door]) -> tuple[Doubt, ...]:
    """The same, of doors."""
    found: list[Doubt] = []
    for _, mine in hosts(all_doors):
        for door in mine:
            found += about_port(door)
        found += about_address(mine)
    return (*found, *_duplicates(all_doors))


def archives(observations: Sequence[Observation], held: Sequence[Doubt]) -> tuple[Archive, ...]:
    """Every archive whose studies were counted. `held`: `doubts` of the same observations that stand."""
    return archives_at(doors(observations), held)


def archives_at(all_doors: Sequence[Door], held: Sequence[Doubt]) -> tuple[Archive, ...]:
    """The same, of doors."""
    counts = {each.target: each for each in _counts(all_doors)}
    same = _Groups(counts)
    for doubt in held:
        if doubt.kind is DoubtKind.DUPLICATE and doubt.weight >= Weight.LIKELY:
            same.join(*(target for target in doubt.targets if target in counts))
    apart = suspects(held)
    return tuple(_archive([counts[target] for target in group], apart) for group in same.groups())


def _archive(counts: list[_Count], apart: Collection[Target]) -> Archive:
    """An exact count is the best, else the largest: all are lower bounds."""
    best = max(counts, key=lambda each: (each.exact, *each.order))
    images = [each.images for each in counts if each.images is not None]
    people = [each.people for each in counts if each.people is not None]
    return Archive(
        tuple(each.target for each in counts),
        best.studies,
        best.exact,
        max(images, default=None),
        max(people, default=None),
        best.seen.index,
        all(each.target in apart for each in counts),
    )


# --- counts ----------------------------------------------------------------------------------------------


def _counts(all_doors: Iterable[Door]) -> Iterator[_Count]:
    for door in all_doors:
        told = max(_told(door), key=lambda each: (each.exact, *each.order), default=None)
        if told is not None:
            yield told


def _told(door: Door) -> Iterator[_Count]:
    target, certificates = Target(door.address, door.port), _certificates(door)
    for seen in door.of("count"):
        if "studies" in seen.what.said:
            exact = is_exact(door, seen)
            images, people = _positive(seen, "images"), _positive(seen, "people")
            program = _program(door)
            studies, mark = seen.number("studies"), seen.text("mark")
            yield _Count(target, seen, studies, exact, images, people, program, certificates, mark)
    for seen in told_counts(door):
        yield _Count(target, seen, seen.number("count"), True, None, None, _WEB, certificates)
    stated = statistics(door)
    if stated:
        seen, by_name = stated
        images, people = by_name["instances"], by_name["patients"]
        yield _Count(target, seen, by_name["studies"], True, images, people, _WEB, certificates)


def _positive(seen: Seen, name: str) -> int | None:
    return seen.number(name) or None


def _program(door: Door) -> tuple[str, str]:
    seen = door.first(lambda s: s.outcome is Outcome.ACCEPTED, *ASSOCIATIONS)
    if seen is None:
        return _WEB
    return seen.text("implementation_class_uid"), seen.text("implementation_version_name")


def _certificates(door: Door) -> frozenset[str]:
    return frozenset(s.text("certificate") for s in door.of("tls") if s.text("certificate"))


# --- duplicates ------------------------------------------------------------------------------------------


def _duplicates(all_doors: Sequence[Door]) -> Iterator[Doubt]:
    """Of n doors to one archive n - 1 doubts, each with the archive's first door, not one for each pair."""
    counts = [each for each in _counts(all_doors) if each.exact and each.studies]
    by_number: dict[int, list[_Count]] = {}
    for each in counts:
        by_number.setdefault(each.studies, []).append(each)
    for same in by_number.values():
        yield from _same_count(same)
    yield from _nearly_same(counts)
    yield from _shared_certificates(all_doors, counts)


def _same_count(same: Iterable[_Count]) -> Iterator[Doubt]:
    """Each joins the first that it may be the same as; a door that joins none begins an archive."""
    firsts: dict[Hashable, _Count] = {}
    for each in same:
        first = next((firsts[sign] for sign in _looks_for(each) if sign in firsts), None)
        if first is not None:
            yield _duplicate(first, each)
        for sign in _signs(each):
            firsts.setdefault(sign, first or each)


def _signs(count: _Count) -> Iterator[Hashable]:
    """What others who count the same may know it by."""
    address = count.target.address
    yield "web" if count.program == _WEB else "dicom", address
    yield "program", address, count.program
    yield from _elsewhere(count)


def _looks_for(count: _Count) -> Iterator[Hashable]:
    """A web server tells no program; two DICOM ports of one archive tell the same."""
    address = count.target.address
    yield "program", address, count.program
    yield "dicom" if count.program == _WEB else "web", address
    yield from _elsewhere(count)


def _elsewhere(count: _Count) -> Iterator[Hashable]:
    """What can be no chance at two addresses."""
    if count.mark:
        yield "mark", count.mark
    if count.studies < NO_CHANCE:
        return
    for certificate in sorted(count.certificates):
        yield "certificate", certificate
    if count.program != _WEB:
        if count.studies > ALONE:
            yield "program", count.program
        if count.images and count.people:
            yield "figures", count.program, count.images, count.people


def _duplicate(first: _Count, other: _Count) -> Doubt:
    figures = ((first.images, other.images), (first.people, other.people))
    agree = any(mine is not None and mine == yours for mine, yours in figures)
    reason = (
        Reason.SAME_STUDIES if first.mark and first.mark == other.mark
        else Reason.SAME_FIGURES if agree
        else Reason.SAME_CERTIFICATE if first.certificates & other.certificates
        else Reason.SAME_COUNT
    )  # fmt: skip
    return _pair(first, other, reason, Weight.LIKELY if reason is Reason.SAME_COUNT else Weight.CERTAIN)


def _pair(first: _Count, other: _Count, reason: Reason, weight: Weight) -> Doubt:
    return Doubt(
        DoubtKind.DUPLICATE,
        reason,
        weight,
        (first.target, other.target),
        (first.seen.index, other.seen.index),
        {
            "studies": other.studies,
            "seconds": abs(first.seen.what.at - other.seen.what.at) // 1000,
            "elsewhere": first.target.address != other.target.address,
        },
    )


def _nearly_same(counts: Iterable[_Count]) -> Iterator[Doubt]:
    """At one address, within an hour, with a few studies more: an archive at work."""
    ordered = sorted(counts, key=lambda each: (each.target.address, each.studies, each.target.port))
    for less, more in pairwise(ordered):
        apart = abs(less.seen.what.at - more.seen.what.at)
        drifted = 0 < more.studies - less.studies <= less.studies // _DRIFT
        if less.target.address == more.target.address and drifted and apart <= _SOON:
            first, other = sorted((less, more), key=lambda each: each.target)
            yield _pair(first, other, Reason.NEARLY_SAME_COUNT, Weight.LIKELY)


def _shared_certificates(all_doors: Iterable[Door], counts: Iterable[_Count]) -> Iterator[Doubt]:
    """One certificate, and nothing counted that would tell: doors of one host, or hosts that share it."""
    counted = {each.target for each in counts}
    firsts: dict[str, tuple[Target, Seen]] = {}
    for door in all_doors:
        target = Target(door.address, door.port)
        for seen in door.of("tls"):
            certificate = seen.text("certificate")
            first, of_first = firsts.setdefault(certificate, (target, seen))
            if certificate and first != target and not {first, target} <= counted:
                kind, reason = DoubtKind.DUPLICATE, Reason.SAME_CERTIFICATE
                elsewhere = first.address != target.address
                evidence = (of_first.index, seen.index)
                yield Doubt(kind, reason, Weight.HINT, (first, target), evidence, {"elsewhere": elsewhere})
                break


class _Groups:
    """Targets that belong together (a forest of sets, each under its first)."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._under = {target: target for target in targets}

    def join(self, *targets: Target) -> None:
        roots = sorted(self._root(target) for target in targets)
        for root in roots[1:]:
            self._under[root] = roots[0]

    def groups(self) -> tuple[tuple[Target, ...], ...]:
        found: dict[Target, list[Target]] = {}
        for target in self._under:
            found.setdefault(self._root(target), []).append(target)
        return tuple(map(tuple, found.values()))

    def _root(self, target: Target) -> Target:
        while self._under[target] != target:
            self._under[target] = self._under[self._under[target]]
            target = self._under[target]
        return target
