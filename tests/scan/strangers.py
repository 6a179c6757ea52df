"""Those whom a stranger may meet: servers on loopback made by hand, well-behaved and otherwise.

Nothing of ours is used for what is on the wire: `raw_peer` has it written down a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import raw_peer as raw
import uvloop
from raw_peer import AC, DATA, RELEASE_RP, RELEASE_RQ, RJ, RQ, command, fields, item, message, pdu

from leadglass.scan.manner import Bounds, Manner, Option, Patience
from leadglass.scan.observation import Level, Observation
from leadglass.scan.probe_dimse import LADDER, probe_dimse

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
WORKLIST = "1.2.840.10008.5.1.4.31"
PENDING = 0xFF00
BRIEF = Patience(connect=2, answer=1, count=5, host=6, parting=0.05)
QUICK = Patience(connect=10, answer=20, count=60, host=120, parting=0.05)
CALM = Patience(connect=10, answer=20, count=60, host=120)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def manner(
    level: Level = Level.ANSWERS,
    *options: Option,
    patience: Patience = CALM,
    titles: Iterable[str] = (),
    **bounds: int,
) -> Manner:
    return Manner(
        "cert@example.org", level, frozenset(options), tuple(titles), patience, Bounds(**bounds), b"secret"
    )


def run(coroutine: Any) -> Any:
    """Under uvloop, as a survey runs."""
    return uvloop.run(coroutine)


@asynccontextmanager
async def listening(handler: Handler, **more: Any) -> AsyncIterator[int]:
    """The port of a server that does as `handler` does with each connection; then all of them are closed."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(serve, **({"host": "127.0.0.1", "port": 0} | more))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def probe(handler: Handler, how: Manner | None = None, **more: Any) -> list[Observation]:
    """What is seen of a server."""

    async def go() -> list[Observation]:
        async with listening(handler) as port:
            return await probe_dimse("127.0.0.1", port, how or manner(), **({"probes": LADDER} | more))

    seen: list[Observation] = run(go())
    return seen


def one(seen: list[Observation], name: str) -> Observation:
    (found,) = (each for each in seen if each.probe == name)
    return found


def names(seen: list[Observation]) -> list[str]:
    return [each.probe for each in seen]


# --- a server by hand ------------------------------------------------------------------------------------------


