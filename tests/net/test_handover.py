"""Connections handed to another process: here both ends of the pair live in one."""

from __future__ import annotations

import asyncio
import contextlib
import json
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
async def two(**quota):
    made = Two()
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


def test_what_came_without_a_descriptor_gives_its_place_back():
    """A process that has none left is handed nothing, and must not be thought to have taken it."""

    async def play():
        here, there = pair()
        attendant = Attendant(Manners(deadlines=PATIENT), admit_known, {})
        deputy = Deputy(there, {"dicom": attendant})
        serving = asyncio.get_running_loop().create_task(deputy.serve())
        loop, said = asyncio.get_running_loop(), []
        here.setblocking(False)
        order = {"attend": 7, "listener": "dicom", "address": "192.0.2.1"}
        await loop.sock_sendall(here, json.dumps(order).encode())
        async with asyncio.timeout(5):
            while {"left": 7} not in said:
                said.append(json.loads(await loop.sock_recv(here, 4096)))
        assert (deputy.places, attendant.load) == ({}, 0)
        here.close()
        await serving
        there.close()

    run(play())


def test_who_is_to_leave_is_told_again_when_the_other_process_did_not_listen():
    async def play():
        async with two(per_address=1) as both:
            reader, writer = await asyncio.open_connection("127.0.0.1", both.port)
            await until(lambda: both.attendant.load == 1)
            asyncio.get_running_loop().remove_reader(both.channel.fileno())  # it hears nothing
            with contextlib.suppress(BlockingIOError):
                while True:
                    both.colleague._channel.send(b'{"leave": 0}', socket.MSG_DONTWAIT)
            (place,) = both.colleague._places.values()
            place.leave()
            asyncio.get_running_loop().add_reader(both.channel.fileno(), both.deputy._orders)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            await until(lambda: both.attendant.load == 0)
            writer.close()

    run(play())
