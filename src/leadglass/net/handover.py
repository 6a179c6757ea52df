"""Accepted connections on their way to another process, which attends to them as if it had accepted them.

    here → there   {"attend": 7, "listener": "receive", "address": "192.0.2.1"} with the descriptor
                   {"leave": 7}
    there → here   {"ready": true}; {"associated": 7}; {"left": 7}

One message per packet of a SOCK_SEQPACKET pair. The end of the pair is the end of the other process: its
connections are then gone, and its places free. Neither waits for the other: what a burst has too much of for
the pair is sent when there is room again, in its order.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from leadglass.net.attendant import Attending, Place

NOT_NOW: Final = 1 << 30  # the load of somebody who can take nothing
_LONGEST: Final = 4096  # bytes of a message
_AT_ONCE: Final = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class _Outbox:
    """Messages and descriptors to the other process: a few at most for each connection that the quotas admit.
    `gone` is called when it takes nothing any more, and then they are for nobody."""

    def __init__(self, channel: socket.socket, gone: Callable[[], None]) -> None:
        self._channel = channel
        self._gone = gone
        self._waiting: deque[tuple[bytes, socket.socket | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._is_open = True

    def send(self, message: dict[str, Any], connected: socket.socket | None = None) -> None:
        """`connected` travels along, and is closed here."""
        self._waiting.append((json.dumps(message).encode("ascii"), connected))
        if not self._is_open:
            self._discard()
        elif len(self._waiting) == 1 and not self._all_sent():
            self._loop.add_writer(self._channel.fileno(), self._go_on)

    def close(self) -> None:
        """Before the channel is closed."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_writer(self._channel.fileno())
            self._discard()

    def _go_on(self) -> None:
        if self._all_sent():
            self._loop.remove_writer(self._channel.fileno())

    def _all_sent(self) -> bool:
        """False when there is no room for what is left."""
        while self._waiting:
            data, connected = self._waiting[0]
            try:
                descriptors = [connected.fileno()] if connected is not None else []
                socket.send_fds(self._channel, [data], descriptors, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:
                self.close()
                self._loop.call_soon(self._gone)
                return True
            self._waiting.popleft()
            _let_go(connected)
        return True

    def _discard(self) -> None:
        while self._waiting:
            _let_go(self._waiting.popleft()[1])


def _let_go(connected: socket.socket | None) -> None:
    if connected is not None:
        connected.close()


class Colleague:
    """The other process as it is seen from here. `lost` is called when it is gone."""

    def __init__(self, channel: socket.socket, lost: Callable[[], None]) -> None:
        self._channel = channel
        self._outbox = _Outbox(channel, self._gone)
        self._lost = lost
        self._places: dict[int, Place] = {}
        self._last = 0
        self._ready = False
        asyncio.get_running_loop().add_reader(channel.fileno(), self._notices)

    @property
    def load(self) -> int:
        return len(self._places) if self._ready else NOT_NOW

    def attend(self, listener: str, connected: socket.socket, place: Place) -> None:
        """The descriptor travels, and is closed here."""
        self._last += 1
        number = self._last
        self._outbox.send({"attend": number, "listener": listener, "address": place.address}, connected)
        self._places[number] = place
        place.leave = lambda: self._outbox.send({"leave": number})

    def close(self) -> None:
        """Tell it to end, by the end of the pair."""
        if self._channel.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._outbox.close()
            self._channel.close()
        self._ready = False
        places, self._places = self._places, {}
        for place in places.values():
            place.left()

    def _notices(self) -> None:
        while (data := _received(self._channel, self._gone)) is not None:
            message = json.loads(data)
            if "left" in message:
                place = self._places.pop(message["left"], None)
                if place is not None:
                    place.left()
            elif "associated" in message:
                if (place := self._places.get(message["associated"])) is not None:
                    place.associated()
            elif "ready" in message:
                self._ready = True

    def _gone(self) -> None:
        self.close()
        self._lost()


class Elsewhere:
    """One listener's connections with a colleague; `colleague` is asked each time, as it may be another."""

    def __init__(self, colleague: Callable[[], Colleague | None], listener: str) -> None:
        self._colleague = colleague
        self._listener = listener

    @property
    def load(self) -> int:
        colleague = self._colleague()
        return NOT_NOW if colleague is None else colleague.load

    def attend(self, connected: socket.socket, place: Place) -> None:
        colleague = self._colleague()
        assert colleague is not None
        colleague.attend(self._listener, connected, place)

    async def end(self) -> None:
        """The other process ends with the pair."""


class _Remote:
    """A place that is counted in the other process."""

    def __init__(self, deputy: Deputy, number: int, address: str) -> None:
        self.address = address
        self.leave: Callable[[], None] = lambda: None
        self._deputy = deputy
        self._number = number

    def associated(self) -> None:
        self._deputy.tell({"associated": self._number})

    def left(self) -> None:
        self._deputy.places.pop(self._number, None)
        self._deputy.tell({"left": self._number})


class Deputy:
    """This process, attending to what another accepts. `attendants` by the listener's name."""

    def __init__(self, channel: socket.socket, attendants: Mapping[str, Attending]) -> None:
        self._channel = channel
        self._attendants = attendants
        self.places: dict[int, _Remote] = {}
        self._over = asyncio.Event()
        self._outbox = _Outbox(channel, self._over.set)

    async def serve(self) -> None:
        """Until the other process closes the pair, or is gone."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel.fileno(), self._orders)
        try:
            self.tell({"ready": True})
            await self._over.wait()
        finally:
            loop.remove_reader(self._channel.fileno())
            await asyncio.gather(*(attendant.end() for attendant in self._attendants.values()))
            self._outbox.close()

    def tell(self, message: dict[str, Any]) -> None:
        self._outbox.send(message)

    def _orders(self) -> None:
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._channel, _LONGEST, 1, _AT_ONCE)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if not data:
                self._over.set()
                return
            self._obey(json.loads(data), descriptors)

    def _obey(self, message: dict[str, Any], descriptors: list[int]) -> None:
        if "leave" in message:
            if (place := self.places.get(message["leave"])) is not None:
                place.leave()
            return
        if not descriptors:  # the kernel closes what this process has no number left for
            log = structlog.get_logger("leadglass.net").bind(listener=message["listener"])
            log.warning("connection refused", address=message["address"], code="descriptors")
            self.tell({"left": message["attend"]})
            return
        connected = socket.socket(fileno=descriptors[0])
        place = _Remote(self, message["attend"], message["address"])
        self.places[message["attend"]] = place
        self._attendants[message["listener"]].attend(connected, place)


def _received(channel: socket.socket, gone: Callable[[], None]) -> bytes | None:
    """The next message; None when there is none, after calling `gone` when there will be none."""
    try:
        data = channel.recv(_LONGEST, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        data = b""
    if not data:
        gone()
        return None
    return data
