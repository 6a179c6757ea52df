"""The stretch of input a parser can see: chunks come in, a contiguous buffer and a position come out."""

from __future__ import annotations


class Window:
    """`buffer` holds the input from offset `base` on; `at` is the next byte to look at.

    `at` may lie beyond the buffer: the bytes between are skipped as they come, never stored. While `need`
    bytes are not there yet, chunks are only collected, so that a long value is joined once and not per chunk.
    """

    __slots__ = ("_have", "_parts", "at", "base", "buffer", "need")

    def __init__(self, need: int) -> None:
        self.buffer = b""
        self.base = 0
        self.at = 0
        self.need = need
        self._parts: list[bytes] = []
        self._have = 0

    def start_at(self, skipped: int) -> None:
        """Before the first chunk: offsets count from behind its first `skipped` bytes, which are not ours."""
        self.at = skipped
        self.base = -skipped
        self.need += skipped

    def add(self, data: bytes | memoryview) -> bool:
        """Take a chunk; whether there is now something to look at."""
        if len(data) <= self.at and not self._parts and len(data) >= self.need:
            self.base += len(data)  # pixels, most of the time: skipped without a copy
            self.at -= len(data)
            return not self.at
        self._parts.append(bytes(data))  # what is bytes already stays the same object
        self._have += len(data)
        if self._have < self.need:
            return False
        self.buffer = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        return True

    def lacks(self, end: int) -> bool:
        """Whether the buffer ends before index `end`; if so that many bytes are waited for."""
        if end <= len(self.buffer):
            return False
        self.need = end - self.at
        return True

    def carry(self) -> None:
        """Done with this buffer: keep what was not consumed, or how far to skip, for the next chunk."""
        taken = min(self.at, len(self.buffer))
        rest = self.buffer[taken:]
        self.base += taken
        self.at -= taken
        self.buffer = b""
        self._have = len(rest)
        if rest:
            self._parts.append(rest)
        if self.at:
            self.need = 1

    @property
    def is_beyond(self) -> bool:
        """What is to be looked at next has not come; some before it neither."""
        return self.at > len(self.buffer)

    @property
    def ahead(self) -> int:
        """How many of the next bytes nobody looks at."""
        return 0 if self._have else self.at

    def skip(self, count: int) -> None:
        """Be told that `count` of those ahead came."""
        self.base += count
        self.at -= count

    @property
    def offset(self) -> int:
        return self.base + self.at

    @property
    def drained(self) -> bool:
        """Nothing waits, nothing is still to be skipped."""
        return not self._have and not self.at
