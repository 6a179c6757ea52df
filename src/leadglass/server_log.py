"""The server's own messages: structlog on stderr, for people or as JSON, without any patient's value.

An exception is logged as its kind and where it happened. Its text may quote what was being worked on, so that
stays out; so do stack variables. Messages of other libraries appear from the level warning on.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

_SPOKEN_FOR = frozenset({"asyncio", "uvicorn"})
_LEVELS = {logging.WARNING: "warning", logging.ERROR: "error", logging.CRITICAL: "critical"}


def set_up(style: str, *, quiet: bool = False) -> None:
    """`style` is `console` or `json`; `quiet` leaves out everything below a warning."""
    colours = sys.stderr.isatty()
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0, pad_level=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_exception_text,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=lambda *_: _Stderr(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


def without_exception_text(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace `exc_info` by the exception's kind and the place it came from."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["kind"] = type(error).__name__
        event["place"] = place_of(error)
    return event


def place_of(error: BaseException) -> str:
    """The last two frames, as file:line, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)[-2:]
    return " ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)


class _Stderr:
    """Prints to whatever stderr is now. That nobody reads it any more is no reason to fail a request."""

    def msg(self, message: str) -> None:
        with suppress(OSError, ValueError):
            print(message, file=sys.stderr, flush=True)  # noqa: T201

    debug = info = warning = error = critical = exception = msg


class _Forward(logging.Handler):
    """Messages of uvicorn and asyncio: their constant text, never the values put into it. Of others only
    where they come from: a library that works on images may have a patient's value in its text already."""

    def emit(self, record: logging.LogRecord) -> None:
        level = _LEVELS.get(record.levelno, "warning")
        known = record.name.partition(".")[0] in _SPOKEN_FOR
        text = str(record.msg).strip() if known else f"a message of {record.module}:{record.lineno}"
        log = structlog.get_logger(record.name)
        getattr(log, level)(text, logger=record.name, exc_info=record.exc_info)
