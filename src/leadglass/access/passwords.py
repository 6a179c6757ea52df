"""What a password has to be (NIST SP 800-63B-4), and argon2id (RFC 9106)."""

from __future__ import annotations

import base64
import secrets
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NewType

import argon2
from argon2.exceptions import HashingError, InvalidHashError, VerificationError, VerifyMismatchError

from leadglass.errors import BrokenInvariant, Unavailable, Violation

PasswordHash = NewType("PasswordHash", str)  # an encoded argon2id hash: a plain password does not type-check

SHORTEST = 15  # characters, for a password that is the only factor
LONGEST = 256

# --- what is refused -------------------------------------------------------------------------------------

_PRODUCT = "leadglass"
_GUESSED_FIRST: Final = (
    _PRODUCT, "administrator", "radiologist", "technologist", "radiology", "mammography", "ultrasound",
    "hospital", "clinic", "doctor", "dicom", "pacs", "xray", "system", "password", "passphrase", "passwort",
    "letmein", "welcome", "iloveyou", "changeme", "secret", "default", "monkey", "dragon", "master",
    "sunshine", "princess", "football", "baseball", "superman", "batman", "trustno", "admin", "login",
    "guest", "user", "test", "root", "spring", "summer", "autumn", "winter", "january", "february", "october",
    "november", "december", "monday", "friday", "correcthorsebatterystaple",
    "thequickbrownfox", "tobeornottobe",
)  # fmt: skip
_UNGUESSED = 8  # characters that have to remain once guessed words are taken out
_DISTINCT = 5
_LEET = str.maketrans("013457@$!", "oieastasi")
_ROWS = (
    "1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm",  # English
    "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm",  # German, French
)  # fmt: skip
_NEIGHBOURS = frozenset(pair for row in _ROWS for pair in pairwise(row))


def _repeats(password: str, _name: str) -> bool:
    """A unit said at least twice, with or without a rest: `abcabcab…`, `hospital1hospital1`."""
    longest_unit = len(password) // 2
    return any(password[unit:] == password[:-unit] for unit in range(1, longest_unit + 1))


def _few_characters(password: str, _name: str) -> bool:
    return len(set(password)) < _DISTINCT


def _sequence(password: str, _name: str) -> bool:
    """Three quarters of the steps go to the next or previous code point, or to the next key."""
    steps = list(pairwise(password))
    plain = sum(abs(ord(a) - ord(b)) <= 1 or (a, b) in _NEIGHBOURS or (b, a) in _NEIGHBOURS for a, b in steps)
    return plain * 4 >= len(steps) * 3


def _guessed_words(password: str, name: str) -> bool:
    """Little remains without the user's name and the words that are tried first, also spelled p@ssw0rd."""
    rest = _unpunctuated(password.translate(_LEET))
    parts = (part.translate(_LEET) for part in (name, *name.replace("-", ".").replace("_", ".").split(".")))
    names = sorted((part for part in parts if len(part) >= 3), key=len, reverse=True)
    for word in (*names, *_GUESSED_FIRST):
        rest = rest.replace(_unpunctuated(word), "")
    return len(rest) < _UNGUESSED


def _unpunctuated(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character)[0] not in "PZ")


_WEAKNESSES: Final[Mapping[str, tuple[Callable[[str, str], bool], str]]] = {
    "password-repeats": (_repeats, "The password repeats itself."),
    "password-few-characters": (_few_characters, "The password uses too few different characters."),
    "password-sequence": (_sequence, "The password follows the alphabet, the numbers or the keyboard."),
    "password-guessed": (_guessed_words, "The password is made of words that are guessed first."),
}


def check_password(password: str, name: str) -> str:
    """The password in the form that is hashed; Violation says what is wrong with it.

    No composition rules, no expiry. Length counts code points after NFKC normalisation.
    """
    if len(password) > LONGEST:
        raise Violation(f"A password has at most {LONGEST} characters.", code="password-too-long")
    normal = _normal(password)
    if normal is None:
        raise Violation("The password holds something that is no character.", code="password-not-text")
    if len(normal) < SHORTEST:
        raise Violation(f"A password has at least {SHORTEST} characters.", code="password-too-short")
    folded = normal.casefold()
    for code, (applies, sentence) in _WEAKNESSES.items():
        if applies(folded, name.casefold()):
            raise Violation(sentence, code=code)
    return normal


