"""Sign-in with name and password, in three steps.

    read_candidate(conn)   who may that be?                     a short read
    verify(candidate)      is it their password?                0.15 s of CPU, outside any transaction
    settle(tx, attempt)    does the answer still stand?         in the transaction that records it

Unknown, disabled, paused and wrong get the same answer for the same work: one hash at today's cost and one
write. Only the record learns the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from leadglass.access import throttle
from leadglass.access.passwords import Hasher, PasswordHash
from leadglass.access.principal import Principal
from leadglass.access.schema import Reader, users
from leadglass.access.sessions import DEFAULT_LIMITS, SessionLimits, open_session
from leadglass.access.users import canonical_name, principal_of
from leadglass.db.engine import Database, Transaction
from leadglass.errors import Violation

_FIND = sa.select(users.c.id, users.c.password_hash, users.c.disabled).where(
    users.c.name == sa.bindparam("sought")
)
_HASH = sa.select(users.c.password_hash).where(
    users.c.id == sa.bindparam("sought"), users.c.disabled.is_(None)
)
_REHASH = (
    users.update().where(users.c.id == sa.bindparam("sought")).values(password_hash=sa.bindparam("encoded"))
)


class Standing(StrEnum):
    """How a sign-in ended: for the record, never for the peer."""

    SIGNED_IN = "signed-in"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105
    UNKNOWN_NAME = "unknown-name"
    NO_PASSWORD = "no-password"  # noqa: S105
    DISABLED = "disabled"
    PAUSED = "paused"
    CHANGED = "changed"  # disabled or given another password while we were hashing


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who the name may belong to. `refused` is set when no password will do; `encoded` is then the dummy."""

    name_digest: bytes = field(repr=False)
    user_id: int | None
    refused: Standing | None
    encoded: PasswordHash = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A candidate and what became of the password. `rehashed` when the stored hash had another cost."""

    candidate: Candidate
    matched: bool
    rehashed: PasswordHash | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`principal` is None unless signed in; `user_id` is whose name was tried, if anybody's."""

    standing: Standing
    user_id: int | None
    principal: Principal | None = None


def read_candidate(conn: Reader, name: str, now: int, hasher: Hasher) -> Candidate:
    """Look the name up. Whatever is wrong with it shows in `settle` only, after the same work."""
    key = throttle.name_digest(name)
    row = conn.execute(_FIND, {"sought": _lookup(name)}).first()
    refused = _refusal(row, paused=throttle.is_paused(throttle.read_failures(conn, key), now))
    user_id = None if row is None else row.id
    if row is None or refused:
        return Candidate(key, user_id, refused, hasher.dummy)
    return Candidate(key, user_id, None, PasswordHash(row.password_hash))


def verify(candidate: Candidate, password: str, hasher: Hasher) -> Attempt:
    """Compare. CPU only; Unavailable when too many do so at once."""
    matched = hasher.verify(candidate.encoded, password) and candidate.refused is None
    stale = matched and hasher.is_outdated(candidate.encoded)
    return Attempt(candidate, matched, hasher.rehash(password) if stale else None)


def settle(tx: Transaction, attempt: Attempt, now: int) -> Outcome:
    """Count or clear, and say who signed in. Everything `read_candidate` saw is looked at again: many guesses
    made at once all read "not paused", and only ten of them may count."""
    candidate, user_id = attempt.candidate, attempt.candidate.user_id
    standing = _standing(tx, attempt, now)
    if standing is not Standing.SIGNED_IN or user_id is None:
        if standing not in (Standing.PAUSED, Standing.CHANGED):
            throttle.note_failure(tx, candidate.name_digest, now)
        return Outcome(standing, user_id)
    throttle.clear_failures(tx, candidate.name_digest)
    if attempt.rehashed is not None:
        tx.execute(_REHASH, {"sought": user_id, "encoded": attempt.rehashed})
    principal = principal_of(tx, user_id, credential="password")
    return Outcome(standing if principal else Standing.DISABLED, user_id, principal)


def sign_in(
    db: Database,
    hasher: Hasher,
    name: str,
    password: str,
    *,
    now: int,
    record: Callable[[Transaction, Outcome], object],
    replacing: str = "",
    limits: SessionLimits = DEFAULT_LIMITS,
) -> str | None:
    """All three steps and the new session. Blocks; returns the session's token, or None: no reason given.

    `record` runs in the transaction of the outcome, whatever that is: no entry, no session.
    """
    with db.read() as conn:
        candidate = read_candidate(conn, name, now, hasher)
    attempt = verify(candidate, password, hasher)

    def unit(tx: Transaction) -> str | None:
        outcome = settle(tx, attempt, now)
        record(tx, outcome)
        if outcome.principal is None:
            return None
        return open_session(tx, outcome.principal.id, now, replacing=replacing, limits=limits)

    # On a full disk viewing stops last, and who views has signed in.
    token: str | None = db.write(unit, may_use_reserve=True).result()
    return token


def _lookup(name: str) -> str:
    """What cannot be a name is looked up all the same, as the name nobody can have."""
    try:
        return canonical_name(name)
    except Violation:
        return ""


def _refusal(row: Any, *, paused: bool) -> Standing | None:
    """Why no password will do, if so."""
    if paused:
        return Standing.PAUSED
    if row is None:
        return Standing.UNKNOWN_NAME
    if row.disabled is not None:
        return Standing.DISABLED
    return Standing.NO_PASSWORD if row.password_hash is None else None


def _standing(tx: Transaction, attempt: Attempt, now: int) -> Standing:
    candidate = attempt.candidate
    if throttle.is_paused(throttle.read_failures(tx, candidate.name_digest), now):
        return Standing.PAUSED
    if candidate.refused:
        return candidate.refused
    if not attempt.matched:
        return Standing.WRONG_PASSWORD
    current = tx.execute(_HASH, {"sought": candidate.user_id}).scalar_one_or_none()
    return Standing.SIGNED_IN if current == candidate.encoded else Standing.CHANGED
