"""What the server and a rendering worker say to each other over their socket.

Every message is a 4-byte big-endian body length, a kind byte and the body; each kind has a largest body,
checked before the body is read. One exchange:

    server  ASK      which object (a serial number), which frame, how large, which window
    worker  LACKS    only when it does not hold that object
    server  PART*    the object's bytes
    server  END
    worker  SHOWN    measures and a JPEG        or  REFUSED  a slug from `Refusal`

The worker opens with one READY, which says what the kernel agreed to take from it. The server takes every
worker for hostile: whatever does not fit this page ends that worker.
"""

from __future__ import annotations

import math
import socket
import struct
import time
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar

from leadglass.errors import LimitExceeded, MalformedDataSet, Violation

MAX_EDGE = 4096
PART_BYTES = 1 << 20


class Kind(IntEnum):
    READY = 1
    ASK = 2
    LACKS = 3
    PART = 4
    END = 5
    SHOWN = 6
    REFUSED = 7


_LARGEST = {
    Kind.READY: 1,
    Kind.ASK: 64,
    Kind.LACKS: 0,
    Kind.PART: PART_BYTES,
    Kind.END: 0,
    Kind.SHOWN: 32 << 20,
    Kind.REFUSED: 32,
}
_HEADER = struct.Struct(">IB")


class Refusal(StrEnum):
    """Why no picture comes back. Only the slug crosses the socket, never text made from an object."""

    NO_IMAGE = "no-image"
    NO_SUCH_FRAME = "no-such-frame"
    DAMAGED = "damaged-image"
    UNSUPPORTED = "unsupported-image"
    TOO_LARGE = "image-too-large"
    LIMITS = "render-limits"


_ERRORS: dict[Refusal, tuple[type[Violation], str]] = {
    Refusal.NO_IMAGE: (Violation, "This object holds no image."),
    Refusal.NO_SUCH_FRAME: (Violation, "This object has no frame of that number."),
    Refusal.DAMAGED: (MalformedDataSet, "This image is damaged and cannot be shown."),
    Refusal.UNSUPPORTED: (Violation, "This kind of image cannot be shown here."),
    Refusal.TOO_LARGE: (LimitExceeded, "This image is too large to be shown here."),
    Refusal.LIMITS: (LimitExceeded, "This image could not be decoded within the limits."),
}


def refused(refusal: Refusal) -> Violation:
    kind, sentence = _ERRORS[refusal]
    return kind(sentence, code=refusal.value)


class BrokenExchange(Exception):
    """The other side closed, fell silent past the deadline or left the protocol. Never leaves the sandbox."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """`frame` counts from 1; `window` is (centre, width) in modality units; `edge` the longest side."""

    frame: int
    window: tuple[float, float] | None
    edge: int

    def check(self) -> None:
        if not 1 <= self.frame <= 0x7FFFFFFF:
            raise refused(Refusal.NO_SUCH_FRAME)
        if not 1 <= self.edge <= MAX_EDGE:
            raise LimitExceeded(f"A picture may measure from 1 to {MAX_EDGE} pixels.")
        if self.window is not None:
            center, width = self.window
            if not (math.isfinite(center) and math.isfinite(width) and width > 0):
                raise Violation(
                    "A window needs a finite centre and a width above zero.", code="illegal-window"
                )


@dataclass(frozen=True, slots=True)
class Ask:
    serial: int
    request: RenderRequest

    LAYOUT: ClassVar = struct.Struct(">QII?dd")

    def encode(self) -> bytes:
        request = self.request
        center, width = request.window or (0.0, 0.0)
        return self.LAYOUT.pack(
            self.serial, request.frame, request.edge, request.window is not None, center, width
        )

    @classmethod
    def decode(cls, body: bytes) -> Ask:
        serial, frame, edge, windowed, center, width = cls.LAYOUT.unpack(body)
        return cls(serial, RenderRequest(frame, (center, width) if windowed else None, edge))


@dataclass(frozen=True, slots=True)
class Rendered:
    """One frame as JPEG. `center` and `window_width` are what was applied, None for a colour image."""

    jpeg: bytes
    width: int
    height: int
    frames: int
    center: float | None
    window_width: float | None
    monochrome: bool

    LAYOUT: ClassVar = struct.Struct(">III?dd")

    def encode(self) -> bytes:
        head = self.LAYOUT.pack(
            self.width,
            self.height,
            self.frames,
            self.monochrome,
            self.center or 0.0,
            self.window_width or 0.0,
        )
        return head + self.jpeg

    @classmethod
    def decode(cls, body: bytes, request: RenderRequest) -> Rendered:
        """Raises BrokenExchange for an answer that cannot be one to `request`."""
        if len(body) < cls.LAYOUT.size:
            raise BrokenExchange("answer too short")
        width, height, frames, monochrome, center, window_width = cls.LAYOUT.unpack_from(body)
        jpeg = body[cls.LAYOUT.size :]
        sound = (
            1 <= width <= request.edge
            and 1 <= height <= request.edge
            and request.frame <= frames <= 0x7FFFFFFF
            and math.isfinite(center)
            and math.isfinite(window_width)
            and jpeg.startswith(b"\xff\xd8\xff")
            and jpeg.endswith(b"\xff\xd9")
        )
        if not sound:
            raise BrokenExchange("answer out of bounds")
        if not monochrome:
            return cls(jpeg, width, height, frames, None, None, monochrome)
        return cls(jpeg, width, height, frames, center, window_width, monochrome)


class Deadline:
    """So many seconds of the worker's time: `without` stops the clock while the server itself is busy."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, above zero. Raises BrokenExchange afterwards."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise BrokenExchange("deadline")
        return left

    def passed(self) -> bool:
        return time.monotonic() >= self._end

    def without(self, seconds: float) -> None:
        self._end += seconds


class Channel:
    """Messages over a connected stream socket. With a deadline no call blocks past it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, kind: Kind, body: bytes | memoryview = b"", deadline: Deadline | None = None) -> None:
        try:
            self._limit(deadline)
            self._sock.sendall(b"".join((_HEADER.pack(len(body), kind), body)))
        except OSError as error:
            raise BrokenExchange("cannot send") from error

    def receive(self, *expected: Kind, deadline: Deadline | None = None) -> tuple[Kind, bytes]:
        length, kind = _HEADER.unpack(self._read(_HEADER.size, deadline))
        if kind not in expected or length > _LARGEST[Kind(kind)]:
            raise BrokenExchange("message out of place or too long")
        return Kind(kind), self._read(length, deadline)

    def _read(self, size: int, deadline: Deadline | None) -> bytes:
        received = bytearray(size)
        rest = memoryview(received)
        while rest:
            try:
                self._limit(deadline)
                count = self._sock.recv_into(rest)
            except OSError as error:
                raise BrokenExchange("cannot receive") from error
            if not count:
                raise BrokenExchange("closed")
            rest = rest[count:]
        return bytes(received)

    def _limit(self, deadline: Deadline | None) -> None:
        if deadline is not None:  # a worker has none, and no right to change a descriptor either
            self._sock.settimeout(deadline.remaining())
