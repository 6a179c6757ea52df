"""What a survey in the register comes to, and the files that are made of it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from leadglass.cli import show

if TYPE_CHECKING:
    from leadglass.scan.register import Register, Survey
    from leadglass.scan.report.letters import Letter
    from leadglass.scan.results import Result
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


def load(register: Register, survey: Survey) -> Result:
    """The survey, concluded now; what could not be read is said."""
    from leadglass.home import clock
    from leadglass.scan.results import load as loaded

    gc.disable()  # all that is made of thousands of hosts is kept: to look for garbage in it took a third
    try:
        result = loaded(register, survey, clock())
        gc.freeze()
    finally:
        gc.enable()
    for sentence in result.unread:
        show.note(sentence, style="yellow")
    return result


def summarise(result: Result) -> None:
    """The few lines of a terminal."""
    from leadglass.scan.report.summary import lines

    network = result.network
    rows = [(line.where, line.grade, line.headline, line.detail) for line in lines(network)]
    if rows:
        show.plain_rows(rows[:MOST_SHOWN])
    elif result.had_no_way:
        show.out().print("Nobody was reached: from here there is no way to any of them.")
    else:
        show.out().print("Nobody answered." if result.about.finished else "Nobody has answered so far.")
    if len(rows) > MOST_SHOWN:
        show.note(f"and {len(rows) - MOST_SHOWN:,} more; the report has them all")
    if len(network.hosts) > 1:
        grade = network.grade.grade
        told = f"Grade {grade.value}. " if grade else ""
        if network.total is not None:
            from leadglass.scan.report.summary import amount

            told += f"In all {amount(network.total)}. "
        if told:
            show.out().print(f"\n{told.strip()}")
    if network.apart:
        show.note(
            f"{show.count(len(network.apart), 'host')} left out: likely no archive. "
            "Why, and how to overrule that: leadglass scan overrule"
        )


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
    remaining = iter(written)
    beginning = list(islice(remaining, 2))
    for letter in chain(beginning, remaining):
        stem = "letter" if len(beginning) == 1 else f"letter-{letter.key}"
        save(folder / f"{stem}.txt", letter.text)
        save(folder / f"{stem}.html", letter.html)
        yield folder / f"{stem}.html"


def folder_of(survey: Survey, out: Path | None) -> Path:
    """Readable by their owner only: a list of open doors is one."""
    from leadglass.scan_home import register_folder

    folder = out if out is not None else register_folder(os.environ) / "surveys" / str(survey.id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def save(path: Path, text: str | Iterable[str]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines([text] if isinstance(text, str) else text)
        part.replace(path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
