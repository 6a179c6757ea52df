"""leadglass backup, restore."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.work import (
    AsOption,
    HomeOption,
    JsonOption,
    Work,
    at_home,
    command_context,
    root_of,
    stoppable,
    this_operator,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leadglass.archive.backup import Generation, Last, Made
    from leadglass.archive.backup_check import Verified
    from leadglass.restoring import Drilled, Restored

OLD_DAYS = 7
_HOUR = 3_600_000  # ms
_LONG_HOURS = 72

FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of the back-ups.")]
GenerationOption = Annotated[
    str | None,
    typer.Option("--generation", metavar="NAME", help="This back-up, as --list names it; else the newest."),
]


def backup(
    folder: FolderArgument,
    *,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            metavar="N",
            min=1,
            help="Keep the newest N back-ups, remove older ones and their objects.",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Only say which back-ups there are.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only read every byte of the back-ups that are there.")
    ] = False,
    drill: Annotated[
        bool,
        typer.Option("--drill", help="Only restore into a scratch home, compare everything, remove it."),
    ] = False,
    scratch: Annotated[
        Path | None,
        typer.Option("--scratch", metavar="DIR", help="Where the scratch home goes; else beside the home."),
    ] = None,
    generation: GenerationOption = None,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Back the home up into a folder, also while it is served. Only what is new is copied."""
    _require_one({"--list": list_, "--verify": verify, "--drill": drill, "--keep": keep is not None})
    _require_used("--scratch", scratch, drill)
    _require_used("--generation", generation, verify or drill)
    with stoppable(), at_home(home, as_user) as work:
        if list_:
            _list(work, folder, json)
        elif verify:
            _verify(work, folder, generation, json)
        elif drill:
            _drill(work, folder, scratch, generation, json)
        else:
            _make(work, folder, keep, json)


def _require_one(asked: dict[str, bool]) -> None:
    given = [option for option, is_given in asked.items() if is_given]
    if len(given) > 1:
        raise typer.BadParameter(f"One of them at a time: {', '.join(given)}.", param_hint=given[-1])


def _require_used(option: str, value: object, is_used: bool) -> None:
    if value is not None and not is_used:
        raise typer.BadParameter("Nothing that is asked for makes use of it.", param_hint=option)


def _make(work: Work, folder: Path, keep: int | None, json: bool) -> None:
    from leadglass.home import clock

    started = time.monotonic()
    with _progress("Backing up", json) as progress:
        made = work.services.backups.make(
            work.who, work.context(), folder, clock, keep=keep, progress=progress
        )
    seconds = round(time.monotonic() - started, 3)
    if json:
        show.as_json({"folder": str(folder), **asdict(made), "seconds": seconds})
    else:
        _show_made(folder, made, seconds)
    if made.missing:
        raise typer.Exit(1)


def _show_made(folder: Path, made: Made, seconds: float) -> None:
    show.facts((
        ("Back-up", made.generation),
        ("In", folder),
        ("Objects", f"{made.end.objects:,} ({show.size(made.end.bytes)})"),
        ("New", f"{made.copied:,} ({show.size(made.copied_bytes)})"),
        *((("Deleted", f"{made.deleted:,} while it was made"),) if made.deleted else ()),
        *((("Removed", _removed(made)),) if made.removed or made.removed_objects else ()),
        ("Took", _duration(seconds)),
    ))  # fmt: skip
    for note in made.notes:
        show.note(f"! {note}", style="yellow")
    if made.missing:
        show.note(
            f"! {show.count(made.missing, 'object')} of the home cannot be read and no back-up has them. "
            "See: leadglass check",
            style="bold red",
        )


def _removed(made: Made) -> str:
    return f"{show.count(len(made.removed), 'older back-up')}, {show.count(made.removed_objects, 'object')}"


def _list(work: Work, folder: Path, json: bool) -> None:
    found = work.services.backups.list(work.who, work.context(), folder)
    if json:
        show.as_json([_listed(one) for one in found])
    elif found:
        columns = ("Back-up", "Made (UTC)", "Objects", "Size", "Record")
        show.table(columns, [_row(one) for one in found], right=frozenset({2, 3, 4}), whole=frozenset({0, 1}))
    else:
        show.note("No back-up in this folder was ever finished.")
    if any(one.trouble for one in found):
        raise typer.Exit(1)


