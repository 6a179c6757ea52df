"""The scan's own verdicts on real servers, held against the table of what is true of each; nmap beside them.

All of them at once, as one host with many ports, by two surveys: as a stranger who knows nothing, and as one
who knows a title and asks for all that a scope may ask for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pynetdicom
import pytest
from estate.held import SAYS
from interop_programs import dcmtk, program, run
from interop_servers import REAL_SERVERS, STUDIES, Expected, There
from interop_survey import survey

from leadglass.scan.conclusions import Network, Port
from leadglass.scan.observation import Level
from leadglass.scan.verdict import Verdict
from leadglass.scan.vulnerabilities import FLAWS, affects

KNOWN_TITLE = "QRSCP"
OPTIONS = ("titles", "images", "people", "identifiers")
BY_NAME = {server.name: server for server in REAL_SERVERS}
# Which kinds of identifiers whoever has our images shows.
SHOWN = {"name", "patient-id"}


@dataclass(frozen=True)
class Surveyed:
    """Where each server is, and what was found at its ports: by who knows nothing, and by who knows a title."""

    places: Mapping[str, There]
    missing: Mapping[str, str]
    stranger: Network
    knowing: Network

    def place(self, name: str) -> There:
        if name in self.missing:
            pytest.skip(self.missing[name])
        return self.places[name]


@pytest.fixture(scope="module")
def surveyed(_cheap: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surveyed]:
    places: dict[str, There] = {}
    missing: dict[str, str] = {}
    with ExitStack() as running:
        for server in REAL_SERVERS:
            try:
                there = running.enter_context(server.start(tmp_path_factory.mktemp("server")))
            except pytest.skip.Exception as skipped:  # the others are tried all the same
                missing[server.name] = str(skipped)
            else:
                places[server.name] = there
        ports = sorted({port for there in places.values() for port in (there.port, there.http) if port})
        stranger = survey(tmp_path_factory.mktemp("stranger"), ports)
        knowing = survey(tmp_path_factory.mktemp("knowing"), ports, options=OPTIONS, titles=[KNOWN_TITLE])
        yield Surveyed(places, missing, stranger, knowing)


def port_of(network: Network, number: int) -> Port:
    (host,) = network.hosts
    (found,) = (port for port in host.ports if port.port == number)
    return found


@cache
def version(product: str) -> str:
    """As the program itself tells it; '' for one that was not started."""
    tell = {
        "dcmtk": lambda: run(dcmtk("echoscu"), "--version").text,
        "orthanc": lambda: run(program("Orthanc", "orthanc"), "--version").text,
        "pynetdicom": lambda: pynetdicom.__version__,
    }
    found = re.search(r"\d+\.\d+\.\d+", tell[product]()) if product in tell else None
    return found[0] if found else ""


def checks(expected: Expected, port: Port) -> set[str]:
    """What has to be found; and what is known to be wrong with the version that is installed (F01), where a
    port tells its version at all."""
    told = [flaw for flaw in FLAWS if flaw.program == expected.product and port.identities]
    flawed = any(affects(flaw, version(flaw.program)) for flaw in told)
    return {*expected.checks, *(("F01",) if flawed else ())}


def require_as_expected(expected: Expected, port: Port) -> None:
    assert (port.verdict.verdict in SAYS[expected.verdict], int(port.verdict.level)) == (
        True,
        expected.level,
    ), f"{port.verdict.verdict} at level {port.verdict.level}"
    assert {each.check for each in port.findings} == checks(expected, port)
    if expected.studies is None:
        assert port.count is None
        return
    assert port.count is not None
    assert port.count.studies == expected.studies == STUDIES
    # What is given for each image is told from what is given once; nobody knows whether all of it was.
    assert port.count.exact == (expected.answers is None)


# A web server has one port, and is judged as one.
DICOM = [
    name for name, server in BY_NAME.items() if server.web is None or server.dicom.verdict != "not-dicom"
]
WEB = [name for name, server in BY_NAME.items() if server.web is not None]


@pytest.mark.parametrize("name", DICOM)
def test_a_stranger_s_survey_finds_what_is_true(surveyed: Surveyed, name: str) -> None:
    place, server = surveyed.place(name), BY_NAME[name]
    require_as_expected(server.dicom, port_of(surveyed.stranger, place.port))


@pytest.mark.parametrize("name", WEB)
def test_the_web_server_beside_it(surveyed: Surveyed, name: str) -> None:
    place, server = surveyed.place(name), BY_NAME[name]
    assert place.http is not None and server.web is not None
    require_as_expected(server.web, port_of(surveyed.stranger, place.http))


@pytest.mark.parametrize("name", DICOM)
def test_who_knows_a_title_finds_more_where_that_is_true(surveyed: Surveyed, name: str) -> None:
    place, server = surveyed.place(name), BY_NAME[name]
    expected = server.named if KNOWN_TITLE in server.titles and server.named else server.dicom
    port = port_of(surveyed.knowing, place.port)
    require_as_expected(expected, port)
    if expected.studies is not None:
        assert port.count is not None
        assert port.count.people == STUDIES
        assert set(port.identifiers) >= SHOWN - ({"name"} if server.name == "ignores StudyDate" else set())


def test_nobody_is_taken_for_a_honeypot(surveyed: Surveyed) -> None:
    """One host that listens at many ports and one of them closed."""
    for network in (surveyed.stranger, surveyed.knowing):
        assert not network.apart
        assert port_of(network, surveyed.places["closed port"].port).verdict.verdict is Verdict.CLOSED
        assert network.levels == {Level.COUNTED: 1}


def test_nmap_beside_it(surveyed: Surveyed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What its dicom-ping makes of the same ports. It is held to what is open and nothing else."""
    ports = {there.port: name for name, there in surveyed.places.items()}
    command = [
        program("nmap", "nmap"),
        "-n",
        "-Pn",
        "-sT",
        "--script",
        "+dicom-ping",
        "--script-timeout",
        "5s",
    ]
    said = run(*command, "-p", ",".join(map(str, ports)), "127.0.0.1", cwd=tmp_path)
    assert said.status == 0, said.text
    found = dict(re.findall(r"^(\d+)/tcp +(\w+.*?)(?=^\d+/tcp|^Nmap|\Z)", said.out, re.MULTILINE | re.DOTALL))
    with capsys.disabled():
        print()
        for number, name in ports.items():
            port = port_of(surveyed.stranger, number)
            config = re.search(r"config: (.+)", found[str(number)])
            state = found[str(number)].split()[0]
            assert (state == "closed") == (port.verdict.verdict is Verdict.CLOSED)
            ours = f"level {int(port.verdict.level)}  {port.verdict.verdict:<18}{_amount(port):<13}"
            print(f"{name:<27}{ours}nmap: {state}, {config[1] if config else 'no DICOM'}")


def _amount(port: Port) -> str:
    if port.count is None:
        return ""
    return f"{'' if port.count.exact else '>= '}{port.count.studies} studies"
