"""Answers that arrive in pieces from a blocking iterator, to peers that may be slow or gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress

from anyio import CapacityLimiter
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from leadglass.web.calls import in_thread


class Pump:
    """Pieces, pulled one at a time, and the source behind them, closed when it is over.

    Closing the source is what puts the end of an access on the record. A pull that was given up on may still
    run in its thread, so both take the lock.
    """

    def __init__(self, pieces: Iterator[bytes], source: Iterator[object]) -> None:
        self._pieces = pieces
        self._source = source
        self._lock = threading.Lock()

    def pull(self) -> bytes | None:
        with self._lock:
            return next(self._pieces, None)

    def close(self) -> None:
        with self._lock:
            for iterator in (self._pieces, self._source):
                if close := getattr(iterator, "close", None):  # a generator's; other iterators have none
                    close()


class Streamed(Response):
    """Pulls each piece in a thread and sends it before it pulls the next: memory is one piece.

    The first piece is pulled before the head is sent, so that what fails at once is a proper problem and not
    an answer cut short.
    """

    def __init__(
        self,
        pump: Pump,
        limiter: CapacityLimiter,
        *,
        media_type: str,
        headers: Mapping[str, str] | None = None,
        send_seconds: float,
    ) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self.headers.update(headers or {})
        self._pump = pump
        self._limiter = limiter
        self._send_seconds = send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await self._send_all(send, gone)
        finally:
            gone.cancel()
            await asyncio.shield(in_thread(self._limiter, self._pump.close))

    async def _send_all(self, send: Send, gone: asyncio.Task[None]) -> None:
        piece = await in_thread(self._limiter, self._pump.pull)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while piece is not None and not gone.done():
            async with asyncio.timeout(self._send_seconds):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await in_thread(self._limiter, self._pump.pull)
        if not gone.done():
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    with suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass
