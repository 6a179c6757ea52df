"""Certificates: what ours say, what others' must be, and that a TLS handshake works with them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from leadglass.access import certificates
from leadglass.access.certificates import (
    AUTHORITY_LIFETIME,
    DAY,
    LIFETIME,
    Pair,
    archive_names,
    fingerprint,
    found_authority,
    is_of,
    issue_to_ae,
    issue_to_archive,
    issued,
    load_pair,
    names_of,
    read_certificate,
)
from leadglass.errors import Violation
from leadglass.net.tls import client_context, require_loadable, server_context

NOW = int(datetime.now(UTC).timestamp()) * 1000  # OpenSSL has a clock of its own
OIDS = ExtendedKeyUsageOID


@pytest.fixture(scope="module")
def authority() -> Pair:
    return found_authority(NOW)


def extension(pair: Pair, kind: Any) -> Any:
    return pair.certificate.extensions.get_extension_for_class(kind).value


def test_the_authority_signs_certificates_and_nothing_else(authority: Pair) -> None:
    usage = extension(authority, x509.KeyUsage)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    constraints = extension(authority, x509.BasicConstraints)
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert authority.expires == NOW + AUTHORITY_LIFETIME
    assert isinstance(authority.key.curve, ec.SECP256R1)
    assert authority.certificate.subject != found_authority(NOW).certificate.subject


def test_an_ae_gets_a_certificate_for_calling(authority: Pair) -> None:
    pair = issue_to_ae(authority, "CT 1", "", NOW)
    assert pair.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "CT 1"
    assert list(extension(pair, x509.ExtendedKeyUsage)) == [OIDS.CLIENT_AUTH]
    assert not extension(pair, x509.BasicConstraints).ca
    assert (pair.begins, pair.expires) == (NOW - DAY, NOW + LIFETIME)
    with pytest.raises(x509.ExtensionNotFound):
        extension(pair, x509.SubjectAlternativeName)
    pair.certificate.verify_directly_issued_by(authority.certificate)


@pytest.mark.parametrize("host", ["ws1.example.org", "192.0.2.7", "2001:db8::7"])
def test_one_that_listens_shows_it_there_too(authority: Pair, host: str) -> None:
    pair = issue_to_ae(authority, "WS1", host, NOW)
    assert set(extension(pair, x509.ExtendedKeyUsage)) == {OIDS.CLIENT_AUTH, OIDS.SERVER_AUTH}
    assert names_of(pair) == (host,)


def test_the_archive_s_own_has_its_names_and_loopback(authority: Pair) -> None:
    pair = issue_to_archive(authority, ["PACS.example.org", "192.0.2.1", "localhost"], NOW)
    assert names_of(pair) == ("pacs.example.org", "192.0.2.1", "localhost", "127.0.0.1", "::1")
    assert OIDS.SERVER_AUTH in extension(pair, x509.ExtendedKeyUsage)


@pytest.mark.parametrize(
    "name", ["", "a b", "*.example.org", "a/b", "é.example.org", "-a", "x" * 254, "a\0b", "a\n"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Violation):
        archive_names([name])


def test_nothing_outlives_the_authority(authority: Pair) -> None:
    late = authority.expires - 10 * DAY
    assert issue_to_ae(authority, "CT1", "", late).expires == authority.expires


def test_a_pair_comes_back_from_its_two_halves(authority: Pair) -> None:
    again = load_pair(authority.certificate_pem, authority.key_der)
    assert again.certificate == authority.certificate
    assert again.key_der == authority.key_der
    assert authority.key_pem.startswith("-----BEGIN PRIVATE KEY-----")
    assert "key=" not in repr(authority)


def test_who_made_it(authority: Pair) -> None:
    pem = issue_to_ae(authority, "CT1", "", NOW).certificate_pem
    assert is_of(pem, authority.certificate_pem)
    assert not is_of(pem, found_authority(NOW).certificate_pem)


# Others' certificates


def foreign(
    key: Any = None, *, uses: Any = None, begins: int = NOW - DAY, until: int = NOW + DAY
) -> x509.Certificate:
    """A self-signed certificate, as `openssl req -x509` makes one."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody's")])
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(epoch + timedelta(milliseconds=begins))
        .not_valid_after(epoch + timedelta(milliseconds=until))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if uses is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_a_certificate_is_read_in_either_form_and_the_first_of_a_chain() -> None:
    first, second = foreign(), foreign()
    expected = read_certificate(der(first), NOW)
    assert expected.fingerprint == fingerprint(der(first)) == first.fingerprint(hashes.SHA256())
    assert expected.expires == NOW + DAY
    assert read_certificate(pem(first), NOW) == expected
    assert read_certificate(b"Subject: CN=x\n" + pem(first) + pem(second), NOW) == expected


