"""leadglass scan HOST:PORT…: what a stranger gets there."""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Final

import typer

from leadglass.cli import show
from leadglass.cli.scan_results import OutOption, load, summarise, write
from leadglass.cli.scan_scopes import Ready, from_file, from_targets
from leadglass.cli.work import JsonOption
from leadglass.errors import NotFound

if TYPE_CHECKING:
    from leadglass.scan.register import Kind, Register, Survey
    from leadglass.scan.scope import Hours
    from leadglass.scan.survey import Progress, Surveyor

REFRESH_SECONDS: Final = 0.25
_STOPS: Final = (signal.SIGINT, signal.SIGTERM)

TargetsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="HOST[:PORT]…", help="Whom to ask, when it is not a scope.", show_default=False),
]
ScopeOption = Annotated[
    Path | None,
    typer.Option(
        "--scope", metavar="FILE", help="The scope to keep to: see leadglass scan init.", show_default=False
    ),
]
VantageOption = Annotated[
    str | None,
    typer.Option(
        "--vantage", metavar="NAME", help="What this place is called in reports; else this machine's name."
    ),
]
VerifyOption = Annotated[
    bool,
    typer.Option("--verify", help="Look again at what was open, and prove what is closed."),
]
VerifiedOption = Annotated[
    int | None,
    typer.Option("--survey", metavar="N", help="With --verify: of which survey; else of the last one."),
]
AnewOption = Annotated[
    bool, typer.Option("--anew", help="Begin again although the last survey of this scope was not finished.")
]


