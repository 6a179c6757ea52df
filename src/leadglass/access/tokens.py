"""API tokens: what a program holds. A token has its user's rights of the moment and dies with its user."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from leadglass.access.credentials import digest, new_secret
from leadglass.access.departments import label as checked_label
from leadglass.access.principal import Kind, Principal
from leadglass.access.schema import Reader, tokens, users
from leadglass.access.users import principal_of
from leadglass.db.engine import Transaction
from leadglass.errors import NotFound, Violation

PREFIX = "lg_"  # so that secret scanners find one that leaked
DAY = 24 * 3_600_000  # ms
DEFAULT_LIFETIME = 90 * DAY
LONGEST_LIFETIME = 366 * DAY
_LONGEST_LABEL = 64

_INSERT = tokens.insert().returning(tokens.c.id)
_FIND = sa.select(tokens.c.id, tokens.c.user_id, tokens.c.created, tokens.c.expires).where(
    tokens.c.digest == sa.bindparam("sought"), tokens.c.revoked.is_(None)
)
_ALL = (
    sa.select(tokens, users.c.name.label("user_name"))
    .select_from(tokens.join(users, tokens.c.user_id == users.c.id))
    .order_by(tokens.c.id)
)
_REVOKE = (
    tokens.update()
    .where(tokens.c.id == sa.bindparam("sought"), tokens.c.revoked.is_(None))
    .values(revoked=sa.bindparam("since"))
)


@dataclass(frozen=True, slots=True)
class NewToken:
    """`secret` is shown once, now, and cannot be had again."""

    id: int
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """What a list may show of a token."""

    id: int
    user_id: int
    user_name: str
    label: str
    created: int
    expires: int
    revoked: int | None


def create_token(
    tx: Transaction, user_id: int, now: int, *, label: str = "token", lifetime: int = DEFAULT_LIFETIME
) -> NewToken:
    """For an enabled user; NotFound otherwise. Violation for a lifetime (ms) that is not of this year."""
    if not 0 < lifetime <= LONGEST_LIFETIME:
        raise Violation("A token lives at least a moment and at most 366 days.", code="token-lifetime")
    if principal_of(tx, user_id, "") is None:
        raise NotFound("There is no such user.", code="no-user")
    secret = new_secret(PREFIX)
    row = {
        "digest": digest(secret, PREFIX),
        "user_id": user_id,
        "label": checked_label(label, _LONGEST_LABEL, "token"),
        "created": now,
        "expires": now + lifetime,
    }
    return NewToken(int(tx.execute(_INSERT, row).scalar_one()), secret)


def resolve_token(conn: Reader, secret: str, now: int) -> Principal | None:
    """Who holds `secret`: its user under the token's own number. None for whatever else it may be."""
    key = digest(secret, PREFIX)
    row = None if key is None else conn.execute(_FIND, {"sought": key}).first()
    if row is None or now >= row.expires:
        return None
    credential = f"{Kind.TOKEN}:{row.id}"
    user = principal_of(conn, row.user_id, credential)
    return None if user is None else replace(user, kind=Kind.TOKEN, id=row.id)


def list_tokens(conn: Reader) -> list[Token]:
    """All of them, the oldest first; the expired and the revoked too."""
    return [
        Token(row.id, row.user_id, row.user_name, row.label, row.created, row.expires, row.revoked)
        for row in conn.execute(_ALL)
    ]


def revoke_token(tx: Transaction, token_id: int, now: int) -> bool:
    """Effective on the next request. Returns whether there was one to revoke."""
    return tx.execute(_REVOKE, {"sought": token_id, "since": now}).rowcount > 0
