"""Certificates as good or bad as a test wants them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 6, 1, tzinfo=UTC)


SHA256 = hashes.SHA256()


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    key: Any = None,
    *,
    issuer: str = "Somebody",
    signer: Any = None,
    begins: datetime = NOW - timedelta(days=1),
    expires: datetime = NOW + timedelta(days=3650),
    digest: Any = SHA256,
) -> tuple[x509.Certificate, Any]:
    """For Somebody; `signer` is the key it is signed with, its own unless given."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    built = (
        x509.CertificateBuilder()
        .subject_name(name("Somebody"))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(expires)
    )
    return built.sign(signer or key, digest), key


def write(folder: Path, made: tuple[x509.Certificate, Any] | None = None) -> tuple[Path, Path]:
    certified, key = made or certificate()
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certified.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths
