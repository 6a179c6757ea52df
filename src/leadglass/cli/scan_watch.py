"""leadglass scan watch: the same survey again and again; only what has changed is told."""

from __future__ import annotations

import gc
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from leadglass.cli import show
from leadglass.cli.scan_results import OutOption, load, write
from leadglass.cli.scan_run import VantageOption, run, tell
from leadglass.cli.scan_scopes import from_file
from leadglass.cli.work import JsonOption

if TYPE_CHECKING:
    from leadglass.scan.changes import Change

_EVERY: Final = re.compile(r"(\d{1,4})(m|h|d)", re.ASCII)
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}


def watch(
    scope: Annotated[Path, typer.Option("--scope", metavar="FILE", help="The scope to keep to.")],
    *,
    every: Annotated[str, typer.Option("--every", metavar="N", help="How often: 30m, 12h, 7d.")] = "1d",
    times: Annotated[
        int, typer.Option("--times", min=0, metavar="N", help="How many surveys; 0: until Ctrl-C.")
    ] = 0,
    vantage: VantageOption = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Repeat a survey and report differences only. Exit status 1 when something opened in the last one."""
    seconds = _seconds(every)
    done = 0
    while True:
        began = time.monotonic()
        changed = _once(scope, vantage, out, json=json)
        gc.unfreeze()  # what `load` kept from the collector, and all that there was then
        done += 1
        if times and done >= times:
            break
        time.sleep(max(0, seconds - (time.monotonic() - began)))
    if any(change.opened for change in changed):
        raise typer.Exit(1)


def _once(scope: Path, vantage: str | None, out: Path | None, *, json: bool) -> list[Change]:
    """One survey, compared with the last that was finished. The scope is read anew: it may have expired."""
    from leadglass.home import clock
    from leadglass.scan.changes import changes
    from leadglass.scan.register import Kind
    from leadglass.scan.results import keep
    from leadglass.scan_home import open_register

    with open_register(os.environ) as register:
        before = [each for each in register.surveys() if each.finished and each.kind is Kind.SURVEY]
        ready = from_file(scope, clock())
        tell(ready)
        survey, finished = run(ready, register, vantage, anew=False, quiet=json)
        if not finished:
            raise KeyboardInterrupt
        result = load(register, survey)
        keep(register, result)
        last = next((b for b in before if (b.plan, b.vantage) == (survey.plan, survey.vantage)), None)
        earlier = None if last is None else load(register, last)
        write(result, out)
    if earlier is None:
        show.note("The first survey of this scope from here: there is nothing to compare it with.")
        return []
    if earlier.about.survey.method != survey.method:
        show.note("The last survey was made by another method: differences may be the method's.")
    found = changes(earlier.network, result.network)
    _tell(found, json=json)
    return found


def _tell(found: list[Change], *, json: bool) -> None:
    from leadglass.scan.scope_text import with_port

    if json:
        show.as_json([_as_json(each) for each in found])
    elif not found:
        show.out().print(f"{show.moment(int(time.time() * 1000))}  nothing has changed")
    else:
        show.plain_rows(
            (with_port(each.address, each.port), f"{each.before} → {each.after}", each.word) for each in found
        )


def _as_json(each: Change) -> dict[str, Any]:
    return {
        "address": each.address,
        "port": each.port,
        "before": each.before,
        "after": each.after,
        "what": each.word,
    }


def _seconds(every: str) -> int:
    found = _EVERY.fullmatch(every)
    if found is None or not int(found[1]):
        raise typer.BadParameter("How often is 30m, 12h or 7d.", param_hint="--every")
    return int(found[1]) * _SECONDS[found[2]]
