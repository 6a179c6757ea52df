"""Other people's servers, as they are: what a stranger finds out is what is true of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import interop_programs as programs
import pytest
from pydicom import Dataset
from strangers import BRIEF, CALM, manner, names, one, run

from leadglass.scan.manner import Option
from leadglass.scan.observation import Level, Observation, Outcome
from leadglass.scan.probe_dimse import probe_dimse
from leadglass.scan.probe_tls import permissive, probe_tls

sys.path.insert(0, str(Path(__file__).parents[1] / "transfer"))
from pacs import Pacs, image

pytestmark = [pytest.mark.peer, pytest.mark.slow]

STUDIES = 7
PLANTED = ("Planted^Nobody", "PLANTED-ID-1", "19710203")
GET, MOVE = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.2.2"
CT = "1.2.840.10008.5.1.4.1.1.2"


def planted(number: int = STUDIES) -> list[Dataset]:
    """Studies of two images, of different days, all of one patient."""
    return [
        image(
            study, 1, n, PatientName=PLANTED[0], PatientID=PLANTED[1], PatientBirthDate=PLANTED[2],
            StudyDate=f"202601{study % 28 + 1:02d}",
        )
        for study in range(1, number + 1)
        for n in (1, 2)
    ]  # fmt: skip


def send(port: int, title: str, folder: Path, *words: object) -> None:
    """Puts them there, with DCMTK."""
    folder.mkdir()
    for n, each in enumerate(planted()):
        each.save_as(folder / f"{n}.dcm", enforce_file_format=True)
    said = programs.run(programs.dcmtk("storescu"), "-aec", title, *words, "+sd", "127.0.0.1", port, folder)
    assert said.status == 0, said.text


def look(port: int, level: Level = Level.COUNTED, *options: Option, **more: Any) -> list[Observation]:
    seen: list[Observation] = run(
        probe_dimse(
            "127.0.0.1", port, manner(level, *options, patience=CALM, titles=more.pop("titles", ())), **more
        )
    )
    assert not any(part in repr(seen) for part in (*PLANTED, "Planted", "Nobody"))
    return seen


def counted(seen: list[Observation]) -> tuple[Any, ...]:
    said = one(seen, "count").said
    return said["studies"], said["exact"], said.get("images"), said.get("people")


# --- DCMTK -----------------------------------------------------------------------------------------------------


def test_dcmqrscp_lets_anybody_in(tmp_path: Path) -> None:
    with programs.dcmqrscp(tmp_path / "server") as server:
        send(server.port, "QRSCP", tmp_path / "images")
        options = (Option.TITLES, Option.IMAGES, Option.PEOPLE, Option.IDENTIFIERS)
        seen = look(server.port, Level.COUNTED, *options, titles=("ORTHANC", "QRSCP"))
    assert one(seen, "associate").outcome is Outcome.REJECTED
    assert one(seen, "echo").said["status"] == 0
    assert one(seen, "find-none").said["status"] == 0
    assert one(seen, "find-none").sent["called"] == "QRSCP"
    assert counted(seen)[:2] == (STUDIES, True)
    assert counted(seen)[3] == 1
    assert {GET, MOVE, CT} <= set(one(seen, "offers").said["accepted"])
    assert {"name", "patient-id", "birth-date"} <= set(one(seen, "identifiers").said["kinds"])


def test_dcmqrscp_is_not_open_to_who_does_not_know_its_title(tmp_path: Path) -> None:
    with programs.dcmqrscp(tmp_path / "server") as server:
        seen = look(server.port)
    assert set(names(seen)) <= {"associate", "associate-own"}
    assert {each.outcome for each in seen} == {Outcome.REJECTED}


def test_storescp_takes_images_and_answers_no_query(tmp_path: Path) -> None:
    with programs.storescp(tmp_path / "kept") as server:
        seen = look(server.port)
    assert names(seen) == ["associate", "echo", "offers"]
    assert CT in one(seen, "offers").said["accepted"]
    assert str(one(seen, "associate").said["implementation_version_name"]).startswith("OFFIS_DCMTK")
    assert list((tmp_path / "kept").iterdir()) == []


def test_storescp_over_tls(tmp_path: Path, tls_files: tuple[Path, Path]) -> None:
    for words, let_in in ((("-ic",), True), (("-rc",), False)):
        with programs.storescp(tmp_path / words[0], "+tls", tls_files[1], tls_files[0], *words) as server:
            shaken = run(probe_tls("127.0.0.1", server.port, manner()))
            seen = look(server.port, tls=permissive())
            plain = look(server.port)
        assert shaken[0].outcome is Outcome.SECURED
        assert one(seen, "associate").outcome is (Outcome.ACCEPTED if let_in else Outcome.ALERTED)
        assert plain[0].outcome is not Outcome.ACCEPTED


# --- Orthanc ---------------------------------------------------------------------------------------------------


@contextmanager
def orthanc(folder: Path, **settings: Any) -> Iterator[int]:
    folder.mkdir()
    with programs.orthanc(folder, {}, **settings) as (server, http):
        for each in planted():
            path = folder / "one.dcm"
            each.save_as(path, enforce_file_format=True)
            assert httpx.post(f"{http}/instances", content=path.read_bytes()).status_code == 200
        yield server.port


def test_an_open_orthanc(tmp_path: Path) -> None:
    with orthanc(tmp_path / "open", DicomAlwaysAllowFind=True, DicomCheckCalledAet=False) as port:
        seen = look(port, Level.COUNTED, Option.IMAGES, Option.PEOPLE, Option.IDENTIFIERS)
    assert names(seen)[:4] == ["associate", "echo", "offers", "find-none"]
    assert one(seen, "find-none").said["status"] == 0
    assert counted(seen) == (STUDIES, True, 2 * STUDIES, 1)
    shares = dict(
        zip(one(seen, "identifiers").said["kinds"], one(seen, "identifiers").said["shares"], strict=True)
    )
    assert shares["name"] == shares["patient-id"] == shares["birth-date"] == 100


def test_an_orthanc_that_stops_at_a_limit_is_counted_through(tmp_path: Path) -> None:
    with orthanc(tmp_path / "capped", DicomAlwaysAllowFind=True, LimitFindResults=3) as port:
        said = one(look(port), "count").said
    assert (said["studies"], said["exact"], said["dated"], said["cause"]) == (
        STUDIES,
        False,
        STUDIES,
        "undated",
    )


def test_orthanc_as_it_comes_associates_with_anybody_and_answers_no_query(tmp_path: Path) -> None:
    closed = {"DicomAlwaysAllowFind": False, "DicomAlwaysAllowGet": False, "DicomAlwaysAllowMove": False}
    with orthanc(tmp_path / "usual", **closed) as port:
        seen = look(port)
    assert one(seen, "associate").outcome is Outcome.ACCEPTED
    assert "count" not in names(seen)
    found = next((each for each in seen if each.probe == "find-none"), None)
    assert found is None or found.outcome is not Outcome.ANSWERED or found.said["status"] != 0


def test_an_orthanc_that_looks_at_titles(tmp_path: Path) -> None:
    with orthanc(tmp_path / "strict", DicomCheckCalledAet=True) as port:
        assert one(look(port), "associate").said["reason"] == 7
        seen = look(port, Level.ANSWERS, Option.TITLES, titles=("ORTHANC",))
    assert one(seen, "associate-named").outcome is Outcome.ACCEPTED


# --- pynetdicom ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["silent", "fail", "refuse", "cancel"])
def test_a_pynetdicom_server_that_stops(how: str) -> None:
    pacs = Pacs(planted(60), cap=20, manner=how)
    pacs.title = "ANY"
    with pacs.running() as server:
        seen = look(server.port, Level.COUNTED, Option.TITLES, titles=("ANY",))
    said = one(seen, "count").said
    assert (said["studies"], said["dated"], said["cause"]) == (60, 60, "undated")
    assert pacs.retrievals == 0 and pacs.received == []


def test_pynetdicom_qrscp(tmp_path: Path) -> None:
    port = programs.free_port()
    command = [sys.executable, "-m", "pynetdicom", "qrscp", "--port", port]
    command += [
        "--database-location",
        tmp_path / "db.sqlite",
        "--instance-location",
        tmp_path / "kept",
        "-ba",
        "127.0.0.1",
    ]
    with programs.listening(*command, port=port, cwd=tmp_path) as server:
        send(server.port, "QRSCP", tmp_path / "images")
        seen = look(server.port, Level.COUNTED, Option.IDENTIFIERS)
    assert names(seen)[:2] == ["associate", "echo"]
    assert one(seen, "find-none").said["status"] == 0
    assert counted(seen)[:2] == (STUDIES, False)  # a study is given for each of its images
    assert one(seen, "count").said["cause"] == "repeats"


# --- no DICOM at all -------------------------------------------------------------------------------------------


def test_a_web_server_may_wait_for_the_end_of_a_line(tmp_path: Path) -> None:
    port = programs.free_port()
    command = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1"]
    with programs.listening(*command, port=port, cwd=tmp_path):
        (seen,) = run(probe_dimse("127.0.0.1", port, manner(Level.COUNTED, patience=BRIEF)))
    assert seen.outcome in {Outcome.FOREIGN, Outcome.MUTE, Outcome.CLOSED}
