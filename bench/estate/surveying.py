"""Surveying an estate with the program itself, as anybody runs it, in a home of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from leadglass.errors import LeadglassError
from leadglass.scan.observation import Observation
from leadglass.scan.register import Register
from leadglass.scan_home import has_register, open_register

LEADGLASS: Final = str(Path(sys.executable).with_name("leadglass"))
_LOOK: Final = 0.02  # seconds between looks at how much memory is held
_SCOPE: Final = """\
[authorisation]
organisation = "An estate"
authorised_by = "whoever plays it"
contact = "estate@example.org"
legal_basis = "addresses of this machine"
valid_from = {year}-01-01
valid_to = {year}-12-31
ranges = ["{range}"]

[targets]
ranges = {ranges}
hosts = {hosts}
do_not_probe = {avoid}
ports = {ports}

[limits]
max_level = "{level}"
options = {options}
rate = {rate}
rate_per_24 = {rate}
"""


def scope(
    range_: str,
    ports: Iterable[int],
    *,
    level: str = "count",
    options: Iterable[str] = (),
    hosts: Iterable[str] = (),
    avoid: Iterable[str] = (),
    rate: int = 100_000,
) -> str:
    """All of a range, or only these hosts of it; as fast as it will go unless there is a `rate`."""
    listed = list(hosts)
    return _SCOPE.format(
        year=datetime.now(UTC).year,
        range=range_,
        ranges=json.dumps([] if listed else [range_]),
        hosts=json.dumps(listed),
        avoid=json.dumps(list(avoid)),
        ports=json.dumps(sorted(ports)),
        level=level,
        options=json.dumps(list(options)),
        rate=rate,
    )


def ports_of(truth: Mapping[str, Any]) -> list[int]:
    """Every port of an estate."""
    return sorted({place["port"] for system in truth["systems"] for place in system["ports"]})


@dataclass(frozen=True, slots=True)
class Said:
    """What a survey printed, the most memory that it held, in bytes, and the seconds of processor that it took.
    Status 1: somebody answers strangers, or it was stopped; below 0: the signal that ended it."""

    status: int
    out: bytes
    err: bytes
    memory: int
    processor: float

    @property
    def report(self) -> Any:
        assert self.status in {0, 1}, self.err.decode()
        return json.loads(self.out)


def _most_held(process: int) -> int:
    """Bytes, at most, since it began; 0 of one that has ended."""
    told = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    return int(told[1]) * 1024 if told else 0


@dataclass(frozen=True, slots=True)
class Under:
    """A survey under way. What it prints is kept in files, so that it never waits for a reader."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def stop(self, number: signal.Signals) -> Said:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> Said:
        # Not ru_maxrss: it counts the memory of whoever began the process, too.
        ended, memory = 0, 0
        while not ended:
            memory = max(memory, _most_held(self.process.pid))
            time.sleep(_LOOK)
            ended, status, used = os.wait4(self.process.pid, os.WNOHANG)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return Said(
            self.process.returncode,
            self.out.read_bytes(),
            self.err.read_bytes(),
            memory,
            used.ru_utime + used.ru_stime,
        )


@dataclass(frozen=True, slots=True)
class Surveyor:
    """Whoever has `home` to himself: register, key, scopes, reports and what was printed lie there and nowhere
    else."""

    home: Path

    @property
    def environ(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("LEADGLASS_", "XDG_"))
        }
        return kept | {"HOME": str(self.home), "TMPDIR": str(self.home)}

    def start(self, text: str, *words: object) -> Under:
        """The survey of a scope."""
        scope_file, number = self.home / "scope.toml", len(list(self.home.glob("*.out")))
        scope_file.write_text(text, encoding="utf-8")
        out, err = self.home / f"{number}.out", self.home / f"{number}.err"
        command = [LEADGLASS, "scan", "--scope", str(scope_file), "--json", *map(str, words)]
        with out.open("wb") as to_out, err.open("wb") as to_err:
            return Under(
                subprocess.Popen(command, cwd=self.home, env=self.environ, stdout=to_out, stderr=to_err),
                out,
                err,
            )

    def survey(self, text: str, *words: object) -> Said:
        """From its beginning, or from where it was stopped, to its end."""
        return self.start(text, *words).ended()

    @contextmanager
    def register(self) -> Iterator[Register]:
        with open_register(self.environ) as opened:
            yield opened

    def hosts_done(self) -> int:
        """Of the last survey, by now; 0 while there is no register."""
        try:
            if not has_register(self.environ):
                return 0
            with self.register() as register:
                return len(register.hosts_done(register.survey().id))
        except LeadglassError:  # it is just being made
            return 0

    def seen(self) -> dict[str, list[Observation]]:
        """At the hosts of the last survey that are done."""
        with self.register() as register:
            return dict(register.observations(register.survey().id))
