"""echo, find, retrieve, send and migrate as people type them, against somebody else's archive."""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from pydicom import dcmwrite

sys.path.insert(
    0, str(Path(__file__).parents[1] / "transfer")
)  # helpers beside the tests of what is tested here

from pacs import FIND, GET, MOVE, Pacs, image

from leadglass.access.certificates import found_authority, issue_to_ae
from leadglass.cli import find as finding
from leadglass.net.tls import server_context


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    images = [
        image(1, 1, 1),
        image(1, 1, 2),
        image(2, PatientName="Müller^Ä", SpecificCharacterSet="ISO_IR 192"),
    ]
    with Pacs(images).running() as made:
        yield made


def record(run: Callable[..., Any], action: str) -> list[dict[str, Any]]:
    """Newest first."""
    return list(run("log", "show", "--action", action, "--json").json)


# --- echo -------------------------------------------------------------------------------------------------


def test_echo(run: Callable[..., Any], pacs: Pacs, place: object) -> None:
    said = run("echo", pacs.ae)
    assert said.code == 0 and said.out.startswith(f"{pacs.ae} answers LEADGLASS: ")
    told = run("echo", pacs.ae, "--calling", "ME", "--count", "3", "--json").json
    assert (told["calling"], told["tls"], len(told["answered_ms"])) == ("ME", False, 3)
    assert pacs.callers == ["LEADGLASS", "ME", "ME", "ME"]


