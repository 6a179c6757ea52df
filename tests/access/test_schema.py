"""What the tables hold after a whole life of every kind of secret: none of them."""

from __future__ import annotations

import base64
from typing import Any

from leadglass.access.authority import AUTHORITY, store
from leadglass.access.certificates import Pair, found_authority, issue_to_ae, issued
from leadglass.access.peers import add_ae
from leadglass.access.plans import plan
from leadglass.access.principal import Role
from leadglass.access.setup import create_setup_link, redeem_setup
from leadglass.access.tokens import create_token
from leadglass.access.users import NewUser
from leadglass.db.engine import metadata
from leadglass.store.keys import Keyring

from .conftest import TABLES


def stored(desk: Any) -> bytes:
    """Every stored value, one after the other."""
    values = [value for table in TABLES for row in desk.rows(table) for value in row.values()]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def forms(secret: str, *, random_from: int | None) -> list[bytes]:
    """A secret as text, and as the bytes behind its base64url."""
    plain = secret.encode()
    return [plain] if random_from is None else [plain, base64.urlsafe_b64decode(secret[random_from:] + "=")]


def key_forms(pair: Pair) -> list[bytes]:
    """A private key in PEM, in DER, and the number alone."""
    number = pair.key.private_numbers().private_value
    return [pair.key_pem.encode(), pair.key_der, number.to_bytes(32, "big")]


def wrap(label: str, secret: bytes) -> bytes:
    """As the home's keyring does it."""
    return Keyring.from_master(bytes(32)).wrap_secret(label, secret)


def test_no_column_holds_a_secret(desk: Any) -> None:
    code = desk.write(create_setup_link, 0)
    hashed = desk.hasher.hash(desk.password)
    admin = NewUser("first.admin", Role.SYSTEM_ADMINISTRATOR, password_hash=hashed)
    desk.write(redeem_setup, code, admin, 1)
    session = desk.sign_in("first.admin", desk.password, 2)
    mistyped = "a password typed as a name"
    desk.sign_in(mistyped, desk.password, 2)
    token = desk.write(create_token, desk.user(), 3).secret
    pair = found_authority(0)
    desk.write(store, AUTHORITY, pair, wrap, 4)
    issued_pair = issue_to_ae(pair, "CT1", "", 4)
    desk.write(add_ae, plan("CT1", certified=True), 1, issued(issued_pair), 4)
    secrets = [
        *forms(desk.password, random_from=None),
        *forms(mistyped, random_from=None),
        *forms(code, random_from=0),
        *forms(session, random_from=0),
        *forms(token, random_from=3),
        *(form for each in (pair, issued_pair) for form in key_forms(each)),
    ]
    content = stored(desk)
    assert [secret for secret in secrets if secret in content] == []
    assert b"first.admin" in content  # the control: what is stored in the clear is found
    assert all(desk.rows(table) for table in TABLES)


def test_the_tables_are_on_the_shared_metadata() -> None:
    assert all(metadata.tables[table.name] is table for table in TABLES)
