"""The hands of an export: several objects at a time, made durable and read back in groups, told of in order.

    take ─▶ written by one thread of some ─▶ group full ─▶ each made durable and read back ─▶ named, counted
                                             meanwhile the next group is being written

The disk begins with each file when it is written, so that the many fsyncs of a group find little left to do
and share what there is. What is under way is bounded by two groups.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from leadglass.archive.export_folder import ExportFolder, Written
from leadglass.archive.export_manifest import Kept
from leadglass.archive.leaving import UNREADABLE
from leadglass.archive.media import Header
from leadglass.archive.retrieve import Exported
from leadglass.errors import LeadglassError

WRITERS: Final = 4
READERS: Final = 8  # fsync, and read back
FILES: Final = 128  # of a group, or
BYTES: Final = 64 << 20  # of them together


@dataclass(slots=True)
class Job:
    """One object. In the end `kept` is in the folder, or `error` says why not; `there`: it was before."""

    one: Exported
    header: Header
    kept: Kept | None = None  # before it is taken: what an earlier run has of it
    written: Written | None = None
    error: LeadglassError | None = None
    there: bool = False
    again: bool = False  # an earlier run had it; it was altered, or is gone


class _Stopped(Exception):
    """Raised inside a thread to let go of the object in hand."""


@dataclass(slots=True)
class Crew:
    """`settled` is called with each group, whose files count from then on. What `take`, `finish` and it raise
    ends the run: then `stop`."""

    folder: ExportFolder
    settled: Callable[[list[Job]], None]
    verify: bool = False  # read again what is there, too
    _filling: list[tuple[Job, Future[None]]] = field(default_factory=list)
    _securing: list[tuple[Job, Future[None]]] = field(default_factory=list)
    _size: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _writers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(WRITERS, "leadglass-export")
    )
    _readers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(READERS, "leadglass-export-disk")
    )

    def take(self, job: Job) -> None:
        self._filling.append((job, self._writers.submit(self._begin, job)))
        self._size += job.one.row.size
        if len(self._filling) >= FILES or self._size >= BYTES:
            self._turn()

    def finish(self) -> None:
        """Everything that was taken is settled."""
        self._turn()
        self._turn()

    def stop(self) -> None:
        """Nothing more is begun. What was written whole still becomes durable and counts, if the disk can."""
        self._stop.set()
        for _, begun in self._filling:
            begun.cancel()
        self._filling = [
            (job, begun) for job, begun in self._filling if not begun.cancelled() and not begun.exception()
        ]
        with suppress(OSError, LeadglassError):
            self.finish()

    def close(self) -> None:
        self._stop.set()
        for pool in (self._writers, self._readers):
            pool.shutdown(cancel_futures=True)

    def _turn(self) -> None:
        """What is written goes to be secured, and what was being secured is settled."""
        for _, begun in self._filling:
            begun.result()
        group, self._filling, self._size = self._filling, [], 0
        before, self._securing = self._securing, [
            (job, self._readers.submit(self._secure, job)) for job, _ in group
        ]  # fmt: skip
        for _, secured in before:
            secured.result()
        jobs = [job for job, _ in before]
        self.folder.settle([(job.written, job.kept) for job in jobs if job.written and job.kept])
        self.settled(jobs)

    def _begin(self, job: Job) -> None:
        try:
            if job.kept is not None and self._is_there(job.kept):
                self._read_header(job.kept, job.header)
                job.there = True
                return
            job.again, job.kept = job.kept is not None, None
            with job.one.opened() as stored:
                chunks = self._until_stopped(job.header.passing(stored.chunks))
                job.written = self.folder.write(job.one.row, chunks)
        except UNREADABLE as error:
            job.error = error

    def _is_there(self, kept: Kept) -> bool:
        return self.folder.holds(kept) and (not self.verify or self.folder.is_sound(kept))

    def _read_header(self, kept: Kept, header: Header) -> None:
        for chunk in self.folder.read(kept):
            if header.feed(chunk):
                return

    def _until_stopped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._stop.is_set():
                raise _Stopped
            yield chunk

    def _secure(self, job: Job) -> None:
        if job.written is None:
            return
        try:
            job.kept = self.folder.secure(job.written, job.one.digest)
        except UNREADABLE as error:
            job.error = error
