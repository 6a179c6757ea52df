"""leadglass import --watch: what appears in a folder is taken in, until somebody stops it.

    look      all files, their sizes and times; a file that is as it was at the last look is finished
    take in   what is finished and not dealt with, as every import does
    note      what was stored or refused for good is dealt with, until it changes

Nothing in the folder is moved, changed or deleted. It may vanish, an unmounted share, and come back.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leadglass.archive.watched import Seen, Stamp
from leadglass.cli import show
from leadglass.cli.sources import DESCRIPTIONS, Found, Refused, ZipLimits, find
from leadglass.cli.work import Work
from leadglass.errors import AsideFull, LeadglassError, Unavailable

if TYPE_CHECKING:
    from leadglass.cli.pipeline import Report

PAUSE: Final = 5.0  # seconds between two looks, at least: as long must a file stay as it is
SHARE: Final = 10  # a look takes at most a tenth of the time
AGAIN: Final = 60.0  # seconds until what could not be read, or not be stored, is tried again
LATER: Final = frozenset({"unreadable", AsideFull.code})  # of what may be taken in another time
BATCH: Final = 500  # files that are noted together
_GONE = "{} is not there. Watching until it comes back."
_BACK = "{} is there."


class Stop:
    """SIGINT and SIGTERM: what is under way is finished. The second one ends it at once."""

    def __init__(self) -> None:
        self.event = threading.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.getsignal(number) for number in numbers}

        def stop(*_: object) -> None:
            self.event.set()
            for number in numbers:
                signal.signal(number, signal.SIG_DFL)

        try:
            for number in numbers:
                signal.signal(number, stop)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def watch(work: Work, folders: list[Path], department: str | None, *, json: bool) -> None:
    """Until it is stopped."""
    stop = Stop()
    department_id = work.services.accounts.department(work.who, department, work.context())
    limits = work.opened.settings.limits
    zips = ZipLimits(members=limits.zip_members, ratio=limits.zip_ratio)
    watched = [
        Folder(
            work,
            path,
            work.services.watched.open(work.who, work.context(), os.fsencode(path), department_id),
            Voice(json),
            stop,
            department,
            zips,
        )
        for path in folders
    ]
    with stop.listening():
        for each in watched:
            show.note(f"Watching {show.printable(str(each.path))}. Ctrl-C stops it.")
        while not stop.event.is_set():
            began = time.monotonic()
            for each in watched:
                each.turn()
            stop.event.wait(max(PAUSE, SHARE * (time.monotonic() - began)) if not _busy(watched) else 0)
    show.note("Stopped. What it counts as stored is safe; the same command goes on.")


def _busy(watched: list[Folder]) -> bool:
    return any(each.more for each in watched)


@dataclass(slots=True)
class Voice:
    """What is told, each thing once. Names of files are shown on a terminal and nowhere else: they name
    patients, and what is no terminal may be a log."""

    json: bool

    def batch(self, report: Report, refused: list[Refused]) -> None:
        from leadglass.cli.intake import counted

        if self.json:
            show.line(_line(report, refused))
            return
        now = show.moment(time.time_ns() // 1_000_000)
        show.line(f"{now}  {counted(report, len(refused))} ({show.size(report.bytes)}).")
        problems = [*refused, *report.aside]
        if sys.stdout.isatty():
            show.plain_rows((show.printable(show.shortened(each.name)), each.sentence) for each in problems)
        else:
            for sentence, count in Counter(each.sentence for each in problems).items():
                show.line(f"  {count:,}: {sentence}")


def _line(report: Report, refused: list[Refused]) -> str:
    import json

    return json.dumps(
        {
            "stored": report.stored,
            "duplicates": report.duplicates,
            "kept_aside": report.kept_aside,
            "refused": len(refused),
            "bytes": report.bytes,
            "reasons": Counter(each.code for each in (*refused, *report.aside)),
        }
    )


@dataclass(slots=True)
class Folder:
    """One watched folder."""

    work: Work
    path: Path
    seen: Seen
    voice: Voice
    stop: Stop
    department: str | None
    zips: ZipLimits
    more: bool = False  # there is more to take in at once
    _before: dict[bytes, Stamp] = field(default_factory=dict)  # what was not dealt with at the last look
    _later: dict[bytes, tuple[Stamp, float]] = field(default_factory=dict)  # not before that time
    _is_gone: bool = False
    _complaint: str = ""
    _was_told: bool = False

    def turn(self) -> None:
        """One look, and what comes of it."""
        look = self._look()
        if look is None:
            return
        unknown = {path: stamp for path, stamp in look.files.items() if not self.seen.has(path, stamp)}
        now = time.monotonic()
        finished = [
            path
            for path, stamp in unknown.items()
            if self._before.get(path) == stamp and not self._must_wait(path, stamp, now)
        ]
        self._before = unknown
        self._later = {path: wait for path, wait in self._later.items() if path in unknown}
        batch = {path: unknown[path] for path in sorted(finished)[:BATCH]}
        self.more = bool(batch) and self._take_in(batch) and len(finished) > len(batch)
        if look.is_whole and look.files:  # an empty folder may be the place of a share that is not mounted
            self.seen.keep_only(look.files)

    def _must_wait(self, path: bytes, stamp: Stamp, now: float) -> bool:
        wait = self._later.get(path)
        return wait is not None and wait[0] == stamp and now < wait[1]

    def _look(self) -> Look | None:
        look = Look()
        try:
            look.into(os.fsencode(self.path))
        except OSError:
            if not self._is_gone:
                show.complain(_GONE.format(self.path))
            self._is_gone, self._before = True, {}
            return None
        if self._is_gone:
            show.complain(_BACK.format(self.path))
        self._is_gone = False
        return look

    def _take_in(self, batch: Mapping[bytes, Stamp]) -> bool:
        """Whether it went as it should, and there is sense in going on at once."""
        from leadglass.cli.intake import run

        try:
            report = run(self.work, self._found(batch), self.department, self._tick, source="watch")
        except KeyboardInterrupt:  # at the very end of it
            return False
        with suppress(Unavailable):
            self.work.opened.publish()
        if report.stopped or report.interrupted:
            self._complain(report.stopped)
            self._put_off(batch)
            return False
        self._complaint = ""
        again = {_file_of(each.name, batch) for each in report.refused if each.code in LATER}
        fresh = [
            each
            for each in report.refused
            if each.code not in LATER or _file_of(each.name, batch) not in self._later
        ]
        if report.stored or report.duplicates or report.kept_aside or fresh:
            self.voice.batch(report, fresh)
        self._put_off({path: stamp for path, stamp in batch.items() if path in again})
        self.seen.note({path: s for path, s in batch.items() if path not in again and stamp_of(path) == s})
        return True

    def _found(self, batch: Mapping[bytes, Stamp]) -> Iterator[Found]:
        """What has gone since is no refusal."""
        for path in batch:
            for found in find([Path(os.fsdecode(path))], self.zips):
                if not isinstance(found, Refused) or os.path.lexists(path):
                    yield found

    def _tick(self, _: Report) -> None:
        if self.stop.event.is_set() and not self._was_told:
            self._was_told = True
            raise KeyboardInterrupt  # as Ctrl-C ends every import, once

    def _put_off(self, batch: Mapping[bytes, Stamp]) -> None:
        until = time.monotonic() + AGAIN
        self._later |= {path: (stamp, until) for path, stamp in batch.items()}

    def _complain(self, error: LeadglassError | None) -> None:
        if error is not None and str(error) != self._complaint:
            self._complaint = str(error)
            show.complain(f"{error} It is tried again.")


def _file_of(name: str, batch: Mapping[bytes, Stamp]) -> bytes:
    """The file of `batch` that is called so, or holds the member of a zip that is."""
    path = os.fsencode(name)
    while path not in batch and b"/" in path:
        path = path.rpartition(b"/")[0]
    return path


@dataclass(slots=True)
class Look:
    """All files below a folder. Links are not followed; hidden names are what writers use meanwhile."""

    files: dict[bytes, Stamp] = field(default_factory=dict)
    is_whole: bool = True

    def into(self, folder: bytes) -> None:
        """OSError when the folder itself cannot be listed. Without recursion: folders may be nested deep."""
        below = self._list(folder)
        while below:
            try:
                below += self._list(below.pop())
            except OSError:
                self.is_whole = False

    def _list(self, folder: bytes) -> list[bytes]:
        """The folders in it."""
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if not entry.name.startswith(b".") and self._meet(entry)]

    def _meet(self, entry: os.DirEntry[bytes]) -> bool:
        """Whether it is a folder."""
        try:
            if entry.is_dir(follow_symlinks=False):
                return True
            if os.fsdecode(entry.name).upper() not in DESCRIPTIONS:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    self.files[entry.path] = _stamp(status)
        except OSError:
            self.is_whole = False
        return False


def stamp_of(path: bytes) -> Stamp | None:
    """None when it is not there any more."""
    try:
        return _stamp(os.stat(path, follow_symlinks=False))
    except OSError:
        return None


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)
