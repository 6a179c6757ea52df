"""Sessions: what a browser holds after a sign-in.

The browser gets 256 random bits once; the table keeps their digest. A session ends after 30 idle minutes or
12 hours, on sign-out, and the moment its user is disabled, gets another password or another role. Nothing is
cached: every request reads its session anew, so an end is effective on the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from leadglass.access.credentials import digest, new_secret
from leadglass.access.principal import Principal
from leadglass.access.schema import Reader, sessions, user_departments, users
from leadglass.access.users import user_principal
from leadglass.db.engine import Transaction

MINUTE = 60_000  # ms
_CLOCK_STEP = MINUTE  # a clock may be set back this far before the sessions of the future are dead


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lives, in ms: unused, and at most. `touch` is how often its use is written down."""

    idle: int = 30 * MINUTE
    absolute: int = 12 * 60 * MINUTE
    touch: int = MINUTE


DEFAULT_LIMITS: Final = SessionLimits()


@dataclass(frozen=True, slots=True)
class Session:
    """A live session. `ends` is when it will have been idle too long or reached its end (ms)."""

    principal: Principal
    ends: int
    touch_due: bool


_INSERT = sessions.insert()
_FIND = (
    sa.select(
        users.c.id,
        users.c.name,
        users.c.display_name,
        users.c.role,
        sessions.c.created,
        sessions.c.last_seen,
        sessions.c.expires,
        user_departments.c.department_id,
    )
    .select_from(sessions.join(users).outerjoin(user_departments, user_departments.c.user_id == users.c.id))
    .where(sessions.c.digest == sa.bindparam("sought"), users.c.disabled.is_(None))
)
_TOUCH = (
    sessions.update()
    .where(sessions.c.digest == sa.bindparam("sought"), sessions.c.last_seen < sa.bindparam("now"))
    .values(last_seen=sa.bindparam("now"))
)
_CLOSE = sessions.delete().where(sessions.c.digest == sa.bindparam("sought"))
_SWEEP = sessions.delete().where(
    sa.or_(sessions.c.expires <= sa.bindparam("now"), sessions.c.last_seen <= sa.bindparam("idle_since"))
)


def open_session(
    tx: Transaction, user_id: int, now: int, *, replacing: str = "", limits: SessionLimits = DEFAULT_LIMITS
) -> str:
    """Returns the new token, for the cookie and nowhere else.

    The token is always fresh and the one that the browser held before (`replacing`) dies, so that a session
    fixed by somebody else before the sign-in is worth nothing after it. Dead sessions are swept up here.
    """
    sweep_sessions(tx, now, limits)
    close_session(tx, replacing)
    token = new_secret()
    row = {"digest": digest(token), "user_id": user_id}
    tx.execute(_INSERT, row | {"created": now, "last_seen": now, "expires": now + limits.absolute})
    return token


def find_session(
    conn: Reader, token: str, now: int, limits: SessionLimits = DEFAULT_LIMITS
) -> Session | None:
    """The live session of `token`; None for whatever else it may be."""
    key = digest(token)
    rows = [] if key is None else conn.execute(_FIND, {"sought": key}).all()
    if key is None or not rows:
        return None
    first = rows[0]
    if not is_alive(first.created, first.last_seen, first.expires, now, limits):
        return None
    departments = (row.department_id for row in rows if row.department_id is not None)
    principal = user_principal(first, departments, f"session:{key[:16].hex()}")
    if principal is None:
        return None
    ends = min(first.expires, first.created + limits.absolute, first.last_seen + limits.idle)
    return Session(principal, ends=ends, touch_due=now >= first.last_seen + limits.touch)


def resolve_session(
    conn: Reader, token: str, now: int, limits: SessionLimits = DEFAULT_LIMITS
) -> Principal | None:
    """Who holds `token`, if its session is alive."""
    session = find_session(conn, token, now, limits)
    return None if session is None else session.principal


def is_alive(created: int, last_seen: int, expires: int, now: int, limits: SessionLimits) -> bool:
    """Within both limits, today's and those it was opened with. A session of the future is dead: a clock that
    was set back must not make it live longer."""
    return (
        max(created, last_seen) <= now + _CLOCK_STEP
        and now < last_seen + limits.idle
        and now < min(expires, created + limits.absolute)
    )


def touch_session(tx: Transaction, token: str, now: int) -> None:
    """Write down that the session is in use; call it when `touch_due`."""
    tx.execute(_TOUCH, {"sought": digest(token), "now": now})


def close_session(tx: Transaction, token: str) -> bool:
    """Sign out. Returns whether there was such a session."""
    return tx.execute(_CLOSE, {"sought": digest(token)}).rowcount > 0


def close_all_sessions(tx: Transaction) -> int:
    """Everybody signs in again. Returns how many there were."""
    return tx.execute(sessions.delete()).rowcount


def sweep_sessions(tx: Transaction, now: int, limits: SessionLimits = DEFAULT_LIMITS) -> int:
    """Remove the rows of dead sessions. Returns how many."""
    return tx.execute(_SWEEP, {"now": now, "idle_since": now - limits.idle}).rowcount
