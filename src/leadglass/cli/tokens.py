"""leadglass token: create, list, revoke."""

from __future__ import annotations

from typing import Annotated

import typer

from leadglass.cli import show
from leadglass.cli.work import AsOption, HomeOption, JsonOption, at_home

app = typer.Typer(help="API bearer tokens: create, list, revoke.", no_args_is_help=True)


@app.command("create")
def create(
    *,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="Whose rights the token has.", show_default=False)
    ],
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, max=366, help="How long it lives.")] = 90,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="What it is for.")] = "token",
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Make a token and print it once, alone on stdout. It is kept as a digest and cannot be shown again."""
    with at_home(home, as_user) as work:
        made = work.services.accounts.create_token(work.who, user, work.context(), days=days, label=label)
    if json:
        show.as_json({"user": user, "days": days, "label": label, "token": made})
    else:
        show.line(made)


@app.command("list")
def list_tokens(home: HomeOption = None, as_user: AsOption = None, json: JsonOption = False) -> None:
    """List all tokens, without their secrets; the expired and the revoked too."""
    with at_home(home, as_user) as work:
        tokens = work.services.accounts.list_tokens(work.who, work.context())
        now = work.context().now
    rows = [
        {
            "id": token.id,
            "user": token.user_name,
            "label": token.label,
            "created": show.moment(token.created),
            "expires": show.moment(token.expires),
            "state": "revoked" if token.revoked else "expired" if now >= token.expires else "active",
        }
        for token in tokens
    ]
    if json:
        show.as_json(rows)
    elif rows:
        columns = ("Id", "User", "Label", "Created", "Expires", "State")
        cells = [tuple(str(cell)[:10] if "Z" in str(cell) else cell for cell in row.values()) for row in rows]
        show.table(columns, cells, right=frozenset({0}), whole=frozenset({0, 1, 3, 4, 5}))
    else:
        show.note("There are no tokens. Make one: leadglass token create --user NAME")


@app.command("revoke")
def revoke(
    token: Annotated[
        int, typer.Argument(metavar="ID", help="Its number in `token list`.", show_default=False)
    ],
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """End a token, effective on the next request."""
    with at_home(home, as_user) as work:
        revoked = work.services.accounts.revoke_token(work.who, token, work.context())
    if json:
        show.as_json({"id": token, "revoked": revoked})
    else:
        show.note(f"Token {token} is revoked." if revoked else f"There is no active token {token}.")
    if not revoked:
        raise typer.Exit(1)
