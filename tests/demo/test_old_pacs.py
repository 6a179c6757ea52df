"""The old PACS as strangers meet it, with pynetdicom; and how it begins and ends."""

from __future__ import annotations

import io
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pydicom
import pytest
from demo_process import COMMAND, WAIT, OldPacs, old_pacs
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from leadglass.demo import images

STUDY, PATIENT = StudyRootQueryRetrieveInformationModelFind, PatientRootQueryRetrieveInformationModelFind
GET, MOVE = StudyRootQueryRetrieveInformationModelGet, StudyRootQueryRetrieveInformationModelMove
UNCOMPRESSED = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


@pytest.fixture(scope="module")
def made() -> list[Any]:
    found = images.old_images(1_800_000_000_000)
    return [pydicom.dcmread(io.BytesIO(each.file(pixels=False))) for each in found]


@contextmanager
def associated(running: OldPacs, *classes: Any, **how: Any) -> Iterator[Association]:
    """As a stranger under made-up titles."""
    ae = AE(ae_title="STRANGER")
    for each in classes:
        ae.add_requested_context(each)
    for each in how.get("storing", ()):
        ae.add_requested_context(each, how.get("syntaxes", UNCOMPRESSED))
    roles = [build_role(each, scp_role=True) for each in how.get("storing", ()) if how.get("as_scp")]
    found = ae.associate(
        "127.0.0.1",
        running.port,
        ae_title="WHATEVER",
        ext_neg=roles,
        evt_handlers=how.get("handlers", []),
    )
    assert found.is_established
    try:
        yield found
    finally:
        found.release()


def identifier(level: str, **keys: str) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked


def find(found: Association, model: Any, level: str, **keys: str) -> tuple[list[Dataset], int]:
    *pending, (final, _) = found.send_c_find(identifier(level, **keys), model)
    assert all(status.Status == 0xFF00 for status, _ in pending)
    return [match for _, match in pending], final.Status


def test_anybody_may_echo(running: OldPacs) -> None:
    with associated(running, Verification) as found:
        assert found.send_c_echo().Status == 0


def test_anybody_sees_everybody(running: OldPacs, made: list[Any]) -> None:
    with associated(running, STUDY, PATIENT) as found:
        studies, status = find(
            found, STUDY, "STUDY", StudyInstanceUID="", PatientName="", PatientBirthDate=""
        )
        people, _ = find(found, PATIENT, "PATIENT", PatientID="", PatientName="")
        nothing = find(found, STUDY, "STUDY", StudyInstanceUID="", StudyDate="18000101")
    assert status == 0
    assert {match.StudyInstanceUID for match in studies} == {dataset.StudyInstanceUID for dataset in made}
    assert {(str(m.PatientName), m.PatientBirthDate) for m in studies} == {
        (str(d.PatientName), d.PatientBirthDate) for d in made
    }
    assert (len(studies), len(people)) == (60, 21)
    assert nothing == ([], 0)


@pytest.mark.parametrize(
    ("model", "level", "keys"),
    [
        (STUDY, "STUDY", {"PatientName": "yamada*", "PatientID": ""}),
        (STUDY, "STUDY", {"StudyDate": "20260101-20261231", "ModalitiesInStudy": "CT"}),
        (STUDY, "SERIES", {"Modality": "US", "SeriesInstanceUID": ""}),
        (STUDY, "IMAGE", {"PatientID": "DEMO-0003", "SOPInstanceUID": "", "SOPClassUID": ""}),
        (PATIENT, "STUDY", {"PatientID": "DEMO-0007", "StudyInstanceUID": ""}),
        (PATIENT, "IMAGE", {"PatientID": "DEMO-0002", "SOPInstanceUID": ""}),
    ],
)
def test_every_level_and_many_keys(
    running: OldPacs, made: list[Any], model: Any, level: str, keys: dict[str, str]
) -> None:
    """Against a look at every image."""
    unique = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[level]
    with associated(running, model) as found:
        matches, status = find(found, model, level, **{unique: ""} | keys)
    low, _, high = keys.get("StudyDate", "0-9").partition("-")
    modality = keys.get("ModalitiesInStudy") or keys.get("Modality")
    expected = {
        dataset[unique].value
        for dataset in made
        if str(dataset.PatientName).lower().startswith(keys.get("PatientName", "").rstrip("*"))
        and dataset.PatientID.startswith(keys.get("PatientID", ""))
        and low <= dataset.StudyDate <= high
        and modality in (None, dataset.Modality)
    }
    assert status == 0
    assert expected and {match[unique].value for match in matches} == expected
    assert all(match.QueryRetrieveLevel == level for match in matches)


def test_names_in_many_scripts_arrive(running: OldPacs) -> None:
    with associated(running, STUDY) as found:
        matches, _ = find(found, STUDY, "STUDY", PatientID="DEMO-0005", PatientName="")
    assert {str(match.PatientName) for match in matches} == {"Yamada^Tarou=山田^太郎=やまだ^たろう"}


def test_a_level_that_is_none(running: OldPacs) -> None:
    with associated(running, STUDY) as found:
        assert find(found, STUDY, "PATIENT", PatientID="") == ([], 0xA900)


def stored(received: list[Dataset]) -> list[Any]:
    def take(event: Any) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        received.append(dataset)
        return 0

    return [(evt.EVT_C_STORE, take)]


def classes_of(made: list[Any], patient: str) -> list[str]:
    return sorted({str(dataset.SOPClassUID) for dataset in made if dataset.PatientID == patient})


