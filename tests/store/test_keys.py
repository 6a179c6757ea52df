from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import BrokenInvariant, KeyWrong, Tampered
from leadglass.store import keys, recovery
from leadglass.store.keys import Keyring

MASTER = bytes(range(32))
RING = Keyring.from_master(MASTER)
RECOVERY = recovery.encode(bytes(range(20)))

a_key = st.binary(min_size=32, max_size=32)


def expand(key: bytes, label: str) -> bytes:
    """HKDF-Expand (RFC 5869, 2.3) for one block of output."""
    return hmac.digest(key, b"leadglass 1 " + label.encode() + b"\x01", hashlib.sha256)


WRAPPED_KEY = 40  # RFC 5649: one more block of 8


def test_rfc_5649_vector():
    # Section 6: a 192-bit key-encryption key wraps 20 octets. Ours are 256-bit, so this checks the primitive.
    wrapped = keys.aes_key_wrap_with_padding(
        bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"),
        bytes.fromhex("c37b7e6492584340bed12207808941155068f738"),
    )
    assert wrapped.hex() == "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"


def test_derivation_is_hkdf_expand_with_the_documented_labels():
    assert RING.database_key == expand(MASTER, "database")
    assert RING.aside_wrapping_key == expand(MASTER, "kept aside")
    assert keys.key_check(MASTER) == expand(MASTER, "key check")[:8]
    study_key = bytes(32)
    assert keys.unwrap_object_key(expand(MASTER, "study keys"), RING.wrap_study_key(study_key)) == study_key
    wrapping = expand(expand(MASTER, "secrets"), "secret record")
    assert keys.unwrap_object_key(wrapping, RING.wrap_secret("record", b"seed")) == b"seed"
    wrapped = keys.wrap_master(MASTER, RECOVERY)
    assert keys.unwrap_object_key(expand(bytes(range(20)), "recovery"), wrapped) == MASTER


def test_new_keys_differ():
    assert len(keys.new_key()) == 32
    assert keys.new_key() != keys.new_key()


@given(study=a_key, obj=a_key)
def test_study_and_object_keys_come_back_from_forty_bytes(study, obj):
    wrapped_study, wrapped_object = RING.wrap_study_key(study), keys.wrap_object_key(study, obj)
    assert len(wrapped_study) == len(wrapped_object) == WRAPPED_KEY
    assert keys.unwrap_object_key(RING.unwrap_study_key(wrapped_study), wrapped_object) == obj


@given(bit=st.integers(0, 40 * 8 - 1))
def test_a_flipped_bit_in_a_wrapped_key(bit):
    altered = bytearray(RING.wrap_study_key(MASTER))
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Tampered):
        RING.unwrap_study_key(bytes(altered))


@pytest.mark.parametrize("wrapped", [b"", b"short", bytes(16), bytes(40), bytes(41), bytes(400)])
def test_what_was_never_wrapped(wrapped):
    with pytest.raises(Tampered):
        RING.unwrap_study_key(wrapped)
    with pytest.raises(Tampered):
        RING.unwrap_secret("record", wrapped)
    with pytest.raises(KeyWrong):
        keys.unwrap_master(wrapped, RECOVERY)


def test_another_homes_keys_open_nothing():
    other = Keyring.from_master(MASTER[::-1])
    assert other.database_key != RING.database_key
    assert keys.key_check(MASTER[::-1]) != keys.key_check(MASTER)
    with pytest.raises(Tampered):
        other.unwrap_study_key(RING.wrap_study_key(MASTER))
    with pytest.raises(Tampered):
        keys.unwrap_object_key(MASTER[::-1], keys.wrap_object_key(MASTER, bytes(32)))


def test_a_secret_opens_under_its_own_label_only():
    wrapped = RING.wrap_secret("record", b"seed" * 8)
    assert RING.unwrap_secret("record", wrapped) == b"seed" * 8
    with pytest.raises(Tampered, match="witness"):
        RING.unwrap_secret("witness", wrapped)
    with pytest.raises(Tampered):
        RING.unwrap_study_key(wrapped)


def test_the_recovery_key_opens_the_master_key():
    wrapped = keys.wrap_master(MASTER, RECOVERY)
    assert len(wrapped) == WRAPPED_KEY
    assert keys.unwrap_master(wrapped, f"  {RECOVERY.lower().replace('-', ' ')}\n") == MASTER


def test_another_recovery_key_says_that_it_is_another():
    with pytest.raises(KeyWrong, match="does not open this home"):
        keys.unwrap_master(keys.wrap_master(MASTER, RECOVERY), recovery.new_recovery_key())


def test_a_mistyped_recovery_key_says_where():
    with pytest.raises(KeyWrong, match="Group 2"):
        keys.unwrap_master(bytes(40), RECOVERY[:7] + ("0" if RECOVERY[7] != "0" else "1") + RECOVERY[8:])


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_size_is_our_bug(size):
    with pytest.raises(BrokenInvariant):
        Keyring.from_master(bytes(size))
    with pytest.raises(BrokenInvariant):
        keys.wrap_master(bytes(size), RECOVERY)


def test_no_key_appears_in_a_repr():
    shown = repr(RING) + str(RING)
    assert RING.database_key.hex() not in shown
    assert repr(RING.database_key) not in shown
    assert not hasattr(RING, "__dict__")
