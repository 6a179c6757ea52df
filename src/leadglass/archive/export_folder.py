"""The folder that an export writes: plain files, each read back, and a manifest of those that count.

    DICOMDIR                         of everything in it, written when a run comes to its end
    T0000001/S0000001/I0000001       study, series and object by their numbers in the archive (PS3.10 8.2)
    leadglass-export.jsonl           the manifest
    leadglass-export.parts/          the files that are being written
    leadglass-export.dir             the DICOMDIR that is being written

A file goes through three steps, each for a group of them: written, under another name (`write`); durable and
read back (`secure`); named, its name durable, and in the manifest (`settle`). Only then it counts.

Everything is opened below the folder's own descriptor, and no symbolic link in it is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from leadglass.archive.export_manifest import MANIFEST, Kept, Manifest
from leadglass.archive.media import component
from leadglass.archive.objects import data_set
from leadglass.dicom.dicomdir import FILE_NAME
from leadglass.dicom.elements import Limits
from leadglass.errors import Conflict, StorageFailed, Tampered
from leadglass.index.rows import InstanceRow
from leadglass.store.below import NOT_PLAIN, READ, below, sync_folder
from leadglass.store.files import write_all

PARTS: Final = "leadglass-export.parts"
DIRECTORY_PART: Final = "leadglass-export.dir"
_FIRST, _CHUNK = 16 << 10, 1 << 20  # bytes
_WRITEBACK: Final = 8 << 20  # bytes after which the disk is asked to begin
_OURS: Final = frozenset({MANIFEST, PARTS, DIRECTORY_PART, "lost+found"})
_NEW: Final = os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW

FileId = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """A file on its way to the disk, under another name."""

    row: InstanceRow
    size: int
    sha256: bytes


class ExportFolder:
    """One run's hold on the folder. OSError of the folder's disk ends the run. Threads may write to it."""

    def __init__(self, root: Path, home_id: str, limits: Limits) -> None:
        """Conflict when something else is in it, or somebody else writes to it; StorageFailed."""
        self._limits = limits
        try:
            self._open(root, home_id)
        except OSError as error:
            raise StorageFailed(why(error)) from error

    def _open(self, root: Path, home_id: str) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            names = os.listdir(self._root)
            if MANIFEST not in names and not _OURS.issuperset(names):
                raise Conflict(
                    "The folder is not empty. An export needs an empty folder, one that it began before, or "
                    "one that does not exist yet.",
                    code="not-empty",
                )
            self._manifest = Manifest(self._root, home_id)
        except BaseException:
            os.close(self._root)
            raise
        try:
            self._clear()
            with below(self._root, PARTS, make=True) as parts:
                self._parts = os.dup(parts)
        except BaseException:
            self._manifest.close()
            os.close(self._root)
            raise

    # --- what is there ------------------------------------------------------------------------------------

    @property
    def studies(self) -> frozenset[int]:
        """Numbers of the studies that have a file in it."""
        return frozenset(int(name[1:], 36) for name in self._manifest.studies)

    def of_study(self, study_id: int) -> dict[str, Kept]:
        """What the manifest has of a study, by file."""
        return self._manifest.of_study(component("T", study_id))

    def holds(self, kept: Kept) -> bool:
        """Whether the file that the manifest has is there, in its size."""
        *folders, name = kept.file.split("/")
        try:
            with below(self._root, *folders) as folder:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size == kept.size

    def is_sound(self, kept: Kept) -> bool:
        """Whether its bytes are those that were written, read from the disk again."""
        try:
            with self._reading(kept) as descriptor:
                whole, of_data_set = self._read_back(descriptor)
        except (OSError, Tampered):
            return False
        return (whole.hex(), of_data_set.hex()) == (kept.sha256, kept.data_set)

    def read(self, kept: Kept) -> Iterator[bytes]:
        with self._reading(kept) as descriptor:
            yield from _chunks(descriptor)

    # --- writing ------------------------------------------------------------------------------------------

    def write(self, row: InstanceRow, chunks: Iterable[bytes]) -> Written:
        """Write an object and have the disk begin with it. StorageFailed when no file can be so large."""
        part, digest, size, begun = _part(row), sha256(), 0, 0
        descriptor = os.open(part, os.O_WRONLY | _NEW, 0o600, dir_fd=self._parts)
        try:
            for chunk in chunks:
                digest.update(chunk)
                write_all(os.write, descriptor, memoryview(chunk))
                size += len(chunk)
                if size - begun >= _WRITEBACK:
                    begun = _forget(descriptor, size)
            _forget(descriptor, size)
        except BaseException as error:
            os.unlink(part, dir_fd=self._parts)
            if isinstance(error, OSError) and error.errno == errno.EFBIG:
                raise StorageFailed(
                    "It is larger than a file can be on the folder's disk.", code="file-too-large"
                ) from error
            raise
        finally:
            os.close(descriptor)
        return Written(row, size, digest.digest())

    def secure(self, written: Written, digest: bytes | None) -> Kept:
        """Have it on the disk, and read it back from there.

        `digest` is what its data set must have, None when nobody knows. Tampered when it has another,
        StorageFailed when the disk gives other bytes back.
        """
        part = _part(written.row)
        descriptor = os.open(part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._parts)
        try:
            os.fsync(descriptor)
            _forget(descriptor, written.size)  # so that what is read back comes from the disk
            whole, of_data_set = self._read_back(descriptor)
            if whole != written.sha256:
                raise StorageFailed("The folder's disk gave other bytes back than were written.")
            if digest is not None and of_data_set != digest:
                raise Tampered("It is not what was received: its digest is another.", code="digest")
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=self._parts)
            raise
        finally:
            os.close(descriptor)
        file, uid = "/".join(file_id_of(written.row)), written.row.sop_instance_uid
        return Kept(file, uid, written.size, whole.hex(), of_data_set.hex(), digest is not None)

    def settle(self, secured: Sequence[tuple[Written, Kept]]) -> None:
        """Give these their names, make the names durable, then have the manifest say so."""
        if not secured:
            return
        series: dict[tuple[str, ...], None] = {}
        for written, _ in secured:
            *folders, name = file_id_of(written.row)
            with below(self._root, *folders, make=tuple(folders) not in series) as folder:
                os.rename(_part(written.row), name, src_dir_fd=self._parts, dst_dir_fd=folder)
            series[tuple(folders)] = None
        for path in (*series, *{folders[:1]: None for folders in series}, ()):
            with below(self._root, *path) as folder:
                sync_folder(folder)
        self._manifest.append([kept for _, kept in secured])

    def directory(self) -> DirectoryFile:
        """A new DICOMDIR, which takes the old one's place when it is done."""
        return DirectoryFile(self._root)

    def close(self) -> None:
        with suppress(OSError):
            self._clear()
        self._manifest.close()
        os.close(self._parts)
        os.close(self._root)

    def _clear(self) -> None:
        """What a run that was stopped was about to write."""
        with suppress(FileNotFoundError):
            os.unlink(DIRECTORY_PART, dir_fd=self._root)
        with suppress(FileNotFoundError):
            with below(self._root, PARTS) as parts:
                for name in os.listdir(parts):
                    os.unlink(name, dir_fd=parts)
            os.rmdir(PARTS, dir_fd=self._root)

    @contextmanager
    def _reading(self, kept: Kept) -> Iterator[int]:
        """The descriptor of a file that has its name. OSError for what is no plain file."""
        *folders, name = kept.file.split("/")
        with below(self._root, *folders) as folder:
            descriptor = os.open(name, READ, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "Something in it is no file")
            yield descriptor
        finally:
            os.close(descriptor)

    def _read_back(self, descriptor: int) -> tuple[bytes, bytes]:
        """SHA-256 over the file, and over the data set in it; nothing of it stays in memory."""
        whole, of_data_set, size = sha256(), sha256(), 0

        def chunks() -> Iterator[bytes]:
            nonlocal size
            for chunk in _chunks(descriptor):
                whole.update(chunk)
                size += len(chunk)
                yield chunk

        for piece in data_set(chunks(), self._limits):
            of_data_set.update(piece)
        _forget(descriptor, size)
        return whole.digest(), of_data_set.digest()


