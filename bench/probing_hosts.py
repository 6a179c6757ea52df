"""Hosts for `probing.py`: one process, an acceptor on each of many addresses of 127.9.0.0/16, all of them open.

    python probing_hosts.py NUMBER PORT MATCHES

They accept whatever is proposed, answer C-ECHO, and have MATCHES studies of one day, each response with a UID of
its own. As little is done for a response as can be, so that it is not they who are measured.
"""

from __future__ import annotations

import asyncio
import signal
import struct
import sys

import uvloop

from leadglass.dimse.command import Command, Field
from leadglass.dimse.status import PENDING, SUCCESS
from leadglass.ul.items import UserInformation
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import Abort, AssociateRQ, Kind, ReleaseRP

USER = UserInformation(16384, "1.2.3.4.5", "BENCH_HOST")
IMPLICIT = Service(("1.2.840.10008.1.2",))
DAY = b"20240506"
BLOCK = 500  # responses in one write
ANSWERS: dict[bytes, bytes] = {}  # by the proposal, which is the same each time


def address(number: int) -> str:
    return f"127.9.{number >> 8}.{number & 255}"


def accept(body: bytes) -> bytes:
    if body[68:] not in ANSWERS:
        request = AssociateRQ.decode(body)
        offer = {context.abstract_syntax: IMPLICIT for context in request.contexts}
        ANSWERS[body[68:]] = negotiate(request, offer, USER).encode()
    return ANSWERS[body[68:]]


def p_data(context: int, control: int, data: bytes) -> bytes:
    return struct.pack(">BxIIBB", Kind.P_DATA_TF, len(data) + 6, len(data) + 2, context, control) + data


def holds_the_day(identifier: bytes) -> bool:
    """Whether the StudyDate key, if there is one, is a range or a day that has it; it comes first."""
    if not identifier.startswith(b"\x08\0\x20\0"):
        return True
    length = struct.unpack_from("<I", identifier, 4)[0]
    first, dash, last = identifier[8 : 8 + length].strip().partition(b"-")
    return first <= DAY <= last if dash else first == DAY


class Acceptor(asyncio.Protocol):
    matches = 0

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.transport: asyncio.Transport
        self.responses = iter(())
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.go_on()

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while len(self.waiting) >= 6:
            kind, length = struct.unpack_from(">BxI", self.waiting)
            if len(self.waiting) < 6 + length:
                return
            body = bytes(self.waiting[6 : 6 + length])
            del self.waiting[: 6 + length]
            self.pdu(kind, body)

    def pdu(self, kind: int, body: bytes) -> None:
        if kind == Kind.ASSOCIATE_RQ:
            self.transport.write(accept(body))
        elif kind == Kind.RELEASE_RQ:
            self.transport.write(ReleaseRP().encode())
        elif kind == Kind.P_DATA_TF:
            self.message(body[4], body[5], body[6:])
        else:
            self.transport.close()

    def message(self, context: int, control: int, data: bytes) -> None:
        if not control & 1:
            self.responses = self.find(context, data)
            self.go_on()
            return
        self.command = Command.decode(data)
        if self.command.field is Field.C_ECHO_RQ:
            self.transport.write(p_data(context, 3, self.command.respond(SUCCESS).encode()))
        elif self.command.field is Field.C_CANCEL_RQ:
            self.responses = iter(())
            self.transport.write(Abort().encode())

    def find(self, context: int, identifier: bytes):
        pending = p_data(context, 3, self.command.respond(PENDING, has_dataset=True).encode())
        head = pending + struct.pack(">BxIIBB", Kind.P_DATA_TF, 38, 34, context, 2)
        head += struct.pack("<HHI", 0x0020, 0x000D, 24)
        here = holds_the_day(identifier) and b"\x40\0\x00\x01" not in identifier
        for first in range(0, self.matches if here else 0, BLOCK):
            last = min(first + BLOCK, self.matches)
            yield b"".join([head + b"1.2.840.99999.2.%08d" % n for n in range(first, last)])
        yield p_data(context, 3, self.command.respond(SUCCESS).encode())

    def go_on(self) -> None:
        while not self.paused and (block := next(self.responses, None)) is not None:
            self.transport.write(block)


async def main(number: int, port: int, matches: int) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    Acceptor.matches = matches
    for n in range(number):
        await loop.create_server(Acceptor, address(n), port, backlog=64)
    print("listening", flush=True)
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:4])))
