"""Fuzz what a scan reads of TLS: whatever comes instead of a handshake, an observation comes out.

The first byte of an input chooses: a certificate alone, or what a server says before it goes, into which
pieces it is cut, to each handshake in turn. There is no network: see `fuzz_scan_http`. Besides the contract
on exceptions: what is said of a certificate fits into an observation, and no name of it is in there.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import seeded
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from fuzz_scan_dimse import Leaping

from leadglass.scan import probe_tls
from leadglass.scan.certificate import facts
from leadglass.scan.clear import Clear
from leadglass.scan.manner import Manner
from leadglass.scan.observation import Level, Observation, Outcome

NAME = "NOBODY.PLANTED"
CHUNKS = (1 << 16, 1, 7, 300)
MANNER = Manner("security@hospital.example", Level.COUNTED)
TOKENS = (
    b"\x30\x80", b"\x30\x82\xff\xff", b"\xa0\x03\x02\x01\x03", b"\x02\x01\x00", b"\x06\x03\x55\x04\x03",
    b"\x05\x00", b"\x17\x0d", b"\x18\x0f99991231235959Z", b"\x18\x0f00010101000000Z", b"\x2b\x65\x70",
    b"\x16\x03\x03", b"\x15\x03\x03\0\2\2\x28", b"\x16\x03\x03\xff\xff", b"\x0b\xff\xff\xff", b"\x0e\0\0\0",
    b"\x0d\0\0\0", b"\x14\x03\x03\0\1\1", b"\xff\xff\xff", b"\0\0\0", b"HTTP/1.1 400\r\n", b"SSH-2.0-x\r\n",
    b"\x06\x60" + b"\x81" * 90 + b"\x01",
)  # fmt: skip
# cryptography says so of what it will refuse one day; a scan is to read it as long as it can.
warnings.simplefilter("ignore")


class Server(asyncio.Transport):
    """Says its bytes, and goes."""

    def __init__(self, protocol: Any, said: bytes, chunk: int) -> None:
        super().__init__()
        self._protocol, self._said, self._chunk, self._is_closed = protocol, said, chunk, False
        asyncio.get_running_loop().call_soon(self._say)

    def write(self, data: Any) -> None: ...

    def _say(self) -> None:
        for at in range(0, len(self._said), self._chunk):
            self._protocol.data_received(self._said[at : at + self._chunk])
        self.close()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


class Loop(Leaping):
    said, chunk = b"", 1

    async def create_connection(self, factory: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        protocol = factory()
        server = Server(protocol, self.said, self.chunk)
        protocol.connection_made(server)
        return server, protocol


async def _connected(*_: Any) -> Any:
    return None


def one_input(data: bytes) -> None:
    if not data:
        return
    body = data[1:]
    if data[0] % 3 == 0:
        judged([Observation("tls", "192.0.2.7", 2762, 0, 0, Outcome.SECURED, {}, facts(body))])
        return
    loop = Loop()
    loop.said, loop.chunk = body, CHUNKS[data[0] // 3 % len(CHUNKS)]
    try:
        with patch.object(probe_tls, "connected", _connected):
            seen = loop.run_until_complete(probe_tls.probe_tls("192.0.2.7", 2762, MANNER, clock=lambda: 0))
        assert not loop.failures, loop.failures
    finally:
        loop.close()
    judged(seen)


def judged(seen: list[Observation]) -> None:
    assert seen
    for each in seen:
        written = repr(each.to_json())
        assert written.isprintable() and len(written) < 2000 and NAME not in written
        assert Observation.from_json(each.to_json()) == each


def made(key: Any, digest: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    begins = datetime(2026, 6, 1, tzinfo=UTC)
    build = x509.CertificateBuilder(name, name, key.public_key(), 7, begins, begins + timedelta(days=30))
    build = build.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return build.sign(key, digest).public_bytes(Encoding.DER)


def flight(key: Any, der: bytes) -> bytes:
    """What a server says to a ClientHello of TLS 1.2: hello, certificate, that it wants one, done."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem + ssl.DER_cert_to_PEM_cert(der))
        file.flush()
        context.load_cert_chain(file.name)
        context.load_verify_locations(file.name)
    context.verify_mode = ssl.CERT_REQUIRED
    (to_server, from_server), (to_client, from_client) = (
        (ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)
    )
    server = context.wrap_bio(to_server, from_server, server_side=True)
    client = probe_tls.permissive("1.2").wrap_bio(to_client, from_client)
    for side in (client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            to_server.write(from_client.read())
    said = from_server.read()
    clear = Clear(1 << 18)
    clear.feed(said)
    assert clear.certificate == der and clear.asks_certificate
    return said


def corpus() -> list[bytes]:
    """Certificates of some kinds, and a server's first words with them."""
    keys = (
        (ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()),
        (rsa.generate_private_key(65537, 2048), hashes.SHA384()),
        (ed25519.Ed25519PrivateKey.generate(), None),
    )
    ders = [made(*pair) for pair in keys]
    said = [flight(key, der) for (key, _), der in zip(keys, ders, strict=True)]
    said += [
        b"\x15\x03\x03\0\2\2\x28",
        b"\x15\x03\x01\0\2\2\x46",
        b"HTTP/1.1 400 Bad\r\n\r\n",
        b"",
        b"\2\0\0\0",
    ]
    return [b"\0" + der for der in ders] + [bytes([n]) + each for n in (1, 4, 7, 10) for each in said]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
