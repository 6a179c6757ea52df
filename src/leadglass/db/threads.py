"""Threads of the database's own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from leadglass.errors import Unavailable


def started(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise Unavailable("The system lets us have no further thread.") from error
    return thread
