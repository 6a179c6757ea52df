"""Stand-ins for the operating system and the database that fail one step, before or after doing it."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlcipher3.dbapi2 as sqlcipher

from leadglass.compose import Opened

_SQLITE_SAYS = {errno.EIO: "disk I/O error", errno.ENOSPC: "database or disk is full"}


@dataclass(slots=True)
class Fault:
    """`step` fails with `number` the `occurrence`-th time; if `persisted`, after having been done."""

    step: str
    number: int
    persisted: bool
    occurrence: int = 1
    armed: bool = False
    fired: int = 0
    seen: list[str] = field(default_factory=list)  # every step since the fault was armed
    lock: threading.Lock = field(default_factory=threading.Lock)

    def strikes(self, step: str) -> bool:
        """Whether this is the one that fails."""
        with self.lock:
            if not self.armed:
                return False
            self.seen.append(step)
            if step != self.step or Counter(self.seen)[step] != self.occurrence:
                return False
            self.fired += 1
            return True

    def error(self) -> OSError:
        return OSError(self.number, "injected")

    def database_error(self) -> Exception:
        return sqlcipher.OperationalError(_SQLITE_SAYS[self.number])


class FaultySystem:
    """The module `os` for `Blobs`. A step is a call and what it touches, such as `fsync object`."""

    def __init__(self, root: Path, fault: Fault) -> None:
        self._depth = len(root.parts)
        self._fault = fault
        self._kinds: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)

        def call(target: Any, *arguments: Any, **named: Any) -> Any:
            kind = self._kinds.get(target, "?") if isinstance(target, int) else self._kind(target)
            strikes = self._fault.strikes(f"{name} {kind}")
            if strikes and not self._fault.persisted:
                raise self._fault.error()
            result = real(target, *arguments, **named)
            if name == "open":
                self._kinds[result] = kind
            if strikes:
                raise self._fault.error()
            return result

        return call

    def _kind(self, path: str) -> str:
        """What lies at this depth under the root: the store itself, one of its directories, an object."""
        return ("store", "directory", "object")[len(Path(path).parts) - self._depth]


_STATEMENTS = (
    (re.compile(r"BEGIN IMMEDIATE"), "BEGIN"),
    (re.compile(r"INSERT INTO (\w+)"), "insert"),
    (re.compile(r"UPDATE (\w+)"), "update"),
    (re.compile(r"DELETE FROM (\w+)"), "delete"),
)


def break_database(opened: Opened, fault: Fault) -> None:
    """Route the statements of the writing connection of this one home through `fault`."""
    writer = opened.services.db._writer
    dialect = writer._engine.dialect

    def through(
        name: str, step_of: Any, owner: Any = dialect, error: Callable[[], Exception] = fault.database_error
    ) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            strikes = fault.strikes(step_of(arguments))
            if strikes and not fault.persisted:
                raise error()
            result = real(*arguments, **named)
            if strikes:
                raise error()
            return result

        setattr(owner, name, call)

    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        through(name, lambda arguments: _statement(arguments[1]))
    through("do_commit", lambda _: "COMMIT")
    through("sync", lambda _: "sync log", writer._ground._log, fault.error)


def _statement(text: str) -> str:
    for pattern, verb in _STATEMENTS:
        if match := pattern.match(text):
            return verb if verb == "BEGIN" else f"{verb} {match[1]}"
    return "read"
