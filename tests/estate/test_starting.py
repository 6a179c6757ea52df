"""An estate as a process: it starts whole, says why it does not, and ends with whoever started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from estate.starting import HERE, own_range, playing

BENCH = HERE.parent
RANGE = own_range(1)


def start(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "estate", str(HERE / "small.toml"), *words],
        env=os.environ | {"PYTHONPATH": str(BENCH)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_off_loopback_nothing_is_played() -> None:
    done = start("--range", "192.0.2.0/24")
    assert done.returncode == 1
    assert "is not on loopback" in done.stderr


def test_an_address_that_is_taken_is_named() -> None:
    with playing("small", range_=RANGE):
        done = start("--range", RANGE)
    assert done.returncode == 1
    assert "Cannot listen at 127." in done.stderr and "Traceback" not in done.stderr


def test_every_other_address_is_closed() -> None:
    with playing("small", range_=RANGE) as small:
        taken = {(s["address"], p["port"]) for s in small.systems() for p in s["ports"]}
        network = RANGE.rpartition(".")[0]
        refused = 0
        for last in range(1, 255):
            for port in small.truth["ports"]["dicom"]:
                if (f"{network}.{last}", port) not in taken:
                    with pytest.raises(ConnectionRefusedError):
                        socket.create_connection((f"{network}.{last}", port), timeout=5)
                    refused += 1
    assert refused == 254 * 2 - len(taken)


def test_it_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """Killed without a chance to say so."""
    script = (
        f"import sys, time; sys.path.insert(0, {str(BENCH)!r})\n"
        "from estate.starting import playing\n"
        f"with playing('small', range_={RANGE!r}) as it:\n"
        "    print(it.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None and starter.stdin is not None
    played = psutil.Process(int(starter.stdout.readline()))
    starter.send_signal(signal.SIGKILL)
    starter.wait(30)
    played.wait(30)
    starter.stdin.close()
    starter.stdout.close()


def test_the_constituency_names_every_network(tmp_path: Path) -> None:
    done = start("--show", "--constituency", str(tmp_path / "c.csv"))
    assert done.returncode == 0
    rows = (tmp_path / "c.csv").read_text().splitlines()
    assert rows[0] == "asn,cidr,country,sector,contact"
    assert len(rows) == 2