def scan(
    targets: TargetsArgument = None,
    *,
    scope: ScopeOption = None,
    verify: VerifyOption = False,
    vantage: VantageOption = None,
    survey: VerifiedOption = None,
    anew: AnewOption = False,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Ask as a stranger would, as far as the scope goes. Exit status 1 when anything has grade F."""
    from leadglass.home import clock
    from leadglass.scan.report.exports import as_json
    from leadglass.scan.results import keep
    from leadglass.scan_home import open_register

    _many_connections()
    with open_register(os.environ) as register:
        if verify:
            from leadglass.cli.scan_verify import retest

            if scope is not None or anew:
                raise typer.BadParameter("A second look keeps to the survey's scope.", param_hint="--verify")
            retest(register, register.survey(survey), targets, vantage, out, json=json)
            return
        if survey is not None:
            raise typer.BadParameter("Only with --verify.", param_hint="--survey")
        ready = ready_for(targets, scope, clock())
        tell(ready)
        made, finished = run(ready, register, vantage, anew=anew, quiet=json)
        result = load(register, made)
        keep(register, result)
        report, letters = write(result, out)
    if json:
        show.line(as_json(result.network, result.about))
    else:
        summarise(result)
        _say_files(report, letters)
    if not finished:
        show.complain("Stopped on request. The same command goes on from here.")
    if not finished or result.is_open:
        raise typer.Exit(1)


def _say_files(report: Path, letters: list[Path]) -> None:
    told = [f"Report {report}"]
    if len(letters) == 1:
        told.append(f"Letter to the owner {letters[0]}")
    elif letters:
        told.append(f"{len(letters):,} letters to owners beside it")
    show.out().print("\n" + "\n".join(told), soft_wrap=True)


def _many_connections() -> None:
    """As many descriptors as this user may have: each host that is asked takes a few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def ready_for(targets: list[str] | None, scope: Path | None, now: int) -> Ready:
    """The scope that was asked for, one way or the other."""
    if bool(targets) == (scope is not None):
        raise typer.BadParameter("Name hosts, or a scope with --scope: one of the two.")
    return from_file(scope, now) if scope is not None else from_targets(targets or [], now)


def tell(ready: Ready) -> None:
    """What is about to happen, before anything does."""
    from leadglass.scan.scope import LEVELS

    scope, plan = ready.scope, ready.plan
    for sentence in ready.told:
        show.note(sentence)
    level = next(name for name, value in LEVELS.items() if value is scope.max_level)
    options = f" and {', '.join(sorted(scope.options))}" if scope.options else ""
    whom = f"{show.count(plan.hosts, 'host')}, {show.count(plan.endpoints, 'port')}"
    show.note(
        f"{whom}, as far as {level}{options}. At most {scope.rate:,} connections a second. "
        f"Authorised by {scope.authorised_by}."
    )
    if scope.hours is not None:
        show.note(_hours(scope.hours))


def _hours(hours: Hours) -> str:
    from leadglass.home import clock

    now = clock()
    wait = hours.wait(now)
    begins = f", so not before {show.minute(now + round(wait * 1000))} UTC" if wait else ""
    return (
        f"Ports are begun with from {hours.begin:%H:%M} to {hours.end:%H:%M} ({hours.zone.key}) only{begins}."
    )


def run(
    ready: Ready,
    register: Register,
    vantage: str | None,
    *,
    anew: bool,
    quiet: bool,
    kind: Kind | None = None,
) -> tuple[Survey, bool]:
    """One survey to its end, or to Ctrl-C; whether it got to its end."""
    from leadglass.home import clock
    from leadglass.scan.register import Kind

    where = vantage or socket.gethostname()
    survey = None if anew else _unfinished(register, ready, where)
    with _noted() as stops:
        if survey is None:
            plan, folder = ready.plan, str(ready.folder)
            kind = kind or Kind.SURVEY
            survey = register.begin(
                ready.text, plan.to_json(), plan.blocks, where, clock(), kind=kind, folder=folder
            )
        else:
            show.note(f"Going on with the survey of {show.minute(survey.started)} UTC.")
        finished = _going(_surveyor(ready, survey, register), stops, quiet=quiet)
    return register.survey(survey.id), finished


@contextmanager
def _noted() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM before there is a loop to tell: raised amid an import, Python may lose them."""
    came: list[int] = []
    before = {each: signal.signal(each, lambda number, _: came.append(number)) for each in _STOPS}
    try:
        yield came
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _unfinished(register: Register, ready: Ready, vantage: str) -> Survey | None:
    """The last survey, if it was of the same scope, from here, and was stopped."""
    try:
        last = register.survey()
    except NotFound:
        return None
    same = (last.scope, last.plan, last.vantage) == (ready.text, ready.plan.to_json(), vantage[:100])
    return last if same and last.finished is None else None


def _surveyor(ready: Ready, survey: Survey, register: Register) -> Surveyor:
    from leadglass.home import clock
    from leadglass.scan.asking import ASKS
    from leadglass.scan.manner import Manner
    from leadglass.scan.survey import Surveyor

    scope = ready.scope
    manner = Manner(
        scope.contact, scope.max_level, scope.options, scope.titles, secret=secrets.token_bytes(32)
    )
    return Surveyor(scope, survey, register, manner, ASKS, clock=clock)


def _going(surveyor: Surveyor, stops: Sequence[int], *, quiet: bool) -> bool:
    """Until it is done, or until Ctrl-C or SIGTERM, of which those that came already are in `stops`: then
    whoever is being asked is let go politely."""
    import uvloop

    async def until_done() -> bool:
        loop, survey = asyncio.get_running_loop(), asyncio.ensure_future(surveyor.run())
        for each in _STOPS:
            loop.add_signal_handler(each, survey.cancel)
        if stops:
            survey.cancel()
        try:
            with _shown(surveyor.progress, quiet=quiet) as refresh:
                while not survey.done():
                    await asyncio.wait([survey], timeout=REFRESH_SECONDS)
                    refresh()
            await survey
        except asyncio.CancelledError:
            return False
        finally:
            for each in _STOPS:
                loop.remove_signal_handler(each)  # or it would be swallowed for good
        return True

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(until_done())


@contextmanager
def _shown(progress: Progress, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """A bar with rates and what is left, on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    console = show.err()
    columns = (
        TextColumn("Asking"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f} hosts/s · {task.fields[open]:,} open · {task.fields[left]}"),
    )
    with Bars(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bars:
        task = bars.add_task("", total=progress.hosts, rate=0.0, open=0, left="")

        def refresh() -> None:
            now = monotonic()
            bars.update(
                task,
                completed=progress.done_hosts,
                rate=progress.rate(now),
                open=progress.open_ports,
                left=_left(progress.remaining(now)),
            )

        yield refresh


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"about {hours} h {minutes:02} min left" if hours else f"about {minutes}:{rest:02} left"
