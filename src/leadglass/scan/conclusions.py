"""What a survey comes to: hosts with their verdicts, findings and grades, and the network as a whole.

Made anew from the observations whenever it is shown. Doubts of a host that nobody has overruled take it
out of the network's grade and out of its sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from leadglass.scan.addresses import is_private
from leadglass.scan.constituency import Constituency, Owner
from leadglass.scan.doors import Door, doors
from leadglass.scan.findings import Finding, findings
from leadglass.scan.fingerprint import Identity, identify
from leadglass.scan.grade import Graded, NetworkGrade, grade, network
from leadglass.scan.observation import Level, Observation
from leadglass.scan.rules_web import orthanc, statistics
from leadglass.scan.verdict import HostVerdict, PortVerdict, verdicts
from leadglass.scan.words import About


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted at one port. `exact`: no more and no less; else at least."""

    studies: int
    exact: bool
    images: int | None = None
    people: int | None = None
    undated: int | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """One port that answered something. `proof` of its findings: indices into its host's observations."""

    verdict: PortVerdict
    graded: Graded  # as if its host had no other port
    findings: tuple[Finding, ...]
    identities: tuple[Identity, ...]
    count: Count | None
    identifiers: tuple[str, ...]  # kinds that have values

    @property
    def port(self) -> int:
        return self.verdict.port


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
    """All hosts of a survey, in the order of addresses; `levels`: with how many a stranger got how far."""

    hosts: tuple[Host, ...]
    grade: NetworkGrade
    levels: Mapping[Level, int] = field(default_factory=dict)
    products: Mapping[str, int] = field(default_factory=dict)


def conclude(
    seen: Iterable[tuple[str, Sequence[Observation]]],
    constituency: Constituency | None = None,
    apart: frozenset[str] = frozenset(),
) -> Network:
    """`seen`: observations by host; `apart`: addresses that do not count, as honeypots do not."""
    owners = constituency or Constituency()
    found = [_host(address, tuple(mine), owners.owner(address)) for address, mine in seen if mine]
    found.sort(key=lambda host: _in_order(host.address))
    counted = [host for host in found if host.address not in apart]
    return Network(
        tuple(found),
        network((host.graded for host in found), apart),
        Counter(host.level for host in counted),
        Counter(name for host in counted for name in products(host)),
    )


def products(host: Host) -> Iterator[str]:
    """What runs there, each once; a toolkit where the product is not known."""
    names = {identity.name: identity for port in host.ports for identity in port.identities}
    yield from names


def _host(address: str, mine: tuple[Observation, ...], owner: Owner | None) -> Host:
    (verdict,) = verdicts(mine)
    found = findings(mine, is_private=is_private(address))
    by_port = {each.port: each for each in verdict.ports}
    ports = tuple(
        _port(door, by_port[door.port], tuple(each for each in found if each.port == door.port))
        for door in doors(mine)
    )
    return Host(address, verdict, grade(verdict, found), ports, mine, owner)


def _port(door: Door, verdict: PortVerdict, found: tuple[Finding, ...]) -> Port:
    alone = HostVerdict(
        door.address, verdict.verdict, verdict.level, verdict.port, verdict.decided_by, (verdict,)
    )
    return Port(
        verdict,
        grade(alone, found),
        found,
        identify(door),
        _count(door),
        _kinds([each.what for each in door.of("identifiers")]),
    )


def _count(door: Door) -> Count | None:
    """The one that came furthest; else what a web server says of itself in numbers."""
    told = [each.what.said for each in door.of("count") if "studies" in each.what.said]
    if not told:
        return _web_count(door)
    best = max(told, key=lambda said: (_number(said, "studies") or 0, said.get("exact") is True))
    return Count(
        _number(best, "studies") or 0,
        best.get("exact") is True,
        _number(best, "images"),
        _number(best, "people"),
        _number(best, "undated"),
    )


def _web_count(door: Door) -> Count | None:
    if orthanc(door) and (found := statistics(door)):
        numbers = found[1]
        return Count(numbers["studies"], True, numbers["instances"], numbers["patients"])
    counts = [each.number("count") for each in door.http(About.QIDO_COUNT) if each.said("status") == 200]
    return Count(max(counts), True) if counts else None


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


def _in_order(address: str) -> tuple[int, int]:
    from ipaddress import ip_address

    found = ip_address(address)
    return found.version, int(found)
