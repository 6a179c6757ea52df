"""What is different between two surveys of the same networks, port by port."""

from __future__ import annotations

from dataclasses import dataclass

from leadglass.scan.addresses import in_order
from leadglass.scan.conclusions import Network
from leadglass.scan.observation import Level
from leadglass.scan.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Change:
    """`before` and `after` are verdicts. `opened`: a stranger gets further than he did."""

    address: str
    port: int
    before: str
    after: str
    opened: bool
    word: str


def changes(earlier: Network, later: Network) -> list[Change]:
    """In the order of addresses. A port that one survey did not see was closed then: both asked the same."""
    before, after = _ports(earlier), _ports(later)
    doors: dict[str, set[int]] = {}
    for address, port in (*before, *after):
        doors.setdefault(address, set()).add(port)
    found = (
        _change(address, port, before.get((address, port)), after.get((address, port)))
        for address in in_order(doors)
        for port in sorted(doors[address])
    )
    return [change for change in found if change is not None]


_State = tuple[Verdict, Level]
_NOBODY: _State = (Verdict.CLOSED, Level.CLOSED)


def _ports(network: Network) -> dict[tuple[str, int], _State]:
    return {
        (host.address, port.port): (port.verdict.verdict, port.verdict.level)
        for host in network.hosts
        for port in host.ports
    }


def _change(address: str, port: int, was: _State | None, now: _State | None) -> Change | None:
    before, after = was or _NOBODY, now or _NOBODY
    if before == after:
        return None
    opened = after[1] > before[1]
    word = "opened" if opened else "closed" if after[1] < before[1] else "changed"
    return Change(address, port, before[0].value, after[0].value, opened, word)
