"""SOP Class Extended Negotiation of Query/Retrieve: never more bytes than were sent, never more than is done."""

from __future__ import annotations

import pytest

from leadglass.dimse import sop_classes as uids
from leadglass.scp.extended import Options, answers, options
from leadglass.ul.items import ExtendedNegotiation, ProposedContext, UserInformation
from leadglass.ul.pdu import AssociateAC, AssociateRQ

FIND, MOVE = uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_MOVE
CT = "1.2.840.10008.5.1.4.1.1.2"


def request(**items: bytes) -> AssociateRQ:
    names = {"find": FIND, "move": MOVE, "ct": CT}
    extended = tuple(ExtendedNegotiation(names[name], value) for name, value in items.items())
    contexts = (ProposedContext(1, FIND, ("1.2.840.10008.1.2",)),)
    return AssociateRQ("LEADGLASS", "STATION", contexts, UserInformation(0, "1.2", extended=extended))


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (b"\1", b"\1"),
        (b"\0", b"\0"),
        (b"\1\1", b"\1\1"),
        (b"\0\1\1\1\1", b"\0\1\0\0\0"),
        (b"\1\1\1\1\1\1\1\1", b"\1\1\0\0\0"),
        (b"\2\xff", b"\0\0"),
    ],
)
def test_what_is_answered_to_queries(asked: bytes, answered: bytes) -> None:
    assert answers(request(find=asked), {FIND}) == (ExtendedNegotiation(FIND, answered),)


def test_retrievals_are_relational() -> None:
    assert answers(request(move=b"\1\1\1"), {MOVE}) == (ExtendedNegotiation(MOVE, b"\1\0"),)


def test_nothing_is_said_of_what_was_not_asked_offered_or_known() -> None:
    assert answers(request(), {FIND, MOVE}) == ()
    assert answers(request(find=b""), {FIND}) == ()
    assert answers(request(find=b"\1", move=b"\1"), {MOVE}) == (ExtendedNegotiation(MOVE, b"\1"),)
    assert answers(request(ct=b"\2\0\1\0\1\0"), {CT}) == ()


@pytest.mark.parametrize(
    ("agreed", "expected"),
    [
        (b"\0", Options()),
        (b"\1", Options(relational=True)),
        (b"\0\1", Options(moments=True)),
        (b"\1\1\0", Options(relational=True, moments=True)),
    ],
)
def test_what_was_agreed_on_holds_for_its_sop_class(agreed: bytes, expected: Options) -> None:
    answer = AssociateAC(
        "L", "S", (), UserInformation(0, "1.2", extended=(ExtendedNegotiation(FIND, agreed),))
    )
    assert options(answer, FIND) == expected
    assert options(answer, uids.PATIENT_ROOT_FIND) == Options()
    assert options(None, FIND) == Options()
