"""The threads that blocking work goes to: parsing, hashing, sealing, the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Workers:
    """A bounded pool. What was asked for is done even if nobody waits for it any more: it may be to let go of
    an object. Of one association that is one piece of work at a time."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="dicom")

    def run(self, function: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """The result of `function(*args)`, once a thread has worked it out."""
        return asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    def run_through(self, function: Callable[[*Ts], Future[T]], *args: *Ts) -> asyncio.Future[T]:
        """The result of the future that `function(*args)` returns. The event loop is woken once, at the end:
        to tell it in between that the function is done cost as much as parsing a header."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[T] = loop.create_future()

        def tell(done: Future[T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, told, done)

        def run() -> None:
            try:
                under_way = function(*args)
            except BaseException as error:  # noqa: BLE001 - it belongs to a future, whatever it is
                under_way = Future()
                under_way.set_exception(error)
            under_way.add_done_callback(tell)

        self._pool.submit(run)
        return told

    def close(self) -> None:
        """Once all that was asked for is done: closing what was open, removing what is not to stay."""
        self._pool.shutdown(wait=True)


def _settle(told: asyncio.Future[T], done: Future[T]) -> None:
    if told.cancelled():
        return
    error = done.exception()
    if error is not None:
        told.set_exception(error)
    else:
        told.set_result(done.result())
