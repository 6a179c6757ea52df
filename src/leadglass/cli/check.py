"""leadglass check: is everything there, unaltered and in its place; and repairing what can be proven."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.work import HomeOption, JsonOption, at_home

if TYPE_CHECKING:
    from leadglass.archive.check import CheckReport

# Of a report: what is said of so many, and what can be done about it.
_FINDINGS = (
    ("missing", "object missing", "objects missing", "The store does not have it."),
    ("altered", "object altered", "objects altered", "It is not as it was received, or cannot be read."),
    (
        "misfiled",
        "object in the wrong place",
        "objects in the wrong place",
        "Its header names another patient, study, series or UID than its row. A person has to look.",
    ),
    (
        "wrong_facts",
        "row that its objects do not say",
        "rows that their objects do not say",
        "leadglass check --deep --repair derives it from the object.",
    ),
    (
        "wrong_counts",
        "study with wrong counts",
        "studies with wrong counts",
        "leadglass check --repair counts anew.",
    ),
    (
        "unrecorded",
        "thing that is not on the record",
        "things that are not on the record",
        "Nothing says how it came, or went. Somebody has been at the database.",
    ),
)

_HEALED = (
    "The same object sent or imported again takes its place. PACS administrators see which in the portal."
)


def check(
    home: HomeOption = None,
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte of every object.")] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Put right what can be proven, list what is lost, remove orphans."),
    ] = False,
    collect: Annotated[
        bool,
        typer.Option("--collect-orphans", help="Remove what interrupted imports left behind."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Is everything there that was stored, unaltered, and does the record verify? Exit status 1 if not."""
    with at_home(home) as work, nullcontext() if json else show.progress("Checking objects") as progress:
        report = work.services.upkeep.check(
            work.who, work.context(), deep=deep, collect=collect, repair=repair, progress=progress
        )
        if progress:
            progress.done()
        if json:
            show.as_json(_as_json(report))
        else:
            _show(report)
        if not report.ok:
            raise typer.Exit(1)


def _as_json(report: CheckReport) -> dict[str, Any]:
    from leadglass.cli.record import verdict_json

    found = {each.name: getattr(report, each.name) for each in fields(report)}
    record = verdict_json(report.record) if report.record else None
    return {"ok": report.ok} | found | {"record": record}


def _show(report: CheckReport) -> None:
    from leadglass.cli.record import show_verdict

    how = "every byte read" if report.deep else "each opened; --deep reads every byte"
    show.facts((("Objects", f"{report.objects:,} ({how})"),))
    for name, one, many, remedy in _FINDINGS:
        if found := getattr(report, name):
            show.out().print(f"{show.count(len(found), one, many)}:", style="bold red")
            show.table(("Which",), [(_named(each),) for each in found])
            show.out().print(remedy, soft_wrap=True)
    if report.record:
        show_verdict(report.record)
    for sentence in _sentences(report):
        show.out().print(sentence, soft_wrap=True)
    if report.ok:
        show.out().print("Nothing is lost, nothing is altered.", style="green")
    else:
        show.out().print("Something is wrong: see above.", style="bold red")


def _named(what: str | int) -> str:
    return f"study {what}" if isinstance(what, int) else what


def _sentences(report: CheckReport) -> list[str]:
    """What was done, what stays and what to do, one line each."""
    count = show.count
    said = (
        (report.repaired_counts, f"Counts of {count(report.repaired_counts, 'study', 'studies')} put right."),
        (report.repaired_facts, f"{count(report.repaired_facts, 'row')} derived from the sealed object."),
        (report.found_again, f"{count(report.found_again, 'lost object')} found again, and shown again."),
        (report.taken_out, f"{count(report.taken_out, 'object')} taken out of sight and listed as lost."),
        (report.refused, report.refused),
        (
            report.lost,
            f"{count(report.lost, 'object is', 'objects are')} lost and not shown. {_HEALED}",
        ),
        (
            report.replaced,
            f"In place of {count(report.replaced, 'lost object')}, other content came under the same UID.",
        ),
    )
    return [*(sentence for applies, sentence in said if applies), _orphans(report)]


def _orphans(report: CheckReport) -> str:
    if report.collected:
        return f"{show.count(report.collected, 'orphan')} removed ({show.size(report.orphan_bytes)})."
    if report.orphans:
        left = f"{show.count(report.orphans, 'orphan')} ({show.size(report.orphan_bytes)})"
        return f"{left} of interrupted imports. Safe to remove: leadglass check --collect-orphans"
    if report.young:
        young = show.count(report.young, "object")
        return f"{young} without a row may still be arriving; look again in an hour."
    return "No orphans."
