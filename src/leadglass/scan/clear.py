"""What a server says in the clear before a handshake of TLS 1.2 or older ends, or fails (RFC 5246 7.4).

record      byte 0 type   1-2 version   3-4 length   5- fragment
message     byte 0 type   1-3 length   4- body; messages go on from one record to the next
"""

from __future__ import annotations

from typing import Final

_HANDSHAKE: Final = 22
_CERTIFICATE, _CERTIFICATE_REQUEST, _HELLO_DONE = 11, 13, 14


class Clear:
    """Fed with what the server sends. Of what makes no sense nothing is said: it fails by itself."""

    def __init__(self, most: int) -> None:
        self.certificate: bytes | None = None  # its own, DER
        self.asks_certificate = False
        self._most = most
        self._records = bytearray()
        self._messages = bytearray()
        self._ended = False

    def feed(self, data: bytes) -> None:
        if self._ended:
            return
        self._records += data
        while len(self._records) >= 5 and not self._ended:
            length = int.from_bytes(self._records[3:5], "big")
            if len(self._records) < 5 + length:
                break
            self._ended = self._records[0] != _HANDSHAKE
            self._messages += self._records[5 : 5 + length]
            del self._records[: 5 + length]
        if not self._ended:
            self._walk()
        self._ended = self._ended or len(self._records) + len(self._messages) > self._most

    def _walk(self) -> None:
        while len(self._messages) >= 4:
            length = int.from_bytes(self._messages[1:4], "big")
            if len(self._messages) < 4 + length:
                return
            self._message(self._messages[0], bytes(self._messages[4 : 4 + length]))
            del self._messages[: 4 + length]

    def _message(self, kind: int, body: bytes) -> None:
        if kind == _CERTIFICATE:
            first = int.from_bytes(body[3:6], "big")
            self.certificate = body[6 : 6 + first] or None
        elif kind == _CERTIFICATE_REQUEST:
            self.asks_certificate = True
        elif kind == _HELLO_DONE:
            self._ended = True
