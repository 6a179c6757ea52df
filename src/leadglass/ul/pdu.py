"""The seven PDUs of the upper layer (PS3.8 9.3), as values.

byte 0 type   1 reserved   2-5 length of what follows, big endian   6- the body

A-ASSOCIATE-RQ, -AC   bytes 0-1 protocol version, 4-19 called, 20-35 calling AE title, 68- items
A-ASSOCIATE-RJ        bytes 1 result, 2 source, 3 reason
P-DATA-TF             PDVs: bytes 0-3 length, 4 context ID, 5 message control header, 6- fragment
A-RELEASE-RQ, -RP     four reserved bytes
A-ABORT               bytes 2 source, 3 reason

A PDU is encoded whole, with its header; what is decoded is its body, whose length has been checked before.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import ClassVar, Final, TypeAlias

from leadglass.errors import BrokenInvariant, ProtocolViolation
from leadglass.ul import items
from leadglass.ul.fields import context_id, item, once, split, uid_bytes, uid_text
from leadglass.ul.items import AnsweredContext, ProposedContext, UserInformation

DICOM_APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"  # PS3.7 A.2.1
PROTOCOL_VERSION: Final = 1  # bit 0 of a field with one bit per version
MOST_CONTEXTS: Final = 128  # the odd numbers below 256 (PS3.8 7.1.1.13)

_HEAD: Final = struct.Struct(">BxI")
_ASSOCIATE: Final = struct.Struct(">Hxx16s16s32x")
_PDV: Final = struct.Struct(">IBB")
_TITLE: Final = re.compile(rb"[\x20-\x5b\x5d-\x7e]{1,16}")


class Kind(IntEnum):
    """PDU types."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class RejectResult(IntEnum):
    PERMANENT = 1
    TRANSIENT = 2


class RejectSource(IntEnum):
    SERVICE_USER = 1
    SERVICE_PROVIDER_ACSE = 2
    SERVICE_PROVIDER_PRESENTATION = 3


class AbortSource(IntEnum):
    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """PS3.8 Table 9-26; only the service-provider gives one."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


_USER, _ACSE, _PRESENTATION = RejectSource

# PS3.8 Table 9-21; what it does not name is reserved.
REJECT_REASONS: Final[Mapping[tuple[RejectSource, int], str]] = MappingProxyType(
    {
        (_USER, 1): "No reason given.",
        (_USER, 2): "The application context is not supported.",
        (_USER, 3): "The calling AE title is not recognized.",
        (_USER, 7): "The called AE title is not recognized.",
        (_ACSE, 1): "No reason given.",
        (_ACSE, 2): "The protocol version is not supported.",
        (_PRESENTATION, 1): "It is congested, for the time being.",
        (_PRESENTATION, 2): "A limit of its own is exceeded.",
    }
)


def _frame(kind: Kind, body: bytes) -> bytes:
    return _HEAD.pack(kind, len(body)) + body


def _title_bytes(title: str) -> bytes:
    """An AE title in its 16 bytes, padded with spaces; '' is what nobody was told (PS3.8 7.1.1.3)."""
    encoded = title.encode("utf-8", "replace")
    if title and not _TITLE.fullmatch(encoded):
        raise BrokenInvariant("What is to be sent as an AE title is none.")
    return encoded.ljust(16)


def _title_text(encoded: bytes) -> str:
    """An AE title as it was received, '' for what the Standard does not allow: nobody bears such a name.

    Some peers pad with NUL. Backslash and control characters are excluded by PS3.5 6.2 (VR AE).
    """
    stripped = encoded.rstrip(b"\0 ").lstrip(b" ")
    return stripped.decode("ascii") if _TITLE.fullmatch(stripped) else ""


def _numbered(body: bytes, kind: int) -> list[bytes]:
    """The contents of all items of that kind, at most as many as there are context IDs."""
    found: list[bytes] = []
    for this, content in split(body):
        if this == kind:
            if len(found) == MOST_CONTEXTS:
                raise ProtocolViolation("More presentation contexts than there are numbers.", code="contexts")
            found.append(content)
    return found


def _single(body: bytes, kind: int, what: str) -> bytes:
    found: bytes | None = None
    for this, content in split(body):
        if this == kind:
            once(found, what)
            found = content
    if found is None:
        raise ProtocolViolation(f"There is no {what}.", code="item-missing")
    return found


def _distinct(numbers: list[int]) -> None:
    if len(set(numbers)) != len(numbers):
        raise ProtocolViolation("Two presentation contexts bear one number.", code="context-id")


def _associate_head(body: bytes) -> tuple[int, str, str]:
    if len(body) < _ASSOCIATE.size:
        raise ProtocolViolation("A PDU is shorter than its fields.", code="pdu-length")
    version, called, calling = _ASSOCIATE.unpack_from(body)
    return version, _title_text(called), _title_text(calling)


@dataclass(frozen=True, slots=True)
class AssociateRQ:
    """What one AE asks of another. A title the Standard does not allow is '', which no policy knows."""

    called: str
    calling: str
    contexts: tuple[ProposedContext, ...]
    user_information: UserInformation
    application_context: str = DICOM_APPLICATION_CONTEXT
    protocol_version: int = PROTOCOL_VERSION

    def encode(self) -> bytes:
        return _frame(Kind.ASSOCIATE_RQ, _associate(self))

    @classmethod
    def decode(cls, body: bytes) -> AssociateRQ:
        version, called, calling = _associate_head(body)
        rest = body[_ASSOCIATE.size :]
        contexts = tuple(ProposedContext.decode(c) for c in _numbered(rest, items.PROPOSED_CONTEXT))
        _distinct([context.id for context in contexts])
        if not contexts:
            raise ProtocolViolation("No presentation context is proposed.", code="item-missing")
        application = _single(rest, items.APPLICATION_CONTEXT, "application context")
        user = _single(rest, items.USER_INFORMATION, "user information")
        return cls(called, calling, contexts, UserInformation.decode(user), uid_text(application), version)


@dataclass(frozen=True, slots=True)
class AssociateAC:
    """The answer. Its titles repeat the request's and are not to be tested (PS3.8 Table 9-17)."""

    called: str
    calling: str
    contexts: tuple[AnsweredContext, ...]
    user_information: UserInformation
    application_context: str = DICOM_APPLICATION_CONTEXT
    protocol_version: int = PROTOCOL_VERSION

    def encode(self) -> bytes:
        return _frame(Kind.ASSOCIATE_AC, _associate(self))

    @classmethod
    def decode(cls, body: bytes) -> AssociateAC:
        version, called, calling = _associate_head(body)
        rest = body[_ASSOCIATE.size :]
        contexts = tuple(AnsweredContext.decode(c) for c in _numbered(rest, items.ANSWERED_CONTEXT))
        _distinct([context.id for context in contexts])
        application = _single(rest, items.APPLICATION_CONTEXT, "application context")
        user = _single(rest, items.USER_INFORMATION, "user information")
        return cls(called, calling, contexts, UserInformation.decode(user), uid_text(application), version)


