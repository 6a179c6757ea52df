"""The same questions to what was open, and what they prove."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from leadglass.errors import NotFound
from leadglass.note import Signer
from leadglass.scan.addresses import AddressSet
from leadglass.scan.closure import Closure, closure
from leadglass.scan.conclusions import Network, Port
from leadglass.scan.followup import LEAST
from leadglass.scan.observation import Level, Observation
from leadglass.scan.plan import Plan
from leadglass.scan.results import Result
from leadglass.scan.scope import Scope
from leadglass.scan.scope_text import with_port

PURPOSE: Final = "closure"  # of the register's signing key
SIGNER: Final = "leadglass/scan"
Doors = Mapping[str, tuple[int, ...]]


def is_open(port: Port) -> bool:
    """Whether there is something to close: a stranger got anywhere, or something is to be followed up."""
    return port.verdict.level > Level.CLOSED or any(each.severity >= LEAST for each in port.findings)


def opened(network: Network) -> dict[str, tuple[int, ...]]:
    """Ports at which something is to be closed, by address."""
    found: dict[str, tuple[int, ...]] = {}
    for host in network.hosts:
        ports = tuple(port.port for port in host.ports if is_open(port))
        if ports:
            found[host.address] = ports
    return found


def chosen(doors: Doors, named: Iterable[tuple[str, tuple[int, ...] | None]]) -> Doors:
    """Those of them that are named, or all when none is. NotFound for one that was not open."""
    wanted = {}
    for address, ports in named:
        shut = sorted(set(ports or ()) - set(doors.get(address, ())))
        if address not in doors or shut:
            what = with_port(address, shut[0]) if shut else address
            raise NotFound(f"The survey did not find that open: {what}.", code="not-open")
        wanted[address] = ports or doors[address]
    return wanted or doors


def plan_for(doors: Doors, scope: Scope) -> Plan:
    return Plan(AddressSet(), scope.ports, tuple(doors.items()))


def closures(first: Result, second: Result, doors: Doors) -> list[Closure]:
    """Before and after, for each port that was looked at again."""
    before, after = _by_door(first.network), _by_door(second.network)
    about = second.about
    return [
        closure(before[door], after[door], about.survey.vantage, about.scope.digest)
        for door in ((address, port) for address, ports in doors.items() for port in ports)
        if door in after
    ]


def signer(seed: bytes) -> Signer:
    return Signer.from_seed(SIGNER, seed)


def _by_door(network: Network) -> dict[tuple[str, int], list[Observation]]:
    found: dict[tuple[str, int], list[Observation]] = {}
    for host in network.hosts:
        for each in host.observations:
            found.setdefault((each.address, each.port), []).append(each)
    return found
