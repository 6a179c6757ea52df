"""Connections handed to another process: here both ends of the pair live in one."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from leadglass.dimse.command import Field
from leadglass.errors import Refused, Unreachable
from leadglass.net.acceptor import Acceptor
from leadglass.net.attendant import Attendant, Manners
from leadglass.net.handover import NOT_NOW, Colleague, Deputy, Elsewhere, pair
from leadglass.net.requestor import connect, connected

from .conftest import PATIENT, admit_known, echo, request, run
from .test_link import echo_command


class Two:
    """An acceptor that has nobody here, and one deputy."""

    def __init__(self) -> None:
        here, there = pair()
        self.lost = asyncio.Event()
        self.colleague = Colleague(here, self.lost.set)
        self.attendant = Attendant(Manners(deadlines=PATIENT), admit_known, {Field.C_ECHO_RQ: echo})
        self.deputy = Deputy(there, {"dicom": self.attendant})
        self.channel = there
        self.acceptor: Acceptor
        self.port = 0


@asynccontextmanager
async def two(kind=Two, **quota):
    made = kind()
    loop = asyncio.get_running_loop()
    made.serving = loop.create_task(made.deputy.serve())
    made.acceptor = Acceptor(
        Manners(deadlines=PATIENT, **quota), [Elsewhere(lambda: made.colleague, "dicom")]
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made.port = listening.getsockname()[1]
        accepting = loop.create_task(made.acceptor.serve(listening))
        while made.colleague.load == NOT_NOW:
            await asyncio.sleep(0)
        try:
            yield made
        finally:
            accepting.cancel()
            made.colleague.close()
            await asyncio.gather(accepting, made.serving, return_exceptions=True)
            made.channel.close()


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def test_it_is_attended_to_there_and_counted_here():
    async def play():
        async with two() as both:
            async with connected("127.0.0.1", both.port, request()) as link:
                assert (await link.request(1, echo_command(link))).command.status == 0
                assert both.attendant.load == both.acceptor.connections == both.colleague.load == 1
            await until(lambda: both.acceptor.connections == 0)
            assert both.attendant.load == 0
            assert not both.deputy.places

    run(play())


def test_a_stranger_is_rejected_there():
    async def play():
        async with two() as both:
            with pytest.raises(Refused):
                await connect("127.0.0.1", both.port, request("STRANGER"))
            await until(lambda: both.acceptor.connections == 0)

    run(play())


def test_the_one_that_waits_longest_makes_room_also_there():
    async def play():
        async with two(per_address=2) as both, connected("127.0.0.1", both.port, request()) as known:
            reader, writer = await asyncio.open_connection("127.0.0.1", both.port)
            await until(lambda: both.attendant.load == 2)
            async with connected("127.0.0.1", both.port, request()) as late:
                assert (await late.request(1, echo_command(late))).command.status == 0
                assert (await known.request(1, echo_command(known))).command.status == 0
            assert await reader.read() == b""
            writer.close()

    run(play())


def test_when_the_other_process_is_gone_its_places_are_free():
    async def play():
        async with two() as both:
            link = await connect("127.0.0.1", both.port, request())
            both.serving.cancel()
            await asyncio.gather(both.serving, return_exceptions=True)
            both.channel.close()
            await until(both.lost.is_set)
            assert both.acceptor.connections == 0
            assert both.colleague.load == NOT_NOW
            with pytest.raises(Unreachable):
                await link.request(1, echo_command(link))

    run(play())


def test_the_deputy_ends_with_the_pair_and_aborts_what_it_attends_to():
    async def play():
        async with two() as both:
            link = await connect("127.0.0.1", both.port, request())
            both.colleague.close()
            await both.serving
            await link.closed()
            assert isinstance(link.error, Unreachable)

    run(play())


class Small(Two):
    """Of the pair, either side has room for very few messages at a time."""

    def __init__(self) -> None:
        super().__init__()
        for end in (self.colleague._channel, self.channel):
            end.setblocking(False)  # as uvloop makes it
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)


def test_a_burst_is_more_than_the_pair_takes_and_nobody_is_lost():
    async def play():
        async with two(Small) as both:
            links = await asyncio.gather(*(connect("127.0.0.1", both.port, request()) for _ in range(50)))
            for link in links:
                assert (await link.request(1, echo_command(link))).command.status == 0
            assert both.attendant.load == both.acceptor.connections == 50
            for link in links:  # in one iteration of the loop, so that fifty notices are due at once
                link.connection.drop()
            await until(lambda: both.acceptor.connections == 0)
            assert not both.serving.done()
            async with connected("127.0.0.1", both.port, request()) as late:
                assert (await late.request(1, echo_command(late))).command.status == 0

    run(play())


def test_all_who_are_told_to_leave_at_once_do():
    async def play():
        async with two(Small) as both:
            links = [await connect("127.0.0.1", both.port, request()) for _ in range(50)]
            for place in list(both.colleague._places.values()):
                place.leave()
            await until(lambda: both.acceptor.connections == 0)
            for link in links:
                await link.closed()

    run(play())


def test_who_has_no_descriptor_left_gives_the_place_back():
    """The kernel delivers the message without it (MSG_CTRUNC, unix(7))."""

    async def play():
        async with two() as both:
            send = both.colleague._outbox.send
            both.colleague._outbox.send = lambda message, connected=None: send(message)
            _, writer = await asyncio.open_connection("127.0.0.1", both.port)
            await until(lambda: both.colleague._last == 1 and both.acceptor.connections == 0)
            assert both.colleague.load == 0
            writer.close()

    run(play())
