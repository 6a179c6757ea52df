"""Starting an estate as a process of its own, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
WAIT: Final = 60  # seconds; only an estate that hangs ever takes them


@dataclass(slots=True)
class Playing:
    """An estate that listens. `log` is there once it has ended: what strangers did at its doors."""

    truth: dict[str, Any]
    pid: int
    log: dict[str, Any] = field(default_factory=dict)

    def systems(self, *kinds: str) -> list[dict[str, Any]]:
        """Of those kinds, all if none is named."""
        return [system for system in self.truth["systems"] if not kinds or system["kind"] in kinds]

    def port(self, kind: str) -> tuple[str, dict[str, Any]]:
        """The address of the first system with a place of that kind, and the truth of the place."""
        return next(
            (system["address"], port)
            for system in self.truth["systems"]
            for port in system["ports"]
            if port["kind"] == kind
        )


def own_range(more: int = 0) -> str:
    """A /24 that no other process's estate is played at, or hardly; `more` for a second one beside it."""
    pid = os.getpid()
    return f"127.{80 + 40 * more + pid // 256 % 40}.{pid % 256}.0/24"


@contextmanager
def playing(description: str | Path, *, range_: str | None = None, **options: object) -> Iterator[Playing]:
    """`description`: a file, or the name of one that lies here (`zoo`, `small`, `2019`). It ends with the
    block, and with this process."""
    path = Path(description) if os.sep in str(description) else HERE / f"{description}.toml"
    with tempfile.TemporaryDirectory(prefix="estate-") as folder:
        truth, log = Path(folder) / "truth.json", Path(folder) / "log.json"
        words = [str(path), "--attached", "--truth", str(truth), "--log", str(log)]
        words += ["--range", range_] if range_ else []
        words += [word for name, value in options.items() for word in (f"--{name}", str(value))]
        environ = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "estate", *words],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            made = Playing(_ready(process, truth), process.pid)
            yield made
        finally:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            try:
                process.wait(WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        made.log = json.loads(log.read_text(encoding="utf-8"))


def _ready(process: subprocess.Popen[str], truth: Path) -> dict[str, Any]:
    assert process.stdout is not None
    watchdog = threading.Timer(WAIT, process.kill)
    watchdog.start()
    said = process.stdout.readline()
    watchdog.cancel()
    if not said.startswith("ready"):
        raise RuntimeError("The estate did not start; what it said is above.")
    found: dict[str, Any] = json.loads(truth.read_text(encoding="utf-8"))
    return found
