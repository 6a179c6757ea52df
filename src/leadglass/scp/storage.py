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
        run = self._workers.run
        length = 0
        try:
            work = reception.begin
            while reception.committed is None:
                chunks = await stream.batch()
                length += sum(map(len, chunks))
                if length > self._largest:
                    raise LimitExceeded("The object is larger than one may be.", code="object-bytes")
                await run(work, chunks, stream.is_complete)
                work = reception.write
        except LimitExceeded:
            await asyncio.shield(run(reception.refuse))
            raise
        except BaseException:
            await asyncio.shield(run(reception.abandon))
            raise
        return await asyncio.wrap_future(reception.committed)


class _Reception:
    """One object on its way in, worked on by one thread at a time."""

    def __init__(self, ingest: Ingest, session: Session, message: Message, calling: str) -> None:
        self._ingest = ingest
        self._session = session
        self._message = message
        self._calling = calling
        self._lock = threading.Lock()
        self._incoming: Incoming | None = None
        self._abandoned = False
        self.committed: Future[Outcome] | None = None

    def begin(self, chunks: list[memoryview], is_complete: bool) -> None:
        """The File Meta Information that an object from the network has none of, and what has arrived."""
        command, context = self._message.command, self._message.context
        named = Identity(command.affected_sop_class_uid or "", command.affected_sop_instance_uid or "")
        with self._lock:
            self._incoming = self._ingest.open(
                self._session.who,
                self._session.ae.department_id,
                f"C-STORE from {self._calling}",
                self._session.context(),
                expected=named,
                keep_unidentified=True,
            )
            meta = write_file_meta(
                sop_class_uid=named.sop_class_uid,
                sop_instance_uid=named.sop_instance_uid,
                transfer_syntax_uid=context.transfer_syntax,
                implementation_class_uid=IMPLEMENTATION_CLASS_UID,
                implementation_version=IMPLEMENTATION_VERSION_NAME,
                source_ae_title=self._calling,
            )
            self._incoming.write(b"".join((meta, *chunks[:1])))
            self._take(self._incoming, chunks[1:], is_complete)

    def write(self, chunks: list[memoryview], is_complete: bool) -> None:
        with self._lock:
            if self._incoming is None or self._abandoned:
                return
            self._take(self._incoming, chunks, is_complete)

    def _take(self, incoming: Incoming, chunks: list[memoryview], is_complete: bool) -> None:
        """Large pieces as they came: to join them would be a copy of the pixels."""
        large = sum(map(len, chunks)) >= LARGE * len(chunks)
        for chunk in chunks if large else (b"".join(chunks),):
            incoming.write(chunk)
        if is_complete:
            self.committed = incoming.finish()

    def refuse(self) -> None:
        with self._lock:
            self._abandoned = True
            if self._incoming is not None:
                self._incoming.refuse()

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            if self._incoming is not None and self.committed is None:
                self._incoming.abandon()


def _answer(command: Command, outcome: Outcome) -> Command:
    if outcome.clash is not None:
        return command.respond(outcome.status, error_comment=outcome.comment)
    return command.respond(SUCCESS)


def _failed(command: Command, error: LeadglassError) -> Command:
    status, comment = next((s, c) for kind, s, c in FAILURES if isinstance(error, kind))
    return command.respond(status, error_comment=comment)