def _listed(one: Generation) -> dict[str, Any]:
    if one.heading is None or one.end is None:
        return {"generation": one.name, "trouble": one.trouble}
    return {
        "generation": one.name,
        "created": show.moment(one.heading.created),
        "objects": one.end.objects,
        "bytes": one.end.bytes,
        "record_size": one.heading.record_size,
        "record_root": one.heading.record_root,
        "program": one.heading.program,
    }


def _row(one: Generation) -> tuple[object, ...]:
    if one.heading is None or one.end is None:
        return one.name, "damaged", "", "", ""
    return (
        one.name,
        show.minute(one.heading.created),
        f"{one.end.objects:,}",
        show.size(one.end.bytes),
        f"{one.heading.record_size:,}",
    )


def _verify(work: Work, folder: Path, generation: str | None, json: bool) -> None:
    from leadglass.archive.backup_check import verify
    from leadglass.home import clock

    with _progress("Reading back-ups", json) as progress:
        found = verify(
            work.services.backups,
            work.who,
            work.context(),
            folder,
            clock,
            generation=generation,
            progress=progress,
        )
    if json:
        show.as_json(asdict(found) | {"ok": found.ok})
    else:
        _show_verified(found)
    if not found.ok:
        raise typer.Exit(1)


def _show_verified(found: Verified) -> None:
    show.facts((
        ("Back-ups", f"{len(found.generations):,}"),
        ("Objects", f"{found.objects:,} ({show.size(found.bytes)}), every byte read"),
    ))  # fmt: skip
    _say_problems(found.problems, found.more_problems, found.notes)
    if found.ok:
        show.out().print("Every file is as it was written.", style="green")


def _drill(work: Work, folder: Path, scratch: Path | None, generation: str | None, json: bool) -> None:
    from leadglass.home import clock
    from leadglass.restoring import Hand, drill

    with _progress("Restoring", json) as progress:
        found = drill(
            work.opened,
            folder,
            scratch or work.opened.home.root.parent,
            Hand(work.who, work.context, clock, progress),
            generation=generation,
        )
    if json:
        show.as_json(asdict(found) | {"ok": found.ok, "seconds": round(found.seconds, 3)})
    else:
        _show_drilled(found)
    if not found.ok:
        raise typer.Exit(1)


def _show_drilled(found: Drilled) -> None:
    compared = (
        ("Objects", f"{found.objects:,} ({show.size(found.bytes)}), every byte compared"),
        ("Database", f"{found.rows:,} rows of {found.tables} tables, every one compared"),
        ("Record", f"{found.record_size:,} entries, root recomputed"),
    )
    took = ("Took", _duration(found.seconds))
    show.facts((("Back-up", found.generation), *(compared if found.ok else ()), took))
    _say_problems(found.problems, 0, found.notes)
    if found.ok:
        show.out().print("This back-up restores. The scratch home is removed.", style="green")
    else:
        show.out().print("This back-up does NOT restore. Make a new one in another folder.", style="bold red")


def _say_problems(problems: list[str], more: int, notes: tuple[str, ...]) -> None:
    for note in notes:
        show.note(f"! {note}", style="yellow")
    for problem in problems:
        show.out().print(f"  {show.printable(problem)}", style="red", soft_wrap=True)
    if more:
        show.out().print(f"  and {more:,} more")


