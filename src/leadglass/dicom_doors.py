"""The DICOM listeners of one home: one in plaintext that only receives, one for AEs with a certificate."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from leadglass.access.principal import Via
from leadglass.archive.peers import Peers
from leadglass.compose import Opened
from leadglass.config import Dicom, Settings, is_loopback, split_address
from leadglass.dicom_second import SecondProcess
from leadglass.dimse.message import DimseLimits
from leadglass.errors import LeadglassError, Unavailable, Violation
from leadglass.net.acceptor import Acceptor
from leadglass.net.attendant import Attendant, Attending, Manners
from leadglass.net.handover import Elsewhere
from leadglass.net.tls import server_context
from leadglass.net.workers import Workers
from leadglass.scp.admission import MAXIMUM_LENGTH, Admitter
from leadglass.scp.commitment import Reporter
from leadglass.scp.dialling import Dialler
from leadglass.scp.services import handlers, vouched
from leadglass.ul.wire import UlLimits

BACKLOG: Final = 1024
LONGEST_CONTROL: Final = 128 << 10  # bytes: 128 contexts with every transfer syntax there is
REPORT_SECONDS: Final = 10
THREADS: Final = 8  # they wait for the disk more than for a processor


@dataclass(frozen=True, slots=True)
class Door:
    """One listening socket and what accepts on it."""

    name: str
    socket: socket.socket
    acceptor: Acceptor

    @property
    def address(self) -> str:
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Attendance:
    """What a process needs to attend to DICOM connections: `attendants` by the listener's name."""

    attendants: Mapping[str, Attendant]
    identity: Identity
    reporter: Reporter

    def reload(self) -> None:
        """Certificates that have changed count from the next connection on."""
        if Via.DIMSE.value in self.attendants:
            self.identity.reload()


class Identity:
    """The archive's own certificate and whom it trusts, looked at anew without a restart."""

    def __init__(self, peers: Peers, names: tuple[str, ...], clock: Callable[[], int]) -> None:
        self._peers = peers
        self._names = names
        self._clock = clock
        self._made_of: object = None
        self._context: ssl.SSLContext | None = None

    def pair(self) -> tuple[str, str]:
        """Certificate and key (PEM), for listening and for calling."""
        return self._peers.server_identity(self._names, self._clock())

    def reload(self) -> None:
        """Cheap when nothing has changed. Connections that stand keep what they were made with."""
        certificate, key = self.pair()
        trusted = self._peers.trusted()
        if self._made_of != (certificate, trusted):
            self._context = server_context(certificate, key, trusted)
            self._made_of = (certificate, trusted)

    def context(self) -> ssl.SSLContext:
        """What the next connection is accepted with."""
        assert self._context is not None
        return self._context


