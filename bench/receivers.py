"""Those who receive in the benchmarks: started on loopback with a folder of their own, watched, ended by id.

What Orthanc and storescp do is what Debian's packages do by default; TCP_BUFFER_LENGTH is DCMTK's own setting.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from common import LEADGLASS, MB, home, leadglass, resident

CALLING = "BENCH"
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@dataclass(slots=True)
class Receiver:
    """Where it listens. `tls` names the folder of the sender's certificate, key and authority."""

    name: str
    title: str
    port: int
    process: subprocess.Popen[bytes]
    tls: Path | None = None
    home: tuple[Path, dict[str, str]] | None = None


@dataclass(slots=True)
class Use:
    """Of a process and its children: the most they held, and the processor seconds they took."""

    pss: float = 0.0
    descriptors: int = 0
    cpu: float = 0.0
    samples: list[float] = field(default_factory=list)


def tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def descriptors(pid: int) -> int:
    total = 0
    for one in tree(pid):
        try:
            total += one.num_fds()
        except psutil.Error:
            continue
    return total


def processor(pid: int) -> float:
    total = 0.0
    for one in tree(pid):
        try:
            times = one.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


@contextmanager
def using(pid: int, every: float = 0.25) -> Iterator[Use]:
    """Sampled seldom: to ask costs the machine that is measured."""
    seen, stop, before = Use(), threading.Event(), processor(pid)

    def sample() -> None:
        seen.pss = max(seen.pss, resident(pid))
        seen.descriptors = max(seen.descriptors, descriptors(pid))

    def keep_sampling() -> None:
        while not stop.wait(every):
            sample()

    thread = threading.Thread(target=keep_sampling)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
        sample()
        seen.cpu = processor(pid) - before


def free_port() -> int:
    """Below those that the kernel gives to whoever connects: nobody else takes it before it is listened on."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.02)


@contextmanager
def running(command: list[str], port: int, **more: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, **(QUIET | more))  # type: ignore[call-overload]
    try:
        wait_for(port, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def orthanc_settings(folder: Path, port: int, http: int, **more: object) -> Path:
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "DicomPort": port,
        "DicomAet": "ORTHANC",
        "HttpPort": http,
        "AuthenticationEnabled": False,
        "Plugins": [],
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        **more,
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings))
    return path


@contextmanager
def orthanc(name: str, *, synced: bool) -> Iterator[Receiver]:
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        port, http = free_port(), free_port()
        settings = orthanc_settings(Path(folder), port, http, SyncStorageArea=synced)
        env = os.environ | {"TCP_BUFFER_LENGTH": str(1 << 20)}
        with running(["Orthanc", str(settings)], port, env=env, cwd=folder) as process:
            yield Receiver(name, "ORTHANC", port, process)


@contextmanager
def storescp(name: str) -> Iterator[Receiver]:
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        port = free_port()
        command = ["storescp", "--fork", "-od", folder, str(port)]
        with running(command, port, cwd=folder) as process:
            yield Receiver(name, "STORESCP", port, process)


@contextmanager
def pynetdicom(name: str) -> Iterator[Receiver]:
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        port = free_port()
        command = [str(Path(LEADGLASS).with_name("python")), "-m", "pynetdicom", "storescp", "-od", folder]
        with running([*command, str(port)], port, cwd=folder) as process:
            yield Receiver(name, "STORESCP", port, process)


@contextmanager
def ours(name: str, *, tls: bool = False) -> Iterator[Receiver]:
    """A new home, the sender known to it, and its server."""
    with home() as (root, env), serving(root, env, name, tls=tls) as receiver:
        yield receiver


@contextmanager
def serving(root: Path, env: dict[str, str], name: str, *, tls: bool = False) -> Iterator[Receiver]:
    """The server of a home that is there, with one door. Behind TLS the sender has a certificate of the home's
    own authority, and may get what is kept; at the receive-only listener it may store."""
    port, http, folder = free_port(), free_port(), root.parent / "sender"
    if not folder.exists():
        introduce(env, folder)
    door = "--dicom-tls" if tls else "--dicom"
    command = [LEADGLASS, "serve", "--http", f"127.0.0.1:{http}", door, f"127.0.0.1:{port}"]
    with running(command, port, env=env) as process:
        settle(process.pid)
        yield Receiver(name, "LEADGLASS", port, process, folder if tls else None, (root, env))


def settle(pid: int) -> None:
    """Wait until all of its processes have started: how long a start takes is measured elsewhere."""
    before, until = -1.0, time.monotonic() + 30
    while (now := processor(pid)) > before + 0.05 and time.monotonic() < until:
        before = now
        time.sleep(1)


def introduce(env: dict[str, str], folder: Path) -> None:
    """Make the sender known at both doors; its certificate, key and authority lie in `folder`."""
    plain = ["--receive-only", "--reason", "a benchmark on loopback"]
    leadglass(env, "ae", "add", f"{CALLING}@127.0.0.1", *plain)
    leadglass(
        env, "ae", "add", f"{CALLING}TLS", "--issue-certificate", str(folder), "--allow", "store,find,get"
    )
    arrange(folder)


def arrange(folder: Path) -> None:
    """The issued files under the names that the sender knows."""
    for ending, name in ((".ca.pem", "ca.pem"), (".key.pem", "key.pem"), (".crt.pem", "certificate.pem")):
        next(folder.glob(f"*{ending}")).rename(folder / name)


Start = Callable[[], AbstractContextManager[Receiver]]


def receivers() -> dict[str, Start]:
    """All that are installed, in the order in which they take turns."""
    found: dict[str, Start] = {}
    if shutil.which("Orthanc"):
        found["Orthanc, no fsync"] = lambda: orthanc("Orthanc, no fsync", synced=False)
        found["Orthanc, fsync"] = lambda: orthanc("Orthanc, fsync", synced=True)
    if shutil.which("storescp"):
        found["DCMTK storescp"] = lambda: storescp("DCMTK storescp")
    found["leadglass"] = lambda: ours("leadglass")
    found["leadglass, TLS"] = lambda: ours("leadglass, TLS", tls=True)
    return found


def megabytes_a_second(instances: int, size: int, seconds: float) -> float:
    return instances * size / MB / seconds
