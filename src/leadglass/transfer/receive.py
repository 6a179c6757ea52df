"""Objects that we asked for, on their way into the archive: streamed, sealed, on the record, acknowledged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from leadglass.access.principal import Context, Principal
from leadglass.archive.ingest import Incoming, Ingest
from leadglass.archive.outcome import Identity, Kind, Outcome
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from leadglass.dicom.part10 import write_file_meta
from leadglass.dimse.command import Command, Field
from leadglass.errors import (
    IllegalIdentity,
    LeadglassError,
    LimitExceeded,
    ProtocolViolation,
    Unreachable,
    Violation,
)
from leadglass.net.link import Link
from leadglass.net.stream import DataStream, Message
from leadglass.net.workers import Workers
from leadglass.transfer.pace import Pace

SUCCESS: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000
UNRECOGNIZED: Final = 0x0211
MOST_LISTED: Final = 1000


@dataclass(slots=True)
class Received:
    """What became of everything so far. `refused`: SOP Instance UID and why, at most 1,000 of them."""

    stored: int = 0
    duplicates: int = 0
    kept_aside: int = 0
    refusals: int = 0
    bytes: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)  # SOP Instance UIDs that are settled

    @property
    def count(self) -> int:
        return self.stored + self.duplicates + self.kept_aside

    def note(self, uid: str, outcome: Outcome) -> None:
        self.seen.add(uid)
        if outcome.kind is Kind.STORED:
            self.stored += 1
        elif outcome.kind is Kind.DUPLICATE:
            self.duplicates += 1
        else:
            self.kept_aside += outcome.kind is Kind.KEPT_ASIDE
            self.refusals += outcome.kind is Kind.REFUSED
            self._list(uid, outcome.reason)

    def refuse(self, uid: str, error: LeadglassError) -> None:
        self.refusals += 1
        self._list(uid, str(error))

    def _list(self, uid: str, sentence: str) -> None:
        if len(self.refused) < MOST_LISTED:
            self.refused.append((uid, sentence))


@dataclass(slots=True)
class Receiver:
    """In whose name, for which department, and how fast objects come in. `largest` in bytes.

    `stopped` is what keeps all further objects out: a full disk, a missing right.
    """

    ingest: Ingest
    who: Principal
    department_id: int
    context: Callable[[], Context]
    workers: Workers
    largest: int
    source: str
    pace: Pace = field(default_factory=Pace)
    received: Received = field(default_factory=Received)
    stopped: LeadglassError | None = None

    async def serve(self, link: Link) -> None:
        """C-STOREs of the other side, on an association that we asked for, until it releases it."""
        while (message := await link.next_request()) is not None:
            with link.handling(message):
                status = UNRECOGNIZED
                if message.command.field is Field.C_STORE_RQ:
                    status = await self._status(link, message)
                if message.data is not None:
                    await message.data.drain()
                await link.send(message.context.id, message.command.respond(status))

    async def _status(self, link: Link, message: Message) -> int:
        uid = message.command.affected_sop_instance_uid
        if self.stopped is not None:
            return OUT_OF_RESOURCES
        if uid in self.received.seen:  # asked for again with other contexts: it is here as it was at first
            return SUCCESS
        before = self.received.bytes
        try:
            outcome = await self._take(link, message)
        except (ProtocolViolation, Unreachable):
            raise
        except Violation as error:
            self.received.refuse(uid, error)
            return CANNOT_UNDERSTAND
        except LeadglassError as error:
            self.stopped = error
            return OUT_OF_RESOURCES
        self.received.note(uid, outcome)
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(self.pace.took(self.received.bytes - before, now))
        # What is kept aside is safe: a person decides here, and there is nothing more to be done there.
        return CANNOT_UNDERSTAND if outcome.kind is Kind.REFUSED else SUCCESS

    async def _take(self, link: Link, message: Message) -> Outcome:
        if message.data is None:
            raise IllegalIdentity("A C-STORE without a data set.")
        reception = _Reception(self, message.command, message.context.transfer_syntax, link.called)
        try:
            await self._pour(message.data, reception)
        except BaseException:
            await asyncio.shield(self.workers.run(reception.abandon))
            raise
        assert reception.committed is not None
        return await asyncio.wrap_future(reception.committed)

    async def _pour(self, stream: DataStream, reception: _Reception) -> None:
        total = 0
        while reception.committed is None:
            chunks = await stream.batch()
            total += sum(map(len, chunks))
            if total > self.largest:
                raise LimitExceeded(
                    "It is larger than a single object may be (limits.object_mib in config.toml).",
                    code="object-too-large",
                )
            self.received.bytes += sum(map(len, chunks))
            await self.workers.run(reception.write, chunks, stream.is_complete)


class _Reception:
    """One object on its way in, worked on by one thread at a time."""

    def __init__(self, receiver: Receiver, command: Command, syntax: str, sender: str) -> None:
        self._receiver = receiver
        self._command = command
        self._syntax = syntax
        self._sender = sender
        self._lock = threading.Lock()
        self._incoming: Incoming | None = None
        self._abandoned = False
        self.committed: Future[Outcome] | None = None

    def write(self, chunks: list[memoryview], is_complete: bool) -> None:
        with self._lock:
            if self._abandoned:
                return
            if self._incoming is None:
                self._incoming = self._open()
            if chunks:
                self._incoming.write(b"".join(chunks))
            if is_complete:
                self.committed = self._incoming.finish()

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            if self._incoming is not None and self.committed is None:
                self._incoming.abandon()

    def _open(self) -> Incoming:
        """With the File Meta Information that an object from the network has none of (PS3.10 7.1)."""
        to, command = self._receiver, self._command
        named = Identity(command.affected_sop_class_uid, command.affected_sop_instance_uid)
        incoming = to.ingest.open(
            to.who, to.department_id, to.source, to.context(), expected=named, keep_unidentified=True
        )
        incoming.begin(
            write_file_meta(
                sop_class_uid=named.sop_class_uid,
                sop_instance_uid=named.sop_instance_uid,
                transfer_syntax_uid=self._syntax,
                implementation_class_uid=IMPLEMENTATION_CLASS_UID,
                implementation_version=IMPLEMENTATION_VERSION_NAME,
                source_ae_title=self._sender,
            ),
            self._syntax,
        )
        return incoming
