"""Letters to owners: what was seen, what to do today, whom to ask. One for each owner, however many hosts.

As text and as HTML, in English or German. They hold what a report holds of the owner's own hosts, no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from typing import Any, Final

from jinja2 import Environment

from leadglass.scan import wording
from leadglass.scan.checks import Severity
from leadglass.scan.conclusions import Host, Network
from leadglass.scan.constituency import Owner
from leadglass.scan.findings import Finding
from leadglass.scan.grade import Grade
from leadglass.scan.observation import Level
from leadglass.scan.report.actions import Action, actions
from leadglass.scan.report.context import About
from leadglass.scan.report.summary import worst_first
from leadglass.scan.report.templating import environment
from leadglass.scan.scope_text import with_port
from leadglass.scan.wording import Language

LEAST: Final = Severity.MEDIUM  # what is worth a letter
_MOST_FINDINGS: Final = 6  # of one port: a letter is read, a list is not
_MOST_ACTIONS: Final = 4


@dataclass(frozen=True, slots=True)
class Letter:
    """`key`: what names it among others, fit for a file name. `to`: the owner's contact, '' if unknown."""

    key: str
    to: str
    owner: str
    language: Language
    subject: str
    text: str
    html: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Door:
    """One port of the owner's, with what is worth telling of it."""

    where: str
    when: str
    findings: tuple[Finding, ...]
    more: int  # findings that are less severe than these
    actions: tuple[Action, ...]


def letters(network: Network, about: About, language: Language | None = None) -> Iterator[Letter]:
    """One for each owner with something to mend; in the owner's language, where the constituency file says
    it and `language` does not. Hosts nobody is named for have a letter each. Written as they are asked for:
    thousands would be held otherwise."""
    return (_letter(owner, hosts, about, language) for owner, hosts in _by_owner(network))


def _by_owner(network: Network) -> Iterator[tuple[Owner | None, list[Host]]]:
    found: dict[str, tuple[Owner | None, list[Host]]] = {}
    for host in network.hosts:
        if host.address not in network.apart and any(each.severity >= LEAST for each in host.findings):
            owner = host.owner
            key = f"{owner.organisation}\n{owner.contact}" if owner else host.address
            found.setdefault(key, (owner, []))[1].append(host)
    yield from found.values()


def _letter(owner: Owner | None, hosts: list[Host], about: About, language: Language | None) -> Letter:
    spoken = language or _language(owner)
    shown = list(_doors(hosts, spoken))
    addresses = tuple(host.address for host in hosts)
    context = {
        "owner": owner,
        "doors": shown,
        "about": about,
        "scope": about.scope,
        "answers": sum(host.level >= Level.ANSWERS for host in hosts),
        "hosts": len(hosts),
        "breach": any(host.graded.grade is Grade.F for host in hosts),  # there may have been one
        "addresses": addresses,
        "seen": lambda finding: wording.seen(finding, spoken),
        "title": lambda check: wording.title(check, spoken),
        "severity": lambda how_bad: wording.severity(how_bad, spoken),
        "several": len(shown) > 1,
    }
    subject = _template(f"letter_{spoken}.subject.txt").render(context).strip()
    return Letter(
        _key(owner, hosts),
        owner.contact if owner else "",
        owner.organisation if owner else "",
        spoken,
        subject,
        _template(f"letter_{spoken}.txt").render(context, subject=subject),
        _template(f"letter_{spoken}.html").render(context, subject=subject),
        addresses,
    )


def _doors(hosts: Iterable[Host], language: Language) -> Iterator[_Door]:
    for host in sorted(hosts, key=worst_first):
        for port in sorted(host.ports, key=worst_first):
            worth = sorted(
                (each for each in port.findings if each.severity >= LEAST), key=lambda each: -each.severity
            )
            if worth:
                at = host.observations[worth[0].proof[0]].at
                when = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
                where = with_port(host.address, port.port)
                told = tuple(worth[:_MOST_FINDINGS])
                more = len(worth) - len(told)
                yield _Door(where, when, told, more, actions(host, port, told, language)[:_MOST_ACTIONS])


def _language(owner: Owner | None) -> Language:
    asked = owner.language.lower()[:2] if owner else ""
    return Language(asked) if asked in set(Language) else Language.EN


def _key(owner: Owner | None, hosts: list[Host]) -> str:
    name = owner.organisation if owner else hosts[0].address
    words = "".join(letter.lower() if letter.isascii() and letter.isalnum() else "-" for letter in name)
    return "-".join(filter(None, words.split("-")))[:60] or hosts[0].address.replace(":", "-")


@cache
def _template(name: str) -> Any:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    made = environment()
    wrap = made.filters["wordwrap"]  # thousands of letters have the same paragraphs
    made.filters["wordwrap"] = lru_cache(4096)(partial(wrap, made))
    return made
