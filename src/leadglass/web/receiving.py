"""A multipart body into a delivery, with back-pressure: while a thread parses, digests and seals what has
arrived, the next bytes come in, and nothing more is read from the peer until they are wanted."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Final

from anyio import CapacityLimiter, WouldBlock
from starlette.requests import ClientDisconnect

from leadglass.access.principal import Context, Principal
from leadglass.archive.delivery import Delivery, Received
from leadglass.errors import Denied, Violation
from leadglass.web.accept import MediaRange, parse
from leadglass.web.calls import Call, in_thread
from leadglass.web.multipart import Reader, Sink
from leadglass.web.problems import BUSY, Refused

BATCH: Final = 1 << 20  # bytes that wait while a thread is at work on those before
AGAIN: Final = 1.0  # seconds after which it is asked again whether somebody may still send
MOST_PARTS: Final = 10_000  # of one request
_NO_DEPARTMENT: Final = "Name one of your departments: ?department=NAME."


def content_type(call: Call) -> MediaRange:
    """What the request says its body is."""
    found = parse(call.request.headers.get("content-type") or "-")
    return found[0] if len(found) == 1 else MediaRange("")


async def department(call: Call) -> int:
    """To which department the images go: the one that is named, else the only one somebody has.

    Denied for another's or none, Violation where there are several and none is named."""
    own = call.who.departments
    name = call.request.query_params.get("department")
    if name is None:
        if len(own) > 1:
            raise Violation(_NO_DEPARTMENT, code="department")
        return next(iter(own), 0)
    known = await call.ask(call.services.accounts.departments)
    found = next((one.id for one in known if one.name.casefold() == name.strip().casefold()), 0)
    if found not in own:
        raise Denied("Not one of your departments.", code="department")
    return found


def now(call: Call) -> Context:
    """The circumstances of an object that comes in later than its request began."""
    given = call.context
    return Context(given.address, given.via, call.site.clock(), given.shut)


class Sender:
    """Who sends. A body may come for hours, so it is asked again for an object that begins later than
    `AGAIN` after it was asked last. For one thread at a time."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._who = call.who
        self._asked = time.monotonic()

    def __call__(self) -> Principal:
        """Denied when the session or the token is over."""
        if time.monotonic() - self._asked >= AGAIN:
            self._who, self._asked = self._call.who_still(), time.monotonic()
        return self._who


async def receive(
    call: Call, delivery: Delivery, boundary: str, *, skip_empty: bool = False
) -> list[Received]:
    """All parts of the body, each durable and on the record or refused. Refused when too many come at once,
    Violation for a body that is no multipart; what of it came whole before that is kept."""
    try:
        reader = _Reading(_Chosen(delivery) if skip_empty else delivery, boundary)
        with _Place(call.site.deliveries):
            await _pour(call, reader)
            return await in_thread(call.site.delivery_workers, delivery.complete)
    finally:
        await asyncio.shield(in_thread(call.site.delivery_workers, delivery.abandon))


class _Chosen:
    """Passes over parts without a byte: a field of a form in which no file was chosen (HTML 4.10.22.7)."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._is_empty = True

    def begin(self) -> None:
        self._is_empty = True

    def write(self, piece: bytes | memoryview, /) -> None:
        if self._is_empty:
            self._delivery.begin()
            self._is_empty = False
        self._delivery.write(piece)

    def end(self) -> None:
        if not self._is_empty:
            self._delivery.end()


class _Reading:
    """The reader, in the thread of the moment. What still runs when its request is given up comes to nothing,
    for the delivery is over then; the lock keeps the two apart."""

    def __init__(self, sink: Sink, boundary: str) -> None:
        self._reader = Reader(boundary, sink, MOST_PARTS)
        self._lock = threading.Lock()

    def take(self, chunks: list[bytes]) -> None:
        with self._lock:
            for chunk in chunks:
                self._reader.feed(chunk)

    def close(self) -> None:
        with self._lock:
            self._reader.close()


class _Place:
    """One of the places for deliveries under way, given back whatever happens. Refused when there is none."""

    def __init__(self, places: CapacityLimiter) -> None:
        self._places = places

    def __enter__(self) -> None:
        try:
            self._places.acquire_on_behalf_of_nowait(self)
        except WouldBlock:
            raise Refused(BUSY) from None

    def __exit__(self, *_: object) -> None:
        self._places.release_on_behalf_of(self)


async def _pour(call: Call, reading: _Reading) -> None:
    """What has come when the sender goes away is read to its end too: whole objects in it are kept."""
    at_work: asyncio.Task[None] | None = None
    chunks: list[bytes] = []
    waiting = 0  # bytes in them
    gone = False
    try:
        try:
            async for chunk in call.request.stream():
                chunks.append(chunk)
                waiting += len(chunk)
                if at_work is None or at_work.done() or waiting >= BATCH:
                    at_work = await _next(call, at_work, reading, chunks)
                    chunks, waiting = [], 0
        except ClientDisconnect:
            gone = True
        at_work = await _next(call, at_work, reading, chunks)
        await at_work
        if gone:
            raise Violation("The sender went away.", code="gone")
        await in_thread(call.site.delivery_workers, reading.close)
    finally:
        if at_work is not None:  # cut off: a thread is at work to its end, and its failure is nobody's
            await asyncio.shield(asyncio.wait({at_work}))
            _ = at_work.cancelled() or at_work.exception()


async def _next(
    call: Call, at_work: asyncio.Task[None] | None, reading: _Reading, chunks: list[bytes]
) -> asyncio.Task[None]:
    """The next piece of work, once the one before is done."""
    if at_work is not None:
        await at_work
    return asyncio.create_task(in_thread(call.site.delivery_workers, reading.take, chunks))