def originals(patient: str) -> dict[str, Any]:
    found = (
        image for image in images.old_images(1_800_000_000_000) if image.visit.person == int(patient[-4:])
    )
    read = (pydicom.dcmread(io.BytesIO(image.file())) for image in found)
    return {dataset.SOPInstanceUID: dataset for dataset in read}


def test_anybody_gets_the_images(running: OldPacs, made: list[Any]) -> None:
    received: list[Dataset] = []
    how = {"storing": classes_of(made, "DEMO-0007"), "as_scp": True, "handlers": stored(received)}
    model = PatientRootQueryRetrieveInformationModelGet
    with associated(running, model, **how) as found:
        asked = identifier("PATIENT", PatientID="DEMO-0007")
        *_, (final, _) = found.send_c_get(asked, model)
    assert (final.Status, final.NumberOfCompletedSuboperations) == (0, 3)
    expected = originals("DEMO-0007")
    assert {dataset.SOPInstanceUID for dataset in received} == expected.keys()
    for dataset in received:
        assert dataset.PixelData == expected[dataset.SOPInstanceUID].PixelData


def test_what_nobody_accepts_fails_and_is_counted(running: OldPacs, made: list[Any]) -> None:
    """A cine loop in JPEG, for somebody who takes nothing compressed."""
    received: list[Dataset] = []
    (study,) = {
        d.StudyInstanceUID for d in made if d.StudyDescription == "Echocardiogram" and d.SeriesNumber == 2
    }
    how = {"storing": classes_of(made, "DEMO-0002"), "as_scp": True, "handlers": stored(received)}
    with associated(running, GET, **how) as found:
        *_, (final, _) = found.send_c_get(identifier("STUDY", StudyInstanceUID=study), GET)
    assert final.Status == 0xA702
    assert (final.NumberOfFailedSuboperations, received) == (2, [])


def test_images_move_to_a_destination_that_it_knows(made: list[Any]) -> None:
    received: list[Dataset] = []
    there = AE(ae_title="THERE")
    for each in classes_of(made, "DEMO-0007"):
        there.add_supported_context(each, UNCOMPRESSED)
    listening = there.start_server(("127.0.0.1", 0), block=False, evt_handlers=stored(received))
    try:
        port = listening.server_address[1]
        with old_pacs("--knows", f"THERE@127.0.0.1:{port}") as running, associated(running, MOVE) as found:
            studies = sorted({str(d.StudyInstanceUID) for d in made if d.PatientID == "DEMO-0007"})
            asked = identifier("STUDY", StudyInstanceUID="\\".join(studies))
            *_, (final, _) = found.send_c_move(asked, "THERE", MOVE)
            *_, (unknown, _) = found.send_c_move(asked, "NOWHERE", MOVE)
    finally:
        listening.shutdown()
    assert (final.Status, final.NumberOfCompletedSuboperations) == (0, 3)
    assert {dataset.SOPInstanceUID for dataset in received} == originals("DEMO-0007").keys()
    assert unknown.Status == 0xA801


def test_anybody_may_leave_something(running: OldPacs, dicom: Any) -> None:
    file = pydicom.dcmread(io.BytesIO(dicom.part10(dicom.data_set(study="1.2.9", patient_id="LEFT-HERE"))))
    with associated(running, STUDY, storing=[CTImageStorage]) as found:
        assert found.send_c_store(file).Status == 0
        matches, _ = find(found, STUDY, "STUDY", PatientID="LEFT-HERE", StudyInstanceUID="")
    assert [match.StudyInstanceUID for match in matches] == ["1.2.9"]


# --- the process ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.0.2.1:104", "[::]:0", "pacs.example.org:104"])
def test_off_loopback_it_does_not_listen(address: str) -> None:
    done = subprocess.run(
        [*COMMAND, "--listen", address],
        capture_output=True,
        text=True,
        timeout=WAIT,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1
    assert "answers every stranger, so it listens on 127.0.0.1" in done.stderr


def test_a_socket_off_loopback_is_not_taken() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        done = subprocess.run(
            [*COMMAND, "--descriptor", str(listener.fileno())],
            pass_fds=(listener.fileno(),),
            capture_output=True,
            text=True,
            timeout=WAIT,
            stdin=subprocess.DEVNULL,
        )
    assert done.returncode == 1
    assert "listens on 127.0.0.1" in done.stderr


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        done = subprocess.run([*COMMAND, "--listen", address], capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and done.stderr


def test_it_ends_when_whoever_started_it_is_killed() -> None:
    script = (
        "import subprocess, sys\n"
        f"it = subprocess.Popen({[*COMMAND, '--listen', '127.0.0.1:0']!r}, stdin=subprocess.PIPE, "
        "stdout=subprocess.PIPE, text=True)\n"
        "print(it.pid, it.stdout.readline(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(WAIT, starter.kill)
    watchdog.start()
    assert starter.stdout is not None and starter.stdin is not None
    number, ready, *_ = starter.stdout.readline().split()
    assert ready == "ready"
    beside = psutil.Process(int(number))
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait(WAIT)
    watchdog.cancel()
    beside.wait(WAIT)
    starter.stdin.close()
    starter.stdout.close()


def test_no_server_can_import_it() -> None:
    """A look at what is there once a server's modules are: nothing of the demo."""
    script = (
        "import sys, leadglass.serve, leadglass.dicom_deputy; print([n for n in sys.modules if 'demo' in n])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=WAIT)
    assert done.stdout.strip() == "[]"
