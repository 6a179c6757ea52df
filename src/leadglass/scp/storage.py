"""Storage (PS3.4 Annex B) as SCP: a C-STORE streams from the socket into the sealed store.

Nothing is held: what has arrived while a thread was parsing, digesting and sealing is its next piece of
work. Status 0x0000 is said after the commit point and not before.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Final

import structlog

from leadglass.archive.ingest import Identity, Incoming, Ingest, Outcome
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from leadglass.dicom.part10 import write_file_meta
from leadglass.dimse.command import Command
from leadglass.dimse.sop_classes import STORAGE, is_private
from leadglass.errors import (
    Denied,
    IllegalIdentity,
    LeadglassError,
    LimitExceeded,
    ProtocolViolation,
    Unavailable,
    Unreachable,
    Violation,
)
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.net.workers import Workers
from leadglass.scp.session import Session

SUCCESS: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
DOES_NOT_MATCH: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000
NOT_AUTHORIZED: Final = 0x0124
CLASS_NOT_SUPPORTED: Final = 0x0122
PROCESSING_FAILURE: Final = 0x0110
LARGE: Final = 32 << 10  # bytes of a piece that is worth a round of parser, digest and seal of its own


class NotStorage(Violation):
    """A command for a SOP class whose contexts are for something else."""


# The narrowest class that fits decides. Comments are ours: what a data set holds never gets into one.
FAILURES: Final[tuple[tuple[type[LeadglassError], int, str], ...]] = (
    (Denied, NOT_AUTHORIZED, "Not authorized"),
    (Unavailable, OUT_OF_RESOURCES, "Cannot be kept now, try again later"),
    (NotStorage, CLASS_NOT_SUPPORTED, "Not a SOP class of Storage"),
    (IllegalIdentity, DOES_NOT_MATCH, "UIDs are missing or illegal"),
    (LimitExceeded, CANNOT_UNDERSTAND, "Larger or deeper than is taken in"),
    (Violation, CANNOT_UNDERSTAND, "The data set cannot be read"),
    (LeadglassError, PROCESSING_FAILURE, "Failed"),
)


class Storage:
    """The C-STORE handler of a listener. `largest`: bytes of a data set that is taken in."""

    def __init__(self, ingest: Ingest, workers: Workers, largest: int) -> None:
        self._ingest = ingest
        self._workers = workers
        self._largest = largest
        self._log = structlog.get_logger("leadglass.scp")

    async def __call__(self, link: Link, message: Message) -> None:
        session: Session = link.session
        try:
            outcome = await self._receive(link, message, session)
        except (ProtocolViolation, Unreachable):
            raise  # of the association: there is nobody to answer
        except LeadglassError as error:
            if not isinstance(error, Denied):  # which is on the record
                self._log.warning("object not kept", calling=link.calling, code=error.code)
            answer = _failed(message.command, error)
        else:
            if outcome.clash is not None:  # somebody has to look at it; `status` says so too
                self._log.warning("object kept aside", calling=link.calling, code=outcome.clash.value)
            answer = _answer(message.command, outcome)
        if message.data is not None:
            await message.data.drain()
        await link.send(message.context.id, answer)

    async def _receive(self, link: Link, message: Message, session: Session) -> Outcome:
        command, stream = message.command, message.data
        sop_class = command.affected_sop_class_uid
        if sop_class not in STORAGE and not is_private(sop_class):
            raise NotStorage("A SOP class that is none of Storage.", code="sop-class")
        if sop_class != message.context.abstract_syntax:
            raise IllegalIdentity("The SOP class of the command is not that of its context.")
        if stream is None:
            raise IllegalIdentity("A C-STORE without a data set.")
        reception = _Reception(self._ingest, session, message, link.calling)
        length = 0
        try:
            while True:
                chunks = await stream.batch()
                length += sum(map(len, chunks))
                if length > self._largest:
                    raise LimitExceeded("The object is larger than one may be.", code="object-bytes")
                if stream.is_complete:
                    return await self._workers.run_through(reception.complete, chunks)
                await self._workers.run(reception.take, chunks)
        except LimitExceeded:
            await asyncio.shield(self._workers.run(reception.refuse))
            raise
        except BaseException:
            await asyncio.shield(self._workers.run(reception.abandon))
            raise


class _Reception:
    """One object on its way in, worked on by one thread at a time."""

    def __init__(self, ingest: Ingest, session: Session, message: Message, calling: str) -> None:
        self._ingest = ingest
        self._session = session
        self._message = message
        self._calling = calling
        self._lock = threading.Lock()
        self._incoming: Incoming | None = None
        self._is_over = False  # given up, or handed over to be committed

    def take(self, chunks: list[memoryview]) -> None:
        """What has arrived."""
        with self._lock:
            self._take(chunks)

    def complete(self, chunks: list[memoryview]) -> Future[Outcome]:
        """The last that arrives; the outcome resolves once the object is durable."""
        with self._lock:
            self._take(chunks)
            if self._incoming is None:
                raise Unreachable("Nobody waits for this object any more.", code="abandoned")
            incoming, self._incoming, self._is_over = self._incoming, None, True
            return incoming.finish()

    def refuse(self) -> None:
        """Larger than anything is taken in."""
        with self._lock:
            self._is_over = True
            incoming, self._incoming = self._incoming, None
            if incoming is not None:
                incoming.refuse()

    def abandon(self) -> None:
        with self._lock:
            self._is_over = True
            incoming, self._incoming = self._incoming, None
            if incoming is not None:
                incoming.abandon()

    def _take(self, chunks: list[memoryview]) -> None:
        """Large pieces as they come: to join them would be a copy of the pixels."""
        if self._is_over:
            return
        pieces: list[bytes | memoryview] = [*chunks]
        if self._incoming is None:
            self._incoming = self._open()
            self._incoming.begin(self._meta(), self._message.context.transfer_syntax)
        if sum(map(len, pieces)) < LARGE * len(pieces):
            pieces = [b"".join(pieces)]
        for piece in pieces:
            self._incoming.write(piece)

    def _open(self) -> Incoming:
        command = self._message.command
        return self._ingest.open(
            self._session.who,
            self._session.ae.department_id,
            f"C-STORE from {self._calling}",
            self._session.context(),
            expected=Identity(command.affected_sop_class_uid or "", command.affected_sop_instance_uid or ""),
            keep_unidentified=True,
        )

    def _meta(self) -> bytes:
        """The File Meta Information that an object from the network has none of."""
        command = self._message.command
        return write_file_meta(
            sop_class_uid=command.affected_sop_class_uid or "",
            sop_instance_uid=command.affected_sop_instance_uid or "",
            transfer_syntax_uid=self._message.context.transfer_syntax,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version=IMPLEMENTATION_VERSION_NAME,
            source_ae_title=self._calling,
        )


def _answer(command: Command, outcome: Outcome) -> Command:
    if outcome.clash is not None:
        return command.respond(outcome.status, error_comment=outcome.comment)
    return command.respond(SUCCESS)


def _failed(command: Command, error: LeadglassError) -> Command:
    status, comment = next((s, c) for kind, s, c in FAILURES if isinstance(error, kind))
    return command.respond(status, error_comment=comment)
