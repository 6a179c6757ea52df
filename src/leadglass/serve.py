"""The server of one home: a listener, the web service behind it, and the housekeeping beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
import uvicorn

from leadglass import heap
from leadglass.access.principal import Via
from leadglass.archive.scrub import Scrub
from leadglass.compose import Opened, open_home
from leadglass.config import Listener, Settings, is_loopback, listener, split_address
from leadglass.dicom_doors import Doors, open_doors
from leadglass.errors import LeadglassError, Unavailable, Violation
from leadglass.home import clock, read_home, server_lock
from leadglass.http_bounds import bounded
from leadglass.scan.estate import Estate
from leadglass.scan_home import has_register, open_register
from leadglass.self_look import HTTP, SelfLook, Subject
from leadglass.transfer.pace import Hours
from leadglass.web.app import create_app
from leadglass.web.settings import WebSettings

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 20
OTHER_DESCRIPTORS: Final = 512  # beside those of connections: objects, the database, locks
GRACE_SECONDS: Final = 3  # for answers under way when the server is told to stop


@dataclass(frozen=True, slots=True)
class Addresses:
    """What answers now: the portal's URL, and HOST:PORT of each DICOM listener, "" for one there is not."""

    url: str
    receive: str = ""
    dimse: str = ""


Listening = Callable[[Addresses], None]  # called once, in a thread of its own


def run(root: Path, environ: Mapping[str, str], listening: Listening, **overrides: dict[str, Any]) -> None:
    """Open the home at `root` and serve it. HomeBusy before anything is opened when another server does."""
    with server_lock(read_home(root)), open_home(root, environ, clock, **overrides) as opened:
        serve(opened, listening)


def serve(opened: Opened, listening: Listening) -> None:
    """Serve until SIGINT or SIGTERM; the caller holds the home's server lock. Unavailable when the port is
    taken, Violation for an address that may not be served, Tampered when the record is behind what it has
    published: somebody put an older database in its place, and nothing is shown on top of that."""
    with contextlib.suppress(Unavailable):  # a full disk: the record has space kept back, its tiles have none
        opened.publish()
    door = listener(opened.settings.http, opened.home.root)
    context = tls_context(door)
    allow_descriptors(opened.settings)
    ours: set[tuple[str, str]] = set()
    with _socket(door) as listening_socket, open_doors(opened, clock, ours) as doors:
        url = door.url(listening_socket.getsockname()[1])
        estate = Estate(lambda: open_register(os.environ), lambda: has_register(os.environ), clock)
        limits = opened.settings.limits
        web = WebSettings(public_url=url, zip_members=limits.zip_members, zip_ratio=limits.zip_ratio)
        app = create_app(opened.services, estate, web, clock)
        config = _uvicorn(app, opened.settings.limits.connections)
        config.load()
        config.ssl = context
        look = SelfLook(
            [*_doors(doors), _web(listening_socket, url, tls=context is not None)],
            opened.services.listeners, opened.settings.dicom.title, clock,
        )  # fmt: skip
        ours |= look.callers()
        server = _Server(config, opened, doors, look, lambda: listening(Addresses(url, **doors.addresses())))
        with _scrubbing(opened):
            server.run(sockets=[listening_socket])
        if server.failure is not None:
            raise server.failure


@contextlib.contextmanager
def _scrubbing(opened: Opened) -> Iterator[None]:
    """Objects are read again in a thread of its own, which ends before the home is closed."""
    asked, services = opened.settings.upkeep, opened.services
    hours = Hours.parse(asked.scrub_hours) if asked.scrub_hours else Hours()
    scrub = Scrub(
        services.db,
        services.upkeep.examiner,
        clock,
        rate=asked.scrub_mb_per_second * 1e6,
        window=lambda: not hours.wait(datetime.now()),  # noqa: DTZ005 - as people set it
    )
    scrub.start()
    try:
        yield
    finally:
        scrub.stop()


