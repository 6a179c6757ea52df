"""The report: one HTML file that needs nothing else, to be read on a screen and on paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_network
from typing import Any, Final

from markupsafe import Markup

from leadglass.scan import wording
from leadglass.scan.checks import Severity
from leadglass.scan.conclusions import Host, Network, Port
from leadglass.scan.doubts import Doubt
from leadglass.scan.findings import Finding
from leadglass.scan.grade import RULES, Grade
from leadglass.scan.observation import PROBES, Level
from leadglass.scan.report.actions import Action, actions
from leadglass.scan.report.charts import Bar, bars, line
from leadglass.scan.report.context import About, point
from leadglass.scan.report.summary import HEADLINES, LEVELS, amount, worst_first
from leadglass.scan.report.summary import line as summary_line
from leadglass.scan.report.templating import environment
from leadglass.scan.verdict import NOBODY
from leadglass.scan.wording import Language

MOST_DETAILED: Final = 2000  # hosts with all their findings; of the others there is the table
_MOST_BARS: Final = 12
_EN: Final = Language.EN


@dataclass(frozen=True, slots=True)
class Door:
    """One port with what was found there, the worst first, and what to do about it."""

    port: Port
    findings: tuple[Finding, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A doubt, in words; `overruled`: by whom and why, '' if nobody has."""

    kind: str
    sentence: str
    weight: str
    targets: str
    overruled: str


def page(network: Network, about: About) -> Iterator[str]:
    """The document, piece by piece: that of thousands of hosts is larger than all they said."""
    pieces: Iterator[str] = _template().generate(
        network=network,
        about=about,
        survey=about.survey,
        scope=about.scope,
        key_figures=list(_figures(network, about)),
        sentence=_sentence(network, about),
        levels=bars([Bar(label, network.levels.get(level, 0), tone) for level, label, tone in LEVELS]),
        grades=bars([Bar(grade.value, network.grade.counts.get(grade, 0), _TONES[grade]) for grade in Grade]),
        products=bars(_most(network.products)),
        networks=bars(_most(_networks(network), "bad")),
        trend=_trend(network, about),
        methods_differ=len({each.method for each in about.earlier} | {about.survey.method}) > 1,
        hosts=[host for host in sorted(network.hosts, key=worst_first) if shown(host)],
        detailed=list(_detailed(network)),
        doubts=[_judged(doubt, about) for doubt in network.doubts],
        total=amount(network.total) if network.total else "",
        rules=[(rule, wording.grade_rule(rule.id, _EN)) for rule in RULES],
        probes=list(PROBES.values()),
    )
    return pieces


def shown(host: Host) -> bool:
    return any(port.verdict.verdict not in NOBODY for port in host.ports)


# --- the parts of it ----------------------------------------------------------------------------------------


def _figures(network: Network, about: About) -> Iterator[tuple[str, str]]:
    answering = len(_answering(network))
    yield f"{answering:,}", "answer strangers' queries" if answering != 1 else "answers strangers' queries"
    if network.total is not None:
        least = "" if network.total.exact else "≥ "
        yield f"{least}{network.total.studies:,}", "studies stand open"
        if network.total.people is not None:
            least = "≥ " if "people" in network.total.least or not network.total.exact else ""
            yield f"{least}{network.total.people:,}", "people"
    hosts = len(network.hosts)
    yield f"{hosts:,}", "host answered something" if hosts == 1 else "hosts answered something"
    tally = about.tally
    nobody = tally.refused + tally.silent + tally.unreachable
    yield f"{nobody:,}", "port at which nobody is" if nobody == 1 else "ports at which nobody is"


def _sentence(network: Network, about: About) -> str:
    """What to say of it in one breath."""
    if not network.hosts:
        return "Nobody answered." if about.finished else "Nobody has answered so far."
    answering = _answering(network)
    if not answering:
        critical = any(
            each.severity is Severity.CRITICAL for host in _counted(network) for each in host.findings
        )
        return f"Nobody here answers a stranger's query{', but there is a critical finding' * critical}."
    one = len(answering) == 1
    where = f"{answering[0].address} answers" if one else f"{len(answering):,} hosts answer"
    told = f"{where} the queries of anybody who reaches {'it' if one else 'them'}."
    if network.total is None:
        return told
    amounts = amount(network.total)
    return f"{told} {amounts[:1].upper()}{amounts[1:]} can be searched there."


def _answering(network: Network) -> list[Host]:
    return [host for host in _counted(network) if host.level >= Level.ANSWERS]


def _counted(network: Network) -> list[Host]:
    return [host for host in network.hosts if host.address not in network.apart]


def _networks(network: Network) -> dict[str, int]:
    """Hosts that answer strangers by /24 (IPv6: /48), or by owner where that is known."""
    found: Counter[str] = Counter()
    for host in _answering(network):
        bits = 48 if ":" in host.address else 24
        own = host.owner.organisation if host.owner else ""
        found[own or str(ip_network((host.address, bits), strict=False))] += 1
    return dict(found)


def _most(counts: Any, tone: str = "") -> list[Bar]:
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    rows = [Bar(name, number, tone) for name, number in ordered[:_MOST_BARS]]
    rest = sum(number for _, number in ordered[_MOST_BARS:])
    return [*rows, Bar("others", rest, "quiet")] if rest else rows


def _trend(network: Network, about: About) -> Markup:
    """Surveys by the same method only: two methods see different things."""
    points = [*about.earlier, point(about.survey, network)]
    same = [(each.started, each.answering) for each in points if each.method == about.survey.method]
    return line(same, "Hosts that answer strangers' queries, over time")


def _detailed(network: Network) -> Iterator[tuple[Host, list[Door]]]:
    worth = [host for host in network.hosts if _is_worth(host.findings)]
    worth.sort(key=worst_first)
    for host in worth[:MOST_DETAILED]:
        ports = sorted((each for each in host.ports if _is_worth(each.findings)), key=worst_first)
        yield host, [_door(host, port) for port in ports]


def _is_worth(found: tuple[Finding, ...]) -> bool:
    """That somebody speaks DICOM is in the table."""
    return any(each.severity > Severity.INFO for each in found)


def _door(host: Host, port: Port) -> Door:
    found = tuple(sorted(port.findings, key=lambda each: -each.severity))
    return Door(port, found, actions(host, port, found, _EN))


def _judged(doubt: Doubt, about: About) -> Judged:
    judgement = about.overruled.get(doubt.key)
    overruled = f"overruled by {judgement.person}: {judgement.reason}" if judgement else ""
    return Judged(
        wording.doubt_kind(doubt.kind, _EN),
        wording.doubt(doubt, _EN),
        doubt.weight.name.lower(),
        ", ".join(map(str, doubt.targets)),
        overruled,
    )


_TONES: Final = {Grade.A: "good", Grade.B: "good", Grade.C: "warn", Grade.D: "bad", Grade.F: "bad"}


def _grade_tone(grade: Grade | None) -> str:
    return "none" if grade is None else _TONES[grade]


def _seen(finding: Finding) -> str:
    return wording.seen(finding, _EN)


def _moment(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@cache
def _template() -> Any:
    made = environment()
    made.filters |= {
        "moment": _moment,
        "tone": _grade_tone,
        "seen": _seen,
        "headline": lambda verdict: HEADLINES[verdict],
        "title": lambda check: wording.title(check, _EN),
        "means": lambda check: wording.means(check, _EN),
        "severity": lambda how_bad: wording.severity(how_bad, _EN),
        "line": summary_line,
        "amount": amount,
    }
    return made.get_template("report.html")
