"""The command line: `leadglass --help`.

Exit status: 0 done, 1 something found or refused, 2 wrong use. Errors are one plain sentence on stderr.
"""

from __future__ import annotations

import errno
import os
import resource
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from leadglass.cli import (
    ae,
    aside,
    backup,
    check,
    connect,
    delete,
    demo,
    echo,
    export,
    find,
    homes,
    intake,
    migrate,
    patient,
    record,
    retrieve,
    scan,
    send,
    tokens,
    users,
)
from leadglass.cli.show import complain
from leadglass.errors import BrokenInvariant, LeadglassError


class Sentences(TyperGroup):
    """Where every command's errors end."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenInvariant as error:
            complain(f"This is a bug in Leadglass, please report it: {error}")
        except LeadglassError as error:
            complain(str(error))
        except KeyboardInterrupt:
            complain("Stopped.")
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read our output has read enough
                raise
            complain(f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror))
        raise typer.Exit(1)


app = typer.Typer(
    name="leadglass",
    cls=Sentences,
    help="An image archive that shows nothing to strangers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from leadglass import __version__

        typer.echo(f"leadglass {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """An image archive that shows nothing to strangers."""


app.command("demo")(demo.demo)
app.command("init")(homes.init)
app.command("serve")(homes.serve)
app.command("import")(intake.import_paths)
app.command("export")(export.export)
app.add_typer(users.app, name="user")
app.add_typer(tokens.app, name="token")
app.add_typer(ae.app, name="ae")
app.add_typer(patient.app, name="patient")
app.add_typer(aside.app, name="aside")
app.command("echo")(echo.echo)
app.command("find")(find.find)
app.command("retrieve")(retrieve.retrieve)
app.command("send")(send.send)
app.command("store")(send.send)
app.command("migrate")(migrate.migrate)
app.command("connect")(connect.connect)
app.command("delete")(delete.delete)
app.command("status")(homes.status)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("check")(check.check)
app.add_typer(record.app, name="log")
app.add_typer(scan.app, name="scan")


def harden() -> None:
    """Before anything is read: what this process makes is its owner's alone, and no core dump holds a key."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """The entry point of the `leadglass` command."""
    harden()
    try:
        app()
    except KeyboardInterrupt:  # before the command began
        complain("Stopped.")
        raise SystemExit(1) from None