@pytest.mark.parametrize(
    ("uses", "for_client"),
    [
        (None, True),
        ([OIDS.CLIENT_AUTH], True),
        ([OIDS.ANY_EXTENDED_KEY_USAGE], True),
        ([OIDS.SERVER_AUTH, OIDS.CLIENT_AUTH], True),
        ([OIDS.SERVER_AUTH], False),
    ],
)
def test_what_it_may_be_used_for(uses: Any, for_client: bool) -> None:
    assert read_certificate(pem(foreign(uses=uses)), NOW).for_client is for_client


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate,
    ],
)
def test_keys_that_are_strong_enough(make: Any) -> None:
    read_certificate(der(foreign(make())), NOW)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP192R1()),
        lambda: rsa.generate_private_key(65537, 1024),
        lambda: dsa.generate_private_key(2048),
    ],
)
def test_keys_that_are_not(make: Any) -> None:
    with pytest.raises(Violation, match="too weak"):
        read_certificate(der(foreign(make())), NOW)


def test_it_is_valid_now() -> None:
    assert read_certificate(der(foreign(until=NOW + 1000)), NOW)
    with pytest.raises(Violation, match="expired"):
        read_certificate(der(foreign(until=NOW)), NOW)
    with pytest.raises(Violation, match="not valid yet"):
        read_certificate(der(foreign(begins=NOW + 1000)), NOW)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"-----BEGIN X-----",
        b"0" * (certificates.LARGEST_FILE + 1),
    ],
)  # fmt: skip
def test_what_is_no_certificate(data: bytes) -> None:
    with pytest.raises(Violation, match=r"certificate"):
        read_certificate(data, NOW)


def replaced(made: x509.Certificate, old: bytes, new: bytes) -> bytes:
    """Its DER with some bytes changed; the signature is not looked at when somebody brings it."""
    data = der(made)
    assert data.count(old) >= 1 and len(old) == len(new)
    return data.replace(old, new)


VERSION_3 = bytes.fromhex("a003020102")
SERIAL_7 = bytes.fromhex("020107")
COMMON_NAME = bytes.fromhex("0603550403")
CURVE_P256 = bytes.fromhex("06082a8648ce3d030107")
BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")
NAMES = x509.SubjectAlternativeName([x509.DNSName("ae.example.org")])
ALTERNATIVE_NAMES = bytes.fromhex("0603551d11")


