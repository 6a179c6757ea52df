"""A workstation without TLS through `leadglass connect`, and the client commands with TLS, to a served home."""

from __future__ import annotations

import re
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification

# Helpers beside the tests of what is tested here.
sys.path.insert(0, str(Path(__file__).parents[1] / "transfer"))
sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))

from interop_programs import free_port
from pacs import Pacs, image


@dataclass(frozen=True)
class Served:
    """A home behind its TLS listener, and the files of the one AE that it knows."""

    port: int
    folder: Path

    @property
    def ae(self) -> str:
        return f"LEADGLASS@localhost:{self.port}"

    @property
    def files(self) -> tuple[str, ...]:
        return (
            "--certificate", str(self.folder / "WS1.crt.pem"), "--key", str(self.folder / "WS1.key.pem"),
            "--ca", str(self.folder / "WS1.ca.pem"),
        )  # fmt: skip


@pytest.fixture
def served(run: Callable[..., Any], start: Callable[..., Any], home: Any) -> Iterator[Served]:
    folder = home.user / "ws1"
    added = run("ae", "add", "WS1", "--issue-certificate", folder, "--allow", "store,find,get")
    assert added.code == 0, added.err
    server = start("serve", "--http", "127.0.0.1:0", "--dicom-tls", "127.0.0.1:0")
    line = server.until("DICOM over TLS")
    yield Served(int(re.findall(r":(\d+)", line)[0]), folder)
    server.stop()


def connected(start: Callable[..., Any], served: Served) -> tuple[Any, int]:
    process = start("connect", served.ae, "--listen", "127.0.0.1:0", *served.files)
    return process, int(re.findall(r":(\d+)", process.until("LEADGLASS at"))[0])


def workstation(title: str = "WS1") -> AE:
    made = AE(ae_title=title)
    made.add_requested_context(Verification)
    made.add_requested_context(CTImageStorage)
    return made


def test_a_workstation_without_tls(
    run: Callable[..., Any], start: Callable[..., Any], served: Served
) -> None:
    process, port = connected(start, served)
    associations = [workstation().associate("127.0.0.1", port, ae_title="LEADGLASS") for _ in range(3)]
    assert all(each.is_established for each in associations)
    for number, each in enumerate(associations, 1):
        assert each.send_c_echo().Status == 0
        assert each.send_c_store(image(1, 1, number)).Status == 0
        each.release()
    stranger = workstation("STRANGER").associate("127.0.0.1", port, ae_title="LEADGLASS")
    assert stranger.is_rejected
    ended = process.stop()
    assert "Stopped" in ended.err
    assert run("status", "--json").json["instances"] == 3


def test_it_serves_this_machine_only(start: Callable[..., Any], served: Served) -> None:
    ended = start("connect", served.ae, "--listen", "0.0.0.0:0", *served.files).end()
    assert ended.code == 1 and "127.0.0.1" in ended.err


def test_an_archive_under_another_name_is_not_the_one(start: Callable[..., Any], served: Served) -> None:
    target = f"LEADGLASS@localhost.localdomain:{served.port}"
    process = start(
        "connect",
        target.replace("localhost.localdomain", "127.0.0.9"),
        "--listen",
        "127.0.0.1:0",
        *served.files,
    )
    port = int(re.findall(r":(\d+)", process.until("LEADGLASS at"))[0])
    association = workstation().associate("127.0.0.1", port, ae_title="LEADGLASS")
    assert not association.is_established
    assert "cannot be reached" in process.stop().err or "not one to trust" in process.stop().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("LEADGLASS",), "AET@HOST:PORT"),
        (("LEADGLASS@h:1", "--listen", "11104"), "127.0.0.1:8080"),
    ],
)
def test_wrong_use(
    run: Callable[..., Any], place: object, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    pem = tmp_path / "x.pem"
    pem.write_text("")
    files = ("--certificate", pem, "--key", pem, "--ca", pem)
    ran = run("connect", *arguments, *files)
    assert ran.code == 2 and said in ran.err.replace("\n", " ")


def test_files_that_are_no_certificates_are_said_at_once(
    run: Callable[..., Any], place: object, tmp_path: Path
) -> None:
    pem = tmp_path / "x.pem"
    pem.write_text("nothing of the kind")
    ran = run("connect", "LEADGLASS@localhost:2762", "--certificate", pem, "--key", pem, "--ca", pem)
    assert ran.code == 1 and "no PEM file" in ran.err


def test_the_client_commands_over_tls(
    run: Callable[..., Any],
    served: Served,
    inbox: Path,
    dicom: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in (1, 2):
        (inbox / f"{number}.dcm").write_bytes(dicom.file(number))
    as_ws1 = ("--calling", "WS1", *served.files)
    told = run("echo", served.ae, *as_ws1, "--json").json
    assert told["tls"] is True
    assert run("send", served.ae, inbox, *as_ws1, "--json").json["sent"] == 2
    (row,) = run("find", served.ae, *as_ws1, "--json").json
    assert row["0020000D"]["Value"] == ["1.2.3"] and row["00201208"]["Value"] == [2]
    other = tmp_path / "other"
    assert run("init", "--home", other).code == 0
    said = run("retrieve", served.ae, *as_ws1, "--study", "1.2.3", "--home", other)
    assert said.code == 0, said.err
    assert said.out.startswith("2 images stored")
    migrated = run("migrate", served.ae, *as_ws1, "--home", other, "--json")
    assert migrated.code == 0 and migrated.json["complete"]


def test_without_a_certificate_nobody_gets_in(run: Callable[..., Any], served: Served) -> None:
    said = run("echo", served.ae, "--calling", "WS1", "--ca", str(served.folder / "WS1.ca.pem"))
    assert said.code == 1 and said.err
    said = run("echo", served.ae, "--calling", "WS1")
    assert said.code == 1


def test_another_title_with_that_certificate_is_a_stranger(run: Callable[..., Any], served: Served) -> None:
    said = run("echo", served.ae, "--calling", "WS2", *served.files)
    assert said.code == 1 and "add WS2" in said.err


def test_a_known_ae_is_known_by_its_certificate(run: Callable[..., Any], home: Any, tmp_path: Path) -> None:
    """Its host's name is in no certificate: another one of the same authority is not the AE for all that."""
    port = free_port()
    for title in ("PACS", "OTHER"):
        added = run(
            "ae",
            "add",
            f"{title}@127.0.0.1:{port}",
            "--issue-certificate",
            tmp_path / title,
            "--allow",
            "none",
        )
        assert added.code == 0, added.err
    for title, code in (("PACS", 0), ("OTHER", 1)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / title / f"{title}.crt.pem", tmp_path / title / f"{title}.key.pem")
        context.load_verify_locations(tmp_path / title / f"{title}.ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        with Pacs([image()]).running(port=port, ssl_context=context) as pacs:
            said = run("find", "PACS", "--json")
            assert said.code == code, said.err
            assert len(pacs.asked) == 1 - code
    assert "another certificate" in said.err


def test_tls_below_1_2_is_not_spoken(served: Served) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    import socket

    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as raw, pytest.raises(OSError):
        context.wrap_socket(raw)
