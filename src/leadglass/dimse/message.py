"""Fragments of P-DATA in, messages out: a command, then its data set in chunks (PS3.7 6.3, PS3.8 Annex E).

One message at a time and in order; chunks are handed on as they come, so no data set is ever held here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from leadglass.dimse.command import Command
from leadglass.errors import ProtocolViolation

if TYPE_CHECKING:
    from leadglass.ul.wire import Fragment


class CommandArrived(NamedTuple):
    context_id: int
    command: Command


class DataArrived(NamedTuple):
    """Part of the data set of the command that arrived last. `data` is a view of what came in, not a copy."""

    context_id: int
    data: memoryview
    is_last: bool


@dataclass(frozen=True, slots=True)
class DimseLimits:
    command_bytes: int = 16 << 10
    data_set_bytes: int = 1 << 37  # somebody who lets the rest of one pass by does not do so for ever
    empty_fragments: int = 1024  # in a row that bring a message no further


class MessageReader:
    """One association's. After a ProtocolViolation it is of no more use, as the association is."""

    def __init__(self, limits: DimseLimits | None = None) -> None:
        self._limits = limits or DimseLimits()
        self._command = bytearray()  # what has arrived of one
        self._command_context: int | None = None  # its presentation context
        self._data_context: int | None = None  # the one whose data set is due
        self._encoded = b""  # the last command that came in one piece, and what it says: the responses
        self._decoded: Command | None = None  # to one C-FIND are all the same
        self._length = 0  # bytes of the data set that is arriving
        self._empty = 0

    @property
    def is_midway(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._command_context is not None or self._data_context is not None

    def feed(self, fragment: Fragment) -> CommandArrived | DataArrived | None:
        context_id, is_command, is_last, data = fragment
        if is_command:
            return self._command_fragment(context_id, data, is_last)
        if context_id != self._data_context:
            raise self._data_out_of_order()
        self._length += len(data)
        if self._length > self._limits.data_set_bytes:
            raise ProtocolViolation("The data set is too long.", code="data-set-length")
        if is_last:
            self._data_context = None
            self._length = 0
        if data or is_last:
            self._empty = 0
        else:
            self._count_empty()
        return DataArrived(context_id, data, is_last)

    def _command_fragment(self, context_id: int, data: memoryview, is_last: bool) -> CommandArrived | None:
        if self._data_context is not None:
            raise ProtocolViolation("A command where a data set is due.", code="message-order")
        if self._command_context not in (None, context_id):
            raise ProtocolViolation("A command within one of another context.", code="message-order")
        if len(self._command) + len(data) > self._limits.command_bytes:
            raise ProtocolViolation("The command is too long.", code="command-length")
        if not is_last:
            self._command_context = context_id
            self._command += data
            if data:
                self._empty = 0
            else:
                self._count_empty()
            return None
        command = self._decode(data)
        self._command.clear()
        self._empty = 0
        self._command_context = None
        self._data_context = context_id if command.has_dataset else None
        return CommandArrived(context_id, command)

    def _decode(self, data: memoryview) -> Command:
        if self._command:
            return Command.decode(self._command + data)
        if self._decoded is None or data != self._encoded:
            self._decoded = Command.decode(data)
            self._encoded = bytes(data)
        return self._decoded

    def _data_out_of_order(self) -> ProtocolViolation:
        if self._data_context is not None:
            return ProtocolViolation("A data set of another context than its command.", code="message-order")
        return ProtocolViolation("A data set without a command that announces it.", code="message-order")

    def _count_empty(self) -> None:
        self._empty += 1
        if self._empty > self._limits.empty_fragments:
            raise ProtocolViolation("Empty fragments without end.", code="empty-fragments")
