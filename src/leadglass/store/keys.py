"""The key hierarchy.

    master key (32 bytes, outside the home)
    ├── database key              raw key for SQLCipher
    ├── study-key-wrapping key    wraps one random key per study
    │   └── study key             wraps one random key per object
    ├── aside-wrapping key        wraps the random key of each object that is kept aside
    ├── back-up key               seals the manifests of back-ups
    ├── secret-wrapping key       wraps what must outlive a restart, e.g. the record's signing seed
    └── key check                 8 bytes in the home: is this the home's master key?
    recovery key (on paper)       wraps the master key itself

Derivation is HKDF-SHA256 (RFC 5869) with one label per purpose, wrapping AES-KWP (RFC 5649): 32 bytes
become 40. Both are deterministic, so a wrapped key never needs a nonce. No key appears in a repr.
"""

from __future__ import annotations

import os
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from leadglass.errors import BrokenInvariant, KeyWrong, Tampered
from leadglass.store import recovery

KEY = 32  # every key here, in bytes
CHECK = 8


def new_key() -> bytes:
    """32 random bytes: a master, study or object key."""
    return os.urandom(KEY)


def key_check(master: bytes, about: bytes = b"") -> bytes:
    """8 bytes that tell master keys apart and say nothing about them; kept in the home's file.

    They also vouch for `about`, what else stands in that file: a recovery key that rotted away there would
    otherwise show on the day it is needed.
    """
    return _derive(master, f"key check {sha256(about).hexdigest()}" if about else "key check", CHECK)


def wrap_object_key(study_key: bytes, object_key: bytes) -> bytes:
    """40 bytes for the instance's row."""
    return _wrap(study_key, object_key)


def unwrap_object_key(study_key: bytes, wrapped: bytes) -> bytes:
    """The object's key. Tampered when this study's key does not open it."""
    return _unwrap(study_key, wrapped, "object key")


def wrap_master(master: bytes, recovery_key: str) -> bytes:
    """40 bytes for the home, which the recovery key alone opens. KeyWrong when that is mistyped."""
    return _wrap(_recovery_wrapping_key(recovery_key), _checked(master))


def unwrap_master(wrapped: bytes, recovery_key: str) -> bytes:
    """The master key. KeyWrong when the recovery key is mistyped or another home's."""
    wrapping_key = _recovery_wrapping_key(recovery_key)
    try:
        return _unwrap(wrapping_key, wrapped, "master key")
    except Tampered:
        raise KeyWrong("The recovery key is typed correctly but does not open this home.") from None


class Keyring:
    """The keys of one home, derived from its master key."""

    __slots__ = (
        "_aside_wrapping_key",
        "_backup_key",
        "_database_key",
        "_secret_wrapping_key",
        "_study_wrapping_key",
    )

    def __init__(
        self,
        database_key: bytes,
        study_wrapping_key: bytes,
        aside_wrapping_key: bytes,
        secret_wrapping_key: bytes,
        backup_key: bytes,
    ) -> None:
        self._database_key = database_key
        self._aside_wrapping_key = aside_wrapping_key
        self._study_wrapping_key = study_wrapping_key
        self._secret_wrapping_key = secret_wrapping_key
        self._backup_key = backup_key

    @classmethod
    def from_master(cls, master: bytes) -> Keyring:
        return cls(
            database_key=_derive(master, "database"),
            study_wrapping_key=_derive(master, "study keys"),
            aside_wrapping_key=_derive(master, "kept aside"),
            secret_wrapping_key=_derive(master, "secrets"),
            backup_key=_derive(master, "back-ups"),
        )

    @property
    def database_key(self) -> bytes:
        """32 bytes, raw, for SQLCipher."""
        return self._database_key

    @property
    def backup_key(self) -> bytes:
        """32 bytes that seal what a back-up says of itself."""
        return self._backup_key

    @property
    def aside_wrapping_key(self) -> bytes:
        """32 bytes, in the place of a study's key for objects that no study has; deleting the wrapped key of
        one is its crypto-shred."""
        return self._aside_wrapping_key

    def wrap_study_key(self, study_key: bytes) -> bytes:
        """40 bytes for the study's row; deleting every copy of them is the study's crypto-shred."""
        return _wrap(self._study_wrapping_key, study_key)

    def unwrap_study_key(self, wrapped: bytes) -> bytes:
        """The study's key. Tampered when this home's key does not open it."""
        return _unwrap(self._study_wrapping_key, wrapped, "study key")

    @property
    def uid_key(self) -> bytes:
        """32 bytes that UIDs which are made up here are derived with."""
        return _derive(self._secret_wrapping_key, "made-up UIDs")

    def wrap_secret(self, label: str, secret: bytes) -> bytes:
        """Wrap a secret of at most a few KiB; what is wrapped under one label opens under no other."""
        return _wrap(_derive(self._secret_wrapping_key, f"secret {label}"), secret)

    def unwrap_secret(self, label: str, wrapped: bytes) -> bytes:
        """The secret. Tampered when it was wrapped under another label or by another home."""
        return _unwrap(_derive(self._secret_wrapping_key, f"secret {label}"), wrapped, f"secret “{label}”")

    def hashing_key(self, label: str) -> bytes:
        """32 bytes for keyed hashes of what must not be told from them."""
        return _derive(self._secret_wrapping_key, f"hashes {label}")


def _derive(key: bytes, label: str, size: int = KEY) -> bytes:
    """HKDF-SHA256 without its extract step: every key that comes in is uniformly random already."""
    return HKDFExpand(hashes.SHA256(), size, f"leadglass 1 {label}".encode("ascii")).derive(_checked(key))


def _checked(key: bytes) -> bytes:
    if len(key) != KEY:
        raise BrokenInvariant("A key has 32 bytes.")
    return key


def _recovery_wrapping_key(recovery_key: str) -> bytes:
    secret = recovery.decode(recovery_key)
    return HKDFExpand(hashes.SHA256(), KEY, b"leadglass 1 recovery").derive(secret)


def _wrap(wrapping_key: bytes, secret: bytes) -> bytes:
    return aes_key_wrap_with_padding(_checked(wrapping_key), secret)


def _unwrap(wrapping_key: bytes, wrapped: bytes, what: str) -> bytes:
    try:
        return aes_key_unwrap_with_padding(_checked(wrapping_key), wrapped)
    except InvalidUnwrap:
        raise Tampered(f"A wrapped {what} fails its authentication.") from None
