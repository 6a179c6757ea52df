"""The whole program between a stranger's network and an open archive with planted patients: what crosses, and
what of it stays.

A proxy in front of Orthanc, open over DICOM, DICOMweb and REST, keeps every byte of both directions. Default
checks: nothing that tells of a patient crosses. Counted, with all that a scope may ask for: none of it reaches
disk, a log or a report. What is looked for is shown to be found.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from estate import markers
from estate.archive import ROOT
from estate.leaks import PLANTED, leaks_in_files, planted_in, told_by
from estate.surveying import Said, Surveyor, scope
from interop_images import Images
from interop_servers import There, orthanc_dicomweb
from recorder import Recorder

STUDIES, PEOPLE = 12, 5
BORN = f"{markers.BORN}1224"
WORDS = (*PLANTED, BORN.encode())
DEFAULT = ("associate", "query")  # levels at which nothing is counted
EVERYTHING = ("images", "people", "identifiers", "credentials", "titles")


def plant(there: There, folder: Path) -> None:
    """Studies of people who are nobody, with all that names people."""
    for number in range(STUDIES):
        (made,) = Images(folder, f"planted {number}").slices(1, size=8)
        image = pydicom.dcmread(made.path)
        person = number % PEOPLE
        image.StudyInstanceUID = f"{ROOT}.77.{number}"
        image.PatientName, image.PatientID = f"{markers.NAME}^P{person}", f"{markers.PATIENT_ID}{person}"
        image.PatientBirthDate, image.AccessionNumber = BORN, f"{markers.ACCESSION}{number}"
        image.OtherPatientIDs, image.PatientAddress = f"{markers.OTHER_ID}{person}", markers.ADDRESS
        image.PatientTelephoneNumbers = f"{markers.PHONE}{person}"
        image.ReferringPhysicianName, image.InstitutionName = markers.DOCTOR, markers.CLINIC
        image.StudyDescription = markers.DESCRIPTION
        image.save_as(made.path, enforce_file_format=True)
        sent = httpx.post(f"http://{there.host}:{there.http}/instances", content=made.path.read_bytes())
        assert sent.status_code == 200, sent.text


@contextmanager
def recorded(port: int) -> Iterator[tuple[int, Recorder]]:
    """The port of a proxy in front of `port`, played by a thread of its own."""
    recorder, ready = Recorder(), threading.Event()
    found: list[Any] = []

    async def play() -> None:
        ends = asyncio.Event()
        async with recorder.before(port) as own:
            found.extend((own, asyncio.get_running_loop(), ends))
            ready.set()
            await ends.wait()

    thread = threading.Thread(target=asyncio.run, args=(play(),))
    thread.start()
    assert ready.wait(60)
    own, loop, ends = found
    try:
        yield own, recorder
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join(60)


@dataclass(frozen=True)
class Crossed:
    """What one survey printed, left in its home, and what came to it."""

    said: Said
    surveyor: Surveyor
    recorders: tuple[Recorder, Recorder]

    @property
    def came(self) -> bytes:
        return b"\n".join(bytes(each.came) for each in self.recorders)

    @property
    def kept(self) -> list[str]:
        """Of what is planted, in any file, and in the register once it is opened."""
        with self.surveyor.register() as register:
            unsealed = planted_in(told_by(register), WORDS)
        return [*leaks_in_files(self.surveyor.home, WORDS), *map(repr, unsealed)]


@pytest.fixture(scope="module")
def archive(_cheap: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    with orthanc_dicomweb(tmp_path_factory.mktemp("orthanc")) as there:
        plant(there, tmp_path_factory.mktemp("planted"))
        yield there


def survey(archive: There, home: Path, level: str, *options: str) -> Crossed:
    assert archive.http is not None
    with ExitStack() as running:
        proxies = [running.enter_context(recorded(port)) for port in (archive.port, archive.http)]
        hosts = [f"127.0.0.1:{port}" for port, _ in proxies]
        surveyor = Surveyor(home)
        said = surveyor.survey(scope("127.0.0.1", [104], level=level, options=options, hosts=hosts))
    return Crossed(said, surveyor, (proxies[0][1], proxies[1][1]))


def verdicts(crossed: Crossed) -> set[str]:
    return {port["verdict"] for host in crossed.said.report["hosts"] for port in host["ports"]}


@pytest.mark.parametrize("level", DEFAULT)
def test_in_default_checks_nothing_of_a_patient_crosses(archive: There, tmp_path: Path, level: str) -> None:
    crossed = survey(archive, tmp_path, level)
    # It did ask over DICOM and the web, and was answered.
    assert verdicts(crossed) == ({"answers"} if level == "query" else {"associates", "answers"})
    assert b"OFFIS_DCMTK" in crossed.came and b"HTTP/1.1 200" in crossed.came
    assert planted_in(crossed.came, WORDS) == []
    assert crossed.kept == []


def test_a_count_alone_lets_no_more_than_uids_cross_and_keeps_none(archive: There, tmp_path: Path) -> None:
    crossed = survey(archive, tmp_path, "count")
    counts = [port["count"] for host in crossed.said.report["hosts"] for port in host["ports"]]
    # The three that Orthanc was filled with before have a study each as well.
    assert {count["studies"] for count in counts} == {STUDIES + 3}
    assert {count["exact"] for count in counts} == {True}
    assert planted_in(crossed.came, WORDS) == [f"{ROOT}.".encode()]
    assert crossed.kept == []


def test_with_all_that_a_scope_may_ask_for_nothing_of_it_stays(archive: There, tmp_path: Path) -> None:
    crossed = survey(archive, tmp_path, "count", *EVERYTHING)
    (dicom,) = (
        port for host in crossed.said.report["hosts"] for port in host["ports"] if port["identifiers"]
    )
    assert {"name", "birth-date", "patient-id"} <= set(dicom["identifiers"])
    assert dicom["count"]["people"] == PEOPLE + 3
    # What is looked for did cross, to be counted and classified in memory.
    assert {markers.NAME.encode(), markers.PATIENT_ID.encode(), BORN.encode()} <= set(
        planted_in(crossed.came, WORDS)
    )
    assert crossed.kept == []


def test_what_is_looked_for_would_be_found_wherever_it_were(archive: There, tmp_path: Path) -> None:
    crossed = survey(archive, tmp_path, "query")
    assert crossed.kept == []
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "core").write_bytes(b"..." + f"{markers.NAME}^P1".encode("utf-16-le"))
    (tmp_path / f"{BORN}.log").touch()
    assert crossed.kept == [f"{BORN} in {BORN}.log", f"{markers.NAME} in deep/core"]
