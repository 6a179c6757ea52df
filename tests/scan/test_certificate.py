"""What is read off certificates, good ones, bad ones and rubbish."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from datetime import timedelta

import pytest
from certificates import NOW, certificate
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from leadglass.scan.certificate import MOST, facts
from leadglass.scan.observation import PROBES, Observation, Outcome

# Of an RSA key of 1024 bits and with SHA-1: cryptography reads such ones and makes none.
SHA_1 = (
    "MIICAjCCAWugAwIBAgIUfziMgJA7kTtIv2343Ix5k9QujokwDQYJKoZIhvcNAQEFBQAwEzERMA8GA1UEAwwIU29tZWJvZHkw"
    "HhcNMjYxMTI4MDIzMTQwWhcNMzYxMTI1MDIzMTQwWjATMREwDwYDVQQDDAhTb21lYm9keTCBnzANBgkqhkiG9w0BAQEFAAOB"
    "jQAwgYkCgYEA2fDCDXGVn9BApyJ5iKLlI+GImWMKXlLPNUevnNOUB7UgXYth+mLzTHW2g9ZyFK6dfbEp3sKwVGl6qGJOBICK"
    "vJTNGDboicCnxje8Xpvy1HhUuy3ncgyweZK/l9zvTvoip2K+3QxSyx08FqTj6dv8xqn+PjtaRbQ5ejvANcrmu2MCAwEAAaNT"
    "MFEwHQYDVR0OBBYEFHS3ECTHMvbHe45jrULtco9X8n5NMB8GA1UdIwQYMBaAFHS3ECTHMvbHe45jrULtco9X8n5NMA8GA1Ud"
    "EwEB/wQFMAMBAf8wDQYJKoZIhvcNAQEFBQADgYEA0DOejjiWuFvPZbs9Kkl5OAS8fNJbaq9fn0FuvatRebBn1cLBP/44ePlM"
    "jYRsRZXFF3DoB2o+ZY5kQzMGRU9kF4CAU6XNnnfqTpKD7KLmfPIQK46NpeuupxA8DCavx+fWI7sO110rruYyv7BO0unrAQcE"
    "iAV+++gXHeXNg6rs/5k="
)
GOOD = certificate()[0].public_bytes(Encoding.DER)


def of(*args, **how) -> dict:
    made, _ = certificate(*args, **how)
    return facts(made.public_bytes(Encoding.DER))


def test_a_certificate() -> None:
    found = of()
    assert found == {
        "certificate": found["certificate"],
        "begins": int((NOW - timedelta(days=1)).timestamp() * 1000),
        "expires": int((NOW + timedelta(days=3650)).timestamp() * 1000),
        "signature": "sha256",
        "self_signed": True,
        "key_type": "ec",
        "key_bits": 256,
    }


@pytest.mark.parametrize(
    ("key", "digest", "expected"),
    [
        (rsa.generate_private_key(65537, 2048), hashes.SHA512(), ("rsa", 2048, "sha512")),
        (ec.generate_private_key(ec.SECP521R1()), hashes.SHA384(), ("ec", 521, "sha384")),
        (dsa.generate_private_key(2048), hashes.SHA256(), ("dsa", 2048, "sha256")),
        (ed25519.Ed25519PrivateKey.generate(), None, ("ed25519", 0, "1.3.101.112")),
        (ed448.Ed448PrivateKey.generate(), None, ("ed448", 0, "1.3.101.113")),
    ],
)
def test_keys_and_signatures(key, digest, expected) -> None:
    found = of(key, digest=digest)
    assert (found["key_type"], found["key_bits"], found["signature"]) == expected
    assert found["self_signed"] is True


def test_a_signature_that_is_made_no_more() -> None:
    found = facts(b64decode(SHA_1))
    assert (found["key_type"], found["key_bits"], found["signature"]) == ("rsa", 1024, "sha1")
    assert found["self_signed"] is True


def test_who_signed_it() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    assert of(issuer="Somebody else", signer=other)["self_signed"] is False
    assert of(signer=other)["self_signed"] is False  # the same name, another key


def test_dates_far_away() -> None:
    found = of(expires=NOW.replace(year=9999))
    Observation("tls", "127.0.0.1", 1, 0, 0, Outcome.SECURED, {"version": "1.3"}, found)


def test_no_name_is_kept() -> None:
    assert b"Somebody" in GOOD and "Somebody" not in repr(facts(GOOD))


@pytest.mark.parametrize(
    "rubbish", [b"\x30\x80", b"\x30\x03\x02\x01\x01", b"no certificate", GOOD[:-7], GOOD + b"\0"]
)
def test_rubbish_is_said_to_be_so(rubbish: bytes) -> None:
    found = facts(rubbish)
    assert found["fault"] == "certificate"
    assert found["certificate"] == hashlib.sha256(rubbish).hexdigest()


def test_nothing_and_too_much() -> None:
    assert facts(None) == facts(b"") == {}
    assert facts(GOOD + bytes(MOST))["fault"] == "certificate"


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
def test_a_certificate_with_a_flaw_has_facts_or_a_fault(at: int, flaw: bytes) -> None:
    found = facts(GOOD[:at] + flaw + GOOD[at + len(flaw) :])
    assert set(found) <= set(PROBES["tls"].said) | {"fault"}
    Observation("tls", "127.0.0.1", 1, 0, 0, Outcome.SECURED, {"version": "1.3"}, found)


def test_a_version_that_there_is_not() -> None:
    version = b"\xa0\x03\x02\x01"
    spoilt = GOOD.replace(version + b"\x02", version + b"\x03", 1)
    assert spoilt != GOOD
    assert facts(spoilt) == {"certificate": hashlib.sha256(spoilt).hexdigest(), "fault": "certificate"}


def test_a_signature_with_an_endless_name_fits_into_an_observation() -> None:
    """Its OID stands twice, once within a length of one byte and twice within one of two."""
    arcs = bytes((0x2B,)) + b"\x8f\xff\xff\x7f" * 10
    ecdsa = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
    other = bytes((0x30, len(arcs) + 2, 0x06, len(arcs))) + arcs
    grown = len(other) - len(ecdsa)
    spoilt = bytearray(GOOD.replace(ecdsa, other))
    spoilt[2:4] = (int.from_bytes(spoilt[2:4]) + 2 * grown).to_bytes(2)
    spoilt[6] += grown
    said = facts(bytes(spoilt))
    assert "fault" not in said
    assert str(said["signature"]).startswith("1.3.33554431.")
    Observation("tls", "192.0.2.7", 2762, 0, 0, Outcome.SECURED, {}, said)