def test_nobody_there_is_status_1(run: Callable[..., Any], place: object) -> None:
    with Pacs([]).running() as gone:
        pass
    said = run("echo", gone.ae)
    assert said.code == 1 and "cannot be reached" in said.err and not said.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("echo", "PACS@"),
        ("echo", "PACS@host:port"),
        ("echo", "PACS@localhost:104", "--calling", "much too long for a title"),
        ("echo", "PACS@localhost:104", "--certificate", "x.pem"),
        ("echo", "PACS@localhost:104", "--tls", "--plaintext"),
        ("echo", "PACS", "--tls"),
        ("find", "PACS@localhost:104", "--level", "nonsense"),
        ("find", "PACS@localhost:104", "--date", "yesterday"),
        ("find", "PACS@localhost:104", "--date", "2026-13-01"),
        ("find", "PACS@localhost:104", "--date", "2026-02-30.."),
        ("find", "PACS@localhost:104", "--date", "2026-02-01..2026-01-31"),
        ("find", "PACS@localhost:104", "-k", "NoSuchKeyword=1"),
        ("retrieve", "PACS@localhost:104"),
        ("retrieve", "PACS@localhost:104", "--study", "1.2", "--patient", "x"),
        ("retrieve", "PACS@localhost:104", "--study", "x"),
        ("retrieve", "PACS@localhost:104", "--study", "1.2", "--study", "1.3", "--series", "1.4"),
        ("retrieve", "PACS@localhost:104", "--study", "1.2", "--instance", "1.4"),
        ("retrieve", "PACS@localhost:104", "--study", "1.2", "--rate", "fast"),
        ("send", "PACS@localhost:104"),
        ("send", "PACS@localhost:104", "a.dcm", "--study", "1.2"),
        ("send", "PACS@localhost:104", "--study", "1.2.a"),
        ("migrate", "PACS@localhost:104", "--hours", "20"),
        ("migrate", "PACS@localhost:104", "--since", "2026"),
        ("migrate", "PACS@localhost:104", "--cap", "0"),
    ],
)
def test_wrong_use(run: Callable[..., Any], home: object, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code == 2


@pytest.mark.parametrize("command", ["echo", "find", "retrieve --study 1.2", "send --study 1.2", "migrate"])
def test_plaintext_to_another_machine_is_refused(run: Callable[..., Any], home: object, command: str) -> None:
    name, *more = command.split()
    said = run(name, "PACS@192.0.2.7:104", *more)
    assert said.code == 1 and "--plaintext" in said.err


def test_an_ae_nobody_knows(run: Callable[..., Any], home: object) -> None:
    said = run("find", "NOBODY")
    assert said.code == 1 and "leadglass ae add NOBODY@" in said.err


def test_an_ae_that_does_not_listen(run: Callable[..., Any], home: object) -> None:
    assert run("ae", "add", "CT1", "--receive-only").code == 0
    said = run("echo", "CT1")
    assert said.code == 1 and "CT1 is known, but not where it listens" in said.err


@contextmanager
def listening(answers: bytes) -> Iterator[int]:
    """Somebody who says the same to everybody, whatever they want."""
    with socket.create_server(("127.0.0.1", 0)) as made:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = made.accept()
                    with peer:
                        peer.recv(4096)
                        peer.sendall(answers)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield made.getsockname()[1]
        finally:
            made.shutdown(socket.SHUT_RDWR)
            thread.join(20)


WRONG_PORTS = {
    "a web server": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "a mail server": b"220 mail.example.org ESMTP\r\n",
    "a TLS alert": b"\x15\x03\x03\0\x02\x02\x28",
}


@pytest.mark.parametrize("command", ["echo", "find", "migrate"])
@pytest.mark.parametrize("who", WRONG_PORTS)
def test_what_does_not_speak_dicom_is_said_to_be_the_wrong_port(
    run: Callable[..., Any], home: object, who: str, command: str
) -> None:
    with listening(WRONG_PORTS[who]) as port:
        said = run(command, f"PACS@127.0.0.1:{port}")
    assert said.code == 1 and not said.out
    assert f"PACS@127.0.0.1:{port}: what answers there does not speak DICOM, or wants TLS" in said.err
    assert "Is it the right port?" in said.err


def test_tls_where_there_is_none_is_explained(run: Callable[..., Any], pacs: Pacs, place: object) -> None:
    with listening(WRONG_PORTS["a web server"]) as port:
        said = run("echo", f"PACS@127.0.0.1:{port}", "--tls")
    assert said.code == 1 and "leave TLS out" in said.err


@pytest.fixture
def ours(place: Any) -> dict[str, str]:
    """Files of a certificate and its key, of another's key, and of a key with a passphrase."""
    authority = found_authority(int(time()) * 1000)
    pairs = [issue_to_ae(authority, title, "localhost", int(time()) * 1000) for title in ("ONE", "TWO")]
    locked = pairs[0].key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    texts = {
        "ca": authority.certificate_pem,
        "certificate": pairs[0].certificate_pem,
        "key": pairs[0].key_pem,
        "other key": pairs[1].key_pem,
        "locked key": locked.decode(),
    }
    paths = {name: place.user / f"{name.replace(' ', '-')}.pem" for name in texts}
    for name, path in paths.items():
        path.write_text(texts[name])
        path.chmod(0o600)
    return {name: str(path) for name, path in paths.items()}


@pytest.mark.parametrize("key", ["other key", "locked key"])
def test_a_key_that_does_not_open_is_said_to_be_the_reason(
    run: Callable[..., Any], ours: dict[str, str], key: str
) -> None:
    files = ("--certificate", ours["certificate"], "--key", ours[key], "--ca", ours["ca"])
    said = run("echo", "PACS@127.0.0.1:1", *files)
    assert said.code == 1
    assert "have to belong together" in said.err and "passphrase" in said.err


def test_a_certificate_it_does_not_know_is_said_to_be_the_reason(
    run: Callable[..., Any], ours: dict[str, str]
) -> None:
    """In TLS 1.3 the other side looks at ours after our handshake is done, and closes."""
    context = server_context(
        Path(ours["certificate"]).read_text(),
        Path(ours["key"]).read_text(),
        [found_authority(0).certificate_pem],
    )
    with socket.create_server(("127.0.0.1", 0)) as made:

        def serve() -> None:
            with suppress(OSError), context.wrap_socket(made.accept()[0], server_side=True) as peer:
                peer.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        files = ("--certificate", ours["certificate"], "--key", ours["key"], "--ca", ours["ca"])
        said = run("echo", f"PACS@localhost:{made.getsockname()[1]}", *files)
        thread.join(20)
    assert said.code == 1 and "certificate" in said.err and "--tls" not in said.err


# --- find -------------------------------------------------------------------------------------------------


def test_find_lists_studies(run: Callable[..., Any], pacs: Pacs, place: object) -> None:
    said = run("find", pacs.ae)
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split() == [
        "Date",
        "Name",
        "Patient",
        "ID",
        "Modalities",
        "Description",
        "Images",
        "Study",
    ]
    assert "2026-01-31" in lines[2] and "Test^1" in lines[2] and lines[2].split()[-2:] == ["2", "1.2.1"]
    assert "Müller^Ä" in lines[3]


def test_find_in_json_is_the_dicom_json_model(run: Callable[..., Any], pacs: Pacs, place: object) -> None:
    rows = run("find", pacs.ae, "--name", "Müller", "--json").json
    assert [row["0020000D"]["Value"] for row in rows] == [["1.2.2"]]
    assert rows[0]["00100010"]["Value"] == [{"Alphabetic": "Müller^Ä"}]
    assert run("find", pacs.ae, "--patient", "nobody", "--json").json == []


def test_find_asks_for_what_is_meant(run: Callable[..., Any], pacs: Pacs, place: object) -> None:
    run("find", pacs.ae, "--name", "Test", "--patient", "P-*", "--date", "2026-01-01..2026-02-01", "--modality", "CT",
        "--accession", "7", "-k", "StudyID", "-k", "ReferringPhysicianName=Who*")  # fmt: skip
    sent = pacs.asked[-1]
    assert (str(sent.PatientName), sent.PatientID, sent.StudyDate) == ("Test*", "P-*", "20260101-20260201")
    assert (sent.ModalitiesInStudy, sent.AccessionNumber, sent.StudyID) == ("CT", "7", "")
    assert str(sent.ReferringPhysicianName) == "Who*"


def test_find_below_the_study(run: Callable[..., Any], pacs: Pacs, place: object) -> None:
    said = run("find", pacs.ae, "--level", "series", "--study", "1.2.1", "-k", "SeriesNumber")
    assert "1.2.1.1" in said.out
    said = run("find", pacs.ae, "--level", "image", "--study", "1.2.1", "--series", "1.2.1.1", "-k", "Rows")
    assert "CT Image Storage" in said.out and said.out.count("1.2.1.1.") == 2
    assert "Rows" in said.out and " 8" in said.out


def test_find_nothing(run: Callable[..., Any], pacs: Pacs, place: object) -> None:
    said = run("find", pacs.ae, "--patient", "nobody")
    assert (said.code, said.out) == (0, "") and "No study matches" in said.err


def test_find_stops_when_it_is_enough(run: Callable[..., Any], pacs: Pacs, place: object) -> None:
    said = run("find", pacs.ae, "--limit", "1", "--json")
    assert len(said.json) == 1 and "There are more" in said.err


def test_find_says_when_the_other_side_has_had_enough(run: Callable[..., Any], place: object) -> None:
    with Pacs([image(1), image(2)], cap=1, manner="cancel").running() as pacs:
        said = run("find", pacs.ae, "--json")
    assert (said.code, len(said.json)) == (0, 1) and "the other side's limit" in said.err


def test_find_that_is_not_answered_does_not_say_that_nothing_matches(
    run: Callable[..., Any], home: object
) -> None:
    with Pacs([image()]).running(classes=GET) as pacs:
        said = run("find", pacs.ae)
    assert (said.code, said.out) == (1, "")
    assert "does not offer queries" in said.err and "matches" not in said.err


@pytest.mark.parametrize("json_", [True, False])
def test_find_that_fails_shows_what_came_and_why(run: Callable[..., Any], place: object, json_: bool) -> None:
    with Pacs([image(1), image(2)], cap=1, manner="fail").running() as pacs:
        said = run("find", pacs.ae, *(["--json"] if json_ else []))
    assert said.code == 1 and "C001h" in said.err
    assert "1.2.1" in said.out and "1.2.2" not in said.out
    if json_:
        assert len(json.loads(said.out)) == 1


def test_names_cannot_steer_the_terminal(run: Callable[..., Any], place: object) -> None:
    with Pacs([image(1, StudyDescription="\x1b]0;owned\x07", PatientName="A\x1b[2J")]).running() as pacs:
        said = run("find", pacs.ae)
    assert "\x1b" not in said.out and "\x07" not in said.out


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("2026-01-31", "20260131"),
        ("20260131", "20260131"),
        ("2026-01-01..2026-01-31", "20260101-20260131"),
        ("20260101-20260131", "20260101-20260131"),
        ("2026-01-01..", "20260101-"),
        ("..2026-01-31", "-20260131"),
    ],
)
def test_days(typed: str, sent: str) -> None:
    assert finding._days(typed) == sent


