"""Who takes the responses to a query as they pass."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from leadglass.dimse.command import Command


class Next(Enum):
    """What is to be done after a response that is pending."""

    GO_ON = "go on"
    CANCEL = "cancel"  # C-CANCEL-RQ; whatever comes is still taken
    ABORT = "abort"


class Taker(Protocol):
    """Whoever is told of responses that are pending, and handed their data sets as they pass."""

    def pending(self, command: Command) -> Next: ...

    def data(self, piece: memoryview, is_last: bool) -> None: ...
