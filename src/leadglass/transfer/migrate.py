"""All of another archive into this one: list it, retrieve what is missing, compare the counts.

What was found out is kept between runs. A study is compared, retrieved if it has fewer instances here, and
compared again; nothing is believed that was not counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final

from leadglass.archive.migration import Listed, Progress, State
from leadglass.dimse.status import Category, Service, category
from leadglass.errors import Refused, Unreachable
from leadglass.net.link import Link
from leadglass.transfer import query
from leadglass.transfer.association import associated
from leadglass.transfer.listing import Ended, Listing
from leadglass.transfer.pace import Hours, Pace
from leadglass.transfer.query import Level, Outcome, Query, find
from leadglass.transfer.receive import Received, Receiver
from leadglass.transfer.retrieve import Counts, Wanted, get, move, rows, text_of
from leadglass.transfer.target import Endpoint
from leadglass.transfer.windows import Window

PAGE: Final = 5000  # studies of one answer that are taken before a smaller window is asked for
TRIES: Final = 3  # of calling an archive that does not answer, before the run ends
WAIT: Final = 30.0  # seconds before the second, twice as many before the third

# Refusals that the next study would meet as well.
_FOR_ALL: Final = frozenset(
    {"calling-not-recognized", "called-not-recognized", "congested", "no-context", "no-queries"}
)
_ASKED: Final = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "PatientID", "NumberOfStudyRelatedInstances",
)  # fmt: skip
SAVED_EVERY: Final = 20  # answers without a study; those with one are saved at once


def judge(expected: int | None, held: int) -> State:
    """How the numbers of instances there and here compare."""
    if expected is None:
        return State.UNKNOWN
    if expected == held:
        return State.AGREES
    return State.FEWER if held < expected else State.MORE


@dataclass(slots=True)
class Run:
    """What one run did, for whoever watches. `doing` is a phrase for people."""

    listed: int = 0
    total: int | None = None  # studies to compare, when all are listed
    compared: int = 0
    doing: str = ""
    received: Received = field(default_factory=Received)
    moved: int = 0


@dataclass(frozen=True, slots=True)
class Manner:
    """How to go about it. `destination`: the title by which C-MOVE reaches this archive, "" if it does not;
    `by_move`: do not try C-GET first."""

    hours: Hours
    pace: Pace
    destination: str = ""
    by_move: bool = False
    page: int = PAGE
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], datetime] = datetime.now


class Migrator:
    """One run. Refused, Unreachable or what stops the receiver end it; the next goes on from there."""

    def __init__(
        self,
        endpoint: Endpoint,
        progress: Progress,
        receiver: Receiver,
        manner: Manner,
        tell: Callable[[Run], None],
    ) -> None:
        self.run = Run(received=receiver.received)
        self.listing = Listing.from_json(progress.listing)
        self._endpoint = endpoint
        self._progress = progress
        self._receiver = receiver
        self._manner = manner
        self._tell = tell
        self._moves = manner.by_move

    async def migrate(self) -> None:
        """List, then retrieve and compare."""
        while self.listing.window is not None:
            await self._in_hours()
            await self._patiently(self._list)
        totals = await asyncio.to_thread(self._progress.totals)
        self.run.total = sum(number for state, number in totals.items() if state is not State.AGREES)
        for listed in self._progress.due():
            await self._in_hours()
            await self._patiently(partial(self._study, listed))
            self.run.compared += 1
            self._tell(self.run)

    # --- listing ------------------------------------------------------------------------------------------

    async def _list(self) -> None:
        """Ask for one window after the other on one association, while the hours last."""
        async with associated(self._endpoint, query.PROPOSALS) as link:
            while (window := self.listing.window) is not None and self._is_time():
                self.run.doing = f"listing {window}"
                await self._ask(link, window)
                self._tell(self.run)

    async def _ask(self, link: Link, window: Window) -> None:
        outcome, untimed, folds = Outcome(), 0, False
        asked = Query.of(Level.STUDY, dict(window.keys()), returned=_ASKED)
        found: dict[str, int | None] = {}
        async with aclosing(find(link, asked, outcome, most=self._manner.page)) as matches:
            async for row in matches:
                untimed += not text_of(row, "StudyTime")
                folds = folds or _is_folded(text_of(row, "PatientID"), window.prefix)
                found[text_of(row, "StudyInstanceUID")] = _number(
                    text_of(row, "NumberOfStudyRelatedInstances")
                )
        found.pop("", None)
        self.listing.answered(outcome.rows, _ended(outcome), untimed=untimed, folds=folds)
        if found or self.listing.window is None or not self.listing.asked % SAVED_EVERY:
            kept = self.listing.to_json()
            self.run.listed += await asyncio.to_thread(self._progress.note, kept, found.items())
        if self.listing.is_hopeless:
            query.require_success(outcome)

    # --- one study ----------------------------------------------------------------------------------------

    async def _study(self, listed: Listed) -> None:
        uid = listed.study_instance_uid
        self.run.doing = f"study {self.run.compared + 1:,}"
        expected, reason = listed.expected, ""
        if expected is None:
            expected = await self._counted(uid)
        held = await asyncio.to_thread(self._progress.held, uid)
        state = judge(expected, held)
        if state in (State.FEWER, State.UNKNOWN):
            reason = await self._retrieve(Wanted(study=uid))
            held = await asyncio.to_thread(self._progress.held, uid)
            state = judge(expected, held)
            if reason and not held:
                state = State.FAILED
        settled = replace(
            listed,
            expected=expected,
            held=held,
            state=state,
            reason="" if state is State.AGREES else reason,
        )
        await asyncio.to_thread(self._progress.settle, settled)

    async def _retrieve(self, wanted: Wanted) -> str:
        """Why not all of it came, as far as anybody says."""
        aside = self._receiver.received.kept_aside
        self._receiver.received.seen.clear()
        try:
            counts = await (self._by_move(wanted) if self._moves else self._by_get(wanted))
        except Refused as error:
            if error.code in _FOR_ALL:
                raise
            return str(error)
        if self._receiver.received.kept_aside > aside:
            return "Some of it contradicts what is here and was kept aside."
        if counts.failed:
            return query.explained(Service.GET, counts.status, counts.comment)
        return ""

    async def _by_get(self, wanted: Wanted) -> Counts:
        try:
            return await get(self._endpoint, wanted, self._receiver, lambda _: self._tell(self.run))
        except Refused as error:
            if error.code != "no-context" or not self._manner.destination:
                raise
        self._moves = True  # from now on
        return await self._by_move(wanted)

    async def _by_move(self, wanted: Wanted) -> Counts:
        counts = await move(self._endpoint, wanted, self._manner.destination, lambda _: self._tell(self.run))
        self.run.moved += counts.completed + counts.warning
        now, pause = asyncio.get_running_loop().time(), 0.0
        for _ in range(counts.completed):  # nobody here can hold the other association back: afterwards then
            pause = self._manner.pace.took(0, now)
        await self._manner.sleep(pause)
        return counts

    async def _counted(self, uid: str) -> int | None:
        """Instances there, counted series by series; None where the other side does not tell."""
        try:
            async with associated(self._endpoint, query.PROPOSALS) as link:
                keys = {"StudyInstanceUID": uid}
                total = 0
                for series in await rows(link, Level.SERIES, keys, ("NumberOfSeriesRelatedInstances",)):
                    number = _number(series["NumberOfSeriesRelatedInstances"])
                    if number is None:
                        below = keys | {"SeriesInstanceUID": series["SeriesInstanceUID"]}
                        number = len(await rows(link, Level.IMAGE, below, ()))
                    total += number
                return total
        except Refused:
            return None

    # --- patience -----------------------------------------------------------------------------------------

    def _is_time(self) -> bool:
        return self._manner.hours.wait(self._manner.clock()) == 0

    async def _in_hours(self) -> None:
        while (seconds := self._manner.hours.wait(self._manner.clock())) > 0:
            self.run.doing = "waiting for its hours"
            self._tell(self.run)
            await self._manner.sleep(min(seconds, 60))

    async def _patiently(self, step: Callable[[], Awaitable[None]]) -> None:
        """An archive that does not answer is called again, some time later."""
        for attempt in range(1, TRIES + 1):
            try:
                await step()
            except Unreachable:
                if attempt == TRIES:
                    raise
                self.run.doing = "waiting for the other side"
                self._tell(self.run)
                await self._manner.sleep(WAIT * attempt)
            else:
                return


def _ended(outcome: Outcome) -> Ended:
    if category(outcome.status) is Category.FAILURE:
        return Ended.FAILED
    return Ended.WHOLE if outcome.is_whole else Ended.CUT


def _is_folded(patient_id: str, prefix: str) -> bool:
    """Whether it begins with `prefix`, but for the letters' case."""
    return not patient_id.startswith(prefix) and patient_id.casefold().startswith(prefix.casefold())


def _number(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
