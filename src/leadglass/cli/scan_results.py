"""What a survey in the register comes to, and the files that are made of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from leadglass.cli import show
from leadglass.cli.scan_scopes import content_of
from leadglass.errors import Violation

if TYPE_CHECKING:
    from leadglass.scan.conclusions import Network
    from leadglass.scan.constituency import Constituency, Owner
    from leadglass.scan.register import Register, Survey
    from leadglass.scan.report.context import About
    from leadglass.scan.report.letters import Letter
    from leadglass.scan.wording import Language

MOST_SHOWN: Final = 40  # ports on a terminal, the worst first

OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where reports are written; else beside the register."),
]
SurveyOption = Annotated[
    int | None,
    typer.Option("--survey", metavar="N", help="Which survey; else the last one.", show_default=False),
]


@dataclass(frozen=True, slots=True)
class Result:
    """A survey, concluded."""

    network: Network
    about: About


def load(register: Register, survey: Survey) -> Result:
    """Conclude a survey anew. What its scope names beside it is read now: owners and contacts change."""
    from leadglass.home import clock
    from leadglass.scan.conclusions import conclude
    from leadglass.scan.report.context import About, earlier
    from leadglass.scan.scope import read_scope

    now = clock()
    scope = read_scope(survey.scope.encode(), survey.started)
    overruled = register.overruled(now)
    owners = _owners(Path(survey.folder) / scope.constituency) if scope.constituency else None
    network = conclude(register.observations(survey.id), owners, overruled)
    before = earlier(register.surveys(), survey)
    return Result(network, About(survey, scope, register.tally(survey.id), now, overruled, before))


def _owners(path: Path) -> Constituency:
    """The constituency file; where it names no contact, what RDAP and security.txt files beside it say."""
    from leadglass.scan.constituency import Constituency, read_constituency

    owners = read_constituency(content_of(path))
    return Constituency([*_fetched(path.parent), *owners.owners()])


def _fetched(folder: Path) -> Iterator[Owner]:
    """Contacts in `contacts/` beside the constituency file. What is none is passed over, and said."""
    from leadglass.scan.constituency import Owner
    from leadglass.scan.contacts import from_rdap, from_security_txt

    for path in sorted(folder.glob("contacts/*")):
        try:
            if path.name.endswith(".rdap.json"):
                found, contact = from_rdap(content_of(path))
                yield from (Owner(cidr, contact=contact) for cidr in found.networks())
            elif path.name.endswith(".security.txt"):
                address = path.name.removesuffix(".security.txt")
                yield Owner(address, contact=from_security_txt(content_of(path)))
        except Violation as error:
            show.note(f"{path}: {error}", style="yellow")


def summarise(network: Network) -> None:
    """The few lines of a terminal."""
    from leadglass.scan.report.summary import lines

    rows = [(line.where, line.grade, line.headline, line.detail) for line in lines(network)]
    if rows:
        show.plain_rows(rows[:MOST_SHOWN])
    else:
        show.out().print("Nobody answered.")
    if len(rows) > MOST_SHOWN:
        show.note(f"and {len(rows) - MOST_SHOWN:,} more; the report has them all")
    if len(network.hosts) > 1:
        grade = network.grade.grade
        told = f"Grade {grade.value}. " if grade else ""
        if network.total is not None:
            from leadglass.scan.report.summary import amount

            told += f"In all {amount(network.total)}. "
        if network.apart:
            told += f"{show.count(len(network.apart), 'host')} left out: likely no archive."
        show.out().print(f"\n{told.strip()}")


def write(result: Result, out: Path | None, language: Language | None = None) -> tuple[Path, list[Path]]:
    """Report, letters and exports; where the report is, and where the letters are."""
    from leadglass.scan.report.exports import FORMATS
    from leadglass.scan.report.letters import letters
    from leadglass.scan.report.page import page

    folder = folder_of(result.about.survey, out)
    report = folder / "report.html"
    save(report, page(result.network, result.about))
    for name, make in FORMATS.values():
        save(folder / name, make(result.network, result.about))
    written = letters(result.network, result.about, language)
    return report, list(_save_letters(folder, written))


def _save_letters(folder: Path, written: Iterable[Letter]) -> Iterator[Path]:
    """One is called just that; several are called by their owners."""
    several = list(written)
    for letter in several:
        stem = "letter" if len(several) == 1 else f"letter-{letter.key}"
        save(folder / f"{stem}.txt", letter.text)
        save(folder / f"{stem}.html", letter.html)
        yield folder / f"{stem}.html"


def folder_of(survey: Survey, out: Path | None) -> Path:
    """Readable by their owner only: a list of open doors is one."""
    from leadglass.scan_home import register_folder

    folder = out if out is not None else register_folder(os.environ) / "surveys" / str(survey.id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def save(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
