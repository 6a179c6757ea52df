"""leadglass patient: list-duplicates, merge, correct, move-study, undo, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.work import AsOption, HomeOption, JsonOption, Work, at_home
from leadglass.errors import NotFound, Violation

if TYPE_CHECKING:
    from leadglass.archive.identities import Change, Identity, Plan, Proposal, Wish

app = typer.Typer(
    help="Whose images these are: patients merged, corrected, told apart, and all of it undone.",
    no_args_is_help=True,
)

PatientArgument = Annotated[
    str, typer.Argument(metavar="PATIENT_ID", help="The ID he has now.", show_default=False)
]
StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY_UID", help="A Study Instance UID.", show_default=False)
]
IssuerOption = Annotated[
    str | None,
    typer.Option("--issuer", metavar="TEXT", help="The issuer of that ID, where several have given it."),
]
IntoIssuerOption = Annotated[
    str | None, typer.Option("--into-issuer", metavar="TEXT", help="The issuer of the second ID.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why. It stands on the record.", show_default=False)
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask before doing it.")]


@app.command("list-duplicates")
def list_duplicates(home: HomeOption = None, as_user: AsOption = None, json: JsonOption = False) -> None:
    """Who may be one person under several IDs, or several under one. Exit status 1 when somebody may be."""
    from leadglass.archive.identities import Doubt

    found: list[Proposal] = []
    with at_home(home, as_user) as work:
        for doubt in Doubt:
            page = work.services.identities.proposals(work.who, doubt, work.context(), limit=1000)
            found += page.rows
    if json:
        show.as_json([_proposal_as_json(each) for each in found])
    elif found:
        columns = ("Doubt", "Name", "Patient ID", "Issuer", "Born", "Sex", "Studies")
        show.table(columns, [row for each in found for row in _proposal_rows(each)], right=frozenset({6}))
    else:
        show.note("Nobody is here twice, as far as names, birth dates and IDs tell.")
    raise typer.Exit(1 if found else 0)


@app.command("merge")
def merge(
    patient: PatientArgument,
    into: Annotated[
        str,
        typer.Argument(
            metavar="INTO_ID", help="The ID under which both are from now on.", show_default=False
        ),
    ],
    *,
    reason: ReasonOption,
    issuer: IssuerOption = None,
    into_issuer: IntoIssuerOption = None,
    yes: YesOption = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """One person under two IDs: all studies of PATIENT_ID go to INTO_ID, and those that still come for it."""
    from leadglass.archive.identities import Kind, Wish

    with at_home(home, as_user) as work:
        source, target = _patient(work, patient, issuer), _patient(work, into, into_issuer)
        _carry_out(work, Wish(Kind.MERGE, patient=source, target=target), reason, json=json, yes=yes)


@app.command("correct")
def correct(
    patient: Annotated[
        str | None, typer.Argument(metavar="[PATIENT_ID]", help="Whose studies, all of them.")
    ] = None,
    *,
    reason: ReasonOption,
    issuer: IssuerOption = None,
    study: Annotated[
        str | None, typer.Option("--study", metavar="UID", help="Only this study, instead of a patient's.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The right name: FAMILY^GIVEN.")
    ] = None,
    birth_date: Annotated[
        str | None, typer.Option("--birth-date", metavar="DATE", help="YYYY-MM-DD; empty: unknown.")
    ] = None,
    sex: Annotated[str | None, typer.Option("--sex", metavar="S", help="M, F, O; empty: unknown.")] = None,
    new_id: Annotated[
        str | None, typer.Option("--new-id", metavar="ID", help="The right Patient ID.")
    ] = None,
    new_issuer: Annotated[
        str | None, typer.Option("--new-issuer", metavar="TEXT", help="The right issuer; empty: none.")
    ] = None,
    yes: YesOption = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Correct name, birth date, sex or ID: of a patient, or of one study (--study)."""
    from leadglass.archive.identities import Kind, Wish

    if (patient is None) == (study is None):
        raise typer.BadParameter("Name a patient or, with --study, a study.")
    given = {
        "patient_name": name,
        "patient_id": new_id,
        "issuer": new_issuer,
        "birth_date": birth_date,
        "sex": sex,
    }
    values = {field: value for field, value in given.items() if value is not None}
    with at_home(home, as_user) as work:
        if study is not None:
            wish = Wish(Kind.STUDY, study=_study(work, study), values=values)
        else:
            wish = Wish(Kind.PATIENT, patient=_patient(work, patient or "", issuer), values=values)
        _carry_out(work, wish, reason, json=json, yes=yes)


