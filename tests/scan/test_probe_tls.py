"""The T probes against OpenSSL as a server of each version, and against those that only begin to speak TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import raw_peer as raw
from certificates import NOW, certificate, write
from cryptography.hazmat.primitives.asymmetric import rsa
from strangers import BRIEF, QUICK, Host, associate_ac, listening, manner, names, one, reject, run

from leadglass.scan.observation import Level, Observation, Outcome
from leadglass.scan.probe_dimse import probe_dimse
from leadglass.scan.probe_tls import VERSIONS, permissive, probe_tls, speaks

Said = dict[tuple[str, str], Observation]


def server(files: tuple[Path, Path], *versions: str, ciphers: str = "ALL:@SECLEVEL=0") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers)
    context.load_cert_chain(*files)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = VERSIONS[versions[0]], VERSIONS[versions[-1]]
    return context


def look(handler: Any, how: Any = None) -> list[Observation]:
    async def go() -> list[Observation]:
        async with listening(handler) as port:
            return await probe_tls("127.0.0.1", port, how or manner(patience=QUICK))

    seen: list[Observation] = run(go())
    return seen


@contextmanager
def shaking(context: ssl.SSLContext) -> Iterator[int]:
    """Blocking sockets in a thread: unlike asyncio's servers, OpenSSL by itself says why it does not want."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    came, _ = listener.accept()
                except OSError:
                    return
                with suppress(OSError), came, context.wrap_socket(came, server_side=True) as secured:
                    while secured.recv(4096):
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def shake(context: ssl.SSLContext) -> Said:
    with shaking(context) as port:
        seen: list[Observation] = run(probe_tls("127.0.0.1", port, manner(patience=QUICK)))
    return {(str(each.sent["version"]), str(each.sent["ciphers"])): each for each in seen}


# --- versions --------------------------------------------------------------------------------------------------


def test_all_versions_can_be_tried_here() -> None:
    """If the OpenSSL of a machine cannot, the others say `untried`, and this fails so that somebody knows."""
    assert [speaks(version) for version in VERSIONS] == [True] * 4
    assert speaks("1.2", "weak")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_of_one_version(version: str, tls_files: tuple[Path, Path]) -> None:
    seen = shake(server(tls_files, version, ciphers="DEFAULT:@SECLEVEL=0"))
    assert list(seen) == [("1.3", "any"), ("1.2", "any"), ("1.1", "any"), ("1.0", "any"), ("1.2", "weak")]
    for (tried, ciphers), observation in seen.items():
        if tried == version and ciphers == "any":
            assert observation.outcome is Outcome.SECURED
            assert observation.said["version"] == version
            assert observation.said["cipher"] and observation.said["cipher_bits"] >= 128
            assert observation.said["self_signed"] is True
        elif ciphers == "any":
            assert observation.outcome is Outcome.ALERTED
            assert observation.said["alert"] in {"protocol-version", "handshake-failure"}
        else:
            assert observation.outcome is not Outcome.SECURED


def test_the_weakest_cipher_is_what_is_seen(tls_files: tuple[Path, Path]) -> None:
    context = server(tls_files, "1.2", ciphers="ALL:aNULL:eNULL:@SECLEVEL=0")
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    seen = shake(context)
    for ciphers in ("any", "weak"):
        assert "NULL" in str(seen["1.2", ciphers].said["cipher"])
        assert seen["1.2", ciphers].said["cipher_bits"] == 0


def test_a_server_that_prefers_strong_ciphers_and_takes_weak_ones(tls_files: tuple[Path, Path]) -> None:
    context = server(tls_files, "1.2", ciphers="ECDHE-ECDSA-AES256-GCM-SHA384:eNULL:@SECLEVEL=0")
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    seen = shake(context)
    assert seen["1.2", "any"].said["cipher"] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert seen["1.2", "weak"].outcome is Outcome.SECURED


def test_facts_of_a_bad_certificate(tmp_path: Path) -> None:
    weak = certificate(rsa.generate_private_key(65537, 1024), expires=NOW - timedelta(hours=1))
    said = shake(server(write(tmp_path, weak), "1.2"))["1.2", "any"].said
    assert (said["key_type"], said["key_bits"], said["signature"]) == ("rsa", 1024, "sha256")
    assert said["expires"] < NOW.timestamp() * 1000


# --- a certificate of ours is wanted ---------------------------------------------------------------------------


def demanding(files: tuple[Path, Path], *versions: str) -> ssl.SSLContext:
    context = server(files, *versions)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(files[0])
    return context


def over_tls(context: ssl.SSLContext) -> list[Observation]:
    with shaking(context) as port:
        seen: list[Observation] = run(
            probe_dimse("127.0.0.1", port, manner(patience=QUICK), tls=permissive())
        )
    return seen


def test_up_to_tls_1_2_the_handshake_fails_and_shows_why(tls_files: tuple[Path, Path]) -> None:
    context = demanding(tls_files, "1.2")
    seen = shake(context)["1.2", "any"]
    assert seen.outcome is Outcome.ALERTED
    assert seen.said["asks_certificate"] is True and seen.said["key_type"] == "ec"
    assert over_tls(context)[0].outcome is Outcome.ALERTED


def test_in_tls_1_3_the_alert_comes_after_the_handshake(tls_files: tuple[Path, Path]) -> None:
    context = demanding(tls_files, "1.3")
    assert shake(context)["1.3", "any"].outcome is Outcome.SECURED
    (seen,) = over_tls(context)
    assert (seen.outcome, seen.said["alert"]) == (Outcome.ALERTED, "certificate-required")