def test_asking_in_the_archives_name_is_on_its_record(
    run: Callable[..., Any], pacs: Pacs, home: object
) -> None:
    host, port = "127.0.0.1", pacs.port
    added = run(
        "ae",
        "add",
        f"PACS@{host}:{port}",
        "--allow",
        "none",
        "--issue-certificate",
        str(home.user / "k"),
        "--plain",
    )  # type: ignore[attr-defined]
    assert added.code == 0, added.err
    assert run("find", "PACS", "--name", "Secret").code == 0
    (entry,) = record(run, "remote.search")
    assert entry["detail"] == {"to": pacs.ae, "level": "study", "keys": "PatientName"}
    assert "Secret" not in json.dumps(entry)


# --- retrieve ---------------------------------------------------------------------------------------------


def test_retrieve(run: Callable[..., Any], pacs: Pacs, home: object) -> None:
    said = run("retrieve", pacs.ae, "--study", "1.2.1", "--study", "1.2.2")
    assert said.code == 0, said.err
    assert said.out.startswith("3 images stored (")
    again = run("retrieve", pacs.ae, "--patient", "P-1", "--rate", "1000", "--json").json
    assert (again["stored"], again["duplicates"], again["stopped"]) == (0, 2, None)
    assert run("status", "--json").json["instances"] == 3
    stores = record(run, "object.store")
    assert {entry["detail"]["source"] for entry in stores} == {"C-GET from PACS"}


