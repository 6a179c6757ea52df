"""A listener on loopback, in a thread, with a clock that a test moves: the bare edge, or a home's own doors.

The event loop's time is the machine's plus what a test has added, so that deadlines of minutes pass at once
and are those that people get.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raw_peer import CT, PATIENCE, VERIFICATION, Peer, associate_rq

from leadglass.access.plans import plan
from leadglass.access.principal import Context, Via, operator
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID
from leadglass.dimse.command import Command, Field
from leadglass.net.acceptor import Acceptor, alone
from leadglass.net.attendant import Admission, Manners
from leadglass.net.deadlines import Deadlines
from leadglass.ul.association import UlLimits
from leadglass.ul.items import UserInformation
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import AssociateRJ

DEADLINES = Deadlines()
LONGEST_PDU = 1 << 18
OPERATOR = operator(1000, "op")
SENDER = "PEER"
STUCK = "1.2.3.0"  # an instance that the bare edge takes nothing of: its disk does not answer


class MovedLoop(asyncio.SelectorEventLoop):
    """Timers go by the machine's clock and what was added to it."""

    added = 0.0

    def time(self) -> float:
        return super().time() + self.added


class Ground:
    def __init__(self, acceptor: Acceptor, listening: socket.socket, lines: list[Any]) -> None:
        self.acceptor = acceptor
        self.port: int = listening.getsockname()[1]
        self.lines = lines
        self.unstick: Callable[[], object] = lambda: None
        self._listening = listening
        self._loop = MovedLoop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        serving = self._loop.create_task(self.acceptor.serve(self._listening))
        self._ready.set()
        await self._stop.wait()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        self.echo()  # what is made on first use is there now
        self.store()
        self.remember()

    def remember(self) -> None:
        """What is there now is the baseline."""
        self.settle()
        self.tasks, self.descriptors = self.count()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def advance(self, seconds: float) -> None:
        """Time passes on the loop; what was due is done when this returns."""
        done: Future[None] = Future()

        def later(turns: int) -> None:
            if turns:
                self._loop.call_soon(later, turns - 1)
            else:
                done.set_result(None)

        def move() -> None:
            self._loop.added += seconds
            later(3)

        self._loop.call_soon_threadsafe(move)
        done.result(PATIENCE)

    def go_on(self) -> None:
        """The disk answers again."""
        self._loop.call_soon_threadsafe(self.unstick)

    def seen(self) -> None:
        """Whoever has connected has been accepted, and what was sent so far has been read."""
        until = time.monotonic() + PATIENCE
        while not self.acceptor.connections:
            assert time.monotonic() < until
            threading.Event().wait(0.001)
        self.advance(0)

    def count(self) -> tuple[int, int]:
        """Tasks of the loop, and descriptors of the process but those of the database, which keeps a few."""
        done: Future[int] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(len(asyncio.all_tasks(self._loop))))
        return done.result(PATIENCE), sum("/db/index.db" not in name for name in opened_files())

    def settle(self) -> None:
        """Until nobody is connected any more; as much time passes as the deadlines allow."""
        until = time.monotonic() + PATIENCE
        while self.acceptor.connections:
            assert time.monotonic() < until, "a connection outlived every deadline"
            self.advance(DEADLINES.idle)
            threading.Event().wait(0.001)

    def at_baseline(self) -> None:
        """Nothing of those who are gone is left: no connection, no task, no descriptor."""
        self.settle()
        until = time.monotonic() + PATIENCE
        while True:
            gc.collect()
            tasks, descriptors = self.count()
            if tasks <= self.tasks and descriptors <= self.descriptors:
                return
            assert time.monotonic() < until, (
                f"{tasks} tasks of {self.tasks}, {descriptors} descriptors of {self.descriptors}"
            )
            threading.Event().wait(0.001)

    def echo(self) -> None:
        """Somebody else, who does nothing wrong, is served."""
        peer = Peer.associated(self.port, associate_rq(calling=SENDER.encode()))
        assert peer.echo() == 0
        peer.release()

    def store(self) -> None:
        peer = Peer.associated(self.port, associate_rq(calling=SENDER.encode()))
        peer.store("1.2.3.1", b"no data set")
        peer.release()


