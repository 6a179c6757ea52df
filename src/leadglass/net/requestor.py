"""The calling side: connect, associate, and hand back an established link."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from leadglass.dimse.message import DimseLimits
from leadglass.errors import LeadglassError
from leadglass.net.deadlines import Deadlines
from leadglass.net.link import Link
from leadglass.net.reaching import refusal, unreachable
from leadglass.ul.association import Role
from leadglass.ul.pdu import AssociateRJ, AssociateRQ
from leadglass.ul.wire import UlLimits


async def connect(
    address: str,
    port: int,
    request: AssociateRQ,
    *,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
    deadlines: Deadlines | None = None,
    ul: UlLimits | None = None,
    dimse: DimseLimits | None = None,
) -> Link:
    """An association with `address`. Unreachable when nobody answers, Refused when it is rejected,
    ProtocolViolation when what answers does not speak DICOM."""
    deadlines = deadlines or Deadlines()
    link = Link(Role.REQUESTOR, deadlines, ul or UlLimits(), dimse or DimseLimits())
    await _open(link, (address, port), tls, server_name, deadlines)
    try:
        link.ask(request)
        answer = await link.negotiation
    except BaseException:
        link.abort()
        raise
    if isinstance(answer, AssociateRJ):
        link.connection.finish()
        await link.closed()
        raise refusal(answer)
    return link


@asynccontextmanager
async def connected(
    address: str,
    port: int,
    request: AssociateRQ,
    *,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
    deadlines: Deadlines | None = None,
) -> AsyncIterator[Link]:
    """The same, released at the end of the block, or aborted when it ends in an error."""
    link = await connect(address, port, request, tls=tls, server_name=server_name, deadlines=deadlines)
    try:
        yield link
    except BaseException as error:
        link.abort(error if isinstance(error, LeadglassError) else None)
        raise
    await link.release()


async def _open(
    link: Link,
    host: tuple[str, int],
    tls: ssl.SSLContext | None,
    server_name: str | None,
    deadlines: Deadlines,
) -> None:
    address, port = host
    loop = asyncio.get_running_loop()
    name = server_name or address if tls is not None else None
    try:
        async with asyncio.timeout(deadlines.connect + (deadlines.handshake if tls else 0)):
            link.connection.socket = sock = await _socket(address, port)
            await loop.create_connection(lambda: link.connection, sock=sock, ssl=tls, server_hostname=name)
    except OSError as error:  # TimeoutError and ssl.SSLError among them
        raise unreachable(address, port, error) from None


async def _socket(address: str, port: int) -> socket.socket:
    """Connected to the first of the host's addresses that answers."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("no such name")
    for family, kind, protocol, _, target in await loop.getaddrinfo(address, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, target)
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return sock
    raise failure
