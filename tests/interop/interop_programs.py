"""Other people's programs: found, started on loopback, ended by id. Missing ones are skipped loudly; CI fails."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

WAIT = 60  # seconds; only something that hangs ever takes them
OWN_BIN = Path(sys.executable).parent
PYNETDICOM = (sys.executable, "-m", "pynetdicom")
HERE = Path(__file__).parent
DCMJS = HERE / "dcmjs"
LOWEST_PORT = 12000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def require(condition: bool, missing: str) -> None:
    """Skipped by hand where something is missing; that must not pass for tried, so CI fails."""
    if not condition:
        reason = f"NOT TRIED: {missing}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


def program(name: str, package: str) -> str:
    """Debian's, and not the one of the same name that pynetdicom or GDCM's wheel put beside this Python."""
    places = [
        each for each in os.environ["PATH"].split(os.pathsep) if Path(each).resolve() != OWN_BIN.resolve()
    ]
    found = shutil.which(name, path=os.pathsep.join([*places, "/usr/sbin"]))
    require(found is not None, f"no {name} here. Install {package}.")
    return str(found)


def dcmtk(name: str) -> str:
    return program(name, "dcmtk")


def gdcmscu(*words: object) -> Said:
    """GDCM's program, of the wheel that the archive needs anyway. Each GDCM of today, Debian's too, aborts when
    it has released an association, whoever it was with; an abort for any other reason is a failure."""
    wheel = find_spec("_gdcm")
    found = Path(wheel.origin).parent / "gdcmscu" if wheel and wheel.origin else None
    require(found is not None and found.is_file(), "no gdcmscu here. Install python-gdcm.")
    said = run(found, *words)
    if said.status == -signal.SIGABRT and "ProtocolStream as nullptr is invalid" in said.err:
        return Said(0, said.out, said.err)
    return said


def gdcm(operation: str, **asked: Any) -> dict[str, Any]:
    """What GDCM's library found when it asked."""
    said = run(sys.executable, HERE / "gdcm_peer.py", operation, json.dumps(asked))
    assert said.status == 0, said.text
    answer: dict[str, Any] = json.loads(said.out.splitlines()[-1])
    return answer | {"said": said.err}


def node() -> str:
    found = shutil.which("node") or shutil.which("node", path=str(OWN_BIN))
    require(
        found is not None and (DCMJS / "node_modules").is_dir(),
        f"no dcmjs-dimse here. Run npm ci in {DCMJS.name}.",
    )
    return str(found)


