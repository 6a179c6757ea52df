"""The command set of a DIMSE message (PS3.7 sections 6.3, 9.3 and 10.3, Annex E).

Implicit VR little endian always: group 0-1 (0000)   element 2-3   length 4-7   value 8-
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import IntEnum
from struct import Struct, pack, unpack
from types import MappingProxyType
from typing import Any, Final

from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG, format_tag
from leadglass.errors import BrokenInvariant, ProtocolViolation

RESPONSE: Final = 0x8000  # the bit that makes a response's Command Field of its request's (PS3.7 E.1)
NO_DATASET: Final = 0x0101  # Command Data Set Type of a message without one; any other value: with one
MAX_ELEMENTS: Final = 64  # group 0000 never had more, the retired ones counted
MAX_COMMENT: Final = 64  # characters of an LO

_ABSENT: Final = (None, "", ())


class Field(IntEnum):
    """Command Field (0000,0100), PS3.7 E.1."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF

    @property
    def is_response(self) -> bool:
        return bool(self & RESPONSE)


class Priority(IntEnum):
    """(0000,0700). Carried, never acted on: PS3.7 leaves what it means to the performer."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2


@dataclass(frozen=True, slots=True)
class Command:
    """A command set. Absent is None, for texts ''. Sub-operation counts saturate at 65535 when encoded."""

    field: Field
    _: KW_ONLY
    message_id: int | None = None
    responding_to: int | None = None  # Message ID Being Responded To
    has_dataset: bool = False
    status: int | None = None
    affected_sop_class_uid: str = ""
    requested_sop_class_uid: str = ""
    affected_sop_instance_uid: str = ""
    requested_sop_instance_uid: str = ""
    priority: int | None = None
    move_destination: str = ""
    move_originator_title: str = ""
    move_originator_message_id: int | None = None
    remaining: int | None = None  # sub-operations
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    offending_elements: tuple[int, ...] = ()
    error_comment: str = ""
    error_id: int | None = None
    event_type_id: int | None = None
    action_type_id: int | None = None
    attribute_identifiers: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Raises BrokenInvariant for a command that PS3.7 does not have."""
        _require_legal(self, BrokenInvariant)
        body = b"".join(
            [
                encode(value)
                for attribute, encode in _ENCODERS
                if (value := getattr(self, attribute)) not in _ABSENT
            ]
        )
        return _HEAD.pack(0, 0, 4) + pack("<I", len(body)) + body

    @staticmethod
    def decode(data: bytes | bytearray | memoryview) -> Command:
        """Raises ProtocolViolation unless it is one whole legal command set.

        Tolerated, as devices do it: any order of elements, values of odd length, texts padded on either
        side or with NULs, a wrong or missing group length, elements of group 0000 that are not ours.
        """
        values = _elements(bytes(data))
        field = values.pop("field", None)
        if field not in _FIELDS:
            raise ProtocolViolation("A command without a known Command Field.", code="command-field")
        if "has_dataset" not in values:
            raise ProtocolViolation("A command without Command Data Set Type.", code="command-incomplete")
        command = Command(Field(field), **values)
        _require_legal(command, ProtocolViolation)
        return command

    def respond(self, status: int, **fields: Any) -> Command:
        """The response to this request; `fields` are attributes of Command that it has besides."""
        if self.field not in _HAS_RESPONSE:
            raise BrokenInvariant(f"A {self.field.name} is not answered.")
        echoed = {
            "responding_to": self.message_id,
            "affected_sop_class_uid": self.affected_sop_class_uid or self.requested_sop_class_uid,
            "affected_sop_instance_uid": self.affected_sop_instance_uid or self.requested_sop_instance_uid,
            "event_type_id": self.event_type_id,
            "action_type_id": self.action_type_id,
        }
        return Command(Field(self.field | RESPONSE), status=status, **{**echoed, **fields})


# --- which elements a command has to have -----------------------------------------------------------------

# Of a response only these are mandatory: PS3.7 9.1 and 10.1 give the rest as U(=) or C.
_RESPONSE: Final = ("responding_to", "status")
_TO_INSTANCE: Final = ("message_id", "requested_sop_class_uid", "requested_sop_instance_uid")

