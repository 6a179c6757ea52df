"""leadglass log: show, verify, export."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from leadglass.cli import show
from leadglass.cli.work import AsOption, HomeOption, JsonOption, Work, at_home

if TYPE_CHECKING:
    from leadglass.archive.trail import RecordLine
    from leadglass.record.chain import Verdict

app = typer.Typer(help="The access record: show, verify, export.", no_args_is_help=True)

_ACTOR = re.compile(r"(user|token|operator|ae|jwt):\d+|system|nobody", re.ASCII)


@app.command("show")
def show_log(
    *,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="Only accesses to this patient's images.")
    ] = None,
    study: Annotated[
        str | None, typer.Option("--study", metavar="UID", help="Only accesses to this study.")
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user", metavar="NAME", help="Only this user's or AE's, or of an actor such as operator:0."
        ),
    ] = None,
    action: Annotated[
        str | None, typer.Option("--action", metavar="ACTION", help="Only this action, e.g. study.view.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DAY", help="From this day on (UTC), e.g. 2026-01-31.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DAY", help="Up to and with this day (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="How many.")] = 50,
    before: Annotated[
        int | None, typer.Option("--before", metavar="NUMBER", help="Only entries with a smaller number.")
    ] = None,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Who saw what, when and why; the newest first. Showing it is itself recorded."""
    period = (_day(since, "--since"), _day(until, "--until", days=1))
    with at_home(home, as_user) as work:
        lines = work.services.trail.page(
            work.who,
            work.context(),
            patient=patient,
            study=study,
            actor=_actor(work, user) if user else None,
            action=action,
            since=period[0],
            until=period[1],
            below=before,
            limit=limit,
        )
    if json:
        show.as_json([_as_json(line) for line in lines])
    elif lines:
        columns = ("No.", "Time (UTC)", "Who", "What", "Patient IDs", "How much")
        show.table(
            columns, [_as_row(line) for line in lines], right=frozenset({0}), whole=frozenset({0, 1, 2, 3})
        )
        if len(lines) == limit:
            show.note(f"Older ones: --before {lines[-1].seq}")
    else:
        show.note("The record holds nothing of the kind.")


def _actor(work: Work, name: str) -> str:
    """`dr.roth`, or the AE `CT1`, as the record knows them."""
    if _ACTOR.fullmatch(name):
        return name
    users = work.services.accounts.list_users(work.operator, work.context())
    found = next((user for user in users if user.name == name.strip().casefold()), None)
    if found is not None:
        return f"user:{found.id}"
    numbers = work.services.peers.numbers_of(name)
    if not numbers:
        raise typer.BadParameter(f"There is no user or AE {show.printable(name)}.", param_hint="--user")
    return f"ae:{numbers[0]}"


def _day(text: str | None, option: str, *, days: int = 0) -> int | None:
    if text is None:
        return None
    try:
        start = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=days)
    except ValueError:
        raise typer.BadParameter("A day is written as 2026-01-31.", param_hint=option) from None
    return int(start.timestamp() * 1000)


def _as_row(line: RecordLine) -> tuple[object, ...]:
    if line.expired:
        return line.seq, show.minute(line.time), "", "(expired)", "", ""
    who = line.actor_name or line.actor
    return line.seq, show.minute(line.time), who, line.action, _patients(line), _extent(line)


def _extent(line: RecordLine) -> str:
    """What was delivered, or why it was not."""
    counts = ", ".join(_count(what, number) for what, number in (line.counts or {}).items())
    if line.outcome != "allowed":
        return f"{line.outcome}: {line.reason}"
    return f"at least {counts or 'opened'}" if line.at_least else counts


def _count(what: str, number: int) -> str:
    if what == "bytes":
        return show.size(number)
    one = "study" if what == "studies" else what.removesuffix("s")
    return f"{number:,} {one if number == 1 else what}"


def _patients(line: RecordLine) -> str:
    """The first few; a page of a study list names dozens."""
    few = ", ".join(line.patients[:3])
    return f"{few} and {len(line.patients) - 3} more" if len(line.patients) > 3 else few


def _as_json(line: RecordLine) -> dict[str, Any]:
    found = asdict(line)
    return found | {"time": show.moment(line.time), "closed": show.moment(line.closed) or None}


@app.command("verify")
def verify(
    home: HomeOption = None,
    as_user: AsOption = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Verify this export instead of a home; needs --key."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="The record's public key, as `status` prints it."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Recompute the whole record and name the first bad entry. Exit status 1 when there is one."""
    if (file is None) != (key is None):
        raise typer.BadParameter("An export is verified with --file and --key together.", param_hint="--file")
    if file is not None and key is not None:
        _report(_verify_file(file, key), json)
        return
    with at_home(home, as_user) as work, show.progress("Verifying the record") as progress:
        found = work.services.upkeep.verify_record(work.who, work.context(), progress)
        progress.done()
        _report(found, json)


def _verify_file(file: Path, key: str) -> Verdict:
    from leadglass.note import VerifierKey
    from leadglass.record.export import read_lines, verify_export

    with file.open("rb") as lines:
        return verify_export(read_lines(lines), VerifierKey.decode(key))


def _report(found: Verdict, json: bool) -> None:
    if json:
        show.as_json(verdict_json(found))
    else:
        show_verdict(found)
    if not found.ok:
        raise typer.Exit(1)


def verdict_json(found: Verdict) -> dict[str, Any]:
    """A verdict for machines."""
    return asdict(found) | {"root": found.root.hex()}


def show_verdict(found: Verdict) -> None:
    """A verdict for people."""
    console = show.out()
    if found.ok:
        entries = show.count(found.size, "entry", "entries")
        console.print(f"The record verifies: {entries}, root {found.root.hex()[:16]}…", soft_wrap=True)
        return
    first = f"The first bad entry is {found.first_bad}." if found.first_bad is not None else ""
    console.print(f"The record does not verify. {first}".strip(), style="bold red")
    for problem in found.problems:
        console.print(f"  {show.printable(problem)}", soft_wrap=True)
    if found.more_problems:
        console.print(f"  and {found.more_problems:,} more")


@app.command("export")
def export(
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write to this new file instead of standard output."),
    ] = None,
    home: HomeOption = None,
    as_user: AsOption = None,
) -> None:
    """The whole record as JSON lines that anybody can verify with the public key. It names patients."""
    with at_home(home, as_user) as work, _sink(output) as sink:
        for line in work.services.trail.export(work.who, work.context()):
            sink.write(line)
        key = work.opened.record_key.encode()
    show.note(f"Anybody can check it: leadglass log verify --file {output or 'FILE'} --key {key}")


@contextmanager
def _sink(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with output.open("xb") as file:  # never over something that is there
        yield file
