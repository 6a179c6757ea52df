"""What a report is about besides its network: which survey it was, by whose word, and those before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from leadglass.scan.conclusions import Network
from leadglass.scan.observation import Level
from leadglass.scan.register import Judgement, Kind, Survey, Tally
from leadglass.scan.scope import Scope
from leadglass.scan.verdict import NOBODY


@dataclass(frozen=True, slots=True)
class Earlier:
    """One earlier survey of the same networks: a point of a trend."""

    started: int
    method: int
    hosts: int  # that answered something
    answering: int  # hosts that answered strangers' queries
    grade: str


@dataclass(frozen=True, slots=True)
class About:
    """`earlier`: oldest first; `overruled`: by the doubt's key; `made`: ms since the epoch, UTC."""

    survey: Survey
    scope: Scope
    tally: Tally
    made: int
    overruled: Mapping[str, Judgement] = field(default_factory=dict)
    earlier: tuple[Earlier, ...] = ()

    @property
    def finished(self) -> bool:
        return self.survey.finished is not None


def point(survey: Survey, network: Network) -> Earlier:
    """A survey as a point of the trend."""
    answering = sum(number for level, number in network.levels.items() if level >= Level.ANSWERS)
    hosts = sum(any(port.verdict.verdict not in NOBODY for port in host.ports) for host in network.hosts)
    grade = network.grade.grade
    return Earlier(survey.started, survey.method, hosts, answering, grade.value if grade else "")


def earlier(surveys: Iterable[Survey], survey: Survey) -> tuple[Earlier, ...]:
    """Those before it of the same networks, from the same place, oldest first; by any method."""
    same = [
        each
        for each in surveys
        if each.kind is Kind.SURVEY
        and each.id < survey.id
        and each.summary is not None
        and (each.vantage, each.plan) == (survey.vantage, survey.plan)
    ]
    return tuple(
        Earlier(each.started, each.method, **each.summary)
        for each in sorted(same, key=lambda each: each.id)
        if each.summary is not None
    )


def summary(of: Earlier) -> dict[str, int | str]:
    """What `earlier` reads again."""
    return {"hosts": of.hosts, "answering": of.answering, "grade": of.grade}
