"""Import as people run it: `leadglass import` of CT slices, everything on, beside Orthanc if installed.

    python bench/ingest.py [--slices 1000] [--rounds 3] [--large-mb 2000]

Orthanc (Debian's package, SQLite, no fsync, its
default) gets the same files over HTTP from as many connections as our import has threads.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from common import LEADGLASS, MB, Watched, ct_header, home, spread, watch, write_slices

CONNECTIONS = 4


def ours(folder: Path, rounds: int, count: int) -> list[float]:
    rates, whole = [], []
    for _ in range(rounds):
        with home() as (root, env):
            took = imported(folder, root, env, count)
            rates.append(took.rate)
            whole.append(took.whole)
            seen = took.seen
    print(f"leadglass import, {count} slices   {spread(rates)} slices/s     bound ≥ 200")
    print(f"  with the start of Python        {spread(whole)} slices/s")
    print(f"  resident memory, at most        {seen.rss:.0f} MB             bound ≤ 250")
    print(f"  write-ahead log, at most        {seen.wal:.1f} MB             bound ≤ 64")
    return rates


@dataclass(frozen=True, slots=True)
class Took:
    """Slices a second by the command's own clock, and from its start to its end; what it held meanwhile."""

    rate: float
    whole: float
    seen: Watched


def imported(path: Path, root: Path, env: dict[str, str], count: int) -> Took:
    started = time.perf_counter()
    process = subprocess.Popen([LEADGLASS, "import", "--json", str(path)], env=env, stdout=subprocess.PIPE)
    with watch(process.pid, root) as seen:
        answer = process.communicate()[0]
    taken = time.perf_counter() - started
    report = json.loads(answer)
    assert report["stored"] == count, f"{report['stored']} of {count} stored"
    return Took(count / report["seconds"], count / taken, seen)


def large(megabytes: int) -> None:
    """One multi-frame object of that size."""
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder, home() as (root, env):
        path = Path(folder) / "large.dcm"
        frames = megabytes * MB // (512 * 512 * 2)
        ds = ct_header(7, 1, 1)
        ds.NumberOfFrames = frames
        ds.PixelData = b"\0\0"
        ds.save_as(path, enforce_file_format=True)
        with path.open("r+b") as file:
            file.seek(-6, os.SEEK_END)  # the length of Pixel Data, which comes last, and its two bytes
            file.write((frames * 512 * 512 * 2).to_bytes(4, "little"))
            for _ in range(frames):
                file.write(os.urandom(1 << 16) * 8)
        took = imported(path, root, env, 1)
        size = path.stat().st_size / MB
        print(f"one object of {size:.0f} MB            {size * took.rate:.0f} MB/s")
        print(f"  resident memory, at most        {took.seen.rss:.0f} MB             bound ≤ 250")
        print(f"  write-ahead log, at most        {took.seen.wal:.1f} MB             bound ≤ 64")


@contextmanager
def orthanc(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = folder / "orthanc.json"
    settings.write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "storage"),
                "HttpPort": port,
                "DicomServerEnabled": False,
                "AuthenticationEnabled": False,
                "Plugins": [],
            }
        )
    )
    process = subprocess.Popen(
        ["Orthanc", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            try:
                httpx.get(f"http://127.0.0.1:{port}/system")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def posted(client: httpx.Client, pool: ThreadPoolExecutor, files: list[Path]) -> float:
    started = time.perf_counter()
    for answer in pool.map(lambda file: client.post("/instances", content=file.read_bytes()), files):
        assert answer.status_code == 200
    return len(files) / (time.perf_counter() - started)


def theirs(folder: Path, rounds: int) -> list[float]:
    rates = []
    files = sorted(folder.iterdir())
    for _ in range(rounds):
        with (
            tempfile.TemporaryDirectory(prefix="leadglass-bench-") as scratch,
            orthanc(Path(scratch)) as url,
            httpx.Client(base_url=url) as client,
            ThreadPoolExecutor(CONNECTIONS) as pool,
        ):
            rates.append(posted(client, pool, files))
    print(f"Orthanc, the same over HTTP        {spread(rates)} slices/s     (not durable, not sealed)")
    return rates


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--slices", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--large-mb", type=int, default=2000)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        write_slices(Path(folder), asked.slices)
        rates = ours(Path(folder), asked.rounds, asked.slices)
        if shutil.which("Orthanc"):
            peers = theirs(Path(folder), asked.rounds)
            ratios = [mine / peer for mine, peer in zip(rates, peers, strict=True)]
            print(f"  ratio                           {spread(ratios, '.2f')}")
    if asked.large_mb:
        large(asked.large_mb)


if __name__ == "__main__":
    main()
