"""Contexts and roles: what each proposal comes to, from both ends (PS3.8 7.1.1.13, PS3.7 D.3.3.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor, negotiate_as_requestor

from leadglass.errors import ProtocolViolation
from leadglass.ul.items import (
    AnsweredContext,
    AsynchronousOperations,
    ContextResult,
    ExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)
from leadglass.ul.negotiation import AcceptedContext, Service, negotiate, negotiated
from leadglass.ul.pdu import AssociateAC, AssociateRQ, decode

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"
PRIVATE = "1.2.3.4.5"
ECHO = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"

OURS = UserInformation(1 << 18, "2.25.1", "OURS", user_identity_response=b"")
OFFER = {
    ECHO: Service((EXPLICIT, IMPLICIT)),
    CT: Service(None, scp=True, scu=True),
    MR: Service((JPEG,), scp=False, scu=True),
}


def request(*contexts: ProposedContext, roles: tuple[RoleSelection, ...] = ()) -> AssociateRQ:
    user = UserInformation(
        16384,
        "1.2",
        asynchronous_operations=AsynchronousOperations(0, 0),
        roles=roles,
        extended=(ExtendedNegotiation(CT, b"\1"),),
        user_identity=UserIdentity(1, True, b"roth"),
    )
    return AssociateRQ("LEADGLASS", "SCU", contexts, user)


def answer_to(*syntaxes: str, abstract: str = ECHO) -> AnsweredContext:
    [found] = negotiate(request(ProposedContext(7, abstract, syntaxes)), OFFER, OURS).contexts
    assert found.id == 7
    return found


class TestAnswer:
    @pytest.mark.parametrize(
        ("proposed", "chosen"),
        [
            ((IMPLICIT, EXPLICIT), IMPLICIT),
            ((EXPLICIT, IMPLICIT), EXPLICIT),
            ((PRIVATE, JPEG, EXPLICIT), EXPLICIT),
        ],
    )
    def test_the_requestors_order_decides(self, proposed: tuple[str, ...], chosen: str) -> None:
        assert answer_to(*proposed) == AnsweredContext(7, ContextResult.ACCEPTANCE, chosen)

    def test_abstract_syntax_that_nobody_offers(self) -> None:
        assert answer_to(IMPLICIT, abstract=PRIVATE).result is ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED

    def test_transfer_syntaxes_that_nobody_offers(self) -> None:
        assert answer_to(JPEG, PRIVATE).result is ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED

    def test_any_known_transfer_syntax_and_no_other(self) -> None:
        assert answer_to(PRIVATE, JPEG, abstract=CT).transfer_syntax == JPEG
        assert answer_to(PRIVATE, abstract=CT).result is ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED

    def test_a_class_we_only_send_is_not_taken(self) -> None:
        """The default roles would make us its SCP."""
        assert answer_to(JPEG, abstract=MR).result is ContextResult.USER_REJECTION

    def test_the_rest_of_it(self) -> None:
        asked = request(ProposedContext(1, ECHO, (IMPLICIT,)))
        answer = negotiate(asked, OFFER, OURS)
        assert (answer.called, answer.calling) == ("LEADGLASS", "SCU")
        assert answer.user_information == OURS  # nothing is taken over from theirs
        assert decode(2, answer.encode()[6:]) == answer

    def test_each_context_has_its_own_answer(self) -> None:
        asked = request(
            ProposedContext(1, ECHO, (IMPLICIT,)),
            ProposedContext(3, CT, (EXPLICIT,)),
            ProposedContext(255, CT, (JPEG,)),
            ProposedContext(5, PRIVATE, (JPEG,)),
        )
        answer = negotiate(asked, OFFER, OURS)
        assert [(c.id, int(c.result), c.transfer_syntax) for c in answer.contexts] == [
            (1, 0, IMPLICIT),
            (3, 0, EXPLICIT),
            (255, 0, JPEG),
            (5, 3, ""),
        ]


class TestRoles:
    @pytest.mark.parametrize("proposed", [None, (0, 0), (0, 1), (1, 0), (1, 1)])
    @pytest.mark.parametrize("scp", [False, True])
    @pytest.mark.parametrize("scu", [False, True])
    def test_as_pynetdicom_has_it(self, proposed: tuple[int, int] | None, scp: bool, scu: bool) -> None:
        """All proposals against all offers, through both its ends and both of ours.

        We turn a context down that is left without a role; so does pynetdicom, when it is told the roles.
        """
        items = (RoleSelection(CT, bool(proposed[0]), bool(proposed[1])),) if proposed else ()
        asked = request(ProposedContext(1, CT, (IMPLICIT,)), roles=items)
        answer = negotiate(asked, {CT: Service(None, scp=scp, scu=scu)}, OURS)
        agreed = negotiated(asked, answer)

        theirs = PresentationContext()
        theirs.abstract_syntax, theirs.transfer_syntax, theirs.context_id = CT, [IMPLICIT], 1
        supported = PresentationContext()
        supported.abstract_syntax, supported.transfer_syntax = CT, [IMPLICIT]
        # pynetdicom names the requestor's roles that are allowed: SCU where we are SCP.
        supported.scu_role, supported.scp_role = scp, scu
        if proposed:
            theirs.scu_role, theirs.scp_role = bool(proposed[0]), bool(proposed[1])
        roles = {theirs.abstract_syntax: proposed} if proposed else None
        expected, _ = negotiate_as_acceptor([theirs], [supported], roles)
        if proposed:
            assert (expected[0].result == 0) == (1 in agreed)
            assert len(answer.user_information.roles) == 1
        else:
            assert (1 in agreed) == scp
            assert answer.user_information.roles == ()
        if 1 in agreed:
            assert (agreed[1].as_scu, agreed[1].as_scp) == (expected[0].as_scp, expected[0].as_scu)

    def test_a_role_nobody_proposed_is_not_granted(self) -> None:
        asked = request(ProposedContext(1, CT, (IMPLICIT,)), roles=(RoleSelection(CT, True, False),))
        answer = negotiate(asked, OFFER, OURS)
        assert answer.user_information.roles == (RoleSelection(CT, True, False),)

    def test_repeated_items_count_once(self) -> None:
        """Some peers send one for each of their contexts."""
        twice = (RoleSelection(CT, True, True), RoleSelection(CT, False, False))
        asked = request(ProposedContext(1, CT, (IMPLICIT,)), ProposedContext(3, CT, (JPEG,)), roles=twice)
        answer = negotiate(asked, OFFER, OURS)
        assert answer.user_information.roles == (RoleSelection(CT, True, True),)
        assert {c.as_scp for c in negotiated(asked, answer).values()} == {True}

    def test_an_item_for_a_class_we_do_not_offer_is_not_answered(self) -> None:
        asked = request(ProposedContext(1, ECHO, (IMPLICIT,)), roles=(RoleSelection(PRIVATE, True, True),))
        assert negotiate(asked, OFFER, OURS).user_information.roles == ()

    def test_answers_to_what_was_not_asked_are_ignored(self) -> None:
        asked = request(ProposedContext(1, CT, (IMPLICIT,)))
        user = UserInformation(0, "1.2", roles=(RoleSelection(CT, False, True),))
        answer = AssociateAC("A", "B", (AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT),), user)
        assert negotiated(asked, answer)[1] == AcceptedContext(1, CT, IMPLICIT, as_scu=True, as_scp=False)

    def test_a_role_nobody_asked_for_is_not_taken(self) -> None:
        proposed = (RoleSelection(CT, True, False), RoleSelection(MR, False, True))
        asked = request(
            ProposedContext(1, CT, (IMPLICIT,)), ProposedContext(3, MR, (IMPLICIT,)), roles=proposed
        )
        user = UserInformation(0, "1.2", roles=(RoleSelection(CT, True, True), RoleSelection(MR, True, True)))
        contexts = tuple(AnsweredContext(n, ContextResult.ACCEPTANCE, IMPLICIT) for n in (1, 3))
        agreed = negotiated(asked, AssociateAC("A", "B", contexts, user))
        assert (agreed[1].as_scu, agreed[1].as_scp) == (True, False)
        assert (agreed[3].as_scu, agreed[3].as_scp) == (False, True)

    def test_no_answer_means_the_default(self) -> None:
        asked = request(ProposedContext(1, CT, (IMPLICIT,)), roles=(RoleSelection(CT, False, True),))
        answer = AssociateAC(
            "A", "B", (AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT),), UserInformation(0, "1.2")
        )
        assert negotiated(asked, answer)[1] == AcceptedContext(1, CT, IMPLICIT, as_scu=True, as_scp=False)


class TestNegotiated:
    ASKED = request(ProposedContext(1, ECHO, (IMPLICIT, EXPLICIT)), ProposedContext(3, CT, (JPEG,)))

    @staticmethod
    def answer(*contexts: AnsweredContext) -> AssociateAC:
        return AssociateAC("A", "B", contexts, UserInformation(0, "1.2"))

    def test_what_was_accepted(self) -> None:
        answer = self.answer(
            AnsweredContext(3, ContextResult.ACCEPTANCE, JPEG),
            AnsweredContext(1, ContextResult.NO_REASON, ""),
        )
        assert negotiated(self.ASKED, answer) == {3: AcceptedContext(3, CT, JPEG)}

    def test_what_is_not_answered_is_not_accepted(self) -> None:
        assert negotiated(self.ASKED, self.answer()) == {}

    @pytest.mark.parametrize(
        "context",
        [
            AnsweredContext(5, ContextResult.ACCEPTANCE, IMPLICIT),
            AnsweredContext(5, ContextResult.USER_REJECTION, ""),
            AnsweredContext(1, ContextResult.ACCEPTANCE, JPEG),
            AnsweredContext(3, ContextResult.ACCEPTANCE, IMPLICIT),
        ],
    )
    def test_what_nobody_proposed(self, context: AnsweredContext) -> None:
        with pytest.raises(ProtocolViolation) as raised:
            negotiated(self.ASKED, self.answer(context))
        assert raised.value.code == "context"


classes = st.sampled_from([ECHO, CT, MR, PRIVATE])
syntaxes = st.lists(st.sampled_from([IMPLICIT, EXPLICIT, JPEG, PRIVATE]), min_size=1, max_size=4, unique=True)
offers = st.dictionaries(
    classes, st.builds(Service, syntaxes.map(tuple), st.booleans(), st.booleans()), max_size=4
)


@given(
    proposals=st.lists(st.tuples(classes, syntaxes), min_size=1, max_size=128),
    asked_roles=st.dictionaries(classes, st.tuples(st.booleans(), st.booleans()), max_size=4),
    offer=offers,
)
def test_both_ends_agree_and_pynetdicom_too(
    proposals: list[tuple[str, list[str]]],
    asked_roles: dict[str, tuple[bool, bool]],
    offer: dict[str, Service],
) -> None:
    contexts = tuple(
        ProposedContext(2 * n + 1, uid, tuple(offered)) for n, (uid, offered) in enumerate(proposals)
    )
    asked = request(*contexts, roles=tuple(RoleSelection(u, *r) for u, r in asked_roles.items()))
    answer = negotiate(asked, offer, OURS)
    assert [c.id for c in answer.contexts] == [c.id for c in contexts]
    agreed = negotiated(asked, decode(2, answer.encode()[6:]))  # type: ignore[arg-type]
    for number, context in agreed.items():
        service = offer[context.abstract_syntax]
        assert context.as_scu or context.as_scp
        assert service.scp or not context.as_scu
        assert service.scu or not context.as_scp
        assert context.transfer_syntax == next(
            s for s in contexts[number // 2].transfer_syntaxes if s in (service.transfer_syntaxes or ())
        )

    # pynetdicom, as the requestor, makes the same of our answer.
    theirs, back = [], []
    for proposed, answered in zip(contexts, answer.contexts, strict=True):
        one = PresentationContext()
        one.context_id, one.abstract_syntax = proposed.id, proposed.abstract_syntax
        one.transfer_syntax = list(proposed.transfer_syntaxes)
        if proposed.abstract_syntax in asked_roles:
            one.scu_role, one.scp_role = asked_roles[proposed.abstract_syntax]
        theirs.append(one)
        two = PresentationContext()
        two.context_id, two.result = answered.id, int(answered.result)
        two.transfer_syntax = [answered.transfer_syntax or IMPLICIT]
        back.append(two)
    answered_roles = {r.sop_class_uid: (r.scu, r.scp) for r in answer.user_information.roles}
    made = negotiate_as_requestor(theirs, back, answered_roles)
    assert {c.context_id: (c.as_scu, c.as_scp) for c in made if c.result == 0} == {
        n: (c.as_scu, c.as_scp) for n, c in agreed.items()
    }
