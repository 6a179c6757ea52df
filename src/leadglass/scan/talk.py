"""One association of a stranger: one thing asked at a time, and how it ended.

`net.link` serves whoever has business with the other side; this is for asking thousands of them one question.
There is no task, no queue and one timer for each; what arrives is looked at in the call that brings it and
then gone. No byte of a data set stays, unless the taker that is handed them keeps it.

Whatever the other side does ends in a value, or in `Over` with the outcome.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from leadglass.dimse.command import Command, Field
from leadglass.dimse.message import CommandArrived, DataArrived, DimseLimits, MessageReader
from leadglass.dimse.status import Category, category
from leadglass.errors import ProtocolViolation
from leadglass.net.alarm import Alarm
from leadglass.scan.ending import Ending, Over, alerted
from leadglass.scan.foreign import ENOUGH, MOST, begins_pdu, looks_like
from leadglass.scan.manner import Manner
from leadglass.scan.observation import Outcome
from leadglass.scan.taker import Next, Taker
from leadglass.ul.association import (
    Aborted,
    AssociateAccepted,
    AssociateRejected,
    Association,
    ReleaseConfirmed,
    ReleaseRequested,
    Role,
)
from leadglass.ul.negotiation import AcceptedContext, negotiated
from leadglass.ul.pdu import AssociateAC, AssociateRQ
from leadglass.ul.wire import Fragment, UlLimits

MOST_DISCARDED: Final = 1 << 20  # bytes read and thrown away while the other side is to close
GULP: Final = 64 << 10  # bytes in one reading, after which all others have their turn before the next
_UNLIMITED: Final = 1 << 14  # bytes of a PDU for somebody who names no maximum: all that we send is short
_HEAD: Final = 6  # bytes of a PDU's header, and of a PDV's
_COMMAND: Final = DimseLimits(command_bytes=4 << 10, empty_fragments=64)


@dataclass(slots=True)
class _Asked:
    """The operation that is under way. `pace`: seconds for each response; `until`: for all (loop time)."""

    request: Command
    context_id: int
    taker: Taker | None
    pace: float
    until: float
    cancelled: bool = False
    final: Command | None = None  # its data set, which it should not have, is still to come


class Talk(asyncio.Protocol):
    """For a transport that is connected: `associate` first, then `perform`, `release` last."""

    def __init__(self, manner: Manner) -> None:
        self.contexts: Mapping[int, AcceptedContext] = {}
        bounds = self._bounds = manner.bounds
        self._parting = manner.patience.parting
        self._association = Association(
            Role.REQUESTOR, UlLimits(control_pdu=bounds.control_pdu, p_data_pdu=bounds.data_pdu)
        )
        self._messages = MessageReader(_COMMAND)
        self._messages_out: list[bytes] = []  # written in one with what comes after
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._waiting: asyncio.Future[Any] | None = None
        self._ending: Ending | None = None
        self._first: bytearray | None = bytearray()  # what came, until it is known whether it is DICOM
        self._heard = 0  # bytes since we asked last
        self._discarded = 0
        self._data_set = 0  # bytes of the one that is passing
        self._asked: _Asked | None = None
        self._longest = _UNLIMITED
        self._alarm = Alarm(self._loop, self._overdue)
        self._message_id = 0
        self.connect_us = 0  # a round trip of the network; with TLS, until the handshake was done
        self.socket: socket.socket | None = None  # for options; `dial` sets both

    # --- what the probes ask ------------------------------------------------------------------------------

    @property
    def is_alive(self) -> bool:
        """Whether something can still be asked."""
        return self._ending is None and bool(self.contexts)

    def context_for(self, abstract_syntax: str) -> AcceptedContext | None:
        return next((c for c in self.contexts.values() if c.abstract_syntax == abstract_syntax), None)

    async def associate(self, request: AssociateRQ, seconds: float) -> AssociateAC:
        """The A-ASSOCIATE-AC, with or without contexts. Over when it is anything else."""
        self._require_alive()
        self._association.request(request)
        answer = cast(AssociateAC, await self._wait(seconds))
        self.contexts = negotiated(request, answer)
        self._longest = min(answer.user_information.maximum_length or _UNLIMITED, _UNLIMITED)
        return answer

    async def perform(
        self,
        context_id: int,
        request: Command,
        identifier: bytes = b"",
        taker: Taker | None = None,
        *,
        pace: float,
        seconds: float,
    ) -> Command:
        """Ask; the response that is not pending. Over when it does not come.

        `pace`: seconds until the next whole response; `seconds`: for the operation.
        """
        self._require_alive()
        until = self._loop.time() + seconds
        self._asked = _Asked(request, context_id, taker, pace, until)
        self._send(context_id, request.encode(), is_command=True)
        if request.has_dataset:
            self._send(context_id, identifier, is_command=False)
        try:
            return cast(Command, await self._wait(min(pace, seconds)))
        finally:
            self._asked = None

    def next_message_id(self) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    async def release(self) -> None:
        """The orderly end. Returns when the connection is gone, whatever the other side does about it."""
        if self._ending is None:
            self._association.release()
            with suppress(Over):
                await self._wait(self._parting)
        if self._ending is None:
            self._set_ending(Ending(Outcome.CLOSED))
        if self._transport is not None:
            self._alarm.expect(self._parting)  # TLS would wait for the other side's last word
        await asyncio.shield(self._gone)

    # --- what asyncio calls -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if len(data) >= GULP:
            self._let_others()
        if self._ending is not None:
            self._discard(len(data))
            return
        self._heard += len(data)
        if self._first is not None:
            data = self._opening(data)
            if not data:
                return
        try:
            for happening in self._association.receive_data(data):
                self._take(happening)
                if self._ending is not None:
                    return
        except ProtocolViolation as violation:
            self._misbehaves(violation.code)
            return
        self._flush()
        if self.socket is not None:  # the kernel forgets it; a sender with Nagle on waits for our ACK
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _let_others(self) -> None:
        """Whoever sends without a pause would be read without one, and all others wait past their time."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.pause_reading()
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        return False  # close: half an association is none

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = self.socket = None
        self._end(self._lost(exc))
        self._alarm.stop()
        if not self._gone.done():
            self._gone.set_result(None)

    # --- the first bytes ----------------------------------------------------------------------------------

    def _opening(self, data: bytes) -> bytes:
        """What the association is to hear: nothing, until it is clear that it may be DICOM."""
        assert self._first is not None
        self._first += data
        if len(self._first) < (_HEAD if begins_pdu(self._first) else ENOUGH):
            return b""
        word = looks_like(self._first)
        if word is not None:
            self._foreign(word)
            return b""
        heard, self._first = bytes(self._first), None
        return heard

    def _foreign(self, word: str) -> None:
        """No A-ABORT: nobody there would know what that is."""
        self._set_ending(Ending(Outcome.FOREIGN, {"looks_like": word}))
        if self._transport is not None:
            self._transport.abort()

    def _lost(self, exc: Exception | None) -> Ending:
        """The connection is gone before it was time: how does that look?"""
        if self._first and not begins_pdu(self._first):
            return Ending(Outcome.FOREIGN, {"looks_like": looks_like(self._first[:MOST]) or "unknown"})
        if isinstance(exc, ssl.SSLError):
            return alerted(exc)
        if self._first or self._messages.is_midway:
            return Ending(Outcome.CLOSED, {"fault": "cut-off"})
        return Ending(Outcome.CLOSED, {"fault": "reset"} if isinstance(exc, ConnectionResetError) else {})

    # --- what arrives -------------------------------------------------------------------------------------

    def _take(self, happening: object) -> None:
        if type(happening) is Fragment:
            arrived = self._messages.feed(happening)
            if type(arrived) is DataArrived:
                self._data(arrived)
            elif type(arrived) is CommandArrived:
                self._command(arrived)
        elif isinstance(happening, AssociateAccepted):
            self._answer(happening.answer)
        elif isinstance(happening, ReleaseConfirmed):
            self._answer(None)
        elif isinstance(happening, ReleaseRequested):
            self._association.confirm_release()
            self._end(Ending(Outcome.CLOSED, {"fault": "released"}))
        else:
            self._end(_ending(happening))

    def _command(self, arrived: CommandArrived) -> None:
        command, asked = arrived.command, self._asked
        if not command.field.is_response or asked is None:
            raise ProtocolViolation("Something that nobody asked for.", code="unasked")
        if arrived.context_id != asked.context_id:
            raise ProtocolViolation("A response on another context than the request.", code="context")
        if command.responding_to != asked.request.message_id:
            raise ProtocolViolation("A response to another request.", code="message-id")
        if command.field != asked.request.field | 0x8000:
            raise ProtocolViolation("A response of another kind than the request.", code="response")
        self._data_set = 0
        if category(command.status or 0) is Category.PENDING:
            self._pending(command, asked)
        elif command.has_dataset and asked.final is None:
            asked.final = command
        else:
            self._asked = None
            self._answer(command)

    def _pending(self, command: Command, asked: _Asked) -> None:
        if asked.taker is None or not command.has_dataset:
            raise ProtocolViolation("A pending response without an identifier.", code="no-identifier")
        step = asked.taker.pending(command)
        if step is Next.ABORT:
            self._end(Ending(Outcome.STOPPED))
        elif step is Next.CANCEL and not asked.cancelled:
            asked.cancelled = True
            asked.until = min(asked.until, self._loop.time() + self._parting)
            self._alarm.expect(self._parting)
            cancel = Command(Field.C_CANCEL_RQ, responding_to=asked.request.message_id)
            self._send(asked.context_id, cancel.encode(), is_command=True)

    def _data(self, arrived: DataArrived) -> None:
        self._data_set += len(arrived.data)
        if self._data_set > self._bounds.data_set:
            raise ProtocolViolation("A data set longer than one of its kind may be.", code="data-set")
        asked = self._asked
        assert asked is not None  # or its command would have been refused
        if asked.final is None and asked.taker is not None:
            asked.taker.data(arrived.data, arrived.is_last)
        if not arrived.is_last:
            return
        if asked.final is not None:
            self._asked = None
            self._answer(asked.final)
        else:  # a whole response buys the time for the next
            self._heard = 0
            self._alarm.due = min(self._loop.time() + asked.pace, asked.until)

    # --- sending ------------------------------------------------------------------------------------------

    def _send(self, context_id: int, data: bytes, *, is_command: bool) -> None:
        """In as many PDUs as the other side wants them; what we have to say is short."""
        most = self._longest - _HEAD
        for at in range(0, len(data) or 1, most):
            piece = data[at : at + most]
            head = self._association.send_p_data(context_id, is_command, at + most >= len(data), len(piece))
            self._messages_out += (head, piece)

    def _flush(self) -> None:
        data = self._association.data_to_send()
        if self._messages_out:
            data = b"".join((data, *self._messages_out))
            self._messages_out.clear()
        if self._transport is None:
            return
        if data:
            self._transport.write(data)
        if self._association.must_close:
            self._transport.close()

    # --- waiting ------------------------------------------------------------------------------------------

    def _require_alive(self) -> None:
        if self._ending is not None:
            raise Over(self._ending)

    async def _wait(self, seconds: float) -> Any:
        """What the other side answers; one thing at a time."""
        self._require_alive()
        self._flush()
        self._heard = 0
        self._waiting = waiting = self._loop.create_future()
        self._alarm.expect(seconds)
        try:
            return await waiting
        except asyncio.CancelledError:
            self._end(Ending(Outcome.STOPPED))
            raise
        finally:
            self._waiting = None

    def _answer(self, answer: object) -> None:
        if self._waiting is None or self._waiting.done():
            raise ProtocolViolation("Something that nobody asked for.", code="unasked")
        self._alarm.due = None
        self._waiting.set_result(answer)

    def _overdue(self) -> None:
        if self._transport is None:
            return
        if self._ending is not None:
            self._transport.abort()
        elif self._first and not begins_pdu(self._first):
            self._foreign(looks_like(self._first) or "unknown")
        else:
            slow = {"fault": "slow"} if self._heard else {}
            self._end(Ending(Outcome.MISBEHAVES if slow else Outcome.MUTE, slow))

    # --- ending -------------------------------------------------------------------------------------------

    def _misbehaves(self, fault: str) -> None:
        self._end(Ending(Outcome.MISBEHAVES, {"fault": fault}))

    def _end(self, ending: Ending) -> None:
        """Say A-ABORT where there is something to abort; a moment later the connection is gone.

        What is still on its way is read and thrown away: unread, it would turn our close into a reset, and
        the other side might never see the A-ABORT.
        """
        if self._ending is not None:
            return
        self._set_ending(ending)
        self._association.abort()
        self._flush()
        self._alarm.expect(self._parting)

    def _set_ending(self, ending: Ending) -> None:
        self._ending = ending
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Over(ending))

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > MOST_DISCARDED and self._transport is not None:
            self._transport.abort()


def _ending(happening: object) -> Ending:
    """How a rejection or an abort of the other side is told."""
    if isinstance(happening, AssociateRejected):
        answer = happening.answer
        said = {"result": int(answer.result), "source": int(answer.source), "reason": answer.reason}
        return Ending(Outcome.REJECTED, said)
    assert isinstance(happening, Aborted)
    return Ending(Outcome.ABORTED, {"source": int(happening.source), "reason": int(happening.reason)})
