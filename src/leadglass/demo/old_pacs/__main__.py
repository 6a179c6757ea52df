"""The old PACS as a process: listens on loopback, says `ready`, ends when its standard input does.

Standard input is a pipe of whoever started it: however that ends, killed too, the pipe ends with it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from contextlib import suppress

from leadglass import server_log
from leadglass.config import is_loopback, split_address
from leadglass.demo.images import old_images
from leadglass.demo.old_pacs.holdings import Holdings, from_file
from leadglass.demo.old_pacs.retrieving import Destinations
from leadglass.demo.old_pacs.services import admit, handlers
from leadglass.errors import Violation
from leadglass.net.acceptor import alone
from leadglass.net.attendant import Manners


def holdings(created: int) -> Holdings:
    """All of it, dated back from `created` (ms, UTC). Pixels are made when somebody fetches them."""
    made = Holdings()
    for image in old_images(created):
        made.add(from_file(image.file(pixels=False), image.file))
    return made


def listening(address: str) -> socket.socket:
    """Violation for anything but loopback: what answers everybody is for this machine alone."""
    host, port = split_address(address)
    require_loopback(host)
    return socket.create_server((host, port), backlog=128)


def require_loopback(host: str) -> None:
    if not is_loopback(host):
        raise Violation(
            f"The old PACS answers every stranger, so it listens on 127.0.0.1 and not on {host}.",
            code="not-loopback",
        )


async def serve(listener: socket.socket, created: int, destinations: Destinations) -> None:
    held = await asyncio.to_thread(holdings, created)
    acceptor = alone(Manners(connections=256), admit, handlers(held, destinations), name="old-pacs")
    serving = asyncio.create_task(acceptor.serve(listener))
    print("ready", *listener.getsockname()[:2], flush=True)  # noqa: T201 - whoever started it waits for this
    await _end()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def _end() -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    with suppress(PermissionError):  # a file, or nothing at all: nobody holds the other end
        loop.add_reader(0, lambda: None if os.read(0, 64) else ended.set())
    await ended.wait()


def main() -> None:
    asked = _options().parse_args()
    server_log.set_up("console", quiet=True)
    try:
        known = dict(map(_destination, asked.knows))
        if asked.listen:
            listener = listening(asked.listen)
        else:
            listener = socket.socket(fileno=asked.descriptor)
            require_loopback(str(listener.getsockname()[0]))
    except (Violation, ValueError, OSError) as error:
        sys.exit(str(error))
    asyncio.run(serve(listener, asked.created, known))


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="old_pacs", description=(__doc__ or "").splitlines()[0])
    where = options.add_mutually_exclusive_group(required=True)
    where.add_argument("--listen", metavar="HOST:PORT", help="on loopback")
    where.add_argument("--descriptor", type=int, metavar="N", help="a socket that listens on loopback")
    now = time.time_ns() // 1_000_000
    options.add_argument(
        "--created", type=int, default=now, metavar="MS", help="what its days are counted from"
    )
    options.add_argument(
        "--knows", action="append", default=[], metavar="TITLE@HOST:PORT", help="a destination of C-MOVE"
    )
    return options


def _destination(text: str) -> tuple[str, tuple[str, int]]:
    title, _, where = text.partition("@")
    host, port = split_address(where)
    require_loopback(host)
    return title, (host, port)


if __name__ == "__main__":
    main()
