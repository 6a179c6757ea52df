"""Bytes in here, TLS out there: to the right archive only, from this machine only, and never for ever."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from leadglass.errors import Unreachable, Violation
from leadglass.net.tls import client_context, server_context
from leadglass.net.tunnel import Tunnel, TunnelLimits

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Identity:
    certificate: str
    key: str


class Authority:
    """A certificate authority of one test."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        self.pem = _pem(made.sign(self._key, hashes.SHA256()))

    def issue(self, *names: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "entity")])
        builder = self._builder(subject, key).add_extension(x509.BasicConstraints(False, None), True)
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_name(name) for name in names]), False
            )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Identity(_pem(builder.sign(self._key, hashes.SHA256())), pem.decode())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - datetime.timedelta(days=3650))
            .not_valid_after(NOW + datetime.timedelta(days=3650))
        )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(4096):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def archive(authority: Authority, handler: Handler = echo, *names: str) -> AsyncIterator[int]:
    """A server that wants a certificate of `authority`; its port."""
    identity = authority.issue(*(names or ("127.0.0.1", "localhost")))
    context = server_context(identity.certificate, identity.key, [authority.pem])
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def tunnel(
    port: int,
    trusted: Authority,
    identity: Identity | None,
    *,
    host: str = "127.0.0.1",
    limits: TunnelLimits | None = None,
) -> AsyncIterator[tuple[Tunnel, int, asyncio.Queue[str]]]:
    said: asyncio.Queue[str] = asyncio.Queue()

    def context() -> ssl.SSLContext:
        return client_context(identity and identity.certificate, identity and identity.key, [trusted.pem])

    made = Tunnel(host, port, context, said.put_nowait, limits)
    here = await made.listen("127.0.0.1", 0)
    try:
        yield made, here, said
    finally:
        await made.close()


async def through(port: int, data: bytes) -> bytes:
    """What comes back until as much has come back, or the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        back = b""
        while len(back) < len(data):
            chunk = await reader.read(65536)
            if not chunk:
                break
            back += chunk
        return back
    except ConnectionError:
        return b""
    finally:
        writer.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(bounded())


def test_bytes_go_both_ways_unchanged(authority: Authority) -> None:
    async def test() -> None:
        async with (
            archive(authority) as port,
            tunnel(port, authority, authority.issue()) as (made, here, said),
        ):
            await made.probe()
            data = bytes(range(256)) * 8000  # 2 MB: more than any buffer on the way
            several = await asyncio.gather(*(through(here, data) for _ in range(4)))
            assert several == [data] * 4
            assert said.empty()

    run(test)


def test_the_end_of_one_side_is_the_end_of_the_other(authority: Authority) -> None:
    async def test() -> None:
        gone = asyncio.Event()

        async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"x" * 100_000)
            await writer.drain()
            if await reader.read(1) == b"":
                gone.set()
            writer.close()

        async with (
            archive(authority, greets) as port,
            tunnel(port, authority, authority.issue()) as (_, here, _s),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", here)
            assert await reader.readexactly(100_000) == b"x" * 100_000
            writer.close()
            await gone.wait()
            reader, writer = await asyncio.open_connection("127.0.0.1", here)
            await reader.readexactly(100_000)
            writer.write(b"!")
            assert await reader.read() == b""
            writer.close()

    run(test)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "workstation.example"])
def test_it_listens_on_loopback_only(authority: Authority, host: str) -> None:
    async def test() -> None:
        made = Tunnel("127.0.0.1", 1, lambda: client_context(None, None, []), print)
        with pytest.raises(Violation, match=r"127\.0\.0\.1"):
            await made.listen(host, 0)

    run(test)


def test_a_port_that_is_taken_is_said(authority: Authority) -> None:
    async def test() -> None:
        async with archive(authority) as port, tunnel(port, authority, authority.issue()) as (made, here, _):
            with pytest.raises(Unreachable, match=f"Cannot listen on 127.0.0.1 port {here}"):
                await made.listen("127.0.0.1", here)

    run(test)


@pytest.mark.parametrize(
    ("names", "stranger"),
    [(("other.example",), False), (("127.0.0.1",), True)],
    ids=["another name", "another authority"],
)
def test_another_archive_gets_nothing(authority: Authority, names: tuple[str, ...], stranger: bool) -> None:
    received: list[bytes] = []

    async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(100))
        writer.close()

    async def test() -> None:
        trusted = Authority("another") if stranger else authority
        async with (
            archive(authority, listens, *names) as port,
            tunnel(port, trusted, authority.issue()) as (made, here, sentences),
        ):
            with pytest.raises(Unreachable, match="not one to trust"):
                await made.probe()
            assert await through(here, b"Roentgen^Anna") == b""
            assert "not one to trust" in await sentences.get()
        assert b"Roentgen^Anna" not in b"".join(received)

    run(test)


@pytest.mark.parametrize("with_certificate", [False, True])
def test_an_archive_that_does_not_know_us_is_said(authority: Authority, with_certificate: bool) -> None:
    async def test() -> None:
        identity = Authority("another").issue() if with_certificate else None
        async with archive(authority) as port, tunnel(port, authority, identity) as (_, here, said):
            assert await through(here, b"x") == b""
            assert "Does it know this machine's certificate?" in await said.get()

    run(test)


def test_an_archive_that_is_not_there_is_said_and_asked_again(authority: Authority) -> None:
    async def test() -> None:
        async with archive(authority) as port:
            pass
        async with tunnel(port, authority, authority.issue()) as (_, here, said):
            assert await through(here, b"x") == b""
            assert "cannot be reached" in await said.get()
            identity = authority.issue("127.0.0.1")
            context = server_context(identity.certificate, identity.key, [authority.pem])
            server = await asyncio.start_server(echo, "127.0.0.1", port, ssl=context)
            assert await through(here, b"x") == b"x"
            server.close()

    run(test)


def test_no_more_connections_than_allowed(authority: Authority) -> None:
    async def test() -> None:
        limits = TunnelLimits(connections=1)
        async with (
            archive(authority) as port,
            tunnel(port, authority, authority.issue(), limits=limits) as (_, here, said),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", here)
            writer.write(b"x")
            await reader.readexactly(1)
            assert await through(here, b"y") == b""
            assert "already" in await said.get()
            writer.write(b"z")
            assert await reader.readexactly(1) == b"z"
            writer.close()

    run(test)


def test_silence_ends_a_connection(authority: Authority) -> None:
    async def test() -> None:
        limits = TunnelLimits(idle=0.05)
        async with (
            archive(authority) as port,
            tunnel(port, authority, authority.issue(), limits=limits) as (_, here, said),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", here)
            assert await reader.read() == b""
            assert "too long" in await said.get()
            writer.close()

    run(test)


def test_a_side_that_takes_nothing_is_given_up_and_holds_little(authority: Authority) -> None:
    async def test() -> None:
        sent = 0

        async def floods(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            try:
                while sent < 200 << 20:
                    writer.write(bytes(1 << 16))
                    await writer.drain()
                    sent += 1 << 16
            except OSError:
                pass
            finally:
                writer.close()

        limits = TunnelLimits(idle=0.5, close=0.1)
        async with (
            archive(authority, floods) as port,
            tunnel(port, authority, authority.issue(), limits=limits) as (_, here, said),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", here, limit=1024)
            assert "too long" in await said.get()
            assert sent < 50 << 20
            writer.close()
            del reader

    run(test)
