"""leadglass scan --verify: the same questions to what was open, and a proof of what is closed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.scan_results import folder_of, load, save
from leadglass.cli.scan_scopes import Ready, content_of, named_targets
from leadglass.cli.work import JsonOption
from leadglass.errors import NotFound, Violation

if TYPE_CHECKING:
    from leadglass.note import Signer
    from leadglass.scan.closure import Closure
    from leadglass.scan.register import Register, Survey

Door = tuple[str, int]


def retest(
    register: Register,
    survey: Survey,
    targets: list[str] | None,
    vantage: str | None,
    out: Path | None,
    *,
    json: bool,
) -> None:
    """Every port of the survey at which something is to be closed, or those that are named. Exit status 1
    while one of them is open."""
    from leadglass.cli.scan_run import run, tell
    from leadglass.home import clock
    from leadglass.scan.register import Kind
    from leadglass.scan.results import keep
    from leadglass.scan.retest import chosen, closures, opened, plan_for
    from leadglass.scan.scope import read_scope

    if vantage not in {None, survey.vantage}:
        raise Violation(
            f"A fix is shown from the place from which it was seen: {survey.vantage}.", code="vantage"
        )
    first = load(register, survey)
    doors = chosen(opened(first.network), named_targets(targets or []))
    if not doors:
        show.out().print(f"Survey {survey.id} found nothing open.")
        return
    try:
        scope = read_scope(survey.scope.encode(), clock())
    except Violation as error:
        raise Violation(f"{error} Survey again in a new one: what it no longer finds is closed.") from None
    ready = Ready(scope, survey.scope, Path(survey.folder), plan_for(doors, scope))
    tell(ready)
    second, finished = run(ready, register, survey.vantage, anew=True, quiet=json, kind=Kind.RETEST)
    result = load(register, second)
    keep(register, result)
    found = closures(first, result, doors)
    _tell(found, _prove(found, second, signer_of(register), out), json=json)
    if not finished:
        show.complain("Stopped on request: what was not looked at again is not in here.")
    if not finished or not all(each.is_closed for each in found):
        raise typer.Exit(1)


def _prove(closures: list[Closure], survey: Survey, signer: Signer, out: Path | None) -> dict[Door, Path]:
    """A file for each that is closed."""
    from leadglass.scan.closure import encode

    closed = [each for each in closures if each.is_closed]
    folder, files = folder_of(survey, out), {}
    for each in closed:
        where = f"{each.address.replace(':', '-')}-{each.port}"
        path = folder / ("closed.json" if len(closed) == 1 else f"closed-{where}.json")
        save(path, encode(each, signer))
        files[each.address, each.port] = path
    return files


def _tell(closures: list[Closure], files: dict[Door, Path], *, json: bool) -> None:
    if json:
        show.as_json([_as_json(each, files) for each in closures])
        return
    single = len({each.address for each in closures}) == 1
    rows = [
        (
            f":{each.port}" if single else _where(each),
            f"{_grade(each.before.grade)} → {_grade(each.after.grade)}",
            _word(each),
            f"proof {files[each.address, each.port]}" if each.is_closed else each.after.verdict.value,
        )
        for each in closures
    ]
    show.plain_rows(rows)


def _word(each: Closure) -> str:
    if each.is_closed:
        return f"closed {show.minute(each.after.at)[-5:]} UTC"
    return "STILL OPEN" if each.after.is_conclusive else "NOT SHOWN: ask again"


def _as_json(each: Closure, files: dict[Door, Path]) -> dict[str, Any]:
    path = files.get((each.address, each.port))
    return {
        "address": each.address,
        "port": each.port,
        "closed": each.is_closed,
        "before": each.before.verdict,
        "after": each.after.verdict,
        "at": show.moment(each.after.at),
        "proof": None if path is None else str(path),
    }


def _where(each: Closure) -> str:
    from leadglass.scan.scope_text import with_port

    return with_port(each.address, each.port)


def _grade(grade: object) -> str:
    return str(grade) if grade else "–"


def signer_of(register: Register) -> Signer:
    """The key that this register's proofs are signed with."""
    import secrets

    from leadglass.home import clock
    from leadglass.scan.retest import PURPOSE, signer

    return signer(register.seed(PURPOSE, lambda: secrets.token_bytes(32), clock()))


def closed(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A proof that --verify has written.")],
    *,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="The key of whoever made it; else this register's own."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check a proof of closure: its signature, and that it says no more than was seen. Needs no network."""
    import os

    from leadglass.note import VerifierKey
    from leadglass.scan.closure import verify
    from leadglass.scan_home import has_register, open_register

    if key is None:
        if not has_register(os.environ):
            raise NotFound("There is no register here. Name the key of whoever made the proof: --key KEY")
        with open_register(os.environ) as register:
            verifier = signer_of(register).key
    else:
        verifier = VerifierKey.decode(key.strip())
    made = verify(content_of(path), verifier)
    if not made.is_closed:
        raise Violation("The proof is sound, and what it shows is not closed.", code="closure")
    if json:
        show.as_json({"sound": True, "key": verifier.encode(), **_as_json(made, {})})
        return
    before, after = show.minute(made.before.at), show.minute(made.after.at)
    show.out().print(
        f"{_where(made)}: {_grade(made.before.grade)} ({made.before.verdict}) at {before} UTC, "
        f"{_grade(made.after.grade)} ({made.after.verdict}) at {after} UTC, seen from {made.vantage}.",
        soft_wrap=True,
    )
    show.out().print(f"Signed with {verifier.encode()}", soft_wrap=True)
