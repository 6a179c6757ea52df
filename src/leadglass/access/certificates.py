"""Certificates for TLS as PS3.15 B.12 and B.13 have it: made by the archive's authority, or brought along.

Elliptic curve keys (P-256) throughout: every suite of both profiles takes them, and they fit on a scanner.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from leadglass.errors import Violation

DAY: Final = 24 * 3_600_000  # ms
AUTHORITY_LIFETIME: Final = 3652 * DAY
LIFETIME: Final = 730 * DAY
_BACKDATED: Final = DAY  # scanners' clocks are often behind
LARGEST_FILE: Final = 64 << 10
# What is raised for parts of a certificate, which are not looked at before somebody asks for them.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_SMALLEST_RSA: Final = 2048

ALWAYS: Final = ("localhost", "127.0.0.1", "::1")  # names that every archive answers to on its own host
_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> str:
        return _pem(self.certificate)

    @property
    def key_pem(self) -> str:
        return self._key_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def key_der(self) -> bytes:
        """PKCS #8, for wrapping: nothing here goes to a disk in the clear."""
        return self._key_bytes(serialization.Encoding.DER)

    def _key_bytes(self, encoding: serialization.Encoding) -> bytes:
        return self.key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def begins(self) -> int:
        return _milliseconds(self.certificate.not_valid_before_utc)

    @property
    def expires(self) -> int:
        return _milliseconds(self.certificate.not_valid_after_utc)


@dataclass(frozen=True, slots=True)
class Certificate:
    """An AE's certificate as it is registered. `for_client`: who calls may show it (RFC 5280 4.2.1.12)."""

    pem: str
    fingerprint: bytes  # SHA-256 of its DER
    expires: int  # ms
    for_client: bool


def load_pair(certificate_pem: str, key_der: bytes) -> Pair:
    """What `Pair` gave, back again."""
    key = serialization.load_der_private_key(key_der, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Pair(x509.load_pem_x509_certificate(certificate_pem.encode("ascii")), key)


def fingerprint(der: bytes) -> bytes:
    return sha256(der).digest()


# Making


def found_authority(now: int) -> Pair:
    """A new certificate authority. Its name is its own, so that two archives' are told apart."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Leadglass authority {secrets.token_hex(4)}")
    usage = _usage(digital_signature=False, signs_certificates=True)
    built = (
        _builder(name, name, key.public_key(), now, now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(built.sign(key, hashes.SHA256()), key)


def issue_to_ae(authority: Pair, title: str, host: str, now: int) -> Pair:
    """For an AE that calls us; where it listens itself, at `host`, it shows the same certificate there."""
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if host else [])]
    return _issue(authority, title, uses, (host,) if host else (), now)


def issue_to_archive(authority: Pair, names: Iterable[str], now: int) -> Pair:
    """For the archive's own listener under `names`, and for its calls to other AEs."""
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return _issue(authority, "Leadglass", uses, archive_names(names), now)


def archive_names(names: Iterable[str]) -> tuple[str, ...]:
    """`names` and those of the archive's own host, each once; Violation for what is none."""
    return tuple(dict.fromkeys((*(_checked_name(name) for name in names), *ALWAYS)))


def names_of(pair: Pair) -> tuple[str, ...]:
    """What the certificate was made for, as `archive_names` has it."""
    found = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return tuple(str(name.value) for name in found)


def _issue(
    authority: Pair, title: str, uses: list[x509.ObjectIdentifier], names: tuple[str, ...], now: int
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = authority.certificate
    built = (
        _builder(_name(title), signer.subject, key.public_key(), now, min(now + LIFETIME, authority.expires))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True, signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    if names:
        built = built.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    return Pair(built.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: int, until: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(now - _BACKDATED))
        .not_valid_after(_moment(until))
    )


def _usage(*, digital_signature: bool, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _checked_name(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    if not _HOST_NAME.fullmatch(name.casefold()):
        raise Violation(f"{name} is neither a host's name nor an address.", code="host-name")
    return name.casefold()


# Reading


def read_certificate(data: bytes, now: int) -> Certificate:
    """An AE's certificate out of a file, PEM or DER; of a chain the first. Violation says what is wrong."""
    found = _usable(_parsed(data))
    if _moment(now) >= found.not_valid_after_utc:
        raise Violation("This certificate has expired.", code="certificate-expired")
    if _moment(now) < found.not_valid_before_utc:
        raise Violation("This certificate is not valid yet.", code="certificate-early")
    if not _is_strong(found):
        raise Violation(
            "The key of this certificate is too weak: it takes an elliptic curve, or RSA of at least "
            f"{_SMALLEST_RSA} bits.",
            code="certificate-key",
        )
    der = found.public_bytes(serialization.Encoding.DER)
    return Certificate(
        _pem(found), fingerprint(der), _milliseconds(found.not_valid_after_utc), _may_call(found)
    )


def expiry_of(pem: str) -> int:
    """When a certificate ends, ms; of a chain the first. Violation when it cannot be read."""
    return _milliseconds(_parsed(pem.encode()).not_valid_after_utc)


def issued(pair: Pair) -> Certificate:
    """A certificate of our own making, as it is registered."""
    der = pair.certificate.public_bytes(serialization.Encoding.DER)
    return Certificate(pair.certificate_pem, fingerprint(der), pair.expires, for_client=True)


def is_of(certificate_pem: str, authority_pem: str) -> bool:
    """Whether the authority made it, so that trusting the authority is enough."""
    found, authority = (
        x509.load_pem_x509_certificate(pem.encode("ascii")) for pem in (certificate_pem, authority_pem)
    )
    return found.issuer == authority.subject


def _parsed(data: bytes) -> x509.Certificate:
    if len(data) > LARGEST_FILE:
        raise Violation("This file is too large for a certificate.", code="certificate")
    if b"PRIVATE KEY-----" in data:
        raise Violation(
            "This file holds a private key, which nobody but the AE itself should have. Give the certificate "
            "alone.",
            code="certificate-with-key",
        )
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificates(data)[0]
        return x509.load_der_x509_certificate(data)
    except (ValueError, IndexError, x509.InvalidVersion):
        raise Violation("This file holds no certificate (PEM or DER).", code="certificate") from None


def _usable(found: x509.Certificate) -> x509.Certificate:
    """Every part that is looked at later can be read."""
    damaged = Violation("This certificate is damaged: parts of it cannot be read.", code="certificate")
    try:
        _ = found.subject, found.issuer, found.extensions
        _ = found.not_valid_before_utc, found.not_valid_after_utc
    except _UNREADABLE:
        raise damaged from None
    if found.serial_number <= 0:  # RFC 5280 4.1.2.2; who takes it today will not for ever
        raise damaged
    return found


def _is_strong(certificate: x509.Certificate) -> bool:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _SMALLEST_RSA
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.key_size >= 256
    return isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)


def _may_call(certificate: x509.Certificate) -> bool:
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return bool({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(uses))


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC)


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
