"""C-STORE as SCU (PS3.4 Annex B): objects of the archive, or files, to another application entity.

Each object streams; what is known of it beforehand is its SOP class, its UID and how it is encoded. It goes
out as it is when the other side takes that, else re-encoded where no pixels have to be decoded for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Final, Protocol

from leadglass.archive.selection import Delivery, Kind, Selection
from leadglass.dicom.dictionary import transfer_syntax, uid_name
from leadglass.dicom.transcode import can_transcode, transcode
from leadglass.dimse.command import Command, Field, Priority
from leadglass.dimse.status import Category, Service, category
from leadglass.errors import LeadglassError, MalformedDataSet, Refused, Unavailable
from leadglass.net.link import Link
from leadglass.transfer.association import SMALL, Proposal, associated
from leadglass.transfer.query import explained
from leadglass.transfer.target import Endpoint
from leadglass.ul.items import ContextResult
from leadglass.ul.negotiation import AcceptedContext
from leadglass.ul.pdu import MOST_CONTEXTS

MOST_LISTED: Final = 1000
MOST_FULL: Final = 3  # times in a row that the other side may say that it has no room


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One object. `data_set` opens its data set, in chunks, blocking, once at most; None for one that cannot
    be sent: because of `error`, or because the other side does not take its kind."""

    name: str  # for people: a path, or the SOP Instance UID
    kind: Kind
    sop_instance_uid: str
    data_set: Callable[[], Iterator[bytes]] | None
    error: str = ""
    close: Callable[[], None] = lambda: None


class Load(Protocol):
    """Objects to send. `outgoing` blocks; the objects are taken one after the other. `wanted` says whether
    one of that kind can go out now: others need not be opened."""

    @property
    def kinds(self) -> Iterable[Kind]: ...

    def outgoing(
        self, among: frozenset[Kind], wanted: Callable[[Kind], bool]
    ) -> Generator[Outgoing, None, None]: ...


@dataclass(slots=True)
class Sent:
    """What became of everything so far. `troubles`: an object's name and a sentence, at most 1,000."""

    sent: int = 0
    warnings: int = 0  # of those sent
    failed: int = 0
    bytes: int = 0
    troubles: list[tuple[str, str]] = field(default_factory=list)
    full: int = 0  # times in a row that there was no room

    def fail(self, name: str, sentence: str) -> None:
        self.failed += 1
        self.trouble(name, sentence)

    def trouble(self, name: str, sentence: str) -> None:
        if len(self.troubles) < MOST_LISTED:
            self.troubles.append((name, sentence))


def proposals(kinds: Iterable[Kind]) -> Iterator[list[Proposal]]:
    """Contexts for as few associations as it takes: each kind as it is, and uncompressed ones re-encoded."""
    contexts: list[Proposal] = []
    for sop_class, group in groupby(sorted(set(kinds)), key=lambda kind: kind[0]):
        mine: list[Proposal] = [(sop_class, (syntax,)) for _, syntax in group]
        if any(can_transcode(syntaxes[0], SMALL[0]) for _, syntaxes in mine):
            mine.append((sop_class, SMALL))
        if len(contexts) + len(mine) > MOST_CONTEXTS:
            yield contexts
            contexts = []
        contexts += mine
    if contexts:
        yield contexts


def route(kind: Kind, contexts: Mapping[int, AcceptedContext]) -> AcceptedContext | None:
    """The context an object of that kind goes out on; None when the other side takes it in no way we can."""
    sop_class, stored = kind
    fitting = [context for context in contexts.values() if context.abstract_syntax == sop_class]
    for context in fitting:
        if context.transfer_syntax == stored:
            return context
    return next((context for context in fitting if can_transcode(stored, context.transfer_syntax)), None)


