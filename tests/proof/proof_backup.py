"""Back-ups and restores as processes of their own, to be killed at any moment."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from fault_home import OPERATOR, WAIT, Site, clock, context

from leadglass.errors import LeadglassError
from leadglass.restoring import Hand, restore

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["leadglass.compose", "leadglass.restoring"])
REFUSED = 3


def _back_up(begun: Event, site: Path, folder: Path) -> None:
    with Site(site).open() as opened:
        begun.set()
        opened.services.backups.make(OPERATOR, context(), folder, clock)


def _restore(begun: Event, site: Path, folder: Path, paper: str) -> None:
    blank = Site(site)
    begun.set()
    restore(folder, blank.root, blank.environ, lambda: paper, Hand(OPERATOR, context, clock))


def _run(work: Callable[..., None], begun: Event, arguments: tuple[Any, ...]) -> None:
    try:
        work(begun, *arguments)
    except LeadglassError:
        raise SystemExit(REFUSED) from None


class Work:
    """One of them, under way since `begun`."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        begun = _processes.Event()
        self._process = _processes.Process(target=_run, args=(work, begun, arguments))
        self._process.start()
        assert begun.wait(WAIT)
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Let it finish; how long it took."""
        self._process.join(WAIT)
        assert self._process.exitcode == 0, self._process.exitcode
        return time.monotonic() - self._started

    def killed_after(self, seconds: float) -> bool:
        """kill -9 then; whether it was still at it."""
        threading.Event().wait(max(0.0, self._started + seconds - time.monotonic()))
        self._process.kill()
        self._process.join(WAIT)
        return self._process.exitcode == -signal.SIGKILL


def back_up(site: Site, folder: Path) -> Work:
    return Work(_back_up, site.folder, folder)


def restoring(site: Site, folder: Path, paper: str) -> Work:
    return Work(_restore, site.folder, folder, paper)
