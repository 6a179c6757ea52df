"""Inflating a deflated data set (PS3.5 A.5) in small pieces, with a bound on what a few bytes may become."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from leadglass.dicom.elements import Limits
from leadglass.errors import LimitExceeded, MalformedDataSet

PIECE: Final = 1 << 16
_TRAILER: Final = 8


class Inflater:
    """Raw deflate (RFC 1951, no zlib header) in, pieces of at most 64 KiB out."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._taken = 0
        self._given = 0
        self._tail = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises MalformedDataSet for what is no deflate stream, LimitExceeded for a bomb."""
        self._taken += len(data)
        while True:
            if self._stream.eof:
                self._tail += data[: _TRAILER + 2 - len(self._tail)]
                return
            try:
                piece = self._stream.decompress(data, PIECE)
            except zlib.error:
                raise MalformedDataSet("The deflated data set is damaged.", code="deflate") from None
            self._given += len(piece)
            self._check_ratio()
            if piece:
                yield piece
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if not data and len(piece) < PIECE:
                return

    def _check_ratio(self) -> None:
        limits = self._limits
        if self._given > limits.inflate_free and self._given > limits.inflate_ratio * self._taken:
            raise LimitExceeded(
                f"A deflated data set that grows more than {limits.inflate_ratio} times.",
                code="inflate-ratio",
            )

    def close(self) -> None:
        if not self._stream.eof:
            raise MalformedDataSet("The deflated data set is cut off.", code="truncated")
        tail = self._tail
        # Tolerance: a gzip trailer (RFC 1952: CRC-32, length), which some writers leave behind the stream.
        if len(tail) >= _TRAILER and int.from_bytes(tail[4:_TRAILER], "little") == self._given & 0xFFFFFFFF:
            tail = tail[_TRAILER:]
        # PS3.5 A.5: one NUL pads a stream of odd length. More would be a place to hide something.
        if tail not in (b"", b"\0"):
            raise MalformedDataSet("Bytes after the end of the deflated data set.", code="deflate")