def test_without_a_demand_strangers_are_let_in(tls_files: tuple[Path, Path]) -> None:
    async def go() -> list[Observation]:
        async with listening(Host(), ssl=server(tls_files, "1.0")) as port:
            return await probe_dimse("127.0.0.1", port, manner(patience=QUICK), tls=permissive())

    seen = run(go())
    assert one(seen, "associate").outcome is Outcome.ACCEPTED
    assert "find-none" in names(seen)


# --- no TLS, or not quite --------------------------------------------------------------------------------------


def saying(*parts: bytes, stays: bool = False) -> Any:
    async def serve(reader: Any, writer: Any) -> None:
        await reader.read(16)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if stays:
            await reader.read()

    return serve


@pytest.mark.parametrize(
    ("handler", "outcome", "word"),
    [
        (saying(b"HTTP/1.1 400 Bad Request\r\n"), Outcome.FOREIGN, "http"),
        (saying(b"SSH-2.0-x\r\n"), Outcome.FOREIGN, "ssh"),
        (saying(raw.pdu(raw.ABORT, b"\0\0\2\1")), Outcome.FOREIGN, "dicom"),
        (saying(reject(1, 1, 1)), Outcome.FOREIGN, "dicom"),
        (saying(b"\x16\x03\x03\xff\xff" + bytes(40_000)), Outcome.MISBEHAVES, None),
        (saying(b"\x16\x03\x03\0\4\2\0\0\0", stays=True), Outcome.MISBEHAVES, None),
        (saying(b"\x15\x03\x01\0\2\2\x28"), Outcome.ALERTED, None),
        (saying(), Outcome.CLOSED, None),
    ],
)
def test_what_is_no_tls(handler: Any, outcome: Outcome, word: str | None) -> None:
    seen = look(handler)
    assert (seen[0].outcome, seen[0].said.get("looks_like")) == (outcome, word)
    assert len(seen) == (5 if outcome in {Outcome.ALERTED, Outcome.CLOSED} else 1)


@pytest.mark.parametrize(("parts", "fault"), [((), None), ((b"\x16\x03\x03\1\0\2",), "tls-stall")])
def test_a_handshake_that_stalls(parts: tuple[bytes, ...], fault: str | None) -> None:
    (seen,) = look(saying(*parts, stays=True), how=manner(patience=BRIEF))
    assert (seen.outcome, seen.said.get("fault")) == (Outcome.MUTE, fault)


def test_a_handshake_that_stalls_under_the_d_probes() -> None:
    async def go() -> list[Observation]:
        async with listening(saying(stays=True)) as port:
            return await probe_dimse("127.0.0.1", port, manner(patience=BRIEF), tls=permissive())

    (seen,) = run(go())
    assert (seen.outcome, dict(seen.said)) == (Outcome.MUTE, {"fault": "tls-stall", "tls": True})


async def endless(reader: Any, writer: Any) -> None:
    """A certificate that never ends."""
    await reader.read(16)
    writer.write(b"\x16\x03\x03\x40\0\x0b\xff\xff\xff" + bytes(16_380))
    while True:
        writer.write(b"\x16\x03\x03\x40\0" + bytes(16_384))
        await writer.drain()


def test_a_handshake_without_end_is_bounded() -> None:
    (seen,) = look(endless)
    assert seen.outcome is Outcome.MISBEHAVES


def test_nobody_there_and_nothing_allowed() -> None:
    (seen,) = run(probe_tls("127.0.0.1", 1, manner()))
    assert seen.outcome is Outcome.REFUSED
    assert run(probe_tls("127.0.0.1", 1, manner(Level.CLOSED))) == []


def test_what_this_machine_cannot_speak_is_not_tried(
    tls_files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "leadglass.scan.probe_tls.speaks", lambda version, ciphers: version not in {"1.0", "1.1"}
    )
    seen = shake(server(tls_files, "1.0", "1.3"))
    assert seen["1.0", "any"].outcome is seen["1.1", "any"].outcome is Outcome.UNTRIED
    assert seen["1.3", "any"].outcome is Outcome.SECURED


def test_who_does_not_end_tls_does_not_hold_us_up(tls_files: tuple[Path, Path]) -> None:
    """The release is answered, but close_notify is not, and the connection stays."""
    served = threading.Event()

    def serve(listener: socket.socket, context: ssl.SSLContext) -> None:
        came, _ = listener.accept()
        with came, context.wrap_socket(came, server_side=True, suppress_ragged_eofs=True) as secured:
            request = secured.recv(1 << 16)
            secured.sendall(associate_ac(request[6:]))
            secured.recv(1 << 16)
            secured.sendall(raw.pdu(raw.RELEASE_RP, bytes(4)))
            served.wait(raw.PATIENCE)

    async def go(port: int) -> list[Observation]:
        async with asyncio.timeout(raw.PATIENCE):
            return await probe_dimse(
                "127.0.0.1", port, manner(patience=QUICK), tls=permissive(), probes={"associate"}
            )

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, server(tls_files, "1.2")))
        thread.start()
        try:
            (seen,) = run(go(listener.getsockname()[1]))
        finally:
            served.set()
            thread.join()
    assert seen.outcome is Outcome.ACCEPTED


def test_nothing_is_left_behind(tls_files: tuple[Path, Path]) -> None:
    async def go() -> None:
        async with listening(endless) as port:
            await probe_tls("127.0.0.1", port, manner(patience=QUICK))
        async with listening(Host(), ssl=server(tls_files, "1.3")) as port:
            await probe_tls("127.0.0.1", port, manner(patience=QUICK))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(go())
