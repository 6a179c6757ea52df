"""Servers that stand while a test does something else: a loop of their own in a thread of their own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from strangers import Handler, listening

WAIT = 30  # seconds; only something that hangs ever takes them


@contextmanager
def standing(handler: Handler, **more: Any) -> Iterator[int]:
    """The port on 127.0.0.1 at which `handler` attends to each connection; afterwards nobody is there."""
    ready, port, over = threading.Event(), [0], []

    async def stand() -> None:
        done = asyncio.Event()
        over.append((asyncio.get_running_loop(), done))
        async with listening(handler, **more) as port[0]:
            ready.set()
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(stand(),), daemon=True)
    thread.start()
    assert ready.wait(WAIT)
    try:
        yield port[0]
    finally:
        loop, done = over[0]
        loop.call_soon_threadsafe(done.set)
        thread.join(WAIT)
        assert not thread.is_alive()


class Listener:
    """A port of one address that takes connections and counts them."""

    def __init__(self, address: str, port: int = 0) -> None:
        self.socket = socket.create_server((address, port))
        self.socket.setblocking(False)
        self.address, self.port = self.socket.getsockname()

    def came(self) -> int:
        count = 0
        while True:
            try:
                self.socket.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1
