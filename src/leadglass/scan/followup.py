"""What becomes of a finding: open, acknowledged, accepted or ignored for a time, fixed; and open again.

Every case has one person who answers for it and a day by which it is to be closed. Nothing is fixed because
nobody looked: a case closes when the port was asked the same and no longer shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from leadglass.errors import Violation
from leadglass.scan.checks import CHECKS, Severity
from leadglass.scan.conclusions import Host, Network, Port
from leadglass.scan.manner import Option
from leadglass.scan.observation import Level
from leadglass.scan.verdict import INCONCLUSIVE

LEAST: Final = Severity.MEDIUM  # what is followed up
DAY: Final = 86_400_000  # ms
# Until when, by how bad it is: days.
DUE: Final[Mapping[Severity, int]] = MappingProxyType(
    {Severity.CRITICAL: 3, Severity.HIGH: 14, Severity.MEDIUM: 60}
)
_LONGEST: Final = 3 * 366  # days that anything may be accepted for


class CaseState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"  # its owner has said that he knows
    ACCEPTED = "accepted"  # left as it is, with a reason and an end
    IGNORED = "ignored"  # no answer, or none that helps; with a reason and an end
    FIXED = "fixed"  # asked again, and not seen any more


TEMPORARY: Final = frozenset({CaseState.ACCEPTED, CaseState.IGNORED})
PENDING: Final = frozenset({CaseState.OPEN, CaseState.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class Case:
    """One check at one port. Times in ms since the epoch, UTC; `until`: the end of what was accepted or
    ignored. `person` answers for it."""

    address: str
    port: int
    check: str
    severity: Severity
    first_seen: int
    last_seen: int
    state: CaseState
    person: str
    due: int
    reason: str = ""
    until: int | None = None

    @property
    def key(self) -> tuple[str, int, str]:
        return self.address, self.port, self.check

    def is_overdue(self, now: int) -> bool:
        return self.state in PENDING and self.due <= now


@dataclass(frozen=True, slots=True)
class Asked:
    """What a survey has tried: `doors`, those too at which nobody is, as far as `level`, with `options`."""

    doors: frozenset[tuple[str, int]]
    level: Level
    options: frozenset[Option]

    def tried(self, case: Case) -> bool:
        check = CHECKS[case.check]
        allowed = check.level <= self.level and (check.option is None or check.option in self.options)
        return allowed and (case.address, case.port) in self.doors


def advance(known: Iterable[Case], network: Network, asked: Asked, person: str, now: int) -> list[Case]:
    """The cases that are new or changed by what a survey saw. `person` answers for what has no owner with a
    contact."""
    cases = {case.key: case for case in known}
    ports = {(host.address, port.port): (host, port) for host in network.hosts for port in host.ports}
    changed: dict[tuple[str, int, str], Case] = {}
    for host, port in ports.values():
        for case in _seen(host, port, cases, person, now):
            if host.address not in network.apart:
                changed[case.key] = case
            elif case.key in cases:  # what does not count makes no case and mends none
                changed[case.key] = cases[case.key]
    for case in cases.values():
        looked = asked.tried(case) and _is_conclusive(ports.get((case.address, case.port)))
        if looked and case.key not in changed and case.state is not CaseState.FIXED:
            changed[case.key] = replace(case, state=CaseState.FIXED, until=None)
    return [case for case in changed.values() if cases.get(case.key) != case]


def _seen(
    host: Host, port: Port, cases: Mapping[tuple[str, int, str], Case], person: str, now: int
) -> Iterator[Case]:
    for finding in port.findings:
        if finding.severity < LEAST:
            continue
        case = cases.get((host.address, port.port, finding.check))
        if case is None:
            who = host.owner.contact if host.owner and host.owner.contact else person
            due = now + DUE[finding.severity] * DAY
            yield Case(
                host.address, port.port, finding.check, finding.severity, now, now, CaseState.OPEN, who, due
            )
        else:
            yield _again(replace(case, severity=finding.severity, last_seen=now), now)


def _again(case: Case, now: int) -> Case:
    """Seen once more: what was fixed is not, and what was accepted is so until its end and no longer."""
    over = case.state in TEMPORARY and (case.until is None or case.until <= now)
    if case.state is CaseState.FIXED or over:
        due = now + DUE[case.severity] * DAY
        return replace(case, state=CaseState.OPEN, due=due, reason="", until=None)
    return case


def _is_conclusive(found: tuple[Host, Port] | None) -> bool:
    return found is None or found[1].verdict.verdict not in INCONCLUSIVE


def decide(
    case: Case,
    now: int,
    *,
    state: CaseState | None = None,
    person: str | None = None,
    due: int | None = None,
    reason: str = "",
    until: int | None = None,
) -> Case:
    """What a person decides about a case. Violation for what needs a reason or an end and has none."""
    if state is CaseState.FIXED:
        raise Violation("A case is fixed when it was asked again: leadglass scan --verify.", code="case")
    if state in TEMPORARY and (not reason.strip() or until is None or until <= now):
        raise Violation("What is accepted or ignored needs a reason, and an end in the future.", code="case")
    if until is not None and until > now + _LONGEST * DAY:
        raise Violation("Nothing is accepted for more than three years.", code="case")
    if person is not None and not person.strip():
        raise Violation("One person answers for a case.", code="case")
    changed = replace(case, person=person or case.person, due=case.due if due is None else due)
    if state is None:
        return changed
    ends = until if state in TEMPORARY else None
    return replace(changed, state=state, reason=reason.strip()[:500], until=ends)
