"""A grade for a host and for a network. The rules are a table; docs/reference/scan-checks.md is made of it.

A grade says what a stranger gets and not how well a system is run. Nobody gets one for having nothing open,
and nobody for answering in a way that could not be judged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from leadglass.scan.checks import Severity
from leadglass.scan.findings import Finding
from leadglass.scan.observation import Level
from leadglass.scan.verdict import HostVerdict, Verdict


class Grade(StrEnum):
    A = "A"
    B = "B"
    C = "C"
    D = "D"
    F = "F"


_Test: TypeAlias = Callable[[HostVerdict, Sequence[Finding]], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class GradeRule:
    """`grade`: None where there is nothing to grade. `test`: which observations make it hold, () if none."""

    id: str
    grade: Grade | None
    when: str
    test: _Test


@dataclass(frozen=True, slots=True)
class Graded:
    """`rule`: its id in RULES. `decided_by`: indices of observations."""

    address: str
    grade: Grade | None
    rule: str
    decided_by: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NetworkGrade:
    """`counts`: hosts by grade; `ungraded` by rule; `apart`: addresses that were left out of it."""

    grade: Grade | None
    counts: Mapping[Grade, int]
    ungraded: Mapping[str, int]
    apart: tuple[str, ...]


def _found(*severities: Severity, but: frozenset[str] = frozenset()) -> _Test:
    def test(_: HostVerdict, findings: Sequence[Finding]) -> tuple[int, ...]:
        fits = (f for f in findings if f.severity in severities and f.check not in but)
        return next((f.proof for f in fits), ())

    return test


def _judged(*verdicts: Verdict) -> _Test:
    def test(host: HostVerdict, _: Sequence[Finding]) -> tuple[int, ...]:
        return next(((p.decided_by,) for p in host.ports if p.verdict in verdicts), ())

    return test


def _answers(host: HostVerdict, _: Sequence[Finding]) -> tuple[int, ...]:
    return (host.decided_by,) if host.level >= Level.ANSWERS else ()


_VERSION_ONLY: Final = frozenset({"F01"})  # a version is a claim: it never makes a D
RULES: Final = (
    GradeRule(
        "answers-strangers", Grade.F, "a stranger's query is answered, over DICOM or over the web", _answers,
    ),
    GradeRule("critical", Grade.F, "a critical finding", _found(Severity.CRITICAL)),
    GradeRule(
        "high", Grade.D, "a high finding other than a version that is known to be vulnerable",
        _found(Severity.HIGH, but=_VERSION_ONLY),
    ),
    GradeRule(
        "medium", Grade.C, "a medium finding, or a version that is known to be vulnerable",
        _found(Severity.MEDIUM, Severity.HIGH),
    ),
    GradeRule("low", Grade.B, "a low finding", _found(Severity.LOW)),
    GradeRule(
        "not-judged", None,
        "a port that may speak DICOM was busy, mute, hung up, misbehaved or could not be tried: ask again",
        _judged(Verdict.BUSY, Verdict.MUTE, Verdict.HANGS_UP, Verdict.MISBEHAVES, Verdict.UNKNOWN),
    ),
    GradeRule(
        "by-name-only", Grade.B,
        "strangers are refused because they do not know the AE title, or without a reason: whoever learns "
        "the title may be let in",
        _judged(Verdict.WRONG_TITLE, Verdict.REFUSES),
    ),
    GradeRule(
        "takes-nothing", Grade.B, "strangers may associate, and nothing that they proposed is accepted",
        _judged(Verdict.TAKES_NOTHING),
    ),
    GradeRule(
        "refuses-strangers", Grade.A,
        "strangers are refused as strangers: the calling AE title, a certificate or a sign-in is asked for",
        _judged(Verdict.REFUSES_STRANGERS, Verdict.ASKS_CERTIFICATE, Verdict.WEB_SHUT),
    ),
    GradeRule(
        "no-imaging", None, "something listens, and it shows no imaging",
        _judged(Verdict.NOT_DICOM, Verdict.WEB, Verdict.OPEN),
    ),
    GradeRule("nothing-open", None, "nothing listens", lambda host, _: (host.decided_by,)),
)  # fmt: skip


def grade(host: HostVerdict, findings: Iterable[Finding]) -> Graded:
    """The first rule that holds. `findings` of other hosts are left out."""
    mine = [each for each in findings if each.address == host.address]
    for rule in RULES:
        decided_by = rule.test(host, mine)
        if decided_by:
            return Graded(host.address, rule.grade, rule.id, decided_by)
    raise AssertionError("The last rule always holds.")


def network(hosts: Iterable[Graded], apart: Collection[str] = frozenset()) -> NetworkGrade:
    """As open as its most open host: one archive that answers is enough. `apart`: addresses that do not
    count, such as those taken for honeypots."""
    graded = list(hosts)
    counted = [each for each in graded if each.address not in apart]
    grades = [each.grade for each in counted if each.grade is not None]
    rules = [each.rule for each in counted if each.grade is None]
    return NetworkGrade(
        max(grades, default=None),
        {each: grades.count(each) for each in Grade},
        {rule.id: rules.count(rule.id) for rule in RULES if rule.grade is None},
        tuple(each.address for each in graded if each.address in apart),
    )
