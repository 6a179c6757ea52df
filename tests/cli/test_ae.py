"""ae: who is let in by DICOM, the files that are handed out, and wrong use before anything is changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from leadglass.access.principal import Via

Run = Callable[..., Any]


def identify(home: Any, title: str, address: str, certificate: bytes | None, via: Via) -> Any:
    from leadglass.compose import open_home
    from leadglass.home import clock

    with open_home(home.root, os.environ, clock) as opened:
        return opened.services.peers.identify(title, address, certificate, via, clock())


def der(path: Path) -> bytes:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.public_bytes(serialization.Encoding.DER)


def test_an_issued_certificate_is_written_for_its_owner_alone(home: Any, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "ws1"
    ran = run("ae", "add", "WS1", "--issue-certificate", folder, "--allow", "store,find")
    assert (ran.code, ran.out) == (0, "")
    assert {path.name for path in folder.iterdir()} == {"WS1.crt.pem", "WS1.key.pem", "WS1.ca.pem"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert all(str(path) in ran.err for path in folder.iterdir())
    key = serialization.load_pem_private_key((folder / "WS1.key.pem").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((folder / "WS1.crt.pem").read_bytes())
    assert certificate.public_key() == key.public_key()
    known = identify(home, "WS1", "192.0.2.7", der(folder / "WS1.crt.pem"), Via.DIMSE)
    assert known.ae.allow == {"store", "find"}


def test_the_next_steps_are_said(home: Any, run: Run, tmp_path: Path) -> None:
    ran = run("ae", "add", "WS1", "--issue-certificate", tmp_path / "ws1")
    assert "called AE title LEADGLASS" in ran.err
    assert "--dicom-tls" in ran.err
    assert "leadglass connect" in ran.err
    ran = run("ae", "add", "CT1", "--receive-only")
    assert "--dicom HOST:PORT" in ran.err
    assert "--dicom-tls" not in ran.err
    assert "leadglass send PACS2" in run("ae", "add", "PACS2@127.0.0.1:104").err


def test_the_key_is_nowhere_in_the_home(home: Any, run: Run, tmp_path: Path) -> None:
    run("ae", "add", "WS1", "--issue-certificate", tmp_path / "ws1")
    pem = (tmp_path / "ws1" / "WS1.key.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    secret = key.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
    for path in home.root.rglob("*"):
        if path.is_file():
            assert secret not in path.read_bytes()
            assert pem.splitlines()[1] not in path.read_bytes()


@pytest.mark.parametrize("name", ["WS1.key.pem", "WS1.crt.pem", "WS1.ca.pem"])
def test_nothing_is_written_over(home: Any, run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    ran = run("ae", "add", "WS1", "--issue-certificate", tmp_path)
    assert (ran.code, "there already" in ran.err) == (1, True)
    assert (tmp_path / name).read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {name}
    assert run("ae", "list", "--json").json == []


def test_a_failure_leaves_no_files(home: Any, run: Run, tmp_path: Path) -> None:
    run("ae", "add", "WS1@127.0.0.1:104")
    ran = run("ae", "add", "WS1", "--issue-certificate", tmp_path / "ws1")
    assert (ran.code, "already" in ran.err) == (1, True)
    assert list((tmp_path / "ws1").iterdir()) == []
    ran = run("ae", "renew", "NOBODY", "--issue-certificate", tmp_path / "ws1")
    assert (ran.code, "no AE" in ran.err) == (1, True)
    assert list((tmp_path / "ws1").iterdir()) == []


def test_a_title_cannot_lead_out_of_the_folder(home: Any, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    assert run("ae", "add", "../../x y", "--issue-certificate", folder).code == 0
    assert {path.name for path in folder.iterdir()} == {
        "______x_y.crt.pem",
        "______x_y.key.pem",
        "______x_y.ca.pem",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"user", "in"}


def test_a_lost_key_is_said_and_can_be_made_anew(
    home: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device", str(self))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        ran = run("ae", "add", "WS1", "--issue-certificate", tmp_path / "ws1")
    assert (ran.code, "leadglass ae renew WS1" in ran.err) == (1, True)
    assert list((tmp_path / "ws1").iterdir()) == []
    assert run("ae", "renew", "WS1", "--issue-certificate", tmp_path / "ws1").code == 0
    certificate = der(tmp_path / "ws1" / "WS1.crt.pem")
    assert identify(home, "WS1", "192.0.2.7", certificate, Via.DIMSE) is not None


def test_a_certificate_that_is_there_already(home: Any, run: Run, tmp_path: Path) -> None:
    run("ae", "add", "A", "--issue-certificate", tmp_path / "a")
    file = tmp_path / "a" / "A.crt.pem"
    ran = run("ae", "add", "B", "--certificate", file, "--json")
    assert (ran.code, ran.json["files"]) == (0, {})
    assert identify(home, "B", "192.0.2.7", der(file), Via.DIMSE).ae.title == "B"
    ran = run("ae", "add", "C", "--certificate", tmp_path / "a" / "A.key.pem")
    assert (ran.code, "private key" in ran.err) == (1, True)
    ran = run("ae", "add", "C", "--certificate", tmp_path / "none")
    assert (ran.code, "none" in ran.err) == (1, True)
    assert {ae["title"] for ae in run("ae", "list", "--json").json} == {"A", "B"}


def test_renewing_ends_the_certificate_before(home: Any, run: Run, tmp_path: Path) -> None:
    run("ae", "add", "WS1", "--issue-certificate", tmp_path / "old")
    ran = run("ae", "renew", "WS1", "--issue-certificate", tmp_path / "new", "--json")
    assert ran.json["files"]["key"] == str(tmp_path / "new" / "WS1.key.pem")
    old, new = (der(tmp_path / name / "WS1.crt.pem") for name in ("old", "new"))
    assert identify(home, "WS1", "", old, Via.DIMSE) is None
    assert identify(home, "WS1", "", new, Via.DIMSE) is not None


def test_the_list(home: Any, run: Run, tmp_path: Path) -> None:
    assert "leadglass ae add" in run("ae", "list").err
    run("ae", "add", "WS1@ws1.example.org:2762", "--issue-certificate", tmp_path, "--allow", "get,find")
    run("ae", "add", "CT1@192.0.2.0/28", "--receive-only", "--reason", "old", "--department", "Cardiology")
    run("ae", "add", "PACS2@[::1]:104")
    rows = run("ae", "list", "--json").json
    assert all(row.pop("created").endswith("Z") for row in rows)
    workstation = rows.pop()
    assert len(workstation.pop("certificate_sha256")) == 64
    assert workstation.pop("certificate_expires").endswith("Z")
    empty = {"certificate_sha256": None, "certificate_expires": None}
    assert workstation == {
        "title": "WS1", "receive_only": False, "addresses": [], "allow": ["find", "get"], "department": "default",
        "host": "ws1.example.org", "port": 2762, "tls": True, "reason": None,
    }  # fmt: skip
    assert rows == [
        {"title": "CT1", "receive_only": True, "addresses": ["192.0.2.0/28"], "allow": ["store"],
         "department": "Cardiology", "host": None, "port": None, "tls": False, "reason": "old", **empty},
        {"title": "PACS2", "receive_only": False, "addresses": [], "allow": [], "department": "default",
         "host": "::1", "port": 104, "tls": False, "reason": None, **empty},
    ]  # fmt: skip
    text = run("ae", "list").out
    for shown in ("192.0.2.0/28", "[::1]:104 plain", "ws1.example.org:2762 TLS", "until 20", "Cardiology"):
        assert shown in text


def test_a_removed_ae_is_nobody(home: Any, run: Run) -> None:
    run("ae", "add", "CT1", "--receive-only")
    assert identify(home, "CT1", "127.0.0.1", None, Via.RECEIVE) is not None
    assert run("ae", "remove", "CT1", "--json").json == {"title": "CT1", "removed": True}
    assert identify(home, "CT1", "127.0.0.1", None, Via.RECEIVE) is None
    assert run("ae", "remove", "CT1").code == 1
    assert run("ae", "add", "CT1", "--receive-only").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("WS1",),
        ("WS1@192.0.2.7", "--issue-certificate", "x"),
        ("CT1@192.0.2.7", "--receive-only"),
        ("CT1", "--receive-only", "--allow", "find"),
        ("CT1", "--receive-only", "--issue-certificate", "x"),
        ("CT1", "--issue-certificate", "x", "--certificate", "x"),
        ("PACS2@192.0.2.9:104",),
        ("PACS2@127.0.0.1:104", "--allow", "store"),
        ("WS1", "--issue-certificate", "x", "--allow", "everything"),
        ("a\\b", "--receive-only"),
    ],
)
def test_what_does_not_fit_is_wrong_use_and_changes_nothing(
    home: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("ae", "add", *arguments).code == 2
    assert run("ae", "list", "--json").json == []
    assert {path.name for path in tmp_path.iterdir()} == {"user"}


def test_the_authority_is_what_issued_certificates_lead_to(home: Any, run: Run, tmp_path: Path) -> None:
    first = run("ae", "authority").out
    run("ae", "add", "WS1", "--issue-certificate", tmp_path)
    assert (
        (tmp_path / "WS1.ca.pem").read_text() == first == run("ae", "authority", "--json").json["certificate"]
    )
    authority = x509.load_pem_x509_certificate(first.encode())
    x509.load_pem_x509_certificate((tmp_path / "WS1.crt.pem").read_bytes()).verify_directly_issued_by(
        authority
    )


def test_every_change_is_on_the_record_and_found_by_title(home: Any, run: Run, tmp_path: Path) -> None:
    run("ae", "add", "WS1", "--issue-certificate", tmp_path / "a")
    run("ae", "renew", "WS1", "--issue-certificate", tmp_path / "b")
    run("ae", "remove", "WS1")
    actions = [entry["action"] for entry in reversed(run("log", "show", "--json").json)]
    assert actions == ["tls.authority", "ae.add", "ae.certificate", "ae.certificate", "ae.remove"]
    assert run("log", "show", "--user", "WS1", "--json").json == []
    assert run("log", "show", "--user", "ae:1", "--json").code == 0
    assert run("log", "show", "--user", "WS2").code == 2


def test_acting_as_somebody_without_the_right(home: Any, run: Run, tmp_path: Path) -> None:
    run("user", "add", "dr.roth", "--role", "radiologist")
    for command in (
        ("list",), ("add", "CT1", "--receive-only"), ("remove", "CT1"), ("authority",),
        ("renew", "CT1", "--issue-certificate", tmp_path / "x"),
    ):  # fmt: skip
        ran = run("ae", *command, "--as", "dr.roth")
        assert (ran.code, ran.out, "right" in ran.err) == (1, "", True), command
    assert run("ae", "list", "--json").json == []
