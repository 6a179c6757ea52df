"""A home that is served to a scanner, and the scanner, which notes what it was told is kept."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from fault_home import CT, OPERATOR, WAIT, Site

from leadglass.access.plans import plan
from leadglass.access.principal import Context, Via
from leadglass.dicom.dictionary import EXPLICIT_VR_LITTLE_ENDIAN
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID
from leadglass.dicom.part10 import Part10Parser
from leadglass.dimse.command import Command, Field
from leadglass.errors import LeadglassError
from leadglass.net.link import Link
from leadglass.net.requestor import connect
from leadglass.ul.items import ProposedContext, UserInformation
from leadglass.ul.pdu import AssociateRQ

LEADGLASS = (sys.executable, "-c", "from leadglass.cli.main import main; main()")
SECOND = "leadglass.dicom_deputy"
SCANNER = "CT1"
ASSOCIATIONS = 4  # at once
PER_ASSOCIATION = 3  # objects; then it is released and another one made


def introduced(founded: Site, folder: Path) -> Site:
    """A copy of the home that knows the scanner."""
    site = founded.copy_to(folder)
    with site.open() as opened:
        made = plan(f"{SCANNER}@127.0.0.1", certified=False, receive_only=True)
        opened.services.peers.add(OPERATOR, made, Context("", Via.COMMAND, 1))
    return site


def until(what: Callable[[], bool], seconds: float = WAIT) -> None:
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up
        threading.Event().wait(0.001)


@dataclass(slots=True)
class Server:
    """`process` may be somebody who runs the server for us, such as strace."""

    process: subprocess.Popen[bytes]
    port: int = 0

    def listen(self) -> None:
        """Wait for the addresses that it prints: the portal's, then the listener's."""
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(2)]
        assert lines[1], "the server did not start"
        self.port = int(lines[1].split()[-1].rpartition(b":")[2])

    def second(self) -> psutil.Process | None:
        """The process that attends to connections beside the server's own, once it has started."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if SECOND in child.cmdline():
                return child
        return None

    def both_attend(self) -> bool:
        """Whether the second process has connections too at this moment; what comes next is divided evenly."""
        second = self.second()
        return second is not None and any(
            connection.status == psutil.CONN_ESTABLISHED for connection in second.net_connections("tcp4")
        )

    def wait_for_both(self) -> None:
        """Until two connections at once are not both attended to by the process that is there first."""

        def divided() -> bool:
            with closing(self._stranger()), closing(self._stranger()):
                threading.Event().wait(0.05)
                return self.both_attend()

        until(divided)

    def _stranger(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=WAIT)

    def kill(self) -> int:
        """kill -9 of all its processes; the server's own status."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for child in children:
            child.kill()
        psutil.wait_procs(children, timeout=WAIT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait()


@contextmanager
def serving(site: Site, under: Sequence[str] = ()) -> Iterator[Server]:
    """`leadglass serve` with its usual processes, threads and groups; killed at the end."""
    command = [*under, *LEADGLASS, "serve", "--home", str(site.root)]
    process = subprocess.Popen(
        [*command, "--http", "127.0.0.1:0", "--dicom", "127.0.0.1:0"],
        env={"PATH": "/usr/bin:/bin", "LEADGLASS_STORAGE_RESERVE_MIB": "1", **site.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    server = Server(process)
    try:
        server.listen()
        yield server
    finally:
        if process.poll() is None:
            server.kill()


class Sender:
    """Sends every object once, over several associations at a time. What was acknowledged with 0x0000 is in
    `acknowledged` from the moment that it was."""

    def __init__(self, port: int, objects: dict[str, bytes]) -> None:
        self._port = port
        self._left = list(objects.items())
        self._ready = threading.Semaphore(0)
        self._go = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.acknowledged: set[str] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)

    def connect(self) -> None:
        """All associations stand, and nothing has been sent."""
        self._thread.start()
        for _ in range(ASSOCIATIONS):
            assert self._ready.acquire(timeout=WAIT)

    def send(self) -> None:
        """Begin; `join` waits for the end."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._go.set)

    def wait_for(self, least: int) -> None:
        """Until so many objects are acknowledged."""
        until(lambda: len(self.acknowledged) >= least)

    def join(self) -> None:
        self._thread.join(WAIT)
        assert not self._thread.is_alive()

    async def _all(self) -> None:
        self._loop = asyncio.get_running_loop()
        await asyncio.gather(*(self._one() for _ in range(ASSOCIATIONS)))

    async def _one(self) -> None:
        try:
            link = await self._associated()
            self._ready.release()
            await self._go.wait()
            while await self._several(link):
                link = await self._associated()
        except LeadglassError:
            return  # the server is gone: that is what this is about

    async def _several(self, link: Link) -> bool:
        """As many objects as one association takes; whether there may be more."""
        for _ in range(PER_ASSOCIATION):
            if not self._left:
                break
            uid, file = self._left.pop()
            answer = await link.request(1, _c_store(link, uid), data_set(file))
            if answer.command.status == 0:
                self.acknowledged.add(uid)
        await link.release()
        return bool(self._left)

    async def _associated(self) -> Link:
        context = ProposedContext(1, CT, (EXPLICIT_VR_LITTLE_ENDIAN.uid,))
        ours = UserInformation(1 << 16, IMPLEMENTATION_CLASS_UID)
        return await connect("127.0.0.1", self._port, AssociateRQ("LEADGLASS", SCANNER, (context,), ours))


def _c_store(link: Link, uid: str) -> Command:
    return Command(
        Field.C_STORE_RQ,
        message_id=link.next_message_id(),
        affected_sop_class_uid=CT,
        affected_sop_instance_uid=uid,
        priority=0,
        has_dataset=True,
    )


def data_set(file: bytes) -> bytes:
    """Without the File Meta Information, which is the receiver's own."""
    parser = Part10Parser()
    parser.feed(file)
    return file[parser.dataset_offset :]
