"""The record's signing key at rest: an Ed25519 seed, wrapped by whoever holds the home's master key."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from leadglass.db.engine import Transaction
from leadglass.errors import KeyMissing, Tampered
from leadglass.note import Signer, VerifierKey
from leadglass.record.schema import log_key

_NEWEST = sa.select(log_key.c.public_key, log_key.c.wrapped).order_by(log_key.c.id.desc()).limit(1)
_ADD = sa.insert(log_key)


def store_key(
    tx: Transaction, name: str, seed: bytes, wrap: Callable[[bytes], bytes], now: int
) -> VerifierKey:
    """Keep a 32-byte `seed` as the key that signs from now on under `name`; returns its public half."""
    key = Signer.from_seed(name, seed).key
    tx.execute(_ADD, {"public_key": key.public, "wrapped": wrap(seed), "created": now})
    return key


def load_signer(connection: sa.Connection, name: str, unwrap: Callable[[bytes], bytes]) -> Signer:
    """The key that signs now. KeyMissing before `store_key`; Tampered when its two halves do not match."""
    public, wrapped = _newest(connection)
    signer = Signer.from_seed(name, unwrap(wrapped))
    if signer.key.public != public:
        raise Tampered("The record's public key is not that of its signing key.", code="record-key")
    return signer


def _newest(connection: sa.Connection) -> tuple[bytes, bytes]:
    row = connection.execute(_NEWEST).one_or_none()
    if row is None:
        raise KeyMissing("This home has no key for its access record. Run: leadglass init")
    return row.public_key, row.wrapped
