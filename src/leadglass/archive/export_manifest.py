"""The manifest of an export: a line for each file that was written, read back and synced.

It names no patient, and is read a study at a time: memory does not grow with the archive.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from re import compile as pattern
from typing import Any, Final

import orjson

from leadglass.errors import Conflict
from leadglass.store.files import write_all

MANIFEST: Final = "leadglass-export.jsonl"
FORMAT: Final = 1
_LONGEST_LINE: Final = 4096
_FILE: Final = pattern(r"T[0-9A-Z]{7}/S[0-9A-Z]{7}/I[0-9A-Z]{7}")
_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that was written and read back. Digests in hex; `data_set`: SHA-256 of the data set in it."""

    file: str
    uid: str  # SOP Instance UID
    size: int
    sha256: str
    data_set: str
    as_received: bool  # its data set is the one that was received


class Manifest:
    """Of one folder, held by one run alone. OSError when the disk fails."""

    def __init__(self, folder: int, home_id: str) -> None:
        """Conflict when another run holds it, or it is not what an export of this home wrote."""
        self._places: dict[
            str, list[tuple[int, int]]
        ] = {}  # of each study's lines: from where, how many bytes
        self._failed = False
        self._descriptor = os.open(MANIFEST, _OPEN, 0o600, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                raise _altered()
            self._lock()
            self._read(home_id)
        except BaseException:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        os.close(self._descriptor)

    @property
    def studies(self) -> Iterator[str]:
        """The folders' names of those that have a line."""
        return iter(self._places)

    def of_study(self, folder: str) -> dict[str, Kept]:
        """What it has of a study, by file: the newest line counts."""
        found: dict[str, Kept] = {}
        for start, length in self._places.get(folder, ()):
            for line in os.pread(self._descriptor, length, start).split(b"\n")[:-1]:
                kept = _kept(line)
                found[kept.file] = kept
        return found

    def append(self, written: Sequence[Kept]) -> None:
        """From here on they count. They and their names are durable already. After an error, never again."""
        if self._failed:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        at = os.fstat(self._descriptor).st_size
        lines = [(_study(kept.file), orjson.dumps(kept) + b"\n") for kept in written]
        try:
            write_all(os.write, self._descriptor, memoryview(b"".join(line for _, line in lines)))
            os.fsync(self._descriptor)
        except OSError:
            self._failed = True
            with suppress(OSError):  # half a line, with none behind it, does no harm either
                os.ftruncate(self._descriptor, at)
            raise
        # COMMIT POINT: a later run takes them as they are.
        for study, some in groupby(lines, lambda each: each[0]):
            length = sum(len(line) for _, line in some)
            self._note(study, at, length)
            at += length

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("Another export is writing to this folder.", code="export-busy") from None

    def _read(self, home_id: str) -> None:
        """Where each study's lines are. A line cut short, by a crash, was never relied on: it goes."""
        first = {"leadglass": "export", "format": FORMAT, "home": home_id}
        head, end = orjson.dumps(first) + b"\n", 0
        with open(os.dup(self._descriptor), "rb") as lines:
            for line in iter(lambda: lines.readline(_LONGEST_LINE), b""):
                if not line.endswith(b"\n"):
                    if len(line) == _LONGEST_LINE or not (end or head.startswith(line)):
                        raise _altered()
                    break
                if end:
                    self._note(_study(_kept(line).file), end, len(line))
                elif _json(line) != first:
                    raise Conflict(
                        "The folder has an export of another home, or of another version.",
                        code="other-export",
                    )
                end += len(line)
        os.ftruncate(self._descriptor, end)
        if not end:
            write_all(os.write, self._descriptor, memoryview(head))
            os.fsync(self._descriptor)

    def _note(self, study: str, start: int, length: int) -> None:
        places = self._places.setdefault(study, [])
        if places and sum(places[-1]) == start:
            start, length = places[-1][0], places.pop()[1] + length
        places.append((start, length))


def _study(file: str) -> str:
    return file.partition("/")[0]


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