def twice_extended() -> bytes:
    """Two extensions of one kind: another one renamed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "twice")])
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(epoch + timedelta(milliseconds=NOW - DAY))
    builder = builder.not_valid_after(epoch + timedelta(milliseconds=NOW + DAY))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
    made = builder.add_extension(NAMES, critical=False).sign(key, hashes.SHA256())
    return replaced(made, ALTERNATIVE_NAMES, BASIC_CONSTRAINTS)


DAMAGED: dict[str, Callable[[], bytes]] = {
    "a version that does not exist": lambda: replaced(foreign(), VERSION_3, VERSION_3[:-1] + b"\x37"),
    "a serial number below 1": lambda: replaced(foreign(), SERIAL_7, b"\2\1\x80"),
    "a serial number of 0": lambda: replaced(foreign(), SERIAL_7, b"\2\1\0"),
    "a name that is none": lambda: replaced(foreign(), COMMON_NAME + b"\x0c", COMMON_NAME + b"\x05"),
    "a name of bits": lambda: replaced(foreign(), COMMON_NAME + b"\x0c", COMMON_NAME + b"\x03"),
    "a curve nobody knows": lambda: replaced(foreign(), CURVE_P256, CURVE_P256[:-1] + b"\x7e"),
    "two extensions of one kind": twice_extended,
}


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("how", DAMAGED)
def test_what_is_damaged_is_refused_in_a_sentence(how: str) -> None:
    """Whatever is registered the listener loads when it starts: one that cannot be loaded would be its end."""
    with pytest.raises(Violation, match=r"damaged|too weak|no certificate"):
        read_certificate(DAMAGED[how](), NOW)


def test_what_is_taken_can_be_loaded(authority: Pair) -> None:
    archive = issue_to_archive(authority, [], NOW)
    brought = read_certificate(der(foreign()), NOW)
    require_loadable(brought.pem)
    server_context(archive.certificate_pem, archive.key_pem, [brought.pem])


@pytest.mark.parametrize("content", ["", "AAAA", "MAA="])
def test_what_cannot_be_loaded_is_said_to_be_damaged(content: str) -> None:
    with pytest.raises(Violation, match="damaged"):
        require_loadable(f"-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n")


def test_a_key_is_sent_back(authority: Pair) -> None:
    with pytest.raises(Violation, match="private key"):
        read_certificate((authority.certificate_pem + authority.key_pem).encode(), NOW)


# In a handshake


def shake(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> ssl.SSLObject:
    """A handshake without a socket, to its end on both sides: in TLS 1.3 the client is done before the server
    has looked at its certificate. Returns the server's side.
    """
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(up, down, server_side=True)
    ours = client.wrap_bio(down, up, server_hostname=name)
    waiting = [ours, theirs]
    for _ in range(8):
        for side in tuple(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    assert not waiting
    return theirs


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "pacs.example.org"])
def test_an_issued_certificate_opens_the_listener(authority: Pair, version: Any, name: str) -> None:
    archive = issue_to_archive(authority, ["pacs.example.org"], NOW)
    ae = issue_to_ae(authority, "WS1", "", NOW)
    server = server_context(archive.certificate_pem, archive.key_pem, [authority.certificate_pem])
    client = client_context(ae.certificate_pem, ae.key_pem, [authority.certificate_pem])
    client.maximum_version = version
    shaken = shake(server, client, name)
    shown = shaken.getpeercert(binary_form=True)
    assert shown is not None
    assert fingerprint(shown) == issued(ae).fingerprint
    assert shaken.version() == version.name.replace("_", ".")


def test_the_listener_is_not_taken_for_another_host(authority: Pair) -> None:
    archive = issue_to_archive(authority, [], NOW)
    server = server_context(archive.certificate_pem, archive.key_pem, [authority.certificate_pem])
    client = client_context(archive.certificate_pem, archive.key_pem, [authority.certificate_pem])
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, client, "other.example.org")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_another_authority_s_certificate_does_not(authority: Pair, version: Any) -> None:
    archive = issue_to_archive(authority, [], NOW)
    stranger = issue_to_ae(found_authority(NOW), "WS1", "", NOW)
    server = server_context(archive.certificate_pem, archive.key_pem, [authority.certificate_pem])
    client = client_context(stranger.certificate_pem, stranger.key_pem, [authority.certificate_pem])
    client.maximum_version = version
    with pytest.raises(ssl.SSLError):
        shake(server, client)


def test_an_ae_that_does_not_listen_cannot_pass_for_the_archive(authority: Pair) -> None:
    """Its certificate is for calling only, so nobody who calls takes it for a server's."""
    ae = issue_to_ae(authority, "WS1", "", NOW)
    server = server_context(ae.certificate_pem, ae.key_pem, [authority.certificate_pem])
    client = client_context(ae.certificate_pem, ae.key_pem, [authority.certificate_pem])
    client.check_hostname = False
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        shake(server, client)