MANDATORY: Final[Mapping[Field, tuple[str, ...]]] = MappingProxyType(
    {
        Field.C_STORE_RQ: ("message_id", "affected_sop_class_uid", "affected_sop_instance_uid", "priority"),
        Field.C_GET_RQ: ("message_id", "affected_sop_class_uid", "priority"),
        Field.C_FIND_RQ: ("message_id", "affected_sop_class_uid", "priority"),
        Field.C_MOVE_RQ: ("message_id", "affected_sop_class_uid", "priority", "move_destination"),
        Field.C_ECHO_RQ: ("message_id", "affected_sop_class_uid"),
        Field.C_CANCEL_RQ: ("responding_to",),
        Field.N_EVENT_REPORT_RQ: (
            "message_id", "affected_sop_class_uid", "affected_sop_instance_uid", "event_type_id",
        ),
        Field.N_GET_RQ: _TO_INSTANCE,
        Field.N_SET_RQ: _TO_INSTANCE,
        Field.N_ACTION_RQ: (*_TO_INSTANCE, "action_type_id"),
        Field.N_CREATE_RQ: ("message_id", "affected_sop_class_uid"),  # the performer may choose the instance
        Field.N_DELETE_RQ: _TO_INSTANCE,
    }
    | {field: _RESPONSE for field in Field if field.is_response}
)  # fmt: skip

# Messages that always have a data set, and those that never have (PS3.7 9.3, 10.3); the others may.
WITH_DATASET: Final = frozenset(
    {Field.C_STORE_RQ, Field.C_GET_RQ, Field.C_FIND_RQ, Field.C_MOVE_RQ, Field.N_SET_RQ}
)
WITHOUT_DATASET: Final = frozenset(
    {Field.C_STORE_RSP, Field.C_ECHO_RQ, Field.C_ECHO_RSP, Field.C_CANCEL_RQ, Field.N_GET_RQ}
    | {Field.N_DELETE_RQ, Field.N_DELETE_RSP}
)

_FIELDS: Final = frozenset(map(int, Field))
_HAS_RESPONSE: Final = (
    frozenset(Field) - {field for field in Field if field.is_response} - {Field.C_CANCEL_RQ}
)


def _require_legal(command: Command, error: type[BrokenInvariant | ProtocolViolation]) -> None:
    field = command.field
    for attribute in MANDATORY[field]:
        if getattr(command, attribute) in _ABSENT:
            raise error(f"A {field.name} without {KEYWORDS[attribute]}.", code="command-incomplete")
    if field in (WITHOUT_DATASET if command.has_dataset else WITH_DATASET):
        has = "with" if command.has_dataset else "without"
        raise error(f"A {field.name} {has} a data set.", code="command-dataset")


# --- elements ---------------------------------------------------------------------------------------------

KEYWORDS: Final[Mapping[str, str]] = {
    "affected_sop_class_uid": "AffectedSOPClassUID",
    "requested_sop_class_uid": "RequestedSOPClassUID",
    "field": "CommandField",
    "message_id": "MessageID",
    "responding_to": "MessageIDBeingRespondedTo",
    "move_destination": "MoveDestination",
    "priority": "Priority",
    "has_dataset": "CommandDataSetType",
    "status": "Status",
    "offending_elements": "OffendingElement",
    "error_comment": "ErrorComment",
    "error_id": "ErrorID",
    "affected_sop_instance_uid": "AffectedSOPInstanceUID",
    "requested_sop_instance_uid": "RequestedSOPInstanceUID",
    "event_type_id": "EventTypeID",
    "attribute_identifiers": "AttributeIdentifierList",
    "action_type_id": "ActionTypeID",
    "remaining": "NumberOfRemainingSuboperations",
    "completed": "NumberOfCompletedSuboperations",
    "failed": "NumberOfFailedSuboperations",
    "warning": "NumberOfWarningSuboperations",
    "move_originator_title": "MoveOriginatorApplicationEntityTitle",
    "move_originator_message_id": "MoveOriginatorMessageID",
}

_HEAD: Final = Struct("<HHI")


def _elements(data: bytes) -> dict[str, Any]:
    """Attributes of Command by name, as far as the elements of `data` are any."""
    values: dict[str, Any] = {}
    seen: set[int] = set()
    at = 0
    while at < len(data):
        if len(data) - at < _HEAD.size:
            raise ProtocolViolation("A command ends within an element.", code="command-element")
        group, element, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if group or element in seen or len(seen) == MAX_ELEMENTS or length > len(data) - at:
            raise ProtocolViolation(
                f"A command with {format_tag(group << 16 | element)} where it cannot be.",
                code="command-element",
            )
        seen.add(element)
        known = _DECODERS.get(element)
        if known is not None:
            attribute, decode = known
            value = decode(data[at : at + length])
            if value is None:
                raise ProtocolViolation(
                    f"A command with a malformed {format_tag(element)}.", code="command-element"
                )
            values[attribute] = value
        at += length
    return values


