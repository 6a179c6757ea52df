"""What a rule is, and what several of them ask of an observation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from leadglass.dimse.status import SUCCESS
from leadglass.scan import manner
from leadglass.scan.checks import Severity
from leadglass.scan.doors import Door, Seen
from leadglass.scan.observation import Outcome, Value
from leadglass.scan.words import Cause

ASSOCIATIONS: Final = ("associate", "offers", "associate-named")  # a stranger's
OWN: Final = "associate-own"  # under the survey's own title: who knows it lets in no stranger
QUERIES: Final = ("find-none", "count")
# PS3.8 Table 9-21: source, reason.
CALLING_UNKNOWN: Final = (1, 3)
CALLED_UNKNOWN: Final = (1, 7)
TRANSIENT: Final = 2
PRESENTATION: Final = 3  # the source of congestion and limits


@dataclass(frozen=True, slots=True)
class Found:
    """`severity`: None for the check's own."""

    proof: tuple[int, ...]
    facts: Mapping[str, Value] = field(default_factory=dict)
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`held`: what earlier rules found at the same port, by check."""

    is_private: bool
    held: Mapping[str, Found] = field(default_factory=dict)


Rule: TypeAlias = Callable[[Door, Circumstances], Found | None]


def found(seen: Iterable[Seen], severity: Severity | None = None, /, **facts: Value) -> Found | None:
    """A finding for what was seen; None when nothing was."""
    proof = tuple(dict.fromkeys(each.index for each in seen))
    return Found(proof, facts, severity) if proof else None


def let_in(seen: Seen) -> bool:
    """Associated, with at least one context. Outcome.EMPTY is not: nobody was let into anything."""
    return seen.outcome is Outcome.ACCEPTED


def programs(door: Door) -> tuple[Seen, ...]:
    """The first association with each program behind the port: several where a load balancer is."""
    told: dict[tuple[str, str, int], Seen] = {}
    for seen in door.of(*ASSOCIATIONS, OWN):
        if seen.outcome in (Outcome.ACCEPTED, Outcome.EMPTY):
            uid, name = seen.text("implementation_class_uid"), seen.text("implementation_version_name")
            told.setdefault((uid, name, seen.number("maximum_length")), seen)
    return tuple(told.values())


def is_exact(door: Door, count: Seen) -> bool:
    """Of a count over DICOM. Behind a load balancer it is what one of several holds: at least that."""
    return count.said("exact") is True and len(programs(door)) < 2


def is_made_up(title: Value | None) -> bool:
    return isinstance(title, str) and title.startswith(manner.MADE_UP)


def reason(seen: Seen) -> tuple[int, int]:
    return seen.number("source"), seen.number("reason")


def is_busy(seen: Seen) -> bool:
    """Rejected for now and not for who we are."""
    if reason(seen) in (CALLING_UNKNOWN, CALLED_UNKNOWN):
        return False
    return seen.number("result") == TRANSIENT or seen.number("source") == PRESENTATION


def answers(seen: Seen) -> bool:
    """A query was answered: with success, or with a match although none is possible (we stopped it then)."""
    if seen.outcome is Outcome.STOPPED:
        return seen.said("cause") == Cause.PENDING
    return seen.outcome is Outcome.ANSWERED and seen.said("status") == SUCCESS


def ignores_the_key(seen: Seen) -> bool:
    """A match came for a key that matches nothing."""
    return answers(seen) and (seen.outcome is Outcome.STOPPED or seen.number("pending") > 0)


def refuses_the_query(seen: Seen) -> bool:
    """A failure, or the association aborted or closed instead of an answer, as Orthanc does."""
    if seen.outcome is Outcome.ANSWERED:
        return seen.said("status") != SUCCESS
    return seen.outcome in (Outcome.ABORTED, Outcome.CLOSED)


def withholds(door: Door) -> Seen | None:
    """The refusal of a stranger's query, where none was answered."""
    asked = door.of("find-none")
    return None if any(map(answers, asked)) else next(filter(refuses_the_query, asked), None)
