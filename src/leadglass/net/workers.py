"""The threads that blocking work goes to: parsing, hashing, sealing, the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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

    def close(self) -> None:
        """Once all that was asked for is done: closing what was open, removing what is not to stay."""
        self._pool.shutdown(wait=True)