async def read_pdu(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind, length = struct.unpack(">BxI", await reader.readexactly(6))
    return kind, await reader.readexactly(length)


def proposed(request: bytes) -> list[tuple[int, str, list[str]]]:
    """Number, abstract syntax and transfer syntaxes of each context in the body of an A-ASSOCIATE-RQ."""
    found = []
    for kind, content in items(request[68:]):
        if kind == 0x20:
            inner = list(items(content[4:]))
            (abstract,) = (value for sub, value in inner if sub == 0x30)
            found.append((content[0], abstract.decode(), [v.decode() for sub, v in inner if sub == 0x40]))
    return found


def items(content: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(content):
        kind, length = struct.unpack_from(">BxH", content, at)
        found.append((kind, content[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


def associate_ac(
    request: bytes, services: Container[str] | None = None, *, user: bytes | None = None
) -> bytes:
    """Every context in its last transfer syntax, if its service is among `services`."""
    contexts = b""
    for number, abstract, transfers in proposed(request):
        takes = services is None or abstract in services
        head = struct.pack(">BxBx", number, 0 if takes else 3)
        contexts += item(0x21, head + item(0x40, transfers[-1].encode()))
    body = request[:68] + item(0x10, raw.APPLICATION_CONTEXT) + contexts
    return pdu(AC, body + (raw.user_information() if user is None else user))


def reject(result: int, source: int, reason: int) -> bytes:
    return pdu(RJ, bytes((0, result, source, reason)))


def response(request: dict[int, bytes], status: int, *, has_data: bool = False, **other: Any) -> bytes:
    """The command set of a response to `request`."""
    kind = int.from_bytes(request[0x0100], "little") | 0x8000
    said = {
        0x0002: request[0x0002],
        0x0100: kind,
        0x0120: request[0x0110],
        0x0800: 1 if has_data else raw.NO_DATA,
        0x0900: status,
    } | {int(number, 16): value for number, value in other.items()}
    return command(*sorted(said.items()))


def element(tag: int, value: bytes) -> bytes:
    """Implicit VR little endian."""
    value += b" " * (len(value) % 2)
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def elements(data: bytes) -> dict[int, bytes]:
    """Of an identifier in implicit VR, top level only."""
    found, at = {}, 0
    while at < len(data):
        group, number, length = struct.unpack_from("<HHI", data, at)
        found[group << 16 | number] = data[at + 8 : at + 8 + length].strip(b" \0")
        at += 8 + length
    return found


UID = element(0x0020000D, b"1.2.840.99999.1")


def uids(number: int, more: bytes = b"") -> list[bytes]:
    """Data sets of so many studies."""
    return [more + element(0x0020000D, b"1.2.840.99999.1.%d" % n) for n in range(number)]


Finding = Callable[[str, dict[int, bytes]], Iterable[tuple[int, bytes | None]]]


def nothing(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
    return [(0, None)]


def on_the_day(keys: dict[int, bytes], day: bytes = b"20240506") -> bool:
    """Whether studies of that day match, at noon."""
    asked, time = keys.get(0x00080020, b""), keys.get(0x00080030, b"")
    first, dash, last = asked.partition(b"-")
    begin, _, end = time.partition(b"-")
    in_days = not asked or (first <= day <= last if dash else day == first)
    return in_days and (not time or begin <= b"120000" <= end)


def matches(*data: bytes) -> Finding:
    """Studies, as responses, all of one day."""

    def find(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
        found = data if model != WORKLIST and on_the_day(keys) else ()
        return [*((PENDING, each) for each in found), (0, None)]

    return find


@dataclass
class Host:
    """An acceptor. `called`, `calling`: the titles it knows, None for any; `services` likewise. What it was
    sent stays in `heard`, who asked in `titles`, what was asked in `asked`."""

    find: Finding = nothing
    called: Container[str] | None = None
    calling: Container[str] | None = None
    services: Container[str] | None = None
    echo_status: int = 0
    heard: list[int] = field(default_factory=list)
    titles: list[tuple[str, str]] = field(default_factory=list)
    asked: list[dict[int, bytes]] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    cancelled: int = 0
    released: int = 0
    aborted: int = 0
    open: int = 0
    most_open: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await _Guest(self, reader, writer).serve()
        finally:
            self.open -= 1

    def turns_down(self, request: bytes) -> bytes | None:
        titles = request[4:20].decode().strip(), request[20:36].decode().strip()
        self.titles.append(titles)
        if self.calling is not None and titles[1] not in self.calling:
            return reject(1, 1, 3)
        if self.called is not None and titles[0] not in self.called:
            return reject(1, 1, 7)
        return None


class _Guest:
    """One connection to a host."""

    def __init__(self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.host, self.reader, self.writer = host, reader, writer
        self.finding: asyncio.Task[None] | None = None
        self.cancelled = False
        self.request: dict[int, bytes] = {}

    async def serve(self) -> None:
        while True:
            kind, body = await read_pdu(self.reader)
            self.host.heard.append(kind)
            if kind == RQ:
                refusal = self.host.turns_down(body)
                self.writer.write(refusal or associate_ac(body, self.host.services))
                if refusal:
                    return await self.closed()
                self.services = {number: abstract for number, abstract, _ in proposed(body)}
            elif kind == DATA:
                self.data(body)
            elif kind == RELEASE_RQ:
                self.host.released += 1
                self.writer.write(pdu(RELEASE_RP, bytes(4)))
                return await self.closed()
            else:
                self.host.aborted += 1
                if self.finding is not None:
                    self.finding.cancel()
                return None

    async def closed(self) -> None:
        await self.writer.drain()
        await self.reader.read()

    def data(self, body: bytes) -> None:
        at = 0
        while at < len(body):
            length, number, control = struct.unpack_from(">IBB", body, at)
            value = body[at + 6 : at + 4 + length]
            at += 4 + length
            if control & 1:
                self.command(number, fields(value))
            else:
                self.host.asked.append(elements(value))
                self.host.models.append(self.services[number])
                find = self.find(number, self.request, self.services[number], elements(value))
                self.finding = asyncio.get_running_loop().create_task(find)

    def command(self, number: int, request: dict[int, bytes]) -> None:
        kind = int.from_bytes(request[0x0100], "little")
        if kind == raw.C_ECHO_RQ:
            self.writer.write(message(number, response(request, self.host.echo_status)))
        elif kind == raw.C_CANCEL_RQ:
            self.host.cancelled += 1
            self.cancelled = True
        else:
            assert kind == 0x0020, f"a stranger asked for {kind:04x}"
            self.request, self.cancelled = request, False

    async def find(self, number: int, request: dict[int, bytes], model: str, keys: dict[int, bytes]) -> None:
        with contextlib.suppress(OSError):
            for n, (status, data) in enumerate(self.host.find(model, keys)):
                if self.cancelled and status == PENDING:
                    self.writer.write(message(number, response(request, 0xFE00)))
                    return
                self.writer.write(message(number, response(request, status, has_data=data is not None), data))
                if n % 100 == 0:
                    await self.writer.drain()
                    await asyncio.sleep(0)
