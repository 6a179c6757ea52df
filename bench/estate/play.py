"""Playing an estate: a listening socket for every place, one event loop for all of them."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from estate.archive import Archive
from estate.certificates import context
from estate.description import Estate, System
from estate.door import Door, Host, sweep
from estate.truth import truth

BACKLOG: Final = 128
SPARE: Final = 4_096  # descriptors for connections, beside those that listen


def archives_of(estate: Estate) -> dict[int, Archive]:
    return {number: Archive(number, holding, estate.seed) for number, holding in enumerate(estate.holdings)}


def allow_descriptors(listening: int) -> None:
    """SystemExit with a sentence when the hard limit is below what is needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = listening + SPARE
    if hard != resource.RLIM_INFINITY and hard < listening + 256:
        raise SystemExit(f"{wanted} files have to be open, {hard} may be: raise the limit (ulimit -n).")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


class Player:
    """Everything that listens."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.archives = archives_of(estate)
        self.doors: list[tuple[Door, socket.socket]] = []
        self._servers: list[asyncio.Server] = []

    def bind(self) -> None:
        """SystemExit with a sentence when an address is taken, or is none of this machine's loopback."""
        allow_descriptors(sum(len(system.places) for system in self.estate.systems))
        for system in self.estate.systems:
            self.doors += zip(_doors(system, self.archives), _sockets(system), strict=True)

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        places = (place for system in self.estate.systems for place in system.places)
        for (door, listening), place in zip(self.doors, places, strict=True):
            kind = place.about
            factory: Callable[[], asyncio.Protocol] = partial(kind.plays, door)
            tls = context(kind.tls) if kind.tls else None
            server = await loop.create_server(factory, sock=listening, backlog=BACKLOG, ssl=tls)
            self._servers.append(server)

    def log(self) -> dict[str, Any]:
        """What strangers did: at each door where anything happened, and in all. `most_at_once` is of a host."""
        logs = [door.log() for door, _ in self.doors if door.happened]
        names = {name for door, _ in self.doors for name in door.happened}
        total = {name: sum(door.happened[name] for door, _ in self.doors) for name in sorted(names)}
        most = max((door.host.most_at_once for door, _ in self.doors), default=0)
        return {"total": total, "most_at_once": most, "doors": logs}


def _doors(system: System, archives: dict[int, Archive]) -> list[Door]:
    host = Host()
    return [
        Door(system.address, place.port, host, place.about.title, tuple(archives[n] for n in place.archives))
        for place in system.places
    ]


def _sockets(system: System) -> list[socket.socket]:
    if not system.address.startswith("127."):
        raise SystemExit(f"{system.address} is not on loopback: an estate is played nowhere else.")
    found = []
    for place in system.places:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((system.address, place.port))
        except OSError as error:
            raise SystemExit(
                f"Cannot listen at {system.address} port {place.port}: {error.strerror}."
            ) from None
        found.append(listening)
    return found


async def _until_told(stdin_ends: bool) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    if stdin_ends:  # with whoever started it, however that ended
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 64) else told.set())
    await told.wait()


def play(estate: Estate, truth_file: Path | None, log_file: Path | None, *, attached: bool) -> None:
    """Until SIGINT or SIGTERM, or, `attached`, until standard input ends. Says `ready` when all listen."""
    player = Player(estate)
    known = truth(estate, player.archives)
    if truth_file is not None:
        truth_file.write_text(json.dumps(known, indent=1), encoding="utf-8")

    async def main() -> None:
        player.bind()
        await player.listen()
        sweeping = asyncio.create_task(sweep())
        print("ready", json.dumps(known["summary"]), flush=True)
        await _until_told(attached)
        sweeping.cancel()

    uvloop.run(main())
    if log_file is not None:
        log_file.write_text(json.dumps(player.log(), indent=1), encoding="utf-8")
