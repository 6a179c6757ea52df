"""A scope's signature: who says, with a key that this machine was told to trust, that it may be used.

    leadglass scope 1
    sha256 8a3b…                     of the scope file, to the byte
    signed 2026-03-10T12:00:00Z

    — name base64                    C2SP signed-note

Whoever edits a signed scope has an unsigned one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from leadglass.errors import Denied, LeadglassError, Violation
from leadglass.note import Note, Signer, VerifierKey

SUFFIX: Final = ".sig"  # beside the scope file
_TEXT: Final = re.compile(
    r"leadglass scope 1\nsha256 ([0-9a-f]{64})\nsigned (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\n", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose key signed, and when it says so."""

    name: str
    at: str  # ISO 8601, UTC


def sign(scope: bytes, signer: Signer, now: int) -> str:
    """The signature of a scope file; `now` in ms since the epoch, UTC."""
    at = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return signer.sign(f"leadglass scope 1\nsha256 {sha256(scope).hexdigest()}\nsigned {at}\n").encode()


def verify(scope: bytes, signature: bytes, trusted: Iterable[VerifierKey]) -> Signed:
    """Denied when the signature is another file's, or nobody's who is trusted; Violation when it is none."""
    note = Note.decode(signature)
    found = _TEXT.fullmatch(note.text)
    if found is None:
        raise Violation("That is no signature of a scope.", code="scope-signature")
    if found[1] != sha256(scope).hexdigest():
        raise Denied("The scope was changed after it was signed.", code="scope-signature")
    for key in trusted:
        try:
            key.verify(note)
        except LeadglassError:
            continue
        return Signed(key.name, found[2])
    raise Denied("The scope is not signed by anybody who is trusted here.", code="scope-signature")


def read_trusted(content: str) -> list[VerifierKey]:
    """Verifier keys, one a line; `#` begins a comment. Violation for a line that is none."""
    lines = (line.partition("#")[0].strip() for line in content.splitlines())
    return [VerifierKey.decode(line) for line in lines if line]
