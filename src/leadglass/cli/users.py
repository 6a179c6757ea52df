"""leadglass user: add, list, disable, reset."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.work import AsOption, HomeOption, JsonOption, at_home

if TYPE_CHECKING:
    from leadglass.access.users import User

app = typer.Typer(help="Users: add, list, disable, reset.", no_args_is_help=True)


class AssignableRole(StrEnum):
    """The roles a user can have, as `--role` takes them."""

    RADIOLOGIST = "radiologist"
    TECHNOLOGIST = "technologist"
    PACS_ADMINISTRATOR = "pacs_administrator"
    AUDITOR = "auditor"
    SYSTEM_ADMINISTRATOR = "system_administrator"


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The name the user signs in with.", show_default=False)
]
PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input; else one is generated."),
]


@app.command("add")
def add(
    name: Name,
    *,
    role: Annotated[AssignableRole, typer.Option("--role", help="What the user may do.", show_default=False)],
    department: Annotated[
        str | None,
        typer.Option("--department", metavar="D", help="Whose images the user sees; else the default one."),
    ] = None,
    display_name: Annotated[
        str,
        typer.Option("--display-name", metavar="TEXT", help="The name that people read.", show_default=False),
    ] = "",
    password_stdin: PasswordStdin = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Add a user. Without --password-stdin a password is made up and printed once, alone on stdout."""
    from leadglass.access.principal import Role

    chosen = _password_from_stdin() if password_stdin else None
    with at_home(home, as_user) as work:
        password = work.services.accounts.add_user(
            work.who,
            name,
            Role(role.value),
            work.context(),
            department=department,
            display_name=display_name,
            password=chosen,
        )
    _report(json, f"User {name} added as {role.value}.", name, None if chosen else password)


@app.command("list")
def list_users(home: HomeOption = None, as_user: AsOption = None, json: JsonOption = False) -> None:
    """List all users, disabled ones too."""
    with at_home(home, as_user) as work:
        users = work.services.accounts.list_users(work.who, work.context())
        names = {department.id: department.name for department in work.services.accounts.departments()}
    if json:
        show.as_json([_as_json(user, names) for user in users])
    elif users:
        columns = ("Name", "Displayed as", "Role", "Departments", "Since", "State")
        show.table(columns, [_as_row(user, names) for user in users], whole=frozenset({0, 2, 4, 5}))
    else:
        show.note("There are no users yet. Add one: leadglass user add NAME --role radiologist")


def _as_json(user: User, departments: dict[int, str]) -> dict[str, Any]:
    return {
        "name": user.name,
        "display_name": user.display_name,
        "role": user.role.value,
        "departments": sorted(departments[each] for each in user.departments),
        "disabled": show.moment(user.disabled) or None,
        "created": show.moment(user.created),
    }


def _as_row(user: User, departments: dict[int, str]) -> tuple[str, ...]:
    return (
        user.name,
        user.display_name,
        user.role.value,
        ", ".join(sorted(departments[each] for each in user.departments)),
        show.minute(user.created)[:10],
        "disabled" if user.disabled else "active",
    )


@app.command("disable")
def disable(name: Name, home: HomeOption = None, as_user: AsOption = None, json: JsonOption = False) -> None:
    """End a user's sessions and tokens and let them in no more. The account stays, for the record's sake."""
    with at_home(home, as_user) as work:
        work.services.accounts.disable_user(work.who, name, work.context())
    if json:
        show.as_json({"name": name, "disabled": True})
    else:
        show.note(f"User {name} is disabled. Sessions and tokens have ended.")


@app.command("reset")
def reset(
    name: Name,
    password_stdin: PasswordStdin = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Give a user a new password and end their sessions."""
    chosen = _password_from_stdin() if password_stdin else None
    with at_home(home, as_user) as work:
        password = work.services.accounts.reset_password(work.who, name, work.context(), password=chosen)
    _report(json, f"User {name} has a new password.", name, None if chosen else password)


def _password_from_stdin() -> str:
    """One line, as it is: spaces belong to a password."""
    password = sys.stdin.readline(1024).removesuffix("\n").removesuffix("\r")
    if not password:
        raise typer.BadParameter("There is no password on standard input.", param_hint="--password-stdin")
    return password


def _report(json: bool, sentence: str, name: str, generated: str | None) -> None:
    if json:
        show.as_json({"name": name, "password": generated} if generated else {"name": name})
        return
    show.note(sentence)
    if generated:
        show.note("The password, shown this once:")
        show.line(generated)