def tls_context(door: Listener) -> ssl.SSLContext | None:
    """TLS 1.2 or later, forward secrecy, no renegotiation; None for plain HTTP on loopback."""
    if door.certificate is None or door.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # of TLS 1.2; those of 1.3 are all good
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(door.certificate, door.key)
    except OSError as error:
        raise Violation(
            f"The certificate {door.certificate} and its key {door.key} cannot be used: {error.strerror}.",
            code="tls-certificate",
        ) from None
    return context


def allow_descriptors(settings: Settings) -> None:
    """The usual soft limit of 1,024 is there for programs that use select()."""
    wanted = settings.limits.connections + 2 * settings.dicom.connections + OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def _socket(door: Listener) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(door.host, door.port, type=socket.SOCK_STREAM)[0]
        if door.certificate is None and not is_loopback(str(address[0])):
            raise Violation(
                f"{door.host} is not on loopback, so it is not served without TLS.", code="plain-http"
            )
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise Unavailable(
            f"Cannot listen on {door.host} port {door.port}: {error.strerror}. "
            "Choose another with --http HOST:PORT.",
            code="address",
        ) from None


def _doors(doors: Doors) -> Iterator[Subject]:
    for name, where in doors.addresses().items():
        yield Subject(name, *split_address(where), tls=name == Via.DIMSE.value)


def _web(listening: socket.socket, url: str, *, tls: bool) -> Subject:
    """As people know it who type its address."""
    host, port = listening.getsockname()[:2]
    return Subject(HTTP, host, port, tls, urlsplit(url).netloc)


def _uvicorn(app: object, connections: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=bounded(connections),
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the peer's word about its own address is worth nothing
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class _Server(uvicorn.Server):
    """Ends on SIGINT and SIGTERM alike by returning, so that the home is closed properly afterwards."""

    def __init__(
        self,
        config: uvicorn.Config,
        opened: Opened,
        doors: Doors,
        look: SelfLook,
        listening: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._opened = opened
        self._doors = doors
        self._look = look
        self._listening = listening
        self._housekeeping: list[asyncio.Task[None]] = []
        self.failure: BaseException | None = None  # of `listening`: it ends the server

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._doors.start()
        self._housekeeping = [
            asyncio.create_task(every(seconds, name, job))
            for seconds, name, job in housekeeping(self._opened, self._doors)
        ]
        self._housekeeping.append(asyncio.create_task(self._announce()))
        self._housekeeping.append(asyncio.create_task(self._look.keep_looking()))

    async def _announce(self) -> None:
        try:
            await asyncio.to_thread(self._listening)
        except Exception as error:  # noqa: BLE001 - raised again by `serve`
            self.failure, self.should_exit = error, True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._housekeeping:
            task.cancel()
        await self._doors.stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit  # asked twice: wait for nobody
        self.should_exit = True


def housekeeping(opened: Opened, doors: Doors) -> tuple[tuple[float, str, Callable[[], object]], ...]:
    """(every so many seconds, name, what): everything a server does without being asked."""
    services = opened.services
    return (
        (1, "publish-record", opened.publish),
        (2, "reload-certificates", doors.reload),
        (5, "close-accesses", lambda: services.ledger.expire(clock())),
        (heap.EVERY_SECONDS, "trim-heap", heap.AfterWork()),
        (3600, "sweep-sessions", lambda: services.accounts.sweep(clock())),
    )


async def every(seconds: float, name: str, job: Callable[[], object]) -> None:
    """Says once that a job fails and once that it works again: a full disk must not fill the log as well."""
    log, failing = structlog.get_logger("leadglass.serve"), ""
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(job)
            trouble = ""
        except LeadglassError as error:
            trouble = error.code
        except Exception:
            trouble = "failed"
            if trouble != failing:
                log.exception("housekeeping failed", job=name)
        if trouble != failing:
            log.warning("housekeeping", job=name, trouble=trouble or "over")
            failing = trouble
