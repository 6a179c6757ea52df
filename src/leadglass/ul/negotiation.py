"""Presentation contexts and roles: what is proposed against what is offered (PS3.8 7.1.1.13, PS3.7 D.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from leadglass.dicom.dictionary import TRANSFER_SYNTAXES
from leadglass.errors import ProtocolViolation
from leadglass.ul.items import (
    AnsweredContext,
    ContextResult,
    ProposedContext,
    RoleSelection,
    UserInformation,
)
from leadglass.ul.pdu import AssociateAC, AssociateRQ


@dataclass(frozen=True, slots=True)
class Service:
    """An abstract syntax that we, the acceptor, offer: in which transfer syntaxes (None: any we know), and
    in which roles of ours."""

    transfer_syntaxes: tuple[str, ...] | None = None
    scp: bool = True
    scu: bool = False


Offer: TypeAlias = Mapping[str, Service]


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """A context both sides agreed on. The roles are the requestor's."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    as_scu: bool = True
    as_scp: bool = False


@dataclass(frozen=True, slots=True)
class _Roles:
    scu: bool
    scp: bool


_DEFAULT: Final = _Roles(scu=True, scp=False)  # of the requestor, where nothing is agreed (PS3.7 D.3.3.4)


def negotiate(request: AssociateRQ, offer: Offer, user_information: UserInformation) -> AssociateAC:
    """The answer to `request`: each context accepted in the first of its transfer syntaxes that we offer,
    or turned down with the reason. `user_information` is ours; the roles are put in."""
    roles = tuple(
        RoleSelection(uid, role.scu and offer[uid].scp, role.scp and offer[uid].scu)
        for uid, role in _proposed(request).items()
        if uid in offer
    )
    agreed = {role.sop_class_uid: _Roles(role.scu, role.scp) for role in roles}
    return AssociateAC(
        called=request.called,
        calling=request.calling,
        contexts=tuple(_answer(context, offer, agreed) for context in request.contexts),
        user_information=replace(user_information, roles=roles),
        application_context=request.application_context,
    )


def _proposed(request: AssociateRQ) -> dict[str, RoleSelection]:
    """The first role selection for each SOP class: some peers repeat it for each of their contexts."""
    found: dict[str, RoleSelection] = {}
    for role in request.user_information.roles:
        found.setdefault(role.sop_class_uid, role)
    return found


def _answer(context: ProposedContext, offer: Offer, agreed: Mapping[str, _Roles]) -> AnsweredContext:
    service = offer.get(context.abstract_syntax)
    if service is None:
        return AnsweredContext(context.id, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, "")
    role = agreed.get(context.abstract_syntax, _Roles(scu=service.scp, scp=False))
    if not (role.scu or role.scp):
        return AnsweredContext(context.id, ContextResult.USER_REJECTION, "")
    known = TRANSFER_SYNTAXES if service.transfer_syntaxes is None else service.transfer_syntaxes
    for syntax in context.transfer_syntaxes:
        if syntax in known:
            return AnsweredContext(context.id, ContextResult.ACCEPTANCE, syntax)
    return AnsweredContext(context.id, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, "")


def negotiated(request: AssociateRQ, answer: AssociateAC) -> dict[int, AcceptedContext]:
    """What the two agreed on, by context ID. ProtocolViolation if the answer has what nobody proposed."""
    asked = {context.id: context for context in request.contexts}
    proposed = _proposed(request)
    answered = {role.sop_class_uid: role for role in answer.user_information.roles}
    accepted = {}
    for context in answer.contexts:
        proposal = asked.get(context.id)
        if proposal is None:
            raise ProtocolViolation(
                "A presentation context is answered that nobody proposed.", code="context"
            )
        if context.result is not ContextResult.ACCEPTANCE:
            continue
        if context.transfer_syntax not in proposal.transfer_syntaxes:
            raise ProtocolViolation("A transfer syntax is accepted that nobody proposed.", code="context")
        role = _agreed(proposed.get(proposal.abstract_syntax), answered.get(proposal.abstract_syntax))
        accepted[context.id] = AcceptedContext(
            context.id, proposal.abstract_syntax, context.transfer_syntax, role.scu, role.scp
        )
    return accepted


def _agreed(proposed: RoleSelection | None, answered: RoleSelection | None) -> _Roles:
    """PS3.7 D.3.3.4: a role is agreed on if both sides said so; unasked-for answers are ignored."""
    if proposed is None or answered is None:
        return _DEFAULT
    return _Roles(proposed.scu and answered.scu, proposed.scp and answered.scp)
