"""Files, folders and zips as a stream of sources, in a fixed order, with nothing unpacked to disk.

What a path or a member is called is shown on the terminal and used for nothing else: no name becomes a path.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from leadglass.archive.export_manifest import MANIFEST
from leadglass.archive.not_included import NOT_INCLUDED
from leadglass.dicom.dicomdir import FILE_NAME
from leadglass.errors import LimitExceeded, MalformedDataSet

CHUNK: Final = 256 * 1024
FREE_RATIO: Final = 16 << 20  # bytes that a zip member may unpack to however small it was
FREE_TOTAL: Final = 1 << 30  # and all members together
DIRECTORY_BYTES: Final = 64 << 20  # of a zip's table of contents

# They describe a medium and are no objects of the archive (PS3.10 8.6), in capitals; our own manifest too.
DESCRIPTIONS: Final = frozenset({FILE_NAME, MANIFEST.upper(), NOT_INCLUDED})
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_NOT_FOLLOWED = "It is a link that leads out of the folder; it was not followed."
_SPECIAL = "It is no regular file."
_ENCRYPTED = "It holds encrypted members. Unpack it with its password, then import the folder."
_INNER = "It is a zip inside a zip. Unpack it first."


class Stream(Protocol):
    """The bytes of one source. `read` gives b"" at the end; Violation or OSError when it cannot go on."""

    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """One thing to take in. `size` is what it takes where it lies, for the progress bar."""

    name: str
    size: int
    open: Callable[[], Stream]


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that was not taken in, and why, in a sentence."""

    name: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """`members`: of one zip; `ratio`: unpacked to packed size, of a member and of the whole."""

    members: int
    ratio: int


Found = Source | Refused


def find(paths: Iterable[Path], limits: ZipLimits) -> Iterator[Found]:
    """Everything under `paths`: folders in the order of their names, zips member by member."""
    for path in paths:
        if os.path.isdir(path):  # a name that is too long is no error here
            yield from _folder(path, limits)
        else:
            yield from _file(path, limits)


def _folder(folder: Path, limits: ZipLimits) -> Iterator[Found]:
    """Depth first, without recursion: folders may be nested deeper than Python may call."""
    root = _real(folder)
    listed = [_entries(folder)]
    while listed:
        entry = next(listed[-1], None)
        if entry is None:
            listed.pop()
        elif isinstance(entry, Refused):
            yield entry
        elif entry.is_symlink():
            # What it points to inside of the folder is met under its own name anyway.
            if not _real(entry.path).is_relative_to(root):
                yield Refused(entry.path, "link", _NOT_FOLLOWED)
        elif _is_folder(entry):
            listed.append(_entries(entry))
        elif entry.name.upper() not in DESCRIPTIONS:
            yield from _file(Path(entry.path), limits)


def _entries(folder: Path | os.DirEntry[str]) -> Iterator[os.DirEntry[str] | Refused]:
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        yield _unreadable(os.fspath(folder), error)
        return
    yield from entries


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # the file says why, when it is opened
        return False


def _real(path: str | Path) -> Path:
    """Where links lead. Those that lead in a circle lead nowhere, which is no error."""
    return Path(os.path.realpath(path))


def _file(path: Path, limits: ZipLimits) -> Iterator[Found]:
    try:
        with _open(path) as file:
            head, size = file.read(4), os.fstat(file.fileno()).st_size
    except IsADirectoryError:
        yield Refused(str(path), "special", _SPECIAL)
        return
    except OSError as error:
        yield _unreadable(str(path), error)
        return
    if head in _ZIP:
        yield from _zip(path, limits)
    else:
        yield Source(str(path), size, lambda: _open(path))


