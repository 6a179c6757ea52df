"""Fuzz the D probes of a scan: whatever a host says, and whenever it leaves, observations come out.

There is no network and no waiting: a host in memory, and a loop whose clock leaps to what is due next. The
first byte of an input chooses how far the scope goes, the second into which pieces what is said is cut; then
come the host's lines, one for each time that it is written to: a byte for the kind (a right answer of some
kind, bytes as they are, an end), a byte for how often, a byte for the length, the bytes.

Besides the contract on exceptions: at the end the connection is closed; no more was asked than C-ECHO, C-FIND
and C-CANCEL; no more time has passed than the manner allows; nothing that the host said in a data set is in
what comes out.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable, Sequence
from selectors import SelectSelector
from typing import Any

import seeded

from leadglass.dimse.command import Command, Field
from leadglass.scan.manner import Bounds, Manner, Option, Patience
from leadglass.scan.observation import Level, Observation
from leadglass.scan.probe_dimse import probe_dimse
from leadglass.scan.talk import Talk
from leadglass.ul.items import UserInformation
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import AssociateRJ, AssociateRQ, ReleaseRP

SECRET = b"NOBODY^PLANTED"
USER = UserInformation(8192, "1.2.3.5", "FUZZ")
SYNTAXES = (("1.2.840.10008.1.2",), ("1.2.840.10008.1.2.1",))
PATIENCE = Patience(connect=3, answer=10, count=60, host=120, parting=1)
BOUNDS = Bounds(responses=500, queries=40, control_pdu=16 << 10, data_pdu=16 << 10, data_set=2 << 10)
MOST_LINES = 400
CHUNKS = (1 << 16, 1, 7, 300)
TOKENS = (
    b"\0\0\0\0", b"\xff\xff\xff\xf0", b"\2\0\0\0\0\xb8", b"\3\0\0\0\0\4\0\1\1\3", b"\4\0\0\0",
    b"\7\0\0\0\0\4", b"\x21\0", b"\x40\0", b"\x51\0\0\4", b"\0\0\0\1", b"\x30\x80", b"\x20\x80", b"\0\xff",
    b"\1\1", b"\x20\0\x08\x12IS\2\0", b"\x20\0\x08\x12\2\0\0\0", b"\x10\0\x20\0", SECRET, b"HTTP/1.1 400\r\n",
)  # fmt: skip


class Leaping(asyncio.SelectorEventLoop):
    """Nothing is waited for: where nothing is to be done, it is later at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.failures: list[BaseException] = []  # in callbacks, where nobody waits for them
        super().__init__(_Selector(self))
        self.set_exception_handler(self._failed)

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(context.get("exception") or RuntimeError(context["message"]))

    def time(self) -> float:
        return self.now


class _Selector(SelectSelector):
    def __init__(self, loop: Leaping) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing will ever happen")
        self._loop.now += max(0.0, timeout)
        return super().select(0)


class Host(asyncio.Transport):
    """The other end, in memory: a transport that answers what is written to it."""

    def __init__(self, talk: Talk, lines: list[tuple[int, int, bytes]], chunk: int, offer: int) -> None:
        super().__init__()
        self.talk, self.lines, self.chunk, self.offer = talk, lines, chunk, offer
        self.is_closed = False
        self.asked: list[Command] = []
        self._waiting = bytearray()
        self._request: AssociateRQ | None = None
        self._context = 1
        self._loop = asyncio.get_running_loop()
        self._saying = False

    def write(self, data: Any) -> None:
        self._waiting += data
        while len(self._waiting) >= 6:
            kind, length = struct.unpack_from(">BxI", self._waiting)
            body = bytes(self._waiting[6 : 6 + length])
            del self._waiting[: 6 + length]
            self._hear(kind, body)
        if not self._saying:
            self._saying = True
            self._loop.call_soon(self._say)

    def _hear(self, kind: int, body: bytes) -> None:
        if kind == 1:
            self._request = AssociateRQ.decode(body)
        elif kind == 4 and body[5] & 1:
            self._context = body[4]
            self.asked.append(Command.decode(body[6:]))

    def _say(self) -> None:
        self._saying = False
        if self.is_closed:
            return
        if not self.lines:
            return  # silent from now on
        kind, times, data = self.lines.pop(0)
        if kind % len(LINES) == 0:
            self._lose(ConnectionResetError() if times % 2 else None)
            return
        said = LINES[kind % len(LINES)](self, data) * (1 + times % 40)
        for at in range(0, len(said), self.chunk):
            if not self.is_closed:
                self.talk.data_received(said[at : at + self.chunk])

    # --- right answers ------------------------------------------------------------------------------------

    def accept(self, data: bytes) -> bytes:
        if self._request is None:
            return data
        service = Service(SYNTAXES[self.offer % 2])
        offer = {c.abstract_syntax: service for c in self._request.contexts if self.offer & 2 or c.id < 9}
        return negotiate(self._request, offer, USER).encode()

    def respond(self, status: int, data: bytes | None) -> bytes:
        if not self.asked or self.asked[-1].field is Field.C_CANCEL_RQ:
            return data or b""
        has_dataset = data is not None and self.asked[-1].field is Field.C_FIND_RQ
        command = self.asked[-1].respond(status, has_dataset=has_dataset)
        out = _data(self._context, 3, command.encode())
        return out + _data(self._context, 2, data or b"") if has_dataset else out

    # --- the transport ------------------------------------------------------------------------------------

    def close(self) -> None:
        self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    def is_closing(self) -> bool:
        return self.is_closed

    def _lose(self, error: Exception | None) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._loop.call_soon(self.talk.connection_lost, error)


