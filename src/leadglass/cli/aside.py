"""leadglass aside: list, show, accept, store, hand-over, reject, versions, put-back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from leadglass.cli import show
from leadglass.cli.work import AsOption, HomeOption, JsonOption, Work, at_home

if TYPE_CHECKING:
    from leadglass.archive.aside import AsideLine, Settled
    from leadglass.archive.decisions import Decided
    from leadglass.archive.exhibit import Exhibit
    from leadglass.archive.standing import Decision
    from leadglass.index.rows import VersionRow

app = typer.Typer(
    help="What was kept aside: list, show, and decide on it; earlier versions. Clinical: use --as USER.",
    no_args_is_help=True,
)

MOST_LISTED = 500
DECISIONS: Final = {
    "accept": "Let it take the place of what is here under its UID, which is kept as an earlier version.",
    "store": "Store it under a new SOP Instance UID, in a new series or study where its own is another's.",
    "reject": "Destroy it: its key and its bytes go, and nobody can bring them back.",
}

Number = Annotated[
    int, typer.Argument(metavar="ID", help="Its number, as `list` shows it.", min=1, show_default=False)
]
Numbers = Annotated[
    list[int] | None,
    typer.Argument(metavar="[ID]...", help="Their numbers, as `list` shows them.", show_default=False),
]
Why = Annotated[
    str,
    typer.Option("--why", metavar="TEXT", help="Your reason. It goes on the record.", show_default=False),
]
To = Annotated[
    str, typer.Option("--to", metavar="DEPARTMENT", help="The department's name.", show_default=False)
]
Seen = Annotated[
    str | None,
    typer.Option("--seen", metavar="TOKEN", help="Only if it still stands as `show` said with this token."),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="SLUG", help="Those kept aside for this reason.")
]
SourceOption = Annotated[
    str, typer.Option("--source", metavar="TEXT", help="Those that came from there, as `list` says it.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All of --reason and --source, without numbers.")]


@app.command("list")
def list_aside(
    reason: ReasonOption = "",
    source: SourceOption = "",
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """What waits for a decision, newest first, at most 500; and what each source takes up of its limit."""
    with at_home(home, as_user) as work:
        aside, context = work.services.aside, work.context()
        found = aside.page(work.who, context, limit=MOST_LISTED, reason=reason, source=source)
        sources, limit = aside.sources(work.who, context), aside.limit
    if json:
        objects = [_line(line) for line in found.rows]
        used = [{**asdict(each), "limit": limit} for each in sources]
        show.as_json({"objects": objects, "more": found.more, "sources": used})
        return
    if not found.rows:
        show.note("Nothing is kept aside.")
        return
    columns = ("ID", "Received (UTC)", "Reason", "SOP Instance UID", "From", "Size")
    show.table(
        columns, [_row(line) for line in found.rows], right=frozenset({0, 5}), whole=frozenset({0, 1, 5})
    )
    if found.more:
        show.note(f"There are more; these are the newest {MOST_LISTED}.")
    for each in sources:
        show.note(f"{each.source}: {show.size(each.counted)} of {show.size(limit)}.")


@app.command("show")
def show_one(
    number: Number, home: HomeOption = None, as_user: AsOption = None, json: JsonOption = False
) -> None:
    """One object beside what is here: where they differ, and what each decision would do."""
    with at_home(home, as_user) as work:
        found = work.services.aside.show(work.who, number, work.context())
    if json:
        show.as_json(_exhibit(found))
        return
    _show_exhibit(found)


def _deciding(said: str) -> Callable[..., None]:
    def command(
        numbers: Numbers = None,
        *,
        why: Why,
        everything: AllOption = False,
        reason: ReasonOption = "",
        source: SourceOption = "",
        seen: Seen = None,
        home: HomeOption = None,
        as_user: AsOption = None,
        json: JsonOption = False,
    ) -> None:
        with at_home(home, as_user) as work:
            chosen = _chosen(everything, reason, source)
            settled = _decide(work, said, why, numbers, seen=seen, chosen=chosen)
        _report(settled, json)

    return command


for _decision, _does in DECISIONS.items():
    app.command(_decision, help=_does)(_deciding(_decision))


@app.command("hand-over")
def hand_over(
    numbers: Numbers = None,
    *,
    to: To,
    why: Why,
    everything: AllOption = False,
    reason: ReasonOption = "",
    source: SourceOption = "",
    seen: Seen = None,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Put it onto another department's list, whose PACS administrators decide on it or hand it back."""
    with at_home(home, as_user) as work:
        chosen = _chosen(everything, reason, source)
        number = _department(work, to)
        settled = _decide(work, "hand-over", why, numbers, to=number, seen=seen, chosen=chosen)
    _report(settled, json)