def test_retrieve_that_lacks_something_is_status_1(run: Callable[..., Any], home: object) -> None:
    with Pacs([image(1, 1, 1), image(1, 1, 2)], losing={"1.2.1.1.2"}).running() as pacs:
        said = run("retrieve", pacs.ae, "--study", "1.2.1")
    assert said.code == 1
    assert "1 image stored, 1 not sent by the other side" in said.out


def test_retrieve_of_what_is_not_there_is_status_1(run: Callable[..., Any], pacs: Pacs, home: object) -> None:
    said = run("retrieve", pacs.ae, "--study", "1.2.1", "--study", "1.2.99")
    assert said.code == 1
    assert "2 images stored" in said.out and "Nothing of 1.2.99: the other side has none" in said.err
    told = run("retrieve", pacs.ae, "--patient", "nobody", "--json")
    assert (told.code, told.json["nothing_of"]) == (1, ["nobody"])


def test_retrieve_by_move_needs_the_server(run: Callable[..., Any], pacs: Pacs, home: object) -> None:
    said = run("retrieve", pacs.ae, "--study", "1.2.1", "--move")
    assert said.code == 1 and "leadglass serve" in said.err


def test_an_archive_without_c_get_is_explained(run: Callable[..., Any], home: object) -> None:
    with Pacs([image()]).running(classes=(*FIND, *MOVE)) as pacs:
        said = run("retrieve", pacs.ae, "--study", "1.2.1")
    assert said.code == 1 and "C-GET" in said.err and "--move" in said.err


# --- send -------------------------------------------------------------------------------------------------


def written(folder: Path, *numbers: int) -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        data = image(7, 1, number)
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        out = io.BytesIO()
        dcmwrite(out, data, enforce_file_format=True)
        (folder / f"{number}.dcm").write_bytes(out.getvalue())
    return folder


def test_send_files_needs_no_home(run: Callable[..., Any], place: object, tmp_path: Path) -> None:
    folder = written(tmp_path / "images", 1, 2, 3)
    (folder / "notes.txt").write_text("no image")
    with Pacs([]).running() as pacs:
        said = run("send", pacs.ae, folder)
        assert said.code == 1
        assert "3 images sent, 1 not sent" in said.out and "notes.txt" in said.out
        (folder / "notes.txt").unlink()
        told = run("store", pacs.ae, folder, "--json")
    assert told.code == 0 and told.json["sent"] == 3
    assert len(pacs.received) == 6


