"""Two associations of ours, with nothing between them but bytes."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from leadglass.ul.association import (
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
)
from leadglass.ul.fsm import State
from leadglass.ul.pdu import (
    Abort,
    AbortReason,
    AbortSource,
    ReleaseRQ,
)
from leadglass.ul.wire import Fragment

from .associations import AC, DATA, PROVIDER, RJ, RQ, receive


def pair() -> tuple[Association, Association]:
    """The requestor and the acceptor, established."""
    one, other = Association(Role.REQUESTOR), Association(Role.ACCEPTOR)
    one.request(RQ)
    assert receive(other, one.data_to_send()) == [AssociateRequested(RQ)]
    other.accept(AC)
    assert receive(one, other.data_to_send()) == [AssociateAccepted(AC)]
    return one, other


class TestBothEnds:
    def test_data_both_ways(self) -> None:
        one, other = pair()
        assert receive(other, one.send_p_data(1, True, True, 4) + b"ping") == [
            Fragment(1, True, True, memoryview(b"ping"))
        ]
        assert receive(one, other.send_p_data(1, False, False, 4) + b"pong") == [
            Fragment(1, False, False, memoryview(b"pong"))
        ]

    def test_release(self) -> None:
        one, other = pair()
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
        one, other = pair()
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
        one, other = Association(Role.REQUESTOR), Association(Role.ACCEPTOR)
        one.request(RQ)
        receive(other, one.data_to_send())
        other.reject(RJ)
        assert receive(one, other.data_to_send()) == [AssociateRejected(RJ)]
        assert one.must_close and other.awaiting is Awaiting.CLOSE

    @pytest.mark.parametrize(
        ("source", "reason"), [(AbortSource.SERVICE_USER, 0), (PROVIDER, AbortReason.UNEXPECTED_PARAMETER)]
    )
    def test_abort(self, source: AbortSource, reason: AbortReason) -> None:
        one, other = pair()
        one.abort(source, reason)
        assert receive(other, one.data_to_send()) == [Aborted(source, reason)]
        assert other.must_close and one.awaiting is Awaiting.CLOSE

    def test_what_we_queue_is_sent_once_and_in_order(self) -> None:
        one, other = Association(Role.REQUESTOR), Association(Role.ACCEPTOR)
        one.request(RQ)
        receive(other, one.data_to_send())
        other.accept(AC)
        other.release()
        assert other.data_to_send() == AC.encode() + ReleaseRQ().encode()
        assert other.data_to_send() == b""

    def test_answers_in_the_midst_of_a_chunk(self) -> None:
        """The request and what may follow it only later, in one chunk; the caller answers in between."""
        association = Association(Role.ACCEPTOR)
        events = association.receive_data(RQ.encode() + DATA.encode() + ReleaseRQ().encode())
        assert next(events) == AssociateRequested(RQ)
        association.accept(AC)
        assert [type(event) for event in events] == [Fragment, ReleaseRequested]

    def test_an_abort_in_the_midst_of_a_chunk(self) -> None:
        association, _ = pair()
        events = association.receive_data(DATA.encode() * 3)
        assert type(next(events)) is Fragment
        association.abort()
        assert list(events) == []
        assert association.data_to_send() == Abort().encode()

    def test_the_end_in_the_midst_of_a_chunk(self) -> None:
        association, _ = pair()
        events = association.receive_data(DATA.encode() * 2 + b"\0\0\0\0\0\0")
        assert type(next(events)) is Fragment
        assert list(association.receive_eof()) == [Closed()]
        assert list(events) == []

    @pytest.mark.parametrize("step", [1, 5, 11])
    def test_chunks_do_not_matter(self, step: int) -> None:
        _, association = pair()
        sent = DATA.encode() * 2 + ReleaseRQ().encode()
        events = receive(association, *(sent[at : at + step] for at in range(0, len(sent), step)))
        assert b"".join(e.data for e in events if isinstance(e, Fragment)) == b"datadata"
        assert events[-1] == ReleaseRequested()


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
