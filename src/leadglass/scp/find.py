"""Query/Retrieve FIND as SCP (PS3.4 C.4.1): pages of matches, each on the record before it leaves.

A thread reads, records and encodes a page while the loop writes the one before, so a slow peer holds no
transaction and never more than two pages of ours. What is on the record is sent, after a cancel too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import structlog

from leadglass.archive.identifiers import Identifiers
from leadglass.archive.search import Page, Search
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, transfer_syntax
from leadglass.dimse.command import Command
from leadglass.dimse.status import CANCEL, PENDING, PENDING_WITH_WARNING, SUCCESS
from leadglass.errors import (
    Denied,
    LeadglassError,
    LimitExceeded,
    MalformedDataSet,
    ProtocolViolation,
    Unavailable,
    Unreachable,
    Violation,
)
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.net.workers import Workers
from leadglass.scp.extended import options
from leadglass.scp.identifiers import MODELS, MOST_BYTES, Asked, read_identifier
from leadglass.scp.session import Session

OUT_OF_RESOURCES: Final = 0xA700
DOES_NOT_MATCH: Final = 0xA900
UNABLE: Final = 0xC000
NOT_AUTHORIZED: Final = 0x0124
CLASS_NOT_SUPPORTED: Final = 0x0122

# The narrowest class that fits decides. Comments are ours: no key's value gets into one.
FAILURES: Final[tuple[tuple[type[LeadglassError], int, str], ...]] = (
    (Denied, NOT_AUTHORIZED, "Not authorized"),
    (LimitExceeded, UNABLE, "The identifier is larger or deeper than is taken"),
    (MalformedDataSet, UNABLE, "The identifier cannot be read"),
    (Violation, DOES_NOT_MATCH, "The identifier is not one of this SOP class"),
    (Unavailable, OUT_OF_RESOURCES, "Not possible now, try again later"),
    (LeadglassError, UNABLE, "Failed"),
)

Response = tuple[bytes, bytes]


class Find:
    """The C-FIND handler of a listener."""

    def __init__(self, search: Search, workers: Workers) -> None:
        self._search = search
        self._workers = workers
        self._log = structlog.get_logger("leadglass.scp")

    async def __call__(self, link: Link, message: Message) -> None:
        try:
            answer = await self._answer(link, message)
        except (ProtocolViolation, Unreachable):
            raise  # of the association: there is nobody to answer
        except LeadglassError as error:
            if not isinstance(error, Violation | Denied):
                self._log.warning("query not answered", calling=link.calling, code=error.code)
            answer = _failed(message.command, error)
        await link.send(message.context.id, answer)

    async def _answer(self, link: Link, message: Message) -> Command:
        """All matches, and the final response that is still to be sent."""
        command, context = message.command, message.context
        if command.affected_sop_class_uid != context.abstract_syntax or context.abstract_syntax not in MODELS:
            if message.data is not None:
                await message.data.drain()
            return command.respond(CLASS_NOT_SUPPORTED)
        asked = await self._read(link, message)
        responses = self._responses(link, message, asked)
        upcoming = self._workers.run(next, responses, None)
        try:
            while (batch := await upcoming) is not None:
                is_cancelled = link.is_cancelled(command.message_id or 0)
                if not is_cancelled:
                    upcoming = self._workers.run(next, responses, None)
                await link.send_many(context.id, batch)
                if is_cancelled:
                    return command.respond(CANCEL)
        finally:
            upcoming.cancel()
        return command.respond(SUCCESS)

    async def _read(self, link: Link, message: Message) -> Asked:
        assert message.data is not None  # a C-FIND-RQ without a data set is none
        try:
            identifier = await message.data.read(MOST_BYTES)
        except LimitExceeded:
            await message.data.drain()
            raise
        context = message.context
        agreed = options(link.answer_pdu, context.abstract_syntax)
        return await self._workers.run(
            read_identifier, identifier, context.abstract_syntax, context.transfer_syntax, agreed
        )

    def _responses(self, link: Link, message: Message, asked: Asked) -> Iterator[list[Response]]:
        """Pending responses, page by page; to be run by a thread."""
        session: Session = link.session
        encode = _encoder(asked, message.context.transfer_syntax, link.called)
        status = PENDING_WITH_WARNING if asked.is_partial else PENDING
        pending = message.command.respond(status, has_dataset=True).encode()

        def prepare(page: Page[object]) -> list[Response]:
            return [(pending, encode(row)) for row in page.rows]

        pages = self._search.pages(session.who, asked.query, session.context, prepare)
        return filter(None, pages)  # nothing found is a page too, and on the record


def _encoder(asked: Asked, syntax: str, title: str) -> Callable[[object], bytes]:
    """What C.4.1.1.3.2 wants in every answer is in it; everything we have is at hand."""
    constants = {
        "QueryRetrieveLevel": asked.query.level.value,
        "RetrieveAETitle": title,
        "InstanceAvailability": "ONLINE",
    }
    return Identifiers(
        asked.query.level,
        asked.keywords,
        transfer_syntax(syntax),
        characters=asked.characters,
        constants=constants,
        items=asked.items,
    ).encode


def _failed(command: Command, error: LeadglassError) -> Command:
    """A Violation's code is the keyword at fault, if it is any one's."""
    status, comment = next((s, c) for kind, s, c in FAILURES if isinstance(error, kind))
    tag = TAG_BY_KEYWORD.get(error.code)
    if tag is None:
        return command.respond(status, error_comment=comment)
    return command.respond(
        status, error_comment=f"Missing or illegal: {error.code}", offending_elements=(tag,)
    )
