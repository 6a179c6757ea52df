"""Threads for what blocks: what was asked for is done, whatever becomes of who asked."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from leadglass.net.workers import Workers


def test_the_result_comes_back() -> None:
    async def whole() -> tuple[int, str]:
        return await workers.run(lambda one, two: (one + two, threading.current_thread().name), 1, 2)

    workers = Workers(1)
    total, name = asyncio.run(whole())
    workers.close()
    assert total == 3
    assert name.startswith("dicom")


def test_what_still_waits_for_a_thread_is_done_before_they_close() -> None:
    """Whoever asked has gone: it may have been to close a file."""
    workers = Workers(1)
    begun, go, done = threading.Event(), threading.Event(), []

    def hold() -> None:
        begun.set()
        assert go.wait(30)

    async def whole() -> None:
        workers.run(hold)
        workers.run(done.append, "let go")
        assert await asyncio.to_thread(begun.wait, 30)

    asyncio.run(whole())
    closing = threading.Thread(target=workers.close)
    closing.start()
    while not workers._pool._shutdown:
        threading.Event().wait(0.001)
    go.set()
    closing.join(30)
    assert done == ["let go"]


def test_what_was_cancelled_before_a_thread_took_it_is_not_done_unless_it_is_shielded() -> None:
    workers, busy, go_on = Workers(1), threading.Event(), threading.Event()
    begun: list[int] = []
    done: list[str] = []

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

    asyncio.run(play())
    go_on.set()
    workers.close()
    assert done == ["shielded"]
