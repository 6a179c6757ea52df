"""Messages out: command sets and data sets as P-DATA-TF PDUs, none longer than the other side takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Final, TypeAlias

from leadglass.net.connection import Bytes, Connection
from leadglass.ul.association import Association

UNLIMITED: Final = 1 << 17  # bytes of a PDU for somebody who names no maximum
LONGEST: Final = 1 << 20  # and the most for somebody who names a large one
_PDV_HEAD: Final = 6

Data: TypeAlias = Bytes | Iterable[Bytes] | AsyncIterable[Bytes]


class Outgoing:
    """One message at a time: nobody's fragments get in between."""

    def __init__(self, association: Association, connection: Connection) -> None:
        self._association = association
        self._connection = connection
        self._most = UNLIMITED
        self._busy = asyncio.Lock()

    def most_per_pdu(self, maximum_length: int) -> None:
        """What the other side said in its Maximum Length item; 0 for no limit (PS3.8 D.1)."""
        self._most = min(maximum_length or UNLIMITED, LONGEST) - _PDV_HEAD

    async def send(self, context_id: int, command: Bytes, data: Data | None) -> None:
        """A command set and its data set, whole or as it is made."""
        async with self._busy:
            self._require_alive()
            parts = self._fragments(context_id, command, is_command=True)
            if isinstance(data, Bytes):
                parts += self._fragments(context_id, data)
            self._connection.write(parts)
            if data is not None and not isinstance(data, Bytes):
                await self._stream(context_id, data)
            await self._connection.drain()

    async def send_many(self, context_id: int, messages: Iterable[tuple[Bytes, Bytes | None]]) -> None:
        async with self._busy:
            self._require_alive()
            parts: list[Bytes] = []
            for command, data in messages:
                parts += self._fragments(context_id, command, is_command=True)
                if data is not None:
                    parts += self._fragments(context_id, data)
            self._connection.write([b"".join(parts)])
            await self._connection.drain()

    def _require_alive(self) -> None:
        if self._connection.error is not None:
            raise self._connection.error

    def _fragments(
        self, context_id: int, data: Bytes, *, is_command: bool = False, is_last: bool = True
    ) -> list[Bytes]:
        head, most, length = self._association.send_p_data, self._most, len(data)
        if length <= most:
            return [head(context_id, is_command, is_last, length), data]
        view = memoryview(data)
        parts: list[Bytes] = []
        for at in range(0, length, most):
            piece = view[at : at + most]
            parts += (head(context_id, is_command, is_last and at + most >= length, len(piece)), piece)
        return parts

    async def _stream(self, context_id: int, data: Iterable[Bytes] | AsyncIterable[Bytes]) -> None:
        """Each chunk as it comes; the last is known as such only when there is none after it."""
        last: Bytes | None = None
        async for chunk in _each(data):
            if last is not None:
                self._connection.write(self._fragments(context_id, last, is_last=False))
                await self._connection.drain()
            last = chunk
        self._require_alive()
        self._connection.write(self._fragments(context_id, last or b""))


async def _each(data: Iterable[Bytes] | AsyncIterable[Bytes]) -> AsyncIterator[Bytes]:
    if isinstance(data, AsyncIterable):
        async for chunk in data:
            if chunk:
                yield chunk
    else:
        for chunk in data:
            if chunk:
                yield chunk