def _associate(pdu: AssociateRQ | AssociateAC) -> bytes:
    numbers = [context.id for context in pdu.contexts]
    if len(set(numbers)) != len(numbers) or any(n % 2 == 0 for n in numbers):
        raise BrokenInvariant("The numbers of presentation contexts are odd and used once.")
    if not 0 <= pdu.protocol_version <= 0xFFFF:
        raise BrokenInvariant("The protocol version does not fit into its field.")
    head = _ASSOCIATE.pack(pdu.protocol_version, _title_bytes(pdu.called), _title_bytes(pdu.calling))
    application = item(items.APPLICATION_CONTEXT, uid_bytes(pdu.application_context))
    contexts = b"".join(context.encode() for context in pdu.contexts)
    return head + application + contexts + pdu.user_information.encode()


@dataclass(frozen=True, slots=True)
class AssociateRJ:
    result: RejectResult
    source: RejectSource
    reason: int

    CALLING_NOT_RECOGNIZED: ClassVar[AssociateRJ]
    CALLED_NOT_RECOGNIZED: ClassVar[AssociateRJ]
    APPLICATION_CONTEXT_NOT_SUPPORTED: ClassVar[AssociateRJ]
    NO_REASON: ClassVar[AssociateRJ]
    PROTOCOL_VERSION_NOT_SUPPORTED: ClassVar[AssociateRJ]
    CONGESTED: ClassVar[AssociateRJ]
    LIMIT_EXCEEDED: ClassVar[AssociateRJ]

    @property
    def sentence(self) -> str:
        return REJECT_REASONS.get((self.source, self.reason), "It gave a reason that nobody knows.")

    def encode(self) -> bytes:
        if not 0 <= self.reason <= 0xFF:
            raise BrokenInvariant("The reason of a rejection does not fit into its byte.")
        return _frame(Kind.ASSOCIATE_RJ, bytes((0, self.result, self.source, self.reason)))

    @classmethod
    def decode(cls, body: bytes) -> AssociateRJ:
        _, result, source, reason = _four(body)
        if result not in _RESULTS or source not in _SOURCES:
            raise ProtocolViolation("A rejection of no known kind.", code="reject")
        return cls(_RESULTS[result], _SOURCES[source], reason)


_RESULTS: Final = {int(result): result for result in RejectResult}
_SOURCES: Final = {int(source): source for source in RejectSource}

