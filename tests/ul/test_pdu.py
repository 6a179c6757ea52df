"""PDUs against golden vectors, against hypothesis, and against pynetdicom's encoder and decoder both ways."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu as oracle
from pynetdicom.pdu_items import PresentationDataValueItem
from pynetdicom.tests import encoded_pdu_items as captured

from leadglass.errors import BrokenInvariant, ProtocolViolation
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
    RejectSource,
    ReleaseRP,
    ReleaseRQ,
    decode,
)
from leadglass.ul.wire import Fragment, PduReader, UlLimits

VECTORS = Path(__file__).parents[1] / "vectors" / "ul"
GOOD = tomllib.loads((VECTORS / "pdus.toml").read_text())["vector"]
BAD = tomllib.loads((VECTORS / "malformed.toml").read_text())["vector"]

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
PROVIDER = AbortSource.SERVICE_PROVIDER

MEANINGS: dict[str, Pdu] = {
    "A-ASSOCIATE-RQ": AssociateRQ(
        "LEADGLASS",
        "ECHOSCU",
        (
            ProposedContext(1, VERIFICATION, (EXPLICIT, IMPLICIT)),
            ProposedContext(3, VERIFICATION, ("1.2.840.10008.1",)),
        ),
        UserInformation(131072, "1.2.3.4", "LEADGLASS_1"),
    ),
    "A-ASSOCIATE-RQ with all user information": AssociateRQ(
        "LEADGLASS",
        "STORESCU",
        (ProposedContext(255, VERIFICATION, (IMPLICIT,)),),
        UserInformation(
            0,
            "1.2.3.4",
            asynchronous_operations=AsynchronousOperations(5, 1),
            roles=(
                RoleSelection("1.2.3.5", scu=False, scp=True),
                RoleSelection("1.2.3.6", scu=True, scp=False),
            ),
            extended=(ExtendedNegotiation("1.2.3.7", b"\1\2\3"),),
            common_extended=(CommonExtendedNegotiation("1.2.3.8", "1.2.3.9", ("1.2.3.10.", "1.2.3.1")),),
            user_identity=UserIdentity(2, True, b"ale", b"pw"),
        ),
    ),
    "A-ASSOCIATE-AC": AssociateAC(
        "LEADGLASS",
        "ECHOSCU",
        (
            AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT),
            AnsweredContext(3, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, ""),
        ),
        UserInformation(16384, "1.2.3.4", user_identity_response=b"they"),
    ),
    "A-ASSOCIATE-RJ": AssociateRJ.CALLING_NOT_RECOGNIZED,
    "A-ASSOCIATE-RJ, transient": AssociateRJ.LIMIT_EXCEEDED,
    "P-DATA-TF, one PDV": PDataTF((PDV(1, True, True, b"abc"),)),
    "P-DATA-TF, three PDVs": PDataTF(
        (PDV(1, True, False, b"ab"), PDV(1, True, True, b"c"), PDV(255, False, False, b"def"))
    ),
    "P-DATA-TF, empty PDV": PDataTF((PDV(5, False, True, b""),)),
    "A-RELEASE-RQ": ReleaseRQ(),
    "A-RELEASE-RP": ReleaseRP(),
    "A-ABORT by the user": Abort(),
    "A-ABORT by the provider": Abort(PROVIDER, AbortReason.INVALID_PARAMETER),
    "reserved bytes are not tested": ReleaseRQ(),
    "an abort with reserved values is an abort": Abort(),
    "an abort for a reserved reason is an abort": Abort(PROVIDER, AbortReason.NOT_SPECIFIED),
    "other bits of the message control header are not tested": PDataTF((PDV(1, False, True, b"a"),)),
    "NUL-padded titles and UIDs, unknown items, reserved bytes, no maximum length": AssociateRQ(
        "LEADGLASS",
        "ECHO",
        (ProposedContext(1, VERIFICATION, ("1.2.840.10008.1",)),),
        UserInformation(16384, ""),
        protocol_version=3,
    ),
    "titles that the Standard does not allow are no titles": AssociateRQ(
        "", "", (ProposedContext(1, VERIFICATION, ("1.2.3",)),), UserInformation(16384, "")
    ),
    "contexts that are turned down need no transfer syntax": AssociateAC(
        "",
        "",
        (
            AnsweredContext(1, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, ""),
            AnsweredContext(3, ContextResult.USER_REJECTION, ""),
        ),
        UserInformation(16384, ""),
    ),
}


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


def raw(vector: dict[str, str]) -> bytes:
    return bytes.fromhex("".join(vector["hex"].split()))


class TestGolden:
    @pytest.mark.parametrize("vector", GOOD, ids=lambda v: v["name"])
    @pytest.mark.parametrize("step", [1, 3, 7, 1 << 20])
    def test_read(self, vector: dict[str, str], step: int) -> None:
        assert read(raw(vector), step) == [MEANINGS[vector["name"]]]

    @pytest.mark.parametrize("vector", GOOD, ids=lambda v: v["name"])
    @pytest.mark.parametrize("step", [1, 5, 1 << 20])
    def test_read_with_trailing_bytes(self, vector: dict[str, str], step: int) -> None:
        """What follows is another PDU, not part of this one; half a PDU is none yet."""
        data = raw(vector) + ReleaseRP().encode() + raw(vector)[:-1]
        found = read(data, step)
        assert found[:2] == [MEANINGS[vector["name"]], ReleaseRP()]
        assert len(found) == 2

    @pytest.mark.parametrize("vector", [v for v in GOOD if v.get("canonical", True)], ids=lambda v: v["name"])
    def test_written(self, vector: dict[str, str]) -> None:
        assert MEANINGS[vector["name"]].encode() == raw(vector)

    def test_every_meaning_has_its_vector(self) -> None:
        assert {vector["name"] for vector in GOOD} == set(MEANINGS)


PARTS = {
    "APP": "1000 0015 312e322e3834302e31303030382e332e312e312e31",
    "CTX": "2000 0012 01000000 3000 0003 312e32 4000 0003 312e33",
    "ACC": "2100 000b 01000000 4000 0003 312e33",
    "USER": "5000 0008 5100 0004 00004000",
}


def malformed(vector: dict[str, str]) -> bytes:
    text = " ".join(PARTS.get(word, word) for word in vector["hex"].split())
    data = bytes.fromhex("".join(text.split()))
    kind = 1 if vector.get("request") else 2 if vector.get("answer") else 0
    if not kind:
        return data
    body = b"\0\1\0\0" + b"CALLED".ljust(16) + b"CALLING".ljust(16) + bytes(32) + data
    return bytes((kind, 0)) + len(body).to_bytes(4, "big") + body


class TestMalformed:
    @pytest.mark.parametrize("vector", BAD, ids=lambda v: v["name"])
    @pytest.mark.parametrize("step", [1, 4, 1 << 20])
    @pytest.mark.parametrize(
        "trailing", [b"", bytes(64), ReleaseRQ().encode()], ids=["alone", "zeros", "pdu"]
    )
    def test_violation(self, vector: dict[str, str], step: int, trailing: bytes) -> None:
        with pytest.raises(ProtocolViolation) as raised:
            read(malformed(vector) + trailing, step)
        assert raised.value.code == vector["code"]

    @pytest.mark.parametrize("vector", [v for v in BAD if "PDV" in v["name"]], ids=lambda v: v["name"])
    def test_pdvs_decoded_whole(self, vector: dict[str, str]) -> None:
        with pytest.raises(ProtocolViolation) as raised:
            decode(4, raw(vector)[6:])
        assert raised.value.code == vector["code"]

    @pytest.mark.parametrize("hole", ["APP CTX USER", "APP ACC USER"])
    def test_the_parts_are_right(self, hole: str) -> None:
        vector = {"hex": hole, ("request" if "CTX" in hole else "answer"): "yes"}
        assert len(read(malformed(vector), 1 << 20)) == 1

    def test_there_is_no_other_pdu(self) -> None:
        with pytest.raises(ProtocolViolation):
            decode(0, b"")
        with pytest.raises(ProtocolViolation):
            decode(4, b"")
        for kind, body in ((1, bytes(67)), (2, b""), (3, bytes(3)), (5, bytes(5)), (6, b""), (7, bytes(8))):
            with pytest.raises(ProtocolViolation) as raised:
                decode(kind, body)
            assert raised.value.code == "pdu-length"

    def test_unknown_items_are_skipped_everywhere(self) -> None:
        """PS3.8 9.3; in the A-ASSOCIATE-RQ a golden vector has them."""
        unknown = bytes.fromhex("ee00 0003 616263")
        context = AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT)
        assert AnsweredContext.decode(context.encode()[4:] + unknown) == context
        user = UserInformation(16384, "1.2")
        assert UserInformation.decode(unknown + user.encode()[4:] + unknown) == user

    def test_129_contexts(self) -> None:
        """There are 128 odd numbers in a byte."""
        contexts = tuple(ProposedContext(n, "1.2", ("1.3",)) for n in range(1, 256, 2))
        request = AssociateRQ("A", "B", contexts, UserInformation(0, "1.2"))
        assert read(request.encode(), 1 << 20) == [request]
        body = request.encode()[6:] + ProposedContext(1, "1.2", ("1.3",)).encode()
        with pytest.raises(ProtocolViolation) as raised:
            decode(1, body)
        assert raised.value.code == "contexts"

    def test_many_items_cost_no_more_than_their_bytes(self) -> None:
        """A PDU full of the smallest role selections: none is lost, and none is copied for each other."""
        roles = tuple(RoleSelection(str(n % 10), True, False) for n in range(6000))
        request = AssociateRQ(
            "A", "B", (ProposedContext(1, "1.2", ("1.3",)),), UserInformation(0, "1.2", roles=roles)
        )
        [found] = read(request.encode(), 1 << 20)
        assert found == request


class TestMisuse:
    """What we must not send is our bug."""

    USER = UserInformation(0, "1.2")
    CONTEXT = ProposedContext(1, "1.2", ("1.3",))

    @pytest.mark.parametrize(
        "pdu",
        [
            AssociateRQ("SEVENTEEN LETTERS", "B", (CONTEXT,), USER),
            AssociateRQ("A", "BACK\\SLASH", (CONTEXT,), USER),
            AssociateRQ("A", "MÜLLER", (CONTEXT,), USER),
            AssociateRQ("A", "LINE\nFEED", (CONTEXT,), USER),
            AssociateRQ("A", "B", (CONTEXT, CONTEXT), USER),
            AssociateRQ("A", "B", (ProposedContext(2, "1.2", ("1.3",)),), USER),
            AssociateRQ("A", "B", (ProposedContext(257, "1.2", ("1.3",)),), USER),
            AssociateRQ("A", "B", (ProposedContext(-1, "1.2", ("1.3",)),), USER),
            AssociateRQ("A", "B", (ProposedContext(1, "", ("1.3",)),), USER),
            AssociateRQ("A", "B", (ProposedContext(1, "1.2", ("../etc",)),), USER),
            AssociateRQ("A", "B", (ProposedContext(1, "1" * 65, ("1.3",)),), USER),
            AssociateRQ("A", "B", (ProposedContext(1, "1.2", ("1.3",) * 10000),), USER),
            AssociateRQ("A", "B", (CONTEXT,), USER, application_context=""),
            AssociateRQ("A", "B", (CONTEXT,), USER, protocol_version=0x10000),
            AssociateRQ("A", "B", (CONTEXT,), UserInformation(1 << 32, "1.2")),
            AssociateRQ("A", "B", (CONTEXT,), UserInformation(-1, "1.2")),
            AssociateRQ("A", "B", (CONTEXT,), UserInformation(0, "")),
            AssociateRQ("A", "B", (CONTEXT,), UserInformation(0, "1.2", "SEVENTEEN LETTERS")),
            AssociateRQ("A", "B", (CONTEXT,), UserInformation(0, "1.2", "VERSION\0")),
            AssociateRQ("A", "B", (CONTEXT,), UserInformation(0, "1.2", "VERSIÓN")),
            AssociateRQ(
                "A",
                "B",
                (CONTEXT,),
                UserInformation(0, "1.2", asynchronous_operations=AsynchronousOperations(0x10000, 0)),
            ),
            AssociateRQ(
                "A", "B", (CONTEXT,), UserInformation(0, "1.2", user_identity=UserIdentity(256, True, b""))
            ),
            AssociateRQ(
                "A",
                "B",
                (CONTEXT,),
                UserInformation(0, "1.2", user_identity=UserIdentity(1, True, bytes(0x10000))),
            ),
            AssociateAC("A", "B", (AnsweredContext(1, ContextResult.ACCEPTANCE, ""),), USER),
            AssociateRJ(RejectResult.PERMANENT, RejectSource.SERVICE_USER, 256),
            PDataTF((PDV(2, True, True, b""),)),
            PDataTF((PDV(257, True, True, b""),)),
        ],
        ids=lambda pdu: type(pdu).__name__,
    )
    def test_is_our_bug(self, pdu: Pdu) -> None:
        with pytest.raises(BrokenInvariant):
            pdu.encode()


def test_secrets_are_not_in_a_repr() -> None:
    identity = UserIdentity(2, True, b"dr.roth", b"passcode")
    user = UserInformation(0, "1.2", user_identity=identity, user_identity_response=b"ticket")
    text = repr(AssociateRQ("A", "B", (), user))
    assert "roth" not in text and "passcode" not in text and "ticket" not in text


def test_rejections_have_a_sentence_for_people() -> None:
    assert AssociateRJ.CALLING_NOT_RECOGNIZED.sentence == "The calling AE title is not recognized."
    for (source, reason), sentence in REJECT_REASONS.items():
        assert AssociateRJ(RejectResult.PERMANENT, source, reason).sentence == sentence
    assert AssociateRJ(RejectResult.PERMANENT, RejectSource.SERVICE_USER, 99).sentence


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
