"""A web server of a test's own: answers are bytes, and whatever a hostile one would send can be sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


def response(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def says(answers: dict[str, bytes], otherwise: bytes = response(status="404 Not Found")) -> Answer:
    """Fixed bytes by path without its query."""

    async def answer(target: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.get(target.partition("?")[0], otherwise))

    return answer


class Served:
    def __init__(self) -> None:
        self.port = 0
        self.requests: list[str] = []  # method and target
        self.heads: list[str] = []
        self.open = 0


@asynccontextmanager
async def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    served = Served()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.open += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            served.requests.append(f"{method} {target}")
            served.heads.append(head)
            await answer(target, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            served.open -= 1
            writer.close()

    server = await asyncio.start_server(attend, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    async with server:
        yield served