AssociateRJ.NO_REASON = AssociateRJ(RejectResult.PERMANENT, _USER, 1)
AssociateRJ.APPLICATION_CONTEXT_NOT_SUPPORTED = AssociateRJ(RejectResult.PERMANENT, _USER, 2)
AssociateRJ.CALLING_NOT_RECOGNIZED = AssociateRJ(RejectResult.PERMANENT, _USER, 3)
AssociateRJ.CALLED_NOT_RECOGNIZED = AssociateRJ(RejectResult.PERMANENT, _USER, 7)
AssociateRJ.PROTOCOL_VERSION_NOT_SUPPORTED = AssociateRJ(RejectResult.PERMANENT, _ACSE, 2)
AssociateRJ.CONGESTED = AssociateRJ(RejectResult.TRANSIENT, _PRESENTATION, 1)
AssociateRJ.LIMIT_EXCEEDED = AssociateRJ(RejectResult.TRANSIENT, _PRESENTATION, 2)


@dataclass(frozen=True, slots=True)
class PDV:
    """A fragment of a message. In the control header bit 0 says command, bit 1 last (PS3.8 E.2)."""

    context_id: int
    is_command: bool
    is_last: bool
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        if self.context_id % 2 == 0 or not 0 < self.context_id < 256:
            raise BrokenInvariant("The number of a presentation context is odd and fits into a byte.")
        return _PDV.pack(len(self.data) + 2, self.context_id, self.is_command | self.is_last << 1) + self.data


@dataclass(frozen=True, slots=True)
class PDataTF:
    """Whole, as tests and tools want it; on the wire `PduReader` hands on its bytes as they come."""

    values: tuple[PDV, ...]

    def encode(self) -> bytes:
        return _frame(Kind.P_DATA_TF, b"".join(value.encode() for value in self.values))

    @classmethod
    def decode(cls, body: bytes) -> PDataTF:
        values = []
        at = 0
        while at < len(body):
            length, number, control = pdv_head(body, at, len(body) - at)
            start, at = at + _PDV.size, at + 4 + length
            values.append(PDV(number, bool(control & 1), bool(control & 2), body[start:at]))
        if not values:
            raise ProtocolViolation("A PDU is shorter than its fields.", code="pdu-length")
        return cls(tuple(values))


def pdv_head(buffer: bytes | bytearray | memoryview, at: int, rest: int) -> tuple[int, int, int]:
    """Length, context ID and message control header of the PDV at index `at`; `rest` is its PDU's."""
    if rest < _PDV.size:
        raise ProtocolViolation("A PDV is cut off.", code="pdv-length")
    length, number, control = _PDV.unpack_from(buffer, at)
    if length < 2 or length > rest - 4:
        raise ProtocolViolation("The length of a PDV does not fit into its PDU.", code="pdv-length")
    if not number & 1:
        context_id(number)
    return length, number, control


@dataclass(frozen=True, slots=True)
class ReleaseRQ:
    def encode(self) -> bytes:
        return _frame(Kind.RELEASE_RQ, bytes(4))

    @classmethod
    def decode(cls, body: bytes) -> ReleaseRQ:
        _four(body)
        return cls()


@dataclass(frozen=True, slots=True)
class ReleaseRP:
    def encode(self) -> bytes:
        return _frame(Kind.RELEASE_RP, bytes(4))

    @classmethod
    def decode(cls, body: bytes) -> ReleaseRP:
        _four(body)
        return cls()


@dataclass(frozen=True, slots=True)
class Abort:
    source: AbortSource = AbortSource.SERVICE_USER
    reason: AbortReason = AbortReason.NOT_SPECIFIED

    def encode(self) -> bytes:
        return _frame(Kind.ABORT, bytes((0, 0, self.source, self.reason)))

    @classmethod
    def decode(cls, body: bytes) -> Abort:
        """Whatever it says, it is an abort: reserved values count as what is not specified."""
        _, _, source, reason = _four(body)
        if source != AbortSource.SERVICE_PROVIDER:
            return cls()
        return cls(AbortSource.SERVICE_PROVIDER, _ABORT_REASONS.get(reason, AbortReason.NOT_SPECIFIED))


_ABORT_REASONS: Final = {int(reason): reason for reason in AbortReason}


def _four(body: bytes) -> bytes:
    if len(body) != 4:
        raise ProtocolViolation("A PDU of fixed length has another.", code="pdu-length")
    return body


Pdu: TypeAlias = AssociateRQ | AssociateAC | AssociateRJ | PDataTF | ReleaseRQ | ReleaseRP | Abort

_DECODERS: Final[Mapping[int, Callable[[bytes], Pdu]]] = {
    Kind.ASSOCIATE_RQ: AssociateRQ.decode,
    Kind.ASSOCIATE_AC: AssociateAC.decode,
    Kind.ASSOCIATE_RJ: AssociateRJ.decode,
    Kind.P_DATA_TF: PDataTF.decode,
    Kind.RELEASE_RQ: ReleaseRQ.decode,
    Kind.RELEASE_RP: ReleaseRP.decode,
    Kind.ABORT: Abort.decode,
}


def decode(kind: int, body: bytes) -> Pdu:
    """The PDU of that type with that body. ProtocolViolation if there is no such thing."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise ProtocolViolation("There is no PDU of that type.", code="unrecognized-pdu")
    return decoder(body)
