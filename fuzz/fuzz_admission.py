"""Fuzz what an A-ASSOCIATE-RQ asks for: rejected, or accepted for nothing but what its sender may do.

The first byte of an input chooses the listener, what the AE is allowed and whether it is known; the rest is
the body of the PDU: contexts, roles, extended negotiation, user identity. Besides the contract on exceptions:
the answer can be sent and fits its request; whom the AE names counts inside TLS alone and with a secret;
a context is accepted only for what the policy allows, and at the receive-only listener for receiving alone.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import seeded

from leadglass.access.actions import Action
from leadglass.access.peers import Ae, Known
from leadglass.access.plans import AT_RECEIVE_ONLY, WORDS
from leadglass.access.policy import narrow
from leadglass.access.principal import Context, Kind, Principal, Role, Via
from leadglass.dimse import sop_classes as uids
from leadglass.errors import ProtocolViolation
from leadglass.net.attendant import Admission
from leadglass.net.connection import Peer
from leadglass.scp.admission import SERVICES, Admitter
from leadglass.scp.extended import options
from leadglass.ul.items import (
    AsynchronousOperations,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)
from leadglass.ul.negotiation import negotiated
from leadglass.ul.pdu import AssociateAC, AssociateRJ, AssociateRQ, decode
from leadglass.ul.pdu import Kind as PduKind

T = TypeVar("T")
CT, PRIVATE, WORKLIST = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5", "1.2.840.10008.5.1.4.31"
EXPLICIT, IMPLICIT, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.50"
USER, TOKEN, ASSERTION = "dr.roth", "lg_secret-token", "header.claims.signature"
ALLOWED = (
    frozenset(WORDS),
    frozenset({"store"}),
    frozenset({"find", "get"}),
    frozenset(AT_RECEIVE_ONLY),
    frozenset(),
)
ACTION_OF = {uid: action for action, syntaxes in SERVICES.items() for uid in syntaxes}
TOKENS = (
    b"\x20\0", b"\x30\0", b"\x40\0", b"\x50\0", b"\x51\0\0\4", b"\x52\0", b"\x53\0\0\4", b"\x54\0",
    b"\x56\0", b"\x57\0",
    b"\x58\0", b"\x59\0", b"\1\1", b"\1\0", b"\0\1", b"\2\1", b"\5\1", b"\0\0", b"\xff\xff", CT.encode(),
    PRIVATE.encode(),
    uids.STUDY_ROOT_FIND.encode(), uids.STUDY_ROOT_GET.encode(), USER.encode(), TOKEN.encode(),
    ASSERTION.encode(), b"\xff",
)  # fmt: skip


def station(allow: frozenset[str], *, receive_only: bool) -> Ae:
    return Ae(7, "STATION", 1, receive_only, (), allow, "", None, False, "", None, None, None, 0)


DOCTOR = Principal(
    kind=Kind.TOKEN,
    id=3,
    user_id=3,
    name=USER,
    display_name=USER,
    role=Role.RADIOLOGIST,
    departments=frozenset({1}),
    credential="token:3",
)


class Peers:
    """Knows one AE, one token of one user, and one assertion of the same."""

    def __init__(self, known: Known | None) -> None:
        self._known = known

    def identify(self, calling: str, *_: object) -> Known | None:
        return self._known if self._known is not None and calling == self._known.ae.title else None

    def resolve_user(self, passcode: str, _: int) -> Principal | None:
        return DOCTOR if passcode == TOKEN else None

    def resolve_assertion(self, token: str, _: int) -> Principal | None:
        return replace(DOCTOR, kind=Kind.JWT) if token == ASSERTION else None


class AtOnce:
    """Workers that need no thread, and no event loop either."""

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        return function(*args)


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something")


def one_input(data: bytes) -> None:
    if not data:
        return
    choice, body = data[0], data[1:]
    try:
        request = AssociateRQ.decode(body)
    except ProtocolViolation:
        return
    via, tls = (Via.DIMSE, True) if choice & 1 else (Via.RECEIVE, False)
    ae = station(ALLOWED[(choice >> 1) % len(ALLOWED)], receive_only=not tls)
    known = Known(ae, ae.principal) if choice & 128 or choice < 96 else None
    peers: Any = Peers(known)
    workers: Any = AtOnce()
    admit = Admitter(peers, "LEADGLASS", via, workers, lambda: 0, shut=lambda: False)
    made = finished(admit(request, Peer("192.0.2.1", 1, tls, b"" if tls else None)))
    if isinstance(made, AssociateRJ):
        made.encode()
        return
    assert known is not None and request.calling == "STATION" and request.called == "LEADGLASS"
    admitted(request, made, ae, via)


def admitted(request: AssociateRQ, made: Admission, ae: Ae, via: Via) -> None:
    encoded = made.answer.encode()
    again = decode(encoded[0], encoded[6:])
    assert encoded[0] == PduKind.ASSOCIATE_AC and isinstance(again, AssociateAC)
    session: Any = made.session
    named(request.user_information.user_identity, session.who, ae, via)
    context = Context("192.0.2.1", via, 0)
    for accepted in negotiated(request, again).values():
        uid = accepted.abstract_syntax
        wanted = ACTION_OF.get(uid)
        if wanted is not None:
            assert not narrow(session.who, wanted, context).nothing
        elif uid != uids.VERIFICATION:
            assert uid in uids.STORAGE or (uids.is_private(uid) and "private" in ae.allow)
            takes = not narrow(session.who, Action.OBJECT_INGEST, context).nothing
            gives = not narrow(session.who, Action.STUDY_RETRIEVE, context).nothing
            assert (accepted.as_scu <= takes) and (accepted.as_scp <= gives)
        agreed = options(again, uid)
        asked = {e.sop_class_uid: e.information for e in request.user_information.extended}.get(uid, b"")
        assert agreed.relational <= (asked[:1] == b"\1") and agreed.moments <= (asked[1:2] == b"\1")
        if via is Via.RECEIVE:
            assert wanted in {None, Action.COMMITMENT_REQUEST} and not accepted.as_scp


def named(identity: UserIdentity | None, who: Principal, ae: Ae, via: Via) -> None:
    """Who it is: the AE, unless a user proved who they are."""
    if identity is None:
        assert who == ae.principal
        return
    assert via is Via.DIMSE
    primary, secondary = identity.primary, identity.secondary
    assert who.name == USER
    assert (identity.kind, primary, secondary) == (2, USER.encode(), TOKEN.encode()) or (
        identity.kind,
        primary,
    ) == (5, ASSERTION.encode())


def corpus() -> list[bytes]:
    """Everything there is to ask for, by whoever may and may not."""
    syntaxes = (uids.VERIFICATION, CT, PRIVATE, WORKLIST, *ACTION_OF)
    contexts = tuple(
        ProposedContext(2 * number + 1, uid, (EXPLICIT, IMPLICIT, JPEG))
        for number, uid in enumerate(syntaxes)
    )
    identities = (
        None,
        UserIdentity(1, True, USER.encode()),
        UserIdentity(2, True, USER.encode(), TOKEN.encode()),
        UserIdentity(2, False, USER.encode(), b"password"),
        UserIdentity(3, True, b"ticket"),
        UserIdentity(5, True, ASSERTION.encode()),
    )
    extended = tuple(ExtendedNegotiation(uid, b"\1" * length) for length, uid in enumerate(ACTION_OF))
    common = (CommonExtendedNegotiation(CT, "1.2.840.10008.4.2", ("1.2.3",)),)
    roles = tuple(
        RoleSelection(uid, scu=True, scp=True) for uid in (CT, PRIVATE, uids.STORAGE_COMMITMENT_PUSH)
    )
    several = AsynchronousOperations(0, 0)
    seeds = []
    for identity in identities:
        user = UserInformation(16384, "1.2.3", "FUZZ", several, roles, extended, common, identity)
        for called, calling in (("LEADGLASS", "STATION"), ("LEADGLASS", "STRANGER"), ("OTHER", "STATION")):
            body = AssociateRQ(called, calling, contexts, user).encode()[6:]
            seeds += [bytes([choice]) + body for choice in (*range(10), 96, 97, 128, 129)]
    return seeds


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
