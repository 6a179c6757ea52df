"""Peers that would have each side wait for the other: whoever holds reading back must be able to go on."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from leadglass.dimse.command import Command, Field
from leadglass.dimse.message import DimseLimits
from leadglass.errors import ProtocolViolation, Unreachable
from leadglass.net.deadlines import HIGH_WATER
from leadglass.net.requestor import connect, connected

from .conftest import CT, PATIENT, SHORT, Kept, echo, listening, request
from .conftest import run as run_ever
from .test_link import echo_command, store_command

PATIENCE = 30  # seconds of real time; only two that wait for each other ever take them
MUCH = 4 * HIGH_WATER
EVENT = {
    "affected_sop_class_uid": "1.2.840.10008.1.20.1",
    "affected_sop_instance_uid": "1.2.840.10008.1.20.1.1",
    "event_type_id": 1,
    "has_dataset": True,
}


def run(coroutine) -> None:
    run_ever(asyncio.wait_for(coroutine, PATIENCE))


def event_command(link) -> Command:
    return Command(Field.N_EVENT_REPORT_RQ, message_id=link.next_message_id(), **EVENT)


def get_command(link) -> Command:
    return Command(
        Field.C_GET_RQ,
        message_id=link.next_message_id(),
        affected_sop_class_uid="1.2.3",
        priority=0,
        has_dataset=True,
    )


async def all_gone(acceptor) -> None:
    async with asyncio.timeout(10):
        while acceptor.connections:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("when", ["before it is asked", "after it was asked"])
def test_more_operations_at_once_do_not_keep_us_from_hearing_the_answer(when: str) -> None:
    """Our handler waits for an answer, and what is to be read before it is a request nobody can take yet."""
    asking = asyncio.Event()

    async def get(link, message):
        await message.data.drain()
        asking.set()
        if when == "before it is asked":
            while not link.connection.held:
                await asyncio.sleep(0)
        await link.request(3, store_command(link), b"object")

    async def play():
        async with listening({Field.C_STORE_RQ: get}) as acceptor:
            link = await connect("127.0.0.1", acceptor.port, request(), deadlines=PATIENT)
            await link.send(3, store_command(link), b"what is wanted")
            await asking.wait()
            if when == "after it was asked":
                assert (await link.next_request()).command.field is Field.C_STORE_RQ
            with pytest.raises(Unreachable, match="aborted"):
                await link.send(3, store_command(link), bytes(MUCH))
                await link.closed()
                raise link.error
            await all_gone(acceptor)

    run(play())


def test_a_request_that_fits_into_what_may_wait_is_taken_after_the_answer() -> None:
    """A little too much at once harms nobody, so it is let pass."""
    kept, theirs, asking = Kept(), Kept(), asyncio.Event()

    async def get(link, message):
        await message.data.drain()
        asking.set()
        await link.request(3, store_command(link), b"object")
        await link.send(message.context.id, message.command.respond(0))

    async def store(link):
        await asking.wait()
        return await link.request(3, store_command(link), b"at once")

    async def serve(link):
        await theirs(link, await link.next_request())

    async def play():
        async with listening({Field.C_GET_RQ: get, Field.C_STORE_RQ: kept}) as acceptor:
            async with connected("127.0.0.1", acceptor.port, request()) as link:
                answers = await asyncio.gather(
                    link.request(3, get_command(link), b"what is wanted"),
                    store(link),
                    serve(link),
                )
                assert [answer.command.status for answer in answers[:2]] == [0, 0]
        assert (kept.objects, theirs.objects) == ([b"at once"], [b"object"])

    run(play())


def test_an_answer_with_a_data_set_is_let_pass_by_and_the_next_is_heard() -> None:
    async def talkative(link, message):
        await message.data.drain()
        await link.send(message.context.id, message.command.respond(0, has_dataset=True), bytes(MUCH))

    async def play():
        async with listening({Field.N_EVENT_REPORT_RQ: talkative, Field.C_ECHO_RQ: echo}) as acceptor:
            async with connected("127.0.0.1", acceptor.port, request()) as link:
                assert (await link.request(3, event_command(link), b"report")).command.status == 0
                assert (await link.request(1, echo_command(link))).command.status == 0

    run(play())


def test_an_answer_with_a_data_set_that_never_ends_is_the_end() -> None:
    async def talkative(link, message):
        async def ever():
            while True:
                yield bytes(1 << 16)

        await message.data.drain()
        await link.send(message.context.id, message.command.respond(0, has_dataset=True), ever())

    async def play():
        limits = DimseLimits(data_set_bytes=1 << 20)
        async with listening({Field.N_EVENT_REPORT_RQ: talkative}) as acceptor:
            link = await connect("127.0.0.1", acceptor.port, request(), dimse=limits)
            with pytest.raises(ProtocolViolation) as caught:
                await link.request(3, event_command(link), b"report")
            assert caught.value.code == "data-set-length"
            await link.closed()
            await all_gone(acceptor)

    run(play())


def test_a_data_set_longer_than_any_may_be_is_not_let_pass_by_for_ever() -> None:
    async def let_pass(link, message):
        await message.data.drain()
        await link.send(message.context.id, message.command.respond(0xC000))

    async def play():
        limits = DimseLimits(data_set_bytes=1 << 20)
        async with listening({Field.C_STORE_RQ: let_pass}, dimse=limits) as acceptor:
            async with connected("127.0.0.1", acceptor.port, request()) as link:
                for _ in range(2):  # the limit is each data set's own
                    answer = await link.request(3, store_command(link), bytes(1 << 20))
                    assert answer.command.status == 0xC000
            link = await connect("127.0.0.1", acceptor.port, request())
            with pytest.raises(Unreachable):
                await link.request(3, store_command(link), bytes(1 << 25))
            await all_gone(acceptor)

    run(play())


def test_a_release_ends_although_nobody_took_what_came_before() -> None:
    """What holds reading back must not keep the deadline of the release from running."""

    async def talkative(link, message):
        await message.data.drain()
        await link.send(message.context.id, message.command.respond(0xFF00, has_dataset=True), bytes(MUCH))

    async def play():
        async with listening({Field.C_GET_RQ: talkative}, deadlines=PATIENT) as acceptor:
            link = await connect("127.0.0.1", acceptor.port, request(), deadlines=SHORT)
            async with aclosing(link.responses(3, get_command(link), b"what is wanted")) as responses:
                message = await anext(responses)
                while not link.connection.held:
                    await asyncio.sleep(0)
            assert message.data.is_held
            async with asyncio.timeout(10):
                await link.release()
            await all_gone(acceptor)

    run(play())


@pytest.mark.parametrize("wrong", ["kind", "context"])
def test_a_response_that_is_not_to_this_request_is_the_end(wrong: str) -> None:
    async def confused(link, message):
        await message.data.drain()
        answer = message.command.respond(0)
        if wrong == "kind":
            asked = message.command.message_id
            answer = Command(Field.C_ECHO_RQ, message_id=asked, affected_sop_class_uid=CT).respond(0)
        await link.send(message.context.id if wrong == "kind" else 1, answer)

    async def play():
        async with listening({Field.C_STORE_RQ: confused}) as acceptor:
            link = await connect("127.0.0.1", acceptor.port, request())
            with pytest.raises(ProtocolViolation) as caught:
                await link.request(3, store_command(link), b"object")
            assert caught.value.code == "response-kind"
            await link.closed()
            await all_gone(acceptor)

    run(play())


def test_what_goes_on_beside_waits_while_requests_are_taken_and_ends_with_the_association() -> None:
    """Somebody who answers late, and asks for more meanwhile, is heard all the same."""
    kept, told = Kept(), []

    async def act(link, message):
        await link.send(message.context.id, message.command.respond(0))
        link.beside(tell(link))

    async def tell(link):
        try:
            told.append((await link.request(3, event_command(link), b"report")).command.status)
        except Unreachable:
            told.append("gone")

    async def play():
        async with listening({Field.C_ECHO_RQ: act, Field.C_STORE_RQ: kept}) as acceptor:
            async with connected("127.0.0.1", acceptor.port, request()) as link:
                await link.request(1, echo_command(link))
                event = await link.next_request()
                for _ in range(3):
                    assert (await link.request(3, store_command(link), bytes(MUCH))).command.status == 0
                await event.data.drain()
                await link.send(3, event.command.respond(0))
                await link.request(1, echo_command(link))  # its answer comes after ours was heard
                assert told == [0]
            await all_gone(acceptor)
        assert told == [0, "gone"]
        assert [len(each) for each in kept.objects] == [MUCH] * 3

    run(play())
