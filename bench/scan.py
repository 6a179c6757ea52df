"""A whole survey: a /16 with 2,300 systems, D01 to D03 beside nmap, and the report of 5,000 hosts.

    python bench/scan.py [--rounds 3]

The estate of 2019 is played by a process beside; every other address is closed, and is knocked at twice. What the
survey says is held against what is true. One count alone is measured by `probing.py`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import MB, resident, spread
from estate.held import differences, missed, unexplained
from estate.starting import Playing, playing
from estate.surveying import Surveyor, scope

from leadglass.scan.conclusions import Network, conclude
from leadglass.scan.observation import Observation
from leadglass.scan.register import Kind, Survey, Tally
from leadglass.scan.report.context import About
from leadglass.scan.report.exports import FORMATS
from leadglass.scan.report.letters import letters
from leadglass.scan.report.page import page
from leadglass.scan.scope import read_scope

RANGE = f"127.{120 + os.getpid() % 64}.0.0/16"
PORTS = (11112, 4242)
HOSTS = 5_000
# Who answers at once: the others cost whoever waits for them as long as he is patient.
ORDINARY = (
    "open",
    "open-old-dcmtk",
    "open-dcm4che",
    "orthanc-like",
    "store-only",
    "echo-only",
    "checks-called",
)
Seen = list[tuple[str, list[Observation]]]


def row(what: str, measured: str, bound: str = "") -> None:
    print(f"{what:<44}{measured:<44}{bound}", flush=True)


# --- a survey of a /16 ------------------------------------------------------------------------------------


@contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """MB of a process and its children (PSS), twice a second."""
    held, stop = [0.0], threading.Event()

    def sample() -> None:
        while not stop.wait(0.5):
            held.append(resident(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield held
    finally:
        stop.set()
        thread.join()


def whole(estate: Playing, home: Path) -> Surveyor:
    """All D checks, counts included, and the reports. The 39 web servers of the estate are left out."""
    surveyor, began = Surveyor(home), time.perf_counter()
    under_way = surveyor.start(scope(RANGE, PORTS))
    with watched(under_way.process.pid) as held:
        said = under_way.ended()
    took = time.perf_counter() - began
    dicom = {"systems": [only_dicom(each) for each in estate.truth["systems"]]}
    wrong = differences(dicom, said.report) + unexplained(dicom, said.report)
    row(
        "a /16, 2,300 systems, two ports, all D checks",
        f"{took:.1f} s, {said.processor:.1f} s of a processor",
        "<= 90 s",
    )
    row("  memory", f"{max(held):.0f} MB (peak of its own {said.memory / MB:.0f})", "<= 200 MB")
    row(
        "  false levels, verdicts, counts",
        f"{len(wrong)}, doors not recognised {missed(dicom, said.report)}",
        "0",
    )
    return surveyor


def only_dicom(system: dict[str, Any]) -> dict[str, Any]:
    return system | {"ports": [port for port in system["ports"] if port["port"] in PORTS]}


# --- D01 to D03 beside nmap -------------------------------------------------------------------------------


def beside_nmap(estate: Playing, folder: Path, rounds: int) -> None:
    """The whole program each: start, hosts with two ports of which one is open at most of them, report."""
    addresses = [system["address"] for system in estate.systems(*ORDINARY)]
    ours, theirs, ratios = [], [], []
    for number in range(rounds):
        home = folder / str(number)
        home.mkdir()
        ours.append(len(addresses) / timed(lambda home=home: associate(home, addresses)))
        if shutil.which("nmap"):
            theirs.append(len(addresses) / timed(lambda: dicom_ping(folder, addresses)))
            ratios.append(ours[-1] / theirs[-1])
    row(f"D01 to D03 of {len(addresses):,} hosts, two ports", f"{spread(ours, '.0f')} hosts/s")
    if ratios:
        row("  nmap -sT --script dicom-ping", f"{spread(theirs, '.0f')} hosts/s")
        row("  ours to nmap's", f"{spread(ratios, '.2f')}", ">= 1")


def associate(home: Path, addresses: list[str]) -> None:
    said = Surveyor(home).survey(scope(RANGE, PORTS, level="associate", hosts=addresses))
    assert len(said.report["hosts"]) == len(addresses)


def dicom_ping(folder: Path, addresses: list[str]) -> None:
    listed = folder / "hosts"
    listed.write_text("\n".join(addresses))
    words = ["-n", "-Pn", "-sT", "-T5", "--min-hostgroup", "4096", "-p", ",".join(map(str, PORTS))]
    command = ["nmap", *words, "--script", "dicom-ping", "-iL", str(listed), "-oX", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout.count(b"DICOM Service Provider discovered") > 1_000


def timed(what: Callable[[], None]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


# --- the report of 5,000 hosts ----------------------------------------------------------------------------


def report(surveyor: Surveyor) -> None:
    """What was seen in the /16, at twice as many addresses. In seconds of a processor."""
    seen = multiplied(surveyor.seen())
    text = scope("127.0.0.0/8", PORTS).replace("[targets]", "[targets]\nmost_addresses = 16777216", 1)
    now = int(time.time() * 1000)
    survey = Survey(1, now, now, Kind.SURVEY, 1, "bench", text, "", {}, 1)
    about = About(survey, read_scope(text.encode(), now), Tally(), now)
    made: list[Network] = []
    parts = {"conclude": used(lambda: made.append(conclude(seen)))}
    parts["page"] = used(lambda: page(made[0], about))
    for name, (_, make) in FORMATS.items():
        parts[name] = used(lambda make=make: make(made[0], about))
    told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
    observations = sum(len(each) for _, each in seen)
    row(
        f"report of {len(seen):,} hosts, {observations:,} observations",
        f"{sum(parts.values()):.1f} s of a processor",
        "<= 5 s",
    )
    row("", told)
    several = used(lambda: letters(made[0], about))
    row("  a letter to each, as nobody has an owner", f"{several:.1f} s of a processor")


def multiplied(known: dict[str, list[Observation]]) -> Seen:
    found: Seen = []
    while len(found) < HOSTS:
        for seen in known.values():
            number = len(found)
            address = f"127.{64 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"
            found.append((address, [replace(each, address=address) for each in seen]))
    return found[:HOSTS]


def used(what: Callable[[], object]) -> float:
    began = time.process_time()
    what()
    return time.process_time() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as name, playing("2019", range_=RANGE) as estate:
        folder = Path(name)
        (folder / "whole").mkdir()
        surveyor = whole(estate, folder / "whole")
        report(surveyor)
        beside_nmap(estate, folder, asked.rounds)
    print("load at the end:", ", ".join(f"{value:.1f}" for value in os.getloadavg()))


if __name__ == "__main__":
    main()
