"""The objects of a back-up: which of them are there already, and copies of the others, several at a time."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leadglass.errors import StorageFailed, Tampered
from leadglass.store.manifest import Object
from leadglass.store.vault import Vault
from leadglass.store.vault_files import Digested, digested

THREADS: Final = 4
_AHEAD: Final = 64  # objects under way or waiting for those before them
_PIECE: Final = 1 << 20  # bytes
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_LOST: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


@dataclass(frozen=True, slots=True)
class Named:
    """An object that a row names, and the size that its file must have. What the home has `is_lost` is not
    copied from there; a copy of before is kept."""

    name: str
    sealed_size: int
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of one: its line for the manifest, None where the home has it not (any more)."""

    named: Named
    line: Object | None
    is_new: bool = False


class Copier:
    """Copies the objects under `objects` into the vault. What a manifest has listed and still lies there with
    the same size is taken as it is: to read it all again is what `--verify` is for."""

    def __init__(self, vault: Vault, objects: Path) -> None:
        self._vault = vault
        self._objects = objects

    def bring(self, names: Iterable[Named], before: Iterator[Object]) -> Iterator[Brought]:
        """All of `names`, which are in order, as are those `before`; in the same order."""
        pending: deque[Brought | Future[Brought]] = deque()
        with ThreadPoolExecutor(THREADS, "leadglass-backup") as pool:
            try:
                prefix, sizes, known = "", {}, next(before, None)
                for named in names:
                    if named.name[:2] != prefix:
                        prefix = named.name[:2]
                        sizes = self._vault.object_sizes(prefix)
                    while known is not None and known.name < named.name:
                        known = next(before, None)
                    there = sizes.get(named.name)
                    if known and known.name == named.name and there == known.digested.size:
                        pending.append(Brought(named, known))
                    elif named.is_lost:
                        pending.append(Brought(named, None))
                    else:
                        pending.append(pool.submit(self._copied, named, there))
                    while len(pending) > _AHEAD:
                        yield _settled(pending.popleft())
                while pending:
                    yield _settled(pending.popleft())
            finally:
                for each in pending:
                    if isinstance(each, Future):
                        each.cancel()

    def _copied(self, named: Named, there: int | None) -> Brought:
        try:
            with self._source(named) as descriptor:
                if there == named.sealed_size and (done := self._same(named, descriptor)):
                    return Brought(named, Object(named.name, done))
                done = self._vault.put_object(named.name, _pieces(descriptor))
                return Brought(named, Object(named.name, done), is_new=True)
        except _GoneError:
            return Brought(named, None)

    def _same(self, named: Named, descriptor: int) -> Digested | None:
        """One that no manifest lists: an earlier back-up was interrupted behind it."""
        try:
            done = self._vault.digest_object(named.name, named.sealed_size)
        except (Tampered, StorageFailed):
            return None
        if digested(_pieces(descriptor)) != done:
            return None
        self._vault.enter_object(named.name)  # whoever wrote it may have died before its entry was durable
        return done

    @contextmanager
    def _source(self, named: Named) -> Iterator[int]:
        try:
            descriptor = os.open(self._objects / named.name[:2] / named.name, _READ)
        except OSError as error:
            if error.errno in _LOST:
                raise _GoneError from None
            raise StorageFailed("An object of the home cannot be opened.") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size != named.sealed_size:
                raise _GoneError
            yield descriptor
        finally:
            os.close(descriptor)


class _GoneError(Exception):
    """The home has no such object, or none that can be read."""


def _pieces(descriptor: int) -> Iterator[bytes]:
    at = 0
    while True:
        try:
            piece = os.pread(descriptor, _PIECE, at)
        except OSError:
            raise _GoneError from None
        if not piece:
            return
        at += len(piece)
        yield piece


def _settled(one: Brought | Future[Brought]) -> Brought:
    return one if isinstance(one, Brought) else one.result()
