"""A study of CT slices as a zip over HTTP: megabytes a second, first byte and memory, beside Orthanc in turns.

    python bench/zip_out.py [--slices 1000] [--matrix 512] [--rounds 5]

Ours has a session, a record entry before the first byte, sealed objects and a DICOMDIR; Orthanc's archive has none of
them, and its media a DICOMDIR. Orthanc packs its members, which it cannot be told to leave: slower for it, and smaller
on the wire. What is compared is the bytes of the images that come out.
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from common import MB, home, leadglass, serving, spread, write_slices
from receivers import free_port, orthanc_settings, running, using
from server import NAME, signed_in

CHUNK = 1 << 20


def taken(port: int, path: str, headers: dict[str, str]) -> tuple[int, float, float]:
    """Bytes, seconds until the first of them, and in all."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    started = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    size, first, room = 0, 0.0, memoryview(bytearray(CHUNK))
    while count := answer.readinto(room):
        first = first or time.perf_counter() - started
        size += count
    connection.close()
    return size, first, time.perf_counter() - started


Take = Callable[[], tuple[int, float, float]]


@contextmanager
def ours(folder: Path) -> Iterator[tuple[int, dict[str, Take]]]:
    with home() as (_, env):
        leadglass(env, "import", str(folder))
        password = str(leadglass(env, "user", "add", NAME, "--role", "radiologist").get("password"))
        port = free_port()
        with serving(env, port) as (process, _):
            client = signed_in(f"http://localhost:{port}", password)
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            headers = {"Cookie": cookie, "Host": f"localhost:{port}"}
            yield process.pid, {"leadglass zip": lambda: taken(port, "/studies/1/zip", headers)}


@contextmanager
def orthanc(folder: Path) -> Iterator[tuple[int, dict[str, Take]]]:
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as place:
        port, web = free_port(), free_port()
        settings = orthanc_settings(Path(place), port, web, ZipLoaderThreads=2, StorageCompression=False)
        with running(["Orthanc", str(settings)], web, cwd=place) as process:
            with httpx.Client(base_url=f"http://127.0.0.1:{web}", timeout=60) as client:
                for file in sorted(folder.rglob("*.dcm")):
                    client.post("/instances", content=file.read_bytes()).raise_for_status()
                study = client.get("/studies").json()[0]
            paths = {kind: f"/studies/{study}/{kind}" for kind in ("archive", "media")}
            yield (
                process.pid,
                {f"Orthanc {kind}": partial(taken, web, path, {}) for kind, path in paths.items()},
            )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--slices", type=int, default=1000)
    options.add_argument("--matrix", type=int, default=512, help="Pixels of a slice's side.")
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    rates, firsts, memory = defaultdict(list), defaultdict(list), {}
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        plain = write_slices(Path(folder), asked.slices, matrix=asked.matrix)
        with ours(Path(folder)) as mine:
            everybody = [mine]
            if shutil.which("Orthanc") is None:
                measure(everybody, asked.rounds, plain, rates, firsts, memory)
            else:
                with orthanc(Path(folder)) as theirs:
                    measure([mine, theirs], asked.rounds, plain, rates, firsts, memory)
    for name, found in rates.items():
        bound = "   bound ≥ 200" if name.startswith("leadglass") else ""
        first = spread([1000 * each for each in firsts[name]])
        print(f"{name:<18}{spread(found)} MB/s   first byte {first} ms   PSS {memory[name]:.0f} MB{bound}")
    base = rates["leadglass zip"]
    for name, found in rates.items():
        if name != "leadglass zip":
            print(f"  ours : {name:<18}{spread([a / b for a, b in zip(base, found, strict=True)], '.2f')}")


def measure(
    everybody: list[tuple[int, dict[str, Take]]],
    rounds: int,
    plain: int,
    rates: dict[str, list[float]],
    firsts: dict[str, list[float]],
    memory: dict[str, float],
) -> None:
    for number in range(rounds + 1):
        for pid, takes in everybody:
            for name, take in takes.items():
                with using(pid) as use:
                    _, first, seconds = take()
                if number:  # the first of each warms caches
                    rates[name].append(plain / seconds / MB)
                    firsts[name].append(first)
                memory[name] = max(memory.get(name, 0.0), use.pss)


if __name__ == "__main__":
    main()
