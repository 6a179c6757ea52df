"""The server as people meet it: start, idle memory, and a recorded page beside a saturating import.

    python bench/server.py [--slices 1000] [--pages 300]

A page is the study list, newest first, asked for over HTTP under a session: it is on the record,
durably, before its first byte. It is measured on an idle server and again while `leadglass import` runs beside it.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
from common import LEADGLASS, home, leadglass, percentile, resident, serving, write_slices

NAME = "dr.bench"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def signed_in(url: str, password: str) -> httpx.Client:
    client = httpx.Client(base_url=url, headers={"Origin": url}, timeout=30)
    answer = client.post("/sign-in", data={"name": NAME, "password": password})
    assert answer.status_code == 303 and client.cookies, f"sign-in answered {answer.status_code}"
    return client


def pages(client: httpx.Client, count: int, until: subprocess.Popen[bytes] | None = None) -> list[float]:
    """Milliseconds of each page; with `until`, as many as fit before that process ends."""
    taken: list[float] = []
    while len(taken) < count and (until is None or until.poll() is None):
        started = time.perf_counter()
        answer = client.get("/studies")
        taken.append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 200 and "Bench" in answer.text
        time.sleep(0.01)  # a person, not a flood: what is measured is latency beside the import
    return taken


def line(label: str, taken: list[float], bound: str = "") -> None:
    p50, p99 = percentile(taken, 0.5), percentile(taken, 0.99)
    print(f"{label:<34}p50 {p50:.1f} ms   p99 {p99:.1f} ms   ({len(taken)} pages){bound}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--slices", type=int, default=1000)
    options.add_argument("--pages", type=int, default=300)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder, home() as (_, env):
        for study in range(1, 5):
            write_slices(Path(folder), asked.slices // 4, study=study)
        first = next(iter(sorted(Path(folder).iterdir())))
        leadglass(env, "import", str(first))
        password = str(leadglass(env, "user", "add", NAME, "--role", "radiologist").get("password"))
        port = free_port()
        with serving(env, port) as (process, started):
            print(f"{'first answer after start':<34}{started:.2f} s            bound ≤ 3")
            time.sleep(3)
            print(f"{'idle memory, all processes':<34}{resident(process.pid):.0f} MB             bound ≤ 200")
            client = signed_in(f"http://localhost:{port}", password)
            line("recorded page, idle server", pages(client, asked.pages))
            importing = subprocess.Popen(
                [LEADGLASS, "import", "--json", folder], env=env, stdout=subprocess.PIPE
            )
            began = time.perf_counter()
            taken = pages(client, 10**6, importing)
            importing.communicate()
            rate = asked.slices / (time.perf_counter() - began)
            line("recorded page beside an import", taken, "   bound p99 ≤ 50")
            print(f"{'  the import meanwhile':<34}{rate:.0f} slices/s")


if __name__ == "__main__":
    main()
