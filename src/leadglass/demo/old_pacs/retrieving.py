"""C-GET and C-MOVE at the old PACS: whatever is asked for, to whoever asks (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from leadglass.demo.old_pacs.holdings import Held, Holdings
from leadglass.demo.old_pacs.queries import DOES_NOT_MATCH, MOST_BYTES, UNABLE, read
from leadglass.dicom.dictionary import transfer_syntax
from leadglass.dicom.transcode import can_transcode, transcode
from leadglass.dimse.command import Command, Field
from leadglass.dimse.status import CANCEL, PENDING, SUCCESS, Category, category
from leadglass.errors import LeadglassError, LimitExceeded, Unreachable, Violation
from leadglass.net.link import Link
from leadglass.net.requestor import connected
from leadglass.net.stream import Message
from leadglass.ul.items import ProposedContext, UserInformation
from leadglass.ul.negotiation import AcceptedContext
from leadglass.ul.pdu import AssociateRQ

DESTINATION_UNKNOWN: Final = 0xA801
NO_SUBOPERATIONS: Final = 0xA702
INCOMPLETE: Final = 0xB000
UNCOMPRESSED: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")
# A name of its own (PS3.5 B.2): whoever scans the demo is not to take the old PACS for Leadglass.
IDENTITY: Final = UserInformation(1 << 16, "2.25.54565893015444429773671243100489707867", "OLD_PACS_DEMO")

Destinations = Mapping[str, tuple[str, int]]  # AE title → where it listens


@dataclass(slots=True)
class _Operation:
    """Counts of sub-operations, and the responses that tell them."""

    link: Link
    message: Message
    remaining: int = 0
    completed: int = 0
    failed: int = 0
    warning: int = 0

    @property
    def is_cancelled(self) -> bool:
        return self.link.is_cancelled(self.message.command.message_id or 0)

    def settle(self, outcome: Category) -> None:
        self.remaining -= 1
        self.completed += outcome is Category.SUCCESS
        self.warning += outcome is Category.WARNING
        self.failed += outcome not in (Category.SUCCESS, Category.WARNING)

    async def progress(self) -> None:
        if self.remaining:
            await self.respond(PENDING, remaining=self.remaining)

    async def finish(self) -> None:
        if self.is_cancelled and self.remaining:
            await self.respond(CANCEL, remaining=self.remaining)
        elif not self.failed and not self.warning:
            await self.respond(SUCCESS)
        else:
            await self.respond(INCOMPLETE if self.completed or self.warning else NO_SUBOPERATIONS)

    async def respond(self, status: int, **more: int) -> None:
        counts = {"completed": self.completed, "failed": self.failed, "warning": self.warning}
        answer = self.message.command.respond(status, **counts, **more)
        await self.link.send(self.message.context.id, answer)


class Get:
    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings

    async def __call__(self, link: Link, message: Message) -> None:
        operation = _Operation(link, message)
        selected = await _selected(self._holdings, operation)
        if selected is not None:
            # Here we are the SCU of Storage where the peer proposed to be its SCP (PS3.7 D.3.3.4).
            await _send(operation, link, [c for c in link.contexts.values() if c.as_scp], selected)
            await operation.finish()


class Move:
    def __init__(self, holdings: Holdings, destinations: Destinations) -> None:
        self._holdings = holdings
        self._destinations = destinations

    async def __call__(self, link: Link, message: Message) -> None:
        operation = _Operation(link, message)
        selected = await _selected(self._holdings, operation)
        if selected is None:
            return
        title = message.command.move_destination
        where = self._destinations.get(title)
        if where is None:
            await operation.respond(DESTINATION_UNKNOWN)
            return
        try:
            async with connected(*where, _proposal(link.called, title, selected)) as there:
                await _send(operation, there, [c for c in there.contexts.values() if c.as_scu], selected)
        except LeadglassError:
            if link.error is not None:
                raise
            operation.failed += operation.remaining
            operation.remaining = 0
        await operation.finish()


async def _selected(holdings: Holdings, operation: _Operation) -> list[Held] | None:
    """None when it was refused, and that is told."""
    message = operation.message
    assert message.data is not None
    context = message.context
    try:
        identifier = await message.data.read(MOST_BYTES)
        asked = read(identifier, context.abstract_syntax, context.transfer_syntax)
    except LimitExceeded:
        await message.data.drain()
        await operation.respond(UNABLE)
        return None
    except Violation:
        await operation.respond(DOES_NOT_MATCH)
        return None
    selected = holdings.select(asked.keys)
    operation.remaining = len(selected)
    return selected


async def _send(
    operation: _Operation, link: Link, contexts: list[AcceptedContext], selected: Iterable[Held]
) -> None:
    for held in selected:
        if operation.is_cancelled:
            return
        operation.settle(await _store(operation, link, _way(held, contexts), held))
        await operation.progress()


def _way(held: Held, contexts: Iterable[AcceptedContext]) -> AcceptedContext | None:
    """As it is stored, else re-encoded where nothing has to be decoded for it."""
    sop_class, stored = held.kind
    accepted = {c.transfer_syntax: c for c in contexts if c.abstract_syntax == sop_class}
    fitting = (stored, *(syntax for syntax in UNCOMPRESSED if can_transcode(stored, syntax)))
    return next((accepted[syntax] for syntax in fitting if syntax in accepted), None)


async def _store(operation: _Operation, link: Link, way: AcceptedContext | None, held: Held) -> Category:
    if way is None:
        return Category.FAILURE
    asking = operation.message.command
    moves = asking.field is Field.C_MOVE_RQ
    request = Command(
        Field.C_STORE_RQ,
        message_id=link.next_message_id(),
        affected_sop_class_uid=held.values["SOPClassUID"],
        affected_sop_instance_uid=held.values["SOPInstanceUID"],
        priority=asking.priority,
        has_dataset=True,
        move_originator_title=operation.link.calling if moves else "",
        move_originator_message_id=asking.message_id if moves else None,
    )
    # Made anew from its original: a moment of work, and a thread's.
    data = await asyncio.to_thread(_encoded, held, way.transfer_syntax)
    answer = await link.request(way.id, request, data)
    return category(answer.command.status or 0)


def _encoded(held: Held, syntax: str) -> bytes:
    data = held.data_set()
    if syntax == held.syntax:
        return data
    return b"".join(transcode([data], transfer_syntax(held.syntax), transfer_syntax(syntax)))


def _proposal(calling: str, called: str, selected: Iterable[Held]) -> AssociateRQ:
    """A context for each kind as it is stored, and for each SOP class what all must take (PS3.5 10.1)."""
    kinds = sorted({held.kind for held in selected})
    wanted: list[tuple[str, tuple[str, ...]]] = [(sop_class, (syntax,)) for sop_class, syntax in kinds]
    wanted += [(sop_class, UNCOMPRESSED[:2]) for sop_class in dict.fromkeys(c for c, _ in kinds)]
    if not wanted:
        raise Unreachable("There is nothing to send.", code="nothing")
    contexts = tuple(
        ProposedContext(2 * n + 1, uid, syntaxes) for n, (uid, syntaxes) in enumerate(wanted[:128])
    )
    return AssociateRQ(called, calling, contexts, IDENTITY)
