"""One request, whoever answers: what comes of it, and what it may cost."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from web_server import Answer, response, says, serving

from leadglass.scan.ending import Ending, Over
from leadglass.scan.http import Reply, Request, ask
from leadglass.scan.manner import Bounds, Manner, Patience
from leadglass.scan.observation import Level, Outcome

MANNER = Manner(
    "ops@example.org", Level.ANSWERS, patience=Patience(answer=0.5), bounds=Bounds(head=4096, body=4096)
)

SLOWER = replace(MANNER, patience=Patience(answer=30))


def asked(answer: Answer, manner: Manner = MANNER) -> Reply | Ending:
    async def go() -> Reply | Ending:
        async with serving(answer) as served:
            try:
                return await ask("127.0.0.1", served.port, Request("GET", "/a?b=1"), manner)
            except Over as over:
                return over.ending

    return asyncio.run(go())


def writes(*parts: bytes, then: Callable[[], Awaitable[None]] | None = None) -> Answer:
    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then is not None:
            await then()

    return answer


async def for_ever() -> None:
    await asyncio.Event().wait()


def test_an_answer() -> None:
    reply = asked(says({"/a": response(b"hello", "Server: x", "Server: y", "X-A: \xe4")}))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body, reply.is_whole) == (200, b"hello", True)
    assert (reply.headers["server"], reply.headers["x-a"]) == ("x", "\xe4")


def test_it_says_who_asks_and_wants_no_encoding() -> None:
    async def go() -> str:
        async with serving(says({})) as served:
            await ask("127.0.0.1", served.port, Request("GET", "/"), MANNER)
            return served.heads[0]

    head = asyncio.run(go())
    assert "Leadglass-scan (ops@example.org)" in head
    assert "accept-encoding: identity" in head.lower()


@pytest.mark.parametrize(
    ("parts", "status", "length", "whole"),
    [
        ([response(status="302 Found") .replace(b"\r\n\r\n", b"\r\nLocation: http://192.0.2.1/\r\n\r\n", 1)], 302, 0, True),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000], 200, 4096, False),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\nxx"], 200, 2, False),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"], 200, 5, True),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\nhello"], 200, 5, False),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", response(b"ok")], 200, 2, True),
        ([response(gzip.compress(bytes(100_000)), "Content-Encoding: gzip")], 200, 132, True),
    ],
)  # fmt: skip
def test_bounds_of_an_answer(parts: list[bytes], status: int, length: int, whole: bool) -> None:
    reply = asked(writes(*parts))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.is_whole) == (status, whole)
    assert abs(len(reply.body) - length) <= (40 if b"gzip" in parts[0] else 0)


@pytest.mark.parametrize(
    ("head", "body", "endless"),
    [
        (b"Content-Length: 1073741824\r\n", 1, True),
        (b"Content-Length: 1000000\r\n", 1_000_000, False),
        (b"", 1_000_000, False),
        (b"", 3_000_000, True),
        (b"Transfer-Encoding: chunked\r\n", 0, True),
    ],
)
def test_what_has_no_end(head: bytes, body: int, endless: bool) -> None:
    chunks = (b"10000\r\n" + bytes(0x10000) + b"\r\n") * 32
    reply = asked(writes(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n", bytes(body) or chunks), SLOWER)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.is_whole, reply.is_endless) == (200, False, endless)


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (writes(), Ending(Outcome.CLOSED)),
        (writes(then=for_ever), Ending(Outcome.MUTE)),
        (writes(b"HTTP/1.1 200 OK\r\n", then=for_ever), Ending(Outcome.MISBEHAVES, {"fault": "drip"})),
        (writes(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000), Ending(Outcome.MISBEHAVES, {"fault": "endless"})),
        (writes(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), Ending(Outcome.MISBEHAVES, {"fault": "endless"})),
        (writes(b"HTTP/1.1 xx\r\n\r\n"), Ending(Outcome.MISBEHAVES, {"fault": "http"})),
        (writes(b"SSH-2.0-OpenSSH_9\r\n"), Ending(Outcome.FOREIGN, {"looks_like": "ssh"})),
        (writes(b"\x07\0\0\0\0\x04\0\0\0\0", b"\r\n\r\n"), Ending(Outcome.FOREIGN, {"looks_like": "dicom"})),
        (writes(b"\x15\x03\x01\0\x02\x02\x46\r\n\r\n"), Ending(Outcome.FOREIGN, {"looks_like": "tls"})),
    ],
)  # fmt: skip
def test_what_is_no_answer(answer: Answer, ending: Ending) -> None:
    assert asked(answer) == ending


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", Ending(Outcome.FOREIGN, {"looks_like": "ssh"})),
        (b"HTTP/1.1 xx\r\n\r\n", Ending(Outcome.MISBEHAVES, {"fault": "http"})),
    ],
)
def test_who_says_it_byte_by_byte_says_the_same(said: bytes, ending: Ending) -> None:
    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(said[:1])
        await asyncio.sleep(0.05)  # else the two come as one
        writer.write(said[1:])

    assert asked(answer, SLOWER) == ending


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Over) as caught:
        asyncio.run(ask("127.0.0.1", port, Request("GET", "/"), MANNER))
    assert caught.value.ending == Ending(Outcome.REFUSED)
