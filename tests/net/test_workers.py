"""Threads for what blocks: what was asked for is done, whatever becomes of who asked."""

from __future__ import annotations

import asyncio
import threading

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
