"""The server as a process: the address it prints, locks, signals, limits of the listener, TLS."""

from __future__ import annotations

import datetime
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., "Server"]


class Server:
    """`leadglass serve --http 127.0.0.1:0` and where it listens."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from leadglass.cli.main import main; main()", "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ) | {"PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()

    @property
    def port(self) -> int:
        return int(self.said.split()[2].rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, request: bytes) -> bytes:
        with self.connect() as peer:
            peer.sendall(request)
            return all_of(peer)

    def end(self, number: int | None = None) -> tuple[int, str]:
        if number is not None:
            self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


def all_of(peer: socket.socket) -> bytes:
    """Everything until the other side closes."""
    received = b""
    while chunk := peer.recv(65536):
        received += chunk
    return received


def get(path: str, port: int, *more: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", f"Host: localhost:{port}", "Connection: close", *more, "", "")
    return "\r\n".join(lines).encode()


@pytest.fixture
def start(home: Any) -> Iterator[Start]:
    started: list[Server] = []

    def start(*arguments: str) -> Server:
        started.append(Server("--http", "127.0.0.1:0", *arguments))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


def test_it_answers_when_it_says_so_and_ends_quietly(start: Start) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        server = start()
        assert f"http://localhost:{server.port} " in server.said
        answer = server.ask(get("/healthz", server.port))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nserver:" not in answer.lower()
        code, err = server.end(number)
        assert code == 0
        assert "Traceback" not in err


def test_a_second_server_says_so_and_touches_nothing(start: Start, home: Any) -> None:
    first = start()
    first.process.send_signal(signal.SIGSTOP)  # it looks at itself and keeps that: here only others may write
    assert os.WIFSTOPPED(os.waitpid(first.process.pid, os.WUNTRACED)[1])
    before = {
        path: path.stat().st_mtime_ns for path in home.root.rglob("*") if not path.name.endswith("-shm")
    }
    second = start()
    code, err = second.end()
    assert (code, second.said) == (1, "")
    assert err.strip() == f"Another server runs on the home at {home.root}. Nothing was touched."
    assert {path: path.stat().st_mtime_ns for path in before} == before
    first.process.send_signal(signal.SIGCONT)
    assert first.ask(get("/healthz", first.port)).startswith(b"HTTP/1.1 200 ")


def test_a_killed_servers_home_serves_again(start: Start) -> None:
    start().end(signal.SIGKILL)
    assert start().said


def test_a_port_in_use_is_named(start: Start, home: Any) -> None:
    port = start().port
    from leadglass.compose import found_home

    found_home(home.user / "other", os.environ, 1_800_000_000_000)
    other = Server("--home", str(home.user / "other"), "--http", f"127.0.0.1:{port}")
    code, err = other.end()
    assert (code, f"port {port}" in err, "--http" in err) == (1, True, True)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_plain_http_off_loopback_does_not_start(home: Any, address: str) -> None:
    server = Server("--http", address)
    code, err = server.end()
    assert (code, server.said) == (1, "")
    assert "Plain HTTP is served on loopback only" in err


def test_a_slow_head_is_cut_off_and_others_are_served_meanwhile(start: Start) -> None:
    server = start()
    began = time.monotonic()
    with server.connect() as slow, server.connect() as silent:
        slow.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert server.ask(get("/healthz", server.port)).startswith(b"HTTP/1.1 200 ")
        assert all_of(slow).startswith(b"HTTP/1.1 408 ")
        assert all_of(silent).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began >= 9  # patience, not speed


def test_a_head_too_large_is_refused(start: Start) -> None:
    server = start()
    endless = b"GET / HTTP/1.1\r\nX: " + b"x" * 33_000
    assert server.ask(endless).startswith(b"HTTP/1.1 431 ")
    fields = "\r\n".join(f"X-{n}: 1" for n in range(150))
    assert server.ask(get("/healthz", server.port, fields)).startswith(b"HTTP/1.1 400 ")
    assert server.ask(get("/healthz?" + "q" * 60_000, server.port)).startswith(
        (b"HTTP/1.1 400 ", b"HTTP/1.1 431 ")
    )
    assert server.ask(get("/healthz", server.port)).startswith(b"HTTP/1.1 200 ")


def test_an_answer_before_the_end_of_a_body_is_heard_and_the_connection_goes_on(start: Start) -> None:
    """A client that sends megabytes before it listens still learns why they were not wanted."""
    server = start()
    head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost:{server.port}\r\nAuthorization: Bearer lg_none\r\n"
    with server.connect() as peer:
        peer.sendall(f"{head}Content-Length: {4 << 20}\r\n\r\n".encode())
        for _ in range(64):
            peer.sendall(bytes(1 << 16))
        peer.sendall(get("/healthz", server.port))
        received = all_of(peer)
    assert received.startswith(b"HTTP/1.1 401 ")
    assert received.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 200 " in received
    with server.connect() as peer:
        peer.sendall(f"{head}Content-Length: {4 << 20}\r\n\r\n".encode())
        assert all_of(peer).startswith(b"HTTP/1.1 401 ")  # and who sends no more of it is not waited for


def test_of_too_many_connections_the_longest_waiting_goes(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADGLASS_LIMITS_CONNECTIONS", "16")
    server = start()
    waiting = [server.connect() for _ in range(40)]
    try:
        assert server.ask(get("/healthz", server.port)).startswith(b"HTTP/1.1 200 ")
        assert cut_off(waiting[0])
        waiting[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting[-1].recv(1)
    finally:
        for peer in waiting:
            peer.close()


def cut_off(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def test_two_requests_on_one_connection(start: Start) -> None:
    server = start()
    request = get("/healthz", server.port).replace(b"Connection: close\r\n", b"")
    with server.connect() as peer:
        for _ in range(2):
            peer.sendall(request)
            answer = b""
            while not answer.endswith(b"}"):
                answer += peer.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")
        peer.sendall(request + get("/healthz", server.port))  # and two at once
        assert all_of(peer).count(b"HTTP/1.1 200 ") == 2


def test_no_core_dumps_and_room_for_connections(start: Start) -> None:
    server = start()
    limits = Path(f"/proc/{server.process.pid}/limits").read_text().splitlines()
    rows = {line[:26].strip(): line[26:].split() for line in limits}
    assert rows["Max core file size"][0] == "0"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert int(rows["Max open files"][0]) >= min(1536, hard)


def test_the_server_process_has_no_pixels_and_no_parser_of_them(start: Start) -> None:
    """Codecs, numpy and pydicom's own reader stay in the processes that need them."""
    program = (
        "import sys, leadglass.serve\n"
        "print(sorted({'numpy', 'PIL', 'gdcm', 'pydicom', 'alembic', 'typer'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def fail_to_sign_in(server: Server) -> None:
    """Something that is put on the record."""
    body = b"name=nobody&password=whatever-it-is"
    request = (
        f"POST /sign-in HTTP/1.1\r\nHost: localhost:{server.port}\r\nOrigin: http://localhost:{server.port}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    assert b" 200 " not in server.ask(request.encode() + body).splitlines()[0]


def test_what_was_recorded_is_published_when_it_ends(start: Start, home: Any) -> None:
    server = start()
    fail_to_sign_in(server)
    assert server.end(signal.SIGTERM)[0] == 0
    assert (home.root / "record" / "checkpoint").read_text().splitlines()[1] == "1"


def test_an_older_database_beside_what_was_published_is_not_served(start: Start, home: Any) -> None:
    older = home.user / "older.db"
    shutil.copy(home.root / "db" / "index.db", older)
    server = start()
    fail_to_sign_in(server)
    assert server.end(signal.SIGTERM)[0] == 0
    newer = home.user / "newer.db"
    shutil.copy(home.root / "db" / "index.db", newer)

    shutil.copy(older, home.root / "db" / "index.db")
    code, err = start().end()
    assert (code, "record" in err, "Traceback" in err) == (1, True, False)

    shutil.copy(newer, home.root / "db" / "index.db")
    assert start().said


def test_its_log_has_no_path_and_no_query(start: Start) -> None:
    server = start()
    server.ask(get("/dicom-web/studies?PatientName=Roentgen", server.port))
    server.ask(get("/Roentgen", server.port))
    _, err = server.end(signal.SIGINT)
    assert "request" in err
    assert "Roentgen" not in err


@pytest.fixture
def certificate(home: Any) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (home.root / "lg.pem").write_bytes(made.public_bytes(pem))
    (home.root / "lg.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (home.root / "config.toml").write_text('[http]\ntls_certificate = "lg.pem"\ntls_key = "lg.key"\n')
    return home.root / "lg.pem"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_of_today_and_no_older(start: Start, certificate: Path) -> None:
    server = start()
    assert f"https://localhost:{server.port}" in server.said
    context = ssl.create_default_context(cafile=str(certificate))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.minimum_version = context.maximum_version = version
        with server.connect() as raw, context.wrap_socket(raw, server_hostname="localhost") as peer:
            peer.sendall(get("/healthz", server.port))
            assert all_of(peer).startswith(b"HTTP/1.1 200 ")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with server.connect() as raw, pytest.raises(ssl.SSLError):
        old.wrap_socket(raw)


def test_a_certificate_that_is_none_is_named(home: Any) -> None:
    (home.root / "config.toml").write_text('[http]\ntls_certificate = "lg.pem"\ntls_key = "lg.key"\n')
    code, err = Server("--http", "127.0.0.1:0").end()
    assert (code, "lg.pem" in err) == (1, True)


@pytest.mark.parametrize("name", ["", "https://images.example.org"])
def test_over_tls_too_it_finds_that_it_refuses_strangers(
    start: Start, certificate: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By the name that people type, or it would only hear that it does not answer under that one."""
    monkeypatch.setenv("LEADGLASS_HTTP_PUBLIC_URL", name)
    server = start()
    assert server.process.stderr is not None
    line = next(line for line in server.process.stderr if "listener=http" in line)
    assert "looked at ourselves: strangers are refused" in line
