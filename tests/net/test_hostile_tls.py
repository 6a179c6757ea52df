"""Peers that mean no good at the listener that speaks TLS: in the handshake, and behind it."""

from __future__ import annotations

import socket
import ssl
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from leadglass.access.passwords import Cost

sys.path.insert(0, str(Path(__file__).parent))  # as in test_hostile.py
pytest.register_assert_rewrite("raw_peer", "ground", "test_hostile")

import raw_peer as raw  # noqa: E402
import test_hostile as plain  # noqa: E402
from ground import DEADLINES, Ground, archive  # noqa: E402
from raw_peer import ABORT, DATA, PATIENCE, RJ, Ended, Peer  # noqa: E402
from test_hostile import ending, goes, lines, unharmed  # noqa: E402


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with pytest.MonkeyPatch.context() as patch, structlog.testing.capture_logs() as said:
        patch.setattr("leadglass.compose.HASH_COST", Cost(memory=8, passes=1, lanes=1))
        with archive(tmp_path_factory.mktemp("hostile"), said, tls=True) as made:
            yield made


@pytest.fixture
def place(house: Ground) -> Iterator[Ground]:
    yield from unharmed(house)


def reached(place: Ground) -> socket.socket:
    """A connection on which no handshake has begun."""
    made = socket.create_connection(("127.0.0.1", place.port), timeout=PATIENCE)
    Peer.all_of.append(Peer(made))
    return made


def is_closed(made: socket.socket) -> bool:
    """Whatever alert comes first, the end comes."""
    try:
        while made.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def hello(context: ssl.SSLContext) -> bytes:
    """The first flight of a client."""
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


# --- in the handshake --------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["nothing", "a byte", "half a hello", "a hello"])
def test_a_handshake_that_stalls_is_given_up(said: str, place: Ground) -> None:
    first = hello(Peer.tls[place.port])
    made = reached(place)
    made.sendall({"nothing": b"", "a byte": first[:1], "half a hello": first[:50], "a hello": first}[said])
    place.seen()
    place.advance(DEADLINES.handshake - 1)
    assert place.acceptor.connections == 1  # there is a deadline, and it is not yet over
    place.advance(1.1)
    assert is_closed(made)
    place.settle()
    assert [line["code"] for line in lines(place)] == ["handshake-deadline"]


def test_handshakes_that_stall_keep_nobody_else_waiting(place: Ground) -> None:
    first = hello(Peer.tls[place.port])
    for number in range(60):
        reached(place).sendall(first[: number * 5])
    place.echo()
    assert place.acceptor.connections >= 60
    place.store()


WRONG = {
    "DICOM": plain.LEGAL,
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "nonsense": bytes(range(256)) * 4,
    "a record of the largest length": b"\x16\3\1\xff\xff" + bytes(70_000),
    "an alert": b"\x15\3\1\0\2\2\x28",
    "data before the handshake": b"\x17\3\3\0\x20" + bytes(32),
    "SSL 2": bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0") + bytes(16),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_handshake_is_the_end(what: str, place: Ground) -> None:
    made = reached(place)
    with suppress(OSError):  # it may have seen enough
        made.sendall(WRONG[what])
    assert is_closed(made)
    place.settle()
    assert [line["code"] for line in lines(place)] == ["tls"]


def stranger(folder: Path) -> ssl.SSLContext:
    """Somebody with a certificate of their own making that names a known AE."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PEER")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    held = folder / "stranger.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_pem = key.private_bytes(serialization.Encoding.PEM, *form)
    held.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key_pem)
    context = unverified()
    context.load_cert_chain(held)
    return context


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("who", ["nobody", "a stranger"])
def test_without_a_certificate_we_know_nothing_is_said(
    who: str, version: ssl.TLSVersion, place: Ground, tmp_path: Path
) -> None:
    context = unverified() if who == "nobody" else stranger(tmp_path)
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError, Ended)):
        peer = Peer.connect(place.port, context)  # in TLS 1.3 the client is done before it is looked at
        peer.send(plain.LEGAL)
        peer.read()
    place.settle()
    assert [line["code"] for line in lines(place)] == ["tls"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_no_version_below_1_2(place: Ground) -> None:
    context = unverified()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        context.wrap_socket(reached(place))
    place.settle()
    assert [line["code"] for line in lines(place)] == ["tls"]


# --- behind it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", plain.BROKEN)
def test_what_breaks_the_protocol_before_an_association_is_ended(name: str, place: Ground) -> None:
    peer = Peer.connect(place.port)
    peer.send(plain.BROKEN[name])
    assert ending(peer) == ABORT
    goes(place, peer)
    place.settle()
    assert len(lines(place)) == 1, place.lines


@pytest.mark.parametrize("name", plain.ON)
def test_what_breaks_the_protocol_on_an_association_ends_it(name: str, place: Ground) -> None:
    peer = Peer.associated(place.port)
    peer.send(plain.ON[name])
    while (kind := ending(peer)) == DATA:
        pass
    assert kind == ABORT
    goes(place, peer)
    place.settle()
    assert len(lines(place)) == 1, place.lines


@pytest.mark.parametrize("moment", plain.MOMENTS)
@pytest.mark.parametrize("how", plain.LEAVING)
def test_who_leaves_in_the_middle_leaves_nothing_behind(how: str, moment: str, place: Ground) -> None:
    peer = Peer.connect(place.port)
    peer.send(plain.MOMENTS[moment])
    plain.LEAVING[how](peer)
    place.settle()
    assert len(lines(place)) <= 1, place.lines


@pytest.mark.parametrize("calling", [b"OTHER", b"peer", b"PEER2", b""])
def test_a_certificate_stands_for_one_title(calling: bytes, place: Ground) -> None:
    peer = Peer.connect(place.port)
    peer.send(raw.associate_rq(calling=calling))
    assert peer.read() == (RJ, bytes((0, 1, 1, 3)))


def identity(kind: int, primary: bytes, secondary: bytes = b"") -> bytes:
    fields = struct.pack(">H", len(primary)) + primary + struct.pack(">H", len(secondary)) + secondary
    return raw.user_information(raw.item(0x58, bytes((kind, 0)) + fields))


IDENTITIES = {
    "a name": (1, b"dr.roth", b""),
    "a name and a password": (2, b"dr.roth", b"a password of nobody"),
    "a name that is no text": (2, b"\xff\xfe", b"x"),
    "a passcode that is no ASCII": (2, b"dr.roth", b"\xc3\xa9"),
    "a ticket": (3, b"\0" * 100, b""),
    "a SAML assertion": (4, b"<saml/>", b""),
    "a token of nobody we know": (5, b"a.b.c", b""),
    "a token as long as it can be": (5, b"a" * 60_000, b""),
    "of a kind that does not exist": (9, b"x", b""),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_an_identity_that_does_not_count_is_rejected_without_a_reason(name: str, place: Ground) -> None:
    peer = Peer.connect(place.port)
    peer.send(raw.associate_rq(user=identity(*IDENTITIES[name])))
    assert peer.read() == (RJ, bytes((0, 1, 1, 1)))
    said: Any = repr(place.lines)
    assert "password" not in said and "dr.roth" not in said
