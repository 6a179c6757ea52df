"""A thousand connections that want nothing: some say nothing, some a byte a second, some stop after TLS.

    python bench/crowd.py PORT [--idle 500] [--slow 500] [--tls FOLDER]

From many addresses of loopback, four connections each, so that it is the whole that is tried and not a quota
per address. Whoever is thrown out comes again at once. Says `ready N` when all have connected once, and
after each line on its input how many there are; ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

from wire import EXPLICIT, VERIFICATION, associate_rq, tls_context

PER_ADDRESS = 4


class Crowd:
    def __init__(self, port: int, tls: Path | None) -> None:
        self.port, self.tls = port, tls_context(tls) if tls else None
        self.open = 0
        self.refused = 0

    async def one(self, number: int, slow: bool, tried: asyncio.Event) -> None:
        source = f"127.1.{number // PER_ADDRESS // 250}.{number // PER_ADDRESS % 250 + 1}"
        while True:
            try:
                await self.stay(source, slow, tried)
            except OSError:
                self.refused += 1
                tried.set()
                await asyncio.sleep(1)

    async def stay(self, source: str, slow: bool, tried: asyncio.Event) -> None:
        more = {"ssl": self.tls, "server_hostname": "localhost"} if self.tls else {}
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.port,
            local_addr=(source, 0),
            **more,  # type: ignore[arg-type]
        )
        self.open += 1
        tried.set()
        try:
            if slow:
                for byte in associate_rq("LEADGLASS", "CROWD", [(VERIFICATION, EXPLICIT)]):
                    writer.write(bytes([byte]))
                    await writer.drain()
                    with contextlib.suppress(TimeoutError):
                        if not await asyncio.wait_for(reader.read(1024), 1):
                            return
            while await reader.read(1024):
                pass
        finally:
            self.open -= 1
            writer.close()


async def run(asked: argparse.Namespace) -> None:
    crowd = Crowd(asked.port, asked.tls)
    all_of = [(number, number >= asked.idle, asyncio.Event()) for number in range(asked.idle + asked.slow)]
    tasks = [asyncio.create_task(crowd.one(*each)) for each in all_of]
    for *_, tried in all_of:
        await tried.wait()
    print(f"ready {crowd.open}", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(f"{crowd.open} {crowd.refused}", flush=True)
    for task in tasks:
        task.cancel()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("port", type=int)
    options.add_argument("--idle", type=int, default=500)
    options.add_argument("--slow", type=int, default=500)
    options.add_argument("--tls", type=Path)
    asyncio.run(run(options.parse_args()))


if __name__ == "__main__":
    main()
