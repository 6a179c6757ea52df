"""One address and port of the estate: what is kept there, what answers, and what strangers did."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Any, ClassVar, Final

from estate.archive import Archive

IDLE: Final = 60  # s without a byte after which a connection is cut
_ESTABLISHED: Final = 1  # of the states of TCP, as Linux numbers them
SWEEP: Final = 5  # s between looks at who is idle


class Host:
    """An address with all of its doors: who is connected, and the most who ever were at once."""

    def __init__(self) -> None:
        self.present: set[Peer] = set()
        self.most_at_once = 0

    def came(self, peer: Peer) -> None:
        """Whoever has reset or closed his connection is gone, though we have not heard of it yet."""
        self.present.add(peer)
        self.most_at_once = max(self.most_at_once, sum(each.is_connected for each in self.present))

    def left(self, peer: Peer) -> None:
        self.present.discard(peer)


class Door:
    """`happened` counts what came in: connections, associations, and operations by their names. Whoever
    probes with care is seen to do so here: one connection at once to a host, no C-STORE, C-GET or C-MOVE."""

    def __init__(
        self,
        address: str,
        port: int,
        host: Host,
        title: str = "",
        archives: tuple[Archive, ...] = (),
    ) -> None:
        self.address = address
        self.port = port
        self.host = host
        self.title = title
        self.archives = archives
        self.happened: Counter[str] = Counter()
        self._turn = -1

    def came(self, peer: Peer) -> None:
        self.happened["connections"] += 1
        self.host.came(peer)

    def left(self, peer: Peer) -> None:
        self.host.left(peer)

    def turn(self) -> int:
        """Which back end is next, where there are several."""
        self._turn += 1
        return self._turn

    def log(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "port": self.port,
            "most_at_once": self.host.most_at_once,
            **self.happened,
        }


class Peer(asyncio.Protocol):
    """A connection that somebody made. It is cut when nothing comes for a while."""

    present: ClassVar[set[Peer]] = set()

    def __init__(self, door: Door) -> None:
        self.door = door
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.is_open = True
        self.stalled = False
        self.quiet = 0  # sweeps since the last byte

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.door.came(self)
        Peer.present.add(self)
        self.begin()

    @property
    def is_connected(self) -> bool:
        """As the kernel knows it: neither side has closed."""
        told: bytes = self.transport.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_INFO, 1
        )
        return told[0] == _ESTABLISHED

    def begin(self) -> None:
        """The connection stands."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self.door.left(self)
        Peer.present.discard(self)
        self.end()

    def end(self) -> None:
        """The connection is gone."""

    def data_received(self, data: bytes) -> None:
        self.quiet = 0
        self.take(data)

    def take(self, data: bytes) -> None:
        """Bytes of the stranger's."""

    def say(self, data: bytes) -> None:
        if self.is_open:
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.stalled = True

    def resume_writing(self) -> None:
        self.stalled = False
        self.go_on()

    def go_on(self) -> None:
        """There is room to write again."""


async def sweep() -> None:
    while True:
        await asyncio.sleep(SWEEP)
        for peer in list(Peer.present):
            peer.quiet += 1
            if peer.quiet * SWEEP > IDLE:
                peer.transport.abort()
