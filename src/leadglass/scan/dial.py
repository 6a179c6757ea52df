"""A connection to one port of one address, and what it looks like when there is none.

On the way to thousands of closed ports nothing may cost: the kernel is asked once, and where it knows the
answer at once, as on loopback, the event loop has no part in it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final, TypeAlias

from leadglass.errors import Unavailable
from leadglass.scan.clocks import since, ticks
from leadglass.scan.ending import Ending, Over, alerted
from leadglass.scan.manner import Manner
from leadglass.scan.observation import Outcome
from leadglass.scan.talk import Talk

# What a failed attempt says. Errors that are not here are ours: see `_raise`.
_OUTCOMES: Final[Mapping[int, Ending]] = MappingProxyType(
    {
        errno.ECONNREFUSED: Ending(Outcome.REFUSED),
        errno.ETIMEDOUT: Ending(Outcome.SILENT),
        errno.EHOSTUNREACH: Ending(Outcome.UNREACHABLE),
        errno.ENETUNREACH: Ending(Outcome.UNREACHABLE),
        errno.EHOSTDOWN: Ending(Outcome.UNREACHABLE),
        errno.ENETDOWN: Ending(Outcome.UNREACHABLE),
        errno.EACCES: Ending(Outcome.UNREACHABLE),
        errno.EPERM: Ending(Outcome.UNREACHABLE),
        errno.EINVAL: Ending(Outcome.UNREACHABLE),  # an address that no route of this kind leads to
        errno.ECONNRESET: Ending(Outcome.CLOSED, {"fault": "reset"}),
        errno.ECONNABORTED: Ending(Outcome.CLOSED, {"fault": "reset"}),
        errno.EPIPE: Ending(Outcome.CLOSED, {"fault": "reset"}),
        errno.ENOTCONN: Ending(Outcome.CLOSED, {"fault": "reset"}),
    }
)

_UNDER_WAY: Final = frozenset({errno.EALREADY, errno.EINPROGRESS})
_STANDS: Final = frozenset({0, errno.EISCONN})

# Linger of no seconds: closing sends RST, so that ten thousand connections leave no TIME_WAIT behind them
# and the other side sees at once that nobody is there any more.
_AT_ONCE: Final = struct.pack("ii", 1, 0)
_RTT_AT: Final = 68  # of `tcpi_rtt`, µs, in Linux's struct tcp_info

# How a talk with an address and a port comes about. A fuzzer hands in its own.
Dial: TypeAlias = Callable[[str, int, Manner, ssl.SSLContext | None], Awaitable[Talk]]


async def dial(address: str, port: int, manner: Manner, tls: ssl.SSLContext | None) -> Talk:
    """A talk that stands. Over when it does not come about; Unavailable when this machine is why."""
    loop = asyncio.get_running_loop()
    started = ticks()
    sock = await connected(address, port, manner.patience.connect)
    talk = Talk(manner)
    talk.socket = sock
    try:
        if tls is None:
            await loop.create_connection(lambda: talk, sock=sock)
        else:
            await loop.create_connection(
                lambda: talk,
                sock=sock,
                ssl=tls,
                server_hostname="",
                ssl_handshake_timeout=manner.patience.answer,
            )
    except ssl.SSLError as error:
        raise Over(alerted(error)) from None
    except ConnectionAbortedError:  # asyncio's word for a handshake that takes too long
        raise Over(Ending(Outcome.MUTE, {"fault": "tls-stall"})) from None
    except OSError as error:
        _raise(error.errno or errno.ECONNRESET)
    talk.connect_us = since(started) if tls is not None else round_trip(sock) or since(started)
    return talk


async def knock(address: str, port: int, seconds: float) -> Outcome:
    """Is a port open? One attempt, and not a byte on it: OPEN, REFUSED, SILENT or UNREACHABLE."""
    try:
        sock = await connected(address, port, seconds)
    except Over as over:  # a reset is a refusal here: nothing had been said
        return Outcome.REFUSED if over.ending.outcome is Outcome.CLOSED else over.ending.outcome
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    sock.close()
    return Outcome.OPEN


def round_trip(sock: socket.socket) -> int:
    """µs, as the kernel measured it while the connection was made: however busy we were, it is the network's.
    0 where nobody tells."""
    with suppress(OSError, struct.error):
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT_AT + 4)
        return int(struct.unpack_from("=I", told, _RTT_AT)[0])
    return 0


async def connected(address: str, port: int, seconds: float) -> socket.socket:
    """A socket that does not block. Over for whatever the network says instead."""
    try:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise _ours(error.errno or 0) from None
    try:
        sock.setblocking(False)
        said = sock.connect_ex((address, port))
        if said == errno.EINPROGRESS:  # what the peer's machine answered at once is known by now
            said = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or sock.connect_ex((address, port))
        if said in _UNDER_WAY:
            said = await _in_progress(sock, seconds)
        if said not in _STANDS:
            _raise(said)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:  # gone between the two calls
        sock.close()
        _raise(error.errno or errno.ECONNRESET)
    except BaseException:
        sock.close()
        raise
    return sock


async def _in_progress(sock: socket.socket, seconds: float) -> int:
    """How it ends, as an error number; 0 when it stands."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[int] = loop.create_future()

    def settled() -> None:
        if not waiting.done():
            waiting.set_result(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def due() -> None:
        """Timers go before what has arrived: had we been busy, it would be they who were late."""
        if _is_settled(sock):
            settled()
        elif not waiting.done():
            waiting.set_result(errno.ETIMEDOUT)

    loop.add_writer(sock.fileno(), settled)
    timer = loop.call_later(seconds, due)
    try:
        return await waiting
    finally:
        timer.cancel()
        loop.remove_writer(sock.fileno())


def _is_settled(sock: socket.socket) -> bool:
    asked = select.poll()
    asked.register(sock, select.POLLOUT)
    return bool(asked.poll(0))


def _raise(error: int) -> None:
    ending = _OUTCOMES.get(error)
    raise Over(ending) if ending is not None else _ours(error)


def _ours(error: int) -> Unavailable:
    """No descriptors, no ports, no memory: it says nothing about the other side, and goes on later."""
    return Unavailable(f"This machine cannot connect now: {os.strerror(error)}.", code="sockets")
