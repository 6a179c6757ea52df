"""The rights table as docs/reference/rights.md. A test compares the page with it.

python -m leadglass.access.reference > docs/reference/rights.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Final

from leadglass.access.actions import GRANTS, SERVICES
from leadglass.access.policy import LISTENERS, RECEIVE_ONLY, RIGHTS, SHOWS_PATIENTS, Action, Reason, Scope
from leadglass.access.principal import Kind, Role, Via

_ACTIONS: Final[Mapping[Action, str]] = {
    Action.STUDY_SEARCH: "list and search studies",
    Action.STUDY_VIEW: "open a study: its series, previews and images",
    Action.STUDY_RETRIEVE: "retrieve objects and metadata as DICOM",
    Action.STUDY_SEND: "have objects sent to another AE",
    Action.STUDY_DELETE: "delete a study, or a part of it, for good",
    Action.STUDY_EXPORT: "write studies to files that are sealed no more (`leadglass export`)",
    Action.OBJECT_INGEST: "put objects in",
    Action.COMMITMENT_REQUEST: "ask for storage commitment",
    Action.IDENTITY_CORRECT: "merge patients, correct and move studies, and undo it",
    Action.STUDY_RECEIVED: "retrieve what came, whatever was corrected since",
    Action.ARRIVALS_READ: "see how much came in, what came last, and who went silent",
    Action.ASIDE_REVIEW: "see what was kept aside, and earlier versions",
    Action.ASIDE_DECIDE: "decide on what was kept aside, and put earlier versions back",
    Action.ASIDE_HAND_OVER: "hand what was kept aside over to that department",
    Action.RECORD_READ: "read the access record",
    Action.RECORD_VERIFY: "verify the access record",
    Action.SYSTEM_STATUS: "see how the system is doing",
    Action.SYSTEM_BACKUP: "back the home up, check a back-up, restore one",
    Action.EXPOSURE_READ: "see what strangers get on the networks that were surveyed",
    Action.EXPOSURE_RETEST: "have a port asked again that a survey found open",
    Action.USER_MANAGE: "add, change and disable users",
    Action.TOKEN_CREATE: "create and revoke API tokens",
    Action.AE_MANAGE: "add, renew and remove AEs",
}
_ROLES: Final[Mapping[Role, str]] = {
    Role.RADIOLOGIST: "radiologist",
    Role.TECHNOLOGIST: "technologist",
    Role.PACS_ADMINISTRATOR: "PACS administrator",
    Role.AUDITOR: "auditor",
    Role.SYSTEM_ADMINISTRATOR: "system administrator",
    Role.OPERATOR: "operator",
    Role.APPLICATION_ENTITY: "AE",
}
_SCOPES: Final[Mapping[Scope | None, str]] = {Scope.DEPARTMENT: "own", Scope.ALL: "all", None: "-"}
_KINDS: Final[Mapping[Kind, str]] = {
    Kind.USER: "a signed-in user",
    Kind.TOKEN: "an API token",
    Kind.OPERATOR: "an operator",
    Kind.AE: "an AE",
    Kind.JWT: "a user by another system's word (JSON Web Token)",
}
_REASONS: Final[Mapping[Reason, str]] = {
    Reason.OWN_DEPARTMENT: "allowed: it belongs to one of the principal's departments",
    Reason.EVERYWHERE: "allowed: the right reaches everything",
    Reason.UNKNOWN_ROLE: "denied: a role this version does not know",
    Reason.UNKNOWN_ACTION: "denied: an action this version does not know",
    Reason.WRONG_LISTENER: "denied: this kind of principal does not come in by this listener",
    Reason.RECEIVE_ONLY: "denied: the receive-only listener takes objects in and gives nothing out",
    Reason.LISTENER_SHUT: "denied: this listener was found to answer strangers, and shows nobody a patient",
    Reason.NO_RIGHT: "denied: the table has no such right for the role",
    Reason.NOT_GRANTED: "denied: this AE was not allowed it",
    Reason.NO_DEPARTMENT: "denied: it belongs to no department, so it is nobody's to see",
    Reason.OTHER_DEPARTMENT: "denied: it belongs to another department",
}

_PAGE = """\
# Rights

<!-- Made by `python -m leadglass.access.reference` from the table in leadglass/access/policy.py. -->

Every listener and every command asks the same decision. What this table does not allow is denied.
*own*: what belongs to one of the principal's own departments. *all*: everything. *-*: nothing.

{matrix}

An operator is whoever runs a `leadglass` command on the host. A token has the rights of its user, no more
and no less, as they are at the moment of each request. An AE, a machine that speaks DICOM, has out of its
column only what it was [allowed singly](../how-to/ae.md).

## Where a principal may come from

{listeners}

`dimse` is DICOM inside mutual TLS, `receive` the receive-only listener. A token, ours or another system's,
makes an association its user's inside TLS only.

## DICOM services

Each service asks for one action; nothing else opens it. Everything at the receive-only listener but what is
marked is refused, whoever asks.

{services}

## A listener that answers strangers

`leadglass serve` [looks at its own listeners as a stranger](../how-to/serve.md). One that answers is shut
until it is found mended. Everything goes on there, storing above all, but this, which nobody may:
{shut}.

## Reasons

The record keeps the reason of every decision. The person who is refused is not told: what is foreign and
what is absent answer alike.

{reasons}
"""


def rights_markdown() -> str:
    """The whole page."""
    matrix = [["", *(_ROLES[role] for role in Role)]]
    for action in Action:
        cells = [_SCOPES[RIGHTS.get((role, action))] for role in Role]
        matrix.append([f"{_ACTIONS[action]} (`{action}`)", *cells])
    listeners = [[_KINDS[kind], ", ".join(f"`{via}`" for via in sorted(LISTENERS[kind]))] for kind in Kind]
    words = {action: word for word, action in GRANTS.items()}
    services = [
        [
            name,
            f"`{action}`" if action else "none: being a known AE",
            f"`{words[action]}`" if action else "-",
            "yes" if action is None or action in RECEIVE_ONLY else "-",
        ]
        for name, action in SERVICES.items()
    ]
    reasons = [[f"`{reason}`", _REASONS[reason]] for reason in Reason]
    return _PAGE.format(
        matrix=_table(matrix),
        listeners=_table([["principal", "listeners"], *listeners]),
        services=_table(
            [["service", "asks for", "word in `ae add --allow`", f"at `{Via.RECEIVE}`"], *services]
        ),
        shut=_listed(f"`{action}`" for action in Action if action in SHOWS_PATIENTS),
        reasons=_table([["reason", "meaning"], *reasons]),
    )


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}"


def _table(rows: list[list[str]]) -> str:
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


if __name__ == "__main__":
    sys.stdout.write(rights_markdown())
