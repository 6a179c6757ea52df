"""The old PACS as a process, as the demo starts it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

WAIT = 60  # seconds; only something that hangs ever takes them
COMMAND = (sys.executable, "-m", "leadglass.demo.old_pacs")


@dataclass(frozen=True, slots=True)
class OldPacs:
    port: int
    process: subprocess.Popen[str]


@contextmanager
def old_pacs(*options: str) -> Iterator[OldPacs]:
    process = subprocess.Popen(
        [*COMMAND, "--listen", "127.0.0.1:0", "--created", "1800000000000", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    watchdog = threading.Timer(WAIT, process.kill)
    watchdog.start()
    try:
        said = process.stdout.readline().split()
        assert said and said[0] == "ready"
        yield OldPacs(int(said[2]), process)
    finally:
        process.stdin.close()
        process.wait(WAIT)
        watchdog.cancel()
        process.stdout.close()
    assert process.returncode == 0