# Decoders say None to what their VR cannot be. Text they give is printable ASCII, fit to be shown.


def _decode_number(value: bytes) -> int | None:
    return int.from_bytes(value, "little") if len(value) == 2 else None


def _decode_has_dataset(value: bytes) -> bool | None:
    number = _decode_number(value)
    return None if number is None else number != NO_DATASET


def _decode_short(limit: int) -> Callable[[bytes], str | None]:
    """UIDs and AE titles. Whether a UID is a legal one is for who uses it: that has a status of its own."""

    def decode(value: bytes) -> str | None:
        text = value.strip(b" \0").decode("latin-1")
        return text if len(text) <= limit and _is_one_text(text) else None

    return decode


def _decode_comment(value: bytes) -> str:
    text = value.strip(b" \0")[:MAX_COMMENT].rstrip(b" \0").decode("latin-1")
    return "".join(char if _is_one_text(char) else "?" for char in text)


def _decode_tags(value: bytes) -> tuple[int, ...] | None:
    """AT: group and element, each little endian (PS3.5 6.2)."""
    if len(value) % 4:
        return None
    words = unpack(f"<{len(value) // 2}H", value)
    return tuple(group << 16 | element for group, element in zip(words[::2], words[1::2], strict=True))


def _encode_number(value: int) -> bytes:
    return value.to_bytes(2, "little")


def _encode_count(value: int) -> bytes:
    """Sub-operations of a study with more instances than a US can count."""
    return min(value, 0xFFFF).to_bytes(2, "little")


def _encode_has_dataset(value: bool) -> bytes:
    return _encode_number(0x0001 if value else NO_DATASET)


def _encode_uid(value: str) -> bytes:
    return _padded(value, 64, b"\0")


def _encode_title(value: str) -> bytes:
    return _padded(value, 16, b" ")


def _encode_comment(value: str) -> bytes:
    allowed = "".join(char if _is_one_text(char) else "?" for char in value[:MAX_COMMENT])
    return _even(allowed.encode("ascii"), b" ")


def _encode_tags(value: tuple[int, ...]) -> bytes:
    return b"".join(pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)


def _is_one_text(text: str) -> bool:
    r"""Printable, in the default repertoire, without the \ that would make two values of it (PS3.5 6.2)."""
    return text.isascii() and text.isprintable() and "\\" not in text


def _padded(value: str, limit: int, padding: bytes) -> bytes:
    if len(value) > limit or not _is_one_text(value):
        raise ValueError
    return _even(value.encode("ascii"), padding)


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) % 2 else value


Codec = tuple[Callable[[Any], bytes], Callable[[bytes], Any]]
_BY_VR: Final[Mapping[str, Codec]] = {
    "US": (_encode_number, _decode_number),
    "UI": (_encode_uid, _decode_short(64)),
    "AE": (_encode_title, _decode_short(16)),
    "LO": (_encode_comment, _decode_comment),
    "AT": (_encode_tags, _decode_tags),
}
_COUNTS: Final = dict.fromkeys(
    ("remaining", "completed", "failed", "warning"), (_encode_count, _decode_number)
)
_OWN: Final[Mapping[str, Codec]] = {"has_dataset": (_encode_has_dataset, _decode_has_dataset), **_COUNTS}


def _codec(attribute: str) -> Codec:
    return _OWN.get(attribute) or _BY_VR[VR_BY_TAG[TAG_BY_KEYWORD[KEYWORDS[attribute]]]]


def _element_encoder(attribute: str) -> Callable[[Any], bytes]:
    keyword = KEYWORDS[attribute]
    tag, encode, head = TAG_BY_KEYWORD[keyword], _codec(attribute)[0], _HEAD.pack

    def encoder(value: Any) -> bytes:
        try:
            raw = encode(value)
        except (ValueError, OverflowError) as error:
            raise BrokenInvariant(f"{keyword} cannot have such a value.") from error
        return head(0, tag, len(raw)) + raw

    return encoder


_DECODERS: Final[Mapping[int, tuple[str, Callable[[bytes], Any]]]] = {
    TAG_BY_KEYWORD[keyword]: (attribute, _codec(attribute)[1]) for attribute, keyword in KEYWORDS.items()
}
# By ascending tag, as the elements of a data set have to be (PS3.5 7.1).
_ENCODERS: Final[tuple[tuple[str, Callable[[Any], bytes]], ...]] = tuple(
    (attribute, _element_encoder(attribute))
    for attribute in sorted(KEYWORDS, key=lambda attribute: TAG_BY_KEYWORD[KEYWORDS[attribute]])
)
