"""leadglass scan: what answers strangers on networks that somebody is responsible for."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from leadglass.cli import scan_cases, scan_run, scan_scopes, scan_show, scan_verify, scan_watch

_RUN = "run"


class ByTarget(TyperGroup):
    """`leadglass scan HOST:PORT` is `leadglass scan run HOST:PORT`: what most people want has no word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = [_RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=ByTarget,
    help="Find what answers strangers: leadglass scan HOST[:PORT]…, or --scope FILE. Counts, never copies.",
    no_args_is_help=True,
)
app.command(_RUN)(scan_run.scan)
app.command("init")(scan_scopes.init)
app.command("sign")(scan_scopes.sign)
app.command("trust")(scan_scopes.trust)
app.command("show")(scan_show.show)
app.command("surveys")(scan_show.surveys)
app.command("evidence")(scan_show.evidence)
app.command("cases")(scan_cases.cases)
app.command("case")(scan_cases.case)
app.command("warn")(scan_cases.warn)
app.command("warnings")(scan_cases.warnings)
app.command("overrule")(scan_cases.overrule)
app.command("closed")(scan_verify.closed)
app.command("watch")(scan_watch.watch)
app.command("list")(scan_show.listed)
app.command("inside")(scan_show.inside)
