"""Is a port open? One connection attempt, and not a byte on it."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from typing import Final

from leadglass.scan.observation import Outcome

_REFUSED: Final = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})
# Linger of no seconds: closing sends RST, so that ten thousand connections leave no TIME_WAIT behind them
# and the other side sees at once that nobody is there any more.
_AT_ONCE: Final = struct.pack("ii", 1, 0)


async def knock(address: str, port: int, seconds: float) -> Outcome:
    """OPEN, REFUSED, SILENT or UNREACHABLE."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        code = sock.connect_ex((address, port))
        if code == errno.EINPROGRESS:
            code = await _outcome(sock, seconds)
        if code == 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            return Outcome.OPEN
        if code in _REFUSED:
            return Outcome.REFUSED
        return Outcome.SILENT if code == errno.ETIMEDOUT else Outcome.UNREACHABLE
    finally:
        sock.close()


async def _outcome(sock: socket.socket, seconds: float) -> int:
    """The error number of an attempt under way; ETIMEDOUT when there is no answer in time."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    descriptor = sock.fileno()
    loop.add_writer(descriptor, lambda: None if ready.done() else ready.set_result(None))
    try:
        async with asyncio.timeout(seconds):
            await ready
    except TimeoutError:
        return errno.ETIMEDOUT
    finally:
        loop.remove_writer(descriptor)
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
