"""The threads that blocking work goes to."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from leadglass.net.workers import Workers

from .conftest import run


def test_what_has_to_be_done_is_done_when_it_closes_and_what_nobody_waits_for_is_not() -> None:
    workers, busy, go_on = Workers(1), threading.Event(), threading.Event()
    begun, done = [], []

    async def shielded() -> None:
        begun.append(1)
        await asyncio.shield(workers.run(done.append, "shielded"))

    async def waited_for() -> None:
        begun.append(1)
        await workers.run(done.append, "waited for")

    async def play() -> None:
        workers.run(lambda: (busy.set(), go_on.wait(30)))
        tasks = [asyncio.get_running_loop().create_task(work()) for work in (shielded, waited_for)]
        while not (busy.is_set() and len(begun) == 2):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    run(play())
    go_on.set()
    workers.close()
    assert done == ["shielded"]
