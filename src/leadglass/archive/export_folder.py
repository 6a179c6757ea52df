"""The folder that an export writes: plain files, each read back, and a manifest of those that count.

    DICOMDIR                         of everything in it, written when a run comes to its end
    T0000001/S0000001/I0000001       study, series and object by their numbers in the archive (PS3.10 8.2)
    leadglass-export.jsonl           the manifest: a line for each file that was written, read back and synced
    leadglass-export.part, .dir      the file and the DICOMDIR that are being written

A file has its name only when it is whole and durable, and counts only when the manifest has it. The manifest
names no patient. It is read a study at a time: memory does not grow with the archive.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson

from leadglass.archive.media import component
from leadglass.archive.objects import data_set
from leadglass.dicom.dicomdir import FILE_NAME
from leadglass.dicom.elements import Limits
from leadglass.errors import Conflict, StorageFailed, Tampered
from leadglass.index.rows import InstanceRow

MANIFEST: Final = "leadglass-export.jsonl"
PART: Final = "leadglass-export.part"
DIRECTORY_PART: Final = "leadglass-export.dir"
FORMAT: Final = 1
_CHUNK: Final = 1 << 20
_LONGEST_LINE: Final = 4096
_OURS: Final = frozenset({MANIFEST, PART, DIRECTORY_PART})
_FILE: Final = re.compile(r"T[0-9A-Z]{7}/S[0-9A-Z]{7}/I[0-9A-Z]{7}")

FileId = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that was written and read back. Digests in hex; `data_set`: SHA-256 of the data set in it."""

    file: str
    uid: str  # SOP Instance UID
    size: int
    sha256: str
    data_set: str
    as_received: bool  # its data set is the one that was received


