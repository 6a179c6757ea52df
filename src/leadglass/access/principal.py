"""Who asks, and from where. Values only: nothing here reads a clock, a socket or a table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from leadglass.access.actions import Action


class Role(StrEnum):
    RADIOLOGIST = "radiologist"
    TECHNOLOGIST = "technologist"
    PACS_ADMINISTRATOR = "pacs_administrator"
    AUDITOR = "auditor"
    SYSTEM_ADMINISTRATOR = "system_administrator"
    OPERATOR = "operator"  # whoever runs a command on the host; never a user's role
    APPLICATION_ENTITY = "application_entity"  # a machine that speaks DICOM; never a user's role


class Kind(StrEnum):
    """What vouches for the principal."""

    USER = "user"
    TOKEN = "token"  # noqa: S105 (a kind, no secret)
    OPERATOR = "operator"
    AE = "ae"
    JWT = "jwt"  # another system's signed word for a user


class Via(StrEnum):
    """The listener that the request came in by."""

    WEB = "web"
    DICOMWEB = "dicomweb"
    COMMAND = "command"
    DIMSE = "dimse"  # DICOM inside mutual TLS
    RECEIVE = "receive"  # the receive-only listener: plain DICOM, nothing but C-ECHO and C-STORE


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose identity is established.

    `id` numbers the principal within its kind: the user, the token, the AE, or the operator's uid. `user_id`
    is the user behind a session or a token, whoever issued it. `credential` names the session or token
    without being able to open it. `actions` is all that this one principal was allowed out of its role's
    rights; None: all of them.
    """

    kind: Kind
    id: int
    user_id: int | None
    name: str
    display_name: str
    role: Role
    departments: frozenset[int]
    credential: str
    actions: frozenset[Action] | None = None

    @property
    def actor(self) -> str:
        """As the record writes it: `user:3`, `token:9`, `operator:1000`, `ae:2`."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances of a request: the peer's address ("" for a command), the listener, the time in ms.

    `shut`: this listener was found to answer strangers, and has not been found mended since.
    """

    address: str
    via: Via
    now: int
    shut: bool = False


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