def free_port() -> int:
    """One for a program that has yet to start. The kernel's own choice would be among those that it also gives to
    whoever calls somebody, and on a busy machine one of them has it before the program listens."""
    first = int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else 32768
    while True:
        chosen = LOWEST_PORT + secrets.randbelow(first - LOWEST_PORT) if first > LOWEST_PORT else 0
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", chosen))
            return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Said:
    """How a program ended, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def __contains__(self, part: str) -> bool:
        return part in self.text


def run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> Said:
    words = [str(each) for each in command]
    done = subprocess.run(
        words, cwd=cwd, env=env, capture_output=True, text=True, errors="replace", timeout=WAIT, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


@dataclass(slots=True)
class Running:
    """A program that listens. Its output is read as it comes."""

    process: subprocess.Popen[str]
    port: int
    http: int = 0  # if it has a second door
    lines: list[str] = field(default_factory=list)
    _came: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._came:
                self.lines.append(line.rstrip("\n"))
                self._came.notify_all()

    def says(self, part: str, times: int = 1) -> str:
        """The line with `part` in it, once it is there so many times."""
        with self._came:
            there = self._came.wait_for(lambda: sum(part in line for line in self.lines) >= times, WAIT)
            assert there, "\n".join(self.lines)
            return next(line for line in self.lines if part in line)


@contextmanager
def listening(
    *command: object, port: int, cwd: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[Running]:
    """A program from when it answers on its port to its end."""
    words = [str(each) for each in command]
    process = subprocess.Popen(
        words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    made = Running(process, port)
    reader = threading.Thread(target=made.read)
    reader.start()
    try:
        answers(port, made)
        yield made
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()


def answers(port: int, made: Running) -> None:
    until = time.monotonic() + WAIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            assert made.process.poll() is None, f"somebody else answers on port {port}"
            return
        except OSError:
            assert made.process.poll() is None, "\n".join(made.lines)
            assert time.monotonic() < until, f"nothing answers on port {port}"
            threading.Event().wait(0.01)


def dcmjs(operation: str, **asked: Any) -> dict[str, Any]:
    """What dcmjs-dimse found when it asked."""
    said = run(node(), DCMJS / "peer.js", operation, json.dumps(asked))
    assert said.status == 0, said.text
    answer: dict[str, Any] = json.loads(said.out.splitlines()[-1])
    return answer


@contextmanager
def dcmjs_scp(port: int = 0, **asked: Any) -> Iterator[Running]:
    port = port or free_port()
    with listening(node(), DCMJS / "peer.js", "serve", json.dumps({"port": port} | asked), port=port) as made:
        yield made


@contextmanager
def storescp(folder: Path, *options: object, port: int = 0) -> Iterator[Running]:
    """Keeps what it gets in `folder`, bit for bit as it came."""
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    command = [dcmtk("storescp"), "-d", "+B", "+xa", "-od", folder, *options, port]
    with listening(*command, port=port) as made:
        yield made


@contextmanager
def dcmqrscp(folder: Path, *moves: tuple[str, int]) -> Iterator[Running]:
    """An archive called QRSCP that lets anybody in and knows where those in `moves` listen."""
    port = free_port()
    (folder / "store").mkdir(parents=True)
    hosts = "".join(f"{title.lower()} = ({title}, 127.0.0.1, {where})\n" for title, where in moves)
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{hosts}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQRSCP {folder / 'store'} RW (200, 1024mb) ANY\nAETable END\n"
    )
    with listening(dcmtk("dcmqrscp"), "-d", "-c", config, port=port, cwd=folder) as made:
        yield made


@contextmanager
def pynetdicom_storescp(folder: Path) -> Iterator[Running]:
    """Keeps what it gets in `folder`, bit for bit as it came."""
    port = free_port()
    with listening(*PYNETDICOM, "storescp", "-ba", "127.0.0.1", "-od", folder, port, port=port) as made:
        yield made


@contextmanager
def pynetdicom_qrscp(folder: Path, *moves: tuple[str, int]) -> Iterator[Running]:
    """An archive called QRSCP that lets anybody in and knows where those in `moves` listen."""
    port, config = free_port(), folder / "qrscp.ini"
    folder.mkdir(exist_ok=True)
    places = "".join(f"[{title}]\naddress: 127.0.0.1\nport: {where}\n" for title, where in moves)
    config.write_text(
        f"[DEFAULT]\nae_title: QRSCP\nport: {port}\nbind_address: 127.0.0.1\nmax_pdu: 16382\n"
        "acse_timeout: 30\ndimse_timeout: 30\nnetwork_timeout: 30\nlog_identifier: False\n"
        f"instance_location: {folder / 'instances'}\ndatabase_location: {folder / 'qrscp.sqlite'}\n{places}"
    )
    with listening(*PYNETDICOM, "qrscp", "-c", config, port=port, cwd=folder) as made:
        yield made


@contextmanager
def orthanc(folder: Path, modalities: dict[str, Any], port: int = 0, **settings: Any) -> Iterator[Running]:
    """An Orthanc called ORTHANC that knows `modalities`; its REST interface is at its port `http`."""
    command, port, http = program("Orthanc", "orthanc"), port or free_port(), free_port()
    folder.mkdir(exist_ok=True)
    config = folder / "orthanc.json"
    config.write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "storage"),
                "DicomPort": port,
                "DicomAet": "ORTHANC",
                "HttpPort": http,
                "AuthenticationEnabled": False,
                "Plugins": [],
                "DicomModalities": modalities,
                "DicomAlwaysAllowFind": True,
                "DicomAlwaysAllowGet": True,
                "DicomAlwaysAllowMove": True,
                "UnknownSopClassAccepted": True,
            }
            | settings
        )
    )
    with listening(command, config, port=port, cwd=folder) as made:
        answers(http, made)
        made.http = http
        yield made
