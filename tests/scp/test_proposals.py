"""What is proposed for the instances that are to go: a context per kind, and one to fall back on."""

from __future__ import annotations

from leadglass.scp.proposals import FALLBACK, MOST_CONTEXTS, proposals

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT, EXPLICIT, JPEG = FALLBACK[1], FALLBACK[0], "1.2.840.10008.1.2.4.50"


def test_each_kind_as_it_is_stored_after_a_fallback_where_one_helps() -> None:
    [proposal] = proposals([(MR, JPEG), (CT, EXPLICIT), (CT, JPEG)])
    assert [(c.id, c.abstract_syntax, c.transfer_syntaxes) for c in proposal.contexts] == [
        (1, CT, FALLBACK),
        (3, CT, (EXPLICIT,)),
        (5, CT, (JPEG,)),
        (7, MR, (JPEG,)),
    ]
    assert proposal.kinds == {(MR, JPEG), (CT, EXPLICIT), (CT, JPEG)}


def test_nothing_to_send_needs_no_association() -> None:
    assert list(proposals([])) == []


def test_as_many_associations_as_it_takes() -> None:
    kinds = {(f"1.2.{number}", syntax) for number in range(1, 120) for syntax in (EXPLICIT, JPEG)}
    made = list(proposals(kinds))
    assert len(made) == 3  # 119 classes of three contexts each
    assert {kind for proposal in made for kind in proposal.kinds} == kinds
    assert sum(len(proposal.kinds) for proposal in made) == len(kinds)
    for proposal in made:
        numbers = [context.id for context in proposal.contexts]
        assert len(numbers) <= MOST_CONTEXTS and numbers == list(range(1, 2 * len(numbers), 2))
        proposed = {(c.abstract_syntax, s) for c in proposal.contexts for s in c.transfer_syntaxes}
        assert proposal.kinds <= proposed
        assert all((uid, FALLBACK[1]) in proposed for uid, syntax in proposal.kinds if syntax == EXPLICIT)


def test_one_class_in_more_syntaxes_than_an_association_has_contexts() -> None:
    kinds = {(CT, f"1.2.{number}") for number in range(1, 300)}
    made = list(proposals(kinds))
    assert sum(len(proposal.kinds) for proposal in made) == len(kinds)
    assert all(len(proposal.contexts) <= MOST_CONTEXTS for proposal in made)


def test_who_calls_whom() -> None:
    [proposal] = proposals([(CT, EXPLICIT)])
    request = proposal.request("LEADGLASS", "DESTINATION")
    assert (request.calling, request.called) == ("LEADGLASS", "DESTINATION")
