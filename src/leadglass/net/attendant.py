"""Attending to connections: one message after the other to its handler, until the association ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from leadglass.dimse.command import Field
from leadglass.dimse.message import DimseLimits
from leadglass.errors import BrokenInvariant, LeadglassError
from leadglass.net.connection import Peer
from leadglass.net.deadlines import Deadlines
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.ul.association import Role
from leadglass.ul.pdu import AssociateAC, AssociateRJ, AssociateRQ
from leadglass.ul.wire import UlLimits


@dataclass(frozen=True, slots=True)
class Admission:
    """The peer may come in: our A-ASSOCIATE-AC, and what the handlers are to know of it."""

    answer: AssociateAC
    session: object


Admit = Callable[[AssociateRQ, Peer], Awaitable[Admission | AssociateRJ]]
Handler = Callable[[Link, Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Manners:
    """What an acceptor holds its peers to."""

    deadlines: Deadlines = field(default_factory=Deadlines)
    ul: UlLimits = field(default_factory=UlLimits)
    dimse: DimseLimits = field(default_factory=DimseLimits)
    connections: int = 2048
    per_address: int = 256


class Place(Protocol):
    """Where a connection is counted. `leave` is what makes it go when its place is needed."""

    address: str
    leave: Callable[[], None]

    def associated(self) -> None: ...
    def left(self) -> None: ...


class Attending(Protocol):
    """Somebody who attends to connections, here or in another process. `load` is how many there are."""

    @property
    def load(self) -> int: ...
    def attend(self, connected: socket.socket, place: Place) -> None: ...
    async def end(self) -> None: ...


class Attendant:
    """In this process. `tls` is asked for each connection, so that certificates can change. `ours`: address
    and calling AE title of whoever looks at us on our own behalf, whose rejection need alarm nobody."""

    def __init__(
        self,
        manners: Manners,
        admit: Admit,
        handlers: Mapping[Field, Handler],
        tls: Callable[[], ssl.SSLContext] | None = None,
        name: str = "dicom",
        *,
        ours: Container[tuple[str, str]] = frozenset(),
    ) -> None:
        self._manners = manners
        self._admit = admit
        self._handlers = handlers
        self._tls = tls
        self._ours = ours
        self._log = structlog.get_logger("leadglass.net").bind(listener=name)
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0

    @property
    def load(self) -> int:
        return self._count

    def attend(self, connected: socket.socket, place: Place) -> None:
        """Returns at once; the place is given back when the connection is gone."""
        self._count += 1
        task = asyncio.get_running_loop().create_task(self._connection(connected, place))
        place.leave = lambda: _cancel(task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Abort what is established and wait until it is gone."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._manners.deadlines.release)

    async def _connection(self, connected: socket.socket, place: Place) -> None:
        """From TCP to the end of the association. Whatever happens, the place is given back."""
        address, link = place.address, None
        try:
            link = await self._open(connected)
            place.leave = link.connection.drop
            await self._association(link, place)
        except asyncio.CancelledError:
            connected.close()
            if link is not None:
                link.abort()
        except Exception as error:  # noqa: BLE001 - a bug ends this association and no other
            self._note(error, address, link)
            if link is not None:
                link.abort(error if isinstance(error, LeadglassError) else None)
        finally:
            if link is not None:
                await self._closing(link)
            self._count -= 1
            place.left()

    async def _open(self, connected: socket.socket) -> Link:
        """The connection with its association on it; with TLS, after the handshake."""
        manners = self._manners
        link = Link(Role.ACCEPTOR, manners.deadlines, manners.ul, manners.dimse)
        link.connection.socket = connected
        link.connection.expect(manners.deadlines.association, "No association was asked for.")
        handshake: dict[str, Any] = {}
        if self._tls is not None:
            handshake = {
                "ssl": self._tls(),
                "ssl_handshake_timeout": manners.deadlines.handshake,
                "ssl_shutdown_timeout": manners.deadlines.release,
            }
        try:
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: link.connection, connected, **handshake
            )
        except BaseException:
            connected.close()
            raise
        return link

    async def _association(self, link: Link, place: Place) -> None:
        request = await link.negotiation
        admission = await self._admit(request, link.peer)
        if link.error is not None:
            raise link.error
        if isinstance(admission, AssociateRJ):
            self._note_rejected(link.peer.address, request.calling, admission)
            link.reject(admission)
            return
        place.associated()
        link.accept(admission.answer, admission.session)
        await self._messages(link)

    async def _messages(self, link: Link) -> None:
        while (message := await link.next_request()) is not None:
            handler = self._handlers.get(message.command.field, _unrecognized)
            with link.handling(message):
                await handler(link, message)
                if message.data is not None:
                    await message.data.drain()
        link.confirm_release()

    async def _closing(self, link: Link) -> None:
        """Wait for the other side to close, as long as it may take; then it is closed for it."""
        link.connection.finish()
        try:
            await link.closed()
        except asyncio.CancelledError:  # the server ends: that takes no longer than the deadline either
            await link.closed()

    def _note(self, error: Exception, address: str, link: Link | None) -> None:
        """One line. What a peer or the network did is news; what a handler of ours did is a bug."""
        if link is None and isinstance(error, OSError):
            self._log.info("connection ended", address=address, code=_transport_code(error))
        elif isinstance(error, BrokenInvariant) or not isinstance(error, LeadglassError):
            self._log.exception("association failed", address=address)
        else:
            quiet = error.code in {"closed", "released"} and (link is None or not link.contexts)
            level = self._log.debug if quiet else self._log.info
            calling = link.calling if link else ""
            level("association ended", address=address, code=error.code, calling=calling)

    def _note_rejected(self, address: str, calling: str, answer: AssociateRJ) -> None:
        said = {"address": address, "calling": calling, "reason": answer.sentence}
        if (address, calling) in self._ours:
            self._log.info("association rejected", ours=True, **said)
        else:
            self._log.warning("association rejected", **said)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


async def _unrecognized(link: Link, message: Message) -> None:
    """PS3.7 C.5.23: an operation that no listener of this kind performs."""
    if message.data is not None:
        await message.data.drain()
    await link.send(message.context.id, message.command.respond(0x0211))


def _transport_code(error: OSError) -> str:
    """What asyncio raises by itself has no number of the system's: its handshake took too long."""
    if isinstance(error, ssl.SSLError):
        return "tls"
    own = isinstance(error, ConnectionAbortedError) and error.errno is None
    return "handshake-deadline" if own else "connection"
