"""Certificates and TLS as the estate's servers have them: good, demanding one of the client, and weak."""

from __future__ import annotations

import hashlib
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pacs.example.org")])
_AUTHORITY: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Estate authority")])


class Tls(Enum):
    """How a door is locked."""

    SERVER = "server"  # anybody who speaks it may come in
    MUTUAL = "mutual"  # who has a certificate that nobody has
    WEAK = "weak"  # 1.0 and up, RSA with 1024 bits, SHA-1, expired, signed by itself


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: bytes
    key: bytes


@cache
def context(tls: Tls) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if tls is Tls.WEAK:
        made.set_ciphers("ALL:@SECLEVEL=0")  # or OpenSSL refuses what it is asked for here
        made.minimum_version = ssl.TLSVersion.TLSv1
    else:
        made.minimum_version = ssl.TLSVersion.TLSv1_2
    pair = _weak() if tls is Tls.WEAK else _good()
    descriptor = os.memfd_create("estate-tls")
    try:
        os.write(descriptor, pair.certificate + pair.key)
        made.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    if tls is Tls.MUTUAL:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=_good().certificate.decode("ascii"))
    return made


@cache
def _good() -> _Pair:
    """Signed by an authority of the estate's own."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    return _signed(key, authority, _AUTHORITY, timedelta(days=300))


@cache
def _weak() -> _Pair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pair = _signed(key, key, _NAME, timedelta(days=-30))
    return _Pair(_with_sha1(pair.certificate, key), pair.key)


_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _signed(key: _Key, signing: _Key, issuer: x509.Name, left: timedelta) -> _Pair:
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("pacs.example.org")])
    certificate = (
        x509.CertificateBuilder(issuer, _NAME, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + left)
        .add_extension(names, critical=False)
        .sign(signing, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return _Pair(certificate.public_bytes(Encoding.PEM), private)


_SHA256_WITH_RSA: Final = bytes.fromhex("2a864886f70d01010b")
_SHA1_WITH_RSA: Final = bytes.fromhex("2a864886f70d010105")
_SHA1_INFO: Final = bytes.fromhex("3021300906052b0e03021a05000414")  # RFC 8017 9.2, note 1


def _with_sha1(certificate: bytes, key: rsa.RSAPrivateKey) -> bytes:
    """The same certificate, signed as nobody signs any more: no library does it for us (RFC 8017 8.2.1)."""
    found = x509.load_pem_x509_certificate(certificate)
    signed = found.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    numbers = key.private_numbers()
    size = key.key_size // 8
    digest = _SHA1_INFO + hashlib.sha1(signed, usedforsecurity=False).digest()
    padded = b"\x00\x01" + b"\xff" * (size - 3 - len(digest)) + b"\x00" + digest
    signature = pow(int.from_bytes(padded), numbers.d, numbers.public_numbers.n).to_bytes(size)
    whole = found.public_bytes(Encoding.DER).replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    return ssl.DER_cert_to_PEM_cert(whole[:-size] + signature).encode("ascii")
