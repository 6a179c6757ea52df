import asyncio
import threading

import pytest
from anyio import CapacityLimiter

from leadglass.errors import Tampered
from leadglass.web.streaming import Pump, Streamed


class Source:
    """Pieces that note when their source was closed."""

    def __init__(self, *pieces, fails=None):
        self.closed = 0
        self.pulled = 0
        self._pieces = self._run(pieces, fails)

    def _run(self, pieces, fails):
        try:
            for piece in pieces:
                self.pulled += 1
                yield piece
            if fails:
                raise fails
        finally:
            self.closed += 1

    def streamed(self, **settings):
        pump = Pump(self._pieces, self._pieces)
        given = {"media_type": "a/b", "send_seconds": 5.0} | settings
        return Streamed(pump, CapacityLimiter(2), **given)


async def answer(response, *, receive=None, send=None):
    sent = []

    async def collect(message):
        sent.append(message)
        if send:
            await send(message)

    async def never():
        await asyncio.Event().wait()

    await response({"type": "http"}, receive or never, collect)
    return sent


def test_pieces_in_order_then_the_end():
    source = Source(b"a", b"b")
    sent = asyncio.run(answer(source.streamed(headers={"X": "y"})))
    assert [message.get("body") for message in sent] == [None, b"a", b"b", b""]
    assert [message["more_body"] for message in sent[1:]] == [True, True, False]
    assert (b"x", b"y") in sent[0]["headers"]
    assert not any(name == b"content-length" for name, _ in sent[0]["headers"])
    assert source.closed == 1


def test_what_fails_at_once_fails_before_the_head():
    source, sent = Source(fails=Tampered("x")), []

    async def collect(message):
        sent.append(message)

    with pytest.raises(Tampered):
        asyncio.run(answer(source.streamed(), send=collect))
    assert sent == []
    assert source.closed == 1


def test_what_fails_later_never_says_that_it_ended():
    source, sent = Source(b"a", fails=Tampered("x")), []

    async def collect(message):
        sent.append(message)

    with pytest.raises(Tampered):
        asyncio.run(answer(source.streamed(), send=collect))
    assert all(message.get("more_body", True) for message in sent)
    assert source.closed == 1


def test_a_peer_that_left_is_not_served_on():
    source = Source(*[b"x"] * 1000)
    left = asyncio.Event()

    async def receive():
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        left.set()
        await asyncio.sleep(0)

    async def run():
        return await answer(source.streamed(), receive=receive, send=send)

    sent = asyncio.run(run())
    assert source.pulled < 20
    assert source.closed == 1
    assert all(message.get("more_body", True) for message in sent)


def test_a_peer_that_takes_nothing_is_given_up_on():
    source = Source(b"a", b"b")

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(answer(source.streamed(send_seconds=0.01), send=send))
    assert source.closed == 1


def test_a_pull_under_way_is_waited_for_before_the_source_is_closed():
    entered, go, closed = threading.Event(), threading.Event(), []

    def pieces():
        try:
            entered.set()
            go.wait(10)
            yield b"a"
        finally:
            closed.append(1)

    source = pieces()
    pump = Pump(source, source)
    pulling = threading.Thread(target=pump.pull)
    pulling.start()
    entered.wait(10)
    closing = threading.Thread(target=pump.close)
    closing.start()
    assert not closed
    go.set()
    pulling.join(10)
    closing.join(10)
    assert closed == [1]
