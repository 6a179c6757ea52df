"""From observations to findings: each check a small rule over what was seen of one port.

What the published surveys got wrong is kept apart in the rules: an accepted association is not open data, one
without an accepted context lets nobody in, a rejection has a reason, 401 is no open door, what was negotiated
is not proven, and a port's number names no product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from leadglass.scan.checks import CHECKS, Severity
from leadglass.scan.doors import Door, doors
from leadglass.scan.fingerprint import identify
from leadglass.scan.observation import Observation, Value
from leadglass.scan.rules import Circumstances, Found, Rule
from leadglass.scan.rules_dimse import DIMSE_RULES
from leadglass.scan.rules_tls import TLS_RULES
from leadglass.scan.rules_web import WEB_RULES
from leadglass.scan.vulnerabilities import flaws, severity


@dataclass(frozen=True, slots=True)
class Finding:
    """`proof`: indices into the observations that were given. `facts`: what the rule read in them."""

    check: str
    severity: Severity
    address: str
    port: int
    proof: tuple[int, ...]
    facts: Mapping[str, Value] = field(default_factory=dict)


def known_flaws(door: Door, _: Circumstances) -> Found | None:
    """F01: the identity with the worst. Others at the same port are usually libraries inside it."""
    matches = [(identity, flaws(identity)) for identity in identify(door)]
    worst = max(
        ((severity(identity, mine), identity, mine) for identity, mine in matches if mine),
        key=lambda each: each[0],
        default=None,
    )
    if worst is None:
        return None
    how_bad, identity, mine = worst
    return Found(
        (identity.index,),
        {
            "program": identity.name,
            "kind": identity.kind.value,
            "version": identity.version,
            "provenance": identity.provenance.value,
            "flaws": tuple(flaw.cve for flaw in mine),
        },
        how_bad,
    )


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {**DIMSE_RULES, **TLS_RULES, **WEB_RULES, "F01": known_flaws}
)


# Most ports are no web servers, and nothing is said of the web there.
_WITHOUT_WEB: Final = {check: rule for check, rule in RULES.items() if not check.startswith("W")}


def findings(observations: Sequence[Observation], *, is_private: bool) -> tuple[Finding, ...]:
    """Of every port, in the order of addresses, ports and checks.

    `is_private`: whether the network they were seen in is one. What is plain in the open is less so there.
    """
    return tuple(each for door in doors(observations) for each in findings_at(door, is_private=is_private))


def findings_at(door: Door, *, is_private: bool) -> Iterator[Finding]:
    """Of one port, in the order of checks."""
    held: dict[str, Found] = {}
    for check, rule in (RULES if "http" in door.by_probe else _WITHOUT_WEB).items():
        what = rule(door, Circumstances(is_private, held))
        if what is not None:
            held[check] = what
            how_bad = CHECKS[check].severity if what.severity is None else what.severity
            yield Finding(check, how_bad, door.address, door.port, what.proof, what.facts)
