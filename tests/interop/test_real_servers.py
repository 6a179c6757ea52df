"""The table of real servers, held against what DCMTK and pynetdicom find as strangers.

A table that is wrong would make a right scan wrong. So each server is asked here by other programs than ours. nmap is printed beside our verdicts in
test_scan_truth.py.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import httpx
import pytest
from interop_programs import Said, dcmtk, run
from interop_servers import REAL_SERVERS, STUDIES, Expected, RealServer, There
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import (
    BasicGrayscalePrintManagementMeta,
    CTImageStorage,
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
    SecondaryCaptureImageStorage,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
BY_NAME = {server.name: server for server in REAL_SERVERS}
FIND, WORKLIST = StudyRootQueryRetrieveInformationModelFind, ModalityWorklistInformationFind
NO_DAY = "18000101"
# What is offered, by the number of the check.
OFFERS: dict[str, tuple[Any, ...]] = {
    "D08": (StudyRootQueryRetrieveInformationModelGet, StudyRootQueryRetrieveInformationModelMove),
    "D09": (CTImageStorage, SecondaryCaptureImageStorage),
    "D11": (StorageCommitmentPushModel, ModalityPerformedProcedureStep, BasicGrayscalePrintManagementMeta),
}
EVERY = {"D09"}  # these want all of them; the others any


@pytest.fixture(scope="module", params=BY_NAME)
def running(
    request: pytest.FixtureRequest, _cheap: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RealServer, There]]:
    """Each server in turn, with what is true of it."""
    server = BY_NAME[request.param]
    with server.start(tmp_path_factory.mktemp("server")) as there:
        yield server, there


@contextmanager
def associated(there: There, called: str, *classes: Any) -> Iterator[Association]:
    """Asked again where it came to no answer: pynetdicom misses a rejection at times whose connection is
    closed right behind it."""
    ae = AE(ae_title="STRANGER")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = 10
    for each in classes:
        ae.add_requested_context(each)
    for _ in range(4):
        began = monotonic()
        found = ae.associate(there.host, there.port, ae_title=called)
        if found.is_established or found.is_rejected or monotonic() - began > 5:
            break
    try:
        yield found
    finally:
        if found.is_established:
            found.release()


def accepted(there: There, called: str, *classes: Any) -> set[str]:
    with associated(there, called, *classes) as found:
        return (
            {str(each.abstract_syntax) for each in found.accepted_contexts} if found.is_established else set()
        )


def pending(there: There, called: str, model: Any, **keys: str) -> tuple[int, int | None]:
    """How many matches, and the final status; None when there came none."""
    asked = Dataset()
    if model is FIND:
        asked.QueryRetrieveLevel = "STUDY"
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    with associated(there, called, model) as found:
        codes = (
            [s.get("Status") for s, _ in found.send_c_find(asked, model)] if found.is_established else [None]
        )
    return sum(code in (0xFF00, 0xFF01) for code in codes), codes[-1]


def checks(there: There, called: str) -> tuple[set[str], int, int]:
    """What a stranger finds, by the numbers of the checks; how far he gets; how many matches he counts."""
    found: set[str] = set()
    with associated(there, called, Verification) as asked:
        if asked.is_established:
            found |= {"D01", "D03", "T01", *(("D02",) if called.startswith("NOBODY") else ())}
            if asked.send_c_echo().get("Status") == 0:
                found.add("D05")
        elif asked.is_rejected:
            found.add("D01")
    for check, classes in OFFERS.items():
        offered = accepted(there, called, *classes) if "D03" in found else set()
        if offered and (check not in EVERY or len(offered) == len(classes)):
            found.add(check)
    nothing = (
        pending(there, called, FIND, StudyInstanceUID="", StudyDate=NO_DAY) if "D03" in found else (0, None)
    )
    if nothing[1] == 0:
        found |= {"D06", "D07"}
    if "D03" in found and pending(there, called, WORKLIST, PatientName="NOBODY^AT^ALL")[1] == 0:
        found.add("D10")
    studies = pending(there, called, FIND, StudyInstanceUID="")[0] if "D07" in found else 0
    return found, 4 if "D06" in found else 2 if "D05" in found else 1 if "D03" in found else 0, studies


def test_a_stranger_finds_what_the_table_says(running: tuple[RealServer, There]) -> None:
    server, there = running
    assert checks(there, "NOBODY") == known(server.dicom)


def test_who_knows_its_title_finds_what_the_table_says(running: tuple[RealServer, There]) -> None:
    server, there = running
    for title in server.titles:
        assert server.named is not None
        found, level, studies = checks(there, title)
        # That a title which others know is enough: found by having been refused without.
        assert (found | ({"D04"} if level else set()), level, studies) == known(server.named)


def known(expected: Expected) -> tuple[set[str], int, int]:
    return set(expected.checks), expected.level, expected.matches


# --- DCMTK ------------------------------------------------------------------------------------------------

# What echoscu says, by verdict.
ECHO = {
    "open": (0, ""),
    "refuses-queries": (0, ""),
    "rejects-called": (1, "Called AE Title Not Recognized"),
    "rejects-calling": (1, "Calling AE Title Not Recognized"),
    "needs-certificate": (1, "Peer aborted Association"),
    "not-dicom": (1, "Association Request Failed"),
    "closed": (1, "Connection refused"),
}


def asked_by_dcmtk(name: str, there: There, *words: object) -> Said:
    timeouts = ("-to", 5, "-ta", 5, "-td", 5)
    return run(dcmtk(name), *timeouts, "-aet", "STRANGER", "-aec", "NOBODY", *words, there.host, there.port)


def test_echoscu_says_so(running: tuple[RealServer, There]) -> None:
    server, there = running
    status, says = ECHO[server.dicom.verdict]
    said = asked_by_dcmtk("echoscu", there)
    assert (min(said.status, 1), says in said) == (status, True), said.text


def test_findscu_says_so(running: tuple[RealServer, There]) -> None:
    server, there = running
    said = asked_by_dcmtk(
        "findscu", there, "-v", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID"
    )
    matches = len(re.findall(r"Find Response: \d+ \(Pending\)", said.text))
    assert matches == server.dicom.matches, said.text
    assert ("Final Find Response (Success)" in said) == (server.dicom.verdict == "open"), said.text


# --- the web ----------------------------------------------------------------------------------------------


def test_the_web_beside_it(running: tuple[RealServer, There]) -> None:
    server, there = running
    if server.web is None:
        assert there.http is None
        return
    base = f"http://{there.host}:{there.http}"
    statistics, qido = httpx.get(f"{base}/statistics"), httpx.get(f"{base}/dicom-web/studies?limit=1")
    found = set()
    if statistics.status_code == 200 and statistics.headers["content-type"].startswith("application/json"):
        found.add("W03")
        assert statistics.json()["CountStudies"] == server.web.studies == STUDIES
    if qido.status_code == 200 and "json" in qido.headers["content-type"]:
        found.add("W01")
        nothing = httpx.get(f"{base}/dicom-web/studies?limit=1&StudyInstanceUID=1.2.3.4.5")
        assert nothing.json() == [] and qido.json()
        if "POST" in httpx.options(f"{base}/dicom-web/studies").headers.get("allow", ""):
            found.add("W05")
    if re.search(r'href="[^"]+\.dcm"', httpx.get(f"{base}/", follow_redirects=True).text):
        found.add("W09")
    assert found == set(server.web.checks)
    asks_who_it_is = 401 in {statistics.status_code, qido.status_code}
    assert asks_who_it_is == (server.web.verdict == "web-protected")