class Doors:
    """All DICOM listeners of a server, and what it has to tell AEs of itself. `start` and `stop` belong to
    its event loop."""

    def __init__(self, doors: tuple[Door, ...], attendance: Attendance, second: SecondProcess | None) -> None:
        self._doors = doors
        self._attendance = attendance
        self._second = second
        self._tasks: list[asyncio.Task[None]] = []

    def addresses(self) -> dict[str, str]:
        """HOST:PORT by the listener's name."""
        return {door.name: door.address for door in self._doors}

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(door.acceptor.serve(door.socket)) for door in self._doors]
        if self._doors:
            self._tasks.append(loop.create_task(self._reporting()))
        if self._doors and self._second is not None:
            self._tasks.append(loop.create_task(self._second.keep()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reload(self) -> None:
        self._attendance.reload()

    async def _reporting(self) -> None:
        """What could not be told on the association that asked for it, also after a restart."""
        log = structlog.get_logger("leadglass.scp")
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            try:
                await self._attendance.reporter.run()
            except LeadglassError as error:
                log.warning("commitments not reported", code=error.code)
            except Exception:
                log.exception("commitments not reported")


@contextmanager
def open_doors(
    opened: Opened, clock: Callable[[], int], ours: Collection[tuple[str, str]] = frozenset()
) -> Iterator[Doors]:
    """Bind what the settings ask for; nothing answers before `start`. Unavailable when a port is taken,
    Violation for a listener that may not stand where it is asked for. `ours`: see `net.attendant`; it may be
    filled in until `start`."""
    settings = opened.settings.dicom
    second = SecondProcess(opened.home.root, opened.settings, ours) if settings.processes > 1 else None
    doors: list[Door] = []
    with attending(opened, clock, ours) as attendance:
        try:
            for name, attendant in attendance.attendants.items():
                attendants: list[Attending] = [attendant]
                if second is not None:
                    attendants.append(Elsewhere(lambda: second.colleague, name))
                address = settings.receive_address if name == Via.RECEIVE.value else settings.tls_address
                acceptor = Acceptor(_manners(opened.settings), attendants, name)
                doors.append(Door(name, _socket(address), acceptor))
            yield Doors(tuple(doors), attendance, second)
        finally:
            for door in doors:
                door.socket.close()


@contextmanager
def attending(
    opened: Opened, clock: Callable[[], int], ours: Collection[tuple[str, str]] = frozenset()
) -> Iterator[Attendance]:
    """Attendants for the listeners that the settings ask for, in this process."""
    settings, services = opened.settings.dicom, opened.services
    workers = Workers(THREADS)
    identity = Identity(services.peers, _names(settings), clock)
    dial = Dialler(services.peers, workers, clock)
    largest = _largest(opened.settings)
    performing = handlers(services, dial, workers, largest)
    attendants = {}
    try:
        if settings.tls_address:
            identity.reload()
        for address, via, tls in (
            (settings.receive_address, Via.RECEIVE, None),
            (settings.tls_address, Via.DIMSE, identity.context),
        ):
            if address:
                _require_named(settings, services.peers, via)
                shut = partial(services.listeners.is_shut, via)
                admit = Admitter(services.peers, settings.title, via, workers, clock, shut=shut)
                performed = vouched(admit, performing)
                manners = _manners(opened.settings)
                attendants[via.value] = Attendant(manners, admit, performed, tls, via.value, ours=ours)
        reporter = Reporter(
            services.commitments, services.peers, workers, dial=dial, title=settings.title, clock=clock
        )
        yield Attendance(attendants, identity, reporter)
    finally:
        workers.close()


def _manners(settings: Settings) -> Manners:
    """Of an object larger than is taken the rest is let pass by, so that its sender hears a status. That goes
    on for as long again; then the association is aborted."""
    return Manners(
        ul=UlLimits(control_pdu=LONGEST_CONTROL, p_data_pdu=MAXIMUM_LENGTH),
        dimse=DimseLimits(data_set_bytes=2 * _largest(settings)),
        connections=settings.dicom.connections,
        per_address=settings.dicom.connections_per_address,
    )


def _largest(settings: Settings) -> int:
    """Bytes of an object that is taken."""
    return settings.limits.object_mib << 20


def _require_named(settings: Dicom, peers: Peers, via: Via) -> None:
    """Plaintext off loopback stands only for a reason and for AEs that are named."""
    host, _ = split_address(settings.receive_address or "127.0.0.1:0")
    if via is not Via.RECEIVE or is_loopback(host):
        return
    if not settings.receive_reason.strip():
        raise Violation(
            f"The receive-only listener speaks plaintext, and {host} is not loopback. Say in "
            "dicom.receive_reason why it has to stand there, or let the scanners speak TLS.",
            code="plain-dicom",
        )
    if not peers.has_receive_only():
        raise Violation(
            "The receive-only listener stands off loopback for named AEs only, and there is none. "
            "Name one: leadglass ae add AE_TITLE@HOST --receive-only",
            code="plain-dicom",
        )


def _names(settings: Dicom) -> tuple[str, ...]:
    given = tuple(name.strip() for name in settings.tls_names.split(",") if name.strip())
    host, _ = split_address(settings.tls_address or "127.0.0.1:0")
    return tuple(dict.fromkeys((*given, *(() if host in {"0.0.0.0", "::"} else (host,)))))  # noqa: S104


def _socket(address: str) -> socket.socket:
    host, port = split_address(address)
    try:
        family, _, _, _, resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(resolved[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise Unavailable(
            f"Cannot listen on {host} port {port} for DICOM: {error.strerror}. Choose another address.",
            code="address",
        ) from None