class Sender:
    """Sends to `endpoint`; `tell` is called after each object."""

    def __init__(self, endpoint: Endpoint, tell: Callable[[Sent], None]) -> None:
        self.sent = Sent()
        self._endpoint = endpoint
        self._tell = tell
        self._contexts: Mapping[int, AcceptedContext] = {}

    async def send(self, load: Load) -> None:
        """Everything of `load`. What is wrong with one object does not keep the others back; what it raises
        concerns all that was still to come."""
        for contexts in proposals(load.kinds):
            proposed = {(abstract, syntaxes[0]) for abstract, syntaxes in contexts}
            source = load.outgoing(frozenset(proposed.intersection(load.kinds)), self._is_taken)
            try:
                while not await self._associate(contexts, source):
                    pass
            finally:
                await asyncio.to_thread(source.close)

    async def _associate(self, contexts: list[Proposal], source: Generator[Outgoing, None, None]) -> bool:
        """Send on one association what it lasts for; whether that was all."""
        async with associated(self._endpoint, contexts) as link:
            self._contexts = link.contexts
            while (outgoing := await asyncio.to_thread(next, source, None)) is not None:
                await self._one(link, outgoing)
                self._tell(self.sent)
                if link.error is not None:
                    return False
        return True

    def _is_taken(self, kind: Kind) -> bool:
        return route(kind, self._contexts) is not None

    async def _one(self, link: Link, outgoing: Outgoing) -> None:
        context = route(outgoing.kind, link.contexts)
        if outgoing.error:
            self.sent.fail(outgoing.name, outgoing.error)
        elif context is None or outgoing.data_set is None:
            self.sent.fail(outgoing.name, _not_taken(outgoing.kind, link))
        else:
            await self._store(link, outgoing, context, outgoing.data_set)

    async def _store(
        self, link: Link, outgoing: Outgoing, context: AcceptedContext, opened: Callable[[], Iterator[bytes]]
    ) -> None:
        chunks = _Chunks(opened, outgoing.kind[1], context.transfer_syntax)
        try:
            first = await chunks.first()
            request = Command(
                Field.C_STORE_RQ,
                message_id=link.next_message_id(),
                affected_sop_class_uid=outgoing.kind[0],
                affected_sop_instance_uid=outgoing.sop_instance_uid,
                priority=Priority.MEDIUM,
                has_dataset=True,
            )
            message = await link.request(context.id, request, chunks.after(first))
        except LeadglassError as error:
            if chunks.error is None or isinstance(error, Unavailable):
                raise
            self.sent.fail(outgoing.name, str(chunks.error))
            if chunks.bytes:
                link.abort(error)  # half a data set has no other end
            return
        self.sent.bytes += chunks.bytes
        self._judge(outgoing.name, message.command.status or 0, message.command.error_comment)

    def _judge(self, name: str, status: int, comment: str) -> None:
        kind = category(status)
        self.sent.full = self.sent.full + 1 if status >> 8 == 0xA7 else 0
        if kind is Category.SUCCESS:
            self.sent.sent += 1
        elif kind is Category.WARNING:
            self.sent.sent += 1
            self.sent.warnings += 1
            self.sent.trouble(name, explained(Service.STORAGE, status, comment))
        else:
            self.sent.fail(name, explained(Service.STORAGE, status, comment))
        if self.sent.full >= MOST_FULL:
            raise Refused("The other side has no room for more. Nothing more was sent.", code="full")


def _not_taken(kind: Kind, link: Link) -> str:
    """The class, or only the transfer syntax? The answers to our contexts say (PS3.8 Table 9-18)."""
    sop_class, syntax = kind
    assert link.request_pdu is not None and link.answer_pdu is not None
    mine = {context.id for context in link.request_pdu.contexts if context.abstract_syntax == sop_class}
    results = {context.result for context in link.answer_pdu.contexts if context.id in mine}
    if results & {ContextResult.ACCEPTANCE, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED}:
        return f"The other side does not take it in {uid_name(syntax)}."
    return f"The other side does not take {uid_name(sop_class)}."


class _Chunks:
    """An object's data set, read in a thread, one chunk while the other is on its way."""

    def __init__(self, opened: Callable[[], Iterator[bytes]], stored: str, target: str) -> None:
        self._opened = opened
        self._stored = stored
        self._target = target
        self._iterator: Iterator[bytes] = iter(())
        self.bytes = 0
        self.error: LeadglassError | None = None  # of ours, not of the association

    async def first(self) -> bytes | None:
        """Opening and the first chunk: what is wrong with an object shows here as a rule."""
        return await asyncio.to_thread(self._open)

    async def after(self, first: bytes | None) -> AsyncIterator[bytes]:
        chunk = first
        while chunk is not None:
            self.bytes += len(chunk)
            coming = asyncio.get_running_loop().run_in_executor(None, self._next)
            try:
                yield chunk
            finally:
                chunk = await coming

    def _open(self) -> bytes | None:
        try:
            self._iterator = self._opened()
            if self._stored != self._target:
                source, target = transfer_syntax(self._stored), transfer_syntax(self._target)
                self._iterator = transcode(self._iterator, source, target)
        except LeadglassError as error:
            self.error = error
            raise
        return self._next()

    def _next(self) -> bytes | None:
        try:
            return next(self._iterator, None)
        except LeadglassError as error:
            self.error = error
            raise
        except OSError as error:
            self.error = MalformedDataSet(f"It cannot be read: {error.strerror}.", code="unreadable")
            raise self.error from None


# --- what there is to send --------------------------------------------------------------------------------


class Stored:
    """What of the archive's was selected; each object is counted in its study's access before it leaves."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    @property
    def kinds(self) -> Iterable[Kind]:
        return self._selection.kinds

    def outgoing(
        self, among: frozenset[Kind], wanted: Callable[[Kind], bool]
    ) -> Generator[Outgoing, None, None]:
        with closing(self._selection.deliveries(wanted, among)) as deliveries:
            for delivery in deliveries:
                uid, error = delivery.sop_instance_uid, delivery.error
                opened = None if delivery.chunks is None else partial(_counted, delivery)
                yield Outgoing(uid, delivery.kind, uid, opened, str(error) if error else "")


def _counted(delivery: Delivery) -> Iterator[bytes]:
    assert delivery.chunks is not None
    delivery.count()
    return delivery.chunks


class Files:
    """Some files whose heads have been read. They are open until they are sent, or closed."""

    def __init__(self, files: list[Outgoing]) -> None:
        self._files = files

    def close(self) -> None:
        for file in self._files:
            file.close()

    @property
    def kinds(self) -> Iterable[Kind]:
        return {file.kind for file in self._files}

    def outgoing(self, among: frozenset[Kind], _: Callable[[Kind], bool]) -> Generator[Outgoing, None, None]:
        yield from (file for file in self._files if file.kind in among)
