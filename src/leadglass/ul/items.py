"""Items and sub-items of the A-ASSOCIATE PDUs (PS3.8 9.3.2, 9.3.3, Annex D; PS3.7 D.3.3), as values.

Items of types we do not know are skipped (PS3.8 9.3). An item that is longer than what holds it, or that says
less than it must, is a violation; so is a second one of a kind that is to be there once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from leadglass.errors import BrokenInvariant, ProtocolViolation
from leadglass.ul.fields import (
    Fields,
    context_id,
    item,
    octet,
    once,
    plain_text,
    sized,
    split,
    uid_bytes,
    uid_text,
)

APPLICATION_CONTEXT: Final = 0x10
PROPOSED_CONTEXT: Final = 0x20
ANSWERED_CONTEXT: Final = 0x21
ABSTRACT_SYNTAX: Final = 0x30
TRANSFER_SYNTAX: Final = 0x40
USER_INFORMATION: Final = 0x50
MAXIMUM_LENGTH: Final = 0x51
IMPLEMENTATION_CLASS_UID: Final = 0x52
ASYNCHRONOUS_OPERATIONS: Final = 0x53
ROLE_SELECTION: Final = 0x54
IMPLEMENTATION_VERSION_NAME: Final = 0x55
EXTENDED_NEGOTIATION: Final = 0x56
COMMON_EXTENDED_NEGOTIATION: Final = 0x57
USER_IDENTITY: Final = 0x58
USER_IDENTITY_RESPONSE: Final = 0x59

# What a peer that leaves out the item gets: the size every implementation has always taken.
UNSAID_MAXIMUM_LENGTH: Final = 16384

# In a context that is turned down it means nothing, but not every peer reads on without one.
_INSIGNIFICANT_SYNTAX: Final = "1.2.840.10008.1.2"


class ContextResult(IntEnum):
    """PS3.8 Table 9-18."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


_RESULTS: Final = {int(result): result for result in ContextResult}


# --- presentation contexts --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """20H: bytes 0 ID, 1-3 reserved, then one abstract syntax and the transfer syntaxes."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]

    def encode(self) -> bytes:
        content = octet(self.id) + bytes(3) + item(ABSTRACT_SYNTAX, uid_bytes(self.abstract_syntax))
        content += b"".join(item(TRANSFER_SYNTAX, uid_bytes(uid)) for uid in self.transfer_syntaxes)
        return item(PROPOSED_CONTEXT, content)

    @classmethod
    def decode(cls, content: bytes) -> ProposedContext:
        fields = Fields(content)
        number = context_id(fields.number(1))
        fields.take(3)
        abstract: str | None = None
        transfer: list[str] = []
        for kind, value in split(fields.rest()):
            if kind == ABSTRACT_SYNTAX:
                once(abstract, "abstract syntax in a presentation context")
                abstract = uid_text(value)
            elif kind == TRANSFER_SYNTAX:
                transfer.append(uid_text(value))
        if abstract is None or not transfer:
            raise ProtocolViolation(
                "A presentation context lacks its abstract or its transfer syntax.", code="item-missing"
            )
        return cls(number, abstract, tuple(transfer))


@dataclass(frozen=True, slots=True)
class AnsweredContext:
    """21H: bytes 0 ID, 1 reserved, 2 result, 3 reserved, then one transfer syntax."""

    id: int
    result: ContextResult
    transfer_syntax: str

    def encode(self) -> bytes:
        if not self.transfer_syntax and self.result is ContextResult.ACCEPTANCE:
            raise BrokenInvariant("A presentation context is accepted without a transfer syntax.")
        head = octet(self.id) + b"\0" + octet(self.result) + b"\0"
        syntax = self.transfer_syntax or _INSIGNIFICANT_SYNTAX
        return item(ANSWERED_CONTEXT, head + item(TRANSFER_SYNTAX, uid_bytes(syntax)))

    @classmethod
    def decode(cls, content: bytes) -> AnsweredContext:
        fields = Fields(content)
        number = context_id(fields.take(2)[0])
        result = _RESULTS.get(fields.take(2)[0])
        if result is None:
            raise ProtocolViolation("The result of a presentation context is unknown.", code="context-result")
        if result is not ContextResult.ACCEPTANCE:  # what follows is not to be tested then (Table 9-18)
            return cls(number, result, "")
        syntax: str | None = None
        for kind, value in split(fields.rest()):
            if kind == TRANSFER_SYNTAX:
                once(syntax, "transfer syntax in an accepted context")
                syntax = uid_text(value)
        if syntax is None:
            raise ProtocolViolation("An accepted context has no transfer syntax.", code="item-missing")
        return cls(number, ContextResult.ACCEPTANCE, syntax)


