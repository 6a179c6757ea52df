"""dcmjs-dimse, both ways, plain and TLS; a user it names inside TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from interop_archive import SCANNER, STATION, TITLE, USER, VIEWER, Archive
from interop_images import Images
from interop_programs import dcmjs, dcmjs_scp, free_port

SUCCESS = 0


def asked(archive: Archive, door: str, operation: str, **more: Any) -> dict[str, Any]:
    who = {"port": archive.plain, "calling": SCANNER}
    if door == "tls":
        calling = more.pop("calling", STATION)
        who = {"port": archive.tls, "calling": calling, "tls": str(archive.identities[calling])}
    return dcmjs(operation, called=TITLE, **who, **more)


BOTH = pytest.mark.parametrize("door", ["plain", "tls"])


@BOTH
def test_it_echoes(archive: Archive, door: str) -> None:
    found = asked(archive, door, "echo")
    assert (found["statuses"], found["failed"]) == ([SUCCESS], None)


@BOTH
def test_it_stores(archive: Archive, images: Images, door: str) -> None:
    sent = images.slices(3)
    found = asked(archive, door, "store", files=[str(each.path) for each in sent])
    assert (found["statuses"], found["failed"]) == ([SUCCESS] * 3, None)
    for each in sent:
        assert archive.dataset(each.instance).PixelData in each.data_set


def test_it_finds(archive: Archive, images: Images) -> None:
    asked(archive, "plain", "store", files=[str(each.path) for each in images.slices(1)])
    found = asked(archive, "tls", "find", keys={"PatientID": images.patient, "StudyInstanceUID": ""})
    assert [row["StudyInstanceUID"] for row in found["datasets"]] == [images.study]


def test_it_gets(archive: Archive, images: Images) -> None:
    sent = images.slices(3)
    asked(archive, "plain", "store", files=[str(each.path) for each in sent])
    found = asked(archive, "tls", "get", study=images.study)
    assert sorted(found["stored"]) == sorted(each.instance for each in sent)
    assert found["statuses"][-1] == SUCCESS


@pytest.mark.parametrize("secured", [False, True])
def test_it_has_images_moved_to_its_own_scp(archive: Archive, images: Images, secured: bool) -> None:
    sent, port = images.slices(3), free_port()
    asked(archive, "plain", "store", files=[str(each.path) for each in sent])
    title, more = f"DCMJS{secured:d}", {}
    if secured:
        more["tls"] = str(archive.introduce(f"{title}@localhost:{port}"))
    else:
        archive.answer("ae", "add", f"{title}@127.0.0.1:{port}")
    with dcmjs_scp(port=port, **more) as peer:
        found = asked(archive, "tls", "move", study=images.study, destination=title)
        assert found["statuses"][-1] == SUCCESS
        peer.says('"asked":"store"', 3)
        for each in sent:
            peer.says(each.instance)


def test_the_receive_only_listener_shows_it_nothing(archive: Archive, images: Images) -> None:
    asked(archive, "plain", "store", files=[str(each.path) for each in images.slices(1)])
    found = asked(archive, "plain", "find", keys={"PatientID": images.patient, "StudyInstanceUID": ""})
    assert found["datasets"] == []


def test_a_token_inside_tls_makes_it_the_user(archive: Archive, images: Images) -> None:
    """The viewer's AE may not store; that does not change with who sits at it."""
    sent = images.slices(1)
    asked(archive, "plain", "store", files=[str(each.path) for each in sent])
    named = {"user": USER, "token": archive.token, "calling": VIEWER}
    found = asked(archive, "tls", "find", keys={"PatientID": images.patient, "StudyInstanceUID": ""}, **named)
    assert [row["StudyInstanceUID"] for row in found["datasets"]] == [images.study]
    refused = asked(archive, "tls", "find", keys={"PatientID": "*"}, **(named | {"token": "wrong"}))
    assert refused["failed"]
    assert refused["datasets"] == []


# --- our commands call it --------------------------------------------------------------------------------------


def test_our_commands_call_it(archive: Archive, images: Images) -> None:
    sent = images.slices(2)
    with dcmjs_scp() as peer:
        there = f"DCMJS@127.0.0.1:{peer.port}"
        assert archive.command("echo", there).status == 0
        said = archive.command("send", there, images.folder)
        assert said.status == 0, said.text
        peer.says('"asked":"store"', len(sent))
        assert "1.2.3" in str(archive.answer("find", there))


def test_our_commands_call_it_over_tls(archive: Archive, images: Images, tmp_path: Path) -> None:
    images.slices(1)
    port = free_port()
    own = archive.introduce(f"JSVAULT@localhost:{port}")
    with dcmjs_scp(port=port, tls=str(own)) as peer:
        assert archive.command("echo", "JSVAULT").status == 0
        assert archive.command("send", "JSVAULT", images.folder).status == 0
        peer.says('"asked":"store"')
