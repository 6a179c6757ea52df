"""Orthanc, both ways, plain and TLS: one that knows no TLS, at the receive-only listener, and one that does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import interop_archive
import pydicom
import pytest
from interop_archive import EVERYTHING, TITLE, Archive
from interop_images import REAL, Image, Images, data_set_of, real
from interop_programs import WAIT, free_port, orthanc
from pydicom.uid import UID

MODALITY, PEER = "MODALITY", "ORTHANC"
DOORS = ("plain", "tls")
BOTH = pytest.mark.parametrize("door", DOORS)


@dataclass(frozen=True, slots=True)
class Orthanc:
    """`ae` is what our commands call it by; its own name for us is "leadglass"."""

    ae: str
    rest: httpx.Client

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.rest.post(path, json=body if body is not None else {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def take_in(self, *images: Image) -> list[str]:
        """By its REST interface; Orthanc's own identifiers."""
        return [
            str(self.rest.post("/instances", content=each.path.read_bytes()).json()["ID"]) for each in images
        ]

    def file(self, instance: str) -> bytes:
        """The Part 10 file of that SOP Instance UID as it holds it."""
        (found,) = self.rest.post("/tools/lookup", content=instance).json()
        return self.rest.get(f"/instances/{found['ID']}/file").content

    def ask(self, level: str, **keys: str) -> str:
        """Query us; where its answers are."""
        return str(self.post("/modalities/leadglass/query", {"Level": level, "Query": keys})["Path"])

    def answers(self, query: str) -> list[dict[str, str]]:
        return list(self.rest.get(f"{query}/answers?expand&simplify").json())

    def ask_commitment(self, *images: Image) -> str:
        """Where what it is told of these will be."""
        wanted = {"DicomInstances": [[each.sop_class, each.instance] for each in images]}
        return str(self.post("/modalities/leadglass/storage-commitment", wanted)["Path"])

    def commitment(self, path: str) -> dict[str, Any]:
        """What it has been told, as soon as it has been."""
        until = time.monotonic() + WAIT
        while (report := self.rest.get(path).json())["Status"] == "Pending":
            assert time.monotonic() < until, report
            threading.Event().wait(0.02)
        return dict(report)


@dataclass(frozen=True, slots=True)
class Site:
    archive: Archive
    orthancs: dict[str, Orthanc]


