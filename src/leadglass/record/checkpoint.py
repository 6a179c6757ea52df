"""Checkpoints as C2SP tlog-checkpoint has them: a signed note saying how large the tree is, and its root.

    <origin>
    <size in decimal>
    <root in base64>

Each line ends in a newline.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from leadglass.errors import LimitExceeded, Tampered, Violation
from leadglass.note import Note, Signer, VerifierKey, from_base64
from leadglass.record.merkle import HASH_SIZE, MAX_SIZE

MAX_ORIGIN = 255

_SIZE = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the tree: whose, how many entries, and the hash over all of them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def encode(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"

    @classmethod
    def decode(cls, text: str) -> Checkpoint:
        """Read a note's text. Extension lines are refused: nobody could check what they say."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise Violation("A checkpoint has exactly three lines.", code="checkpoint-lines")
        origin, size, root = lines[:3]
        if not 0 < len(origin) <= MAX_ORIGIN:
            raise Violation("A checkpoint's origin is empty or too long.", code="checkpoint-origin")
        if not _SIZE.fullmatch(size):
            raise Violation("A checkpoint's size is not a plain decimal number.", code="checkpoint-size")
        if int(size) > MAX_SIZE:
            raise LimitExceeded(
                "A checkpoint claims more entries than a record holds.", code="checkpoint-size"
            )
        digest = from_base64(root, "checkpoint-root")
        if len(digest) != HASH_SIZE:
            raise Violation("A checkpoint's root is not 32 bytes long.", code="checkpoint-root")
        return cls(origin, int(size), digest)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """The signed note as it is stored and published."""
    return signer.sign(checkpoint.encode()).encode()


def open_checkpoint(signed: str | bytes, key: VerifierKey, origin: str) -> Checkpoint:
    """The checkpoint inside a signed note.

    Violation when the form is wrong; Tampered when the expected key did not sign it or it is another log's.
    """
    note = Note.decode(signed.encode(errors="surrogatepass") if isinstance(signed, str) else signed)
    key.verify(note)  # before its text is looked at: what nobody vouches for is not worth parsing
    checkpoint = Checkpoint.decode(note.text)
    if checkpoint.origin != origin:
        raise Tampered("The checkpoint is that of another record.", code="checkpoint-other-origin")
    return checkpoint
