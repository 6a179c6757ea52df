"""PDUs against golden vectors, whole, in pieces and with more behind; what is malformed; what is our bug."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

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
