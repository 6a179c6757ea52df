"""Folders and files below one that is open, step by step: no symbolic link is followed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
NOT_PLAIN: Final = frozenset({errno.ELOOP, errno.ENOTDIR})  # what O_NOFOLLOW says of a link


@contextmanager
def below(root: int, *names: str, make: bool = False) -> Iterator[int]:
    """The descriptor of a folder below `root`, for as long as it is needed; `make` those that are missing."""
    descriptor = os.dup(root)
    try:
        for name in names:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=descriptor)
            further = os.open(name, DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = further
        yield descriptor
    finally:
        os.close(descriptor)


def sync_folder(descriptor: int) -> None:
    """Some file systems of other systems know no fsync of a folder: their entries are durable, or nobody can
    make them so."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