# --- user information -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AsynchronousOperations:
    """53H: bytes 0-1 operations invoked, 2-3 performed at once; 0 is any number (PS3.7 D.3.3.3)."""

    invoked: int
    performed: int

    def encode(self) -> bytes:
        if not (0 <= self.invoked <= 0xFFFF and 0 <= self.performed <= 0xFFFF):
            raise BrokenInvariant("More operations at once than can be said.")
        return item(ASYNCHRONOUS_OPERATIONS, struct.pack(">HH", self.invoked, self.performed))

    @classmethod
    def decode(cls, content: bytes) -> AsynchronousOperations:
        fields = Fields(content)
        found = cls(fields.number(2), fields.number(2))
        fields.end()
        return found


@dataclass(frozen=True, slots=True)
class RoleSelection:
    """54H: the UID with its length, then a byte each for the requestor as SCU and as SCP (PS3.7 D.3.3.4)."""

    sop_class_uid: str
    scu: bool
    scp: bool

    def encode(self) -> bytes:
        return item(ROLE_SELECTION, sized(uid_bytes(self.sop_class_uid)) + bytes((self.scu, self.scp)))

    @classmethod
    def decode(cls, content: bytes) -> RoleSelection:
        fields = Fields(content)
        found = cls(uid_text(fields.sized()), fields.number(1) == 1, fields.number(1) == 1)
        fields.end()
        return found


@dataclass(frozen=True, slots=True)
class ExtendedNegotiation:
    """56H: the UID with its length, then what its service class defines (PS3.7 D.3.3.5)."""

    sop_class_uid: str
    information: bytes

    def encode(self) -> bytes:
        return item(EXTENDED_NEGOTIATION, sized(uid_bytes(self.sop_class_uid)) + self.information)

    @classmethod
    def decode(cls, content: bytes) -> ExtendedNegotiation:
        fields = Fields(content)
        return cls(uid_text(fields.sized()), fields.rest())


@dataclass(frozen=True, slots=True)
class CommonExtendedNegotiation:
    """57H: SOP class and service class, then a list of related general SOP classes (PS3.7 D.3.3.6)."""

    sop_class_uid: str
    service_class_uid: str
    related: tuple[str, ...] = ()

    def encode(self) -> bytes:
        related = b"".join(sized(uid_bytes(uid)) for uid in self.related)
        named = sized(uid_bytes(self.sop_class_uid)) + sized(uid_bytes(self.service_class_uid))
        return item(COMMON_EXTENDED_NEGOTIATION, named + sized(related))

    @classmethod
    def decode(cls, content: bytes) -> CommonExtendedNegotiation:
        fields = Fields(content)
        sop_class, service_class = uid_text(fields.sized()), uid_text(fields.sized())
        listed = Fields(fields.sized())  # a later version of the item may go on: that is not looked at
        related: list[str] = []
        while listed.left:
            related.append(uid_text(listed.sized()))
        return cls(sop_class, service_class, tuple(related))


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """58H: bytes 0 type, 1 response requested, then both fields with their lengths (PS3.7 D.3.3.7).

    `kind` is 1 user name, 2 name and passcode, 3 Kerberos ticket, 4 SAML assertion, 5 JSON web token.
    """

    kind: int
    response_requested: bool
    primary: bytes = field(repr=False)
    secondary: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        head = octet(self.kind) + bytes((self.response_requested,))
        return item(USER_IDENTITY, head + sized(self.primary) + sized(self.secondary))

    @classmethod
    def decode(cls, content: bytes) -> UserIdentity:
        fields = Fields(content)
        found = cls(fields.number(1), fields.number(1) == 1, fields.sized(), fields.sized())
        fields.end()
        return found


