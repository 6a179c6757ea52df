"""A proxy between a probe and a server that keeps every byte of both directions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from strangers import listening


@dataclass
class Recorder:
    """`came`: what the server said, `went`: what it was asked."""

    came: bytearray = field(default_factory=bytearray)
    went: bytearray = field(default_factory=bytearray)

    @asynccontextmanager
    async def before(self, port: int) -> AsyncIterator[int]:
        """The port of the proxy in front of a server on `port`."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pump(reader, far_writer, self.went), _pump(far_reader, writer, self.came))

        async with listening(serve) as own:
            yield own


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            kept += data
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
