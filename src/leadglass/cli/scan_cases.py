"""leadglass scan cases, case, warn, overrule: what is being done about what was found, and by whom."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.scan_results import OutOption, SurveyOption, load, write
from leadglass.cli.scan_scopes import named_targets
from leadglass.cli.work import JsonOption
from leadglass.errors import NotFound, Violation

if TYPE_CHECKING:
    from leadglass.scan.followup import Case
    from leadglass.scan.register import Register

DoorArgument = Annotated[str, typer.Argument(metavar="HOST:PORT", help="Which port.", show_default=False)]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.", show_default=False)]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="DAY", help="Until when, 2027-01-31.", show_default=False)
]


def cases(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also what is fixed.")] = False,
    json: JsonOption = False,
) -> None:
    """What was found and is not closed: who answers for it, and until when. Exit status 1 when overdue."""
    from leadglass.scan.followup import CaseState

    with _register() as (register, now):
        known = register.casebook.cases()
    shown = [case for case in known if everything or case.state is not CaseState.FIXED]
    overdue = [case for case in shown if case.is_overdue(now)]
    if json:
        show.as_json([_as_json(case, now) for case in shown])
    else:
        _table(shown, now)
    if overdue:
        raise typer.Exit(1)


def case(
    where: DoorArgument,
    *,
    check: Annotated[
        str, typer.Option("--check", metavar="ID", help="Of one check, such as D06; else of the whole port.")
    ] = "",
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="STATE", help="open, acknowledged, accepted or ignored."),
    ] = None,
    reason: ReasonOption = "",
    until: UntilOption = None,
    person: Annotated[
        str | None, typer.Option("--person", metavar="NAME", help="Who answers for it.", show_default=False)
    ] = None,
    due: Annotated[
        str | None, typer.Option("--due", metavar="DAY", help="By when it is to be closed.")
    ] = None,
) -> None:
    """Decide about a case. Accepting or ignoring one takes a reason and an end."""
    from leadglass.scan.followup import decide

    address, port = door_of(where)
    with _register() as (register, now):
        changed = register.casebook.change(
            address,
            port,
            check.upper(),
            lambda each: decide(
                each,
                now,
                state=_state(state),
                person=person,
                due=_day(due, "--due"),
                reason=reason,
                until=_day(until, "--until"),
            ),
        )
    _table(changed, now)


def warn(
    *,
    way: Annotated[
        str,
        typer.Option("--way", metavar="WAY", help="How they were told: mail, phone, post, meeting or cert."),
    ],
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="TEXT", help="Only this owner, by name, contact or address."),
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="en|de", help="Of the letters; else the owner's own.")
    ] = None,
    survey: SurveyOption = None,
    out: OutOption = None,
) -> None:
    """Put on record that owners were told, one message each, and write their letters."""
    from leadglass.cli.work import this_operator
    from leadglass.scan.casebook import Warned, Way
    from leadglass.scan.report.letters import letters
    from leadglass.scan.wording import Language

    spoken = None if language is None else _one_of(Language, language, "--language")
    by = _one_of(Way, way, "--way")
    with _register() as (register, now):
        result = load(register, register.survey(survey))
        written = [each for each in letters(result.network, result.about, spoken) if _is(owner, each)]
        if not written:
            raise NotFound("The survey has nothing to tell such an owner.", code="no-owner")
        _, paths = write(result, out, spoken)
        for letter in written:
            told = letter.owner or letter.addresses[0]
            register.casebook.warn(
                Warned(
                    result.about.survey.id, now, told, letter.to, by, this_operator().name, letter.addresses
                )
            )
    show.table(
        ("Owner", "Contact", "Hosts"),
        [(each.owner or each.addresses[0], each.to or "not known", len(each.addresses)) for each in written],
        right=frozenset({2}),
    )
    show.note(f"On record as told by {by}. Their letters are in {paths[0].parent}")


def warnings(json: JsonOption = False) -> None:
    """Who was told, when and by which way."""
    with _register() as (register, _):
        told = register.casebook.warnings()
    if json:
        show.as_json([asdict(each) | {"at": show.moment(each.at)} for each in told])
        return
    if not told:
        show.out().print("Nobody was told yet.")
        return
    show.table(
        ("When (UTC)", "Owner", "Contact", "Way", "By", "Hosts"),
        [
            (show.minute(w.at), w.owner, w.contact or "not known", w.way, w.person, len(w.addresses))
            for w in told
        ],
        right=frozenset({5}),
        whole=frozenset({0, 3}),
    )


def overrule(
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="Which judgement; without one, all are listed.")
    ] = None,
    *,
    reason: ReasonOption = "",
    until: UntilOption = None,
    json: JsonOption = False,
) -> None:
    """See what the survey takes for a honeypot, a duplicate and the like, or overrule it with a reason."""
    from leadglass.cli.work import this_operator
    from leadglass.scan.register import Judgement

    with _register() as (register, now):
        result = load(register, register.survey())
        doubts = {doubt.key: doubt for doubt in result.network.doubts}
        if key is None:
            _judgements(result.network.doubts, result.about.overruled, json=json)
            return
        if key not in doubts:
            raise NotFound("The last survey makes no such judgement.", code="no-judgement")
        ends = _day(until, "--until")
        if not reason.strip() or ends is None or ends <= now:
            raise Violation("Overruling takes a reason, and an end in the future.", code="judgement")
        register.overrule(Judgement(key, now, ends, this_operator().name, reason.strip()[:500]))
    show.note("Overruled. Later surveys will hold to it until then.")


def _judgements(doubts: Any, overruled: Any, *, json: bool) -> None:
    from leadglass.scan import wording

    rows = [
        (
            each.key,
            each.weight.name.lower(),
            wording.doubt(each, wording.Language.EN),
            overruled.get(each.key),
        )
        for each in doubts
    ]
    if json:
        show.as_json([{"key": k, "weight": w, "why": s, "overruled": o is not None} for k, w, s, o in rows])
        return
    if not rows:
        show.out().print("The last survey doubts nothing.")
        return
    for key, weight, why, by in rows:
        show.plain_rows([(key,)])  # whole: it is copied
        show.plain_rows([("", f"{weight}: {why}")])
        if by is not None:
            show.plain_rows([("", f"overruled by {by.person} until {_iso(by.until)}: {by.reason}")])


# --- words and tables ---------------------------------------------------------------------------------------


@contextmanager
def _register() -> Iterator[tuple[Register, int]]:
    from leadglass.home import clock
    from leadglass.scan_home import open_register

    with open_register(os.environ) as register:
        yield register, clock()


def _table(found: list[Case], now: int) -> None:
    from leadglass.scan import wording
    from leadglass.scan.scope_text import with_port

    if not found:
        show.out().print("Nothing is open.")
        return
    show.table(
        ("Where", "Check", "What", "State", "Answers for it", "Due"),
        [
            (
                with_port(each.address, each.port),
                each.check,
                wording.title(each.check, wording.Language.EN),
                f"{each.state} until {_iso(each.until)}" if each.until else each.state,
                each.person,
                f"{_iso(each.due)}{' OVERDUE' if each.is_overdue(now) else ''}",
            )
            for each in found
        ],
        whole=frozenset({0, 1}),
    )


def _as_json(each: Case, now: int) -> dict[str, Any]:
    times = {name: show.moment(getattr(each, name)) for name in ("first_seen", "last_seen", "due", "until")}
    severity = {"severity": each.severity.name.lower()}
    return asdict(replace(each)) | times | severity | {"overdue": each.is_overdue(now)}


def _iso(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d}"


def _day(text: str | None, option: str) -> int | None:
    """The end of that day, UTC, in ms."""
    if text is None:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("A day is 2027-01-31.", param_hint=option) from None
    return int(datetime(found.year, found.month, found.day, tzinfo=UTC).timestamp() * 1000) + 86_399_999


def door_of(where: str) -> tuple[str, int]:
    found = named_targets([where])
    if len(found) != 1 or found[0][1] is None:
        raise typer.BadParameter("One port is HOST:PORT.", param_hint="HOST:PORT")
    address, (port,) = found[0][0], found[0][1]
    return address, port


def _state(text: str | None) -> Any:
    from leadglass.scan.followup import CaseState

    return None if text is None else _one_of(CaseState, text, "--state")


def _one_of(kind: Any, text: str, option: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise typer.BadParameter(f"One of {', '.join(kind)}.", param_hint=option) from None


def _is(owner: str | None, letter: Any) -> bool:
    wanted = (owner or "").casefold()
    return any(wanted in each.casefold() for each in (letter.owner, letter.to, *letter.addresses))
