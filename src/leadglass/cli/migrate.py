"""leadglass migrate: everything of another archive into this one, and whether it is everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from leadglass.cli import show
from leadglass.cli.reach import (
    AeArgument,
    CallingOption,
    CaOption,
    CertificateOption,
    KeyOption,
    PlaintextOption,
    TlsOption,
    reach,
    reached,
    run,
)
from leadglass.cli.retrieve import THREADS, DepartmentOption, MoveOption, RateOption, pace_of, require_served
from leadglass.cli.work import AsOption, HomeOption, JsonOption, Work
from leadglass.errors import LeadglassError, Unavailable, Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from leadglass.archive.migration import Listed, Progress
    from leadglass.transfer.migrate import Manner, Migrator, Run
    from leadglass.transfer.pace import Hours, Pace
    from leadglass.transfer.target import Endpoint

PUBLISH_SECONDS: Final = 2.0
MOST_SHOWN: Final = 200
MOST_LISTED: Final = 100_000


def migrate(
    ae: AeArgument,
    *,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DAY", help="Only studies from this day on, 2020-01-31.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DAY", help="Only studies up to this day.")
    ] = None,
    rate: RateOption = None,
    hours: Annotated[
        str | None, typer.Option("--hours", metavar="HH-HH", help="Only in these hours of the day, 20-06.")
    ] = None,
    cap: Annotated[
        int | None,
        typer.Option("--cap", metavar="N", min=1, help="The other side answers with no more than N studies."),
    ] = None,
    move: MoveOption = False,
    department: DepartmentOption = None,
    calling: CallingOption = None,
    tls: TlsOption = False,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    ca: CaOption = None,
    plaintext: PlaintextOption = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """List another archive, bring in what is missing, and compare. The same command goes on after a stop."""
    days = _day(since, "--since"), _day(until, "--until")
    pace, window = pace_of(rate), _hours(hours)
    options = reach(
        ae, calling=calling, tls=tls, certificate=certificate, key=key, ca=ca, plaintext=plaintext
    )
    with reached(options, home, as_user, at_home_anyway=True) as (endpoint, work):
        assert work is not None
        began = monotonic()
        manner = _manner(work, pace, window, by_move=move)
        ran = Ran(work, endpoint, manner, department=department, days=days, cap=cap)
        ran.go(quiet=json)
        report = ran.report(monotonic() - began)
        if json:
            show.as_json(report)
        elif report["studies"] or ran.stopped is None:
            _show(report)
    if ran.stopped is not None:
        way = "It does without when this home's server runs and the other side may send to it. "
        advice = way if ran.stopped.code == "no-context" else ""
        show.complain(f"{ran.stopped} {advice}The same command goes on from here.")
    if ran.interrupted:
        show.complain("Stopped on request. The same command goes on from here.")
    if not report["complete"]:
        raise typer.Exit(1)


def _day(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("A day is 2020-01-31.", param_hint=option) from None


def _hours(text: str | None) -> Hours:
    from leadglass.transfer.pace import Hours

    try:
        return Hours() if text is None else Hours.parse(text)
    except Violation as error:
        raise typer.BadParameter(str(error), param_hint="--hours") from None


def _manner(work: Work, pace: Pace, hours: Hours, *, by_move: bool) -> Manner:
    from leadglass.transfer.migrate import Manner

    destination = ""
    with suppress(Unavailable):
        destination = require_served(work)
    if by_move and not destination:
        require_served(work)
    return Manner(hours, pace, destination, by_move)


class Ran:
    """One run of a migration."""

    def __init__(
        self,
        work: Work,
        endpoint: Endpoint,
        manner: Manner,
        *,
        department: str | None,
        days: tuple[date | None, date | None],
        cap: int | None,
    ) -> None:
        from leadglass.transfer.listing import Listing
        from leadglass.transfer.windows import roots

        self._work = work
        self._endpoint = endpoint
        self._manner = manner
        self._department = work.services.accounts.department(work.who, department, work.context())
        today = datetime.now(UTC).date()
        self.progress: Progress = work.services.migrations.open(
            work.who,
            work.context(),
            source=str(endpoint.target),
            department_id=self._department,
            days=(str(days[0] or ""), str(days[1] or "")),
            listing=Listing.of(roots(*days, today), cap).to_json(),
        )
        self.migrator: Migrator | None = None
        self.stopped: LeadglassError | None = None
        self.interrupted = False

    def go(self, *, quiet: bool) -> None:
        from leadglass.net.workers import Workers
        from leadglass.transfer.migrate import Migrator
        from leadglass.transfer.receive import Receiver

        work, workers = self._work, Workers(THREADS)
        receiver = Receiver(
            ingest=work.services.ingest,
            who=work.who,
            department_id=self._department,
            context=work.context,
            workers=workers,
            largest=work.opened.settings.limits.object_mib << 20,
            source=f"migration from {self._endpoint.target.title}",
            pace=self._manner.pace,
        )
        try:
            with _progress(work, quiet=quiet) as tell:
                self.migrator = Migrator(self._endpoint, self.progress, receiver, self._manner, tell)
                run(self.migrator.migrate())
            self.progress.finish(work.context().now)
        except LeadglassError as error:
            self.stopped = error
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            workers.close()

    def report(self, seconds: float) -> dict[str, Any]:
        """What agrees and what does not; `complete` when all of it was listed and agrees."""
        from leadglass.archive.migration import State

        totals = self.progress.totals()
        assert self.migrator is not None
        listing, did = self.migrator.listing, self.migrator.run
        agrees = totals.get(State.AGREES, 0)
        ended = self.stopped is None and not self.interrupted
        sure = not (listing.unsure or listing.failed)
        return {
            "complete": ended and sure and agrees == sum(totals.values()),
            "studies": sum(totals.values()),
            "states": {state.value: totals.get(state, 0) for state in State},
            "listed_whole": listing.window is None and sure,
            "windows_asked": listing.asked,
            "windows_perhaps_cut": [str(window) for window in listing.unsure[:MOST_SHOWN]],
            "windows_failed": [str(window) for window in listing.failed[:MOST_SHOWN]],
            "days_listed_by_time": listing.timed_days,
            "images_stored": did.received.stored,
            "images_already_here": did.received.duplicates,
            "images_kept_aside": did.received.kept_aside,
            "images_refused": did.received.refusals,
            "images_moved": did.moved,
            "bytes": did.received.bytes,
            "seconds": round(seconds, 3),
            "stopped": str(self.stopped) if self.stopped else None,
            "interrupted": self.interrupted,
            "differing": [
                _as_json(listed) for _, listed in zip(range(MOST_LISTED), self.progress.due(), strict=False)
            ],
        }


def _as_json(listed: Listed) -> dict[str, Any]:
    return {
        "study": listed.study_instance_uid,
        "there": listed.expected,
        "here": listed.held,
        "state": listed.state.value,
        "reason": listed.reason,
    }


@contextmanager
def _progress(work: Work, *, quiet: bool) -> Iterator[Callable[[Run], None]]:
    """What is being done, on a terminal; what was recorded is published meanwhile, as an import does it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = show.err()
    columns = (
        TextColumn("{task.fields[doing]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[images]:,} images"),
        TimeElapsedColumn(),
    )
    published = monotonic()
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=None, doing="", images=0)

        def tell(run: Run) -> None:
            nonlocal published
            images = run.received.count + run.moved
            bar.update(task, completed=run.compared, total=run.total, doing=run.doing, images=images)
            if monotonic() - published >= PUBLISH_SECONDS:
                with suppress(Unavailable):  # a full disk ends it by itself
                    work.opened.publish()
                published = monotonic()

        yield tell


