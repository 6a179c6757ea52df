"""Reading and writing below the folder of a home's back-ups, and what its refusals mean."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from leadglass.errors import StorageFailed, StorageFull, Tampered
from leadglass.store.below import NOT_PLAIN
from leadglass.store.files import FULL

_PIECE: Final = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Digested:
    """A file as it was read or written: its bytes, and SHA-256 over them."""

    size: int
    sha256: bytes


def digested(pieces: Iterator[bytes], sink: Callable[[bytes], object] | None = None) -> Digested:
    """Of all the pieces, which go through `sink` if given."""
    digest, size = sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        if sink is not None:
            sink(piece)
    return Digested(size, digest.digest())


def pieces_of(descriptor: int, most: int | None = None) -> Iterator[bytes]:
    """A file of the back-up from its beginning to its end, or to where it is longer than `most` bytes: what
    somebody made endless is not read endlessly."""
    at = 0
    while most is None or at <= most:
        with at_backup():
            piece = os.pread(descriptor, _PIECE, at)
        if not piece:
            return
        at += len(piece)
        yield piece


@contextmanager
def at_backup() -> Iterator[None]:
    """Turn an OSError of the back-up's folder into a sentence about it."""
    try:
        yield
    except OSError as error:
        raise target_error(error) from error


def target_error(error: OSError) -> StorageFull | StorageFailed | Tampered:
    """What the operating system's refusal means to whoever backs up or restores."""
    if error.errno == errno.EFBIG:
        return StorageFailed("A file is larger than the file system of the back-up can hold.")
    if error.errno in FULL:
        return StorageFull(
            "The disk of the back-up is full. Back-ups that were finished are whole. Make room, run it again."
        )
    if error.errno in NOT_PLAIN:
        return Tampered("Something in the folder of the back-up is a symbolic link.", code="backup-link")
    name = errno.errorcode.get(error.errno or 0, "an unknown error")
    return StorageFailed(
        f"The folder of the back-up cannot be read or written ({name}). Is its disk there, and yours to use?"
    )
