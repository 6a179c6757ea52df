"""Messages as they arrive: a command, and its data set as a stream that nobody has to hold whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from leadglass.dimse.command import Command
from leadglass.errors import LeadglassError, LimitExceeded
from leadglass.net.deadlines import HIGH_WATER
from leadglass.ul.negotiation import AcceptedContext

SMALL: Final = 8 << 10  # bytes of a fragment that are copied, lest one of them keeps a whole read alive


class DataStream:
    """The data set of one message. Reading from the network pauses while too much of it waits here."""

    def __init__(self, hold: Callable[[object], None], let_go: Callable[[object], None]) -> None:
        self._hold = hold
        self._let_go = let_go
        self._chunks: list[memoryview] = []
        self._small = bytearray()  # what came last, in small pieces: any number of them costs their bytes
        self._waiting = 0
        self.is_held = False
        self._ended = False
        self._error: LeadglassError | None = None
        self._wake: asyncio.Future[None] | None = None

    def feed(self, data: memoryview, is_last: bool) -> None:
        if len(data) < SMALL:
            self._small += data
        else:
            self._gather()
            self._chunks.append(data)
        self._waiting += len(data)
        self._ended = is_last
        if self._waiting > HIGH_WATER and not is_last:
            self.is_held = True
            self._hold(self)
        self._awaken()

    def fail(self, error: LeadglassError) -> None:
        """The association is over before the data set was."""
        if not self._ended:
            self._error = error
            self._awaken()

    @property
    def is_complete(self) -> bool:
        """Whether its last byte has arrived."""
        return self._ended

    async def batch(self) -> list[memoryview]:
        """All that has arrived since; waits if that is nothing. Empty at the end of the data set."""
        while not self._waiting and not self._ended:
            if self._error is not None:
                raise self._error
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        self._gather()
        chunks, self._chunks = self._chunks, []
        self._waiting = 0
        self.is_held = False
        self._let_go(self)
        return chunks

    async def read(self, limit: int) -> bytes:
        """The whole data set; LimitExceeded, before it is held, when it is longer than `limit` bytes."""
        whole = bytearray()
        while chunks := await self.batch():
            for chunk in chunks:
                if len(whole) + len(chunk) > limit:
                    raise LimitExceeded("The data set is longer than one of its kind may be.")
                whole += chunk
        return bytes(whole)

    async def drain(self) -> None:
        """Let the rest pass by."""
        while await self.batch():
            pass

    def _gather(self) -> None:
        if self._small:
            self._chunks.append(memoryview(self._small))
            self._small = bytearray()

    def _awaken(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A DIMSE message on its way in. `data` is None where the command has no data set."""

    context: AcceptedContext
    command: Command
    data: DataStream | None