@dataclass(frozen=True, slots=True)
class UserInformation:
    """50H. `maximum_length` is the longest P-DATA-TF its sender takes, 0 for any (PS3.8 D.1)."""

    maximum_length: int
    implementation_class_uid: str
    implementation_version_name: str = ""
    asynchronous_operations: AsynchronousOperations | None = None
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[ExtendedNegotiation, ...] = ()
    common_extended: tuple[CommonExtendedNegotiation, ...] = ()
    user_identity: UserIdentity | None = None
    user_identity_response: bytes | None = field(default=None, repr=False)

    def encode(self) -> bytes:
        """The sub-items in the order of their types: older peers expect it (PS3.8 9.3.2.3)."""
        if not 0 <= self.maximum_length <= 0xFFFFFFFF:
            raise BrokenInvariant("The maximum length is more than can be said.")
        parts = [item(MAXIMUM_LENGTH, self.maximum_length.to_bytes(4, "big"))]
        parts.append(item(IMPLEMENTATION_CLASS_UID, uid_bytes(self.implementation_class_uid)))
        if self.asynchronous_operations is not None:
            parts.append(self.asynchronous_operations.encode())
        parts += [role.encode() for role in self.roles]
        if self.implementation_version_name:
            parts.append(item(IMPLEMENTATION_VERSION_NAME, _version_name(self.implementation_version_name)))
        parts += [extended.encode() for extended in self.extended]
        parts += [common.encode() for common in self.common_extended]
        if self.user_identity is not None:
            parts.append(self.user_identity.encode())
        if self.user_identity_response is not None:
            parts.append(item(USER_IDENTITY_RESPONSE, sized(self.user_identity_response)))
        return item(USER_INFORMATION, b"".join(parts))

    @classmethod
    def decode(cls, content: bytes) -> UserInformation:
        found: dict[str, Any] = {}
        for kind, value in split(content):
            if kind in _SINGLE:
                name, decode = _SINGLE[kind]
                once(found.get(name), "item of one kind in the user information")
                found[name] = decode(value)
            elif kind in _LISTED:
                name, decode = _LISTED[kind]
                found.setdefault(name, []).append(decode(value))
        found.setdefault("maximum_length", UNSAID_MAXIMUM_LENGTH)
        found.setdefault("implementation_class_uid", "")
        values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in found.items()}
        return cls(**values)


def _version_name(name: str) -> bytes:
    """PS3.7 D.3.3.2: up to 16 characters of ISO 646."""
    if len(name) > 16 or not name.isascii() or not name.isprintable():
        raise BrokenInvariant("What is to be sent as the name of an implementation version is none.")
    return name.encode("ascii")


def _maximum_length(content: bytes) -> int:
    fields = Fields(content)
    length = fields.number(4)
    fields.end()
    return length


def _identity_response(content: bytes) -> bytes:
    fields = Fields(content)
    response = fields.sized()
    fields.end()
    return response


_Decode = Callable[[bytes], Any]
_SINGLE: Final[Mapping[int, tuple[str, _Decode]]] = {
    MAXIMUM_LENGTH: ("maximum_length", _maximum_length),
    IMPLEMENTATION_CLASS_UID: ("implementation_class_uid", plain_text),
    IMPLEMENTATION_VERSION_NAME: ("implementation_version_name", plain_text),
    ASYNCHRONOUS_OPERATIONS: ("asynchronous_operations", AsynchronousOperations.decode),
    USER_IDENTITY: ("user_identity", UserIdentity.decode),
    USER_IDENTITY_RESPONSE: ("user_identity_response", _identity_response),
}
_LISTED: Final[Mapping[int, tuple[str, _Decode]]] = {
    ROLE_SELECTION: ("roles", RoleSelection.decode),
    EXTENDED_NEGOTIATION: ("extended", ExtendedNegotiation.decode),
    COMMON_EXTENDED_NEGOTIATION: ("common_extended", CommonExtendedNegotiation.decode),
}
