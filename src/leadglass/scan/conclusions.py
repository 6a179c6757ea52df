"""What a survey comes to: hosts with their verdicts, findings and grades, and the network as a whole.

Made anew from the observations whenever it is shown. What is likely no archive, and nobody overruled that, is
taken out of the grade of the network and of its sums; it is shown all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from leadglass.scan.addresses import in_bytes, is_private
from leadglass.scan.archives import Archive, archives_at, doubts_at
from leadglass.scan.constituency import Constituency, Owner
from leadglass.scan.doors import Door, doors
from leadglass.scan.doubts import Doubt, Target, standing, suspects
from leadglass.scan.findings import Finding, findings_at
from leadglass.scan.fingerprint import Identity, identify
from leadglass.scan.grade import Graded, NetworkGrade, grade, network
from leadglass.scan.observation import Level, Observation
from leadglass.scan.rules import is_exact
from leadglass.scan.rules_web import orthanc, statistics, told_counts
from leadglass.scan.verdict import HostVerdict, PortVerdict, host_verdict


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted, at one port or in all. `exact`: no more and no less; else at least. The figures that
    `least` names are "at least" by themselves."""

    studies: int
    exact: bool
    images: int | None = None
    people: int | None = None
    undated: int | None = None
    least: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Port:
    """One port that was asked. `proof` of its findings: indices into its host's observations. `calls_itself`:
    its Implementation Version Name, as the peer wrote it."""

    verdict: PortVerdict
    graded: Graded  # as if its host had no other port
    findings: tuple[Finding, ...]
    identities: tuple[Identity, ...]
    count: Count | None
    identifiers: tuple[str, ...]  # kinds that have values
    calls_itself: str = ""

    @property
    def port(self) -> int:
        return self.verdict.port

    @property
    def program(self) -> str:
        """What runs there; what it calls itself where nobody knows that name; '' for nothing."""
        known = dict.fromkeys(each.name for each in self.identities)
        return ", ".join(known) or (f"calls itself {self.calls_itself}" if self.calls_itself else "")


@dataclass(frozen=True, slots=True)
class Host:
    address: str
    verdict: HostVerdict
    graded: Graded
    ports: tuple[Port, ...]
    observations: tuple[Observation, ...]
    owner: Owner | None = None

    @property
    def level(self) -> Level:
        return self.verdict.level

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(each for port in self.ports for each in port.findings)


@dataclass(frozen=True, slots=True)
class Network:
    """All hosts that answered, in the order of addresses. `doubts`: all, overruled or not; their evidence is
    indices into the observations of all hosts, in order. `apart`: addresses that do not count.
    `levels`: with how many hosts a stranger got how far; `archives`: each counted once."""

    hosts: tuple[Host, ...]
    grade: NetworkGrade
    doubts: tuple[Doubt, ...]
    apart: frozenset[str]
    archives: tuple[Archive, ...]
    levels: Mapping[Level, int]
    products: Mapping[str, int]

    @property
    def total(self) -> Count | None:
        """Of all archives that count; None when nothing was counted.

        The same person may be in two archives, and nobody is known from one to the other: of several there
        are at least as many people as in the one with the most.
        """
        counted = [each for each in self.archives if not each.apart]
        if not counted:
            return None
        holding = [each for each in counted if each.studies]
        images = [each.images for each in holding if each.images is not None]
        people = [each.people for each in holding if each.people is not None]
        least = {"images"} if 0 < len(images) < len(holding) else set()
        least |= {"people"} if people and len(holding) > 1 else set()
        return Count(
            sum(each.studies for each in counted),
            all(each.exact for each in counted),
            sum(images) if images else None,
            max(people, default=None),
            least=frozenset(least),
        )


def conclude(
    seen: Iterable[tuple[str, Sequence[Observation]]],
    constituency: Constituency | None = None,
    overruled: Collection[str] = (),
) -> Network:
    """`seen`: observations by host; `overruled`: keys of doubts that a person has overruled."""
    owners = constituency or Constituency()
    mine = sorted(((each, tuple(what)) for each, what in seen if what), key=lambda each: in_bytes(each[0]))
    hosts = tuple(_host(address, what, owners.owner(address)) for address, what in mine)
    whole = [each for _, what in mine for each in what]
    all_doors = doors(whole)
    held = doubts_at(all_doors)
    standing_now = standing(held, overruled)
    apart = _apart(hosts, suspects(standing_now))
    counted = [host for host in hosts if host.address not in apart]
    return Network(
        hosts,
        network((host.graded for host in hosts), apart),
        held,
        apart,
        archives_at(all_doors, standing_now),
        Counter(host.level for host in counted),
        Counter(name for host in counted for name in products(host)),
    )


def products(host: Host) -> Iterator[str]:
    """What runs there, each once; a toolkit where the product is not known."""
    yield from {identity.name: None for port in host.ports for identity in port.identities}


def _apart(hosts: Iterable[Host], suspected: frozenset[Target]) -> frozenset[str]:
    """Hosts of which no open port is above suspicion."""
    return frozenset(
        host.address
        for host in hosts
        if (open_ports := [port for port in host.ports if port.graded.grade is not None])
        and all(Target(host.address, port.port) in suspected for port in open_ports)
    )


def _host(address: str, mine: tuple[Observation, ...], owner: Owner | None) -> Host:
    my_doors, private = doors(mine), is_private(address)
    verdict = host_verdict(address, my_doors)
    ports = tuple(
        _port(door, port, tuple(findings_at(door, is_private=private)))
        for door, port in zip(my_doors, verdict.ports, strict=True)
    )
    found = [each for port in ports for each in port.findings]
    return Host(address, verdict, grade(verdict, found), ports, mine, owner)


def _port(door: Door, verdict: PortVerdict, found: tuple[Finding, ...]) -> Port:
    alone = HostVerdict(
        door.address, verdict.verdict, verdict.level, verdict.port, verdict.decided_by, (verdict,)
    )
    kinds = _kinds([each.what for each in door.of("identifiers")])
    named = next((name for each in door.seen if (name := each.text("implementation_version_name"))), "")
    return Port(verdict, grade(alone, found), found, identify(door), _count(door), kinds, named)


def _count(door: Door) -> Count | None:
    """The one that came furthest; else what a web server says of itself in numbers."""
    told = [seen for seen in door.of("count") if "studies" in seen.what.said]
    if not told:
        return _web_count(door)
    best = max(told, key=lambda seen: (seen.number("studies"), is_exact(door, seen)))
    said = best.what.said
    images, people, undated = (_number(said, name) for name in ("images", "people", "undated"))
    return Count(best.number("studies"), is_exact(door, best), images, people, undated)


def _web_count(door: Door) -> Count | None:
    if orthanc(door) and (found := statistics(door)):
        numbers = found[1]
        return Count(numbers["studies"], True, numbers["instances"], numbers["patients"])
    told = [each.number("count") for each in told_counts(door)]
    return Count(max(told), True) if told else None


def _number(said: Mapping[str, object], name: str) -> int | None:
    value = said.get(name)
    return value if isinstance(value, int) else None


def _kinds(seen: Sequence[Observation]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for each in seen:
        kinds = each.said.get("kinds")
        if isinstance(kinds, tuple):
            found.update(dict.fromkeys(map(str, kinds)))
    return tuple(found)
