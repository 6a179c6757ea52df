"""The byte pump: one TCP connection, the sans-IO association on it, and one deadline.

Bytes in are events out, in the same call; what the association wants said is written at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from leadglass.errors import LeadglassError, ProtocolViolation, Unreachable
from leadglass.net.alarm import Alarm
from leadglass.net.deadlines import Deadlines
from leadglass.ul.association import Association

MOST_DISCARDED: Final = 1 << 20  # bytes read and thrown away while the other side is to close

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end. `certificate` is the DER of what it proved to hold, None without."""

    address: str
    port: int
    tls: bool = False
    certificate: bytes | None = None


class Connection(asyncio.Protocol):
    """`on_event` is given each event of the association, `on_lost` is called once, with why it ended."""

    def __init__(
        self,
        association: Association,
        deadlines: Deadlines,
        on_event: Callable[[Any], None],
        on_lost: Callable[[LeadglassError], None],
        on_connected: Callable[[], None] = lambda: None,
    ) -> None:
        self.association = association
        self.peer = Peer("", 0)
        self.receiving = False  # in the middle of a message: each byte that comes buys time
        self._deadlines = deadlines
        self._on_event = on_event
        self._on_lost = on_lost
        self._on_connected = on_connected
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.socket: socket.socket | None = None  # for options; uvloop's stand-in copies it for each
        self._alarm = Alarm(self._loop, self._rings)
        self._overdue = "The other side took too long."
        self._runs_when_held = False
        self._holds: set[object] = set()
        self._writable: asyncio.Future[None] | None = None
        self._stalled = False
        self._ending = False
        self._discarded = 0
        self.error: LeadglassError | None = None
        self.closed = self._loop.create_future()

    # --- what asyncio calls -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.peer = _peer(self._transport)
        self._on_connected()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            self._discarded += len(data)
            if self._discarded > MOST_DISCARDED:
                self.drop()
            return
        try:
            for event in self.association.receive_data(data):
                self._on_event(event)
        except ProtocolViolation as error:
            self.end(error)
            return
        self.flush()
        if self.receiving and self._alarm.due is not None:
            now = self._loop.time()
            bought = self._alarm.due + len(data) / self._deadlines.least_rate
            self._alarm.due = min(bought, now + self._deadlines.message)
        if self.socket is not None:  # the kernel forgets it; a sender with Nagle on waits for our ACK
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def eof_received(self) -> bool:
        return False  # close: half an association is none

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.stop()
        for event in self.association.receive_eof():
            self._on_event(event)
        if self.error is None:
            self.error = Unreachable("The other side closed the connection.", code="closed")
        self._transport = self.socket = None
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if not self.closed.done():
            self.closed.set_result(None)
        self._on_lost(self.error)

    def pause_writing(self) -> None:
        self._stalled = True

    def resume_writing(self) -> None:
        self._stalled = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # --- what the link asks for ---------------------------------------------------------------------------

    def expect(
        self,
        seconds: float | None,
        overdue: str = "The other side took too long.",
        *,
        even_if_held: bool = False,
    ) -> None:
        """Something is to happen within so many seconds, or the association ends; None: for us to do.

        While reading is held the time is ours and not theirs, unless it is to run `even_if_held`.
        """
        self._overdue = overdue
        self._runs_when_held = even_if_held
        if seconds is None:
            self._alarm.due = None
        else:
            self._alarm.expect(seconds)

    def hold(self, reason: object) -> None:
        """Stop reading until everybody who holds lets go: the other side's TCP waits."""
        if not self._holds and self._transport is not None and not self._ending:
            self._transport.pause_reading()
        self._holds.add(reason)

    def let_go(self, reason: object) -> None:
        if reason not in self._holds:
            return
        self._holds.discard(reason)
        if self._holds or self._transport is None or self._ending:
            return
        self._transport.resume_reading()
        if self._alarm.due is not None:
            self.expect(self._deadlines.message)  # the time that we took is not theirs

    @property
    def held(self) -> bool:
        return bool(self._holds)

    def write(self, parts: Sequence[Bytes]) -> None:
        """Hand PDUs to the kernel in one write."""
        if self._transport is not None and not self._ending:
            self._transport.writelines(parts)

    async def drain(self) -> None:
        """Wait until the other side has taken enough of what was written. Unreachable when it does not."""
        if self._stalled and self._transport is not None:
            self._writable = self._loop.create_future()
            try:
                async with asyncio.timeout(self._deadlines.write):
                    await self._writable
            except TimeoutError:
                self.end(Unreachable("The other side does not take what it asked for.", code="stalled"))
            finally:
                self._writable = None
        elif self._transport is not None and self._transport.is_closing():
            await asyncio.sleep(0)  # nothing stalls any more: that it is over must have a chance to be said
        if self.error is not None:
            raise self.error

    def flush(self) -> None:
        """Write what the association wants said; begin to close when it says so."""
        data = self.association.data_to_send()
        if self._transport is None:
            return
        if data:
            self._transport.write(data)
        if self.association.must_close:
            self._transport.close()

    def end(self, error: LeadglassError) -> None:
        """Say A-ABORT, if it was not said yet, and give the other side a moment to close."""
        if self.error is None:
            self.error = error
        if self._transport is None or self._ending:
            return
        self.association.abort()  # nothing happens where the association has aborted already
        self._write_last()

    def finish(self) -> None:
        """The last PDU is written (a rejection, a release response): the other side is to close now."""
        if self._transport is not None and not self._ending:
            self._write_last()

    # ------------------------------------------------------------------------------------------------------

    def _write_last(self) -> None:
        assert self._transport is not None
        data = self.association.data_to_send()
        if data:
            self._transport.write(data)
        self._ending = True
        if self._holds:
            self._holds.clear()
            self._transport.resume_reading()  # what is unread would turn our close into a reset
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if self.association.must_close:
            self._transport.close()
        self.expect(self._deadlines.release)

    def _rings(self) -> None:
        if self._transport is None:
            return
        if self._ending:
            self.drop()
        elif self._runs_when_held or not self._holds:
            self.end(Unreachable(self._overdue, code="deadline"))

    def drop(self) -> None:
        """Gone, without a word."""
        if self._transport is not None:
            self._transport.abort()


def _peer(transport: asyncio.Transport) -> Peer:
    address, port = (transport.get_extra_info("peername") or ("", 0))[:2]
    tls = transport.get_extra_info("ssl_object")
    return Peer(
        str(address),
        int(port),
        tls is not None,
        tls.getpeercert(binary_form=True) if tls is not None else None,
    )
