"""A survey of the register, concluded anew, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leadglass.errors import Unavailable, Violation
from leadglass.scan.addresses import range_of
from leadglass.scan.conclusions import Network, conclude
from leadglass.scan.constituency import Constituency, Owner, read_constituency
from leadglass.scan.contacts import from_rdap, from_security_txt
from leadglass.scan.followup import Asked, advance
from leadglass.scan.grade import Grade
from leadglass.scan.plan import Plan
from leadglass.scan.register import Register, Survey
from leadglass.scan.report.context import About, earlier, point, summary
from leadglass.scan.scope import Scope, read_scope

LARGEST: Final = 64 << 20  # bytes of a file that a scope names
_RDAP, _SECURITY_TXT = ".rdap.json", ".security.txt"


@dataclass(frozen=True, slots=True)
class Result:
    """`unread`: sentences about files that were to say whom to write to, and do not."""

    network: Network
    about: About
    unread: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether anything that counts answers strangers, or has a critical finding."""
        return self.network.grade.grade is Grade.F

    @property
    def had_no_way(self) -> bool:
        """Whether no attempt got anywhere: then nothing was looked at, whatever the reason."""
        tally = self.about.tally
        return not self.network.hosts and tally.unreachable > 0 and not (tally.refused or tally.silent)


def load(register: Register, survey: Survey, now: int) -> Result:
    """Conclude a survey. What its scope names beside it is read now: owners and contacts change."""
    scope = read_scope(survey.scope.encode(), survey.started)
    overruled = register.overruled(now)
    unread: list[str] = []
    owners = _owners(scope, Path(survey.folder), unread)
    network = conclude(register.observations(survey.id), owners, overruled)
    before = earlier(register.surveys(), survey)
    about = About(survey, scope, register.tally(survey.id), now, overruled, before)
    return Result(network, about, tuple(unread))


def keep(register: Register, result: Result) -> None:
    """What follows from a survey: its point of the trend, and what becomes of its findings."""
    about, network, scope = result.about, result.network, result.about.scope
    if about.finished:
        register.summarise(about.survey.id, summary(point(about.survey, network)))
    plan, known = Plan.from_json(about.survey.plan), register.casebook.cases()
    # Of a survey that was stopped nobody knows whom it had not asked: what it has not seen may be open.
    looked = about.finished and not result.had_no_way
    doors = frozenset((c.address, c.port) for c in known if looked and plan.holds(c.address, c.port))
    asked = Asked(doors, scope.max_level, scope.options)
    register.casebook.save(advance(known, network, asked, scope.contact, about.made))


def read_file(path: Path) -> bytes:
    """Violation when it is not there or too large, Unavailable when it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise Violation(f"There is no file {path}.", code="no-file") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}.", code="file") from None
    if len(content) > LARGEST:
        raise Violation(f"{path} is larger than one is read.", code="file-size")
    return content


def require_owners(scope: Scope, folder: Path) -> None:
    """Violation, Unavailable: the constituency file cannot be read. Asked before the first packet."""
    if scope.constituency:
        read_constituency(read_file(folder / scope.constituency))


def _owners(scope: Scope, folder: Path, unread: list[str]) -> Constituency:
    """The constituency file; where it names no contact, what RDAP and security.txt files beside it say.
    What was seen does not depend on it: a file that is gone meanwhile is said, and there are no owners."""
    if not scope.constituency:
        return Constituency()
    path = folder / scope.constituency
    try:
        named = read_constituency(read_file(path)).owners()
    except (Violation, Unavailable) as error:
        unread.append(f"Owners are not known: {error}")
        named = []
    return Constituency([*_fetched(path.parent, unread), *named])


def _fetched(folder: Path, unread: list[str]) -> Iterator[Owner]:
    """Contacts in `contacts/` beside the constituency file."""
    for path in sorted(folder.glob("contacts/*")):
        try:
            if path.name.endswith(_RDAP):
                found, contact = from_rdap(read_file(path))
            elif path.name.endswith(_SECURITY_TXT):
                found = range_of(path.name.removesuffix(_SECURITY_TXT))
                contact = from_security_txt(read_file(path))
            else:
                continue
            yield from (Owner(cidr, contact=contact) for cidr in found.networks())
        except Violation as error:
            unread.append(f"{path}: {error}")
