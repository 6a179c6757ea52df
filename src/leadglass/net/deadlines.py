"""How long the other side may take, in seconds, and how much of a connection may wait for us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HIGH_WATER: Final = 512 << 10  # bytes of one message that wait for their handler before reading pauses


@dataclass(frozen=True, slots=True)
class Deadlines:
    """A message is given `message` seconds and one more for every `least_rate` bytes of it, so that large
    objects have their time and one byte every five seconds does not."""

    connect: float = 10
    handshake: float = 10  # TLS
    association: float = 15  # until the A-ASSOCIATE-RQ is there (ARTIM), or its answer
    message: float = 30
    least_rate: int = 16 << 10
    idle: float = 600  # between messages, on an established association
    answer: float = 120  # until a response of the other side begins
    write: float = 60  # for the other side to take what we sent
    release: float = 5  # until the connection is closed after release, reject or abort (ARTIM)
