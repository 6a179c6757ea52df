"""What a certificate says, as far as a scan needs it: until when, for how strong a key, how it is signed."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from leadglass.scan.observation import Value

MOST: Final = 64 << 10  # bytes
_KEYS: Final = (
    (rsa.RSAPublicKey, "rsa"),
    (ec.EllipticCurvePublicKey, "ec"),
    (dsa.DSAPublicKey, "dsa"),
    (ed25519.Ed25519PublicKey, "ed25519"),
    (ed448.Ed448PublicKey, "ed448"),
)
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, OverflowError, x509.InvalidVersion)
_LONGEST_OID: Final = 64  # as an observation has room for


def facts(encoded: bytes | None) -> dict[str, Value]:
    """For an observation, from DER. What cannot be read is not said; `fault` says that there is such.

    No name in it is kept: subjects name hospitals and people.
    """
    if not encoded:
        return {}
    found: dict[str, Value] = {"certificate": hashlib.sha256(encoded).hexdigest()}
    try:
        if len(encoded) > MOST:
            raise ValueError
        read = x509.load_der_x509_certificate(encoded)
        found["begins"], found["expires"] = _ms(read.not_valid_before_utc), _ms(read.not_valid_after_utc)
        found["signature"] = _signature(read)
        found["self_signed"] = _is_self_signed(read)
        key = read.public_key()
        found["key_type"] = next((word for kind, word in _KEYS if isinstance(key, kind)), "other")
        found["key_bits"] = int(getattr(key, "key_size", 0))
    except _UNREADABLE:
        found["fault"] = "certificate"
    return found


def _ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)


def _signature(read: x509.Certificate) -> str:
    """The hash it was signed over; signatures that have none of their own go by their OID."""
    try:
        algorithm = read.signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    if algorithm is not None:
        return algorithm.name.lower()
    return read.signature_algorithm_oid.dotted_string[:_LONGEST_OID]


def _is_self_signed(read: x509.Certificate) -> bool:
    """By name and by key, where such a signature can be checked; else by name."""
    if read.issuer != read.subject:
        return False
    try:
        read.verify_directly_issued_by(read)
    except InvalidSignature:
        return False
    except _UNREADABLE:
        return True
    return True
