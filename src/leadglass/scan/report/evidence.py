"""What an owner needs who has to judge a breach: times, requests, answers, bounds; people apart from studies.

It draws no conclusion: whether data were acquired or viewed only the owner's logs can say. The four factors
are those of 45 CFR 164.402(2), the clocks those of 164.404 to 164.408 and of GDPR Articles 33 and 34.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from leadglass.errors import NotFound
from leadglass.scan import wording
from leadglass.scan.conclusions import Host, Network, Port
from leadglass.scan.manner import CALLING, IMPLEMENTATION_VERSION, MADE_UP, Option
from leadglass.scan.observation import PROBES, Observation, Value
from leadglass.scan.report.context import About
from leadglass.scan.report.summary import amount
from leadglass.scan.report.templating import environment
from leadglass.scan.scope_text import with_port
from leadglass.scan.wording import Language

_EN: Final = Language.EN
_AUTHORITY_HOURS: Final = 72
_PEOPLE_DAYS: Final = 60
# What a scope has to allow singly, because it decodes something of what a stranger is sent.
_READ: Final[Mapping[Option, str]] = MappingProxyType(
    {
        Option.IMAGES: "add up numbers of images",
        Option.PEOPLE: "count distinct patient IDs by a keyed hash in memory",
        Option.IDENTIFIERS: "note which kinds of identifiers have values",
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    """One exchange: when (UTC), what was sent, what came of it."""

    at: str
    took: str
    probe: str
    sent: str
    outcome: str
    said: str


def evidence(network: Network, about: About, address: str, port: int) -> str:
    """The pack for one port, as HTML. NotFound when the survey did not see it."""
    host, seen = _find(network, address, port)
    first = min(each.at for each in host.observations if each.port == port)
    made: str = _template().render(
        about=about,
        scope=about.scope,
        survey=about.survey,
        host=host,
        port=seen,
        where=with_port(address, port),
        lines=list(_transcript(host, port)),
        findings=sorted(seen.findings, key=lambda each: -each.severity),
        verdict=wording.verdict(seen.verdict.verdict, _EN),
        dropped=_dropped(about.scope.options),
        made_up=MADE_UP,
        calling=CALLING,
        version=IMPLEMENTATION_VERSION,
        amount=amount(seen.count) if seen.count else "",
        found=_moment(first),
        authority_by=_moment(first + _AUTHORITY_HOURS * 3_600_000),
        people_by=_day(first, _PEOPLE_DAYS),
        year_end=datetime.fromtimestamp(first / 1000, UTC).year + 1,
    )
    return made


def _find(network: Network, address: str, port: int) -> tuple[Host, Port]:
    for host in network.hosts:
        for each in host.ports:
            if (host.address, each.port) == (address, port):
                return host, each
    raise NotFound(f"The survey saw nobody at {with_port(address, port)}.", code="no-port")


def _dropped(options: frozenset[Option]) -> str:
    """What became of the data sets of answers."""
    read = [words for option, words in _READ.items() if option in options]
    if not read:
        return "none was decoded, and none was kept."
    return f"none was kept, and none decoded but to {' and to '.join(read)}, as the scope allows."


def _transcript(host: Host, port: int) -> Iterator[Line]:
    for each in host.observations:
        if each.port == port:
            yield Line(
                _moment(each.at),
                f"{each.took_us / 1000:,.1f} ms",
                each.probe,
                f"{PROBES[each.probe].sends}{_pairs(each.sent)}",
                each.outcome.value,
                _pairs(_worth(each)).removeprefix("; "),
            )


def _worth(seen: Observation) -> Mapping[str, Value]:
    """Times of ours are no evidence of theirs."""
    return {name: value for name, value in seen.said.items() if not name.endswith("_us")}


def _pairs(values: Mapping[str, Value]) -> str:
    return "".join(f"; {name} {_text(name, value)}" for name, value in sorted(values.items()))


def _text(name: str, value: Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"0x{value:04X}" if name == "status" and isinstance(value, int) and value > 999 else str(value)


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _day(milliseconds: int, days: int) -> str:
    return (datetime.fromtimestamp(milliseconds / 1000, UTC) + timedelta(days=days)).strftime("%Y-%m-%d")


@cache
def _template() -> Any:
    made = environment()
    made.filters |= {
        "seen": lambda finding: wording.seen(finding, _EN),
        "title": lambda check: wording.title(check, _EN),
        "severity": lambda how_bad: wording.severity(how_bad, _EN),
    }
    return made.get_template("evidence.html")
