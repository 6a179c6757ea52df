"""How items and sub-items are laid out, and the few kinds of field they are made of (PS3.8 9.3).

byte 0 item type   1 reserved   2-3 length of what follows, big endian   4- content, which may hold items
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from leadglass.errors import BrokenInvariant, ProtocolViolation

_HEAD: Final = struct.Struct(">BxH")
_UID: Final = re.compile(rb"[0-9.]{1,64}")
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]{0,64}")


# --- encoding ---------------------------------------------------------------------------------------------


def item(kind: int, content: bytes) -> bytes:
    if len(content) > 0xFFFF:
        raise BrokenInvariant(f"An item of type {kind:02X}H is longer than its length can say.")
    return _HEAD.pack(kind, len(content)) + content


def uid_bytes(uid: str) -> bytes:
    """A UID as it is sent: not padded (PS3.8 Annex F.1)."""
    encoded = uid.encode("ascii", "replace")
    if not _UID.fullmatch(encoded):
        raise BrokenInvariant("What is to be sent as a UID is none.")
    return encoded


def sized(content: bytes) -> bytes:
    if len(content) > 0xFFFF:
        raise BrokenInvariant("A field is longer than its length can say.")
    return len(content).to_bytes(2, "big") + content


def octet(number: int) -> bytes:
    if not 0 <= number <= 0xFF:
        raise BrokenInvariant("A number does not fit into its byte.")
    return bytes((number,))


# --- decoding ---------------------------------------------------------------------------------------------


def split(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of each item in `content`, which they must fill exactly."""
    at, end = 0, len(content)
    while at < end:
        if end - at < _HEAD.size:
            raise ProtocolViolation("An item is cut off.", code="item-length")
        kind, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size + length
        if at > end:
            raise ProtocolViolation("An item is longer than what holds it.", code="item-length")
        yield kind, content[at - length : at]


def once(found: object, what: str) -> None:
    """Refuse a second item of a kind; `found` is the first, None while there is none."""
    if found is not None:
        raise ProtocolViolation(f"There is more than one {what}.", code="item-repeated")


def uid_text(encoded: bytes) -> str:
    """A UID as it was received. Some peers pad it as in a data set (PS3.5 9.1), or with a space."""
    stripped = encoded.rstrip(b"\0 ")
    if not _UID.fullmatch(stripped):
        raise ProtocolViolation("What should be a UID is none.", code="uid")
    return stripped.decode("ascii")


def context_id(number: int) -> int:
    """PS3.8 7.1.1.13: an odd integer between 1 and 255."""
    if not number % 2:
        raise ProtocolViolation("The number of a presentation context is even.", code="context-id")
    return number


def plain_text(encoded: bytes) -> str:
    """Text that is only looked at by people: '' where it is not what the Standard allows."""
    stripped = encoded.strip(b"\0 ")
    return stripped.decode("ascii") if _PRINTABLE.fullmatch(stripped) else ""


class Fields:
    """The fields of one item, in their order."""

    __slots__ = ("_at", "_content")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, length: int) -> bytes:
        start = self._at
        self._at += length
        if self._at > len(self._content):
            raise ProtocolViolation("A field is longer than the item that holds it.", code="item-length")
        return self._content[start : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self) -> bytes:
        """A field with its length, of two bytes, before it."""
        return self.take(self.number(2))

    @property
    def left(self) -> int:
        return len(self._content) - self._at

    def rest(self) -> bytes:
        return self.take(self.left)

    def end(self) -> None:
        if self.left:
            raise ProtocolViolation("An item is longer than its fields.", code="item-length")
