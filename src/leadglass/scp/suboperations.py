"""C-STORE sub-operations of a C-GET or C-MOVE, and what is said of them (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from leadglass.archive.selection import Delivery, Kind, Selection
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, transfer_syntax
from leadglass.dicom.writer import encode_dataset, text_value
from leadglass.dimse.command import Command, Field
from leadglass.dimse.status import CANCEL, PENDING, SUCCESS, Category, category
from leadglass.errors import (
    Denied,
    LeadglassError,
    LimitExceeded,
    Unavailable,
    Unreachable,
    Violation,
)
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.net.workers import Workers
from leadglass.scp.ahead import Ahead, Piece, Route

NO_MATCHES: Final = 0xA701  # unable to calculate their number
NO_SUBOPERATIONS: Final = 0xA702  # unable to perform them
DESTINATION_UNKNOWN: Final = 0xA801
DOES_NOT_MATCH: Final = 0xA900
UNABLE: Final = 0xC000
NOT_AUTHORIZED: Final = 0x0124
INCOMPLETE: Final = 0xB000

EVERY: Final = 25  # sub-operations, or
SECONDS: Final = 2.0  # after either of which a pending response says how far it is
MOST_LISTED: Final = 65_534  # bytes of Failed SOP Instance UID List: UI has 16 bits for its length

_FAILED_LIST: Final = TAG_BY_KEYWORD["FailedSOPInstanceUIDList"]

# The narrowest class that fits decides; the comments are ours and name nothing of a patient's.
REFUSALS: Final[tuple[tuple[type[LeadglassError], int, str], ...]] = (
    (Denied, NOT_AUTHORIZED, "Not authorized"),
    (LimitExceeded, NO_MATCHES, "More than one retrieval may be about"),
    (Violation, DOES_NOT_MATCH, "The identifier is not one of this SOP class"),
    (Unavailable, NO_MATCHES, "Not possible now, try again later"),
    (LeadglassError, UNABLE, "Failed"),
)


@dataclass(slots=True)
class Operation:
    """One C-GET or C-MOVE that is being answered: its counts, and its responses on `link`."""

    link: Link
    message: Message
    remaining: int = 0
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_uids: list[str] = field(default_factory=list)
    _said: int = 0
    _said_at: float = float("-inf")  # the first is told at once: then it is known how many there are

    @property
    def is_cancelled(self) -> bool:
        """By a C-CANCEL, or because nobody is there any more to be answered."""
        message_id = self.message.command.message_id or 0
        return self.link.error is not None or self.link.is_cancelled(message_id)

    def settle(self, sop_instance_uid: str, outcome: Category) -> None:
        """One sub-operation is over."""
        self.remaining = max(0, self.remaining - 1)
        if outcome is Category.SUCCESS:
            self.completed += 1
        elif outcome is Category.WARNING:
            self.warning += 1
        else:
            self.failed += 1
            self.failed_uids.append(sop_instance_uid)

    def fail_rest(self) -> None:
        """What is still to come fails, and there is nobody to say which instances those are."""
        self.failed += self.remaining
        self.remaining = 0

    async def progress(self, now: float) -> None:
        """A pending response when one is due (PS3.4 C.4.2.3.1: at the SCP's discretion)."""
        done = self.completed + self.failed + self.warning
        if self.remaining and (done - self._said >= EVERY or now - self._said_at >= SECONDS):
            self._said, self._said_at = done, now
            await self._respond(PENDING, remaining=self.remaining, **self._counts())

    async def finish(self) -> None:
        """The final response. Only a cancelled operation has sub-operations that remain (C.4.2.1.6)."""
        if self.is_cancelled and self.remaining:
            await self._respond(CANCEL, remaining=self.remaining, **self._counts(), data=self._listed())
            return
        self.fail_rest()
        if not self.failed and not self.warning:
            status = SUCCESS
        else:
            status = INCOMPLETE if self.completed or self.warning else NO_SUBOPERATIONS
        await self._respond(status, **self._counts(), data=self._listed())

    async def refuse(self, error: LeadglassError) -> None:
        """The final response when there was no sub-operation at all."""
        status, comment = next((s, c) for kind, s, c in REFUSALS if isinstance(error, kind))
        await self._respond(status, error_comment=comment)

    async def refuse_with(self, status: int, comment: str) -> None:
        await self._respond(status, error_comment=comment)

    def _counts(self) -> dict[str, Any]:
        return {"completed": self.completed, "failed": self.failed, "warning": self.warning}

    def _listed(self) -> bytes | None:
        """Failed SOP Instance UID List, as far as it fits (PS3.4 C.4.2.1.4.2)."""
        if not self.failed_uids:
            return None
        value = text_value("UI", self.failed_uids)
        if len(value) > MOST_LISTED:
            value = value[: value.rindex(b"\\", 0, MOST_LISTED + 1)]
        syntax = transfer_syntax(self.message.context.transfer_syntax)
        return encode_dataset([(_FAILED_LIST, "UI", value)], syntax)

    async def _respond(self, status: int, *, data: bytes | None = None, **fields: Any) -> None:
        answer = self.message.command.respond(status, has_dataset=data is not None, **fields)
        await self.link.send(self.message.context.id, answer, data)


@dataclass(frozen=True, slots=True)
class Originator:
    """Who asked for the C-MOVE that a C-STORE is part of (PS3.7 9.1.1.1.6)."""

    title: str
    message_id: int


class Sender:
    """Sends what an operation is about over `link`, which may be another than the operation's own."""

    def __init__(
        self, operation: Operation, workers: Workers, link: Link, ways: Mapping[Kind, Route]
    ) -> None:
        self._operation = operation
        self._workers = workers
        self._link = link
        self._ways = ways
        self._is_own = link is operation.link
        self._lost = False
        self._begun: Delivery | None = None
        self._noted: set[str] = set()
        self._log = structlog.get_logger("leadglass.scp")

    async def send(
        self,
        selection: Selection,
        among: frozenset[Kind] | None = None,
        originator: Originator | None = None,
    ) -> None:
        """Every instance (of the kinds `among`) that has a way; the others count as failed.

        Raises what ended the operation's own association. When it was another, the rest fails.
        """
        async with Ahead(self._workers, selection, self._ways, among) as ahead:
            try:
                while not self._operation.is_cancelled and (piece := await ahead.next()) is not None:
                    await self._one(piece, ahead, originator)
                    await self._operation.progress(asyncio.get_running_loop().time())
            except Unavailable as error:
                if isinstance(error, Unreachable):
                    raise
                self._log.warning("retrieval ended", calling=self._operation.link.calling, code=error.code)
                self._operation.fail_rest()

    async def _one(self, piece: Piece, ahead: Ahead, originator: Originator | None) -> None:
        delivery = piece.delivery
        if delivery is self._begun:
            return  # the end of one whose beginning failed
        self._begun = delivery
        error = delivery.error or piece.error
        if error is not None:
            self._note(error.code)
        if error is not None or self._lost or delivery.chunks is None:
            self._operation.settle(delivery.sop_instance_uid, Category.FAILURE)
            return
        try:
            outcome = await self._store(piece, ahead, originator)
        except LeadglassError as ended:
            if self._is_own:
                self._link.abort(ended)
                raise
            self._lost = True
            ahead.shut()
            self._link.abort(ended)
            self._note(ended.code)
            outcome = Category.FAILURE
        self._operation.settle(delivery.sop_instance_uid, outcome)

    async def _store(self, piece: Piece, ahead: Ahead, originator: Originator | None) -> Category:
        delivery = piece.delivery
        sop_class, _ = delivery.kind
        request = Command(
            Field.C_STORE_RQ,
            message_id=self._link.next_message_id(),
            affected_sop_class_uid=sop_class,
            affected_sop_instance_uid=delivery.sop_instance_uid,
            priority=self._operation.message.command.priority,
            has_dataset=True,
            move_originator_title=originator.title if originator else "",
            move_originator_message_id=originator.message_id if originator else None,
        )
        delivery.count()
        data = piece.data if piece.is_last else _stream(piece, ahead)
        answer = await self._link.request(self._ways[delivery.kind].context.id, request, data)
        status = answer.command.status or 0
        outcome = category(status)
        if outcome is not Category.SUCCESS:
            self._note(f"status-{status:04x}")
        return outcome

    def _note(self, code: str) -> None:
        """One line for each way in which instances failed, however many they are."""
        if code not in self._noted:
            self._noted.add(code)
            self._log.warning("instances not sent", calling=self._operation.link.calling, code=code)


async def _stream(piece: Piece | None, ahead: Ahead) -> AsyncIterator[bytes]:
    """An object that is more than one piece. An error inside of it leaves nothing but to abort."""
    while piece is not None:
        if piece.error is not None:
            raise piece.error
        yield piece.data
        if piece.is_last:
            return
        piece = await ahead.next()
