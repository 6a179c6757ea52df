"""One association, without a socket: bytes in, events out, and what is to be sent.

    for event in association.receive_data(chunk):
        ...
    transport.write(association.data_to_send())
    if association.must_close: transport.close()

`state` moves by Table 9-10 alone. Deadlines are the caller's: `awaiting` says which one holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from leadglass.errors import BrokenInvariant, ProtocolViolation
from leadglass.ul.fsm import OTHERWISE, TRANSITIONS, Action, Event, State
from leadglass.ul.negotiation import negotiated
from leadglass.ul.pdu import (
    PROTOCOL_VERSION,
    Abort,
    AbortReason,
    AbortSource,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    Pdu,
    ReleaseRP,
    ReleaseRQ,
)
from leadglass.ul.wire import Fragment, PduReader, UlLimits, p_data

# A peer that takes less than this per PDU wants work done for nothing: 4096 is the least in use.
LEAST_MAXIMUM_LENGTH: Final = 128


class Role(StrEnum):
    ACCEPTOR = "acceptor"
    REQUESTOR = "requestor"


class Awaiting(StrEnum):
    """What the other side is to do next, within a time that the caller keeps."""

    ASSOCIATE = "associate"  # ARTIM: send its A-ASSOCIATE-RQ
    ANSWER = "answer"  # accept or reject
    RELEASE = "release"  # respond to our release
    CLOSE = "close"  # ARTIM: close the connection


@dataclass(frozen=True, slots=True)
class AssociateRequested:
    request: AssociateRQ


@dataclass(frozen=True, slots=True)
class AssociateAccepted:
    answer: AssociateAC


@dataclass(frozen=True, slots=True)
class AssociateRejected:
    answer: AssociateRJ


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """The other side has nothing more to ask; `confirm_release` when everything is answered."""


@dataclass(frozen=True, slots=True)
class ReleaseConfirmed:
    """Our release is through."""


@dataclass(frozen=True, slots=True)
class Aborted:
    source: AbortSource
    reason: AbortReason


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection ended, whether or not it was time."""


Happening: TypeAlias = (
    AssociateRequested
    | AssociateAccepted
    | AssociateRejected
    | Fragment
    | ReleaseRequested
    | ReleaseConfirmed
    | Aborted
    | Closed
)

_AWAITING: Final[Mapping[State, Awaiting]] = {
    State.AWAITING_REQUEST: Awaiting.ASSOCIATE,
    State.AWAITING_ANSWER: Awaiting.ANSWER,
    State.AWAITING_RELEASE: Awaiting.RELEASE,
    State.COLLISION_ACCEPTOR_AWAITING: Awaiting.RELEASE,
    State.COLLISION_REQUESTOR_AWAITING: Awaiting.RELEASE,
    State.AWAITING_CLOSE: Awaiting.CLOSE,
}
_ARRIVALS: Final[Mapping[type, Event]] = {
    AssociateRQ: Event.RQ_RECEIVED,
    AssociateAC: Event.AC_RECEIVED,
    AssociateRJ: Event.RJ_RECEIVED,
    PDataTF: Event.DATA_RECEIVED,
    Fragment: Event.DATA_RECEIVED,
    ReleaseRQ: Event.RELEASE_RQ_RECEIVED,
    ReleaseRP: Event.RELEASE_RP_RECEIVED,
    Abort: Event.ABORT_RECEIVED,
}
# Which abort an action sends (Table 9-9; AA-7 leaves the source open).
_ABORTING: Final[Mapping[Action, AbortSource]] = {
    Action.AA_1: AbortSource.SERVICE_USER,
    Action.AA_7: AbortSource.SERVICE_PROVIDER,
    Action.AA_8: AbortSource.SERVICE_PROVIDER,
}
_REASONS: Final[Mapping[str, AbortReason]] = {
    "unrecognized-pdu": AbortReason.UNRECOGNIZED_PDU,
    "unexpected-pdu": AbortReason.UNEXPECTED_PDU,
    "release-in-message": AbortReason.UNEXPECTED_PDU,
    "context": AbortReason.UNEXPECTED_PARAMETER,
}
_RECEIVING: Final = frozenset({State.ESTABLISHED, State.AWAITING_RELEASE})
_SENDING: Final = frozenset({State.ESTABLISHED, State.RELEASE_REQUESTED})


