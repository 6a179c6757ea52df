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
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop
from common import MB, resident, spread
from estate.held import differences, missed, unexplained
from estate.starting import Playing, playing
from estate.surveying import Surveyor, scope

from leadglass.db import migrations
from leadglass.db.sqlcipher import SealedFile
from leadglass.scan.asking import ASKS
from leadglass.scan.clocks import now
from leadglass.scan.conclusions import Network, conclude
from leadglass.scan.examine import Language
from leadglass.scan.manner import Manner
from leadglass.scan.observation import Observation
from leadglass.scan.plan import plan
from leadglass.scan.probe_dimse import probe_dimse
from leadglass.scan.register import Kind, Register, Survey, Tally
from leadglass.scan.report.context import About
from leadglass.scan.report.exports import FORMATS
from leadglass.scan.report.letters import letters
from leadglass.scan.report.page import page
from leadglass.scan.scope import read_scope
from leadglass.scan.survey import Surveyor as Engine

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
    """The engine with one probe, from the first knock to the last host in the register; nmap with one script.
    Both try two ports of each host, one of which is closed at most of them."""
    addresses = [system["address"] for system in estate.systems(*ORDINARY)]
    ours, theirs, ours_used, theirs_used = [], [], [], []
    for number in range(rounds):
        took, processor = associate(folder / f"{number}.db", addresses)
        ours.append(len(addresses) / took)
        ours_used.append(processor / len(addresses) * 1e6)
        if shutil.which("nmap"):
            took, processor = dicom_ping(folder, addresses)
            theirs.append(len(addresses) / took)
            theirs_used.append(processor / len(addresses) * 1e6)
    row(
        f"D01 to D03 of {len(addresses):,} hosts, two ports",
        f"{spread(ours, '.0f')} hosts/s; {spread(ours_used, '.0f')} us of a processor each",
    )
    if theirs:
        told = f"{spread(theirs, '.0f')} hosts/s; {spread(theirs_used, '.0f')} us of a processor each"
        row("  nmap -sT -T5 --script dicom-ping", told)
        row("  ours to nmap's", spread([o / t for o, t in zip(ours, theirs, strict=True)], ".2f"), ">= 1")


async def alone(address: str, port: int, manner: Manner) -> list[Observation]:
    return await probe_dimse(address, port, manner, probes=frozenset({"associate"}))


def associate(database: Path, addresses: list[str]) -> tuple[float, float]:
    """Seconds by the clock, and of a processor."""
    text = scope(RANGE, PORTS, level="associate", hosts=addresses)
    asked = read_scope(text.encode(), now())
    planned = plan(
        asked.ranges, asked.ports, [(each.host, each.ports) for each in asked.hosts], asked.do_not_probe
    )
    migrations.upgrade(SealedFile(database, bytes(32)), migrations.REGISTER)
    register = Register(SealedFile(database, bytes(32)).open(readers=1))
    begun = register.begin(text, planned.to_json(), planned.blocks, "bench", now())
    manner = Manner(asked.contact, asked.max_level, secret=b"bench")
    engine = Engine(asked, begun, register, manner, {**ASKS, Language.DICOM: alone}, clock=now)
    began, processor = time.perf_counter(), time.process_time()
    uvloop.run(engine.run())
    took = time.perf_counter() - began, time.process_time() - processor
    assert len(register.hosts_done(begun.id)) == len(addresses)
    register.close()
    return took


def dicom_ping(folder: Path, addresses: list[str]) -> tuple[float, float]:
    listed = folder / "hosts"
    listed.write_text("\n".join(addresses))
    words = ["-n", "-Pn", "-sT", "-T5", "--min-hostgroup", "4096", "-p", ",".join(map(str, PORTS))]
    command = ["nmap", *words, "--script", "dicom-ping", "-iL", str(listed), "-oX", "-"]
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=True)
    took, after = time.perf_counter() - began, os.times()
    assert done.stdout.count(b"DICOM Service Provider discovered") > 1_000
    user, system = after.children_user - before.children_user, after.children_system - before.children_system
    return took, user + system


# --- the report of 5,000 hosts ----------------------------------------------------------------------------


def report(surveyor: Surveyor) -> None:
    """What was seen in the /16, at twice as many addresses. In seconds of a processor."""
    seen = multiplied(surveyor.seen())
    text = scope("127.0.0.0/8", PORTS).replace("[targets]", "[targets]\nmost_addresses = 16777216", 1)
    when = now()
    survey = Survey(1, when, when, Kind.SURVEY, 1, "bench", text, "", {}, 1)
    about = About(survey, read_scope(text.encode(), when), Tally(), when)
    made: list[Network] = []
    parts = {"conclude": used(lambda: made.append(conclude(seen)))}
    parts["page"] = used(lambda: deque(page(made[0], about), 0))
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
    several = used(lambda: deque(letters(made[0], about), 0))
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
