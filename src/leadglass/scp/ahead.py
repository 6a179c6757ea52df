"""Objects read and decrypted in threads, one piece ahead of the network that takes them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from leadglass.archive.selection import Delivery, Kind, Selection
from leadglass.dicom.dictionary import transfer_syntax
from leadglass.dicom.transcode import can_transcode, transcode
from leadglass.errors import LeadglassError
from leadglass.net.workers import Workers
from leadglass.ul.negotiation import AcceptedContext

PIECE: Final = 1 << 20  # bytes of one object that are held at a time; with the piece ahead, twice that

# Which uncompressed transfer syntax is the best to re-encode into, where several were accepted.
UNCOMPRESSED: Final = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)


@dataclass(frozen=True, slots=True)
class Route:
    """How instances of one kind go out: on which context, and re-encoded into its syntax or as they are."""

    context: AcceptedContext
    recode: bool


def routes(kinds: Mapping[Kind, int], contexts: list[AcceptedContext]) -> dict[Kind, Route]:
    """A way for each kind that has one among the contexts on which we may be the SCU of Storage."""
    found = {}
    for kind in kinds:
        sop_class, stored = kind
        accepted = {c.transfer_syntax: c for c in contexts if c.abstract_syntax == sop_class}
        if stored in accepted:
            found[kind] = Route(accepted[stored], recode=False)
            continue
        for target in UNCOMPRESSED:
            if target in accepted and can_transcode(stored, target):
                found[kind] = Route(accepted[target], recode=True)
                break
    return found


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of an instance, at most PIECE bytes and a chunk. The first piece of a delivery that has no data
    and no route is all there is of it. An `error` in a later piece leaves a data set that has no end."""

    delivery: Delivery
    data: bytes = b""
    is_last: bool = True
    error: LeadglassError | None = None


class Ahead:
    """The pieces of a selection's instances. Leaving it, as an asynchronous context manager, closes all."""

    def __init__(
        self,
        workers: Workers,
        selection: Selection,
        ways: Mapping[Kind, Route],
        among: frozenset[Kind] | None,
    ) -> None:
        self._workers = workers
        self._ways = ways
        self._open = True
        self._lock = threading.Lock()
        self._pieces = _pieces(selection.deliveries(self._wants, among), ways)
        self._next: asyncio.Future[Piece | None] | None = None

    async def next(self) -> Piece | None:
        """The next piece; None at the end. What it raises concerns everything that is still to come."""
        coming, self._next = self._next or self._workers.run(self._step), None
        piece = await coming
        if piece is not None:
            self._next = self._workers.run(self._step)
        return piece

    def shut(self) -> None:
        """Nothing can be sent any more: name what is left, but do not open it."""
        self._open = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._workers.run(self._close))
        if self._next is not None:
            self._next.add_done_callback(_looked_at)

    def _wants(self, kind: Kind) -> bool:
        return self._open and kind in self._ways

    def _step(self) -> Piece | None:
        with self._lock:
            return next(self._pieces, None)

    def _close(self) -> None:
        """After the step that may be under way; one that comes later finds the end."""
        with self._lock:
            self._pieces.close()


def _pieces(
    deliveries: Generator[Delivery, None, None], ways: Mapping[Kind, Route]
) -> Generator[Piece, None, None]:
    with closing(deliveries):
        for delivery in deliveries:
            if delivery.chunks is None:
                yield Piece(delivery, error=delivery.error)
            else:
                yield from _cut(delivery, _encoded(delivery, delivery.chunks, ways[delivery.kind]))


def _encoded(delivery: Delivery, chunks: Iterator[bytes], route: Route) -> Iterator[bytes]:
    if not route.recode:
        return chunks
    source, target = delivery.kind[1], route.context.transfer_syntax
    return transcode(chunks, transfer_syntax(source), transfer_syntax(target))


def _cut(delivery: Delivery, chunks: Iterator[bytes]) -> Iterator[Piece]:
    held: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            if size >= PIECE:
                yield Piece(delivery, b"".join(held), is_last=False)
                held, size = [], 0
    except LeadglassError as error:
        yield Piece(delivery, error=error)
    else:
        yield Piece(delivery, b"".join(held))


def _looked_at(step: asyncio.Future[Piece | None]) -> None:
    """Nobody waits for this step any more; what it raised is nobody's news."""
    if not step.cancelled():
        step.exception()