class ExportFolder:
    """One run's hold on the folder. OSError of the folder's disk ends the run."""

    def __init__(self, root: Path, home_id: str, limits: Limits) -> None:
        """Conflict when something else is in it, or somebody else writes to it."""
        self._root = root
        self._limits = limits
        self._places: dict[str, list[tuple[int, int]]] = {}  # of each study's lines in the manifest
        self._pending: list[Kept] = []
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (root / MANIFEST).exists() and any(name not in _OURS for name in os.listdir(root)):
            raise Conflict(
                f"{root} is not empty. An export needs an empty folder, or one that it began before.",
                code="not-empty",
            )
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._manifest = os.fdopen(os.open(root / MANIFEST, flags, 0o600), "r+b", buffering=0)
        try:
            self._lock()
            self._read(home_id)
        except BaseException:
            self._manifest.close()
            raise
        self._clear()

    # --- what is there ------------------------------------------------------------------------------------

    @property
    def studies(self) -> frozenset[int]:
        """Numbers of the studies that have a file in it."""
        return frozenset(int(name[1:], 36) for name in self._places)

    def of_study(self, study_id: int) -> dict[str, Kept]:
        """What the manifest has of a study, by file."""
        found: dict[str, Kept] = {}
        for start, length in self._places.get(component("T", study_id), ()):
            for line in os.pread(self._manifest.fileno(), length, start).split(b"\n")[:-1]:
                kept = _kept(line)
                found[kept.file] = kept
        return found

    def holds(self, kept: Kept) -> bool:
        """Whether the file that the manifest has is there, in its size."""
        try:
            status = os.stat(self._root / kept.file, follow_symlinks=False)
        except OSError:
            return False
        return status.st_size == kept.size

    def read(self, file_id: FileId) -> Iterator[bytes]:
        yield from _chunks(self._root.joinpath(*file_id))

    # --- writing ------------------------------------------------------------------------------------------

    def write(self, row: InstanceRow, chunks: Iterable[bytes], digest: bytes | None) -> Kept:
        """Write an object, have it on the disk, read it back, give it its name.

        `digest` is what its data set must have, None when nobody knows. Tampered when it has another, or
        when the disk gives other bytes back. It counts once `settle` has returned.
        """
        part, written, size = self._root / PART, sha256(), 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(part, flags, 0o600), "wb", buffering=0) as file:
            for chunk in chunks:
                written.update(chunk)
                size += len(chunk)
                _write(file.fileno(), chunk)
            os.fsync(file.fileno())
            with suppress(OSError):  # so that what is read back comes from the disk
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        whole, of_data_set = self._read_back(part)
        if whole != written.digest():
            raise StorageFailed("The folder's disk gave other bytes back than were written.")
        if digest is not None and of_data_set != digest:
            raise Tampered("It is not what was received: its digest is another.", code="digest")
        file_id = file_id_of(row)
        path = self._root.joinpath(*file_id)
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        os.replace(part, path)
        kept = Kept(
            "/".join(file_id), row.sop_instance_uid, size, whole.hex(), of_data_set.hex(), digest is not None
        )
        self._pending.append(kept)
        return kept

    @property
    def pending(self) -> int:
        """Files that have their names but do not count yet."""
        return len(self._pending)

    def settle(self) -> None:
        """Make names durable, then have the manifest say so. What it is about is of one study."""
        if not self._pending:
            return
        folders = {(self._root / kept.file).parent for kept in self._pending}
        for folder in (*folders, *{folder.parent for folder in folders}, self._root):
            _sync_folder(folder)
        lines = b"".join(_line(kept) for kept in self._pending)
        start = os.fstat(self._manifest.fileno()).st_size
        _write(self._manifest.fileno(), lines)
        os.fsync(self._manifest.fileno())
        self._note(self._pending[0].file, start, len(lines))
        self._pending = []

    def directory(self) -> DirectoryFile:
        """A new DICOMDIR, which takes the old one's place when it is done."""
        return DirectoryFile(self._root)

    def close(self) -> None:
        self._clear()
        self._manifest.close()

    def _clear(self) -> None:
        """What a run that was stopped was about to write."""
        for name in (PART, DIRECTORY_PART):
            (self._root / name).unlink(missing_ok=True)

    # --- the manifest -------------------------------------------------------------------------------------

    def _lock(self) -> None:
        try:
            fcntl.flock(self._manifest.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"Another export writes to {self._root}.", code="export-busy") from None

    def _read(self, home_id: str) -> None:
        """Where each study's lines are. A line cut short, by a crash, was never relied on: it goes."""
        first = {"leadglass": "export", "format": FORMAT, "home": home_id}
        head, end = orjson.dumps(first) + b"\n", 0
        with open(self._root / MANIFEST, "rb") as lines:
            for line in iter(lambda: lines.readline(_LONGEST_LINE), b""):
                if not line.endswith(b"\n"):
                    if len(line) == _LONGEST_LINE or not (end or head.startswith(line)):
                        raise _altered()
                    break
                if end:
                    self._note(_kept(line).file, end, len(line))
                elif _json(line) != first:
                    raise Conflict(
                        f"{self._root} has an export of another home, or of another version.",
                        code="other-export",
                    )
                end += len(line)
        os.ftruncate(self._manifest.fileno(), end)
        if not end:
            _write(self._manifest.fileno(), head)
            os.fsync(self._manifest.fileno())

    def _note(self, file: str, start: int, length: int) -> None:
        places = self._places.setdefault(file.partition("/")[0], [])
        if places and sum(places[-1]) == start:
            start, length = places[-1][0], places.pop()[1] + length
        places.append((start, length))

    def _read_back(self, path: Path) -> tuple[bytes, bytes]:
        """SHA-256 over the file, and over the data set in it."""
        whole, of_data_set = sha256(), sha256()

        def chunks() -> Iterator[bytes]:
            for chunk in _chunks(path):
                whole.update(chunk)
                yield chunk

        for piece in data_set(chunks(), self._limits):
            of_data_set.update(piece)
        return whole.digest(), of_data_set.digest()


class DirectoryFile:
    """A DICOMDIR on its way to the disk (`media.Target`)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(root / DIRECTORY_PART, flags, 0o600), "r+b")
        self._size = 0

    def append(self, data: bytes) -> None:
        self._file.seek(self._size)
        self._file.write(data)
        self._size += len(data)

    def put(self, place: int, data: bytes) -> None:
        self._file.seek(place)
        self._file.write(data)

    def finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._root / DIRECTORY_PART, self._root / FILE_NAME)
        _sync_folder(self._root)

    def abandon(self) -> None:
        self._file.close()


def file_id_of(row: InstanceRow) -> FileId:
    """Where an object lies: the same in every run."""
    return component("T", row.series.study.id), component("S", row.series.id), component("I", row.id)


def _line(kept: Kept) -> bytes:
    return orjson.dumps(kept) + b"\n"


def _kept(line: bytes) -> Kept:
    found = _json(line)
    try:
        kept = Kept(**found)
    except TypeError:
        raise _altered() from None
    texts = (kept.file, kept.uid, kept.sha256, kept.data_set)
    if not all(isinstance(text, str) for text in texts) or not _FILE.fullmatch(kept.file):
        raise _altered()
    if type(kept.size) is not int or type(kept.as_received) is not bool:
        raise _altered()
    return kept


def _json(line: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise _altered() from None
    if not isinstance(found, dict):
        raise _altered()
    return found


def _altered() -> Conflict:
    return Conflict(
        f"{MANIFEST} was altered. Export to another folder, or put the file back as it was.", code="manifest"
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
