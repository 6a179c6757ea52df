"""How fast strangers are asked: D01 to D03 beside nmap's dicom-ping, all D checks on an estate, one count.

2,300 open hosts in a process of their own on 127.9.0.0/16 (`probing_hosts.py`); every other address is closed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import uvloop
from common import MB, spread
from probing_hosts import address

from leadglass.scan.manner import Manner
from leadglass.scan.observation import Level
from leadglass.scan.probe_dimse import LADDER, probe_dimse

OPEN, NETWORK = 2300, 65_536
AT_ONCE = 100
MATCHES = 400_003
ROUNDS = 3


@contextmanager
def hosts(number: int, port: int, matches: int) -> Iterator[psutil.Process]:
    command = [sys.executable, Path(__file__).with_name("probing_hosts.py"), number, port, matches]
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def manner(level: Level) -> Manner:
    return Manner("bench@example.org", level, secret=b"bench")


async def survey(number: int, ports: tuple[int, ...], level: Level, probes: frozenset[str]) -> Counter[str]:
    """So many addresses, as many at once as a survey asks."""
    work = ((address(n), port) for n in range(number) for port in ports)
    how, seen = manner(level), Counter[str]()

    async def worker() -> None:
        for host, port in work:
            for observation in await probe_dimse(host, port, how, probes=probes):
                seen[f"{observation.probe} {observation.outcome}"] += 1

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return seen


def timed(
    number: int, ports: tuple[int, ...], level: Level, probes: frozenset[str]
) -> tuple[float, float, Counter[str]]:
    """Seconds by the clock and by the processor, and what was seen."""
    started, processor = time.perf_counter(), time.process_time()
    seen = uvloop.run(survey(number, ports, level, probes))
    return time.perf_counter() - started, time.process_time() - processor, seen


def nmap(port: int, folder: Path) -> tuple[float, float]:
    listed = folder / "hosts"
    listed.write_text("\n".join(address(n) for n in range(OPEN)))
    before, started = os.times(), time.perf_counter()
    words = ["-n", "-Pn", "-T5", "--min-hostgroup", "4096", "-p", str(port), "--script", "dicom-ping"]
    done = subprocess.run(["nmap", *words, "-iL", str(listed), "-oX", "-"], capture_output=True, check=True)
    took, after = time.perf_counter() - started, os.times()
    assert done.stdout.count(b"Any AET is accepted") >= OPEN
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return took, used


def handshakes(port: int) -> None:
    ours, theirs, ours_cpu, theirs_cpu = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            took, used, seen = timed(OPEN, (port,), Level.ASSOCIATES, frozenset({"associate"}))
            assert seen == {"associate accepted": OPEN}
            ours.append(OPEN / took)
            ours_cpu.append(used / OPEN * 1e6)
            if shutil.which("nmap"):
                took, used = nmap(port, Path(folder))
                theirs.append(OPEN / took)
                theirs_cpu.append(used / OPEN * 1e6)
    print(f"D01 to D03, hosts/s: {spread(ours, '.0f')}; processor {spread(ours_cpu, '.0f')} µs each")
    if theirs:
        print(
            f"  nmap dicom-ping, the same hosts: {spread(theirs, '.0f')}; {spread(theirs_cpu, '.0f')} µs each"
        )


def estate(port: int, server: psutil.Process) -> None:
    took, used, seen = timed(NETWORK, (port, port + 1), Level.ANSWERS, LADDER)
    assert seen["find-none answered"] == OPEN, seen
    assert seen["associate refused"] == 2 * NETWORK - OPEN, seen
    own, other = psutil.Process().memory_info().rss / MB, server.memory_info().rss / MB
    print(f"all D checks, a /16, two ports, {OPEN} open: {took:.1f} s ({used:.1f} s of processor)")
    print(f"  memory: {own:.0f} MB, the hosts {other:.0f} MB")


def count(port: int) -> None:
    async def one() -> dict[str, object]:
        seen = await probe_dimse(address(0), port, manner(Level.COUNTED))
        return dict(seen[-1].said)

    before, processor = psutil.Process().memory_info().rss / MB, time.process_time()
    said = uvloop.run(one())
    used = time.process_time() - processor
    grown = psutil.Process().memory_info().rss / MB - before
    assert (said["studies"], said["exact"]) == (MATCHES, True), said
    per_core = MATCHES / used
    print(
        f"one count: {said['rate']} matches/s by the clock, {per_core:.0f} by the processor; + {grown:.1f} MB"
    )


def main() -> None:
    port = 11112  # dicom-ping looks at few others
    with hosts(OPEN, port, MATCHES) as server:
        handshakes(port)
        estate(port, server)
        count(port)


if __name__ == "__main__":
    main()
