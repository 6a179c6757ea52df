"""The record as files others can fetch: tiles and the checkpoint they belong to, derived from the database.

All of it can be made again from the rows, and it holds nothing but hashes. It is good for being copied away:
whoever has an older checkpoint can tell when the database has been rolled back behind it.

Order of writing: tiles, fsync, their directories, fsync, and only then the checkpoint, replaced atomically.
So the checkpoint on disk never speaks of tiles that are not there.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import sqlalchemy as sa

from leadglass.errors import LimitExceeded, StorageFailed, StorageFull, Tampered, Violation
from leadglass.note import MAX_NOTE, VerifierKey
from leadglass.record.checkpoint import Checkpoint, open_checkpoint
from leadglass.record.log import read_head
from leadglass.record.merkle import EMPTY_ROOT, HASH_SIZE
from leadglass.record.reader import rows
from leadglass.record.tiles import WIDTH, Tile, TileBuilder, partial_tiles

Read = Callable[[], AbstractContextManager[sa.Connection]]
"""Opens a read transaction: `Database.read`."""

_CHECKPOINT = "checkpoint"


def read_checkpoint(root: Path) -> bytes | None:
    """The published checkpoint as it lies there; None when nothing has been published."""
    data = _read(root / _CHECKPOINT, MAX_NOTE + 1)
    if data is not None and len(data) > MAX_NOTE:
        raise LimitExceeded("The published checkpoint is longer than one can be.", code="note-length")
    return data


def published_at(root: Path) -> int | None:
    """When the checkpoint was published last, ms; None when nothing has been."""
    try:
        return (root / _CHECKPOINT).stat().st_mtime_ns // 1_000_000
    except OSError:
        return None


def read_tile(root: Path, tile: Tile) -> bytes | None:
    """What is published of a tile: a partial one may meanwhile have given way to its full form."""
    length = tile.width * tile.item
    data = _read(root / tile.path, length + 1)
    if data is None and tile.width < WIDTH:
        data = _read(root / tile.full().path, length)
    return data


class Publisher:
    """Keeps the files under `root` up with the database. Several processes may try at once."""

    def __init__(self, root: Path, key: VerifierKey, origin: str | None = None) -> None:
        self._root = root
        self._key = key
        self._origin = origin or key.name

    def publish(self, read: Read) -> int:
        """Publish what was committed since the last time; returns the size of the tree published.

        Tampered when the database is behind what has been published, or is another history; nothing is
        replaced then. StorageFull or StorageFailed when the disk does not take it: try again later.
        """
        with self._alone():
            # The checkpoint before the transaction begins: a snapshot can then only be ahead of it.
            before = self._opened(read_checkpoint(self._root))
            with read() as connection:
                head = read_head(connection)
                signed = head.checkpoint.encode() if head else None
                return self._advance(connection, before, signed)

    def _advance(self, connection: sa.Connection, before: Checkpoint, signed: bytes | None) -> int:
        after = self._opened(signed)
        if after.size < before.size:
            raise Tampered(
                f"Of the access record {before.size} entries were published, but the database has "
                f"{after.size}: it was rolled back.",
                code="record-rolled-back",
            )
        written: list[Tile] = []
        builder = self._builder(before.size, written)
        for commitment in _commitments(connection, builder.size, after.size):
            if builder.size == before.size:
                _agree(builder, before)
            builder.push(commitment)
        if builder.size == before.size:
            _agree(builder, before)
        _agree(builder, after)
        if signed is None or after.size == before.size:
            return after.size
        known = set(partial_tiles(before.size))
        for tile, data in builder.partials():
            if tile not in known:
                self._write(tile, data, written)
        self._commit(written, signed)
        return after.size

    def _builder(self, size: int, written: list[Tile]) -> TileBuilder:
        """Continues at the last full bundle: rows supply the level of the leaves, tiles those above."""

        def stored(tile: Tile) -> bytes:
            data = read_tile(self._root, tile)
            if data is None or len(data) != tile.width * HASH_SIZE:
                raise Tampered(f"The published {tile.path} is missing or cut short.", code="record-tile")
            return data

        return TileBuilder.resume(
            size - size % WIDTH, lambda tile, data: self._write(tile, data, written), stored
        )

    def _write(self, tile: Tile, data: bytes, written: list[Tile]) -> None:
        # A full tile is written once: those before the published size are never emitted again, and one beyond
        # it is the rest of an attempt that no checkpoint ever spoke of.
        _replace(self._root / tile.path, data)
        written.append(tile)

    def _commit(self, written: list[Tile], signed: bytes) -> None:
        _sync_directories({parent for tile in written for parent in _parents(self._root, tile.path)})
        for tile in written:
            if tile.width == WIDTH:
                _remove_directory(self._root / tile.directory)
        _replace(self._root / _CHECKPOINT, signed)
        # COMMIT POINT: what is published cannot be taken back by restoring the database.
        _sync_directories({self._root})

    def _opened(self, signed: bytes | None) -> Checkpoint:
        if signed is None:
            return Checkpoint(self._origin, 0, EMPTY_ROOT)
        try:
            return open_checkpoint(signed, self._key, self._origin)
        except Violation as error:
            raise Tampered(f"A checkpoint of the record was altered. {error}", code=error.code) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One publisher at a time, or a slow one would put an older checkpoint over a newer one."""
        with _failing():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)  # and with it the lock


def _agree(builder: TileBuilder, checkpoint: Checkpoint) -> None:
    if checkpoint.size and builder.frontier().root() != checkpoint.root:
        raise Tampered(
            f"The record's first {checkpoint.size} entries are not those its checkpoint was signed for.",
            code="record-other-history",
        )


def _commitments(connection: sa.Connection, start: int, end: int) -> Iterator[bytes]:
    expected = start
    for batch in rows(connection, start):
        for row in batch:
            if row.seq >= end:
                return
            if row.seq != expected or len(row.commitment) != HASH_SIZE:
                raise Tampered(f"Entry {expected} of the access record is missing.", code="record-entry")
            yield row.commitment
            expected += 1
    if expected != end:
        raise Tampered(f"Entry {expected} of the access record is missing.", code="record-entry")


def _read(path: Path, limit: int) -> bytes | None:
    with _failing():
        try:
            with path.open("rb") as file:
                return file.read(limit)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None


def _replace(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that a reader, or a crash, sees the old content or the new, never a mixture."""
    temporary = path.with_name(f".{path.name}.new")
    with _failing():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def _sync_directories(directories: set[Path]) -> None:
    for directory in sorted(directories):
        with _failing():
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _parents(root: Path, path: str) -> Iterator[Path]:
    yield from (root / parent for parent in Path(path).parents)


def _remove_directory(directory: Path) -> None:
    """The partial forms of a tile that is full now; tlog-tiles allows it, and nothing refers to them."""
    with _failing():
        if directory.is_dir():
            for path in directory.iterdir():
                path.unlink()
            directory.rmdir()


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("The disk is full: the access record was not published.") from error
        raise StorageFailed("The disk failed under the published access record.") from error
