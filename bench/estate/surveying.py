"""Surveying an estate with the program itself, as anybody runs it, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

LEADGLASS: Final = str(Path(sys.executable).with_name("leadglass"))
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
rate = 100000
rate_per_24 = 100000
"""


def scope(
    range_: str,
    ports: Iterable[int],
    *,
    level: str = "count",
    options: Iterable[str] = (),
    hosts: Iterable[str] = (),
    avoid: Iterable[str] = (),
) -> str:
    """As fast as it will go, all of a range; or only these hosts of it."""
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
    )


def ports_of(truth: Mapping[str, Any]) -> list[int]:
    """Every port of an estate."""
    return sorted({place["port"] for system in truth["systems"] for place in system["ports"]})


@dataclass(frozen=True, slots=True)
class Surveyor:
    """Whoever has `home` to himself: register, key, scopes and reports lie there and nowhere else."""

    home: Path

    @property
    def environ(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("LEADGLASS_", "XDG_"))
        }
        return kept | {"HOME": str(self.home), "TMPDIR": str(self.home)}

    def write(self, text: str) -> Path:
        path = self.home / "scope.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        command = [LEADGLASS, "scan", *map(str, words)]
        return subprocess.Popen(
            command, cwd=self.home, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def survey(self, text: str, *words: object) -> Said:
        """To its end."""
        process = self.start("--scope", self.write(text), "--json", *words)
        out, err = process.communicate()
        return Said(process.returncode, out, err)

    def hosts_done(self) -> int:
        """Of the last survey, as the register has it now; 0 while there is none."""
        from leadglass.errors import LeadglassError
        from leadglass.scan_home import has_register, open_register

        if not has_register(self.environ):
            return 0
        try:
            with open_register(self.environ) as register:
                return len(register.hosts_done(register.survey().id))
        except LeadglassError:  # it is just being made
            return 0


@dataclass(frozen=True, slots=True)
class Said:
    """What a survey printed. Exit status 1: somebody answers strangers."""

    status: int
    out: bytes
    err: bytes

    @property
    def report(self) -> Any:
        assert self.status in {0, 1}, self.err.decode()
        return json.loads(self.out)
