"""How fast an upload comes in, sealed, indexed, durable and on the record, beside a server that throws bytes away.

    python bench/upload.py [--slices 600] [--rounds 5] [--large 512]

First the page itself in Chromium, a folder of CT slices of 0.53 MB chosen until the page says "Done"; then its
requests from a plain client, batches of 16 MB over two connections; then one object of `--large` MB. Without TLS,
into a home that is new in each round. The sink is the same uvicorn that reads a body and forgets it: what the
browser, or a client, and HTTP in Python cost by themselves. Memory is that of the server above what it held when idle.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from common import MB, ct_header, held, home, leadglass, serving, spread, watch, write_slices

NAME, BOUNDARY = "tech.bench", "leadglass-bench"
BATCH = 16 << 20
HEAD = f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
SINK = """
import sys, uvicorn
async def app(scope, receive, send):
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        page = sys.argv[2].encode() if scope["method"] == "GET" else b""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": page})
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, loop="uvloop", lifespan="off")
"""
SINK_PAGE = """<!doctype html><input id="folder" type="file" webkitdirectory><p id="end" hidden></p><script>
folder.addEventListener("change", async () => {
  const files = [...folder.files];
  const batch = () => { const some = []; while (files.length && some.length < 32) some.push(files.shift()); return some; };
  const lane = async () => {
    for (let some = batch(); some.length; some = batch()) {
      await new Promise((done) => {
        const request = new XMLHttpRequest();
        request.open("POST", "/");
        request.onload = done;
        request.send(new Blob(some));
      });
    }
  };
  await Promise.all([lane(), lane()]);
  end.hidden = false;
});
</script>"""
# From the choice of the files until the page says how it ended, by the page's own clock.
CLOCK = """addEventListener("change", () => {
  const began = performance.now();
  const seen = setInterval(() => {
    if (document.getElementById("end").hidden) return;
    clearInterval(seen);
    window.took = (performance.now() - began) / 1000;
  }, 5);
}, true);"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def batches(files: Sequence[bytes]) -> Iterator[bytes]:
    some: list[bytes] = []
    for file in files:
        some += (HEAD, file)
        if sum(map(len, some)) >= BATCH:
            yield b"".join((*some, TAIL))
            some = []
    if some:
        yield b"".join((*some, TAIL))


def posted(port: int, bodies: Sequence[bytes], headers: dict[str, str], path: str) -> None:
    """One connection's share of them."""
    connection = http.client.HTTPConnection("localhost", port, timeout=600)
    for body in bodies:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == 200, said
        assert said.count(b'"stored"') == said.count(b'"kind"'), said[:300]
    connection.close()


def sent(port: int, bodies: Sequence[bytes], headers: dict[str, str], path: str = "/upload/objects") -> float:
    """Seconds until all is answered, over two connections."""
    lanes = [
        threading.Thread(target=posted, args=(port, bodies[number::2], headers, path)) for number in (0, 1)
    ]
    began = time.perf_counter()
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    return time.perf_counter() - began


@contextmanager
def sink() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SINK, str(port), SINK_PAGE])
    try:
        while True:
            try:
                httpx.get(f"http://localhost:{port}/", timeout=1)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def signed_in(env: dict[str, str], port: int) -> dict[str, str]:
    password = str(leadglass(env, "user", "add", NAME, "--role", "technologist").get("password"))
    url = f"http://localhost:{port}"
    client = httpx.Client(base_url=url, headers={"Origin": url}, timeout=30)
    assert client.post("/sign-in", data={"name": NAME, "password": password}).status_code == 303
    return {
        "Origin": url,
        "Cookie": f"leadglass={client.cookies['leadglass']}",
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
    }


def uploaded(bodies: Sequence[bytes]) -> tuple[float, float]:
    """Seconds, and MB of the server above its idle memory."""
    with home() as (root, env):
        port = free_port()
        with serving(env, port) as (process, _):
            headers = signed_in(env, port)
            time.sleep(2)
            idle = held(process.pid)
            with watch(process.pid, root) as seen:
                seconds = sent(port, bodies, headers)
            return seconds, max(0.0, seen.rss - idle)


@contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = (
        os.environ.get("LEADGLASS_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def chosen(browser: Any, url: str, folder: Path, cookie: str = "") -> float:
    """Seconds that a page took for a folder."""
    context = browser.new_context(base_url=url)
    context.add_init_script(CLOCK)
    if cookie:
        context.add_cookies([{"name": "leadglass", "value": cookie, "url": url}])
    page = context.new_page()
    page.goto("/upload")
    page.set_input_files("#folder", folder)
    page.wait_for_selector("#end:not([hidden])", state="attached", timeout=600_000)
    page.wait_for_timeout(50)  # for the clock to have seen it too
    if cookie:
        said = page.locator("#end").inner_text()
        assert said == f"Done. {len(list(folder.iterdir())):,} stored.", said
    took = float(page.evaluate("window.took"))
    context.close()
    return took


def in_chromium(folder: Path, rounds: int) -> None:
    total = sum(path.stat().st_size for path in folder.iterdir()) / MB
    rates: dict[str, list[float]] = {"leadglass": [], "sink": []}
    memory: list[float] = []
    with chromium() as browser:
        for _ in range(rounds):
            with home() as (root, env):
                port = free_port()
                with serving(env, port) as (process, _):
                    cookie = signed_in(env, port)["Cookie"].partition("=")[2]
                    time.sleep(2)
                    idle = held(process.pid)
                    with watch(process.pid, root) as seen:
                        rates["leadglass"].append(
                            total / chosen(browser, f"http://localhost:{port}", folder, cookie)
                        )
                    memory.append(max(0.0, seen.rss - idle))
            with sink() as port:
                rates["sink"].append(total / chosen(browser, f"http://localhost:{port}", folder))
    told("the page in Chromium", rates, memory)


def large(megabytes: int) -> bytes:
    ds = ct_header(9, 1, 1)
    ds.NumberOfFrames = megabytes * MB // (512 * 512 * 2)
    ds.PixelData = bytes(512 * 512 * 2) * int(ds.NumberOfFrames)
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        path = Path(folder) / "large.dcm"
        ds.save_as(path, enforce_file_format=True)
        return path.read_bytes()


def compared(label: str, bodies: Sequence[bytes], rounds: int) -> None:
    total = sum(map(len, bodies)) / MB
    rates: dict[str, list[float]] = {"leadglass": [], "sink": []}
    memory: list[float] = []
    for _ in range(rounds):
        seconds, more = uploaded(bodies)
        rates["leadglass"].append(total / seconds)
        memory.append(more)
        with sink() as port:
            rates["sink"].append(total / sent(port, bodies, {}, "/"))
    told(label, rates, memory)


def told(label: str, rates: dict[str, list[float]], memory: Sequence[float]) -> None:
    ratios = [ours / theirs for ours, theirs in zip(rates["leadglass"], rates["sink"], strict=True)]
    print(f"{label:<34}{spread(rates['leadglass'], '.0f')} MB/s   bound ≥ 80")
    print(f"{'  a sink takes':<34}{spread(rates['sink'], '.0f')} MB/s   ratio {spread(ratios, '.2f')}")
    print(f"{'  memory above idle':<34}{spread(memory, '.0f')} MB   bound ≤ 50", flush=True)
    assert statistics.median(rates["leadglass"]) > 0


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--slices", type=int, default=600)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--large", type=int, default=512, help="MB of the single object; 0: none")
    asked: Any = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        write_slices(Path(folder), asked.slices)
        in_chromium(Path(folder), asked.rounds)
        files = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    compared(f"{asked.slices} CT slices of 0.53 MB", list(batches(files)), asked.rounds)
    if asked.large:
        compared(f"one object of {asked.large} MB", list(batches([large(asked.large)])), asked.rounds)


if __name__ == "__main__":
    main()
