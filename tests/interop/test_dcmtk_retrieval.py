"""DCMTK's getscu and movescu. Debian's know no TLS and come through `leadglass connect`, storescp knows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import interop_archive
import pytest
from interop_archive import SCANNER, TITLE, Archive
from interop_images import Image, Images, data_set_of
from interop_programs import Said, dcmtk, free_port, run, storescp

WORKSTATION, SECURE = "DCMTK", "STORETLS"


@dataclass(frozen=True)
class Site:
    """`own` is where the workstation listens, `secure` where somebody else does, with TLS; `archive_at` is where
    the workstation calls the archive."""

    archive: Archive
    own: int
    secure: int
    archive_at: int

    def store(self, images: Images) -> list[Image]:
        sent = images.slices(3)
        said = run(
            dcmtk("storescu"), "-aet", SCANNER, "-aec", TITLE, "localhost", self.archive.plain,
            *(each.path for each in sent),
        )  # fmt: skip
        assert said.status == 0, said.text
        return sent

    def ask(self, name: str, into: Path, *words: object, keys: dict[str, str]) -> Said:
        """Run in the folder `into`: with +B, movescu writes there whatever -od says."""
        asked = [word for key, value in keys.items() for word in ("-k", f"{key}={value}")]
        into.mkdir(exist_ok=True)
        command = [dcmtk(name), "-v", "-aet", WORKSTATION, "-aec", TITLE, *words, *asked]
        return run(*command, "localhost", self.archive_at, cwd=into)


@pytest.fixture(scope="module")
def site(_cheap: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    own, secure = free_port(), free_port()
    known = [
        (f"{WORKSTATION}@127.0.0.1:{own}", {"certified": True, "plain": True, "allow": "find,get,move"}),
        (f"{SECURE}@localhost:{secure}", {"certified": True, "allow": "none"}),
    ]
    with (
        interop_archive.archive(tmp_path_factory.mktemp("archive"), *known) as made,
        interop_archive.tunnel(made, WORKSTATION) as archive_at,
    ):
        yield Site(made, own, secure, archive_at)


def received(folder: Path) -> list[bytes]:
    return sorted(data_set_of(path.read_bytes()) for path in folder.iterdir())


def as_sent(sent: list[Image]) -> list[bytes]:
    return sorted(each.data_set for each in sent)


ROOTS = pytest.mark.parametrize("root", ["-S", "-P"])


def study(images: Images, root: str) -> dict[str, str]:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": images.study}
    return keys | ({"PatientID": images.patient} if root == "-P" else {})


@ROOTS
def test_getscu(site: Site, images: Images, tmp_path: Path, root: str) -> None:
    sent = site.store(images)
    said = site.ask("getscu", tmp_path / "got", "+B", root, keys=study(images, root))
    assert said.status == 0, said.text
    assert received(tmp_path / "got") == as_sent(sent)


def test_getscu_one_image(site: Site, images: Images, tmp_path: Path) -> None:
    sent = site.store(images)
    keys = study(images, "-S") | {
        "QueryRetrieveLevel": "IMAGE",
        "SeriesInstanceUID": f"{images.study}.1",
        "SOPInstanceUID": sent[1].instance,
    }
    said = site.ask("getscu", tmp_path / "got", "+B", "-S", keys=keys)
    assert said.status == 0, said.text
    assert received(tmp_path / "got") == [sent[1].data_set]


@ROOTS
def test_movescu_to_itself(site: Site, images: Images, tmp_path: Path, root: str) -> None:
    sent = site.store(images)
    to = ["-aem", WORKSTATION, "+P", site.own]
    said = site.ask("movescu", tmp_path / "moved", "+B", *to, root, keys=study(images, root))
    assert said.status == 0, said.text
    assert received(tmp_path / "moved") == as_sent(sent)


def test_movescu_to_somebody_else_over_tls(site: Site, images: Images, tmp_path: Path) -> None:
    sent, own = site.store(images), site.archive.identities[SECURE]
    secured = ["+tls", own / "key.pem", own / "certificate.pem", "+cf", own / "ca.pem", "-rc"]
    with storescp(tmp_path / "in", *secured, port=site.secure):
        said = site.ask("movescu", tmp_path / "own", "-aem", SECURE, "-S", keys=study(images, "-S"))
        assert said.status == 0, said.text
    assert received(tmp_path / "in") == as_sent(sent)
    assert received(tmp_path / "own") == []


def test_movescu_to_nobody_we_know(site: Site, images: Images, tmp_path: Path) -> None:
    site.store(images)
    said = site.ask("movescu", tmp_path / "own", "-aem", "NOBODY", "-S", keys=study(images, "-S"))
    assert said.status != 0
    assert "MoveDestinationUnknown" in said
