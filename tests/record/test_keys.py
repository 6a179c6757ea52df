"""The signing key at rest."""

from __future__ import annotations

import pytest

from leadglass.errors import KeyMissing, Tampered
from leadglass.record.keys import load_signer, store_key

from .conftest import NOW, Records

SEED = bytes(range(100, 132))


def wrap(seed: bytes) -> bytes:
    return bytes(byte ^ 0x55 for byte in seed)


def test_a_key_is_stored_wrapped_and_signs_again(records: Records) -> None:
    (key,) = records.write(lambda tx: store_key(tx, "leadglass.test/record", SEED, wrap, NOW))
    with records.read() as connection:
        signer = load_signer(connection, "leadglass.test/record", wrap)
        assert signer.key == key
        assert SEED not in connection.exec_driver_sql("SELECT wrapped FROM log_key").scalar_one()
    key.verify(signer.sign("text\n"))


def test_the_newest_key_signs(records: Records) -> None:
    for seed in (SEED, SEED[::-1]):
        (key,) = records.write(lambda tx, seed=seed: store_key(tx, "leadglass.test/record", seed, wrap, NOW))
    with records.read() as connection:
        assert load_signer(connection, "leadglass.test/record", wrap).key == key


def test_halves_that_do_not_belong_together(records: Records) -> None:
    records.write(lambda tx: store_key(tx, "leadglass.test/record", SEED, wrap, NOW))
    records.sql("UPDATE log_key SET public_key = zeroblob(32)")
    with records.read() as connection, pytest.raises(Tampered):
        load_signer(connection, "leadglass.test/record", wrap)


def test_no_key_yet(records: Records) -> None:
    with records.read() as connection, pytest.raises(KeyMissing):
        load_signer(connection, "leadglass.test/record", wrap)
