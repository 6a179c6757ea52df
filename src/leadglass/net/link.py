"""One association as both its roles use it: messages in and out, answers to those who wait for them.

Requests of the other side are taken one at a time (no asynchronous operations are negotiated); a C-CANCEL-RQ
goes past them to whoever asks `is_cancelled`, and a response goes to the request it answers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any, Final

from leadglass.dimse.command import Command, Field
from leadglass.dimse.message import CommandArrived, DataArrived, DimseLimits, MessageReader
from leadglass.errors import BrokenInvariant, LeadglassError, ProtocolViolation, Unreachable
from leadglass.net.answers import RESPONSES_WAITING, Answers, is_final
from leadglass.net.connection import Bytes, Connection, Peer
from leadglass.net.deadlines import Deadlines
from leadglass.net.outgoing import Data, Outgoing
from leadglass.net.stream import DataStream, Message
from leadglass.ul.association import (
    Aborted,
    AssociateAccepted,
    AssociateRejected,
    AssociateRequested,
    Association,
    Closed,
    ReleaseConfirmed,
    ReleaseRequested,
    Role,
)
from leadglass.ul.negotiation import AcceptedContext, negotiated
from leadglass.ul.pdu import AssociateAC, AssociateRJ, AssociateRQ
from leadglass.ul.wire import Fragment, UlLimits


class Link:
    """An association on its connection. The acceptor and `requestor.connect` make one; everybody else is
    given it established. `session` is whatever the acceptor's admission found out about the peer."""

    def __init__(
        self,
        role: Role,
        deadlines: Deadlines,
        ul_limits: UlLimits,
        dimse_limits: DimseLimits,
        on_connected: Callable[[], None] = lambda: None,
    ) -> None:
        self._association = Association(role, ul_limits)
        self._deadlines = deadlines
        self.connection = Connection(self._association, deadlines, self._event, self._lost, on_connected)
        self._messages = MessageReader(dimse_limits)
        self._loop = asyncio.get_running_loop()
        self.negotiation: asyncio.Future[Any] = self._loop.create_future()  # the other side's RQ, AC or RJ
        self.request_pdu: AssociateRQ | None = None
        self.answer_pdu: AssociateAC | None = None
        self.contexts: Mapping[int, AcceptedContext] = {}
        self.session: Any = None
        self._stream: DataStream | None = None  # of the message that is arriving
        self._requests: deque[Message | None] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._taker: asyncio.Task[Any] | None = None  # who takes them, one after the other
        self._beside: set[asyncio.Task[None]] = set()
        self._answers: dict[int, Answers] = {}
        self._cancelled: set[int] = set()
        self._handling: set[int] = set()
        self._last_message_id = 0
        self._outgoing = Outgoing(self._association, self.connection)
        self._releasing: asyncio.Future[None] | None = None

    # --- what it is ------------------------------------------------------------

    @property
    def peer(self) -> Peer:
        return self.connection.peer

    @property
    def calling(self) -> str:
        return self.request_pdu.calling if self.request_pdu else ""

    @property
    def called(self) -> str:
        return self.request_pdu.called if self.request_pdu else ""

    @property
    def error(self) -> LeadglassError | None:
        """Why it is over; None while it is not."""
        return self.connection.error

    def context_for(
        self, abstract_syntax: str, transfer_syntaxes: Iterable[str] | None = None
    ) -> AcceptedContext | None:
        """An accepted presentation context for that SOP class, in the order of preference given."""
        fitting = [c for c in self.contexts.values() if c.abstract_syntax == abstract_syntax]
        if transfer_syntaxes is None:
            return fitting[0] if fitting else None
        return next((c for s in transfer_syntaxes for c in fitting if c.transfer_syntax == s), None)

    # --- becoming established ------------------------------------------------------------

    def ask(self, request: AssociateRQ) -> None:
        """The requestor's first PDU; `negotiation` has the answer."""
        self.request_pdu = request
        self._association.request(request)
        self.connection.flush()
        self.connection.expect(self._deadlines.association, "The other side does not answer the association.")

    def accept(self, answer: AssociateAC, session: object) -> None:
        assert self.request_pdu is not None
        self.session = session
        self._establish(self.request_pdu, answer, self.request_pdu.user_information.maximum_length)
        self._association.accept(answer)
        self.connection.flush()
        self._rest()

    def reject(self, answer: AssociateRJ) -> None:
        self._association.reject(answer)
        self.connection.finish()

    def _establish(self, request: AssociateRQ, answer: AssociateAC, their_maximum: int) -> None:
        self.answer_pdu = answer
        self.contexts = negotiated(request, answer)
        self._outgoing.most_per_pdu(their_maximum)

    # --- sending ------------------------------------------------------------

    async def send(self, context_id: int, command: Command, data: Data | None = None) -> None:
        """One message; returns when the other side has taken most of it. Unreachable: the link is over."""
        await self._outgoing.send(context_id, command.encode(), data)

    async def send_many(self, context_id: int, messages: Iterable[tuple[Bytes, Bytes | None]]) -> None:
        """Messages whose command sets are encoded already, in one write: many small responses."""
        await self._outgoing.send_many(context_id, messages)

    async def request(self, context_id: int, command: Command, data: Data | None = None) -> Message:
        """Send a request and wait for its one response. A data set that comes with it is let pass by."""
        async with aclosing(self.responses(context_id, command, data)) as responses:
            async for message in responses:
                if message.data is not None:
                    await message.data.drain()
                return message
        raise BrokenInvariant("A request ended without a response or an error.")

    async def responses(
        self, context_id: int, command: Command, data: Data | None = None
    ) -> AsyncGenerator[Message, None]:
        """Send a request; its responses until the final one. Take each one's data set before the next."""
        assert command.message_id is not None
        answers = self._answers[command.message_id] = Answers(context_id, command.field)
        try:
            self._require_taken()
            await self.send(context_id, command, data)
            self._rest()
            while True:
                while not answers.waiting:
                    self._require_alive()
                    if self._requests and self._requests[-1] is None:  # it sends no more
                        raise Unreachable("The other side left instead of answering.", code="released")
                    answers.wake = self._loop.create_future()
                    await answers.wake
                message = answers.waiting.popleft()
                self.connection.let_go(answers)
                yield message
                if message.data is not None:
                    await message.data.drain()
                if is_final(message):
                    return
        finally:
            del self._answers[command.message_id]
            self.connection.let_go(answers)
            self._rest()

    def next_message_id(self) -> int:
        self._last_message_id = self._last_message_id % 0xFFFF + 1
        return self._last_message_id

    # --- requests of the other side ------------------------------------------------------------

    async def next_request(self) -> Message | None:
        """The next request; None when the other side released the association. Raises when it ended badly."""
        self._rest()
        self._taker = asyncio.current_task()
        while not self._requests:
            self._require_alive()
            self._wake = self._loop.create_future()
            await self._wake
        return self._requests.popleft()

    @contextmanager
    def handling(self, message: Message) -> Iterator[None]:
        """While a request is being answered it can be cancelled, and the other side waits for us."""
        message_id = message.command.message_id or 0
        self._handling.add(message_id)
        if not self.connection.receiving:
            self.connection.expect(None)
        try:
            yield
        finally:
            self._handling.discard(message_id)
            self._cancelled.discard(message_id)

    def is_cancelled(self, message_id: int) -> bool:
        """Whether a C-CANCEL-RQ has named the request that is being answered."""
        return message_id in self._cancelled

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Something of ours that goes on while requests are taken; the end of the association ends it."""
        task = self._loop.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    # --- ending it ------------------------------------------------------------

    async def release(self) -> None:
        """The orderly end, for the requestor. Returns when the connection is closed."""
        if self.error is None:
            self._releasing = self._loop.create_future()
            self._association.release()
            self.connection.flush()
            self.connection.expect(
                self._deadlines.release, "The other side does not answer the release.", even_if_held=True
            )
            await self._releasing
        await self.closed()

    def confirm_release(self) -> None:
        """The orderly end, when the other side asked for it and everything is answered."""
        if self.error is None:
            self._association.confirm_release()
            self.connection.finish()

    def abort(self, error: LeadglassError | None = None) -> None:
        self.connection.end(error or Unreachable("The association was aborted.", code="aborted"))

    async def closed(self) -> None:
        """Wait until the connection is gone, and what went on beside: the deadlines see to it."""
        await asyncio.shield(self.connection.closed)
        if self._beside:
            await asyncio.wait(self._beside)

    # --- from the association ------------------------------------------------------------

    def _event(self, event: Any) -> None:
        if type(event) is Fragment:
            self._fragment(event)
        else:
            _EVENTS[type(event)](self, event)

    def _fragment(self, fragment: Fragment) -> None:
        if not self.connection.receiving:
            self.connection.receiving = True
            self.connection.expect(self._deadlines.message, "A message of the other side does not end.")
        arrived = self._messages.feed(fragment)
        if type(arrived) is DataArrived:
            stream = self._stream
            assert stream is not None
            stream.feed(arrived.data, arrived.is_last)
            if arrived.is_last:
                self._stream = None
                self._message_ends()
        elif type(arrived) is CommandArrived:
            self._command(arrived.context_id, arrived.command)

    def _command(self, context_id: int, command: Command) -> None:
        stream = None
        if command.has_dataset:
            stream = self._stream = DataStream(self._hold, self.connection.let_go)
        message = Message(self.contexts[context_id], command, stream)
        if command.field is Field.C_CANCEL_RQ:
            self._cancel(command)
        elif command.field.is_response:
            self._response(message)
        else:
            self._request(message)
        if stream is None:
            self._message_ends()

    def _cancel(self, command: Command) -> None:
        if command.responding_to in self._handling:
            self._cancelled.add(command.responding_to)

    def _response(self, message: Message) -> None:
        answers = self._answers.get(message.command.responding_to or 0)
        if answers is None or answers.complete:
            raise ProtocolViolation("A response answers nothing that was asked.", code="unasked-response")
        answers.add(message)
        if len(answers.waiting) >= RESPONSES_WAITING:
            self.connection.hold(answers)

    def _request(self, message: Message) -> None:
        if self._requests:
            raise ProtocolViolation("More operations at once than were negotiated.", code="operations")
        self._requests.append(message)
        self._awaken()

    def _hold(self, stream: object) -> None:
        """So much of a data set waits that no more is read."""
        self.connection.hold(stream)
        self._require_taken()

    def _require_taken(self) -> None:
        """Whoever takes requests must not wait for an answer that lies behind what a request brings: nobody
        would read on. The other side has asked for more than the one operation that was negotiated."""
        held = any(message and message.data and message.data.is_held for message in self._requests)
        if held and any(answers.asker is self._taker for answers in self._answers.values()):
            raise ProtocolViolation("More operations at once than were negotiated.", code="operations")

    def _message_ends(self) -> None:
        self.connection.receiving = False
        self._rest()

    def _rest(self) -> None:
        """Between messages: whose turn it is decides which deadline holds."""
        if self.connection.receiving or self._association.awaiting is not None or self.error is not None:
            return
        if self._answers:
            self.connection.expect(self._deadlines.answer, "The other side does not answer.")
        elif self._handling or self._requests:
            self.connection.expect(None)
        else:
            self.connection.expect(self._deadlines.idle, "The association was idle for too long.")

    def _requested(self, event: AssociateRequested) -> None:
        self.request_pdu = event.request
        self.connection.expect(None)
        self.negotiation.set_result(event.request)

    def _accepted(self, event: AssociateAccepted) -> None:
        assert self.request_pdu is not None
        self._establish(self.request_pdu, event.answer, event.answer.user_information.maximum_length)
        self._rest()
        self.negotiation.set_result(event.answer)

    def _rejected(self, event: AssociateRejected) -> None:
        self.negotiation.set_result(event.answer)

    def _release_requested(self, _: ReleaseRequested) -> None:
        if self._releasing is not None:  # both at once (PS3.8 9.2.1): the association knows who goes first
            self.connection.flush()
            return
        if self.connection.receiving:
            raise ProtocolViolation("A release in the middle of a message.", code="release-amid-message")
        self._requests.append(None)
        self._awaken()
        for answers in self._answers.values():
            answers.awaken()

    def _release_confirmed(self, _: ReleaseConfirmed) -> None:
        self.connection.error = Unreachable("The association is released.", code="released")
        if self._releasing is not None and not self._releasing.done():
            self._releasing.set_result(None)

    def _aborted(self, event: Aborted) -> None:
        if self.connection.error is None:
            self.connection.error = Unreachable("The other side aborted the association.", code="aborted")

    def _closed(self, _: Closed) -> None:
        """Nothing to add to what the connection says itself."""

    def _lost(self, error: LeadglassError) -> None:
        if self._stream is not None:
            self._stream.fail(error)
        for answers in self._answers.values():
            answers.awaken()
        if self._releasing is not None and not self._releasing.done():
            self._releasing.set_result(None)
        if not self.negotiation.done():
            self.negotiation.set_exception(error)
            self.negotiation.exception()  # looked at: nobody may be waiting any more
        self._awaken()

    def _awaken(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _require_alive(self) -> None:
        if self.connection.error is not None:
            raise self.connection.error


_EVENTS: Final[dict[type, Callable[[Link, Any], None]]] = {
    AssociateRequested: Link._requested,
    AssociateAccepted: Link._accepted,
    AssociateRejected: Link._rejected,
    ReleaseRequested: Link._release_requested,
    ReleaseConfirmed: Link._release_confirmed,
    Aborted: Link._aborted,
    Closed: Link._closed,
}
