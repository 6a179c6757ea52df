"""The server's hold on the sandbox: start the zygote, ask it for workers, end them for certain."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass

from leadglass.archive.rendering.confinement import Guards
from leadglass.archive.rendering.wire import (
    PART_BYTES,
    Ask,
    BrokenExchange,
    Channel,
    Deadline,
    Kind,
    Refusal,
    Rendered,
    RenderRequest,
)
from leadglass.errors import LimitExceeded, Unavailable

Fetch = Callable[[], Iterable[bytes]]

_PROGRAM = "leadglass.archive.rendering.render_child"
_SPAWNED = struct.Struct(">I")
_START_SECONDS = 60.0  # importing the codecs on a loaded machine
_EXIT_SECONDS = 10.0
# One thread each: worker processes are the parallelism, and a forked thread pool deadlocks.
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True)
class RenderLimits:
    """What a request, a frame and a worker may cost."""

    seconds: float = 10.0  # of the worker's time per request
    cpu_seconds: int = 600  # in a worker's life
    memory_bytes: int = 1 << 30  # per worker, beyond the loaded codecs
    pixels: int = 64 << 20  # in one frame
    decoded_bytes: int = 256 << 20  # of one frame
    object_bytes: int = 256 << 20
    workers: int = 4  # alive at once
    idle_seconds: float = 60.0  # until an unused worker ends
    zygote_idle_seconds: float = 600.0  # until the codecs are unloaded too
    queue_seconds: float = 30.0  # to wait for a worker that is at work


class Worker:
    """One confined process. Not thread-safe: the sandbox lends it to one request at a time."""

    def __init__(self, sock: socket.socket, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.guards = Guards(0)
        self._sock = sock
        self._pidfd = pidfd
        self._channel = Channel(sock)
        self._serial = 0
        self._holds: Hashable = None

    def greet(self, deadline: Deadline) -> None:
        """Wait until the worker has given up its rights. Raises BrokenExchange."""
        _, body = self._channel.receive(Kind.READY, deadline=deadline)
        self.guards = Guards(body[0]) if body else Guards(0)

    def render(
        self, object_id: Hashable, fetch: Fetch, most_bytes: int, request: RenderRequest, deadline: Deadline
    ) -> Rendered | Refusal:
        """After any exception (BrokenExchange, or what `fetch` raises) its state is unknown: end it."""
        if self._holds != object_id:
            self._serial, self._holds = self._serial + 1, object_id
        self._channel.send(Kind.ASK, Ask(self._serial, request).encode(), deadline)
        kind, body = self._channel.receive(Kind.LACKS, Kind.SHOWN, Kind.REFUSED, deadline=deadline)
        if kind is Kind.LACKS:
            for part in _parts(fetch, most_bytes, deadline):
                self._channel.send(Kind.PART, part, deadline)
            self._channel.send(Kind.END, b"", deadline)
            kind, body = self._channel.receive(Kind.SHOWN, Kind.REFUSED, deadline=deadline)
        return Rendered.decode(body, request) if kind is Kind.SHOWN else _refusal(body)

    def end(self) -> None:
        """SIGKILL through the pidfd, so never another process; the zygote reaps. Returns once it is dead."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        watch = select.poll()
        watch.register(self._pidfd, select.POLLIN)
        watch.poll(_EXIT_SECONDS * 1000)
        os.close(self._pidfd)
        self._sock.close()


def _parts(fetch: Fetch, most_bytes: int, deadline: Deadline) -> Iterator[memoryview]:
    """The object in messages of bounded size. Time spent in `fetch` is the store's, not the worker's."""
    sent = 0
    chunks = iter(fetch())
    try:
        while True:
            started = time.monotonic()
            chunk = next(chunks, None)
            deadline.without(time.monotonic() - started)
            if chunk is None:
                return
            sent += len(chunk)
            if sent > most_bytes:
                raise LimitExceeded("This object is too large to be shown here.", code="object-too-large")
            for start in range(0, len(chunk), PART_BYTES):
                yield memoryview(chunk)[start : start + PART_BYTES]
    finally:
        if close := getattr(chunks, "close", None):
            close()


def _refusal(body: bytes) -> Refusal:
    try:
        return Refusal(body.decode("ascii"))
    except ValueError as error:
        raise BrokenExchange("unknown refusal") from error


class Zygote:
    """The process that forks the workers. Started at the first need, and again should it die."""

    def __init__(self, limits: RenderLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process else None

    def start(self) -> None:
        with self._lock:
            if not self._closed:
                self._started()

    def spawn(self) -> Worker:
        """A confined worker. Raises Unavailable when the system gives no process."""
        with self._lock:
            for _ in range(
                0 if self._closed else 2
            ):  # a zygote that died since the last time is replaced once
                try:
                    worker = self._fork(self._started())
                except OSError:
                    self._stop()
                    continue
                try:
                    worker.greet(Deadline(_START_SECONDS))
                except BrokenExchange:
                    worker.end()
                    continue
                return worker
        raise Unavailable("Pictures cannot be prepared now: the decoding process does not start.")

    def rest(self) -> None:
        """End the process until the next need."""
        with self._lock:
            self._stop()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._stop()

    def _started(self) -> socket.socket:
        if self._control is not None:
            return self._control
        limits = self._limits
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            numbers = (
                theirs.fileno(),
                limits.memory_bytes,
                limits.cpu_seconds,
                limits.pixels,
                limits.decoded_bytes,
            )
            # A session of its own: Ctrl-C at the terminal is the server's to handle.
            self._process = subprocess.Popen(  # noqa: S603 - our own program and numbers
                [sys.executable, "-I", "-m", _PROGRAM, *map(str, numbers)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=_ENVIRONMENT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        ours.settimeout(_START_SECONDS)
        self._control = ours
        return ours

    def _fork(self, control: socket.socket) -> Worker:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(control, [b"+"], [theirs.fileno()])
            message, descriptors, _, _ = socket.recv_fds(control, _SPAWNED.size, 1)
            if not descriptors:
                raise ConnectionResetError("the zygote has gone")
        except BaseException:
            ours.close()
            raise
        return Worker(ours, _SPAWNED.unpack(message)[0], descriptors[0])

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()  # its signal to go; PR_SET_PDEATHSIG takes the workers along
        if self._process is not None:
            try:
                self._process.wait(_EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None
