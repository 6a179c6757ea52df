"""Responses on their way to whoever asked."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from leadglass.dimse.command import RESPONSE, Field
from leadglass.dimse.status import Category, category
from leadglass.errors import ProtocolViolation
from leadglass.net.stream import Message

RESPONSES_WAITING: Final = 128  # responses nobody has taken yet, before reading pauses


class Answers:
    """Responses to one request, in their order. `asker` is the task that waits for them."""

    def __init__(self, context_id: int, field: Field) -> None:
        self.asker = asyncio.current_task()
        self.waiting: deque[Message] = deque()
        self.complete = False  # the final one has arrived
        self.wake: asyncio.Future[None] | None = None
        self._expected = (context_id, Field(field | RESPONSE))

    def add(self, message: Message) -> None:
        """ProtocolViolation when it is no response to this request (PS3.7 6.3, 9.1)."""
        if (message.context.id, message.command.field) != self._expected:
            raise ProtocolViolation("A response of another kind than its request.", code="response-kind")
        self.complete = is_final(message)
        self.waiting.append(message)
        self.awaken()

    def awaken(self) -> None:
        if self.wake is not None and not self.wake.done():
            self.wake.set_result(None)


def is_final(response: Message) -> bool:
    return category(response.command.status or 0) is not Category.PENDING