@app.command("versions")
def list_versions(home: HomeOption = None, as_user: AsOption = None, json: JsonOption = False) -> None:
    """What was replaced, and what was received of objects that are stored under UIDs of their own."""
    with at_home(home, as_user) as work:
        found = work.services.aside.versions(work.who, work.context(), limit=MOST_LISTED)
    if json:
        show.as_json({"versions": [_version(row) for row in found.rows], "more": found.more})
    elif found.rows:
        columns = ("ID", "Since (UTC)", "What", "SOP Instance UID", "Size")
        rows = [
            (row.id, show.minute(row.made), row.kind, row.instance_uid, show.size(row.size))
            for row in found.rows
        ]
        show.table(columns, rows, right=frozenset({0, 4}), whole=frozenset({0, 1, 2, 4}))
    else:
        show.note("There are no earlier versions.")


@app.command("put-back")
def put_back(
    number: Number,
    *,
    why: Why,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Show what was replaced again; what had replaced it is kept as a version."""
    with at_home(home, as_user) as work:
        row = work.services.aside.put_back(work.who, number, why, work.context())
    if json:
        show.as_json({"version": number, "sop_instance_uid": row.instance_uid})
    else:
        show.note(f"{row.instance_uid} is as it was before.")


def _chosen(everything: bool, reason: str, source: str) -> tuple[str, str] | None:
    if not everything and (reason or source):
        raise typer.BadParameter("--reason and --source choose many: say --all as well.")
    return (reason, source) if everything else None


def _decide(
    work: Work,
    said: str,
    why: str,
    numbers: list[int] | None,
    *,
    to: int | None = None,
    seen: str | None,
    chosen: tuple[str, str] | None,
) -> Settled:
    """All that were named one by one, or all of one reason and source."""
    from leadglass.archive.aside import Settled
    from leadglass.archive.standing import Decision
    from leadglass.errors import LeadglassError

    decision = Decision(said)
    if bool(numbers) == (chosen is not None):
        raise typer.BadParameter("Name objects by their numbers, or all of them with --all.")
    if seen is not None and len(numbers or ()) != 1:
        raise typer.BadParameter("A token is of one object.", param_hint="--seen")
    if chosen is not None:
        return _decide_all(work, decision, why, chosen, to)
    aside, decided, refused = work.services.aside, [], []
    for number in numbers or ():
        try:
            decided.append(aside.decide(work.who, number, decision, why, work.context(), to=to, seen=seen))
        except LeadglassError as error:
            refused.append((number, str(error)))
    return Settled(tuple(decided), tuple(refused), 0)


def _department(work: Work, name: str) -> int:
    """Its number. Violation when there is none of that name."""
    from leadglass.errors import Violation

    for each in work.services.accounts.departments():
        if each.name.casefold() == name.strip().casefold():
            return each.id
    raise Violation("There is no department of that name.", code="no-department")


def _decide_all(work: Work, decision: Decision, why: str, chosen: tuple[str, str], to: int | None) -> Settled:
    """As many at a time as the archive takes, until only those are left that refused."""
    from leadglass.archive.aside import Settled

    decided: list[Decided] = []
    refused: dict[int, str] = {}
    with show.progress("Deciding") as bar:
        while True:
            settled = work.services.aside.decide_all(
                work.who,
                decision,
                why,
                work.context(),
                reason=chosen[0],
                source=chosen[1],
                to=to,
                after=max(refused, default=0),
                progress=bar,
            )
            decided += settled.decided
            refused |= settled.refused
            if not settled.left:
                return Settled(tuple(decided), tuple(refused.items()), 0)


def _report(settled: Settled, json: bool) -> None:
    """Exit status 1 when anything was refused."""
    if json:
        show.as_json(
            {
                "decided": [asdict(each) for each in settled.decided],
                "refused": [{"id": number, "sentence": why} for number, why in settled.refused],
            }
        )
    else:
        for each in settled.decided:
            show.line(f"{each.decision}\t{show.printable(each.sop_instance_uid)}")
        for number, why in settled.refused:
            show.complain(f"{number}: {why}")
    if settled.refused:
        raise typer.Exit(1)


# --- as text, as JSON ------------------------------------------------------------------------------------


def _row(line: AsideLine) -> tuple[object, ...]:
    row = line.row
    uid = row.sop_instance_uid or "none that is legal"
    return row.id, show.minute(row.received), row.reason, uid, row.source, show.size(row.size)


def _line(line: AsideLine) -> dict[str, Any]:
    row = line.row
    return {
        "id": row.id,
        "reason": row.reason,
        "sentence": line.sentence,
        "sop_instance_uid": row.sop_instance_uid,
        "study_instance_uid": row.study.study_instance_uid if row.study is not None else None,
        "source": row.source,
        "received": show.moment(row.received),
        "size": row.size,
    }


def _exhibit(found: Exhibit) -> dict[str, Any]:
    kept, study = found.kept, found.study
    return {
        "id": kept.id,
        "reason": kept.reason,
        "sentence": found.sentence,
        "sop_instance_uid": kept.sop_instance_uid,
        "study_instance_uid": study.study_instance_uid if study is not None else None,
        "source": kept.source,
        "received": show.moment(kept.received),
        "size": kept.sealed.size,
        "transfer_syntax": found.syntax,
        "compared": found.compared,
        "differences": [asdict(line) for line in found.lines],
        "more": found.more,
        "notes": list(found.notes),
        "decisions": [asdict(choice) for choice in found.choices],
        "token": found.token,
    }


def _show_exhibit(found: Exhibit) -> None:
    kept = found.kept
    show.facts(
        (
            ("Kept aside", found.sentence),
            ("From", kept.source),
            ("Received (UTC)", show.minute(kept.received)),
            ("Size", show.size(kept.sealed.size)),
            ("SOP Instance UID", kept.sop_instance_uid or "none that is legal"),
            ("Transfer syntax", found.syntax),
        )
    )
    if found.lines:
        columns = ("Tag", "Attribute", "Here", "Came") if found.compared else ("Tag", "Attribute", "Value")
        cells = [
            (
                line.tag,
                line.name,
                *(map(_value, (line.here, line.there)) if found.compared else [_value(line.there)]),
            )
            for line in found.lines
        ]
        show.table(columns, cells, whole=frozenset({0}))
    for note in found.notes:
        show.note(note)
    for choice in found.choices:
        show.facts(((choice.decision, choice.words if choice.offered else f"Not possible. {choice.words}"),))


def _value(value: str | None) -> str:
    return "(absent)" if value is None else value or "(empty)"


def _version(row: VersionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "since": show.moment(row.made),
        "sop_instance_uid": row.instance_uid,
        "received_as": row.facts.sop_instance_uid,
        "study_instance_uid": row.study.study_instance_uid,
        "source": row.source,
        "received": show.moment(row.facts.received),
        "size": row.size,
    }
