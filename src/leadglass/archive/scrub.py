"""Reading everything again, slowly and for ever, so that a disk that forgets is found out before it matters.

Objects are read in the order of their numbers, table by table: who was read longest ago comes next. Where it
stands is durable. What is not as it was received is kept as damage until it can be read again, is repaired
or is gone, and `status` and the metrics say so. Nothing is taken out of sight by itself: that is what
`check --repair` is for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from leadglass.archive.soundness import Examiner, State
from leadglass.db.engine import Database, Transaction
from leadglass.errors import LeadglassError
from leadglass.index import lookup, upkeep
from leadglass.index.upkeep import Round

NAME: Final = "scrub"
SHORTEST: Final = 24 * 3600_000  # ms from the beginning of a round to that of the next
KEPT_EVERY: Final = 60.0  # seconds after which the position is kept
BATCH: Final = 100
IDLE: Final = 30.0  # seconds between looks when there is nothing to do, or no way to do it
_MIB: Final = 1 << 20

Window = Callable[[], bool]  # whether this is an hour in which to read


class Scrub:
    """`rate` in bytes per second; 0 is never. `clock` gives ms, `stopped` ends it within a second."""

    def __init__(
        self,
        db: Database,
        examiner: Examiner,
        clock: Callable[[], int],
        *,
        rate: float,
        window: Window = lambda: True,
    ) -> None:
        self._db = db
        self._examiner = examiner
        self._clock = clock
        self._rate = rate
        self._window = window
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._log = structlog.get_logger("leadglass.scrub")
        self._owed = 0.0  # when, by the monotonic clock, the next byte may be read
        self._kept = 0.0

    def start(self) -> None:
        if self._rate and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="leadglass-scrub", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Returns when nothing is read any more. Twice does no harm."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        trouble = ""
        while not self._stop.is_set():
            try:
                found_work, said = self._window() and self.step(), ""
            except LeadglassError as error:  # a full disk, a home that fails: it goes on when that is over
                found_work, said = False, error.code
            except Exception:  # noqa: BLE001 - a bug ends this step, and not the reading
                found_work, said = False, "failed"
                if said != trouble:
                    self._log.exception("reading objects again failed")
            if said != trouble:
                self._log.warning("reading objects again", trouble=said or "over")
                trouble = said
            if not found_work:
                self._stop.wait(IDLE)

    def step(self) -> bool:
        """Read the next few objects; whether there were any. The round's row is kept when it is due."""
        with self._db.read() as connection:
            at = upkeep.round_of(connection, NAME) or Round(NAME, started=0)
        now = self._clock()
        if at.kind not in lookup.HOLDINGS:  # none, or one that an earlier version had
            if now - at.started < SHORTEST and at.started:
                return False
            at = Round(NAME, started=now, finished=at.finished, kind=next(iter(lookup.HOLDINGS)))
        with self._db.read() as connection:
            batch = lookup.holdings(connection, at.kind, after=at.after, limit=BATCH)
        damage: dict[str, str | None] = {}
        for holding in batch:
            if not self._window():
                break
            state = self._examiner.examine(holding.sealed, deep=True, pace=self._paced).state
            if state is State.STOPPED or self._stop.is_set():
                break
            damage[holding.sealed.blob] = None if state is State.SOUND else state.value
            at = replace(at, after=holding.id, objects=at.objects + 1, bytes=at.bytes + holding.sealed.size)
            if state is not State.SOUND:
                self._log.error("an object is damaged", why=state.value, object=holding.sealed.blob)
            if self._is_due():
                break
        else:
            at = at if batch else self._further(at)
        self._keep(at, damage)
        return True

    def _further(self, at: Round) -> Round:
        """The next table, or the end of the round."""
        kinds = list(lookup.HOLDINGS)
        next_one = kinds.index(at.kind) + 1
        if next_one < len(kinds):
            return replace(at, kind=kinds[next_one], after=0)
        self._log.info("a round of reading objects again is over", objects=at.objects, bytes=at.bytes)
        return replace(at, kind="", after=0, finished=self._clock())

    def _keep(self, at: Round, damage: dict[str, str | None]) -> None:
        now, self._kept = self._clock(), time.monotonic()

        def unit(tx: Transaction) -> None:
            upkeep.keep_round(tx, at)
            for blob, why in damage.items():
                upkeep.note_damage(tx, blob, why, now)

        self._db.write(unit).result()

    def _is_due(self) -> bool:
        return time.monotonic() - self._kept >= KEPT_EVERY

    def _paced(self, size: int) -> bool:
        """Wait until so many bytes may have been read; False when it is to end. An object that is begun is
        read to its end, also when its hours are over: one that is too large for them would come first again
        on the next day, and nothing behind it would ever be read."""
        now = time.monotonic()
        self._owed = max(self._owed, now - 1) + size / self._rate
        while (left := self._owed - time.monotonic()) > 0:
            if self._stop.wait(min(left, 0.5)):
                return False
        return not self._stop.is_set()