@pytest.fixture(scope="module")
def site(_cheap: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, ports = tmp_path_factory.mktemp("orthanc"), {door: free_port() for door in DOORS}
    known = [
        (
            f"{MODALITY}@127.0.0.1:{ports['plain']}",
            {"certified": False, "receive_only": True, "allow": "store,commitment"},
        ),
        (f"{PEER}@localhost:{ports['tls']}", {"certified": True, "allow": EVERYTHING}),
    ]
    with ExitStack() as stack:
        archive = stack.enter_context(interop_archive.archive(folder / "archive", *known))
        own = archive.identities[PEER]
        settings = {
            "plain": ({"Port": archive.plain, "LocalAet": MODALITY}, {}),
            "tls": (
                {"Port": archive.tls, "UseDicomTls": True},
                {
                    "DicomTlsEnabled": True,
                    "DicomTlsCertificate": str(own / "certificate.pem"),
                    "DicomTlsPrivateKey": str(own / "key.pem"),
                    "DicomTlsTrustedCertificates": str(own / "ca.pem"),
                },
            ),
        }
        names = {"plain": f"{PEER}@127.0.0.1:{ports['plain']}", "tls": PEER}
        made = {}
        for door, (ours, theirs) in settings.items():
            knows = {"leadglass": {"AET": TITLE, "Host": "127.0.0.1"} | ours}
            running = stack.enter_context(orthanc(folder / door, knows, ports[door], **theirs))
            rest = httpx.Client(base_url=f"http://127.0.0.1:{running.http}", timeout=60)
            made[door] = Orthanc(names[door], stack.enter_context(rest))
        yield Site(archive, made)


# --- it calls us -----------------------------------------------------------------------------------------------


@BOTH
def test_it_echoes(site: Site, door: str) -> None:
    site.orthancs[door].post("/modalities/leadglass/echo")


@BOTH
def test_it_stores(site: Site, images: Images, door: str) -> None:
    sent, peer = images.slices(3), site.orthancs[door]
    store(peer, *sent)
    for each in sent:
        assert data_set_of(site.archive.file(each.instance)) == each.data_set


def store(peer: Orthanc, *images: Image) -> None:
    """Into it, and from it to us."""
    told = peer.post("/modalities/leadglass/store", {"Resources": peer.take_in(*images), "Synchronous": True})
    assert (told["InstancesCount"], told["FailedInstancesCount"]) == (len(images), 0)


def test_it_stores_in_the_syntax_of_each_file(site: Site) -> None:
    """Element by element: DCMTK, by which it sends, writes lengths of sequences and items in its own way."""
    sent = [real(name) for name in REAL]
    store(site.orthancs["tls"], *sent)
    for each in sent:
        ours, theirs = site.archive.dataset(each.instance), pydicom.dcmread(each.path)
        assert ours.file_meta.TransferSyntaxUID == each.syntax
        assert mended(ours) == mended(theirs), each.path.name


def mended(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """As DCMTK sends it: without trailing padding, and with compressed pixels as OB (PS3.5 A.4)."""
    dataset.pop(0xFFFCFFFC, None)
    if UID(dataset.file_meta.TransferSyntaxUID).is_encapsulated:
        dataset["PixelData"].VR = "OB"
    return dataset


def test_it_is_committed_to_what_is_here(site: Site, images: Images) -> None:
    """On associations that we open, as it hangs up; to what is not here it is not."""
    first, second, never = images.slices(3)
    asked = {}
    for door, peer in site.orthancs.items():
        store(peer, first, second)
        asked[door] = peer.ask_commitment(first, second), peer.ask_commitment(first, never)
    for door, (all_here, not_all) in asked.items():
        report = site.orthancs[door].commitment(all_here)
        assert report["Status"] == "Success"
        assert {each["SOPInstanceUID"] for each in report["Success"]} == {first.instance, second.instance}
        report = site.orthancs[door].commitment(not_all)
        assert report["Status"] == "Failure"
        assert [each["SOPInstanceUID"] for each in report["Failures"]] == [never.instance]


@pytest.mark.parametrize(
    ("level", "keys", "shown", "values"),
    [
        ("Patient", {"PatientID": "{patient}", "PatientName": ""}, "PatientName", ["MÜLLER^ANNA"]),
        ("Study", {"PatientName": "MÜLLER*", "StudyInstanceUID": "{study}"}, "StudyInstanceUID", ["{study}"]),
        ("Study", {"PatientID": "{patient}", "StudyDescription": ""}, "StudyDescription", ["Thorax"]),
        ("Series", {"StudyInstanceUID": "{study}", "Modality": ""}, "Modality", ["CT"]),
        (
            "Instance",
            {"StudyInstanceUID": "{study}", "SeriesInstanceUID": "{study}.1", "SOPInstanceUID": ""},
            "SOPInstanceUID",
            ["{study}.1.1", "{study}.1.2"],
        ),
    ],
)
def test_it_finds(
    site: Site, images: Images, level: str, keys: dict[str, str], shown: str, values: list[str]
) -> None:
    peer, names = site.orthancs["tls"], {"patient": images.patient, "study": images.study}
    store(peer, *images.slices(2))
    query = peer.ask(level, **{key: value.format(**names) for key, value in keys.items()})
    found = sorted(answer[shown] for answer in peer.answers(query))
    assert found == [each.format(**names) for each in values]


def test_it_retrieves_by_c_move(site: Site, images: Images) -> None:
    peer, sent = site.orthancs["tls"], images.slices(3)
    store(site.orthancs["plain"], *sent)
    query = peer.ask("Study", StudyInstanceUID=images.study)
    peer.post(f"{query}/retrieve", {"TargetAet": PEER, "Synchronous": True})
    for each in sent:
        assert data_set_of(peer.file(each.instance)) == each.data_set


def test_the_receive_only_listener_shows_it_nothing(site: Site, images: Images) -> None:
    peer = site.orthancs["plain"]
    store(peer, *images.slices(1))
    asked = {"Level": "Study", "Query": {"StudyInstanceUID": images.study}}
    assert site.orthancs["tls"].rest.post("/modalities/leadglass/query", json=asked).status_code == 200
    said = peer.rest.post("/modalities/leadglass/query", json=asked)
    assert said.status_code != 200
    assert "not supported by the remote SCP" in said.text


# --- we call it ------------------------------------------------------------------------------------------------


@BOTH
def test_echo(site: Site, door: str) -> None:
    assert "orthanc" in str(site.archive.answer("echo", site.orthancs[door].ae)).lower()


@BOTH
def test_send(site: Site, images: Images, door: str) -> None:
    sent, peer = images.slices(3), site.orthancs[door]
    assert site.archive.answer("send", peer.ae, images.folder)["sent"] == 3
    for each in sent:
        assert data_set_of(peer.file(each.instance)) == each.data_set


@BOTH
def test_find(site: Site, images: Images, door: str) -> None:
    peer = site.orthancs[door]
    peer.take_in(*images.slices(3))
    (row,) = site.archive.answer("find", peer.ae, "--patient", images.patient)
    assert row["0020000D"]["Value"] == [images.study]
    assert row["00201208"]["Value"] == [3]


@BOTH
@pytest.mark.parametrize("way", ["C-GET", "C-MOVE"])
def test_retrieve(site: Site, images: Images, door: str, way: str) -> None:
    sent, peer = images.slices(3), site.orthancs[door]
    peer.take_in(*sent)
    words = ["--move"] if way == "C-MOVE" else []
    site.archive.answer("retrieve", peer.ae, "--study", images.study, *words)
    for each in sent:
        assert data_set_of(site.archive.file(each.instance)) == each.data_set


@BOTH
def test_migrate(site: Site, images: Images, door: str) -> None:
    sent, peer = images.slices(3), site.orthancs[door]
    peer.take_in(*sent)
    told = site.archive.answer("migrate", peer.ae)
    assert told["complete"]
    for each in sent:
        assert data_set_of(site.archive.file(each.instance)) == each.data_set
