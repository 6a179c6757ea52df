"""An open server with planted patients, and a proxy in front of it that keeps every byte: what crossed?

Default checks: no identifier. With a count: none in what comes of it, on disk or in a log. In each case it is
shown that what is looked for would be found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import raw_peer as raw
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)
from recorder import Recorder
from strangers import CALM, manner, names, one, run

from leadglass.scan.manner import Option
from leadglass.scan.observation import Level, Observation, Outcome
from leadglass.scan.probe_dimse import probe_dimse

sys.path.insert(0, str(Path(__file__).parents[1] / "transfer"))
from pacs import Pacs, image

FIRST, SECOND = "Plantinger^Xaveria", "Gepflanzt^Quirin"
PATIENTS = (
    {"PatientName": FIRST, "PatientID": "078-05-1120", "PatientBirthDate": "19710203"},
    {"PatientName": SECOND, "PatientID": "QX-4711-Z", "PatientBirthDate": "19320417"},
)
SECRETS = (
    *(part.encode() for patient in PATIENTS for value in patient.values() for part in value.split("^")),
    b"ACC-PLANTED-9",
    b"Hintergasse",
    b"Klinikum Pflanz",
)
FIND = (StudyRootQueryRetrieveInformationModelFind, PatientRootQueryRetrieveInformationModelFind)


def planted() -> list[Dataset]:
    return [
        image(
            n, 1, 1, **PATIENTS[n % 2], StudyDate=f"202601{n:02d}", AccessionNumber="ACC-PLANTED-9",
            PatientAddress="Hintergasse 7", InstitutionName="Klinikum Pflanz",
        )
        for n in range(1, 13)
    ]  # fmt: skip


def worklist(asked: Dataset, *, every_day: bool) -> Iterator[tuple[int, Dataset]]:
    """The keys that were asked for, and no others (PS3.4 K.4.1.1.3.2)."""
    wanted = asked.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate
    for each in planted():
        if every_day or each.StudyDate == wanted:
            row = Dataset()
            row.ScheduledProcedureStepSequence = asked.ScheduledProcedureStepSequence
            for element in asked:
                if element.VR != "SQ":
                    setattr(row, element.keyword, each.get(element.keyword, ""))
            yield 0xFF00, row


@contextmanager
def open_server(*, ignores_dates: bool = False, models: tuple[Any, ...] = FIND) -> Iterator[int]:
    """pynetdicom, for whoever calls; studies and a worklist of planted patients."""
    pacs = Pacs(planted())

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        if event.context.abstract_syntax == ModalityWorklistInformationFind:
            yield from worklist(event.identifier, every_day=ignores_dates)
            return
        if ignores_dates and "StudyDate" in event.identifier:
            event.identifier.StudyDate = ""
        yield from pacs.on_find(event)

    made = AE(ae_title="ANYBODY")
    for each in (Verification, ModalityWorklistInformationFind, *models):
        made.add_supported_context(each)
    server = made.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, find)])
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()


def recorded(port: int, level: Level, *options: Option) -> tuple[list[Observation], Recorder]:
    recorder = Recorder()

    async def go() -> list[Observation]:
        async with recorder.before(port) as own:
            return await probe_dimse("127.0.0.1", own, manner(level, *options, patience=CALM))

    return run(go()), recorder


def identifiers_in(data: bytes | bytearray | str) -> list[bytes]:
    """Planted values in it, in whatever case."""
    raw_bytes = data.encode() if isinstance(data, str) else bytes(data)
    return [secret for secret in SECRETS if secret.lower() in raw_bytes.lower()]


@pytest.mark.parametrize("models", [FIND, FIND[1:]], ids=["studies first", "patients first"])
def test_no_identifier_crosses_in_any_default_check(models: tuple[Any, ...]) -> None:
    with open_server(models=models) as port:
        seen, recorder = recorded(port, Level.ANSWERS)
        everything, counted = recorded(port, Level.COUNTED, Option.PEOPLE, Option.IDENTIFIERS)
    assert names(seen) == ["associate", "echo", "offers", "find-none", "worklist-none"]
    assert one(seen, "find-none").said["status"] == 0
    assert one(seen, "find-none").outcome is one(seen, "worklist-none").outcome is Outcome.ANSWERED
    assert identifiers_in(recorder.came) == []
    # What is looked for would be found: the recorder has it where the scope asks for it.
    assert {b"Plantinger", b"078-05-1120"} <= set(identifiers_in(counted.came))
    assert identifiers_in(repr(everything)) == []


def test_no_more_than_the_uid_of_a_study_crosses_where_dates_are_ignored() -> None:
    """It was not to match; it is aborted at once, and what was asked for shows nobody."""
    with open_server(ignores_dates=True, models=FIND[:1]) as port:
        seen, recorder = recorded(port, Level.ANSWERS)
    assert one(seen, "find-none").said["cause"] == one(seen, "worklist-none").said["cause"] == "pending"
    assert identifiers_in(recorder.came) == []


def test_a_count_leaves_nothing_of_a_patient_in_what_comes_of_it() -> None:
    with open_server() as port:
        seen, recorder = recorded(port, Level.COUNTED)
    assert (one(seen, "count").said["studies"], one(seen, "count").said["exact"]) == (12, True)
    assert identifiers_in(recorder.came) == []  # they were not even asked for
    assert b"1.2.12" in recorder.came and "1.2.12" not in repr([each.to_json() for each in seen])


SURVEY = """
import asyncio, json, logging, sys
logging.basicConfig(level=logging.DEBUG)
from leadglass.scan.manner import Manner, Option
from leadglass.scan.observation import Level
from leadglass.scan.probe_dimse import probe_dimse
how = Manner("cert@example.org", Level.COUNTED, frozenset(Option) - {Option.TITLES}, secret=b"secret")
for seen in asyncio.run(probe_dimse("127.0.0.1", int(sys.argv[1]), how), debug=True):
    print(json.dumps(seen.to_json()))
"""


def test_with_everything_the_scope_may_ask_for_nothing_reaches_disk_or_logs(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    with open_server() as port:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-c", SURVEY, str(port)],
            cwd=tmp_path,
            env=os.environ | home,
            capture_output=True,
            timeout=120,
            check=True,
        )
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    said = {each["probe"]: each["said"] for each in seen}
    assert (said["count"]["studies"], said["count"]["people"]) == (12, 2)
    assert {"name", "national-id", "patient-id"} <= set(said["identifiers"]["kinds"])
    assert identifiers_in(done.stdout) == identifiers_in(done.stderr) == []
    assert list(tmp_path.iterdir()) == []
    assert raw.CT.encode() in done.stdout or "offers" in said  # it is the survey's own output that was read