def opened_files() -> Iterator[str]:
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that lists them is gone again
            yield os.readlink(f"/proc/self/fd/{number}")


@contextmanager
def started(made: Ground) -> Iterator[Ground]:
    made.start()
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def edge(lines: list[Any]) -> Iterator[Ground]:
    """`net` alone: who is admitted and what is answered is the test's."""
    ours = UserInformation(maximum_length=LONGEST_PDU, implementation_class_uid=IMPLEMENTATION_CLASS_UID)
    offer = {VERIFICATION: Service(), CT: Service()}
    stuck = asyncio.Event()

    async def admit(asked: Any, _: Any) -> Any:
        if asked.calling != SENDER:
            return AssociateRJ.CALLING_NOT_RECOGNIZED
        return Admission(negotiate(asked, offer, ours), None)

    async def done(link: Any, message: Any) -> None:
        if message.command.affected_sop_instance_uid == STUCK:
            await stuck.wait()
        if message.data is not None:
            await message.data.drain()
        await link.send(message.context.id, message.command.respond(0))

    async def asks_back(link: Any, message: Any) -> None:
        """As C-GET does: the answer is to come on the same association."""
        await message.data.drain()
        back = Command(
            Field.C_STORE_RQ,
            message_id=link.next_message_id(),
            affected_sop_class_uid=CT,
            affected_sop_instance_uid="1.2.3.1",
            priority=0,
            has_dataset=True,
        )
        answer = await link.request(message.context.id, back, b"what was asked for")
        await link.send(message.context.id, message.command.respond(answer.command.status))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        manners = Manners(ul=UlLimits(p_data_pdu=LONGEST_PDU))
        handlers = {Field.C_ECHO_RQ: done, Field.C_STORE_RQ: done, Field.C_GET_RQ: asks_back}
        with started(Ground(alone(manners, admit, handlers), listening, lines)) as made:
            made.unstick = lambda: (stuck.set(), stuck.clear())
            yield made


@contextmanager
def archive(folder: Path, lines: list[Any], *, tls: bool = False) -> Iterator[Ground]:
    """A listener of a new home with one known sender: the receive-only one, or the one that speaks TLS."""
    from leadglass.compose import found_home, open_home
    from leadglass.dicom_doors import open_doors

    environ = {
        "HOME": str(folder),
        "LEADGLASS_MASTER_KEY_FILE": str(folder / "master.key"),
        "LEADGLASS_STORAGE_RESERVE_MIB": "1",
    }
    root = folder / "home"
    dicom = {"receive_address": "" if tls else "127.0.0.1:0", "tls_address": "127.0.0.1:0" if tls else ""}
    found_home(root, environ, clock())
    with open_home(root, environ, clock, dicom=dicom) as opened:
        shown = introduce(opened, certified=tls)
        with open_doors(opened, clock) as doors:
            (door,) = doors._doors  # the acceptor itself: its connections are counted
            made = Ground(door.acceptor, door.socket, lines)
            if shown is not None:
                Peer.tls[made.port] = client_of(folder, shown)
            with started(made):
                yield made
        opened.services.ingest.close()


def introduce(opened: Any, *, certified: bool = False) -> Any:
    """SENDER may send; with a certificate it may also ask. Returns what was issued to it."""
    if certified:
        made = plan(SENDER, certified=True, allow="store,find,get")
    else:
        made = plan(f"{SENDER}@127.0.0.1", certified=False, receive_only=True)
    return opened.services.peers.add(OPERATOR, made, context()).issued


def client_of(folder: Path, issued: Any) -> ssl.SSLContext:
    """A peer's TLS, as it is set up from the files that it was given."""
    held = folder / "peer.pem"
    held.write_text(issued.certificate + issued.key)
    made = ssl.create_default_context(cadata=issued.authority)
    made.load_cert_chain(held)
    return made


def context() -> Context:
    return Context("", Via.COMMAND, clock())


def clock() -> int:
    return time.time_ns() // 1_000_000
