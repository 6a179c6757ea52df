"""The README's own commands, run as they stand there, in an empty HOME."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom.data
import pytest

from leadglass.cli.demo import demo

ROOT = Path(__file__).resolve().parent.parent
OWN_BIN = Path(sys.executable).parent
COMMAND = re.compile(r"^    (leadglass [^#\n]*?)\s*(?:#.*)?$", re.MULTILINE)
SESSION = re.compile(r"^    \$ (.+)\n((?:    (?!\$ ).+\n)*)", re.MULTILINE)
ADDRESS = re.compile(r"127\.0\.0\.1:\d+")
DEMO_PORT, OLD_PORT = "11112", "4242"
WAIT = 300  # seconds; only something that hangs ever takes them


def section(title: str) -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return readme.partition(f"## {title}\n")[2].partition("\n## ")[0]


def commands(title: str) -> list[str]:
    return COMMAND.findall(section(title))


def serves(command: str) -> bool:
    """Whether it does not end by itself."""
    return command.split()[1] == "serve"


def sessions(title: str) -> list[tuple[str, list[str]]]:
    """Other people's commands, and the lines that are shown of what they say."""
    played = SESSION.findall(section(title))
    return [(command, [line.strip() for line in shown.splitlines()]) for command, shown in played]


def dcmtk(name: str) -> str:
    """Debian's, and not one of the same name that stands beside this Python. CI fails without it."""
    places = [each for each in os.environ["PATH"].split(os.pathsep) if Path(each).resolve() != OWN_BIN]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        reason = f"NOT TRIED: no {name} here. Install dcmtk."
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return found


def moved(text: str, ports: dict[str, str]) -> str:
    """The README's ports, to those of the demo that is tried."""
    return re.sub(r"\b(?:4242|11112)\b", lambda found: ports[found[0]], text)


def as_words(text: str) -> str:
    """Without what depends on how wide a column is."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def is_refused(line: str) -> bool:
    """What DCMTK or the scan says when its exit status is not 0."""
    return line.startswith("E:") or "ANSWERS STRANGERS" in line


@contextmanager
def running(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A server with its output as one; ended by its number."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watchdog = threading.Timer(WAIT, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


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
    assert sum(map(serves, found)) == 2
    played = [command.split()[0] for command, _ in sessions("See it")]
    assert played == ["storescu", *["findscu"] * 3, "leadglass"]
    defaults = {name: each.default for name, each in inspect.signature(demo).parameters.items()}
    assert defaults["dicom"] == f"127.0.0.1:{DEMO_PORT}"
    assert defaults["old_pacs"] == f"127.0.0.1:{OLD_PORT}"


@pytest.mark.slow
def test_every_command_of_the_readme_works(stranger: dict[str, str]) -> None:
    for command in commands("Use it"):
        if serves(command):
            continue  # below
        done = subprocess.run(
            command.split(), cwd=stranger["HOME"], env=stranger, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        if command.startswith("leadglass scan init "):
            fill_in(Path(stranger["HOME"], command.split()[-1]))


def fill_in(scope: Path) -> None:
    """What the README asks for: this machine, at a port where nobody listens."""
    text = scope.read_text(encoding="utf-8")
    given = {"organisation": "A clinic", "authorised_by": "Its CIO", "contact": "it@example.org"}
    for name, value in (given | {"legal_basis": "own networks"}).items():
        assert f'{name} = ""' in text
        text = text.replace(f'{name} = ""', f'{name} = "{value}"')
    assert text.count("ranges = []") == 2 and "hosts = []" in text
    text = text.replace("ranges = []", 'ranges = ["127.0.0.1/32"]', 1)
    text = text.replace("hosts = []", 'hosts = ["127.0.0.1:1"]')
    scope.write_text(text, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in commands("Use it") if serves(command)])
def test_serve_answers_and_stops_cleanly(stranger: dict[str, str], command: str) -> None:
    subprocess.run(["leadglass", "init"], env=stranger, check=True, capture_output=True, timeout=60)
    asked = [*ADDRESS.sub("127.0.0.1:0", command).split(), "--http", "127.0.0.1:0"]
    with running(asked, stranger) as server:
        assert server.stdout is not None
        said = [next(line for line in server.stdout if "http://localhost:" in line)]
        port = re.search(r"localhost:(\d+)", said[0])
        assert port is not None
        with urllib.request.urlopen(f"http://localhost:{port[1]}/healthz", timeout=10) as answer:
            assert answer.status == 200
        for _ in ADDRESS.findall(command):
            said.append(server.stdout.readline())
            listening = ADDRESS.search(said[-1])
            assert said[-1].startswith("DICOM") and listening is not None
            socket.create_connection(("127.0.0.1", int(listening[0].partition(":")[2])), timeout=10).close()
        server.send_signal(signal.SIGINT)
        said.append(server.stdout.read())
        assert server.wait(timeout=30) == 0
        assert "Traceback" not in "".join(said)


@pytest.mark.slow
@pytest.mark.peer
def test_the_demo_s_scanner_may_send_and_nobody_may_ask_but_the_old_pacs(
    stranger: dict[str, str], tmp_path: Path
) -> None:
    """What the README shows of DCMTK is what it says, line by line."""
    shutil.copy(tmp_path / "images" / "CT_small.dcm", tmp_path / "image.dcm")
    programs = {name: dcmtk(name) for name in ("storescu", "findscu")} | {"leadglass": "leadglass"}
    doors = [word for name in ("http", "dicom", "old-pacs") for word in (f"--{name}", "127.0.0.1:0")]
    started = ["leadglass", "demo", *doors]
    with running(started, stranger | {"COLUMNS": "200"}) as server:
        assert server.stdout is not None
        ports = {}
        for number, title in ((OLD_PORT, "Old PACS, open to anyone"), (DEMO_PORT, "Leadglass, same images")):
            welcome = next(line for line in server.stdout if line.startswith(title))
            address = ADDRESS.search(welcome)
            assert address is not None
            ports[number] = address[0].partition(":")[2]
        for command, shown in sessions("See it"):
            name, *words = shlex.split(moved(command, ports))
            assert set(re.findall(r"\d{2,}", " ".join(words[-2:]))) & set(ports.values())
            done = subprocess.run(
                [programs[name], *words],
                env=stranger | {"COLUMNS": "200"},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=WAIT,
            )
            said = as_words(done.stdout + done.stderr)
            assert not [line for line in shown if as_words(moved(line, ports)) not in said], command + said
            assert (done.returncode != 0) is any(map(is_refused, shown)), said
        server.send_signal(signal.SIGINT)
        rest = server.stdout.read()
        assert server.wait(timeout=60) == 0
        assert "Traceback" not in rest
