"""Random secrets that are handed out once and kept only as digests.

A plain SHA-256 is enough: 256 random bits cannot be guessed, so there is nothing for a slow hash to slow
down. Looking a digest up by equality is safe without a constant-time comparison: whatever an index's timing
tells is about the digest, and nobody can choose a secret whose digest begins as they like it to and learn
from that what the secret is.
"""

from __future__ import annotations

import hashlib
import secrets

SECRET_BYTES = 32
SECRET_CHARACTERS = 43  # base64url of 32 bytes without padding


def new_secret(prefix: str = "") -> str:
    """256 fresh random bits as base64url, behind `prefix`."""
    return prefix + secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str, prefix: str = "") -> bytes | None:
    """The digest a secret is kept under, or None if it cannot be one of ours (length before bytes)."""
    fits = len(secret) == len(prefix) + SECRET_CHARACTERS and secret.isascii() and secret.startswith(prefix)
    if not fits:
        return None
    return hashlib.sha256(secret.encode("ascii")).digest()
