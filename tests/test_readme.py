"""The README's own commands, run as they stand there, in an empty HOME."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pydicom.data
import pytest

ROOT = Path(__file__).resolve().parent.parent
COMMAND = re.compile(r"^    (leadglass [^#\n]*?)\s*(?:#.*)?$", re.MULTILINE)


def commands(section: str) -> list[str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return COMMAND.findall(readme.partition(f"## {section}\n")[2].partition("\n## ")[0])


@pytest.fixture
def stranger(tmp_path: Path) -> dict[str, str]:
    """An environment with nothing of ours in it, in a folder with images of their own."""
    images = tmp_path / "images"
    images.mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm"):
        shutil.copy(pydicom.data.get_testdata_file(name), images / name)
    keep = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "CI"}}
    return keep | {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_the_section_has_commands() -> None:
    found = commands("Use it")
    assert found[0] == "leadglass init"
    assert "leadglass serve" in found


@pytest.mark.slow
def test_every_command_of_the_readme_works(stranger: dict[str, str]) -> None:
    for command in commands("Use it"):
        if command == "leadglass serve":
            continue  # does not end by itself: below
        done = subprocess.run(
            command.split(), cwd=stranger["HOME"], env=stranger, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.slow
def test_serve_answers_and_stops_cleanly(stranger: dict[str, str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.run(["leadglass", "init"], env=stranger, check=True, capture_output=True, timeout=60)
    server = subprocess.Popen(
        ["leadglass", "serve", "--http", f"127.0.0.1:{port}"],
        env=stranger,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        said = next(line for line in server.stdout if f"http://localhost:{port}" in line)
        with urllib.request.urlopen(f"http://localhost:{port}/healthz", timeout=10) as answer:
            assert answer.status == 200
        server.send_signal(signal.SIGINT)
        rest = server.stdout.read()
        assert server.wait(timeout=30) == 0
        assert "Traceback" not in said + rest
    finally:
        if server.poll() is None:
            server.kill()
        server.wait()
