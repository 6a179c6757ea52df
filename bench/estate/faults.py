"""Who does not keep to the rules: garbage, tarpits, floods, and those who speak something else.

All of them are peaceful towards a client that has limits, and endless for one that has none.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from estate import wire
from estate.door import Door, Peer
from estate.wire import Answering, Software
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import Command, Field
from leadglass.ul.items import AnsweredContext, ContextResult, UserInformation
from leadglass.ul.pdu import AssociateAC
from leadglass.ul.wire import p_data

PIECE: Final = 16 << 10
_USER: Final = UserInformation(16_384, "1.2.276.0.7230010.3.0.3.6.7", "OFFIS_DCMTK_367")
_OWN: Final = Software("", _USER.implementation_class_uid, _USER.implementation_version_name)
_VERIFIES: Final = Answering(_OWN, frozenset({uids.VERIFICATION}))

Saying = Callable[[bytes], Iterator[bytes]]  # what is said to an association request, piece by piece


@dataclass(frozen=True, slots=True)
class Script:
    """`greets` at once when somebody connects, `says` when bytes have come. Between two pieces `every`
    seconds pass, or as many as the other side needs to take them. `then` it closes, or waits."""

    greets: bytes = b""
    says: Saying | None = None
    every: float = 0.0
    closes: bool = False
    hears: bool = True  # waits for a whole request, not for its first byte


class Scripted(Peer):
    def __init__(self, door: Door, script: Script) -> None:
        super().__init__(door)
        self._script = script
        self._heard = bytearray()
        self._pieces: Iterator[bytes] | None = None
        self._scheduled: asyncio.Handle | None = None

    def begin(self) -> None:
        script = self._script
        self.say(script.greets)
        if script.closes and script.says is None:
            self.transport.close()

    def take(self, data: bytes) -> None:
        if self._script.says is None or self._pieces is not None:
            return
        self._heard += data
        if self._script.hears and not _is_whole(self._heard):
            return
        self._pieces = self._script.says(bytes(self._heard))
        self._heard.clear()
        self._next()

    def go_on(self) -> None:
        if self._scheduled is None and self._pieces is not None and self.is_open:
            loop = asyncio.get_running_loop()
            self._scheduled = loop.call_later(self._script.every, self._next)

    def _next(self) -> None:
        self._scheduled = None
        if self._pieces is None or self.stalled or not self.is_open:
            return
        piece = next(self._pieces, None)
        if piece is not None:
            self.quiet = 0
            self.say(piece)
            self.go_on()
            return
        self._pieces = iter(()) if self._script.closes else None
        if self._script.closes:
            self.transport.close()

    def end(self) -> None:
        self._pieces = None
        if self._scheduled is not None:
            self._scheduled.cancel()


def _is_whole(heard: bytearray) -> bool:
    return len(heard) >= wire.HEADER and len(heard) >= wire.HEADER + struct.unpack_from(">I", heard, 2)[0]


# --- what is said -----------------------------------------------------------------------------------------


def _ac(request: bytes) -> bytes:
    agreed = _VERIFIES.agree(request)
    return wire.ABORTED if agreed is None else wire.accepted(request, agreed)


def _once(make: Callable[[bytes], bytes]) -> Saying:
    return lambda request: iter((make(request),))


def _noise(request: bytes) -> Iterator[bytes]:
    yield Random(len(request)).randbytes(512)


def _dribble(request: bytes) -> Iterator[bytes]:
    """The right answer, one byte at a time."""
    for byte in _ac(request):
        yield bytes((byte,))


def _four_gigabytes(request: bytes) -> Iterator[bytes]:
    """An A-ASSOCIATE-AC that says it is as long as its length can say, and goes on for ever."""
    yield struct.pack(">BxI", 2, 0xFFFFFFF0)
    while True:
        yield bytes(PIECE)


def _long_data(request: bytes) -> Iterator[bytes]:
    """The right answer, and behind it a P-DATA-TF of 4 GB that nobody asked for."""
    yield _ac(request)
    yield struct.pack(">BxIIBB", 4, 0xFFFFFFF0, 0xFFFFFFEC, 1, 1)
    while True:
        yield bytes(PIECE)


def _endless_command(request: bytes) -> Iterator[bytes]:
    """The right answer, and then a command in fragments of which none is the last."""
    yield _ac(request)
    fragment = p_data(1, True, False, PIECE) + bytes(PIECE)
    while True:
        yield fragment


def _empty_fragments(request: bytes) -> Iterator[bytes]:
    yield _ac(request)
    pdus = p_data(1, True, False, 0) * 512
    while True:
        yield pdus


def _unasked(request: bytes) -> Iterator[bytes]:
    """The right answer, and responses to what nobody asked."""
    yield _ac(request)
    command = Command(Field.C_ECHO_RSP, responding_to=4711, status=0).encode()
    pdus = (p_data(1, True, True, len(command)) + command) * 64
    while True:
        yield pdus


def _answered(*contexts: AnsweredContext) -> bytes:
    return AssociateAC("", "", contexts, _USER).encode()


def _torn(request: bytes) -> bytes:
    """An A-ASSOCIATE-AC whose items are longer than what holds them."""
    answer = bytearray(_ac(request))
    if answer == wire.ABORTED:
        return wire.ABORTED
    struct.pack_into(">H", answer, wire.ITEMS + 2, 0xFFF0)
    return bytes(answer)


_FOREIGN_CONTEXT: Final = _answered(
    AnsweredContext(201, ContextResult.ACCEPTANCE, wire.SYNTAXES[0]),
    AnsweredContext(203, ContextResult.ACCEPTANCE, wire.SYNTAXES[0]),
)
_FOREIGN_SYNTAX: Final = _answered(AnsweredContext(1, ContextResult.ACCEPTANCE, "1.2.840.10008.1.2.4.201"))
_SSH: Final = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u6\r\n"
_SMTP: Final = b"220 mail.example.org ESMTP Postfix\r\n"
_FTP: Final = b"220 (vsFTPd 3.0.3)\r\n"
_TELNET: Final = b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27"
_HTTP: Final = (
    b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\nContent-Type: text/html\r\nContent-Length: 15\r\n"
    b"Connection: close\r\n\r\n400 Bad Request"
)
_TLS_ALERT: Final = b"\x15\x03\x01\x00\x02\x02\x46"  # protocol version
_TLS_BEGUN: Final = b"\x16\x03\x03\x40\x00\x02\x00"  # a ServerHello that says it is long

SCRIPTS: Final[dict[str, Script]] = {
    "ssh": Script(greets=_SSH, closes=False),
    "smtp": Script(greets=_SMTP),
    "ftp": Script(greets=_FTP),
    "telnet": Script(greets=_TELNET),
    "http-only": Script(says=_once(lambda _: _HTTP), closes=True, hears=False),
    "tls-alert": Script(says=_once(lambda _: _TLS_ALERT), closes=True, hears=False),
    "tls-stalls": Script(says=_once(lambda _: _TLS_BEGUN), hears=False),
    "mirror": Script(says=_once(lambda request: request)),
    "mute": Script(),
    "hl7": Script(),
    "database": Script(),
    "hangs-up": Script(closes=True),
    "hangs-up-when-asked": Script(says=lambda _: iter(()), closes=True),
    "aborts": Script(says=_once(lambda _: wire.ABORTED), closes=True),
    "garbage": Script(says=_noise, closes=True),
    "torn": Script(says=_once(_torn)),
    "half-answer": Script(says=_once(lambda request: _ac(request)[:40])),
    "foreign-context": Script(says=_once(lambda _: _FOREIGN_CONTEXT)),
    "foreign-syntax": Script(says=_once(lambda _: _FOREIGN_SYNTAX)),
    "tarpit": Script(says=_dribble, every=1.0),
    "four-gigabytes": Script(says=_four_gigabytes),
    "long-data": Script(says=_long_data),
    "endless-command": Script(says=_endless_command),
    "empty-fragments": Script(says=_empty_fragments),
    "unasked-responses": Script(says=_unasked),
}


def playing(name: str) -> Callable[[Door], Peer]:
    return partial(Scripted, script=SCRIPTS[name])