def test_more_files_than_may_be_open(
    run: Callable[..., Any], place: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadglass.cli.send.BATCH", 2)
    folder = written(tmp_path / "images", *range(1, 6))
    with Pacs([]).running() as pacs:
        assert run("send", pacs.ae, folder, "--json").json["sent"] == 5


def test_send_a_study(run: Callable[..., Any], home: object, inbox: Path) -> None:
    written(inbox, 1, 2)
    assert run("import", inbox).code == 0
    assert run("user", "add", "dr.roth", "--role", "radiologist").code == 0
    with Pacs([]).running() as pacs:
        denied = run("send", pacs.ae, "--study", "1.2.7")
        assert denied.code == 1 and "--as USER" in denied.err and not pacs.received
        said = run("send", pacs.ae, "--study", "1.2.7", "--as", "dr.roth")
        assert said.code == 0, said.err
        assert said.out.startswith("2 images sent")
        absent = run("send", pacs.ae, "--study", "1.2.8", "--as", "dr.roth")
        assert absent.code == 1 and "no such study" in absent.err
    assert sorted(data.SOPInstanceUID for data in pacs.received) == ["1.2.7.1.1", "1.2.7.1.2"]
    entries = record(run, "study.send")
    assert [entry["outcome"] for entry in entries] == [
        "denied",
        "allowed",
        "denied",
    ]  # absent, sent, no right
    sent = entries[1]
    assert sent["detail"]["to"] == pacs.ae and sent["studies"] == ["1.2.7"]
    assert sent["counts"]["instances"] == 2


def test_a_receive_only_ae_is_sent_nothing(run: Callable[..., Any], home: object, inbox: Path) -> None:
    written(inbox, 1)
    run("import", inbox)
    run("user", "add", "dr.roth", "--role", "radiologist")
    with Pacs([]).running() as pacs:
        added = run(
            "ae", "add", f"PACS@127.0.0.1:{pacs.port}", "--receive-only", "--allow", "store,commitment"
        )
        assert added.code == 0, added.err
        assert run("echo", "PACS").code == 0
        said = run("send", "PACS", "--study", "1.2.7", "--as", "dr.roth")
        assert said.code == 1 and "receive-only" in said.err
    assert not pacs.received


def test_a_known_ae_is_sent_its_own_departments_studies(
    run: Callable[..., Any], home: object, inbox: Path, tmp_path: Path
) -> None:
    written(inbox, 1)
    run("import", inbox, "--department", "Radiology")
    run("user", "add", "dr.roth", "--role", "radiologist", "--department", "Radiology")
    with Pacs([], title="MINE").running() as mine, Pacs([], title="OTHERS").running() as others:
        for pacs, department in ((mine, "Radiology"), (others, "Surgery")):
            place = f"{pacs.title}@127.0.0.1:{pacs.port}"
            files = ("--issue-certificate", tmp_path / pacs.title, "--plain", "--allow", "none")
            added = run("ae", "add", place, "--department", department, *files)
            assert added.code == 0, added.err
        assert run("send", "OTHERS", "--study", "1.2.7", "--as", "dr.roth").code == 1
        assert run("send", "MINE", "--study", "1.2.7", "--as", "dr.roth").code == 0
    assert (len(mine.received), len(others.received)) == (1, 0)
    assert [entry["detail"]["to"] for entry in record(run, "study.send")] == ["MINE", "OTHERS"]


# --- migrate ----------------------------------------------------------------------------------------------


def test_migrate(run: Callable[..., Any], home: object) -> None:
    images = [
        image(n, 1, k, PatientID=str(n), StudyDate=f"202501{n:02}") for n in range(1, 16) for k in (1, 2)
    ]
    with Pacs(images, cap=10, losing={"1.2.3.1.2"}).running() as pacs:
        said = run("migrate", pacs.ae)
        assert said.code == 1
        assert "14 of 15 studies agree. 29 images brought in" in said.out
        row = next(line.split() for line in said.out.splitlines() if line.startswith("1.2.3 "))
        assert row[:5] == ["1.2.3", "2", "1", "fewer", "here"]
        pacs.losing.clear()
        told = run("migrate", pacs.ae, "--json")
    assert told.code == 0
    assert (told.json["complete"], told.json["images_stored"], told.json["differing"]) == (True, 1, [])


def test_migrate_some_days_only(run: Callable[..., Any], home: object) -> None:
    images = [image(n, PatientID=str(n), StudyDate=f"202501{n:02}") for n in range(1, 9)]
    with Pacs(images).running() as pacs:
        told = run("migrate", pacs.ae, "--since", "2025-01-03", "--until", "2025-01-05", "--json").json
    assert (told["studies"], told["images_stored"]) == (3, 3)


def test_migrate_that_cannot_go_on_says_how_to(run: Callable[..., Any], home: object) -> None:
    with Pacs([image()]).running(callers=["SOMEBODY"]) as pacs:
        said = run("migrate", pacs.ae)
    assert said.code == 1 and "add LEADGLASS" in said.err and "goes on from here" in said.err
    assert "agree" not in said.out  # nothing was compared


def test_migrate_from_one_that_answers_no_queries_is_not_told_to_move(
    run: Callable[..., Any], home: object
) -> None:
    with Pacs([image()]).running(classes=GET) as pacs:
        said = run("migrate", pacs.ae)
    assert said.code == 1 and "does not offer queries" in said.err and "server runs" not in said.err
