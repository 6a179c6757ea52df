"""The sealed object: Tink's streaming AEAD, AES256_GCM_HKDF with 128 KiB segments.

    object     header ‖ segment 0 ‖ segment 1 ‖ … ‖ segment n-1
    header     0      1  length of the header: 40
               1     32  salt
               33     7  nonce prefix
    segment i  AES-256-GCM(derived key, nonce i, plaintext i), the 16-byte tag behind the ciphertext
    derived    HKDF-SHA256(key, salt, info = associated data), 32 bytes
    nonce i    prefix (7) ‖ i (4, big endian) ‖ 1 if last, else 0 (1)

Header and segment 0 together fill one segment, so segment i starts at byte i · 131072. Every segment but the
last is full, and the last is empty only when the object is. Source: Tink, "AES-GCM-HKDF Streaming AEAD".
Nothing here does I/O: bytes leave through a sink and arrive through a pread.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from leadglass.errors import BrokenInvariant, LimitExceeded, Tampered

SEGMENT = 128 * 1024  # bytes of ciphertext, tag included
TAG = 16
SALT = 32
NONCE_PREFIX = 7
HEADER = 1 + SALT + NONCE_PREFIX
KEY = 32
ROOM = SEGMENT - TAG  # plaintext bytes in a full segment other than the first
MAX_SEGMENTS = 2**32  # what the nonce can count: 512 TiB

Sink = Callable[[memoryview], object]
Pread = Callable[[int, int], bytes]


def sealed_size(plain: int) -> int:
    """Size of the sealed object that holds `plain` bytes."""
    return HEADER + plain + TAG * -(-(HEADER + plain) // ROOM)


@dataclass(frozen=True, slots=True, repr=False)
class _Cipher:
    """What all segments of one object share."""

    aead: AESGCM
    prefix: bytes

    @classmethod
    def derive(cls, key: bytes, header: bytes, associated_data: bytes) -> _Cipher:
        if len(key) != KEY:
            raise BrokenInvariant("An object key has 32 bytes.")
        salt, prefix = header[1 : 1 + SALT], header[1 + SALT :]
        hkdf = HKDF(hashes.SHA256(), length=KEY, salt=salt, info=associated_data)
        return cls(AESGCM(hkdf.derive(key)), prefix)

    def nonce(self, index: int, *, last: bool) -> bytes:
        return self.prefix + struct.pack(">I?", index, last)


class SealingWriter:
    """Seals a stream of unknown length into `sink`, one segment per call.

    The sink must be done with the view it was given when it returns: the buffer is used again.
    Whether a segment is the last is part of its nonce, so up to one segment is held back until `finish`.
    Holds two segments of memory. After a failed write the object is unusable: abandon it.
    """

    def __init__(
        self, sink: Sink, key: bytes, associated_data: bytes, *, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        header = bytes([HEADER]) + random(SALT) + random(NONCE_PREFIX)
        self._sink = sink
        self._cipher = _Cipher.derive(key, header, associated_data)
        self._held = bytearray(ROOM)
        self._filled = 0
        self._sealed = memoryview(bytearray(SEGMENT))
        self._sealed[:HEADER] = header
        self._start = HEADER  # where in the current segment its ciphertext begins
        self._index = 0
        self._finished = False
        self.plain_size = 0
        self.sealed_size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._finished:
            raise BrokenInvariant("A finished object takes no more bytes.")
        rest = memoryview(data).cast("B")
        self.plain_size += len(rest)
        while rest:
            room = ROOM - self._start
            if self._filled == room:  # full, and now known not to be the last
                self._seal(memoryview(self._held)[:room], last=False)
            elif not self._filled and len(rest) > room:  # a full one is there already: seal it uncopied
                self._seal(rest[:room], last=False)
                rest = rest[room:]
            else:
                taken = min(room - self._filled, len(rest))
                self._held[self._filled : self._filled + taken] = rest[:taken]
                self._filled += taken
                rest = rest[taken:]

    def finish(self) -> None:
        """Seal what is held back as the last segment. `plain_size` and `sealed_size` are final after it."""
        if self._finished:
            raise BrokenInvariant("An object is finished once.")
        self._seal(memoryview(self._held)[: self._filled], last=True)
        self._finished = True

    def _seal(self, plain: memoryview, *, last: bool) -> None:
        if self._index == MAX_SEGMENTS:
            raise LimitExceeded("The object is larger than the sealed format can hold.")
        end = self._start + len(plain) + TAG
        nonce = self._cipher.nonce(self._index, last=last)
        self._cipher.aead.encrypt_into(nonce, plain, None, self._sealed[self._start : end])
        self._sink(self._sealed[:end])
        self.sealed_size += end
        self._start, self._filled = 0, 0
        self._index += 1


class SealedReader:
    """Random access to a sealed object: `pread(offset, size)` gives up to `size` sealed bytes.

    The constructor opens the last segment, so a reader that exists has proven its key, its name and its
    length: `size` is authenticated, and a truncated object fails before its first byte is served.
    Raises Tampered whenever stored bytes fail their authentication, whichever way they were altered.
    Holds at most three segments of memory. Not for two threads at once.
    """

    def __init__(self, pread: Pread, sealed_size: int, key: bytes, associated_data: bytes) -> None:
        self._pread = pread
        self._sealed_size = sealed_size
        self._count = -(-sealed_size // SEGMENT)
        tail = sealed_size - (self._count - 1) * SEGMENT
        least = TAG + 1 if self._count > 1 else HEADER + TAG
        if tail < least or self._count > MAX_SEGMENTS:
            raise Tampered("The sealed object has a size that no sealed object has.")
        header = pread(0, HEADER)
        if len(header) != HEADER or header[0] != HEADER:
            raise Tampered("The sealed object does not begin with a header.")
        self.size = sealed_size - HEADER - TAG * self._count
        self._cipher = _Cipher.derive(key, header, associated_data)
        self._recent = (-1, b"")
        self._last = self._open(self._count - 1)

    def read(self, offset: int, length: int) -> bytes:
        """`length` plain bytes from `offset`, or as many as there are."""
        return b"".join(self.chunks(offset, offset + length))

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The plain bytes [start, end), cut to the object, in pieces of at most a segment."""
        end = self.size if end is None else min(end, self.size)
        if start < 0:
            raise BrokenInvariant("A range begins at or after byte 0.")
        while start < end:
            index, skip = divmod(HEADER + start, ROOM)
            if index == 0:
                skip = start
            piece = self._segment(index)[skip : skip + end - start]
            start += len(piece)
            yield piece

    def _segment(self, index: int) -> bytes:
        if index == self._count - 1:
            return self._last
        if self._recent[0] != index:
            self._recent = (index, self._open(index))
        return self._recent[1]

    def _open(self, index: int) -> bytes:
        offset = max(index * SEGMENT, HEADER)
        expected = min((index + 1) * SEGMENT, self._sealed_size) - offset
        sealed = self._pread(offset, expected)
        if len(sealed) != expected:
            raise Tampered(f"The sealed object ends inside segment {index}.")
        nonce = self._cipher.nonce(index, last=index == self._count - 1)
        try:
            return self._cipher.aead.decrypt(nonce, sealed, None)
        except InvalidTag:
            raise Tampered(f"Segment {index} of the sealed object fails its authentication.") from None
