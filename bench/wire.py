"""The least of DICOM's upper layer and DIMSE that a measuring client needs: blocking sockets, nothing checked twice.

TCP_NODELAY, and TCP_QUICKACK armed anew after every read: what is measured is the other side, not delayed
acknowledgements of ours.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
C_STORE, C_GET, C_ECHO = 0x0001, 0x0010, 0x0030
RESPONSE = 0x8000
PDV_HEAD = 6
NO_DATA = 0x0101


class Refused(Exception):
    """The other side said no."""


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def associate_rq(called: str, calling: str, contexts: Sequence[tuple[str, str]], role: str = "") -> bytes:
    """Contexts 1, 3, … of one transfer syntax each; `role`: a SOP class for which we are also SCP (C-GET)."""
    body = struct.pack(">Hxx16s16s32x", 1, called.ljust(16).encode(), calling.ljust(16).encode())
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for number, (abstract, transfer) in enumerate(contexts):
        names = item(0x30, abstract.encode()) + item(0x40, transfer.encode())
        body += item(0x20, struct.pack(">Bxxx", 2 * number + 1) + names)
    user = item(0x51, struct.pack(">I", 1 << 20)) + item(0x52, b"1.2.826.0.1.3680043.10.1561.1")
    if role:
        user += item(0x54, struct.pack(">H", len(role)) + role.encode() + b"\1\1")
    body += item(0x50, user)
    return struct.pack(">BxI", 1, len(body)) + body


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


def field(message: bytes | memoryview, number: int) -> bytes:
    """The value of a command's element; b"" if it is not there."""
    at = 0
    while at < len(message):
        _, found, length = struct.unpack_from("<HHI", message, at)
        if found == number:
            return bytes(message[at + 8 : at + 8 + length])
        at += 8 + length
    return b""


def pdus(message: bytes, kind: int, longest: int, context: int = 1) -> bytes:
    """P-DATA-TF of one PDV each; `kind` 1: command, 0: data set (PS3.8 Annex E)."""
    step = longest - PDV_HEAD
    out = []
    for at in range(0, len(message), step):
        piece = message[at : at + step]
        flags = kind | (2 if at + step >= len(message) else 0)
        out += [struct.pack(">BxIIBB", 4, len(piece) + PDV_HEAD, len(piece) + 2, context, flags), piece]
    return b"".join(out)


def connected(port: int, source: str = "") -> socket.socket:
    """To loopback; `source`: another address of loopback to come from."""
    made = socket.create_connection(
        ("127.0.0.1", port), timeout=120, source_address=(source, 0) if source else None
    )
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def tls_context(folder: Path) -> ssl.SSLContext:
    """Of a folder with `ca.pem`, `certificate.pem` and `key.pem`."""
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.check_hostname = False
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


class Association:
    """Established, or `Refused`. `longest` is the PDU length that the other side takes."""

    def __init__(self, plain: socket.socket, request: bytes, tls: ssl.SSLContext | None = None) -> None:
        self.quick = socket.socket(fileno=socket.dup(plain.fileno()))
        self.socket = tls.wrap_socket(plain) if tls else plain
        self.buffer = memoryview(bytearray(1 << 21))
        self.start = self.end = 0
        self.socket.sendall(request)
        kind, body = self.pdu()
        if kind != 2:
            raise Refused(f"PDU type {kind}: {body.hex()}")
        at = bytes(body).find(b"\x51\x00\x00\x04")
        self.longest = struct.unpack_from(">I", body, at + 4)[0] or 1 << 20

    def need(self, wanted: int) -> None:
        """At least so many bytes between `start` and `end`."""
        if self.start + wanted > len(self.buffer):
            rest = self.end - self.start
            self.buffer[:rest] = bytes(self.buffer[self.start : self.end])
            self.start, self.end = 0, rest
        while self.end - self.start < wanted:
            got = self.socket.recv_into(self.buffer[self.end :])
            self.quick.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            if not got:
                raise Refused("closed")
            self.end += got

    def pdu(self) -> tuple[int, memoryview]:
        """Type and body; the body is good until the next one is asked for."""
        if self.start == self.end:
            self.start = self.end = 0
        self.need(6)
        kind, length = struct.unpack_from(">BxI", self.buffer, self.start)
        self.need(6 + length)
        self.start += 6 + length
        return kind, self.buffer[self.start - length : self.start]

    def values(self) -> Iterator[tuple[int, int, memoryview]]:
        """The presentation data values of the next P-DATA-TF: context, control header, bytes."""
        kind, body = self.pdu()
        if kind != 4:
            raise Refused(f"PDU type {kind}: {body.hex()}")
        at = 0
        while at < len(body):
            length, context, flags = struct.unpack_from(">IBB", body, at)
            yield context, flags, body[at + PDV_HEAD : at + 4 + length]
            at += 4 + length

    def status(self) -> int:
        """Of the next response, which is one command of one PDV."""
        for _, flags, value in self.values():
            if flags == 3:
                return int.from_bytes(field(value, 0x0900), "little")
        raise Refused("no response")

    def echo(self, context: int = 1) -> int:
        asked = command((0x0002, VERIFICATION), (0x0100, C_ECHO), (0x0110, 1), (0x0800, NO_DATA))
        self.socket.sendall(pdus(asked, 1, self.longest, context))
        return self.status()

    def release(self) -> None:
        self.socket.sendall(struct.pack(">BxI4x", 5, 4))
        self.pdu()
        self.close()

    def close(self) -> None:
        self.quick.close()
        self.socket.close()
