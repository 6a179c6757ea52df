"""The other end of an association, made by hand so that it can also be made wrongly: bytes and blocking sockets.

Nothing of ours is used: what a test expects on the wire is written down here a second time.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

PATIENCE = 20  # seconds of real time; only something that hangs ever takes them
CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
RQ, AC, RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
C_STORE_RQ, C_GET_RQ, C_ECHO_RQ, C_CANCEL_RQ = 0x0001, 0x0010, 0x0030, 0x0FFF
NO_DATA = 0x0101
Contexts = Sequence[tuple[int, str, tuple[str, ...]]]
USUAL: Contexts = ((1, VERIFICATION, (IMPLICIT,)), (3, CT, (EXPLICIT,)))


def item(kind: int, body: bytes, length: int | None = None) -> bytes:
    """With its true length, or with a false one."""
    return struct.pack(">BxH", kind, len(body) if length is None else length) + body


def pdu(kind: int, body: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def context_item(number: int, abstract: str, transfers: Iterable[str]) -> bytes:
    body = struct.pack(">Bxxx", number) + item(0x30, abstract.encode())
    return item(0x20, body + b"".join(item(0x40, each.encode()) for each in transfers))


def user_information(*more: bytes, maximum: int = 16384) -> bytes:
    body = item(0x51, struct.pack(">I", maximum)) + item(0x52, b"1.2.826.0.1.3680043.10.1561.2")
    return item(0x50, body + b"".join(more))


def associate_rq(
    called: bytes = b"LEADGLASS",
    calling: bytes = b"PEER",
    contexts: Contexts = USUAL,
    *,
    user: bytes | None = None,
    before_user: bytes = b"",
    version: int = 1,
    application: bytes = APPLICATION_CONTEXT,
) -> bytes:
    body = struct.pack(">Hxx16s16s32x", version, called.ljust(16), calling.ljust(16))
    body += item(0x10, application)
    body += b"".join(context_item(*each) for each in contexts) + before_user
    return pdu(RQ, body + (user_information() if user is None else user))


def element(number: int, value: bytes | int | str) -> bytes:
    """Of a command set: group 0000, implicit VR little endian (PS3.7 6.3.1)."""
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode() + b"\0" * (len(value) % 2)
    return struct.pack("<HHI", 0, number, len(value)) + value


def command(*elements: tuple[int, bytes | int | str]) -> bytes:
    body = b"".join(element(*each) for each in elements)
    return element(0x0000, struct.pack("<I", len(body))) + body


def echo_rq(message_id: int = 1) -> bytes:
    return command((0x0002, VERIFICATION), (0x0100, C_ECHO_RQ), (0x0110, message_id), (0x0800, NO_DATA))


def store_rq(instance: str, message_id: int = 1, sop_class: str = CT) -> bytes:
    return command(
        (0x0002, sop_class),
        (0x0100, C_STORE_RQ),
        (0x0110, message_id),
        (0x0700, 0),
        (0x0800, 1),
        (0x1000, instance),
    )


def get_rq(message_id: int = 1, sop_class: str = CT) -> bytes:
    return command((0x0002, sop_class), (0x0100, C_GET_RQ), (0x0110, message_id), (0x0700, 0), (0x0800, 1))


def response(field: int, responding_to: int = 1, status: int = 0, data: int = NO_DATA) -> bytes:
    return command((0x0100, field | 0x8000), (0x0120, responding_to), (0x0800, data), (0x0900, status))


def pdv(
    context: int, data: bytes, *, is_command: bool, last: bool = True, length: int | None = None
) -> bytes:
    size = len(data) + 2 if length is None else length
    return struct.pack(">IBB", size, context, is_command | last << 1) + data


def message(context: int, head: bytes, data: bytes | None = None, longest: int = 16384) -> bytes:
    """A whole DIMSE message in P-DATA-TF PDUs of one PDV each."""
    parts = []
    for is_command, content in ((True, head), (False, data)):
        if content is not None:
            for at in range(0, len(content) or 1, longest - 6):
                last = at + longest - 6 >= len(content)
                piece = content[at : at + longest - 6]
                parts.append(pdu(DATA, pdv(context, piece, is_command=is_command, last=last)))
    return b"".join(parts)


def fields(head: bytes) -> dict[int, bytes]:
    """The elements of a command set by their numbers."""
    found, at = {}, 0
    while at < len(head):
        _, number, length = struct.unpack_from("<HHI", head, at)
        found[number] = head[at + 8 : at + 8 + length]
        at += 8 + length
    return found


class Ended(Exception):
    """The other side closed the connection instead of sending what was read for."""


@dataclass(slots=True)
class Peer:
    """One connection. What comes back is read as PDUs; a reset counts as a close."""

    all_of: ClassVar[list[Peer]] = []  # for tests that end with all of them closed
    tls: ClassVar[dict[int, ssl.SSLContext]] = {}  # by port, where it is spoken
    socket: socket.socket
    waiting: bytearray = field(default_factory=bytearray)
    longest: int = 16384

    @classmethod
    def connect(cls, port: int, tls: ssl.SSLContext | None = None) -> Peer:
        made = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = tls or cls.tls.get(port)
        peer = cls(tls.wrap_socket(made, server_hostname="localhost") if tls else made)
        cls.all_of.append(peer)
        return peer

    @classmethod
    def associated(cls, port: int, request: bytes | None = None, tls: ssl.SSLContext | None = None) -> Peer:
        peer = cls.connect(port, tls)
        peer.send(associate_rq() if request is None else request)
        kind, body = peer.read()
        assert kind == AC, f"answered with PDU type {kind}: {body.hex()}"
        at = body.find(b"\x51\x00\x00\x04")
        peer.longest = min(struct.unpack_from(">I", body, at + 4)[0] or 1 << 17, 1 << 17)
        return peer

    def send(self, data: bytes) -> bool:
        """False when the other side has gone already."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def has_heard(self) -> bool:
        """Whether there is something to read, a close included."""
        within = self.socket.pending() if isinstance(self.socket, ssl.SSLSocket) else 0
        return bool(self.waiting or within or select.select([self.socket], [], [], 0)[0])

    def read(self) -> tuple[int, bytes]:
        """The next PDU; Ended when there is none any more. TimeoutError: the other side hangs."""
        head = self._take(6)
        kind, length = struct.unpack(">BxI", head)
        return kind, self._take(length)

    def _take(self, wanted: int) -> bytes:
        while len(self.waiting) < wanted:
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                raise
            except OSError:
                more = b""
            if not more:
                raise Ended
            self.waiting += more
        taken = bytes(self.waiting[:wanted])
        del self.waiting[:wanted]
        return taken

    def end(self) -> int | None:
        """The last PDU's type before the other side closed; None for a close without a word."""
        last = None
        while True:
            try:
                last = self.read()[0]
            except Ended:
                return last

    def response(self) -> dict[int, bytes]:
        """The command set of the next message."""
        head = b""
        while True:
            kind, body = self.read()
            assert kind == DATA, f"PDU type {kind}: {body.hex()}"
            at = 0
            while at < len(body):
                length, _, flags = struct.unpack_from(">IBB", body, at)
                if flags & 1:
                    head += body[at + 6 : at + 4 + length]
                    if flags & 2:
                        return fields(head)
                at += 4 + length

    def status(self) -> int:
        return int.from_bytes(self.response()[0x0900], "little")

    def echo(self, context: int = 1) -> int:
        self.send(message(context, echo_rq()))
        return self.status()

    def store(self, instance: str, data_set: bytes, context: int = 3, message_id: int = 1) -> int:
        self.send(message(context, store_rq(instance, message_id), data_set, self.longest))
        return self.status()

    def release(self) -> None:
        self.send(pdu(RELEASE_RQ, bytes(4)))
        kind, body = self.read()
        assert (kind, body) == (RELEASE_RP, bytes(4))
        self.close()

    def reset(self) -> None:
        """Gone with a RST: nothing said, what was sent may be lost."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.socket.close()


def data_set_of(file: bytes) -> bytes:
    """What lies behind the File Meta Information of a Part 10 file (PS3.10 7.1)."""
    (length,) = struct.unpack_from("<I", file, 140)
    return file[144 + length :]
