"""What the store asks of the operating system, and what its refusals mean.

A failed write or fsync is never retried: after EIO the kernel may have dropped the dirty pages and the next
fsync would report success for bytes that are gone.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from os import stat_result
from pathlib import Path
from types import TracebackType
from typing import Protocol

from leadglass.errors import StorageFailed, StorageFull

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class System(Protocol):
    """The part of the module `os` that touches blobs; a test passes one that fails."""

    def open(self, path: str, flags: int, mode: int = 0o777) -> int: ...
    def close(self, fd: int, /) -> None: ...
    def write(self, fd: int, data: memoryview, /) -> int: ...
    def pread(self, fd: int, length: int, offset: int, /) -> bytes: ...
    def fsync(self, fd: int) -> None: ...
    def fstat(self, fd: int) -> stat_result: ...
    def mkdir(self, path: str, mode: int = 0o777) -> None: ...
    def unlink(self, path: str) -> None: ...
    def posix_fadvise(self, fd: int, offset: int, length: int, advice: int, /) -> None: ...


def storage_error(what: str, error: OSError) -> StorageFull | StorageFailed:
    """What the operating system's refusal means to us; the text carries no path."""
    if error.errno in FULL:
        return StorageFull(f"{what} cannot be written: the disk is full.")
    name = errno.errorcode.get(error.errno or 0, "an unknown error")
    return StorageFailed(f"{what} cannot be written or read: the disk answered {name}.")


class storage_errors:  # noqa: N801 - a context manager; as a generator it took three times as long
    """Turn an OSError into StorageFull or StorageFailed."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise storage_error(self._what, error) from error


def write_all(write: Callable[[int, memoryview], int], descriptor: int, data: memoryview) -> None:
    """Write every byte. A short write is no error: the next one says why."""
    while data:
        data = data[write(descriptor, data) :]


def sync_directory(path: str | Path) -> None:
    """Make the entries of a directory durable. OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