@app.command("move-study")
def move_study(
    study: StudyArgument,
    into: Annotated[
        str, typer.Argument(metavar="PATIENT_ID", help="The patient whose it is.", show_default=False)
    ],
    *,
    reason: ReasonOption,
    into_issuer: IntoIssuerOption = None,
    yes: YesOption = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """A study that came under the wrong patient goes to the right one, who is known here."""
    from leadglass.archive.identities import Kind, Wish

    with at_home(home, as_user) as work:
        target = _patient(work, into, into_issuer)
        wish = Wish(Kind.MOVE, study=_study(work, study), target=target)
        _carry_out(work, wish, reason, json=json, yes=yes)


@app.command("undo")
def undo(
    change: Annotated[int, typer.Argument(metavar="CHANGE", help="Its number, as `history` has it.")],
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Take a change back. What came since stays where it is."""
    with at_home(home, as_user) as work:
        identities = work.services.identities
        plan = identities.plan_undo(work.who, change, work.context())
        _ask(plan.sentences, json=json, yes=yes)
        undone = identities.undo(work.who, change, reason, work.context())
    if json:
        show.as_json({"change": change, "undone": True, "studies": undone.studies, "images": undone.images})
    else:
        show.note(f"Change {change} is undone.")


@app.command("history")
def history(
    patient: Annotated[str | None, typer.Argument(metavar="[PATIENT_ID]", help="Only of this one.")] = None,
    *,
    issuer: IssuerOption = None,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """What was changed, by whom and why, the newest first; undone changes too."""
    with at_home(home, as_user) as work:
        number = _patient(work, patient, issuer) if patient is not None else None
        page = work.services.identities.history(work.who, work.context(), patient=number, limit=1000)
    if json:
        show.as_json([_change_as_json(change) for change in page.rows])
    elif page.rows:
        columns = ("Change", "Made", "By", "What", "Of", "Sets", "Studies", "Why", "Undone")
        show.table(columns, map(_change_row, page.rows), right=frozenset({0, 6}))
    else:
        show.note("Nothing was changed.")


# --- asking and telling -----------------------------------------------------------------------------------


def _patient(work: Work, patient_id: str, issuer: str | None) -> int:
    found = work.services.identities.find(work.who, patient_id, issuer, work.context())
    if not found:
        raise NotFound("There is no such patient, or he is not yours to change.")
    if len(found) > 1:
        raise Violation("Several issuers gave this ID. Say which one: --issuer or --into-issuer.")
    return found[0]


def _study(work: Work, uid: str) -> int:
    return work.services.identities.study(work.who, uid, work.context())


def _carry_out(work: Work, wish: Wish, reason: str, *, json: bool, yes: bool) -> None:
    identities = work.services.identities
    plan = identities.plan(work.who, wish, work.context())
    if not json:
        show.table(("", "Name", "Patient ID", "Issuer", "Born", "Sex"), _both(plan))
    _ask(plan.sentences, json=json, yes=yes)
    number = identities.change(work.who, wish, reason, work.context())
    if json:
        show.as_json({"change": number, "studies": plan.studies, "images": plan.images})
    else:
        show.note(
            f"Done. To take it back: leadglass patient undo {number} --reason TEXT --as {work.who.name}"
        )


def _ask(sentences: tuple[str, ...], *, json: bool, yes: bool) -> None:
    if json and not yes:
        raise typer.BadParameter("With --json nobody is asked: add --yes.")
    if not json:
        for sentence in sentences:
            show.note(sentence)
    if not yes and not typer.confirm("Do it?", err=True):
        raise typer.Exit(1)


def _both(plan: Plan) -> list[tuple[str, ...]]:
    return [("now", *_cells(plan.before)), ("then", *_cells(plan.after))]


def _cells(identity: Identity) -> tuple[str, ...]:
    return (
        identity.patient_name,
        identity.patient_id,
        identity.issuer,
        _day(identity.birth_date),
        identity.sex,
    )


def _day(value: str) -> str:
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 else value


def _proposal_rows(proposal: Proposal) -> list[tuple[str, ...]]:
    said = {"same-person": "one person, several IDs", "other-person": "one ID, several persons"}
    first = said[proposal.doubt.value]
    return [
        ("" if number else first, *_cells(member.identity), str(member.studies))
        for number, member in enumerate(proposal.members)
    ]


def _proposal_as_json(proposal: Proposal) -> dict[str, Any]:
    members = [
        {**_identity_as_json(member.identity), "studies": member.studies} for member in proposal.members
    ]
    return {"doubt": proposal.doubt.value, "members": members}


def _identity_as_json(identity: Identity) -> dict[str, str]:
    return {
        "name": identity.patient_name,
        "patient_id": identity.patient_id,
        "issuer": identity.issuer,
        "birth_date": identity.birth_date,
        "sex": identity.sex,
    }


def _change_row(change: Change) -> tuple[str, ...]:
    return (
        str(change.id),
        show.minute(change.made),
        change.actor,
        change.kind.value,
        change.source[0],
        ", ".join(value or "nothing" for _, value in change.values),
        str(change.studies),
        change.reason,
        show.minute(change.undone) if change.undone else "",
    )


def _change_as_json(change: Change) -> dict[str, Any]:
    return {
        "change": change.id,
        "kind": change.kind.value,
        "made": show.moment(change.made),
        "by": change.actor,
        "reason": change.reason,
        "of": {"patient_id": change.source[0], "issuer": change.source[1]},
        "sets": dict(change.values),
        "studies": change.studies,
        "images": change.images,
        "came_after": change.came,
        "joined": change.joined,
        "undone": show.moment(change.undone) if change.undone else None,
        "undone_by": change.undone_by,
        "undone_reason": change.undone_reason,
    }
