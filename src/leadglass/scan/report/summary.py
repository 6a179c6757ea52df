"""A survey in a few lines: one for each port that says something, and one for the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from leadglass.scan import wording
from leadglass.scan.checks import Severity
from leadglass.scan.conclusions import Count, Host, Network, Port
from leadglass.scan.observation import Level
from leadglass.scan.scope_text import with_port
from leadglass.scan.verdict import NOBODY, Verdict

# How far a stranger gets, in words, with the tone of a chart.
LEVELS: Final = (
    (Level.COUNTED, "answers queries, and was counted", "bad"),
    (Level.ANSWERS, "answers strangers' queries", "bad"),
    (Level.ECHOES, "answers C-ECHO", "warn"),
    (Level.ASSOCIATES, "lets strangers associate", "warn"),
    (Level.CLOSED, "shows strangers nothing", "good"),
)
# What a verdict is called where there is room for three words.
HEADLINES: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        Verdict.COUNTED: "ANSWERS STRANGERS",
        Verdict.ANSWERS: "ANSWERS STRANGERS",
        Verdict.WITHHOLDS: "LETS STRANGERS IN",
        Verdict.ECHOES: "LETS STRANGERS IN",
        Verdict.ASSOCIATES: "LETS STRANGERS IN",
        Verdict.TAKES_NOTHING: "TAKES NOTHING",
        Verdict.REFUSES_STRANGERS: "REFUSES STRANGERS",
        Verdict.ASKS_CERTIFICATE: "REFUSES STRANGERS",
        Verdict.WRONG_TITLE: "REFUSES THE NAME",
        Verdict.REFUSES: "REFUSES",
        Verdict.BUSY: "BUSY",
        Verdict.WEB_SHUT: "ASKS WHO ONE IS",
        Verdict.WEB: "WEB SERVER",
        Verdict.MISBEHAVES: "MISBEHAVES",
        Verdict.NOT_DICOM: "NOT DICOM",
        Verdict.OPEN: "OPEN",
        Verdict.MUTE: "SAYS NOTHING",
        Verdict.HANGS_UP: "HANGS UP",
        Verdict.UNREACHABLE: "NOT REACHED",
        Verdict.SILENT: "SILENT",
        Verdict.CLOSED: "CLOSED",
    }
)
_DETAILS: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        Verdict.ANSWERS: "a question that matches nothing was answered",
        Verdict.WITHHOLDS: "it takes their calls and answers no query",
        Verdict.ECHOES: "it answers C-ECHO; queries were not tried or not answered",
        Verdict.ASSOCIATES: "it takes their calls; nothing more was tried or answered",
        Verdict.TAKES_NOTHING: "it associates and accepts nothing that was proposed",
        Verdict.REFUSES_STRANGERS: "calling AE title not recognised",
        Verdict.ASKS_CERTIFICATE: "it asks for a certificate",
        Verdict.WRONG_TITLE: "called AE title not recognised; whoever learns it may be let in",
        Verdict.REFUSES: "without saying why",
        Verdict.BUSY: "asked twice; ask again later",
        Verdict.WEB_SHUT: "a web server that wants a sign-in",
        Verdict.WEB: "shows no images to strangers",
        Verdict.MISBEHAVES: "breaks the protocol or a limit of ours; given up",
        Verdict.NOT_DICOM: "speaks something else",
        Verdict.OPEN: "somebody listens; nothing more was asked",
        Verdict.MUTE: "takes the connection and nothing else",
        Verdict.HANGS_UP: "closes without a word",
    }
)
# Kinds of identifiers, what tells most of a person first; the rest go by their own words.
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "patient-name": "name",
        "name": "name",
        "birth-date": "birth date",
        "patient-id": "ID",
        "other-ids": "other IDs",
    }
)
_MOST_KINDS: Final = 3
_APART: Final = "  Does not count: likely no archive."


@dataclass(frozen=True, slots=True)
class Line:
    """`grade`: '' where there is nothing to grade."""

    where: str
    grade: str
    headline: str
    detail: str
    level: Level


def lines(network: Network) -> Iterator[Line]:
    """The worst hosts first, each with its ports in order, but for those at which nobody is."""
    single = len({host.address for host in network.hosts}) == 1
    for host in sorted(network.hosts, key=worst_first):
        for port in host.ports:
            if port.verdict.verdict not in NOBODY:
                where = f":{port.port}" if single else with_port(host.address, port.port)
                told = line(where, port)
                yield replace(told, detail=told.detail + _APART) if host.address in network.apart else told


def line(where: str, port: Port) -> Line:
    verdict = port.verdict.verdict
    detail = counted(port) if verdict is Verdict.COUNTED else _detail(port)
    grade = port.graded.grade
    return Line(where, grade.value if grade else "", HEADLINES[verdict], detail, port.verdict.level)


def _detail(port: Port) -> str:
    """What the verdict means, unless a finding is worse than it sounds."""
    worst = max(port.findings, key=lambda each: each.severity, default=None)
    if port.verdict.level < Level.ASSOCIATES and worst is not None and worst.severity >= Severity.HIGH:
        return wording.title(worst.check, wording.Language.EN)
    return _DETAILS.get(port.verdict.verdict, "")


def counted(port: Port) -> str:
    """`60 studies, 21 people; name, birth date, ID.  Nothing copied.`"""
    told = [amount(port.count)] if port.count is not None else []
    if port.identifiers:
        told.append(_kinds(port.identifiers))
    return f"{'; '.join(told)}.  Nothing copied." if told else "counted.  Nothing copied."


def _kinds(kinds: tuple[str, ...]) -> str:
    """`name, birth date, ID and 8 more`"""
    first = [_KINDS[kind] for kind in _KINDS if kind in kinds]
    rest = [kind.replace("-", " ") for kind in kinds if kind not in _KINDS]
    named = [*first, *rest]
    more = f" and {len(named) - _MOST_KINDS} more" if len(named) > _MOST_KINDS else ""
    return ", ".join(named[:_MOST_KINDS]) + more


def amount(count: Count) -> str:
    """`60 studies, 900 images, at least 21 people`"""
    told = [_thing("" if count.exact else "at least ", count.studies, "study", "studies")]
    if count.images is not None:
        told.append(_thing("at least " if "images" in count.least else "", count.images, "image", "images"))
    if count.people is not None:
        told.append(_thing("at least " if "people" in count.least else "", count.people, "person", "people"))
    return ", ".join(told)


def _thing(bound: str, number: int, one: str, many: str) -> str:
    return f"{bound}{number:,} {one if number == 1 else many}"


def worst_first(host: Host | Port) -> tuple[int, int]:
    """By grade, those without one last; then by how far a stranger gets. Sorting keeps the order of addresses
    among equals."""
    grade = host.graded.grade
    level = host.level if isinstance(host, Host) else host.verdict.level
    return 0 if grade is None else -ord(grade.value), -level
