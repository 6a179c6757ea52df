"""From a machine that knows no TLS to an archive that knows nothing else: bytes in here, TLS out there.

It listens on this machine's loopback only, and each connection becomes one of its own to the archive, whose
name is verified. What the bytes say is nobody's business here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from leadglass.config import is_loopback
from leadglass.errors import LeadglassError, Unreachable, Violation
from leadglass.net.reaching import unreachable

_CHUNK: Final = 64 << 10  # bytes read at once; twice as much waits for a side that does not take it


@dataclass(frozen=True, slots=True)
class TunnelLimits:
    """Times in seconds. `idle`: without a byte in either direction."""

    connections: int = 64
    connect: float = 20  # TLS handshake included
    idle: float = 900
    close: float = 5


class Tunnel:
    """`context` is asked for anew for each connection, so that a renewed certificate is used. `report` is
    called with a sentence when a connection fails."""

    def __init__(
        self,
        host: str,
        port: int,
        context: Callable[[], ssl.SSLContext],
        report: Callable[[str], None],
        limits: TunnelLimits | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._report = report
        self._limits = limits or TunnelLimits()
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> int:
        """Begin; the port it listens on. Violation for any address but loopback."""
        if not is_loopback(host):
            raise Violation(
                f"{host} is not this machine's own address. What arrives here is not encrypted, so it may "
                "only come from this machine: listen on 127.0.0.1.",
                code="not-loopback",
            )
        # By number: what "localhost" means is for a file to say, and may be more than one address.
        address = "127.0.0.1" if host.casefold() == "localhost" else host
        try:
            self._server = await asyncio.start_server(self._accepted, address, port, limit=_CHUNK)
        except OSError as error:
            sentence = f"Cannot listen on {host} port {port}: {error.strerror}."
            raise Unreachable(sentence, code="listen") from None
        return int(self._server.sockets[0].getsockname()[1])

    async def probe(self) -> None:
        """Whether the archive can be reached and is who it should be. Unreachable says why not."""
        _, writer = await self._reach()
        await self._close(writer)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    # ------------------------------------------------------------------------------------------------------

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._carrying) >= self._limits.connections:
            self._report(f"There are {self._limits.connections} connections already; another one was closed.")
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its beginning to its end."""
        try:
            far_reader, far_writer = await self._reach()
        except LeadglassError as error:
            self._report(str(error))
            writer.transport.abort()
            return
        except BaseException:
            writer.transport.abort()
            raise
        near, far = _Way(reader, far_writer), _Way(far_reader, writer)
        try:
            await self._both_ways(near, far)
        except TimeoutError:
            self._report("A connection was closed: nothing was said on it for too long.")
        except OSError:
            pass  # one of them is gone: so is the connection
        finally:
            if near.carried and far.ended and not far.carried:
                # TLS 1.3: the archive looks at our certificate after the handshake.
                self._report(f"The archive ended a connection before it said anything. {_OURS}")
            await asyncio.gather(self._close(far_writer), self._close(writer))

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self._limits.connect):
                return await asyncio.open_connection(
                    self._host, self._port, ssl=self._context(), server_hostname=self._host, limit=_CHUNK
                )
        except OSError as error:
            raise unreachable(self._host, self._port, error) from None

    async def _both_ways(self, *ways: _Way) -> None:
        """Until one side has said its last: DICOM knows no half of a connection, and TLS none either."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._limits.idle) as deadline:

            def moved() -> None:
                deadline.reschedule(loop.time() + self._limits.idle)

            pumps = [loop.create_task(way.pump(moved)) for way in ways]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                ended = await asyncio.gather(*pumps, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _close(self, writer: asyncio.StreamWriter) -> None:
        """What was written still leaves; a side that does not take it is cut off."""
        with suppress(OSError):
            writer.close()
            try:
                async with asyncio.timeout(self._limits.close):
                    await writer.wait_closed()
            except TimeoutError:
                writer.transport.abort()


_OURS: Final = "Does it know this machine's certificate?"


@dataclass(slots=True)
class _Way:
    """One direction. `ended`: its source has said its last, or is gone."""

    source: asyncio.StreamReader
    sink: asyncio.StreamWriter
    carried: int = 0  # bytes
    ended: bool = False

    async def pump(self, moved: Callable[[], None]) -> None:
        while chunk := await self._read():
            moved()
            self.carried += len(chunk)
            self.sink.write(chunk)
            await self.sink.drain()
            moved()

    async def _read(self) -> bytes:
        chunk = b""
        try:
            chunk = await self.source.read(_CHUNK)
        except OSError:
            self.ended = True
            raise
        self.ended = not chunk
        return chunk
