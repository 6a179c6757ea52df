"""Hosts that mean no good: whatever they do has a bounded cost, an outcome and a word for it, and no exception."""

from __future__ import annotations

import asyncio
import gc
import os
import struct
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import raw_peer as raw
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_peer import ABORT, AC, DATA, RELEASE_RP, RELEASE_RQ, RJ, RQ, fields, item, message, pdu, pdv
from strangers import (
    BRIEF,
    PENDING,
    QUICK,
    UID,
    associate_ac,
    listening,
    manner,
    one,
    probe,
    read_pdu,
    reject,
    response,
    run,
)

from leadglass.scan.dial import dial
from leadglass.scan.ending import Over
from leadglass.scan.observation import Level, Observation, Outcome
from leadglass.scan.probe_dimse import probe_dimse
from leadglass.scan.talk import GULP, MOST_DISCARDED, Talk

PATIENT = b"NOBODY^PLANTED"
FOUR_GB = 0xFFFFFFF0


class Script:
    """Answers what it is sent, one after the other, with `lines` (made of the PDU's body, where they are
    functions); then it stays silent, or closes, or resets."""

    def __init__(self, *lines: bytes | Callable[[bytes], bytes], end: str = "silent") -> None:
        self.lines, self.end = lines, end

    async def __call__(self, reader: Any, writer: Any) -> None:
        for line in self.lines:
            _, body = await read_pdu(reader)
            writer.write(line(body) if callable(line) else line)
        await writer.drain()
        if self.end == "silent":
            await reader.read()
        elif self.end == "reset":
            reset(writer)


def reset(writer: Any) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: a RST instead of a FIN


def accept(body: bytes) -> bytes:
    return associate_ac(body)


def to_request(status: int = 0, **other: Any) -> Callable[[bytes], bytes]:
    """A response to the request in that PDU."""

    def answer(body: bytes) -> bytes:
        length, number, _ = struct.unpack_from(">IBB", body)
        return message(number, response(fields(body[6 : 4 + length]), status, **other))

    return answer


def altered(**elements: int | bytes) -> Callable[[bytes], bytes]:
    return to_request(**{f"{int(number[1:], 16):x}": value for number, value in elements.items()})


def many(answer: Callable[[bytes], bytes], times: int) -> Callable[[bytes], bytes]:
    return lambda body: answer(body) * times


