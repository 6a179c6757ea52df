"""Who may be fooling us: judgements over all that a survey saw, each with its reason, each to be overruled.

A doubt changes no finding. It says that a port may be no archive (a honeypot, a tarpit), hold nothing, tell
impossible figures, be several servers, or be one that was counted elsewhere; `archives` counts accordingly.
What a person overrules stays so in later runs: `Doubt.key` is made of what is judged and why, and of nothing
that changes from run to run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple

from leadglass.scan.observation import Value


class Target(NamedTuple):
    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class DoubtKind(StrEnum):
    HONEYPOT = "honeypot"
    TARPIT = "tarpit"
    IMPLAUSIBLE = "implausible"
    EMPTY = "empty"
    BALANCER = "balancer"
    DUPLICATE = "duplicate"


class Reason(StrEnum):
    """Why; `wording` says it in words, with the doubt's facts."""

    ACCEPTS_ANYTHING = "accepts-anything"
    SIGNATURE = "signature"
    ANY_KEY = "any-key"
    ANY_DATE = "any-date"
    TOO_FAST = "too-fast"
    ALL_SERVICES = "all-services"
    EVERY_PORT = "every-port"
    STALLS = "stalls"
    TOO_MANY = "too-many"
    CONTRADICTION = "contradiction"
    NO_STUDIES = "no-studies"
    CHANGING_PROGRAM = "changing-program"
    CHANGING_CERTIFICATE = "changing-certificate"
    SAME_COUNT = "same-count"
    SAME_STUDIES = "same-studies"
    SAME_FIGURES = "same-figures"
    NEARLY_SAME_COUNT = "nearly-same-count"
    SAME_CERTIFICATE = "same-certificate"


class Weight(IntEnum):
    HINT = 1
    LIKELY = 2
    CERTAIN = 3


@dataclass(frozen=True, slots=True)
class Doubt:
    """`targets` in their order; `evidence`: indices into the observations that were given."""

    kind: DoubtKind
    reason: Reason
    weight: Weight
    targets: tuple[Target, ...]
    evidence: tuple[int, ...]
    facts: Mapping[str, Value] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same in every run that judges the same of the same: a register keeps an overruling under it."""
        return f"{self.kind}/{self.reason}/{'+'.join(map(str, self.targets))}"


def standing(found: Iterable[Doubt], overruled: Collection[str]) -> tuple[Doubt, ...]:
    """Those that no person has overruled."""
    return tuple(each for each in found if each.key not in overruled)


_NO_ARCHIVE = (DoubtKind.HONEYPOT, DoubtKind.TARPIT)
_ENOUGH_HINTS = 2
# Two ways to notice one thing: a poor server that heeds no key is no honeypot yet.
_ONE_THING = frozenset({Reason.ANY_KEY, Reason.ANY_DATE})


def suspects(found: Sequence[Doubt]) -> frozenset[Target]:
    """Ports that are likely no archive: one doubt that says so, or hints of several kinds."""
    hints: dict[Target, set[Reason]] = {}
    likely: set[Target] = set()
    for doubt in found:
        if doubt.kind not in _NO_ARCHIVE:
            continue
        for target in doubt.targets:
            reason = Reason.ANY_KEY if doubt.reason in _ONE_THING else doubt.reason
            hints.setdefault(target, set()).add(reason)
            if doubt.weight >= Weight.LIKELY:
                likely.add(target)
    return frozenset(likely | {target for target, reasons in hints.items() if len(reasons) >= _ENOUGH_HINTS})
