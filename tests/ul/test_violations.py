"""What a hostile peer may try on an association, the code of the violation, and what it is told."""

from __future__ import annotations

import pytest

from leadglass.errors import ProtocolViolation
from leadglass.ul.association import (
    LEAST_MAXIMUM_LENGTH,
    Aborted,
    AssociateRequested,
    Association,
    Awaiting,
    ReleaseRequested,
    Role,
    UlLimits,
)
from leadglass.ul.items import AnsweredContext, ContextResult, UserInformation
from leadglass.ul.pdu import (
    PDV,
    Abort,
    AbortReason,
    AbortSource,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    ReleaseRQ,
    decode,
)
from leadglass.ul.wire import Fragment, p_data

from .associations import (
    AC,
    DATA,
    IMPLICIT,
    JPEG,
    OURS,
    PROVIDER,
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
)


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