def _normal(password: str) -> str | None:
    """NFKC, so that every keyboard's way to write a character is the same. None for what is no password
    of anybody: too long, or with lone surrogates, which no UTF-8 can carry."""
    if len(password) > LONGEST or any("\ud800" <= character <= "\udfff" for character in password):
        return None
    return unicodedata.normalize("NFKC", password)


# --- a password for somebody -----------------------------------------------------------------------------

_CONSONANTS = "bdfghjklmnprstvz"  # 4 bits
_VOWELS = "aiou"  # 2 bits


def generate_password() -> str:
    """80 random bits as five proquints (arXiv 0901.4016): `lusab-babad-gutih-tugad-mohis`."""
    return "-".join(_proquint(secrets.randbits(16)) for _ in range(5))


def _proquint(bits: int) -> str:
    return (
        _CONSONANTS[bits >> 12 & 15]
        + _VOWELS[bits >> 10 & 3]
        + _CONSONANTS[bits >> 6 & 15]
        + _VOWELS[bits >> 4 & 3]
        + _CONSONANTS[bits & 15]
    )


# --- hashing ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """What one hash costs: memory in KiB, passes over it, lanes."""

    memory: int
    passes: int
    lanes: int


RFC_9106_SECOND = Cost(memory=64 * 1024, passes=3, lanes=4)  # RFC 9106 section 4, second recommended option


class Hasher:
    """argon2id of one cost. At most `running` hashes at a time hold memory and `waiting` more hold a thread;
    beyond that it says Unavailable, so that a flood of sign-ins cannot take the server down."""

    def __init__(self, cost: Cost = RFC_9106_SECOND, *, running: int = 2, waiting: int = 16) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory, parallelism=cost.lanes, hash_len=32, salt_len=16
        )
        self._running = threading.BoundedSemaphore(running)
        self._places = threading.BoundedSemaphore(running + waiting)
        # Random bytes in place of a real hash: as slow to check as one, and no password matches it.
        salt, output = (_unpadded(secrets.token_bytes(size)) for size in (16, 32))
        settings = f"m={cost.memory},t={cost.passes},p={cost.lanes}"
        self.dummy = PasswordHash(f"$argon2id$v=19${settings}${salt}${output}")

    def hash(self, password: str) -> PasswordHash:
        """Of a password that `check_password` let through."""
        with self.place():
            return PasswordHash(self._argon2.hash(password))

    def verify(self, encoded: PasswordHash, password: str) -> bool:
        """The comparison inside is constant-time. One hash of work, whatever the password looks like."""
        normal = _normal(password)
        with self.place():
            try:
                self._argon2.verify(encoded, normal or "")
            except VerifyMismatchError:
                return False
            except InvalidHashError:
                raise BrokenInvariant("A stored password hash is not an argon2 hash.") from None
        return normal is not None

    def rehash(self, password: str) -> PasswordHash:
        """Of a password that has just been verified, so that it takes today's cost."""
        return self.hash(unicodedata.normalize("NFKC", password))

    def is_outdated(self, encoded: PasswordHash) -> bool:
        """Was it made at another cost than today's?"""
        return self._argon2.check_needs_rehash(encoded)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A turn at hashing: waits for one, or says Unavailable when too many wait."""
        if not self._places.acquire(blocking=False):
            raise Unavailable("Too many people are signing in; try again in a moment.", code="sign-in-busy")
        try:
            with self._running:
                yield
        except (HashingError, VerificationError):
            raise Unavailable("There is no memory to check a password.", code="sign-in-busy") from None
        finally:
            self._places.release()


def new_password_hash(hasher: Hasher, password: str, name: str) -> PasswordHash:
    """Check a chosen password and hash it. Slow: outside any transaction."""
    return hasher.hash(check_password(password, name))


def _unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).rstrip(b"=").decode("ascii")
