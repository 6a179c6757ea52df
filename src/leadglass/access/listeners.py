"""What a stranger met at each of the server's own listeners, and which of them are shut for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa

from leadglass.access.principal import Via
from leadglass.access.schema import Reader, listeners
from leadglass.db.engine import Transaction

# By which listener a request came in. A command comes in by none.
LISTENER: Final[Mapping[Via, str]] = MappingProxyType(
    {Via.WEB: "http", Via.DICOMWEB: "http", Via.DIMSE: "dimse", Via.RECEIVE: "receive"}
)

_ALL = sa.select(listeners).order_by(listeners.c.name)
_SHUT = sa.select(listeners.c.name).where(listeners.c.shut.is_not(None))
_INSERT = listeners.insert()
_DELETE = listeners.delete().where(listeners.c.name == sa.bindparam("sought"))


class Met(StrEnum):
    """What a stranger meets."""

    REFUSAL = "refusal"
    ANSWERS = "answers"
    NOTHING = "nothing"  # nobody can tell: it could not be asked, or said something else than it should


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one listener. `address`: HOST:PORT that was asked; `saw`: what decided it, in a word;
    `checks`: numbers of findings, by spaces; `at`: ms."""

    listener: str
    address: str
    at: int
    met: Met
    saw: str
    checks: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """The last look at a listener; `shut`: since when it is, ms, or None."""

    look: Look
    shut: int | None

    @property
    def is_well(self) -> bool:
        """Whether a stranger was refused."""
        return self.look.met is Met.REFUSAL and self.shut is None

    def after(self, look: Look) -> Looked:
        """What answers is shut, and opens again when a stranger is refused; for less, it stays as it is."""
        if look.met is Met.ANSWERS:
            return Looked(look, look.at if self.shut is None else self.shut)
        return Looked(look, None if look.met is Met.REFUSAL else self.shut)


def looked(conn: Reader) -> dict[str, Looked]:
    """The last look at each listener, by its name."""
    return {row.name: _looked(row) for row in conn.execute(_ALL)}


def shut(conn: Reader) -> frozenset[str]:
    """The names of those that are."""
    return frozenset(conn.execute(_SHUT).scalars())


def keep(tx: Transaction, made: Looked) -> None:
    """In place of the look before."""
    look = made.look
    forget(tx, look.listener)
    row = {"name": look.listener, "address": look.address, "looked": look.at, "met": look.met.value}
    tx.execute(_INSERT, {**row, "saw": look.saw, "checks": look.checks, "shut": made.shut})


def forget(tx: Transaction, listener: str) -> None:
    tx.execute(_DELETE, {"sought": listener})


def _looked(row: Any) -> Looked:
    look = Look(row.name, row.address, row.looked, Met(row.met), row.saw, row.checks)
    return Looked(look, row.shut)