_STATES: Final = {
    "open": "not compared yet",
    "fewer": "fewer here",
    "more": "more here",
    "unknown": "the other side does not say",
    "failed": "not given to us",
}


def _show(report: dict[str, Any]) -> None:
    differing = report["differing"]
    rows = [
        (each["study"], _known(each["there"]), _known(each["here"]), _STATES[each["state"]], each["reason"])
        for each in differing[:MOST_SHOWN]
    ]
    if rows:
        show.table(
            ("Study", "There", "Here", "", "Why"), rows, right=frozenset({1, 2}), whole=frozenset({0, 3})
        )
        if len(differing) > len(rows):
            show.note(f"and {len(differing) - len(rows):,} more; --json lists them")
        show.out().print()
    for sentence in _doubts(report):
        show.note(sentence, style="yellow")
    agree, studies = report["states"]["agrees"], report["studies"]
    images = report["images_stored"] + report["images_moved"]
    took = f"{show.size(report['bytes'])} in {report['seconds']:.0f} s"
    brought = f"{show.count(images, 'image')} brought in ({took})"
    agreeing = f"{agree:,} of {show.count(studies, 'study', 'studies')} agree"
    show.out().print(f"{agreeing}. {brought}.", soft_wrap=True)


def _known(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _doubts(report: dict[str, Any]) -> Iterator[str]:
    """What may be missing from the list itself."""
    cut, failed = (list(dict.fromkeys(report[key])) for key in ("windows_perhaps_cut", "windows_failed"))
    if cut:
        yield f"These may hold more studies than the other side tells: {'; '.join(cut[:5])}. See --json."
    if failed:
        yield f"These could not be listed: {'; '.join(failed[:5])}. See --json."
    if report["days_listed_by_time"]:
        days = show.count(report["days_listed_by_time"], "day")
        yield f"{days} had too many studies for one answer. Studies of theirs without a time may be missing."
