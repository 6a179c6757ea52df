"""The one decision that every listener asks for.

`decide` answers for one resource, `narrow` says which departments' rows a list may show. Both read the same
table, so a list never shows what a click would refuse; a property test holds them together. Whatever the
table does not name is denied: an unknown role, action or listener too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from leadglass.access.actions import Action
from leadglass.access.principal import Context, Kind, Principal, Role, Via

__all__ = ["Action", "decide", "narrow"]


class Scope(StrEnum):
    """How far a right reaches."""

    DEPARTMENT = "department"  # what belongs to one of the principal's own departments
    ALL = "all"


class Reason(StrEnum):
    """Why: for the record, never for the peer."""

    OWN_DEPARTMENT = "own-department"
    EVERYWHERE = "everywhere"
    UNKNOWN_ROLE = "unknown-role"
    UNKNOWN_ACTION = "unknown-action"
    WRONG_LISTENER = "wrong-listener"
    RECEIVE_ONLY = "receive-only"
    LISTENER_SHUT = "listener-shut"
    NO_RIGHT = "no-right"
    NOT_GRANTED = "not-granted"
    NO_DEPARTMENT = "no-department"
    OTHER_DEPARTMENT = "other-department"


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked for. `department` is None for what belongs to none: the record, the system."""

    department: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    allowed: bool
    reason: Reason


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The rows that a list may show: all of them, or those of these departments (none if empty)."""

    everything: bool
    departments: frozenset[int]

    @property
    def nothing(self) -> bool:
        return not (self.everything or self.departments)

    def includes(self, department: int | None) -> bool:
        return self.everything or department in self.departments


_ROLES = (
    Role.RADIOLOGIST,
    Role.TECHNOLOGIST,
    Role.PACS_ADMINISTRATOR,
    Role.AUDITOR,
    Role.SYSTEM_ADMINISTRATOR,
    Role.OPERATOR,
    Role.APPLICATION_ENTITY,
)
_D, _A, _N = Scope.DEPARTMENT, Scope.ALL, None

# The system administrator runs the system and sees no image; the auditor sees the record and nothing else.
# An AE has of its column what it was allowed singly.
_MATRIX: Final = {
    #                          radiologist  technologist  PACS adm.  auditor  system adm.  operator  AE
    Action.STUDY_SEARCH:       (_D,         _D,           _D,        _N,      _N,          _N,       _D),
    Action.STUDY_VIEW:         (_D,         _D,           _D,        _N,      _N,          _N,       _N),
    Action.STUDY_RETRIEVE:     (_D,         _D,           _D,        _N,      _N,          _N,       _D),
    Action.STUDY_SEND:         (_D,         _D,           _D,        _N,      _N,          _N,       _D),
    Action.STUDY_DELETE:       (_N,         _N,           _D,        _N,      _N,          _N,       _N),
    Action.STUDY_EXPORT:       (_N,         _N,           _D,        _N,      _N,          _A,       _N),
    Action.OBJECT_INGEST:      (_N,         _D,           _D,        _N,      _N,          _A,       _D),
    Action.COMMITMENT_REQUEST: (_N,         _D,           _D,        _N,      _N,          _N,       _D),
    Action.ASIDE_REVIEW:       (_N,         _N,           _D,        _N,      _N,          _N,       _N),
    Action.IDENTITY_CORRECT:   (_N,         _N,           _D,        _N,      _N,          _N,       _N),
    Action.STUDY_RECEIVED:     (_N,         _N,           _D,        _N,      _N,          _N,       _N),
    Action.ARRIVALS_READ:      (_N,         _N,           _D,        _N,      _N,          _N,       _N),
    Action.ASIDE_DECIDE:       (_N,         _N,           _D,        _N,      _N,          _N,       _N),
    Action.ASIDE_HAND_OVER:    (_N,         _N,           _A,        _N,      _N,          _N,       _N),
    Action.RECORD_READ:        (_N,         _N,           _N,        _A,      _N,          _A,       _N),
    Action.RECORD_VERIFY:      (_N,         _N,           _N,        _A,      _A,          _A,       _N),
    Action.SYSTEM_STATUS:      (_N,         _N,           _N,        _N,      _A,          _A,       _N),
    Action.SYSTEM_BACKUP:      (_N,         _N,           _N,        _N,      _A,          _A,       _N),
    Action.EXPOSURE_READ:      (_N,         _N,           _A,        _N,      _N,          _N,       _N),
    Action.EXPOSURE_RETEST:    (_N,         _N,           _A,        _N,      _N,          _N,       _N),
    Action.USER_MANAGE:        (_N,         _N,           _N,        _N,      _A,          _A,       _N),
    Action.TOKEN_CREATE:       (_N,         _N,           _N,        _N,      _A,          _A,       _N),
    Action.AE_MANAGE:          (_N,         _N,           _N,        _N,      _A,          _A,       _N),
}  # fmt: skip

RIGHTS: Final[Mapping[tuple[Role, Action], Scope]] = MappingProxyType(
    {
        (role, action): scope
        for action, row in _MATRIX.items()
        for role, scope in zip(_ROLES, row, strict=True)
        if scope is not None
    }
)

# An operator's identity is the word of the host's kernel: it means nothing when it comes over a network. A
# user's own credential is a password or a browser's session, and neither comes by DICOM.
LISTENERS: Final[Mapping[Kind, frozenset[Via]]] = MappingProxyType(
    {
        Kind.USER: frozenset({Via.WEB, Via.DICOMWEB, Via.COMMAND}),
        Kind.TOKEN: frozenset({Via.WEB, Via.DICOMWEB, Via.DIMSE}),
        Kind.OPERATOR: frozenset({Via.COMMAND}),
        Kind.AE: frozenset({Via.DIMSE, Via.RECEIVE}),
        Kind.JWT: frozenset({Via.DIMSE}),
    }
)

# All that the receive-only listener ever does, whoever asks: what comes in by it is not encrypted.
RECEIVE_ONLY: Final = frozenset({Action.OBJECT_INGEST, Action.COMMITMENT_REQUEST})

# What a listener that was found to answer strangers does for nobody until it is mended: everything that shows
# a patient. The record too names them; meanwhile it is read at the host's command line.
SHOWS_PATIENTS: Final = frozenset(
    {
        Action.STUDY_SEARCH,
        Action.STUDY_VIEW,
        Action.STUDY_RETRIEVE,
        Action.STUDY_SEND,
        Action.STUDY_DELETE,
        Action.STUDY_EXPORT,
        Action.ASIDE_REVIEW,
        Action.IDENTITY_CORRECT,
        Action.STUDY_RECEIVED,
        Action.ARRIVALS_READ,
        Action.ASIDE_DECIDE,
        Action.ASIDE_HAND_OVER,
        Action.RECORD_READ,
    }
)

# Kinds that may do nothing but what they were allowed singly: `actions` None, which means all, is no grant.
SINGLY: Final = frozenset({Kind.AE})

_KNOWN_ROLES = frozenset(Role)
_KNOWN_ACTIONS = frozenset(Action)
_NOTHING = Narrowing(everything=False, departments=frozenset())
_EVERYTHING = Narrowing(everything=True, departments=frozenset())


def decide(principal: Principal, action: Action, resource: Resource, context: Context) -> Decision:
    """May `principal` do `action` to `resource` here and now? Denies unless the table allows."""
    scope = _scope(principal, action, context)
    if isinstance(scope, Reason):
        return Decision(allowed=False, reason=scope)
    if scope is Scope.ALL:
        return Decision(allowed=True, reason=Reason.EVERYWHERE)
    if resource.department is None:
        return Decision(allowed=False, reason=Reason.NO_DEPARTMENT)
    if resource.department not in principal.departments:
        return Decision(allowed=False, reason=Reason.OTHER_DEPARTMENT)
    return Decision(allowed=True, reason=Reason.OWN_DEPARTMENT)


def narrow(principal: Principal, action: Action, context: Context) -> Narrowing:
    """Which departments' rows may a list made for `action` show? Exactly those that `decide` allows."""
    scope = _scope(principal, action, context)
    if isinstance(scope, Reason):
        return _NOTHING
    if scope is Scope.ALL:
        return _EVERYTHING
    return Narrowing(everything=False, departments=principal.departments)


def _scope(principal: Principal, action: Action, context: Context) -> Scope | Reason:
    """How far the right reaches, or why there is none."""
    if principal.role not in _KNOWN_ROLES:
        return Reason.UNKNOWN_ROLE
    if action not in _KNOWN_ACTIONS:
        return Reason.UNKNOWN_ACTION
    if context.via not in LISTENERS.get(principal.kind, frozenset()):
        return Reason.WRONG_LISTENER
    if context.via == Via.RECEIVE and action not in RECEIVE_ONLY:
        return Reason.RECEIVE_ONLY
    if context.shut and action in SHOWS_PATIENTS:
        return Reason.LISTENER_SHUT
    scope = RIGHTS.get((principal.role, action), Reason.NO_RIGHT)
    return scope if scope is Reason.NO_RIGHT or _is_granted(principal, action) else Reason.NOT_GRANTED


def _is_granted(principal: Principal, action: Action) -> bool:
    if principal.actions is None:
        return principal.kind not in SINGLY
    return action in principal.actions
