"""The client commands against DCMTK: dcmqrscp to ask and to fetch from, storescp to send to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))  # helpers for other people's programs

from interop_programs import dcmqrscp, free_port, storescp

FILES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "MR_small_implicit.dcm", "ExplVR_BigEnd.dcm")


@dataclass(frozen=True)
class Archive:
    port: int
    here: int  # where it believes LEADGLASS to listen

    @property
    def ae(self) -> str:
        return f"QRSCP@127.0.0.1:{self.port}"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    here = free_port()
    with dcmqrscp(tmp_path / "dcmtk", ("LEADGLASS", here)) as made:
        yield Archive(made.port, here)


@pytest.fixture
def images() -> list[str]:
    found = [get_testdata_file(name) for name in FILES]
    assert all(found)
    return [str(name) for name in found]


def test_sent_found_and_fetched(
    run: Callable[..., Any], archive: Archive, images: list[str], home: object
) -> None:
    assert run("echo", archive.ae, "--json").json["implementation"].startswith("OFFIS_DCMTK")
    sent = run("send", archive.ae, *images, "--json")
    assert sent.json["sent"] == len(images), sent.out
    studies = {row["0020000D"]["Value"][0] for row in run("find", archive.ae, "--json").json}
    assert studies == {str(dcmread(name).StudyInstanceUID) for name in images}
    (ct,) = run("find", archive.ae, "--name", "CompressedSamples^CT1", "--json").json
    said = run("retrieve", archive.ae, "--study", ct["0020000D"]["Value"][0])
    assert said.code == 0 and said.out.startswith("1 image stored"), said.err


def test_migrated_by_c_get(
    run: Callable[..., Any], archive: Archive, images: list[str], home: object
) -> None:
    """dcmqrscp counts no images of a study: they are listed."""
    run("send", archive.ae, *images)
    told = run("migrate", archive.ae, "--rate", "500", "--json").json
    uids = {str(dcmread(name).SOPInstanceUID) for name in images}
    assert told["complete"] and told["images_stored"] == len(uids)
    again = run("migrate", archive.ae, "--json").json
    assert again["complete"] and again["images_stored"] == again["images_already_here"] == 0


def test_migrated_by_c_move(
    run: Callable[..., Any], start: Callable[..., Any], archive: Archive, images: list[str], home: object
) -> None:
    run("send", archive.ae, *images)
    assert run("ae", "add", "QRSCP", "--receive-only").code == 0
    server = start("serve", "--http", "127.0.0.1:0", "--dicom", f"127.0.0.1:{archive.here}")
    server.until("receive-only")
    told = run("migrate", archive.ae, "--move", "--json")
    assert told.code == 0, told.out + told.err
    uids = {str(dcmread(name).SOPInstanceUID) for name in images}
    assert told.json["complete"] and told.json["images_moved"] == len(uids)
    server.stop()


def test_what_storescp_gets_is_what_was_sent(
    run: Callable[..., Any], place: object, images: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "received"
    images = [name for name in images if "MR_small_implicit" not in name]  # another of the same UID
    with storescp(folder) as made:
        said = run("send", f"STORESCP@127.0.0.1:{made.port}", *images, "--json")
        assert said.json["sent"] == len(images), said.out
    arrived = {dcmread(path).SOPInstanceUID: dcmread(path) for path in folder.iterdir()}
    for name in images:
        original = dcmread(name)
        received = arrived[original.SOPInstanceUID]
        assert received.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
        assert received == original


def test_a_title_that_dcmqrscp_does_not_serve(
    run: Callable[..., Any], archive: Archive, place: object
) -> None:
    said = run("echo", f"NOBODY@127.0.0.1:{archive.port}")
    assert said.code == 1 and "NOBODY is not what it calls itself" in said.err
