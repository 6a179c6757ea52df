"""A home opened for one command, and in whose name it works."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from leadglass.access.principal import Context, Principal
    from leadglass.archive.services import Services
    from leadglass.compose import Opened

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="The home to work on. Else $LEADGLASS_HOME, else leadglass/home in the user's data folder.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
AsOption = Annotated[
    str | None,
    typer.Option("--as", metavar="USER", help="Act with this user's rights instead of the operator's."),
]


@dataclass(frozen=True, slots=True)
class Work:
    """An open home and who asks: the operator at this terminal, or the user they act as."""

    opened: Opened
    operator: Principal
    who: Principal

    @property
    def services(self) -> Services:
        return self.opened.services

    def context(self) -> Context:
        """The circumstances of what happens now."""
        return command_context()


def root_of(home: Path | None) -> Path:
    from leadglass.home import default_root

    return home.absolute() if home is not None else default_root(os.environ)


@contextmanager
def at_home(home: Path | None, as_user: str | None = None, **overrides: dict[str, Any]) -> Iterator[Work]:
    """Open the home for one command; close it properly afterwards."""
    from leadglass.compose import open_home
    from leadglass.home import clock

    operator = this_operator()
    with open_home(root_of(home), os.environ, clock, **overrides) as opened:
        who = opened.services.accounts.acting_as(operator, as_user) if as_user else operator
        yield Work(opened, operator, who)


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM ends what runs here as Ctrl-C does: cleared away, and with an end on the record."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def this_operator() -> Principal:
    """Whoever runs the command, as the kernel knows them."""
    import pwd

    from leadglass.access.principal import operator

    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user without an entry
        name = str(uid)
    return operator(uid, name)


def command_context() -> Context:
    from leadglass.access.principal import Context, Via
    from leadglass.home import clock

    return Context(address="", via=Via.COMMAND, now=clock())