def _open(path: Path) -> BinaryIO:
    """A regular file. A FIFO or a device must neither block nor be read, nor be opened: for some that is a
    signal to somebody."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise IsADirectoryError(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it was replaced since
        os.close(descriptor)
        raise IsADirectoryError(path)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    return os.fdopen(descriptor, "rb", buffering=0)


def _unreadable(name: str, error: OSError) -> Refused:
    return Refused(name, "unreadable", f"It cannot be read: {error.strerror}.")


# --- zips -----------------------------------------------------------------------------------------------


def _zip(path: Path, limits: ZipLimits) -> Iterator[Found]:
    try:
        with _open(path) as file:
            if not _is_listable(file, limits.members):
                sentence = f"It has more than {limits.members:,} members. Unpack it, then import the folder."
                yield Refused(str(path), "limit", sentence)
                return
        with zipfile.ZipFile(path) as archive:
            yield from _members(str(path), archive, limits)
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, EOFError):
        yield Refused(str(path), "zip-damaged", "The zip is damaged. What could be read of it was imported.")
    except OSError as error:
        yield _unreadable(str(path), error)


def _members(name: str, archive: zipfile.ZipFile, limits: ZipLimits) -> Iterator[Found]:
    budget = _Budget(max(FREE_TOTAL, limits.ratio * os.fstat(_descriptor(archive)).st_size))
    told = False
    for member in archive.infolist():
        shown = f"{name}/{member.filename}"
        if member.filename.endswith("/") or member.filename.rpartition("/")[2].upper() in DESCRIPTIONS:
            continue
        if member.flag_bits & 0x1:  # APPNOTE 4.4.4: encrypted
            if not told:
                yield Refused(name, "zip-encrypted", _ENCRYPTED)
            told = True
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # The others give their output in pieces that nobody can bound beforehand.
            sentence = "It is packed in a way that is not read here. Unpack it first."
            yield Refused(shown, "zip-method", sentence)
        else:
            yield _member(shown, archive, member, limits, budget)


def _member(
    shown: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: ZipLimits, budget: _Budget
) -> Found:
    """Opened at once: the zip may be closed, but for what is open, before a thread gets at it."""
    try:
        stream = archive.open(member)
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, EOFError):
        return Refused(shown, "zip-damaged", "The zip is damaged at this member.")
    most = max(FREE_RATIO, limits.ratio * member.compress_size)
    return Source(shown, member.compress_size, lambda: _MemberStream(stream, most, budget))


def _descriptor(archive: zipfile.ZipFile) -> int:
    assert archive.fp is not None
    return archive.fp.fileno()


@dataclass(slots=True)
class _Budget:
    """What all members of one zip may still unpack to, in bytes."""

    left: int


class _MemberStream:
    """A zip member that unpacks as it is read, up to `most` bytes."""

    def __init__(self, stream: Stream, most: int, budget: _Budget) -> None:
        self._stream = stream
        self._left = most
        self._budget = budget
        self._first = True

    def read(self, size: int) -> bytes:
        try:
            chunk = self._stream.read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise MalformedDataSet("The zip is damaged at this member.", code="zip-damaged") from error
        if self._first and chunk[:4] in _ZIP:
            raise MalformedDataSet(_INNER, code="zip-in-zip")
        self._first = False
        self._left -= len(chunk)
        self._budget.left -= len(chunk)
        if self._left < 0 or self._budget.left < 0:
            raise LimitExceeded("It unpacks to far more than it is packed: a zip bomb?", code="zip-ratio")
        return chunk

    def close(self) -> None:
        self._stream.close()


_END = struct.Struct("<4s4H2LH")  # APPNOTE 4.3.16 end of central directory record
_END_64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LOCATOR_64 = struct.Struct("<4sLQL")  # 4.3.15
_ENTRY = struct.Struct("<4s6H3L5H2L")  # 4.3.12 file header
_LONGEST_COMMENT = 0xFFFF


def _is_listable(file: BinaryIO, most: int) -> bool:
    """Whether there are at most `most` members, in a directory that is not out of all proportion: `zipfile`
    holds all of it. Their number is found by walking it, for what a zip says of that need not be true."""
    start, size = _central_directory(file)
    if size > DIRECTORY_BYTES:
        return False
    file.seek(start)
    count, walked = 0, 0
    while walked + _ENTRY.size <= size and count <= most:
        head = file.read(_ENTRY.size)
        if len(head) < _ENTRY.size or head[:4] != b"PK\x01\x02":
            break
        *_, name, extra, comment = _ENTRY.unpack(head)[:13]
        file.seek(name + extra + comment, os.SEEK_CUR)
        walked += _ENTRY.size + name + extra + comment
        count += 1
    return count <= most


def _central_directory(file: BinaryIO) -> tuple[int, int]:
    """Offset and size, as `zipfile` takes them: the directory ends where its end record begins."""
    length = file.seek(0, os.SEEK_END)
    tail_start = file.seek(max(0, length - _END.size - _LONGEST_COMMENT))
    tail = file.read(_END.size + _LONGEST_COMMENT)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        raise zipfile.BadZipFile
    size, end = _END.unpack_from(tail, place)[5], tail_start + place
    if place >= _LOCATOR_64.size and tail[place - _LOCATOR_64.size :][:4] == b"PK\x06\x07":
        end -= _LOCATOR_64.size + _END_64.size
        file.seek(max(0, end))
        record = file.read(_END_64.size)
        if len(record) == _END_64.size and record[:4] == b"PK\x06\x06":
            size = _END_64.unpack(record)[8]
    return max(0, end - size), size
