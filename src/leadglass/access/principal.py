"""Who asks, and from where. Values only: nothing here reads a clock, a socket or a table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    RADIOLOGIST = "radiologist"
    TECHNOLOGIST = "technologist"
    PACS_ADMINISTRATOR = "pacs_administrator"
    AUDITOR = "auditor"
    SYSTEM_ADMINISTRATOR = "system_administrator"
    OPERATOR = "operator"  # whoever runs a command on the host; never a user's role


class Kind(StrEnum):
    """What vouches for the principal."""

    USER = "user"
    TOKEN = "token"  # noqa: S105 (a kind, no secret)
    OPERATOR = "operator"


class Via(StrEnum):
    """The listener that the request came in by."""

    WEB = "web"
    DICOMWEB = "dicomweb"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose identity is established.

    `id` numbers the principal within its kind: the user, the token, or the operator's uid. `user_id` is the
    user behind a session or a token. `credential` names the session or token without being able to open it.
    """

    kind: Kind
    id: int
    user_id: int | None
    name: str
    display_name: str
    role: Role
    departments: frozenset[int]
    credential: str

    @property
    def actor(self) -> str:
        """As the record writes it: `user:3`, `token:9`, `operator:1000`."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances of a request: the peer's address ("" for a command), the listener, the time in ms."""

    address: str
    via: Via
    now: int


def operator(uid: int, login_name: str) -> Principal:
    """The person at the host's command line, as the operating system knows them."""
    return Principal(
        kind=Kind.OPERATOR,
        id=uid,
        user_id=None,
        name=login_name,
        display_name=login_name,
        role=Role.OPERATOR,
        departments=frozenset(),
        credential=f"operator:{uid}",
    )
