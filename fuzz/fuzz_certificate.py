"""Fuzz the certificates that an administrator brings for an AE: one the listener can load, or a Violation.

The first byte of an input chooses DER or PEM and what stands around it. Besides the contract on exceptions:
what is taken is taken again from the text that is kept of it, and a listener that trusts it starts.
"""

from __future__ import annotations

import base64
import time
import warnings
from hashlib import sha256

import seeded
from cryptography.hazmat.primitives import serialization

from leadglass.access.certificates import (
    Pair,
    found_authority,
    is_of,
    issue_to_ae,
    issue_to_archive,
    read_certificate,
)
from leadglass.errors import Violation
from leadglass.net.tls import require_loadable, server_context

NOW = int(time.time()) * 1000
AUTHORITY = found_authority(NOW)
ARCHIVE = issue_to_archive(AUTHORITY, [], NOW)
AROUND = ((b"", b""), (b"Subject: CN=x\n", b""), (b"\xef\xbb\xbf", b"\n" * 3), (b"", b"-----BEGIN X-----"))
TOKENS = (
    b"\x30\x80", b"\x30\x82\xff\xff", b"\x02\x01\x00", b"\x05\x00", b"\x06\x03\x55\x1d\x13",
    b"\x06\x03\x55\x04\x06",
    b"\x17\x0d", b"\x18\x0f99991231235959Z", b"\x0c\x00", b"\x1e\x01", b"\xa0\x03\x02\x01\x02", b"\xa3\x82",
    b"\x03\x01\x00", b"\x01\x01\xff", b"-----END CERTIFICATE-----", b"\xff", b"\x00",
)  # fmt: skip
# cryptography says so of what it will refuse one day; what is refused here is another matter.
warnings.simplefilter("ignore")


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def one_input(data: bytes) -> None:
    if not data:
        return
    before, after = AROUND[data[0] >> 1 & 3]
    file = before + pem(data[1:]) + after if data[0] & 1 else data[1:]
    try:
        found = read_certificate(file, NOW)
        require_loadable(found.pem)
    except Violation:
        return
    assert read_certificate(found.pem.encode(), NOW) == found
    assert len(found.fingerprint) == len(sha256().digest()) and found.expires > NOW
    is_of(found.pem, AUTHORITY.certificate_pem)
    server_context(ARCHIVE.certificate_pem, ARCHIVE.key_pem, [AUTHORITY.certificate_pem, found.pem])


def corpus() -> list[bytes]:
    """Certificates of every kind we make, in either form."""
    made: list[Pair] = [AUTHORITY, ARCHIVE, issue_to_ae(AUTHORITY, "CT1", "ct1.example.org", NOW)]
    ders = [pair.certificate.public_bytes(serialization.Encoding.DER) for pair in made]
    return [bytes([form]) + der for der in ders for form in range(8)]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