def restore(
    folder: FolderArgument,
    generation: GenerationOption = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="A checkpoint of the record, copied away before the loss.",
        ),
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make the home again from its back-up and the recovery key, in an empty or new folder."""
    from leadglass.home import clock
    from leadglass.restoring import Hand
    from leadglass.restoring import restore as restored_from

    signed = None if checkpoint is None else _read(checkpoint)
    with stoppable(), _late_progress("Restoring", json) as progress:
        done = restored_from(
            folder.absolute(),
            root_of(home),
            os.environ,
            _recovery_key,
            Hand(this_operator(), command_context, clock, progress),
            generation=generation,
            checkpoint=signed,
        )
    if json:
        show.as_json(_restored(done))
    else:
        _show_restored(done)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 18)


def _recovery_key() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Recovery key", hide_input=True, err=True))
    return sys.stdin.readline(1024)


def _restored(done: Restored) -> dict[str, Any]:
    return {
        "home": str(done.home.root),
        "generation": done.heading.generation,
        "created": show.moment(done.heading.created),
        "objects": done.objects,
        "bytes": done.bytes,
        "destroyed_again": done.destroyed,
        "missing": done.missing,
        "record_size": done.heading.record_size,
        "record_root": done.heading.record_root,
        "master_key_file": str(done.key_file),
        "notes": list(done.notes),
        "seconds": round(done.seconds, 3),
    }


def _show_restored(done: Restored) -> None:
    moment = show.minute(done.heading.created)
    show.facts((
        ("Home", done.home.root),
        ("Back-up", f"{done.heading.generation}, made {moment} UTC"),
        ("Objects", f"{done.objects:,} ({show.size(done.bytes)})"),
        *((("Deleted", f"{done.destroyed:,} that were deleted since, again"),) if done.destroyed else ()),
        ("Record", f"{done.heading.record_size:,} entries, root {done.heading.record_root[:16]}…, verified"),
        ("Master key", f"{done.key_file}{' (it was there)' if done.key_was_there else ''}"),
        ("Took", _duration(done.seconds)),
    ))  # fmt: skip
    for note in done.notes:
        show.note(f"! {note}", style="yellow")
    if done.missing:
        lost = show.count(done.missing, "object")
        show.note(f"! {lost} had been lost before the back-up was made.", style="bold red")
    show.boxed(
        "Read this",
        (
            f"The home is as it was on {moment} UTC. What came in after that is not in it:",
            "have it sent again. Nothing of it is on the record either.",
            "The record goes on from there. If the lost machine had recorded more, there are now",
            "two continuations of one record; whoever keeps a later checkpoint will see that.",
            "An entry (system.restore) says from which back-up, size and root it goes on.",
            "Users, tokens and AEs are as they were: disable again whom you disabled since",
            "(leadglass user list, token list, ae list). Everybody has to sign in again.",
        ),
    )


def backup_age(last: Last | None, now: int) -> str:
    """How long ago the last back-up was finished, and where it lies."""
    if last is None:
        return "never"
    hours = max(0, now - last.at) // _HOUR
    age = "less than an hour" if not hours else show.count(hours, "hour")
    if hours >= _LONG_HOURS:
        age = show.count(hours // 24, "day")
    return f"{age} ago, {show.minute(last.at)} UTC, in {last.folder}"


def backup_warnings(last: Last | None, now: int, instances: int) -> list[str]:
    """What `status` says about it when there is something to keep."""
    if last is None:
        return ["There is no back-up. Make one with: leadglass backup FOLDER"] if instances else []
    warnings = []
    if now - last.at > OLD_DAYS * 24 * _HOUR:
        warnings.append(f"The last back-up is more than {OLD_DAYS} days old.")
    if last.at - now > 24 * _HOUR:
        when = show.minute(last.at)
        warnings.append(
            f"The last back-up is of {when} UTC: a clock was wrong, then or now. Make another one."
        )
    if last.missing:
        warnings.append(
            f"The last back-up could not find {show.count(last.missing, 'object')}. See: leadglass check"
        )
    return warnings


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


@contextmanager
def _progress(what: str, json: bool) -> Iterator[show.Bar | None]:
    with nullcontext() if json else show.progress(what) as bar:
        yield bar
        if bar:
            bar.done()


@contextmanager
def _late_progress(what: str, json: bool) -> Iterator[Callable[[int, int], None]]:
    """Shown from the first step on: it would be drawn over a question that is asked before."""
    with ExitStack() as shown:
        bars: list[show.Bar | None] = []

        def step(done: int, of: int) -> None:
            if not bars:
                bars.append(shown.enter_context(_progress(what, json)))
            if bars[0] is not None:
                bars[0](done, of)

        yield step
