"""What the tables hold after a whole life of every kind of secret: none of them."""

from __future__ import annotations

import base64
from typing import Any

from leadglass.access import schema
from leadglass.access.principal import Role
from leadglass.access.setup import create_setup_link, redeem_setup
from leadglass.access.tokens import create_token
from leadglass.access.users import NewUser
from leadglass.db.engine import metadata

TABLES = [
    schema.departments,
    schema.users,
    schema.user_departments,
    schema.sessions,
    schema.tokens,
    schema.setup_links,
    schema.sign_in_failures,
]


def stored(desk: Any) -> bytes:
    """Every stored value, one after the other."""
    values = [value for table in TABLES for row in desk.rows(table) for value in row.values()]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def forms(secret: str, *, random_from: int | None) -> list[bytes]:
    """A secret as text, and as the bytes behind its base64url."""
    plain = secret.encode()
    return [plain] if random_from is None else [plain, base64.urlsafe_b64decode(secret[random_from:] + "=")]


def test_no_column_holds_a_secret(desk: Any) -> None:
    code = desk.write(create_setup_link, 0)
    hashed = desk.hasher.hash(desk.password)
    admin = NewUser("first.admin", Role.SYSTEM_ADMINISTRATOR, password_hash=hashed)
    desk.write(redeem_setup, code, admin, 1)
    session = desk.sign_in("first.admin", desk.password, 2)
    mistyped = "a password typed as a name"
    desk.sign_in(mistyped, desk.password, 2)
    token = desk.write(create_token, desk.user(), 3).secret
    secrets = [
        *forms(desk.password, random_from=None),
        *forms(mistyped, random_from=None),
        *forms(code, random_from=0),
        *forms(session, random_from=0),
        *forms(token, random_from=3),
    ]
    content = stored(desk)
    assert [secret for secret in secrets if secret in content] == []
    assert b"first.admin" in content  # the control: what is stored in the clear is found
    assert all(desk.rows(table) for table in TABLES)


def test_the_tables_are_on_the_shared_metadata() -> None:
    assert all(metadata.tables[table.name] is table for table in TABLES)
