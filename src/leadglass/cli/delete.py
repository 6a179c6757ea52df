"""leadglass delete: a study, or a part of it, for good."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from leadglass.cli import show
from leadglass.cli.work import AsOption, HomeOption, JsonOption, at_home

if TYPE_CHECKING:
    from leadglass.archive.deletion import Deleted, Plan


def delete(
    study_uid: Annotated[
        str, typer.Argument(metavar="STUDY_UID", help="Its Study Instance UID.", show_default=False)
    ],
    *,
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="TEXT", help="Why. It goes on the record.", show_default=False),
    ],
    series: Annotated[
        str | None, typer.Option("--series", metavar="UID", help="Only this series of it.")
    ] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="UID", help="Only this object of it.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether that is meant.")] = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a study for good: its key is destroyed, and nothing opens its images any more. It is for PACS
    administrators of its department, so --as USER is needed."""
    from leadglass.archive.deletion import Target, checked_reason

    target = Target(series, instance)
    checked_reason(reason)
    with at_home(home, as_user) as work:
        deletion = work.services.deletion
        plan = deletion.plan_of(work.who, study_uid, work.context(), target)
        if not yes:
            _confirm(plan)
        done = deletion.delete(work.who, plan, work.context(), reason=reason, target=target)
    if json:
        show.as_json(asdict(done))
    else:
        _say(done)
    if done.left:
        raise typer.Exit(1)


def _confirm(plan: Plan) -> None:
    """Whoever agrees has seen whose study it is. Without a terminal nobody has."""
    if not _is_somebody_there():
        raise typer.BadParameter("Nobody can be asked here: say --yes.", param_hint="--yes")
    study = plan.study
    show.facts((
        ("Patient", f"{study.patient_name}   {study.patient_id}"),
        ("Study", f"{study.study_date}   {study.description}   {study.study_instance_uid}"),
        ("To go", _amount(plan.series, plan.instances, plan.bytes)),
        ("Left of it", "nothing" if plan.whole else "the rest of the study"),
    ))  # fmt: skip
    typer.confirm("Delete this for good? Nothing brings it back", abort=True, err=True)


def _is_somebody_there() -> bool:
    return sys.stdin.isatty()


def _say(done: Deleted) -> None:
    out = show.out()
    out.print(
        f"Deleted: {_amount(done.series, done.instances, done.bytes)}. On the record as entry {done.entry}."
    )
    if done.freed:
        freed = show.count(
            done.freed, "object that contradicted it stays", "objects that contradicted it stay"
        )
        out.print(f"{freed} kept aside, for a PACS administrator to decide.")
    if not done.overwritten:
        show.note(
            "Older forms of its rows stay in the database's log until nobody reads them any more: "
            "at the latest until the server ends."
        )
    if done.left:
        left = show.count(done.left, "sealed object")
        show.note(
            f"! The disk did not let {left} go. No key opens them. See leadglass check --collect-orphans."
        )


def _amount(series: int, instances: int, size: int) -> str:
    return f"{show.count(series, 'series', 'series')}, {show.count(instances, 'object')}, {show.size(size)}"