class Association:
    """Both roles. A method called in a state that does not allow it raises BrokenInvariant.

    The acceptor's transport is connected already; the requestor's is when it calls `request`.
    """

    def __init__(self, role: Role, limits: UlLimits | None = None) -> None:
        self.state = State.IDLE
        self._role = role
        self._limits = limits or UlLimits()
        self._reader = PduReader(self._limits)
        self._deaf = False  # the peer broke the rules: what it says is not looked at any more
        self._out: list[bytes] = []
        self._request: AssociateRQ | None = None
        self._contexts: frozenset[int] = frozenset()
        self._their_maximum = 0
        self._hearing = self._telling = False  # in the middle of a command or data set, in or out
        self._apply(Event.CONNECTION_INDICATED if role is Role.ACCEPTOR else Event.ASSOCIATE_REQUEST)

    @property
    def awaiting(self) -> Awaiting | None:
        return _AWAITING.get(self.state)

    @property
    def must_close(self) -> bool:
        """Whether the connection is to be closed, once what is to be sent is sent."""
        return self.state is State.IDLE

    # --- what we want -------------------------------------------------------------------------------------

    def request(self, request: AssociateRQ) -> None:
        """The transport is connected: ask for the association."""
        encoded = request.encode()
        self._apply(Event.CONNECTED)
        self._request = request
        self._out.append(encoded)
        self._reader.p_data_limit = request.user_information.maximum_length or self._limits.p_data_pdu

    def accept(self, answer: AssociateAC) -> None:
        encoded = answer.encode()
        self._apply(Event.ACCEPT)
        assert self._request is not None
        try:
            self._establish(answer, self._request.user_information.maximum_length)
        except ProtocolViolation as error:
            raise BrokenInvariant(f"The answer does not fit its request. {error}") from error
        self._out.append(encoded)
        self._reader.p_data_limit = answer.user_information.maximum_length or self._limits.p_data_pdu

    def reject(self, answer: AssociateRJ) -> None:
        self._apply(Event.REJECT)
        self._out.append(answer.encode())

    def send_p_data(self, context_id: int, is_command: bool, is_last: bool, length: int) -> bytes:
        """The header for a fragment of `length` bytes; the caller writes both, after what is queued."""
        if self.state not in _SENDING:
            raise BrokenInvariant(f"Data is sent in {self.state}.")
        if context_id not in self._contexts:
            raise BrokenInvariant("Data is sent on a context that was not accepted.")
        if length + 6 > self._their_maximum > 0:
            raise BrokenInvariant("More data is sent at once than the other side takes.")
        self._telling = not is_last
        return p_data(context_id, is_command, is_last, length)

    def release(self) -> None:
        self._require_said()
        self._apply(Event.RELEASE_REQUEST)
        self._out.append(ReleaseRQ().encode())

    def confirm_release(self) -> None:
        self._require_said()
        self._apply(Event.RELEASE_RESPONSE)
        self._out.append(ReleaseRP().encode())

    def abort(
        self,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """End it, in whatever state it is. Nothing happens to what has ended or was aborted already."""
        if self.state is State.AWAITING_REQUEST:  # nobody asked for anything yet: the connection is closed
            self._apply(Event.ARTIM_EXPIRED)
            return
        if (self.state, Event.ABORT_REQUEST) not in TRANSITIONS:
            return
        if self._apply(Event.ABORT_REQUEST) is Action.AA_1:
            self._out.append(Abort(source, reason).encode())

    def timed_out(self) -> None:
        """The caller's deadline is over: ARTIM where the Standard has it, an abort elsewhere."""
        if (self.state, Event.ARTIM_EXPIRED) in TRANSITIONS:
            self._apply(Event.ARTIM_EXPIRED)
        else:
            self.abort()

    def data_to_send(self) -> bytes:
        """PDUs that are queued, once."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    # --- what arrives -------------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> Iterator[Happening]:
        """What `data` brings, in its order; to be listened to until the end.

        ProtocolViolation when the peer broke the rules: its A-ABORT is queued then, and `state` is Sta13.
        """
        if self.state is State.CONNECTING:
            self.abort()
            raise ProtocolViolation("The other side spoke before it was asked.", code="unexpected-pdu")
        if self._deaf:
            return
        try:
            for arrived in self._reader.feed(data):
                if type(arrived) is Fragment and self.state in _RECEIVING:
                    if arrived.context_id not in self._contexts:
                        raise ProtocolViolation("Data on a context that was not accepted.", code="context")
                    self._hearing = not arrived.is_last
                    yield arrived
                elif (happening := self._arrive(arrived)) is not None:
                    yield happening
                if self._deaf:
                    return
        except ProtocolViolation as error:
            if not self._deaf and self._condemn(Event.INVALID_PDU, error.code) is Action.AA_7:
                return
            raise

    def receive_eof(self) -> Iterator[Happening]:
        """The connection is closed."""
        if self.state is not State.IDLE:
            self._apply(Event.CLOSED)
            yield Closed()

    def _arrive(self, pdu: Pdu | Fragment) -> Happening | None:
        event = _ARRIVALS[type(pdu)]
        if TRANSITIONS[self.state, event][0] in _ABORTING:
            if self._condemn(event, "unexpected-pdu") is Action.AA_7:
                return None
            raise ProtocolViolation("A PDU that is not allowed at this point.", code="unexpected-pdu")
        handler = _HANDLERS.get(self._apply(event))
        return None if handler is None else handler(self, pdu)

    def _condemn(self, event: Event, code: str) -> Action:
        """Abort, and listen no more. AA-7 is for an association that had ended before: no news."""
        action = self._apply(event)
        reason = _REASONS.get(code, AbortReason.INVALID_PARAMETER)
        source = _ABORTING[action]
        if source is AbortSource.SERVICE_USER:  # gives no reason (PS3.8 Table 9-26)
            reason = AbortReason.NOT_SPECIFIED
        self._out.append(Abort(source, reason).encode())
        self._deaf = True
        return action

    def _apply(self, event: Event) -> Action:
        found = TRANSITIONS.get((self.state, event))
        if found is None:
            raise BrokenInvariant(
                f"{event} ({event.name}) cannot happen in {self.state} ({self.state.name})."
            )
        action, self.state = found
        self._deaf = self._deaf or self.state is State.IDLE
        return action

    # --- the actions of Table 9-10 on a PDU that arrived --------------------------------------------------

    def _requested(self, request: AssociateRQ) -> Happening:
        """AE-6. A version we do not speak is turned down by the provider, without asking its user."""
        if not request.protocol_version & PROTOCOL_VERSION:
            self.state = OTHERWISE[Action.AE_6]
            self._out.append(AssociateRJ.PROTOCOL_VERSION_NOT_SUPPORTED.encode())
            self._deaf = True
            raise ProtocolViolation("The other side speaks another protocol version.", code="version")
        _require_room(request.user_information.maximum_length)
        self._request = request
        return AssociateRequested(request)

    def _accepted(self, answer: AssociateAC) -> Happening:
        _require_room(answer.user_information.maximum_length)
        self._establish(answer, answer.user_information.maximum_length)
        return AssociateAccepted(answer)

    def _establish(self, answer: AssociateAC, their_maximum: int) -> None:
        assert self._request is not None
        self._contexts = frozenset(negotiated(self._request, answer))
        self._their_maximum = their_maximum

    def _release_requested(self, _: ReleaseRQ) -> Happening:
        self._require_whole()
        return ReleaseRequested()

    def _collision(self, _: ReleaseRQ) -> None:
        """AR-8. Our user asked for the release itself, so that its response goes without asking."""
        self._require_whole()
        if self._role is Role.REQUESTOR:
            self.confirm_release()
        else:
            self.state = OTHERWISE[Action.AR_8]

    def _collision_confirmed(self, _: ReleaseRP) -> Happening:
        """AR-10"""
        self.confirm_release()
        return ReleaseConfirmed()

    def _require_said(self) -> None:
        if self._telling:
            raise BrokenInvariant("A release in the middle of our own message.")

    def _require_whole(self) -> None:
        if self._hearing:
            raise ProtocolViolation("A release in the middle of a message.", code="release-in-message")


def _require_room(maximum_length: int) -> None:
    if 0 < maximum_length < LEAST_MAXIMUM_LENGTH:
        raise ProtocolViolation("The other side takes PDUs too short to be of use.", code="maximum-length")


_HANDLERS: Final[Mapping[Action, Callable[[Association, Any], Happening | None]]] = {
    Action.AE_3: Association._accepted,
    Action.AE_4: lambda _, answer: AssociateRejected(answer),
    Action.AE_6: Association._requested,
    Action.AR_2: Association._release_requested,
    Action.AR_3: lambda *_: ReleaseConfirmed(),
    Action.AR_8: Association._collision,
    Action.AR_10: Association._collision_confirmed,
    Action.AA_3: lambda _, abort: Aborted(abort.source, abort.reason),
}
