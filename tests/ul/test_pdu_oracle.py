"""PDUs of all kinds from hypothesis: round trips, and pynetdicom's encoder and decoder both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu as oracle
from pynetdicom.pdu_items import PresentationDataValueItem
from pynetdicom.tests import encoded_pdu_items as captured

from leadglass.ul.items import (
    AnsweredContext,
    AsynchronousOperations,
    CommonExtendedNegotiation,
    ContextResult,
    ExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)
from leadglass.ul.pdu import (
    PDV,
    REJECT_REASONS,
    Abort,
    AbortReason,
    AbortSource,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    Pdu,
    RejectResult,
    ReleaseRP,
    ReleaseRQ,
    decode,
)
from leadglass.ul.wire import Fragment, PduReader, UlLimits

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
PROVIDER = AbortSource.SERVICE_PROVIDER


def read(data: bytes, step: int, limits: UlLimits | None = None) -> list[Pdu]:
    """What the reader makes of `data` in chunks of `step` bytes, fragments put together to PDVs."""
    reader, found = PduReader(limits or UlLimits()), []
    values: list[PDV] = []
    part = b""
    for at in range(0, len(data), step):
        for arrived in reader.feed(data[at : at + step]):
            if not isinstance(arrived, Fragment):
                found.append(arrived)
                continue
            part += arrived.data
            if not reader._pdv_rest:
                values.append(PDV(arrived.context_id, arrived.is_command, arrived.is_last, part))
                part = b""
            if not reader._pdv_rest and not reader._pdu_rest:
                found.append(PDataTF(tuple(values)))
                values = []
    return found


# --- round trips ------------------------------------------------------------------------------------------

uids = st.from_regex(r"[1-9][0-9]{0,9}(\.[1-9][0-9]{0,9}){1,4}", fullmatch=True)
titles = st.from_regex(r"[A-Za-z0-9_!.-]([ A-Z0-9_]{0,14}[A-Z0-9_])?", fullmatch=True)
words = st.integers(0, 0xFFFF)
roles = st.builds(RoleSelection, uids, st.booleans(), st.booleans())
common = st.builds(CommonExtendedNegotiation, uids, uids, st.lists(uids, max_size=3).map(tuple))
# pynetdicom does not read what has no primary field: `test_an_identity_of_nothing`.
identities = st.builds(
    UserIdentity, st.integers(1, 5), st.booleans(), st.binary(min_size=1, max_size=40), st.binary(max_size=9)
)


def informations(**more: st.SearchStrategy[object]) -> st.SearchStrategy[UserInformation]:
    return st.builds(
        UserInformation,
        st.integers(0, 0xFFFFFFFF),
        uids,
        st.one_of(st.just(""), titles),
        asynchronous_operations=st.none() | st.builds(AsynchronousOperations, words, words),
        roles=st.lists(roles, max_size=3, unique_by=lambda r: r.sop_class_uid).map(tuple),
        extended=st.lists(
            st.builds(ExtendedNegotiation, uids, st.binary(min_size=1, max_size=9)), max_size=3
        ).map(tuple),
        **more,
    )


numbers = st.integers(0, 127).map(lambda n: 2 * n + 1)
proposed = st.builds(ProposedContext, numbers, uids, st.lists(uids, min_size=1, max_size=4).map(tuple))
answered = st.one_of(
    st.builds(AnsweredContext, numbers, st.just(ContextResult.ACCEPTANCE), uids),
    st.builds(
        AnsweredContext,
        numbers,
        st.sampled_from([r for r in ContextResult if r is not ContextResult.ACCEPTANCE]),
        st.just(""),
    ),
)
requests = st.builds(
    AssociateRQ,
    titles,
    titles,
    st.lists(proposed, min_size=1, max_size=5, unique_by=lambda c: c.id).map(tuple),
    informations(
        common_extended=st.lists(common, max_size=2).map(tuple), user_identity=st.none() | identities
    ),
)
answers = st.builds(
    AssociateAC,
    titles,
    titles,
    st.lists(answered, max_size=5, unique_by=lambda c: c.id).map(tuple),
    informations(user_identity_response=st.none() | st.binary(min_size=1, max_size=40)),
)
reasons = st.sampled_from(sorted(REJECT_REASONS))
rejections = st.builds(lambda result, why: AssociateRJ(result, *why), st.sampled_from(RejectResult), reasons)
values = st.builds(PDV, numbers, st.booleans(), st.booleans(), st.binary(max_size=50))
data = st.builds(PDataTF, st.lists(values, min_size=1, max_size=4).map(tuple))
aborts = st.just(Abort()) | st.builds(Abort, st.just(PROVIDER), st.sampled_from(AbortReason))
pdus = st.one_of(requests, answers, rejections, data, st.just(ReleaseRQ()), st.just(ReleaseRP()), aborts)


@given(pdu=pdus)
def test_round_trip(pdu: Pdu) -> None:
    encoded = pdu.encode()
    assert decode(encoded[0], encoded[6:]) == pdu
    assert int.from_bytes(encoded[2:6], "big") == len(encoded) - 6


def test_an_identity_of_nothing() -> None:
    user = UserInformation(0, "1.2", user_identity=UserIdentity(1, False, b""), user_identity_response=b"")
    request = AssociateRQ("A", "B", (ProposedContext(1, "1.2", ("1.3",)),), user)
    assert decode(1, request.encode()[6:]) == request


@given(many=st.lists(pdus, max_size=4), step=st.integers(1, 80))
def test_any_chunks_read_alike(many: list[Pdu], step: int) -> None:
    assert read(b"".join(pdu.encode() for pdu in many), step, UlLimits(1 << 20, 1 << 20)) == many


# --- pynetdicom as the oracle -----------------------------------------------------------------------------

THEIRS = {
    AssociateRQ: oracle.A_ASSOCIATE_RQ,
    AssociateAC: oracle.A_ASSOCIATE_AC,
    AssociateRJ: oracle.A_ASSOCIATE_RJ,
    PDataTF: oracle.P_DATA_TF,
    ReleaseRQ: oracle.A_RELEASE_RQ,
    ReleaseRP: oracle.A_RELEASE_RP,
    Abort: oracle.A_ABORT_RQ,
}


@given(pdu=pdus)
def test_pynetdicom_reads_what_we_write_and_writes_it_alike(pdu: Pdu) -> None:
    theirs = THEIRS[type(pdu)]()
    theirs.decode(pdu.encode())
    assert theirs.encode() == pdu.encode()
    CHECKS.get(type(pdu), lambda *_: None)(pdu, theirs)


def same_information(ours: UserInformation, theirs: oracle.UserInformationItem) -> None:
    assert theirs.maximum_length == ours.maximum_length
    assert str(theirs.implementation_class_uid) == ours.implementation_class_uid
    assert (theirs.implementation_version_name or "") == ours.implementation_version_name
    window = theirs.async_ops_window
    assert (window is None) == (ours.asynchronous_operations is None)
    if window is not None and ours.asynchronous_operations is not None:
        assert window.max_operations_invoked == ours.asynchronous_operations.invoked
        assert window.max_operations_performed == ours.asynchronous_operations.performed
    assert {str(u): (bool(r.scu), bool(r.scp)) for u, r in theirs.role_selection.items()} == {
        role.sop_class_uid: (role.scu, role.scp) for role in ours.roles
    }
    assert [(str(e.uid), e.app_info) for e in theirs.ext_neg] == [
        (e.sop_class_uid, e.information) for e in ours.extended
    ]
    assert [
        (
            str(c.sop_class_uid),
            str(c.service_class_uid),
            [str(u) for u in c.related_general_sop_class_identification],
        )
        for c in theirs.common_ext_neg
    ] == [(c.sop_class_uid, c.service_class_uid, list(c.related)) for c in ours.common_extended]
    identity = theirs.user_identity
    if ours.user_identity is not None:
        assert (identity.id_type, bool(identity.response_requested)) == (
            ours.user_identity.kind,
            ours.user_identity.response_requested,
        )
        assert (identity.primary, identity.secondary or b"") == (
            ours.user_identity.primary,
            ours.user_identity.secondary,
        )
    elif ours.user_identity_response is not None:
        assert identity.response == ours.user_identity_response
    else:
        assert identity is None


def same_request(ours: AssociateRQ, theirs: oracle.A_ASSOCIATE_RQ) -> None:
    assert (theirs.called_ae_title.strip(), theirs.calling_ae_title.strip()) == (ours.called, ours.calling)
    assert str(theirs.application_context_name) == ours.application_context
    assert [
        (c.context_id, str(c.abstract_syntax), tuple(map(str, c.transfer_syntax)))
        for c in theirs.presentation_context
    ] == [(c.id, c.abstract_syntax, c.transfer_syntaxes) for c in ours.contexts]
    same_information(ours.user_information, theirs.user_information)


def same_answer(ours: AssociateAC, theirs: oracle.A_ASSOCIATE_AC) -> None:
    assert [
        (c.context_id, c.result, str(c.transfer_syntax) if c.result == 0 else "")
        for c in theirs.presentation_context
    ] == [(c.id, c.result, c.transfer_syntax) for c in ours.contexts]
    same_information(ours.user_information, theirs.user_information)


def same_data(ours: PDataTF, theirs: oracle.P_DATA_TF) -> None:
    def value(item: PresentationDataValueItem) -> PDV:
        control = item.presentation_data_value[0]
        return PDV(
            item.presentation_context_id,
            bool(control & 1),
            bool(control & 2),
            item.presentation_data_value[1:],
        )

    assert tuple(value(item) for item in theirs.presentation_data_value_items) == ours.values


def same_rejection(ours: AssociateRJ, theirs: oracle.A_ASSOCIATE_RJ) -> None:
    assert (theirs.result, theirs.source, theirs.reason_diagnostic) == (ours.result, ours.source, ours.reason)


def same_abort(ours: Abort, theirs: oracle.A_ABORT_RQ) -> None:
    assert (theirs.source, theirs.reason_diagnostic) == (ours.source, ours.reason)


CHECKS = {
    AssociateRQ: same_request,
    AssociateAC: same_answer,
    PDataTF: same_data,
    AssociateRJ: same_rejection,
    Abort: same_abort,
}

CAPTURED = {
    name: value
    for name, value in vars(captured).items()
    if isinstance(value, bytes)
    and name.startswith(("a_associate", "a_release", "a_abort", "a_p_abort", "p_data"))
}


# Sixteen spaces for a title, which the Standard excludes; pynetdicom does not read on.
NAMELESS = {"a_associate_rq_called": "called", "a_associate_rq_calling": "calling"}


@pytest.mark.parametrize("name", [name for name in CAPTURED if name not in NAMELESS])
def test_pdus_that_others_sent(name: str) -> None:
    """Captured by pynetdicom's authors: read, and equal to what pynetdicom reads."""
    encoded = CAPTURED[name]
    ours = decode(encoded[0], encoded[6:])
    theirs = THEIRS[type(ours)]()
    theirs.decode(encoded)
    CHECKS.get(type(ours), lambda *_: None)(ours, theirs)
    assert decode(encoded[0], ours.encode()[6:]) == ours


@pytest.mark.parametrize("name", NAMELESS)
def test_titles_of_spaces_only(name: str) -> None:
    encoded = CAPTURED[name]
    assert getattr(decode(encoded[0], encoded[6:]), NAMELESS[name]) == ""


def test_there_is_enough_that_others_sent() -> None:
    assert len(CAPTURED) >= 12
