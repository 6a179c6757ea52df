"""TLS as PS3.15 B.12 and B.13 have it: 1.3 preferred, 1.2 with the listed suites, nothing below.

The suites of TLS 1.2 are those of BCP 195 (RFC 9325) that both profiles keep: forward secrecy and AEAD.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from leadglass.errors import Violation

TLS_1_2_SUITES: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)


def server_context(certificate: str, key: str, trusted: Iterable[str]) -> ssl.SSLContext:
    """For a listener that lets in holders of certificates under `trusted` only. All are PEM texts."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, certificate, key, trusted)
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    # A session that is resumed would outlive the removal of its certificate.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def client_context(certificate: str | None, key: str | None, trusted: Iterable[str]) -> ssl.SSLContext:
    """For calling a server whose certificate is under `trusted`; its name is checked."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, certificate, key, trusted)


def require_loadable(certificate: str) -> None:
    """Violation for a certificate (PEM) that OpenSSL does not take, whoever else reads it."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError):
        raise Violation(
            "This certificate is damaged: it cannot be loaded for TLS.", code="certificate"
        ) from None


def _context(
    protocol: ssl._SSLMethod, certificate: str | None, key: str | None, trusted: Iterable[str]
) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(TLS_1_2_SUITES))
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a registered certificate is trusted by itself
    try:
        for pem in trusted:
            context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise Violation("A certificate that is to be trusted cannot be read.", code="tls-trusted") from None
    try:
        if certificate is not None and key is not None:
            with _in_memory(certificate + key) as path:
                context.load_cert_chain(path, password="")  # else the terminal is asked for one
    except (ssl.SSLError, OSError, ValueError):
        raise Violation(
            "Certificate and key cannot be used: they have to belong together, and the key to be without a "
            "passphrase.",
            code="tls-certificate",
        ) from None
    return context


@contextmanager
def _in_memory(pem: str) -> Iterator[str]:
    """A path OpenSSL can read the certificate and its key from, without a file on any disk."""
    descriptor = os.memfd_create("tls-identity", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem.encode("ascii"))
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
