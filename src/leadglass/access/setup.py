"""The set-up link: how the first system administrator comes to be without any default password.

`init` prints it. It works once, for a day, and only as long as there is no system administrator.
"""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from leadglass.access.credentials import digest, new_secret
from leadglass.access.principal import Role
from leadglass.access.schema import Reader, setup_links, users
from leadglass.access.users import NewUser, add_user
from leadglass.db.engine import Transaction
from leadglass.errors import Conflict, Denied

LIFETIME = 24 * 3_600_000  # ms

_INSERT = setup_links.insert()
_WITHDRAW = setup_links.delete().where(setup_links.c.used.is_(None))
_USE = (
    setup_links.update().where(setup_links.c.digest == sa.bindparam("sought")).values(used=sa.bindparam("at"))
)
_FIND = sa.select(setup_links.c.expires).where(
    setup_links.c.digest == sa.bindparam("sought"), setup_links.c.used.is_(None)
)
_OUTSTANDING = sa.select(setup_links.c.expires).where(
    setup_links.c.used.is_(None), setup_links.c.expires > sa.bindparam("at")
)
# A disabled one counts: an operator can enable it, a stranger with an old link cannot take its place.
_ADMINISTRATOR = sa.select(users.c.id).where(users.c.role == Role.SYSTEM_ADMINISTRATOR.value).limit(1)


def has_administrator(conn: Reader) -> bool:
    return conn.execute(_ADMINISTRATOR).first() is not None


def create_setup_link(tx: Transaction, now: int) -> str:
    """Returns the code, to be shown once. An earlier one that was not used dies."""
    if has_administrator(tx):
        raise Conflict("There is a system administrator already.", code="already-set-up")
    tx.execute(_WITHDRAW)
    code = new_secret()
    tx.execute(_INSERT, {"digest": digest(code), "expires": now + LIFETIME})
    return code


def is_setup_code(conn: Reader, code: str, now: int) -> bool:
    """Would `redeem_setup` take the code now?"""
    key = digest(code)
    if key is None or has_administrator(conn):
        return False
    expires = conn.execute(_FIND, {"sought": key}).scalar_one_or_none()
    return expires is not None and now < expires


def is_link_outstanding(conn: Reader, now: int) -> bool:
    """Is somebody expected to come with a code?"""
    return conn.execute(_OUTSTANDING, {"at": now}).first() is not None and not has_administrator(conn)


def redeem_setup(tx: Transaction, code: str, new: NewUser, now: int) -> int:
    """Make `new` the first system administrator, whatever its role says; returns the user's id.

    Denied for a wrong, used, expired or superseded code alike. Within the write transaction there is no
    other writer: of two who redeem at once, one is denied.
    """
    if not is_setup_code(tx, code, now):
        raise Denied("This set-up link is not, or no longer, good.", code="setup-link")
    tx.execute(_USE, {"sought": digest(code), "at": now})
    return add_user(tx, replace(new, role=Role.SYSTEM_ADMINISTRATOR), now)
