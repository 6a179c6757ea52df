"""The association: both ends against each other, every PDU in every state, and what a peer must not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from leadglass.errors import BrokenInvariant, ProtocolViolation
from leadglass.ul.association import (
    LEAST_MAXIMUM_LENGTH,
    Aborted,
    AssociateAccepted,
    AssociateRejected,
    AssociateRequested,
    Association,
    Awaiting,
    Closed,
    ReleaseConfirmed,
    ReleaseRequested,
    Role,
    UlLimits,
)
from leadglass.ul.fsm import TRANSITIONS, Action, Event, State
from leadglass.ul.items import AnsweredContext, ContextResult, ProposedContext, UserInformation
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import (
    PDV,
    Abort,
    AbortReason,
    AbortSource,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
    decode,
)
from leadglass.ul.wire import Fragment, p_data

ECHO, IMPLICIT, JPEG = "1.2.840.10008.1.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.50"
THEIRS = UserInformation(16384, "1.2.3", "THEIRS")
OURS = UserInformation(1 << 17, "1.2.4", "OURS")
RQ = AssociateRQ(
    "LEADGLASS", "SCU", (ProposedContext(1, ECHO, (IMPLICIT,)), ProposedContext(3, ECHO, (JPEG,))), THEIRS
)
AC = negotiate(RQ, {ECHO: Service((IMPLICIT,))}, OURS)  # 3 is turned down
RJ = AssociateRJ.CALLING_NOT_RECOGNIZED
DATA = PDataTF((PDV(1, True, True, b"data"),))
PROVIDER = AbortSource.SERVICE_PROVIDER


def receive(association: Association, *sent: bytes) -> list[object]:
    return [event for data in sent for event in association.receive_data(data)]


def acceptor() -> Association:
    return Association(Role.ACCEPTOR)


def asked() -> Association:
    association = acceptor()
    assert receive(association, RQ.encode()) == [AssociateRequested(RQ)]
    return association


def accepted() -> Association:
    association = asked()
    association.accept(AC)
    assert association.data_to_send() == AC.encode()
    return association


def requestor() -> Association:
    return Association(Role.REQUESTOR)


def asking() -> Association:
    association = requestor()
    association.request(RQ)
    assert association.data_to_send() == RQ.encode()
    return association


def established() -> Association:
    association = asking()
    assert receive(association, AC.encode()) == [AssociateAccepted(AC)]
    return association


def releasing() -> Association:
    association = established()
    association.release()
    assert association.data_to_send() == ReleaseRQ().encode()
    return association


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


def rejected() -> Association:
    association = asked()
    association.reject(RJ)
    assert association.data_to_send() == RJ.encode()
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


class TestBothEnds:
    """A requestor and an acceptor of ours, with nothing between them but bytes."""

    def pair(self) -> tuple[Association, Association]:
        one, other = requestor(), acceptor()
        one.request(RQ)
        assert receive(other, one.data_to_send()) == [AssociateRequested(RQ)]
        other.accept(AC)
        assert receive(one, other.data_to_send()) == [AssociateAccepted(AC)]
        return one, other

    def test_data_both_ways(self) -> None:
        one, other = self.pair()
        assert receive(other, one.send_p_data(1, True, True, 4) + b"ping") == [
            Fragment(1, True, True, memoryview(b"ping"))
        ]
        assert receive(one, other.send_p_data(1, False, False, 4) + b"pong") == [
            Fragment(1, False, False, memoryview(b"pong"))
        ]

    def test_release(self) -> None:
        one, other = self.pair()
        one.release()
        assert receive(other, one.data_to_send()) == [ReleaseRequested()]
        # The other end may finish what it was saying.
        assert receive(one, other.send_p_data(1, True, True, 1) + b"x") == [
            Fragment(1, True, True, memoryview(b"x"))
        ]
        other.confirm_release()
        assert receive(one, other.data_to_send()) == [ReleaseConfirmed()]
        assert one.must_close and not other.must_close
        assert other.awaiting is Awaiting.CLOSE
        assert list(other.receive_eof()) == [Closed()]
        assert other.must_close

    def test_release_collision(self) -> None:
        """PS3.8 9.2.1, Sta9 to Sta12: the requestor responds first."""
        one, other = self.pair()
        one.release()
        other.release()
        first, second = one.data_to_send(), other.data_to_send()
        assert receive(one, second) == []
        assert receive(other, first) == []
        assert (one.state, other.state) == (
            State.COLLISION_REQUESTOR_AWAITING,
            State.COLLISION_ACCEPTOR_AWAITING,
        )
        assert other.data_to_send() == b""
        assert receive(other, one.data_to_send()) == [ReleaseConfirmed()]
        assert receive(one, other.data_to_send()) == [ReleaseConfirmed()]
        assert one.must_close and other.awaiting is Awaiting.CLOSE

    def test_rejection(self) -> None:
        one, other = requestor(), acceptor()
        one.request(RQ)
        receive(other, one.data_to_send())
        other.reject(RJ)
        assert receive(one, other.data_to_send()) == [AssociateRejected(RJ)]
        assert one.must_close and other.awaiting is Awaiting.CLOSE

    @pytest.mark.parametrize(
        ("source", "reason"), [(AbortSource.SERVICE_USER, 0), (PROVIDER, AbortReason.UNEXPECTED_PARAMETER)]
    )
    def test_abort(self, source: AbortSource, reason: AbortReason) -> None:
        one, other = self.pair()
        one.abort(source, reason)
        assert receive(other, one.data_to_send()) == [Aborted(source, reason)]
        assert other.must_close and one.awaiting is Awaiting.CLOSE

    def test_what_we_queue_is_sent_once_and_in_order(self) -> None:
        one, other = requestor(), acceptor()
        one.request(RQ)
        receive(other, one.data_to_send())
        other.accept(AC)
        other.release()
        assert other.data_to_send() == AC.encode() + ReleaseRQ().encode()
        assert other.data_to_send() == b""

    def test_answers_in_the_midst_of_a_chunk(self) -> None:
        """The request and what may follow it only later, in one chunk; the caller answers in between."""
        association = acceptor()
        events = association.receive_data(RQ.encode() + DATA.encode() + ReleaseRQ().encode())
        assert next(events) == AssociateRequested(RQ)
        association.accept(AC)
        assert [type(event) for event in events] == [Fragment, ReleaseRequested]

    def test_an_abort_in_the_midst_of_a_chunk(self) -> None:
        association = established()
        events = association.receive_data(DATA.encode() * 3)
        assert type(next(events)) is Fragment
        association.abort()
        assert list(events) == []
        assert association.data_to_send() == Abort().encode()

    def test_the_end_in_the_midst_of_a_chunk(self) -> None:
        association = established()
        events = association.receive_data(DATA.encode() * 2 + b"\0\0\0\0\0\0")
        assert type(next(events)) is Fragment
        assert list(association.receive_eof()) == [Closed()]
        assert list(events) == []

    @pytest.mark.parametrize("step", [1, 5, 11])
    def test_chunks_do_not_matter(self, step: int) -> None:
        association = accepted()
        sent = DATA.encode() * 2 + ReleaseRQ().encode()
        events = receive(association, *(sent[at : at + step] for at in range(0, len(sent), step)))
        assert b"".join(e.data for e in events if isinstance(e, Fragment)) == b"datadata"
        assert events[-1] == ReleaseRequested()


def violation(association: Association, *sent: bytes) -> tuple[str, Abort]:
    """The code of the violation, and the abort that the peer is sent for it."""
    with pytest.raises(ProtocolViolation) as raised:
        receive(association, *sent)
    assert association.awaiting is Awaiting.CLOSE and not association.must_close
    told = association.data_to_send()
    abort = decode(told[0], told[6:])
    assert isinstance(abort, Abort) and len(told) == 10
    assert receive(association, RQ.encode(), b"\0" * 100) == []
    assert association.data_to_send() == b""
    return raised.value.code, abort


class TestHostilePeers:
    def test_data_before_the_request(self) -> None:
        assert violation(acceptor(), DATA.encode()) == ("unexpected-pdu", Abort())

    def test_data_before_our_answer(self) -> None:
        assert violation(asked(), DATA.encode())[0] == "unexpected-pdu"

    def test_data_before_our_answer_in_the_chunk_of_the_request(self) -> None:
        assert violation(acceptor(), RQ.encode() + DATA.encode())[0] == "unexpected-pdu"

    def test_a_second_request(self) -> None:
        for association in (asked(), accepted()):
            code, abort = violation(association, RQ.encode())
            assert (code, abort) == ("unexpected-pdu", Abort(PROVIDER, AbortReason.UNEXPECTED_PDU))

    def test_data_on_a_context_that_was_turned_down(self) -> None:
        for number in (3, 5, 255):
            code, abort = violation(accepted(), p_data(number, True, True, 1) + b"x")
            assert (code, abort) == ("context", Abort(PROVIDER, AbortReason.UNEXPECTED_PARAMETER))

    def test_data_on_a_context_that_was_turned_down_behind_good_data(self) -> None:
        both = PDataTF((PDV(1, True, True, b"a"), PDV(3, False, True, b"b"))).encode()
        association = accepted()
        events = association.receive_data(both)
        assert next(events) == Fragment(1, True, True, memoryview(b"a"))
        with pytest.raises(ProtocolViolation):
            next(events)

    def test_an_empty_fragment_on_a_context_that_was_turned_down(self) -> None:
        assert violation(accepted(), p_data(3, True, True, 0))[0] == "context"

    def test_release_in_the_middle_of_a_message(self) -> None:
        opened = p_data(1, True, False, 2) + b"ab"
        code, abort = violation(accepted(), opened + ReleaseRQ().encode())
        assert (code, abort) == ("release-in-message", Abort(PROVIDER, AbortReason.UNEXPECTED_PDU))
        assert violation(releasing(), opened + ReleaseRQ().encode())[0] == "release-in-message"

    def test_release_after_a_message(self) -> None:
        whole = p_data(1, True, False, 2) + b"ab" + p_data(1, True, True, 0)
        assert receive(accepted(), whole + ReleaseRQ().encode())[-1] == ReleaseRequested()

    def test_abort_in_the_middle_of_a_message(self) -> None:
        sent = p_data(1, True, False, 2) + b"ab" + Abort().encode()
        assert receive(accepted(), sent)[-1] == Aborted(AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED)

    def test_another_protocol_version(self) -> None:
        """AE-6: turned down by the provider; the user is not asked."""
        association = acceptor()
        strange = AssociateRQ("A", "B", RQ.contexts, THEIRS, protocol_version=2)
        with pytest.raises(ProtocolViolation) as raised:
            receive(association, strange.encode())
        assert raised.value.code == "version"
        assert association.data_to_send() == AssociateRJ.PROTOCOL_VERSION_NOT_SUPPORTED.encode()
        assert association.awaiting is Awaiting.CLOSE
        assert receive(association, strange.encode()) == []

    def test_any_set_of_versions_with_ours(self) -> None:
        both = AssociateRQ("A", "B", RQ.contexts, THEIRS, protocol_version=3)
        assert receive(acceptor(), both.encode()) == [AssociateRequested(both)]

    @pytest.mark.parametrize(
        ("maximum", "taken"),
        [(0, True), (1, False), (LEAST_MAXIMUM_LENGTH - 1, False), (LEAST_MAXIMUM_LENGTH, True)],
    )
    def test_pdus_too_short_to_be_of_use(self, maximum: int, taken: bool) -> None:
        """A peer that takes one byte at a time makes us work a hundred times as much as it does."""
        user = UserInformation(maximum, "1.2.3")
        request = AssociateRQ("A", "B", RQ.contexts, user).encode()
        answer = AssociateAC("A", "B", AC.contexts, user).encode()
        if taken:
            assert len(receive(acceptor(), request)) == len(receive(asking(), answer)) == 1
        else:
            assert violation(acceptor(), request)[0] == "maximum-length"
            assert violation(asking(), answer)[0] == "maximum-length"

    @pytest.mark.parametrize(
        "context",
        [
            AnsweredContext(5, ContextResult.ACCEPTANCE, IMPLICIT),
            AnsweredContext(1, ContextResult.ACCEPTANCE, JPEG),
        ],
    )
    def test_an_answer_that_does_not_fit_the_request(self, context: AnsweredContext) -> None:
        answer = AssociateAC("A", "B", (context,), OURS)
        assert violation(asking(), answer.encode())[0] == "context"

    def test_more_than_we_advertised(self) -> None:
        """PS3.8 D.1: what we said in the A-ASSOCIATE is the limit, not what we might take."""
        for association, maximum in ((accepted(), OURS), (established(), THEIRS)):
            most = maximum.maximum_length - 6
            assert receive(association, p_data(1, True, False, most)) == []
            receive(association, bytes(most))
            assert violation(association, p_data(1, True, False, most + 1))[0] == "pdu-length"

    def test_more_than_we_take_where_we_advertise_no_limit(self) -> None:
        association = Association(Role.ACCEPTOR, UlLimits(p_data_pdu=1000))
        receive(association, RQ.encode())
        association.accept(AssociateAC("A", "B", AC.contexts, UserInformation(0, "1.2")))
        association.data_to_send()
        assert receive(association, p_data(1, True, False, 994)) == []
        receive(association, bytes(994))
        assert violation(association, p_data(1, True, False, 995))[0] == "pdu-length"

    def test_a_request_longer_than_we_take(self) -> None:
        association = Association(Role.ACCEPTOR, UlLimits(control_pdu=100))
        assert violation(association, RQ.encode()[:6])[0] == "pdu-length"

    def test_a_violation_after_the_end_is_answered_once_and_is_no_news(self) -> None:
        """AA-7. A peer that goes on gets no A-ABORT for each of its PDUs."""
        association = rejected()
        assert receive(association, RQ.encode(), RQ.encode(), b"\0" * 600) == []
        assert association.data_to_send() == Abort(PROVIDER, AbortReason.UNEXPECTED_PDU).encode()
        assert association.awaiting is Awaiting.CLOSE

    def test_data_after_the_end_is_ignored(self) -> None:
        """AA-6"""
        association = rejected()
        assert receive(association, DATA.encode() * 3) == []
        assert association.data_to_send() == b""
        assert receive(association, Abort().encode()) == []
        assert association.must_close


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


class Conversation(RuleBasedStateMachine):
    """Any order of calls and bytes: two of ours that talk to each other never break each other's rules."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = [Association(Role.REQUESTOR), Association(Role.ACCEPTOR)]
        self.wires: list[bytes] = [b"", b""]  # on its way to each end
        self.ends[0].request(RQ)
        self.asked = False

    def flush(self) -> None:
        for n, end in enumerate(self.ends):
            self.wires[1 - n] += end.data_to_send()

    @rule(n=st.integers(0, 1), size=st.integers(1, 400))
    def deliver(self, n: int, size: int) -> None:
        self.flush()
        piece, self.wires[n] = self.wires[n][:size], self.wires[n][size:]
        for event in self.ends[n].receive_data(piece):
            self.asked |= isinstance(event, AssociateRequested)

    @rule(n=st.integers(0, 1), size=st.integers(0, 300), last=st.booleans())
    def send(self, n: int, size: int, last: bool) -> None:
        if self.ends[n].state in (State.ESTABLISHED, State.RELEASE_REQUESTED):
            self.flush()
            self.wires[1 - n] += self.ends[n].send_p_data(1, False, last, size) + bytes(size)

    @precondition(lambda self: self.asked and self.ends[1].state is State.AWAITING_LOCAL_RESPONSE)
    @rule(yes=st.booleans())
    def answer(self, yes: bool) -> None:
        if yes:
            self.ends[1].accept(AC)
        else:
            self.ends[1].reject(RJ)

    @rule(n=st.integers(0, 1))
    def release(self, n: int) -> None:
        end = self.ends[n]
        if end.state is State.ESTABLISHED and not end._telling:
            end.release()
        elif end.state is State.RELEASE_REQUESTED and not end._telling:
            end.confirm_release()

    @rule(n=st.integers(0, 1), abort=st.booleans(), chance=st.integers(0, 15))
    def give_up(self, n: int, abort: bool, chance: int) -> None:
        if chance == 15:
            (self.ends[n].abort if abort else self.ends[n].timed_out)()

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        for end in self.ends:
            assert end.must_close is (end.state is State.IDLE)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(deadline=None, max_examples=150, stateful_step_count=30)
