"""Streams into the archive, several at a time, with a bound on what is under way.

Each thread reads, parses, digests, seals and fsyncs one object; the commits are grouped by the database's
writer. The first thing that stops the whole import (a full disk, a missing right) is kept as `stopped`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from leadglass.access.principal import Context, Principal
from leadglass.archive.ingest import Incoming, Ingest, Kind, Outcome
from leadglass.cli.sources import CHUNK, Found, Refused, Source
from leadglass.errors import AsideFull, LeadglassError, LimitExceeded, Violation

THREADS: Final = 4
IN_FLIGHT: Final = 48  # objects that are sealed and wait for their commit
MOST_LISTED: Final = 10_000
_ITS_OWN: Final = (Violation, AsideFull)  # what keeps one object out, and no other


class Interrupted(Exception):
    """Raised inside a thread to let go of the object in hand."""


@dataclass(slots=True)
class Report:
    """What became of everything so far. `aside` and `refused` list at most 10,000 each."""

    stored: int = 0
    duplicates: int = 0
    kept_aside: int = 0
    refusals: int = 0
    bytes: int = 0  # of what was read
    aside: list[Refused] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    stopped: LeadglassError | None = None
    interrupted: bool = False

    @property
    def clean(self) -> bool:
        return not (self.refusals or self.kept_aside or self.stopped or self.interrupted)


class Pipeline:
    """One import. `context` gives the circumstances of the moment; `largest` is in bytes."""

    def __init__(
        self,
        ingest: Ingest,
        who: Principal,
        department_id: int,
        context: Callable[[], Context],
        *,
        largest: int,
        source: str = "import",
    ) -> None:
        self._ingest = ingest
        self._who = who
        self._department_id = department_id
        self._context = context
        self._largest = largest
        self._source = source
        self.report = Report()
        self._lock = threading.Lock()
        self._next = threading.Lock()
        self._stop = threading.Event()
        self._places = threading.BoundedSemaphore(IN_FLIGHT)

    def run(self, found: Iterator[Found], tick: Callable[[Report], None]) -> Report:
        """Take everything in; `tick` is called a few times a second. Ctrl-C lets what is under way finish."""
        threads = [
            threading.Thread(target=self._work, args=(found,), name=f"leadglass-import-{number}")
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(0.1)
                tick(self.report)
        except KeyboardInterrupt:
            self.report.interrupted = True
        finally:
            self._finish(threads)
        tick(self.report)
        return self.report

    def _finish(self, threads: list[threading.Thread]) -> None:
        if self.report.interrupted:
            self._stop.set()
        for thread in threads:
            thread.join()
        for _ in range(IN_FLIGHT):  # every commit has said how it ended
            self._places.acquire()

    def _work(self, found: Iterator[Found]) -> None:
        try:
            self._take_all(found)
        except BaseException as error:  # noqa: BLE001 - it would end with this thread, and nobody be told
            self._end(_failed(error))

    def _take_all(self, found: Iterator[Found]) -> None:
        while not self._stop.is_set():
            with self._next:
                one = next(found, None)
            if one is None:
                return
            if isinstance(one, Refused):
                self._refuse(one)
            else:
                self._take(one)

    def _take(self, source: Source) -> None:
        self._places.acquire()
        try:
            committed = self._seal(source)
        except _ITS_OWN as error:
            self._places.release()
            self._refuse(Refused(source.name, error.code, str(error)))
        except OSError as error:
            self._places.release()
            self._refuse(Refused(source.name, "unreadable", f"It cannot be read: {error.strerror}."))
        except LeadglassError as error:
            self._places.release()
            self._end(error)
        except Interrupted:
            self._places.release()
        except BaseException:
            self._places.release()
            raise
        else:
            committed.add_done_callback(lambda done: self._settle(source, done))

    def _seal(self, source: Source) -> Future[Outcome]:
        with (
            closing(source.open()) as stream,
            self._ingest.open(self._who, self._department_id, self._source, self._context()) as incoming,
        ):
            return self._pour(stream.read, incoming)

    def _pour(self, read: Callable[[int], bytes], incoming: Incoming) -> Future[Outcome]:
        total = 0
        while chunk := read(CHUNK):
            if self._stop.is_set():
                raise Interrupted
            total += len(chunk)
            if total > self._largest:
                raise LimitExceeded(
                    "It is larger than a single object may be (limits.object_mib in config.toml).",
                    code="object-too-large",
                )
            incoming.write(chunk)
            with self._lock:
                self.report.bytes += len(chunk)
        return incoming.finish()

    def _settle(self, source: Source, done: Future[Outcome]) -> None:
        """Called by the database's writer, after the commit."""
        error = done.exception()
        if error is None:
            self._count(source, done.result())
        elif isinstance(error, _ITS_OWN):
            self._refuse(Refused(source.name, error.code, str(error)))
        elif isinstance(error, LeadglassError):
            self._end(error)
        else:
            self._end(_failed(error))
        self._places.release()

    def _count(self, source: Source, outcome: Outcome) -> None:
        with self._lock:
            if outcome.kind is Kind.STORED:
                self.report.stored += 1
            elif outcome.kind is Kind.DUPLICATE or outcome.again:
                self.report.duplicates += 1
            else:
                self.report.kept_aside += 1
                code = outcome.clash.value if outcome.clash else ""
                _list(self.report.aside, Refused(source.name, code, outcome.reason))

    def _refuse(self, refused: Refused) -> None:
        with self._lock:
            self.report.refusals += 1
            _list(self.report.refused, refused)

    def _end(self, error: LeadglassError) -> None:
        with self._lock:
            self.report.stopped = self.report.stopped or error
        self._stop.set()


def _failed(error: BaseException) -> LeadglassError:
    """Our mistake, whatever it is: its kind, and nothing of its text."""
    return LeadglassError(f"The import failed: {type(error).__name__}.")


def _list(listed: list[Refused], refused: Refused) -> None:
    if len(listed) < MOST_LISTED:
        listed.append(refused)