class DirectoryFile:
    """A DICOMDIR on its way to the disk (`media.Target`)."""

    def __init__(self, root: int) -> None:
        self._root = root
        descriptor = os.open(DIRECTORY_PART, os.O_RDWR | _NEW, 0o600, dir_fd=root)
        self._file = os.fdopen(descriptor, "r+b")
        self._size = 0

    def append(self, data: bytes) -> None:
        self._file.seek(self._size)
        self._file.write(data)
        self._size += len(data)

    def put(self, place: int, data: bytes) -> None:
        self._file.seek(place)
        self._file.write(data)

    def finish(self) -> None:
        with closing(self._file):
            self._file.flush()
            os.fsync(self._file.fileno())
        os.rename(DIRECTORY_PART, FILE_NAME, src_dir_fd=self._root, dst_dir_fd=self._root)
        sync_folder(self._root)

    def abandon(self) -> None:
        with suppress(OSError):  # a full disk cannot take what is still buffered
            self._file.close()


def why(error: OSError) -> str:
    """What the operating system's refusal means to whoever exports."""
    if error.errno in NOT_PLAIN:
        return "Something in the folder is a link, or is no folder, where an export has its own."
    if error.errno == errno.EEXIST:
        return "What is named as the folder is a file."
    return f"The folder cannot be written: {error.strerror}."


def file_id_of(row: InstanceRow) -> FileId:
    """Where an object lies: the same in every run."""
    return component("T", row.series.study.id), component("S", row.series.id), component("I", row.id)


def _part(row: InstanceRow) -> str:
    return component("I", row.id)


def _chunks(descriptor: int) -> Iterator[bytes]:
    """A small one first: it is taken apart, and the rest of it copied."""
    at, size = 0, _FIRST
    while chunk := os.pread(descriptor, size, at):
        at, size = at + len(chunk), _CHUNK
        yield chunk


def _forget(descriptor: int, size: int) -> int:
    """Linux begins to write what is dirty, and drops what is on the disk already. Advice: it may fail."""
    with suppress(OSError):
        os.posix_fadvise(descriptor, 0, size, os.POSIX_FADV_DONTNEED)
    return size
