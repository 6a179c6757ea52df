"""Signed notes as C2SP signed-note has them: a text, an empty line, one line per signature.

    text, every line ended by a newline
    <empty line>
    — <key name> <base64 of key id (4 bytes) ‖ signature>

We sign with Ed25519 (signature type 0x01); key id = SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)[:4]. Signatures
by keys we do not know are ignored, as the specification wants it: that is where a witness will put its own.
Reading is strict: every note has one encoding, and whatever does not encode back to itself is refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from leadglass.errors import BrokenInvariant, LimitExceeded, Tampered, Violation

ED25519: Final = 0x01
KEY_SIZE: Final = 32
MAX_NOTE: Final = 128 * 1024
"""Bytes. Room for the sixteen signatures of five kilobytes the specification asks for, and a short text."""
MAX_SIGNATURES: Final = 32
MAX_NAME: Final = 255

_MARK = "— "


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line, whoever's it is."""

    name: str
    key_id: bytes
    value: bytes

    def encode(self) -> str:
        return f"{_MARK}{self.name} {_base64(self.key_id + self.value)}\n"

    @classmethod
    def decode(cls, line: str) -> Signature:
        """`line` has no newline."""
        name, gap, encoded = line.removeprefix(_MARK).partition(" ")
        if not line.startswith(_MARK) or not gap:
            raise Violation("A signature line of the note has the wrong form.", code="note-signature-line")
        _check_name(name)
        raw = from_base64(encoded, "note-signature-base64")
        if len(raw) <= 4:
            raise Violation("A signature of the note is too short.", code="note-signature-length")
        return cls(name, raw[:4], raw[4:])


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, not verified."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> str:
        return self.text + "\n" + "".join(signature.encode() for signature in self.signatures)

    @classmethod
    def decode(cls, data: bytes) -> Note:
        """Split a note into text and signatures; a Violation says what is wrong with its form."""
        if len(data) > MAX_NOTE:
            raise LimitExceeded("The note is longer than we read.", code="note-length")
        try:
            note = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Violation("The note is not valid UTF-8.", code="note-utf8") from None
        if any(letter < " " and letter != "\n" for letter in note):
            raise Violation("The note holds a control character.", code="note-control")
        # The last empty line separates, for the text may hold empty lines of its own.
        text, gap, lines = note.rpartition("\n\n")
        if not gap or not lines.endswith("\n"):
            raise Violation("The note has no signatures after an empty line.", code="note-unsigned")
        if lines.count("\n") > MAX_SIGNATURES:
            raise LimitExceeded("The note has more signatures than we read.", code="note-signatures")
        return cls(text + "\n", tuple(Signature.decode(line) for line in lines[:-1].split("\n")))


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a log's key: what a verifier must know beforehand."""

    name: str
    public: bytes
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != KEY_SIZE:
            raise Violation("An Ed25519 public key has 32 bytes.", code="key-length")
        typed = self.name.encode() + b"\n" + bytes([ED25519]) + self.public
        object.__setattr__(self, "key_id", sha256(typed).digest()[:4])

    def encode(self) -> str:
        """`name+key id in hex+base64(type ‖ public key)`, the form verifiers are configured with."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(bytes([ED25519]) + self.public)}"

    @classmethod
    def decode(cls, text: str) -> VerifierKey:
        if len(text) > MAX_NAME + 64:
            raise LimitExceeded("The verifier key is longer than one can be.", code="key-length")
        name, *rest = text.split("+", 2)
        if len(rest) != 2:
            raise Violation("A verifier key is name, id and key joined by plus signs.", code="key-form")
        typed = from_base64(rest[1], "key-base64")
        if typed[:1] != bytes([ED25519]):
            raise Violation("The verifier key is not of the type Ed25519.", code="key-type")
        key = cls(name, typed[1:])
        if key.key_id.hex() != rest[0]:
            raise Violation("The verifier key's id is not that of its name and key.", code="key-id")
        return key

    def verify(self, note: Note) -> None:
        """Return when the note carries this key's signature; Tampered when it is missing or wrong."""
        mine = [s for s in note.signatures if (s.name, s.key_id) == (self.name, self.key_id)]
        if not mine:
            raise Tampered("The note is not signed by the expected key.", code="note-other-key")
        public, text = Ed25519PublicKey.from_public_bytes(self.public), note.text.encode()
        for signature in mine:
            try:
                public.verify(signature.value, text)
            except InvalidSignature:
                raise Tampered("The note's signature is wrong.", code="note-signature") from None


@dataclass(frozen=True, slots=True)
class Signer:
    """The private half: signs notes under one name. It does not show its secret when printed."""

    key: VerifierKey
    _sign: Callable[[bytes], bytes] = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Signer:
        """From the 32-byte Ed25519 seed (RFC 8032 section 5.1.5)."""
        if len(seed) != KEY_SIZE:
            raise Violation("An Ed25519 seed has 32 bytes.", code="key-length")
        private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(VerifierKey(name, private.public_key().public_bytes_raw()), private.sign)

    def sign(self, text: str) -> Note:
        """A note with this key's signature over `text`, which ends in a newline."""
        if not text.endswith("\n"):
            raise BrokenInvariant("A note's text ends in a newline.")
        return Note(text, (Signature(self.key.name, self.key.key_id, self._sign(text.encode())),))


def from_base64(text: str, code: str) -> bytes:
    """Standard base64, padded, in its one canonical spelling; anything else is a Violation with `code`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw or _base64(raw) != text:
        raise Violation("A base64 field is empty or not in its canonical form.", code=code)
    return raw


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _check_name(name: str) -> None:
    if not 0 < len(name) <= MAX_NAME or "+" in name or any(letter.isspace() for letter in name):
        raise Violation("A key name is empty, too long, or holds a space or a plus sign.", code="key-name")
