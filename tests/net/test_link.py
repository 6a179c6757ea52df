"""Both ends of an association over loopback."""

from __future__ import annotations

import asyncio
import os

import pytest
import structlog

from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import Command, Field
from leadglass.errors import BrokenInvariant, LimitExceeded, ProtocolViolation, Refused, Unreachable
from leadglass.net.requestor import connect, connected

from .conftest import CT, Kept, echo, listening, request, run


def echo_command(link) -> Command:
    return Command(
        Field.C_ECHO_RQ, message_id=link.next_message_id(), affected_sop_class_uid=uids.VERIFICATION
    )


def store_command(link, uid="1.2.3") -> Command:
    return Command(
        Field.C_STORE_RQ,
        message_id=link.next_message_id(),
        affected_sop_class_uid=CT,
        affected_sop_instance_uid=uid,
        priority=0,
        has_dataset=True,
    )


def test_echo_and_release():
    async def play():
        async with listening() as acceptor:
            async with connected("127.0.0.1", acceptor.port, request()) as link:
                for _ in range(3):
                    answer = await link.request(1, echo_command(link))
                    assert answer.command.status == 0
            assert link.error.code == "released"
            while acceptor.connections:
                await asyncio.sleep(0)

    run(play())


@pytest.mark.parametrize("size", [0, 1, 2, 0xFFF9, 0xFFFA, 0xFFFB, 1_000_001])
@pytest.mark.parametrize("maximum_length", [1 << 16, 4096, 0])
def test_a_data_set_arrives_as_it_was_sent(size, maximum_length):
    async def play():
        kept = Kept()
        data = os.urandom(size)
        async with listening({Field.C_STORE_RQ: kept}) as acceptor:
            async with connected("127.0.0.1", acceptor.port, request("KNOWN", maximum_length)) as link:
                assert (await link.request(3, store_command(link), data)).command.status == 0
                chunks = [data[at : at + 10_000] for at in range(0, size, 10_000)]
                assert (await link.request(3, store_command(link), chunks)).command.status == 0
        assert kept.objects == [data, data]

    run(play())


def test_a_slow_handler_holds_the_sender_back():
    """What waits for the handler is bounded, whatever the sender would like."""
    waiting = []

    async def slow(link, message):
        while chunks := await message.data.batch():
            waiting.append(sum(map(len, chunks)))
            await asyncio.sleep(0.005)
        await link.send(message.context.id, message.command.respond(0))

    async def play():
        async with listening({Field.C_STORE_RQ: slow}) as acceptor:
            async with connected("127.0.0.1", acceptor.port, request()) as link:
                await link.request(3, store_command(link), bytes(8 << 20))
        assert sum(waiting) == 8 << 20
        assert max(waiting) <= (512 << 10) + (512 << 10)

    run(play())


def test_a_stranger_is_told_why():
    async def play():
        async with listening() as acceptor:
            with pytest.raises(Refused, match="calling AE title"):
                await connect("127.0.0.1", acceptor.port, request("STRANGER"))
            while acceptor.connections:
                await asyncio.sleep(0)

    run(play())


def test_nobody_there():
    async def play():
        async with listening() as acceptor:
            port = acceptor.port
        with pytest.raises(Unreachable):
            await connect("127.0.0.1", port, request())

    run(play())


def test_an_operation_nobody_performs_is_answered():
    async def play():
        async with listening() as acceptor, connected("127.0.0.1", acceptor.port, request()) as link:
            assert (await link.request(3, store_command(link), b"data")).command.status == 0x0211
            assert (await link.request(1, echo_command(link))).command.status == 0

    run(play())


@pytest.mark.parametrize("bug", [ZeroDivisionError, BrokenInvariant, OSError, TimeoutError])
def test_a_handler_that_fails_ends_its_association_and_no_other(bug):
    """By an A-ABORT, and said as what it is: not as if the peer had done it."""

    async def broken(link, message):
        raise bug("of ours")

    async def play():
        async with listening({Field.C_STORE_RQ: broken, Field.C_ECHO_RQ: echo}) as acceptor:
            async with connected("127.0.0.1", acceptor.port, request()) as other:
                link = await connect("127.0.0.1", acceptor.port, request())
                with pytest.raises(Unreachable, match="aborted"):
                    await link.request(3, store_command(link), b"data")
                assert (await other.request(1, echo_command(other))).command.status == 0

    with structlog.testing.capture_logs() as lines:
        run(play())
    [line] = [line for line in lines if line["event"] == "association failed"]
    assert line["log_level"] == "error"


def test_responses_until_the_final_one_and_a_cancel():
    async def endless(link, message):
        while not link.is_cancelled(message.command.message_id):
            await link.send(message.context.id, message.command.respond(0xFF00))
            await asyncio.sleep(0)
        await link.send(message.context.id, message.command.respond(0xFE00))

    async def play():
        # C-FIND is stood in for by C-ECHO's context: the link does not care
        async with listening({Field.C_FIND_RQ: endless}) as acceptor:
            async with connected("127.0.0.1", acceptor.port, request()) as link:
                command = Command(
                    Field.C_FIND_RQ,
                    message_id=link.next_message_id(),
                    affected_sop_class_uid=uids.VERIFICATION,
                    priority=0,
                    has_dataset=True,
                )
                statuses = []
                async for message in link.responses(1, command, b"identifier"):
                    statuses.append(message.command.status)
                    if len(statuses) == 5:
                        await link.send(1, Command(Field.C_CANCEL_RQ, responding_to=command.message_id))
                assert statuses[:5] == [0xFF00] * 5
                assert statuses[-1] == 0xFE00

    run(play())


def test_the_acceptor_asks_on_the_same_association():
    """As C-GET does: its handler sends and waits for the answer."""
    kept = Kept()

    async def get(link, message):
        answer = await link.request(3, store_command(link), b"object" * 1000)
        await link.send(message.context.id, message.command.respond(answer.command.status))

    async def serve(link):
        while (message := await link.next_request()) is not None:
            with link.handling(message):
                await kept(link, message)

    async def play():
        async with listening({Field.C_ECHO_RQ: get}) as acceptor:
            async with connected("127.0.0.1", acceptor.port, request()) as link:
                serving = asyncio.get_running_loop().create_task(serve(link))
                assert (await link.request(1, echo_command(link))).command.status == 0
                serving.cancel()
        assert kept.objects == [b"object" * 1000]

    run(play())


def test_a_data_set_longer_than_one_may_be():
    async def small(link, message):
        try:
            await message.data.read(1000)
        except LimitExceeded:
            await message.data.drain()
            await link.send(message.context.id, message.command.respond(0xC000))

    async def play():
        async with listening({Field.C_STORE_RQ: small}) as acceptor:
            async with connected("127.0.0.1", acceptor.port, request()) as link:
                assert (await link.request(3, store_command(link), bytes(100_000))).command.status == 0xC000

    run(play())


def test_a_response_nobody_asked_for_ends_the_association():
    async def unasked(link, message):
        await link.send(message.context.id, message.command.respond(0))
        await link.send(message.context.id, message.command.respond(0))

    async def play():
        async with listening({Field.C_ECHO_RQ: unasked}) as acceptor:
            link = await connect("127.0.0.1", acceptor.port, request())
            await link.request(1, echo_command(link))
            await link.closed()
            assert isinstance(link.error, ProtocolViolation)

    run(play())