def with_bad(part: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """An A-ASSOCIATE-AC whose context items are `part` of the request's."""
    return lambda body: pdu(
        AC, body[:68] + item(0x10, raw.APPLICATION_CONTEXT) + part(body) + raw.user_information()
    )


SYNTAX = item(0x40, raw.IMPLICIT.encode())
BAD_ANSWERS: dict[str, tuple[Any, str]] = {
    "an A-ASSOCIATE-AC of 4 GB": (pdu(AC, length=FOUR_GB), "pdu-length"),
    "an A-ASSOCIATE-AC of nothing": (pdu(AC), "pdu-length"),
    "an A-ASSOCIATE-AC longer than we take": (pdu(AC, length=(64 << 10) + 1), "pdu-length"),
    "an A-ASSOCIATE-RJ of 4 GB": (pdu(RJ, length=FOUR_GB), "pdu-length"),
    "a rejection of no known kind": (reject(9, 9, 9), "reject"),
    "an A-ABORT of 4 GB": (pdu(ABORT, length=FOUR_GB), "pdu-length"),
    "data before the answer": (message(1, raw.echo_rq()), "unexpected-pdu"),
    "data of 4 GB": (pdu(DATA, length=FOUR_GB), "pdu-length"),
    "a release response to nothing": (pdu(RELEASE_RP, bytes(4)), "unexpected-pdu"),
    "a request for an association": (raw.associate_rq(), "unexpected-pdu"),
    "a context that nobody proposed": (
        with_bad(lambda _: item(0x21, b"\x63\0\0\0" + SYNTAX)), "context",
    ),
    "a transfer syntax that nobody proposed": (
        with_bad(lambda _: item(0x21, b"\1\0\0\0" + item(0x40, b"1.2.3"))), "context",
    ),
    "an even context": (with_bad(lambda _: item(0x21, b"\2\0\0\0" + SYNTAX)), "context-id"),
    "a context twice": (with_bad(lambda _: item(0x21, b"\1\0\0\0" + SYNTAX) * 2), "context-id"),
    "a thousand contexts": (with_bad(lambda _: item(0x21, b"\1\0\0\0" + SYNTAX) * 1000), "contexts"),
    "a result that does not exist": (with_bad(lambda _: item(0x21, b"\1\0\x4d\0" + SYNTAX)), "context-result"),
    "an item that overruns": (with_bad(lambda _: item(0x21, b"\1\0\0\0", 60_000)), "item-length"),
    "PDUs of one byte, at the most": (
        lambda body: associate_ac(body, user=raw.user_information(maximum=1)), "maximum-length",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_what_breaks_the_rules_instead_of_an_answer(name: str) -> None:
    answer, fault = BAD_ANSWERS[name]
    seen = probe(Script(answer), manner(Level.ASSOCIATES, patience=QUICK))
    assert (seen[-1].outcome, seen[-1].said["fault"]) == (Outcome.MISBEHAVES, fault)
    assert len(seen) == 1


def test_an_answer_is_one_even_if_another_follows() -> None:
    seen = probe(
        Script(lambda body: associate_ac(body) * 2), manner(Level.ECHOES), probes={"associate", "echo"}
    )
    assert [each.outcome for each in seen] == [Outcome.ACCEPTED, Outcome.MISBEHAVES]
    assert seen[1].said["fault"] == "unexpected-pdu"


BAD_ECHOES: dict[str, tuple[Any, str]] = {
    "a response to another message": (altered(_0120=77), "message-id"),
    "a response of another kind": (altered(_0100=0x8020), "response"),
    "a request": (altered(_0100=0x0030, _0110=9), "unasked"),
    "a pending response": (to_request(PENDING), "no-identifier"),
    "two responses": (many(to_request(), 2), "unasked"),
    "a command of another context": (
        lambda body: message(99, response(fields(body[6:]), 0)), "context",
    ),
    "a command on a context that was turned down": (
        lambda body: message(3, response(fields(body[6:]), 0)), "context",
    ),
    "a command that is rubbish": (message(1, b"\xff" * 100), "command-element"),
    "a command that does not end": (
        pdu(DATA, pdv(1, b"\0" * 3000, is_command=True, last=False)) * 2, "command-length",
    ),
    "a data set out of nowhere": (pdu(DATA, pdv(1, PATIENT, is_command=False)), "message-order"),
    "empty fragments without end": (
        pdu(DATA, pdv(1, b"", is_command=True, last=False) * 200), "empty-fragments",
    ),
    "a PDV of no length": (pdu(DATA, pdv(1, b"", is_command=True, length=0)), "pdv-length"),
    "a PDV longer than its PDU": (pdu(DATA, pdv(1, b"", is_command=True, length=FOUR_GB)), "pdv-length"),
    "a PDU longer than we take": (pdu(DATA, length=(256 << 10) + 1), "pdu-length"),
    "an association once more": (raw.associate_rq(), "unexpected-pdu"),
    "an image, unasked": (
        message(1, raw.store_rq("1.2.3.9"), PATIENT), "unasked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ECHOES)
def test_what_breaks_the_rules_instead_of_an_echo(name: str) -> None:
    answer, fault = BAD_ECHOES[name]
    seen = probe(Script(accept, answer), manner(Level.ECHOES, patience=QUICK), probes={"associate", "echo"})
    echo = one(seen, "echo")
    if name == "two responses":  # the first is the answer
        assert echo.outcome is Outcome.ANSWERED
    else:
        assert (echo.outcome, echo.said["fault"]) == (Outcome.MISBEHAVES, fault)


NO_FAULTS_OF_A_QUERY = {
    "two responses", "a command on a context that was turned down", "a response of another kind",
}  # fmt: skip


def query_script(*after: bytes | Callable[[bytes], bytes], **how: Any) -> Any:
    """Plays its part on the association that is for queries; on the first it echoes and lets go."""

    async def serve(reader: Any, writer: Any) -> None:
        _, body = await read_pdu(reader)
        writer.write(associate_ac(body))
        if raw.VERIFICATION.encode() in body:
            await Script(to_request(), pdu(RELEASE_RP, bytes(4)))(reader, writer)
        else:
            request = await read_pdu(reader)
            await read_pdu(reader)  # the identifier
            for line in after:
                writer.write(line(request[1]) if callable(line) else line)
            await writer.drain()
            await Script(**how)(reader, writer)

    return serve


def data_set(*pieces: bytes) -> Callable[[bytes], bytes]:
    """A pending response to the C-FIND on its context, and pieces of its data set."""

    def answer(body: bytes) -> bytes:
        (number,) = struct.unpack_from(">4xB", body)
        return to_request(PENDING, has_data=True)(body) + b"".join(
            pdu(DATA, pdv(number, piece, is_command=False, last=False)) for piece in pieces
        )

    return answer


@pytest.mark.parametrize("name", sorted(set(BAD_ECHOES) - NO_FAULTS_OF_A_QUERY))
def test_what_breaks_the_rules_instead_of_an_answer_to_a_query(name: str) -> None:
    answer, _ = BAD_ECHOES[name]
    seen = probe(query_script(answer), manner(Level.ANSWERS, patience=QUICK))
    found = one(seen, "find-none")
    assert found.outcome in {Outcome.MISBEHAVES, Outcome.STOPPED}
    assert "fault" in found.said or found.said["cause"] == "pending"


# --- time ------------------------------------------------------------------------------------------------------


async def drip(writer: Any, data: bytes) -> None:
    for at in range(len(data)):
        writer.write(data[at : at + 1])
        await asyncio.sleep(0.05)


async def slow_answer(reader: Any, writer: Any) -> None:
    _, body = await read_pdu(reader)
    await drip(writer, associate_ac(body))


async def slow_echo(reader: Any, writer: Any) -> None:
    _, body = await read_pdu(reader)
    writer.write(associate_ac(body))
    _, body = await read_pdu(reader)
    await drip(writer, to_request()(body))


async def takes_nothing(reader: Any, writer: Any) -> None:
    await asyncio.Event().wait()


async def rubbish_by_the_byte(reader: Any, writer: Any) -> None:
    await drip(writer, b"SSH" + b"-" * 99)


PATIENCE: dict[str, tuple[Any, str, Outcome, str | None]] = {
    "an answer by the byte": (slow_answer, "associate", Outcome.MISBEHAVES, "slow"),
    "an echo by the byte": (slow_echo, "echo", Outcome.MISBEHAVES, "slow"),
    "nothing at all": (takes_nothing, "associate", Outcome.MUTE, None),
    "nothing after the association": (Script(accept), "echo", Outcome.MUTE, None),
    "something else by the byte": (rubbish_by_the_byte, "associate", Outcome.FOREIGN, None),
    "a command without its end": (
        Script(accept, pdu(DATA, pdv(1, b"\0\0", is_command=True, last=False))), "echo", Outcome.MISBEHAVES, "slow",
    ),
    "empty values without end, slowly": (
        Script(accept, pdu(DATA, pdv(1, b"", is_command=True, last=False))), "echo", Outcome.MISBEHAVES, "slow",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PATIENCE)
def test_patience_ends(name: str) -> None:
    handler, which, outcome, fault = PATIENCE[name]
    how = manner(Level.ECHOES, patience=BRIEF)
    found = one(probe(handler, how, probes={"associate", "echo"}), which)
    assert (found.outcome, found.said.get("fault")) == (outcome, fault)


def test_a_release_that_is_not_answered_holds_nobody_up() -> None:
    seen = probe(
        Script(accept, to_request()), manner(Level.ECHOES, patience=QUICK), probes={"associate", "echo"}
    )
    assert [each.outcome for each in seen] == [Outcome.ACCEPTED, Outcome.ANSWERED]


# --- leaving ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize(
    ("lines", "which", "fault"),
    [
        ((), "associate", None),
        ((pdu(AC, b"\0\1" * 20, length=200),), "associate", "cut-off?"),
        ((accept,), "echo", None),
        ((accept, pdu(DATA, pdv(1, b"\0\0", is_command=True, last=False))), "echo", "cut-off"),
    ],
)
def test_who_leaves_in_the_middle(lines: tuple[Any, ...], which: str, fault: str | None, end: str) -> None:
    how = manner(Level.ECHOES)
    found = one(probe(Script(*lines, end=end), how, probes={"associate", "echo"}), which)
    assert found.outcome is Outcome.CLOSED
    assert found.said.get("fault") in {None, "reset", "cut-off"}
    assert fault != "cut-off" or end == "reset" or found.said["fault"] == "cut-off"


@pytest.mark.parametrize(
    ("line", "outcome", "said"),
    [
        (pdu(ABORT, b"\0\0\2\1"), Outcome.ABORTED, {"source": 2, "reason": 1}),
        (pdu(ABORT, b"\0\0\0\0"), Outcome.ABORTED, {"source": 0, "reason": 0}),
        (pdu(RELEASE_RQ, bytes(4)), Outcome.CLOSED, {"fault": "released"}),
    ],
)
def test_other_ways_to_end_it(line: bytes, outcome: Outcome, said: dict[str, Any]) -> None:
    echo = one(probe(Script(accept, line), manner(Level.ECHOES), probes={"associate", "echo"}), "echo")
    assert (echo.outcome, dict(echo.said)) == (outcome, said)


GREETINGS = {
    b"SSH-2.0-OpenSSH_9.2p1\r\n": "ssh",
    b"220 mail ESMTP\r\n": "smtp",
    b"\x4a\0\0\0\x0a8.0.36\0": "mysql",
    b"\xff\xfd\x18\xff\xfd\x20\xff\xfd": "telnet",
    b"\0" * 100: "unknown",
    b"\x09\0\0\0\0\4\0\0\0\0": "unknown",
    b"hi": "unknown",
}


@pytest.mark.parametrize("greeting", GREETINGS)
@pytest.mark.parametrize("first", [True, False])
def test_who_speaks_something_else(greeting: bytes, first: bool) -> None:
    async def serve(reader: Any, writer: Any) -> None:
        if not first:
            await read_pdu(reader)
        writer.write(greeting)
        await writer.drain()

    (seen,) = probe(serve, manner())
    assert (seen.outcome, seen.said["looks_like"]) == (Outcome.FOREIGN, GREETINGS[greeting])


# --- what is not kept ------------------------------------------------------------------------------------------


async def flood(reader: Any, writer: Any) -> None:
    """Whatever it is asked, it never stops talking."""
    _, body = await read_pdu(reader)
    writer.write(associate_ac(body))
    block = pdu(DATA, pdv(1, b"\xff" * 16000, is_command=False, last=False)) * 16
    while True:
        writer.write(block)
        await writer.drain()


def test_a_flood_ends_soon_and_is_not_held() -> None:
    tracemalloc.start()
    try:
        seen = probe(flood, manner())
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert {each.outcome for each in seen} <= {Outcome.ACCEPTED, Outcome.MISBEHAVES}
    assert most < 16 * MOST_DISCARDED


def test_whoever_sends_without_a_pause_lets_the_others_have_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between two large readings of one connection the loop has gone round: everybody else was looked at."""
    rounds, read_in = 0, list[int]()

    class Watched(Talk):
        def data_received(self, data: bytes) -> None:
            if len(data) >= GULP:
                read_in.append(rounds)
            super().data_received(data)

    def find(body: bytes) -> bytes:
        (number,) = struct.unpack_from(">4xB", body)
        one_match = to_request(PENDING, has_data=True)(body) + pdu(DATA, pdv(number, UID, is_command=False))
        return one_match * 60_000

    async def go() -> None:
        def next_round() -> None:
            nonlocal rounds
            rounds += 1
            going.append(asyncio.get_running_loop().call_soon(next_round))

        going = list[asyncio.Handle]()
        next_round()
        async with listening(counted(find)) as port:
            await probe_dimse("127.0.0.1", port, manner(Level.COUNTED, responses=60_000))
        going[-1].cancel()

    monkeypatch.setattr("leadglass.scan.dial.Talk", Watched)
    run(go())
    assert len(read_in) > 10
    assert len(set(read_in)) == len(read_in)


@pytest.mark.parametrize("size", [64 << 10, (64 << 10) + 1])
def test_a_data_set_has_a_length_that_ends_it(size: int) -> None:
    piece = b"\0" * 16_000
    pieces = [piece] * (size // len(piece)) + [b"\0" * (size % len(piece))]

    def find(body: bytes) -> bytes:
        (number,) = struct.unpack_from(">4xB", body)
        closing = pdu(DATA, pdv(number, b"", is_command=False)) if size <= 64 << 10 else b""
        return data_set(*pieces)(body) + closing + to_request(0)(body)

    async def serve(reader: Any, writer: Any) -> None:
        await counted(find)(reader, writer)

    found = one(probe(serve, manner(Level.COUNTED)), "count")
    if size <= 64 << 10:
        assert (found.outcome, found.said["studies"]) == (Outcome.ANSWERED, 1)
    else:
        assert (found.outcome, found.said["fault"]) == (Outcome.MISBEHAVES, "data-set")


def counted(find: Callable[[bytes], bytes]) -> Any:
    """Answers queries for dates with nothing, every other query with what `find` makes of it."""

    async def serve(reader: Any, writer: Any) -> None:
        request = b""
        while True:
            kind, body = await read_pdu(reader)
            if kind == RQ:
                writer.write(associate_ac(body, {raw.VERIFICATION, "1.2.840.10008.5.1.4.1.2.2.1"}))
            elif kind == RELEASE_RQ:
                writer.write(pdu(RELEASE_RP, bytes(4)))
            elif kind == DATA and body[5] & 1:
                request = body
                if raw.fields(body[6:])[0x0100] == b"\x30\0":
                    writer.write(to_request()(body))
            elif kind == DATA:
                writer.write(to_request()(request) if b"\x08\0\x20\0" in body else find(request))
            else:
                return

    return serve


def test_pending_responses_without_end_are_bounded() -> None:
    def find(body: bytes) -> bytes:
        (number,) = struct.unpack_from(">4xB", body)
        one_match = to_request(PENDING, has_data=True)(body) + pdu(DATA, pdv(number, UID, is_command=False))
        return one_match * 3000

    how = manner(Level.COUNTED, patience=QUICK, responses=2000)
    found = one(probe(counted(find), how), "count")
    assert (found.outcome, found.said["cause"], found.said["exact"]) == (Outcome.STOPPED, "bounds", False)
    assert found.said["studies"] == 1 and 2000 <= found.said["pending"] <= 3000  # all the same


def test_no_descriptor_and_no_task_is_left_behind() -> None:
    async def go() -> None:
        handlers = [
            Script(pdu(AC, length=FOUR_GB)),
            Script(end="reset"),
            flood,
            Script(accept),
            rubbish_by_the_byte,
        ]
        for handler in handlers:
            async with listening(handler) as port:
                await probe_dimse("127.0.0.1", port, manner(patience=BRIEF))
                gc.collect()
                before = len(os.listdir("/proc/self/fd"))
                for _ in range(5):
                    await probe_dimse("127.0.0.1", port, manner(patience=BRIEF))
                gc.collect()
            assert len(os.listdir("/proc/self/fd")) <= before + 5  # theirs close when they notice
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(go())


# --- machines that make up hosts -------------------------------------------------------------------------------

HEADS = st.builds(
    raw.command,
    st.tuples(st.sampled_from((0x0002, 0x0100, 0x0120, 0x0800)), st.integers(0, 0xFFFF)),
    st.tuples(st.sampled_from((0x0100, 0x0120, 0x0800, 0x0900)), st.binary(max_size=40)),
)
PIECES = st.one_of(
    st.sampled_from([accept, to_request(), to_request(PENDING, has_data=True), data_set(UID)]),
    st.sampled_from([answer for answer, _ in (*BAD_ANSWERS.values(), *BAD_ECHOES.values())]),
    st.just(pdu(RELEASE_RP, bytes(4))),
    st.just(pdu(ABORT, bytes(4))),
    st.builds(lambda head: message(1, head), HEADS),
    st.binary(max_size=60),
    st.builds(pdu, st.integers(0, 9), st.binary(max_size=100), st.none() | st.integers(0, 0xFFFFFFFF)),
)


@given(
    st.lists(st.lists(PIECES, max_size=6), min_size=1, max_size=3),
    st.sampled_from(("silent", "close", "reset")),
)
@settings(max_examples=40)
@pytest.mark.slow
def test_whatever_a_host_says_is_an_outcome(talks: list[list[Any]], end: str) -> None:
    waiting = list(talks)

    async def serve(reader: Any, writer: Any) -> None:
        with_errors = Script(*map(_tolerant, waiting.pop(0) if waiting else ()), end=end)
        await with_errors(reader, writer)

    quick = BRIEF.__class__(connect=2, answer=0.05, count=0.2, host=2, parting=0.02)
    for seen in probe(serve, manner(Level.COUNTED, patience=quick)):
        assert isinstance(seen, Observation)
        assert PATIENT.decode() not in repr(seen)


def _tolerant(line: bytes | Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """What answers a request may have another kind of PDU to answer."""

    def answer(body: bytes) -> bytes:
        try:
            return line(body) if callable(line) else line
        except (struct.error, KeyError, ValueError, IndexError, AssertionError):
            return b""

    return answer


def test_an_address_that_does_not_answer_is_over_before_anything_is_said() -> None:
    async def go() -> Awaitable[Any]:
        with pytest.raises(Over) as over:
            await dial("127.0.0.1", 1, manner(), None)
        return over.value.ending

    assert run(go()).outcome is Outcome.REFUSED
