"""Sealed objects as files: durable put, range reads, delete.

    root/<first two hex of the name>/<name, 32 hex>      files 0600, directories 0700

An object is written under its final, random name: no rename is needed because nothing refers to it before the
row that commits it. It is durable after `finish` (the file) and `sync_directories` (its entry, once per group
of objects). In a stream of objects most find an empty file made ahead, whose entry is durable. A crash leaves
such files, and blobs without a row, which `leadglass check` collects.
The name is the associated data of the seal, so a blob put in another's place fails its authentication.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVarTuple

from leadglass.errors import BrokenInvariant, StorageFailed, Tampered
from leadglass.store.ahead import Ahead
from leadglass.store.files import System, storage_error, storage_errors, write_all
from leadglass.store.keys import new_key
from leadglass.store.sealed import SealedReader, SealingWriter

Ts = TypeVarTuple("Ts")

PER_DIRECTORY = 512  # objects an instance puts into one directory before it moves on
WRITEBACK = 8 * 1024 * 1024  # bytes after which the kernel is asked to start writing

NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
PREFIX = re.compile(r"[0-9a-f]{2}", re.ASCII)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a planted FIFO must not block
_SCAN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW

_LOST = frozenset({errno.ENOENT, errno.ENOTDIR})
_NO_FILE = "A stored object was replaced by something that is no file."
_UNSYNCED = "The disk failed to make a directory of the store durable. Check it, then restart."


@dataclass(frozen=True, slots=True)
class BlobSize:
    """Bytes of one object: its content, and what it takes on disk."""

    plain: int
    sealed: int


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """One file of the store, as `leadglass check` sees it without any key."""

    name: str
    sealed_size: int
    modified: int  # ms since the epoch, UTC


class Blobs:
    """The blobs under `root`. Safe for several threads and processes at once: names never meet.

    An instance stays in one of the 256 directories for 512 objects, so that a group of objects costs one
    directory fsync and not one each. With `ahead`, to be closed, a stream of them waits for no directory at
    all. `system` is the module `os`, or a test's stand-in.
    """

    def __init__(
        self,
        root: Path,
        *,
        system: System = os,
        random: Callable[[int], bytes] = os.urandom,
        ahead: bool = False,
    ) -> None:
        self._root = os.fspath(root)
        self._system = system
        self._random = random
        self._lock = threading.Lock()
        self._directory = ""
        self._left = 0
        self._unsynced = False  # a directory's fsync failed: nobody knows which entries are durable
        self._ahead = Ahead(self._make_ahead, self._discard) if ahead else None

    def create(self) -> BlobWriter:
        """A new, empty blob with a random name and a random key. StorageFull, StorageFailed."""
        self._require_synced()
        name = self._ahead.take() if self._ahead is not None else None
        if name is not None:
            with storage_errors("The object"), suppress(FileNotFoundError):
                return self._writer(name, self._system.open(self._path(name), _WRITE), is_entered=True)
        return self._writer(*self._made(), is_entered=False)

    def close(self) -> None:
        """Remove what was made ahead and nobody took."""
        if self._ahead is not None:
            self._ahead.close()

    def open(self, name: str, key: bytes) -> BlobReader:
        """A blob to read. Tampered when it is gone, was swapped or altered, or the key is not its own."""
        file = _File(self._open_existing(self._path(name)), self._system)
        try:
            return BlobReader(name, key, file)
        except BaseException:
            file.close()
            raise

    def delete(self, name: str) -> None:
        """Remove a blob; one that is gone already is fine. Durable after `sync_directories`."""
        with storage_errors("The deletion of an object"), suppress(FileNotFoundError):
            self._system.unlink(self._path(name))

    def names(self) -> Iterator[StoredBlob]:
        """Every blob, in no particular order; files that are no blobs are passed over."""
        for directory in _entries(self._root):
            if PREFIX.fullmatch(directory.name) and directory.is_dir(follow_symlinks=False):
                yield from _blobs_in(directory)

    def sync_directories(self, names: Iterable[str]) -> None:
        """Make the directory entries of these blobs durable (made and removed ones): one fsync each."""
        for directory in sorted({os.path.dirname(self._path(name)) for name in names}):
            self._sync(directory)

    def _made(self) -> tuple[str, int]:
        """A new file: its name, and its descriptor."""
        name = self._next_directory() + self._random(15).hex()
        with storage_errors("The object"):
            return name, self._system.open(self._path(name), _CREATE, 0o600)

    def _writer(self, name: str, descriptor: int, *, is_entered: bool) -> BlobWriter:
        file = _File(descriptor, self._system)
        return BlobWriter(name, new_key(), file, self._path(name), is_entered=is_entered)

    def _make_ahead(self, count: int) -> list[str]:
        names: list[str] = []
        try:
            for _ in range(count):
                name, descriptor = self._made()
                names.append(name)
                self._system.close(descriptor)
            self.sync_directories(names)
        except BaseException:
            self._discard(names)
            raise
        return names

    def _discard(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(OSError):
                self._system.unlink(self._path(name))

    def _next_directory(self) -> str:
        self._require_synced()
        with self._lock:
            if not self._left:
                self._directory = self._enter(self._random(1).hex())
                self._left = PER_DIRECTORY
            self._left -= 1
            return self._directory

    def _enter(self, directory: str) -> str:
        """Make sure that `directory` exists, durably.

        Its parent is synced even when it exists: who made it may have died before doing so.
        """
        with storage_errors("A directory of the store"), suppress(FileExistsError):
            self._system.mkdir(f"{self._root}/{directory}", 0o700)
        self._sync(self._root)
        return directory

    def _sync(self, directory: str) -> None:
        self._require_synced()
        with storage_errors("A directory of the store"):
            descriptor = self._system.open(directory, _SCAN)
            try:
                self._fsync(descriptor)
            finally:
                self._system.close(descriptor)

    def _fsync(self, descriptor: int) -> None:
        """Once, whatever the reason: the same fsync again would succeed for entries that are gone."""
        try:
            self._system.fsync(descriptor)
        except OSError as error:
            self._unsynced = True
            raise StorageFailed(_UNSYNCED) from error

    def _require_synced(self) -> None:
        if self._unsynced:
            raise StorageFailed(_UNSYNCED)

    def _open_existing(self, path: str) -> int:
        try:
            return self._system.open(path, _READ)
        except OSError as error:
            if error.errno in _LOST:
                raise Tampered("A stored object is gone from the store.", code="object-missing") from None
            if error.errno == errno.ELOOP:  # O_NOFOLLOW met a symbolic link
                raise Tampered(_NO_FILE) from None
            raise storage_error("The object", error) from error

    def _path(self, name: str) -> str:
        if not NAME.fullmatch(name):
            raise BrokenInvariant("A blob's name is 32 lowercase hexadecimal digits.")
        return f"{self._root}/{name[:2]}/{name}"


class BlobWriter:
    """Seals one object into its file. `name` and `key` are what the row needs to find and open it again.
    `is_entered`: its directory's entry is durable already.

    After any failure the partial file is removed as far as the disk allows, and nothing more can be written:
    a failed write or fsync is never tried again. As a context manager it abandons what was not finished.
    """

    def __init__(self, name: str, key: bytes, file: _File, path: str, *, is_entered: bool) -> None:
        self.name = name
        self.key = key
        self.is_entered = is_entered
        self._file = file
        self._path = path
        self._seal = SealingWriter(file.append, key, name.encode("ascii"))

    @property
    def size(self) -> int:
        """Bytes of the object that were written so far."""
        return self._seal.plain_size

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the object. StorageFull, StorageFailed."""
        self._guarded(self._seal.write, chunk)

    def finish(self) -> BlobSize:
        """Seal the end and fsync the file; its directory is the group's. StorageFull, StorageFailed."""
        size = self.seal()
        self.sync()
        return size

    def seal(self) -> BlobSize:
        """The first half of `finish`: nothing more comes. `sync` must follow."""
        self._guarded(self._seal.finish)
        return BlobSize(self._seal.plain_size, self._seal.sealed_size)

    def sync(self) -> None:
        """The second half: durable when it returns."""
        self._guarded(self._sync_and_close)

    def abandon(self) -> None:
        """Remove the blob, finished or not, as far as the disk allows. Twice does no harm."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._file.system.unlink(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file.is_open:
            self.abandon()

    def _guarded(self, step: Callable[[*Ts], None], *given: *Ts) -> None:
        if not self._file.is_open:
            raise BrokenInvariant("The blob is finished or abandoned.")
        try:
            with storage_errors("The object"):
                step(*given)
        except BaseException:
            self.abandon()
            raise

    def _sync_and_close(self) -> None:
        self._file.sync()
        self._file.close()


class BlobReader:
    """One open blob: `size`, `read(offset, length)`, `chunks(start, end)`. For one thread at a time."""

    def __init__(self, name: str, key: bytes, file: _File) -> None:
        self._file = file
        self._sealed = SealedReader(file.pread, file.regular_size(), key, name.encode("ascii"))
        self.size = self._sealed.size

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, or as many as there are. Tampered, StorageFailed."""
        return self._sealed.read(offset, length)

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end) in pieces of at most 128 KiB. Tampered, StorageFailed."""
        return self._sealed.chunks(start, end)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _File:
    """An open file of the store.

    Apart from its writer or reader, which would otherwise be a cycle with its seal: their buffers of 256 KiB
    would then wait for the garbage collector and not go with the last reference.
    """

    def __init__(self, descriptor: int, system: System) -> None:
        self.system = system
        self._descriptor = descriptor
        self._written = 0
        self._handed_over = 0

    @property
    def is_open(self) -> bool:
        return self._descriptor >= 0

    def append(self, data: memoryview) -> None:
        write_all(self.system.write, self._descriptor, data)
        self._written += len(data)
        if self._written - self._handed_over >= WRITEBACK:
            self._start_writeback()

    def sync(self) -> None:
        self.system.fsync(self._descriptor)

    def regular_size(self) -> int:
        with storage_errors("The object"):
            status = self.system.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Tampered(_NO_FILE)
        return status.st_size

    def pread(self, offset: int, size: int) -> bytes:
        if not self.is_open:
            raise BrokenInvariant("The blob is closed.")
        with storage_errors("The object"):
            return self.system.pread(self._descriptor, size, offset)

    def close(self) -> None:
        """Close once, whatever the outcome: after an error the descriptor is gone all the same."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self.system.close(descriptor)

    def _start_writeback(self) -> None:
        """Let the disk work while the object still streams in.

        On Linux this advice starts writing dirty pages and does not wait. For an object of 2 GB it held 14 MB
        dirty instead of 2 GB and left fsync nothing to do instead of a second; fdatasync here was slower.
        """
        length = self._written - self._handed_over
        self.system.posix_fadvise(self._descriptor, self._handed_over, length, os.POSIX_FADV_DONTNEED)
        self._handed_over = self._written


def _entries(path: str) -> Iterator[os.DirEntry[str]]:
    with storage_errors("A directory of the store"), os.scandir(path) as entries:
        yield from entries


def _blobs_in(directory: os.DirEntry[str]) -> Iterator[StoredBlob]:
    for entry in _entries(directory.path):
        if entry.is_dir(follow_symlinks=False):
            continue  # nothing of ours, and not to be removed as a file
        if NAME.fullmatch(entry.name) and entry.name.startswith(directory.name):
            with suppress(FileNotFoundError):  # deleted since it was listed
                status = entry.stat(follow_symlinks=False)
                yield StoredBlob(entry.name, status.st_size, status.st_mtime_ns // 1_000_000)
