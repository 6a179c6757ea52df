"""leadglass scan show, evidence, list, inside: what is known, without asking anybody."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show as terminal
from leadglass.cli.scan_cases import door_of
from leadglass.cli.scan_results import OutOption, SurveyOption, folder_of, load, save, summarise, write
from leadglass.cli.scan_scopes import content_of
from leadglass.cli.work import JsonOption

if TYPE_CHECKING:
    from leadglass.scan.inside.prediction import Door, Prediction
    from leadglass.scan.observation import Level


def show(
    *,
    survey: SurveyOption = None,
    out: OutOption = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="F", help="Print one export: json, csv, intelmq, misp, html."),
    ] = None,
) -> None:
    """Show a survey again, or write its reports anew: rules and owners may have changed since."""
    from leadglass.scan.report.exports import FORMATS
    from leadglass.scan.report.page import page
    from leadglass.scan_home import open_register

    makers: dict[str, Any] = {name: make for name, (_, make) in FORMATS.items()}
    makers["html"] = lambda *shown: "".join(page(*shown))
    if form is not None and form not in makers:
        raise typer.BadParameter(f"One of {', '.join(makers)}.", param_hint="--format")
    with open_register(os.environ) as register:
        result = load(register, register.survey(survey))
    if form is not None:
        terminal.line(makers[form](result.network, result.about).rstrip("\n"))
        return
    summarise(result)
    if out is not None:
        report, _ = write(result, out)
        terminal.out().print(f"\nReport {report}", soft_wrap=True)


def surveys(json: JsonOption = False) -> None:
    """All surveys in the register, newest first."""
    from leadglass.scan.register import Kind
    from leadglass.scan_home import open_register

    with open_register(os.environ) as register:
        known = register.surveys()
    if json:
        terminal.as_json(
            [
                {
                    "survey": each.id,
                    "kind": each.kind,
                    "started": terminal.moment(each.started),
                    "finished": terminal.moment(each.finished) or None,
                    "vantage": each.vantage,
                    **(each.summary or {}),
                }
                for each in known
            ]
        )
        return
    if not known:
        terminal.out().print("There is no survey yet.")
        return
    rows = []
    for each in known:
        told = each.summary or {}
        state = "" if each.finished else "stopped"
        kind = "second look" if each.kind is Kind.RETEST else "survey"
        numbers = (told.get("hosts", ""), told.get("answering", ""), told.get("grade", ""))
        rows.append((each.id, terminal.minute(each.started), kind, *numbers, each.vantage, state))
    terminal.table(
        ("N", "Started (UTC)", "", "Answered", "Open to strangers", "Grade", "From", ""),
        rows,
        right=frozenset({0, 3, 4}),
        whole=frozenset({1}),
    )


def evidence(
    where: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Which port.", show_default=False)],
    *,
    survey: SurveyOption = None,
    out: OutOption = None,
) -> None:
    """Write what its owner needs to judge a breach: transcript, bounds, people and studies apart, clocks."""
    from leadglass.scan.report.evidence import evidence as made
    from leadglass.scan_home import open_register

    address, port = door_of(where)
    with open_register(os.environ) as register:
        result = load(register, register.survey(survey))
    path = folder_of(result.about.survey, out) / f"evidence-{address.replace(':', '-')}-{port}.html"
    save(path, made(result.network, result.about, address, port))
    terminal.out().print(f"Evidence {path}", soft_wrap=True)


def listed(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Lists and exports of other tools.")],
    *,
    constituency: Annotated[
        Path | None,
        typer.Option("--constituency", metavar="FILE", help="CSV with networks, owners and contacts."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Whose are the hosts in lists of nmap, masscan, zmap, Shodan, Censys? Not one packet is sent."""
    from leadglass.scan.constituency import Constituency, Owner, read_constituency
    from leadglass.scan.targets import read_list

    owners = read_constituency(content_of(constituency)) if constituency else Constituency()
    entries = [entry for path in paths for entry in read_list(content_of(path))]
    rows = []
    for entry in dict.fromkeys(entries):
        owner = (owners.owner(entry.host) if _is_address(entry.host) else None) or Owner("")
        rows.append((entry, owner))
    if json:
        terminal.as_json(
            [
                {
                    "host": e.host,
                    "port": e.port,
                    "note": e.note,
                    "owner": o.organisation,
                    "contact": o.contact,
                }
                for e, o in rows
            ]
        )
        return
    terminal.table(
        ("Host", "Port", "Said to be", "Owner", "Contact"),
        [(e.host, e.port or "", e.note, o.organisation, o.contact) for e, o in rows],
        right=frozenset({1}),
    )


def inside(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Configuration of Orthanc, DCMTK, dcm4chee or Conquest."),
    ],
    *,
    json: JsonOption = False,
) -> None:
    """Read a server's configuration, and say what a stranger would find. Exit status 1 when it is a query."""
    from leadglass.scan.fingerprint import NAMES
    from leadglass.scan.inside.reading import predict
    from leadglass.scan.observation import Level

    found = predict({path.name: content_of(path) for path in paths})
    if json:
        terminal.as_json(_as_json(found))
    else:
        terminal.out().print(f"{NAMES[found.program]}\n")
        for door in found.doors:
            _tell(door)
        for name in found.unread:
            terminal.note(f"Not understood: {name}", style="yellow")
    if any(door.level >= Level.ANSWERS for door in found.doors):
        raise typer.Exit(1)


def _tell(door: Door) -> None:
    from leadglass.scan import wording

    named = "" if door.level == door.level_named else f"; to {_level(door.level_named)} with its AE title"
    terminal.out().print(f"Port {door.port}, {door.kind}: a stranger gets to {_level(door.level)}{named}")
    rows = []
    for each in door.expected:
        cause = each.cause
        place = f"{cause.file}:{cause.line}" if cause.line else f"{cause.file}, default"
        title = wording.title(each.check, wording.Language.EN)
        rows.append((each.check, title, f"{cause.option} = {cause.value}", place))
    if rows:
        terminal.table(("Check", "What", "Because of", "Where"), rows)
    terminal.out().print("")


def _level(level: Level) -> str:
    return f"level {level} ({level.name.lower()})"


def _as_json(found: Prediction) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found)


def _is_address(host: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(host)
    except ValueError:
        return False
    return True
