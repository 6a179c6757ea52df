"""GDCM, which can only call: plain at the receive-only listener, and through `leadglass connect` over TLS.

It listens for as long as a C-MOVE of its own lasts, and what it listens on is plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import interop_archive
import pydicom
import pytest
from interop_archive import SCANNER, TITLE, Archive
from interop_images import REAL, Image, Images, data_set_of, real
from interop_programs import Said, free_port, gdcm, gdcmscu

WORKSTATION = "GDCM"
SUCCESS, PENDING = 0x0000, 0xFF00
WRITES_OB = "MR_small_jpeg_ls_lossless.dcm"  # has its compressed pixels as OW; GDCM mends that (PS3.5 A.4)


@pytest.fixture(scope="module")
def own_port() -> int:
    """Where it listens while it moves."""
    return free_port()


@pytest.fixture(scope="module")
def archive(_cheap: None, own_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    station = {"certified": True, "plain": True, "allow": "store,find,move"}
    folder = tmp_path_factory.mktemp("archive")
    with interop_archive.archive(folder, (f"{WORKSTATION}@127.0.0.1:{own_port}", station)) as made:
        yield made


@pytest.fixture(scope="module")
def doors(archive: Archive) -> Iterator[dict[str, tuple[str, int]]]:
    """As whom and where it calls."""
    with interop_archive.tunnel(archive, WORKSTATION) as port:
        yield {"plain": (SCANNER, archive.plain), "tls": (WORKSTATION, port)}


BOTH = pytest.mark.parametrize("door", ["plain", "tls"])


def program(door: tuple[str, int], *words: object) -> Said:
    calling, port = door
    return gdcmscu("-D", *words, "--aetitle", calling, "--call", TITLE, "localhost", port)


def library(door: tuple[str, int], operation: str, **more: Any) -> dict[str, Any]:
    calling, port = door
    return gdcm(operation, calling=calling, called=TITLE, port=port, **more)


def statuses(said: Said) -> set[int]:
    """Of the responses that it printed."""
    return {int(found) for found in re.findall(r"\(0000,0900\) \S+ \(US\) (\d+)", said.text)}


def kept_as_sent(archive: Archive, sent: Image) -> None:
    expected = sent.data_set
    if sent.path.name == WRITES_OB:
        expected = expected.replace(b"\xe0\x7f\x10\x00OW", b"\xe0\x7f\x10\x00OB")
    assert data_set_of(archive.file(sent.instance)) == expected, sent.path.name


# --- the program -----------------------------------------------------------------------------------------------


@BOTH
def test_gdcmscu_echoes(doors: Any, door: str) -> None:
    said = program(doors[door], "--echo")
    assert (said.status, statuses(said)) == (0, {SUCCESS}), said.err


@BOTH
def test_gdcmscu_stores(archive: Archive, doors: Any, images: Images, door: str) -> None:
    sent = images.slices(3)
    said = program(doors[door], "--store", "-i", images.folder)
    assert (said.status, statuses(said)) == (0, {SUCCESS}), said.err
    for each in sent:
        kept_as_sent(archive, each)


@pytest.mark.parametrize("root", ["studyroot", "patientroot"])
def test_gdcmscu_moves_to_itself(
    doors: Any, images: Images, own_port: int, tmp_path: Path, root: str
) -> None:
    """Its SCP reads all contexts in one transfer syntax."""
    sent, into = images.slices(3), tmp_path / "into"
    into.mkdir()
    assert program(doors["plain"], "--store", "-i", images.folder).status == 0
    keys = ["--key", f"10,20={images.patient}"] if root == "patientroot" else []
    keys += ["--key", f"20,d={images.study}"]
    said = program(doors["tls"], "--move", f"--{root}", "--study", *keys, "--port-scp", own_port, "-o", into)
    assert said.status == 0, said.err
    assert SUCCESS in statuses(said) and statuses(said) <= {SUCCESS, PENDING}
    moved = sorted(data_set_of(path.read_bytes()) for path in into.iterdir())
    assert moved == sorted(each.data_set for each in sent)


def test_who_is_not_known_hears_why(archive: Archive) -> None:
    said = program(("STRANGER", archive.plain), "--echo")
    assert said.status != 0
    assert "calling-AE-title-not-recognized" in said


def test_the_receive_only_listener_shows_it_nothing(doors: Any, images: Images) -> None:
    assert program(doors["plain"], "--store", "-i", images.slices(1)[0].path).status == 0
    asked = ["--find", "--studyroot", "--study", "--key", f"20,d={images.study}"]
    assert PENDING in statuses(program(doors["tls"], *asked))
    said = program(doors["plain"], *asked)
    assert said.status != 0
    assert not statuses(said)


# --- the library, which also says what it found ----------------------------------------------------------------

DONE = {"associated": True, "done": True, "released": True}


@BOTH
def test_its_library_echoes(doors: Any, door: str) -> None:
    assert DONE.items() <= library(doors[door], "echo").items()


def test_its_library_stores_in_the_syntax_of_each_file(archive: Archive, doors: Any) -> None:
    sent = [real(name) for name in REAL]
    found = library(doors["tls"], "store", files=[str(each.path) for each in sent])
    assert DONE.items() <= found.items(), found
    for each in sent:
        kept_as_sent(archive, each)


LEVELS = [
    ("PatientRoot", "Patient", {"00100020": "{patient}", "00100010": ""}, "PatientName", ["MÜLLER^ANNA"]),
    ("StudyRoot", "Study", {"0020000d": "{study}", "00081030": ""}, "StudyDescription", ["Thorax"]),
    ("StudyRoot", "Study", {"00100010": "MÜLLER*", "0020000d": "{study}"}, "StudyInstanceUID", ["{study}"]),
    ("StudyRoot", "Series", {"0020000d": "{study}", "00080060": ""}, "Modality", ["CT"]),
    (
        "StudyRoot",
        "Image",
        {"0020000d": "{study}", "0020000e": "{study}.1", "00080018": ""},
        "SOPInstanceUID",
        ["{study}.1.1", "{study}.1.2"],
    ),
]


@pytest.mark.parametrize(("root", "level", "keys", "shown", "values"), LEVELS)
def test_its_library_finds(
    doors: Any,
    images: Images,
    tmp_path: Path,
    root: str,
    level: str,
    keys: dict[str, str],
    shown: str,
    values: list[str],
) -> None:
    images.slices(2)
    assert program(doors["plain"], "--store", "-i", images.folder).status == 0
    names, into = {"patient": images.patient, "study": images.study}, tmp_path / "into"
    into.mkdir()
    asked = {tag: value.format(**names) for tag, value in keys.items()}
    found = library(doors["tls"], "find", root=root, level=level, keys=asked, into=str(into))
    assert DONE.items() <= found.items(), found
    answers = [pydicom.dcmread(path, force=True) for path in into.iterdir()]
    assert sorted(str(answer[shown].value) for answer in answers) == [each.format(**names) for each in values]
