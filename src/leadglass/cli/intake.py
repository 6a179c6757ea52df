"""leadglass import: its options, its progress and its report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.work import AsOption, HomeOption, JsonOption, Work, at_home
from leadglass.errors import Unavailable

if TYPE_CHECKING:
    from leadglass.cli.pipeline import Report
    from leadglass.cli.sources import Found, Refused, ZipLimits

PUBLISH_SECONDS = 2.0
NICENESS = 19  # a server beside us stays quick
MOST_SHOWN = 200


def import_paths(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Files, folders, zips, DICOMDIR media.", show_default=False),
    ],
    *,
    department: Annotated[
        str | None,
        typer.Option("--department", metavar="D", help="To which the images belong; else the default one."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on: take in what appears in these folders, until stopped.")
    ] = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Take images in: sealed, indexed, recorded. Exit status 1 when something was refused or kept aside."""
    os.nice(NICENESS)
    if watch:
        _watch(paths, department, home, as_user, json=json)
        return
    with at_home(home, as_user) as work:
        began = monotonic()
        report = take_in(work, paths, department, quiet=json)
        seconds = monotonic() - began
    if json:
        show.as_json(_as_json(report, seconds))
    else:
        _show(report, seconds)
    if report.stopped:
        show.complain(f"{report.stopped} The import stopped; what it counts as stored is safe.")
    if report.interrupted:
        show.complain("Stopped on request; what it counts as stored is safe. The same command goes on.")
    if not report.clean:
        raise typer.Exit(1)


def _watch(
    paths: list[Path], department: str | None, home: Path | None, as_user: str | None, *, json: bool
) -> None:
    from leadglass.cli.watch import watch

    folders = [path.absolute() for path in paths]
    if any(path.exists() and not path.is_dir() for path in folders):
        raise typer.BadParameter("Only folders are watched.", param_hint="PATH")
    with at_home(home, as_user) as work:
        root = work.opened.home.root.resolve()
        if any(path.resolve().is_relative_to(root) for path in folders):
            raise typer.BadParameter("The home itself holds nothing to take in.", param_hint="PATH")
        watch(work, folders, department, json=json)


def take_in(work: Work, paths: list[Path], department: str | None, *, quiet: bool) -> Report:
    """Import `paths` with a progress bar."""
    from leadglass.cli.sources import ZipLimits, find

    limits = work.opened.settings.limits
    zips = ZipLimits(members=limits.zip_members, ratio=limits.zip_ratio)
    with _progress(paths, zips, quiet=quiet) as tick:
        return run(work, find(paths, zips), department, tick)


def run(
    work: Work,
    found: Iterator[Found],
    department: str | None,
    tick: Callable[[Report], None],
    source: str = "import",
) -> Report:
    """What is found into the archive."""
    from leadglass.cli.pipeline import Pipeline

    department_id = work.services.accounts.department(work.who, department, work.context())
    largest = work.opened.settings.limits.object_mib << 20
    pipeline = Pipeline(
        work.services.ingest, work.who, department_id, work.context, largest=largest, source=source
    )
    published = monotonic()

    def tick_and_publish(report: Report) -> None:
        """What was published is what a later look at the home can be held to: not only when all is done."""
        nonlocal published
        tick(report)
        if monotonic() - published >= PUBLISH_SECONDS:
            with suppress(Unavailable):  # a full disk ends the import by itself
                work.opened.publish()
            published = monotonic()

    return pipeline.run(found, tick_and_publish)


@contextmanager
def _progress(paths: list[Path], limits: ZipLimits, *, quiet: bool) -> Iterator[Callable[[Report], None]]:
    """Files, bytes, rate and time left, on a terminal; what there is to do is counted meanwhile."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = show.err()
    columns = (
        TextColumn("Importing {task.fields[files]:,} files"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    hidden = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None, files=0)
        if not hidden:
            _count_aside(lambda total: bar.update(task, total=total), paths, limits)
        yield lambda report: bar.update(
            task,
            completed=report.bytes,
            files=report.stored + report.duplicates + report.kept_aside + report.refusals,
        )


def _count_aside(tell: Callable[[int], None], paths: list[Path], limits: ZipLimits) -> None:
    """Add up what there is to read in a thread of its own; the import does not wait for it."""
    import threading

    from leadglass.cli.sources import Source, find

    def count() -> None:
        tell(sum(found.size for found in find(paths, limits) if isinstance(found, Source)))

    threading.Thread(target=count, daemon=True, name="leadglass-count").start()


def _as_json(report: Report, seconds: float) -> dict[str, Any]:
    return {
        "stored": report.stored,
        "duplicates": report.duplicates,
        "kept_aside": report.kept_aside,
        "refused": report.refusals,
        "bytes": report.bytes,
        "seconds": round(seconds, 3),
        "stopped": str(report.stopped) if report.stopped else None,
        "interrupted": report.interrupted,
        "kept_aside_files": [_listed(each) for each in report.aside],
        "refused_files": [_listed(each) for each in report.refused],
    }


def _listed(refused: Refused) -> dict[str, str]:
    return {"file": refused.name, "code": refused.code, "reason": refused.sentence}


def _show(report: Report, seconds: float) -> None:
    problems = sorted((*report.refused, *report.aside), key=lambda each: each.name)[:MOST_SHOWN]
    if problems:
        folder = _common_folder([each.name for each in problems])
        rows = [(show.shortened(each.name[len(folder) :]), each.sentence) for each in problems]
        where = f"In {show.shortened(folder)}" if folder else "File"
        show.table((where, "Why it is not among the images"), rows)
        more = report.refusals + report.kept_aside - len(problems)
        if more:
            show.note(f"and {more:,} more; --json lists them")
        show.out().print()
    show.out().print(_summary(report, seconds), soft_wrap=True)


def _common_folder(names: list[str]) -> str:
    """What the names have in common, up to a slash: told once, not on every line."""
    first, last = min(names), max(names)  # what these two share, all in between share
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first.rfind("/", 0, same) + 1]


def counted(report: Report, refusals: int) -> str:
    """What became of it, in one line."""
    counts = (
        f"{show.count(report.stored, 'image')} stored",
        f"{report.duplicates:,} already here" if report.duplicates else "",
        f"{report.kept_aside:,} kept aside" if report.kept_aside else "",
        f"{refusals:,} refused" if refusals else "",
    )
    return ", ".join(filter(None, counts))


def _summary(report: Report, seconds: float) -> str:
    rate = f"{show.size(report.bytes)} in {seconds:.1f} s" if seconds >= 0.05 else show.size(report.bytes)
    return f"{counted(report, report.refusals)} ({rate})."