def _data(context: int, control: int, data: bytes) -> bytes:
    return struct.pack(">BxIIBB", 4, len(data) + 6, len(data) + 2, context, control) + data


LINES: tuple[Callable[[Host, bytes], bytes], ...] = (
    lambda host, data: b"",  # it leaves
    Host.accept,
    lambda host, data: host.respond(0, None),
    lambda host, data: host.respond(0xFF00, data),
    lambda host, data: host.respond(0xFF00, data) * 3 + host.respond(0, None),
    lambda host, data: host.respond(0xA700, None),
    lambda host, data: host.respond(0xFE00, None),
    lambda host, data: ReleaseRP().encode(),
    lambda host, data: AssociateRJ.CALLING_NOT_RECOGNIZED.encode(),
    lambda host, data: AssociateRJ.CALLED_NOT_RECOGNIZED.encode(),
    lambda host, data: _data(1, 3, data),
    lambda host, data: data,
)


def lines_of(data: bytes) -> list[tuple[int, int, bytes]]:
    found, at = [], 0
    while at + 3 <= len(data) and len(found) < MOST_LINES:
        kind, times, length = data[at : at + 3]
        found.append((kind, times, data[at + 3 : at + 3 + length]))
        at += 3 + length
    return found


def one_input(data: bytes) -> None:
    if len(data) < 2:
        return
    loop = Leaping()
    try:
        hosts, seen = loop.run_until_complete(probe(data))
    finally:
        loop.close()
    if loop.failures:
        raise loop.failures[0]
    assert all(host.is_closed for host in hosts)
    asked = {command.field for host in hosts for command in host.asked}
    assert asked <= {Field.C_ECHO_RQ, Field.C_FIND_RQ, Field.C_CANCEL_RQ}
    assert loop.now <= PATIENCE.host + PATIENCE.parting * 60
    assert len(seen) <= 20 and all(Observation.from_json(each.to_json()) == each for each in seen)
    assert SECRET.decode() not in repr(seen)


async def probe(data: bytes) -> tuple[list[Host], list[Observation]]:
    options = frozenset(option for n, option in enumerate(Option) if data[0] >> 2 >> n & 1)
    manner = Manner("", Level(1 + data[0] % 4), options, ("A", "B"), PATIENCE, BOUNDS, b"secret")
    lines, hosts = lines_of(data[2:]), []

    async def dial(address: str, port: int, how: Manner, tls: Any) -> Talk:
        talk = Talk(how)
        hosts.append(Host(talk, lines, CHUNKS[data[1] % len(CHUNKS)], data[1] // len(CHUNKS)))
        talk.connection_made(hosts[-1])
        return talk

    seen = await probe_dimse("127.0.0.1", 104, manner, dial=dial)
    await asyncio.sleep(0)
    return hosts, seen


# --- inputs ------------------------------------------------------------------------------------------------


def line(kind: int, data: bytes = b"", times: int = 0) -> bytes:
    return bytes((kind, times, len(data))) + data


def corpus() -> list[bytes]:
    """Conversations that go well, as far as each scope goes, and some others."""
    study = b"\x20\0\x0d\0\4\0\0\0001.2\0\x10\0\x10\0\x0e\0\0\0" + SECRET
    echo = line(1) + line(2) + line(7)
    nothing = line(1) + line(2) * 2
    talks = [
        echo + nothing + line(7),
        echo + line(1) + line(3, study) + line(1) + line(2) + line(4, study) + line(7),
        echo + nothing + line(4, study) + line(2) * 3 + line(4, study) * 3 + line(7),
        echo + nothing + line(3, study, 39) * 12 + line(6) + line(2) * 4,
        echo + nothing + line(5) * 9 + line(2) * 9,
        line(8) * 3 + echo + nothing,
        line(9) * 2 + echo + nothing + line(4, study),
        line(11, b"HTTP/1.1 400 Bad Request\r\n"),
        line(11, b"SSH-2.0-x\r\n"),
        line(0),
    ]
    heads = [
        bytes((level | options << 2, chunk))
        for level in range(4)
        for options in (0, 31)
        for chunk in (2, 13, 10)
    ]
    return [head + talk for head in heads for talk in talks]


def mutate(chance: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """As everywhere; whole lines are put in besides."""
    out = bytearray(seeded.mutate(chance, data, tokens))
    for _ in range(chance.randint(0, 2)):
        at = chance.randrange(len(out) + 1)
        token = chance.choice(tokens)
        of_any_kind = line(chance.randrange(len(LINES)), token, chance.randrange(3))
        out[at:at] = chance.choice((of_any_kind, line(11, token + bytes(chance.randrange(9)))))
    return bytes(out)


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS, mutate)
