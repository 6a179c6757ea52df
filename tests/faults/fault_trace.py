"""Running the importer under strace, with or without an injected fault."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fault_home import WAIT, Site

CALLS = "fsync,fdatasync,pwrite64,ftruncate,unlink,rename,mkdir"

# 1234 fdatasync(7</home/db/index.db-wal>) = 0      1234 rename("/home/a", "/home/b") = 0
_CALL = re.compile(r'^(\d+) +(\w+)\((?:\d+<([^>]*)>|"([^"]*)")', re.ASCII)


def require(condition: bool, missing: str) -> None:
    """Skipped by hand where something is missing; that must not pass for tried, so CI fails."""
    if not condition:
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)


def require_strace() -> None:
    require(
        shutil.which("strace") is not None,
        "strace is not here, so no system call was made to fail. Install strace.",
    )


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The `number`-th time that a thread makes `call` on `path` (relative to the site).

    strace counts by thread; the main one, which closes the home, can be traced alone.
    """

    path: str
    call: str
    number: int
    main: bool

    def __str__(self) -> str:
        return f"{self.call} {self.number} of {self.path}{' (main)' if self.main else ''}"


@dataclass(slots=True)
class Run:
    """How one import ended: exit status (-9: killed), what was acknowledged, and what strace saw."""

    status: int
    said: dict[str, str]
    calls: list[tuple[bool, str, str]] = field(default_factory=list)  # by the main thread?, call, path
    injected: int = 0

    @property
    def acknowledged(self) -> set[str]:
        return acknowledged(self.said)

    @property
    def killed(self) -> bool:
        return self.status == -9

    def points(self) -> list[Point]:
        """Every call on a file of the site, numbered."""
        made: Counter[tuple[bool, str, str]] = Counter()
        points = []
        for main, call, path in self.calls:
            made[main, call, path] += 1
            points.append(Point(path, call, made[main, call, path], main))
        return points


class Importer:
    """The process that forks a child for each import."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(
        self,
        site: Site,
        files: Path,
        *,
        point: Point | None = None,
        what: str = "signal=KILL",
        how: str = "steady",
    ) -> Run:
        """A steady import under strace; at `point` the call meets `what`. Without one it only watches."""
        log = site.folder / "strace.log"
        with self.child(site, files, how=how) as child:
            tracer = _attach(child.pid, log, _options(site, point, what))
            child.go()
            status = child.wait()
            tracer.wait(60)
        lines = log.read_text(errors="replace").splitlines()
        said = acknowledgements(site.folder)
        return Run(status, said, _calls(lines, site, child.pid), sum("(INJECTED" in line for line in lines))

    @contextmanager
    def child(self, site: Site, files: Path, *, how: str = "", notes: Path | None = None) -> Iterator[Child]:
        """A child that has opened its home and waits for `go`; fifos and acknowledgements lie in `notes`."""
        notes = notes or site.folder
        ready, go = (_fifo(notes / name) for name in ("ready", "go"))
        asked = {
            "root": str(site.root),
            "environ": site.environ,
            "files": str(files),
            "acks": str(notes / "acks"),
            "ready": str(ready),
            "go": str(go),
            "how": how,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        pid = self._answer()["pid"]
        ready.open("rb").close()
        descriptor = os.pidfd_open(pid)
        child = Child(pid, descriptor, go, self)
        try:
            yield child
        except BaseException:
            child.kill()
            raise
        finally:
            os.close(descriptor)
            ready.unlink()
            go.unlink()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the importer died"
        answer: dict[str, int] = json.loads(line)
        return answer


@dataclass(frozen=True, slots=True)
class Child:
    pid: int
    _descriptor: int
    _go: Path
    _importer: Importer

    def go(self) -> None:
        self._go.open("wb").close()

    def kill(self) -> None:
        """This very process, or nobody when it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def wait(self) -> int:
        return self._importer._answer()["status"]


@contextmanager
def importer() -> Iterator[Importer]:
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("importer.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Importer(process)
        finally:
            process.kill()


def acknowledgements(notes: Path) -> dict[str, str]:
    """What the importer said of each object."""
    path = notes / "acks"
    if not path.exists():
        return {}
    return dict(line.split(" ", 1) for line in path.read_text("ascii").splitlines())  # type: ignore[misc]


def wait_for(notes: Path, wanted: int) -> None:
    """Until so many objects are acknowledged."""
    give_up = time.monotonic() + WAIT
    while len(acknowledgements(notes)) < wanted:
        assert time.monotonic() < give_up
        threading.Event().wait(0.001)


def acknowledged(said: dict[str, str]) -> set[str]:
    return {uid for uid, word in said.items() if word in {"stored", "duplicate"}}


def _fifo(path: Path) -> Path:
    os.mkfifo(path, 0o600)
    return path


def _options(site: Site, point: Point | None, what: str) -> list[str]:
    if point is None:
        return ["-f", "-e", f"trace={CALLS}"]
    path = str(site.folder / point.path)
    return [
        *([] if point.main else ["-f"]),
        "-P",
        path,
        "-e",
        f"trace={point.call}",
        "-e",
        f"inject={point.call}:{what}:when={point.number}",
    ]


def _attach(pid: int, log: Path, options: list[str]) -> subprocess.Popen[str]:
    command = ["strace", "-y", "-o", str(log), *options, "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        tracer.wait(60)
        require("not permitted" not in said, f"This machine allows no tracing, so nothing was tried: {said}")
        raise AssertionError(said)
    return tracer


def _calls(lines: list[str], site: Site, main: int) -> list[tuple[bool, str, str]]:
    found = []
    for line in lines:
        if match := _CALL.match(line):
            path = Path(match[3] or match[4])
            if path.is_relative_to(site.folder):
                found.append((int(match[1]) == main, match[2], str(path.relative_to(site.folder))))
    return found


def chosen(points: list[Point], kinds: Mapping[str, int]) -> list[Point]:
    """Some of each kind, a pattern with how many: the first, the last, and between. All with LEADGLASS_PROOF."""
    found: list[Point] = []
    for pattern, most in kinds.items():
        of = [point for point in points if re.fullmatch(pattern, f"{point.call} {point.path}")]
        if os.environ.get("LEADGLASS_PROOF") or len(of) <= most:
            found += of
        else:
            found += [of[at * (len(of) - 1) // max(1, most - 1)] for at in range(most)]
    return found
