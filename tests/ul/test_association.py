"""The association by Table 9-10: every PDU, every deadline and every call of ours, in every state."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from leadglass.errors import BrokenInvariant, ProtocolViolation
from leadglass.ul.association import (
    Association,
    Awaiting,
    Closed,
    ReleaseRequested,
)
from leadglass.ul.fsm import TRANSITIONS, Action, Event, State
from leadglass.ul.items import AnsweredContext, ContextResult, UserInformation
from leadglass.ul.pdu import (
    Abort,
    AbortReason,
    AbortSource,
    AssociateAC,
    AssociateRQ,
    ReleaseRP,
    ReleaseRQ,
    decode,
)
from leadglass.ul.wire import p_data

from .associations import (
    AC,
    DATA,
    OURS,
    PROVIDER,
    RJ,
    RQ,
    THEIRS,
    accepted,
    acceptor,
    asked,
    asking,
    established,
    receive,
    rejected,
    releasing,
    requestor,
)


def acceptor_releasing() -> Association:
    association = accepted()
    association.release()
    association.data_to_send()
    return association


def asked_for_release() -> Association:
    association = accepted()
    assert receive(association, ReleaseRQ().encode()) == [ReleaseRequested()]
    return association


def put(state: State) -> Association:
    """The two states that are passed within one call."""
    association = releasing()
    association.state = state
    return association


def collided(build: Callable[[], Association]) -> Association:
    association = build()
    assert receive(association, ReleaseRQ().encode()) == []
    association.data_to_send()
    return association


def ended() -> Association:
    association = acceptor()
    assert list(association.receive_eof()) == [Closed()]
    return association


INTO: dict[State, Callable[[], Association]] = {
    State.IDLE: ended,
    State.AWAITING_REQUEST: acceptor,
    State.AWAITING_LOCAL_RESPONSE: asked,
    State.CONNECTING: requestor,
    State.AWAITING_ANSWER: asking,
    State.ESTABLISHED: established,
    State.AWAITING_RELEASE: releasing,
    State.RELEASE_REQUESTED: asked_for_release,
    State.COLLISION_REQUESTOR_TO_RESPOND: lambda: put(State.COLLISION_REQUESTOR_TO_RESPOND),
    State.COLLISION_ACCEPTOR_AWAITING: lambda: collided(acceptor_releasing),
    State.COLLISION_REQUESTOR_AWAITING: lambda: collided(releasing),
    State.COLLISION_ACCEPTOR_TO_RESPOND: lambda: put(State.COLLISION_ACCEPTOR_TO_RESPOND),
    State.AWAITING_CLOSE: rejected,
}
RECEIVED = {
    Event.RQ_RECEIVED: RQ.encode(),
    Event.AC_RECEIVED: AC.encode(),
    Event.RJ_RECEIVED: RJ.encode(),
    Event.DATA_RECEIVED: DATA.encode(),
    Event.RELEASE_RQ_RECEIVED: ReleaseRQ().encode(),
    Event.RELEASE_RP_RECEIVED: ReleaseRP().encode(),
    Event.ABORT_RECEIVED: Abort().encode(),
    Event.INVALID_PDU: b"\x16\x03\1\0\0\0",
}
# What the association goes on to by itself: a collision needs no second question.
BY_ITSELF = {
    (State.AWAITING_RELEASE, Event.RELEASE_RQ_RECEIVED): State.COLLISION_REQUESTOR_AWAITING,
    (State.COLLISION_ACCEPTOR_AWAITING, Event.RELEASE_RP_RECEIVED): State.AWAITING_CLOSE,
}


class TestEveryPduInEveryState:
    @pytest.mark.parametrize("state", INTO)
    def test_the_builders_build(self, state: State) -> None:
        assert INTO[state]().state is state

    @pytest.mark.parametrize("state", [s for s in INTO if s not in (State.IDLE, State.CONNECTING)])
    @pytest.mark.parametrize("event", RECEIVED)
    def test_by_the_table(self, state: State, event: Event) -> None:
        action, following = TRANSITIONS[state, event]
        association = INTO[state]()
        if action in (Action.AA_1, Action.AA_8):
            with pytest.raises(ProtocolViolation):
                receive(association, RECEIVED[event])
        else:
            receive(association, RECEIVED[event])
        assert association.state is BY_ITSELF.get((state, event), following)
        sent = association.data_to_send()
        if action in (Action.AA_1, Action.AA_7, Action.AA_8):
            abort = decode(7, sent[6:])
            assert isinstance(abort, Abort)
            assert abort.source == (AbortSource.SERVICE_USER if action is Action.AA_1 else PROVIDER)
            if action is not Action.AA_1:
                unrecognized = event is Event.INVALID_PDU
                assert abort.reason == (
                    AbortReason.UNRECOGNIZED_PDU if unrecognized else AbortReason.UNEXPECTED_PDU
                )
        elif (state, event) in BY_ITSELF:
            assert sent == ReleaseRP().encode()
        else:
            assert sent == b""

    @pytest.mark.parametrize("event", RECEIVED)
    def test_after_the_end_nothing_is_heard(self, event: Event) -> None:
        association = ended()
        assert receive(association, RECEIVED[event]) == []
        assert (association.state, association.data_to_send()) == (State.IDLE, b"")

    @pytest.mark.parametrize("event", RECEIVED)
    def test_nobody_speaks_before_the_requestor(self, event: Event) -> None:
        association = requestor()
        with pytest.raises(ProtocolViolation) as raised:
            receive(association, RECEIVED[event])
        assert raised.value.code == "unexpected-pdu"
        assert association.must_close and association.data_to_send() == b""

    @pytest.mark.parametrize("state", INTO)
    def test_the_connection_closes(self, state: State) -> None:
        association = INTO[state]()
        assert list(association.receive_eof()) == ([] if state is State.IDLE else [Closed()])
        assert association.must_close and association.awaiting is None
        assert list(association.receive_eof()) == []

    @pytest.mark.parametrize("state", INTO)
    def test_we_abort(self, state: State) -> None:
        association = INTO[state]()
        association.abort()
        silent = state in (State.IDLE, State.AWAITING_REQUEST, State.CONNECTING, State.AWAITING_CLOSE)
        assert association.data_to_send() == (b"" if silent else Abort().encode())
        closes = state in (State.IDLE, State.AWAITING_REQUEST, State.CONNECTING)
        assert association.must_close is closes
        assert association.awaiting is (None if closes else Awaiting.CLOSE)
        association.abort()
        assert association.data_to_send() == b""

    @pytest.mark.parametrize("state", INTO)
    def test_the_deadline_passes(self, state: State) -> None:
        association = INTO[state]()
        association.timed_out()
        if state in (State.IDLE, State.AWAITING_REQUEST, State.CONNECTING, State.AWAITING_CLOSE):
            assert association.must_close and association.data_to_send() == b""
        else:
            assert association.awaiting is Awaiting.CLOSE
            assert association.data_to_send() == Abort().encode()
            association.timed_out()
            assert association.must_close

    def test_what_is_awaited(self) -> None:
        assert {state: INTO[state]().awaiting for state in INTO if INTO[state]().awaiting} == {
            State.AWAITING_REQUEST: Awaiting.ASSOCIATE,
            State.AWAITING_ANSWER: Awaiting.ANSWER,
            State.AWAITING_RELEASE: Awaiting.RELEASE,
            State.COLLISION_ACCEPTOR_AWAITING: Awaiting.RELEASE,
            State.COLLISION_REQUESTOR_AWAITING: Awaiting.RELEASE,
            State.AWAITING_CLOSE: Awaiting.CLOSE,
        }


class TestMisuse:
    """A call that the state does not allow is our bug, and changes nothing."""

    CALLS: ClassVar[dict[str, tuple[Callable[[Association], object], frozenset[State]]]] = {
        "request": (lambda a: a.request(RQ), frozenset({State.CONNECTING})),
        "accept": (lambda a: a.accept(AC), frozenset({State.AWAITING_LOCAL_RESPONSE})),
        "reject": (lambda a: a.reject(RJ), frozenset({State.AWAITING_LOCAL_RESPONSE})),
        "release": (lambda a: a.release(), frozenset({State.ESTABLISHED})),
        "confirm_release": (
            lambda a: a.confirm_release(),
            frozenset(
                {
                    State.RELEASE_REQUESTED,
                    State.COLLISION_REQUESTOR_TO_RESPOND,
                    State.COLLISION_ACCEPTOR_TO_RESPOND,
                }
            ),
        ),
        "send_p_data": (
            lambda a: a.send_p_data(1, True, True, 1),
            frozenset({State.ESTABLISHED, State.RELEASE_REQUESTED}),
        ),
    }

    @pytest.mark.parametrize("name", CALLS)
    @pytest.mark.parametrize("state", INTO)
    def test_calls_by_state(self, name: str, state: State) -> None:
        call, allowed = self.CALLS[name]
        association = INTO[state]()
        if state in allowed:
            call(association)
        else:
            with pytest.raises(BrokenInvariant):
                call(association)
            assert association.state is state
            assert association.data_to_send() == b""

    def test_an_answer_that_does_not_fit(self) -> None:
        with pytest.raises(BrokenInvariant):
            asked().accept(AssociateAC("A", "B", (AnsweredContext(7, ContextResult.NO_REASON, ""),), OURS))

    def test_data_on_a_context_that_was_turned_down(self) -> None:
        for association in (accepted(), established()):
            with pytest.raises(BrokenInvariant):
                association.send_p_data(3, True, True, 1)

    def test_more_than_the_other_side_takes(self) -> None:
        for association, theirs in ((accepted(), THEIRS), (established(), OURS)):
            most = theirs.maximum_length - 6
            assert association.send_p_data(1, True, True, most) == p_data(1, True, True, most)
            with pytest.raises(BrokenInvariant):
                association.send_p_data(1, True, True, most + 1)

    def test_any_length_where_the_other_side_names_none(self) -> None:
        association = acceptor()
        receive(association, AssociateRQ("A", "B", RQ.contexts, UserInformation(0, "1.2")).encode())
        association.accept(AC)
        assert association.send_p_data(1, True, True, 1 << 30) == p_data(1, True, True, 1 << 30)

    def test_our_release_in_the_middle_of_our_message(self) -> None:
        association = established()
        association.send_p_data(1, True, False, 1)
        with pytest.raises(BrokenInvariant):
            association.release()
        association.send_p_data(1, True, True, 1)
        association.release()

    def test_our_response_to_a_release_in_the_middle_of_our_message(self) -> None:
        association = asked_for_release()
        association.send_p_data(1, False, False, 1)
        with pytest.raises(BrokenInvariant):
            association.confirm_release()
