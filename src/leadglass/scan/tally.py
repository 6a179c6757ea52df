"""A count over the wire: what `scan.counting` asks next, asked of one server, as long as there is time."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import Final

from leadglass.dimse.status import CANCEL, Category, category
from leadglass.scan.asks import Ask, Came, End
from leadglass.scan.clocks import since, ticks
from leadglass.scan.counting import Count, Limits, counting
from leadglass.scan.ending import Ending, Over
from leadglass.scan.glimpse import Glimpse, Tally
from leadglass.scan.observation import Outcome, Value
from leadglass.scan.requests import studies
from leadglass.scan.visit import Visit
from leadglass.scan.words import Fault

# Why a count is no more than a lower bound, where that is not the server's own doing.
_OUTCOMES: Final = {
    "misbehaves": Outcome.MISBEHAVES,
    "lost": Outcome.ABORTED,
    "time": Outcome.STOPPED,
    "bounds": Outcome.STOPPED,
}
_NOTHING_YET: Final = Came(0, End.SPENT)


async def count(visit: Visit, model: str, *, ignores_dates: bool) -> Ending:
    """Observed as `count`. A stop from outside is no loss: what was counted by then is observed too."""
    counter = _Counter(visit, model, ignores_dates=ignores_dates)
    sent = visit.asked(model, studies({}, counter.glimpse.keys))
    return await visit.observe("count", sent, counter.run(), so_far=counter.so_far)


class _Counter:
    def __init__(self, visit: Visit, model: str, *, ignores_dates: bool) -> None:
        manner = visit.manner
        self.glimpse = Glimpse(manner.options, manner.bounds, manner.secret)
        self._visit, self._model = visit, model
        self._extra = self.glimpse.keys
        today = datetime.fromtimestamp(visit.clock() / 1000, UTC).date()
        responses = (
            manner.bounds.unlikely if ignores_dates and visit.takes_anything else manner.bounds.responses
        )
        limits = Limits(manner.bounds.queries, responses)
        self._plan = counting(limits, today, ignores_dates=ignores_dates)
        self._next = next(self._plan)
        self._run = hmac.digest(manner.secret, b"run", "sha256").hex()[:8] if manner.secret else ""
        self._until = visit.moment(manner.patience.count)
        self._started = ticks()
        self._under_way: Tally | None = None
        self._status: int | None = None  # of the first query: the whole
        self._fault = ""
        self._mark = ""  # of all that the first query gave
        self._responses = 0

    async def run(self) -> Ending:
        try:
            came = await self._first(self._next)
            while True:
                came = await self._ask(self._plan.send(came))
        except StopIteration as done:  # a coroutine must not let it out
            return self._told(done.value)

    def so_far(self) -> Ending:
        """What can be said if nothing is asked any more."""
        tally = self._under_way
        came = Came(tally.matches, End.SPENT, 0, tally.repeats) if tally is not None else _NOTHING_YET
        try:
            while True:
                self._plan.send(came)
                came = _NOTHING_YET
        except StopIteration as done:
            return self._told(done.value)

    # --- queries ------------------------------------------------------------------------------------------

    async def _first(self, ask: Ask) -> Came:
        """Some servers refuse a key that they do not know, or abort: then it is asked for without."""
        came = await self._ask(ask)
        if self._extra and came.end in (End.REFUSED, End.LOST) and not came.matches:
            extra, self._extra = self._extra, ()
            again = await self._ask(ask)
            if again.end is not End.COMPLETE and not again.matches:
                self._extra = extra  # that was not why
            return again
        return came

    async def _ask(self, ask: Ask) -> Came:
        images = self.glimpse.images
        syntax = await self._syntax()
        look = (lambda data: self.glimpse.look(data, syntax)) if self._extra and syntax else None
        tally = self._under_way = Tally(ask.most, look, self._visit.manner.secret[:64])
        end = await self._end(ask, tally)
        self._under_way = None
        self._fault = Fault.ENDLESS.value if tally.is_endless else self._fault
        self._responses += tally.matches
        if self._run and ask == Ask(most=ask.most) and end is End.COMPLETE and tally.matches:
            self._mark = f"{self._run}{tally.mark:016x}"
        return Came(tally.matches, end, self.glimpse.images - images, tally.repeats)

    async def _syntax(self) -> str:
        """How the data sets are encoded that will come; '' if there is nobody to send any."""
        try:
            return (await self._visit.context(self._model))[1].transfer_syntax
        except Over:
            return ""

    async def _end(self, ask: Ask, tally: Tally) -> End:
        keys = studies(ask.keys(), self._extra)
        left = self._visit.until(self._until)
        if left <= 0:
            return End.SPENT
        try:
            response = await self._visit.find(self._model, keys, tally, seconds=left)
        except Over as over:
            return End.MISBEHAVES if tally.is_endless else self._cut_short(over.ending, tally)
        status = response.status or 0
        if self._status is None:
            self._status = status
        return _final(status, tally)

    def _cut_short(self, ending: Ending, tally: Tally) -> End:
        """No final response. After a C-CANCEL that says nothing more."""
        if tally.cancelled:
            return End.CANCELLED
        if self._visit.until(self._until) <= 0:
            return End.SPENT
        fault = str(ending.said.get("fault", ""))
        if ending.outcome is Outcome.MUTE or fault == "slow":
            return End.SLOW
        if ending.outcome is Outcome.MISBEHAVES:
            self._fault = fault
            return End.MISBEHAVES
        return End.LOST

    # --- the result ---------------------------------------------------------------------------------------

    def _told(self, count: Count) -> Ending:
        seconds = max(1e-6, ticks() - self._started)
        said: dict[str, Value] = {
            "studies": count.studies,
            "exact": count.exact,
            "queries": count.queries,
            "pending": self._responses,
            "rate": int(self._responses / seconds),
            "answer_us": since(self._started),
        }
        said |= {"cause": count.cause} if count.cause else {}
        said |= {"mark": self._mark} if self._mark else {}
        said |= {"fault": self._fault} if count.cause == "misbehaves" and self._fault else {}
        known = {"dated": count.dated, "undated": count.undated, "cap": count.cap, "status": self._status}
        said |= {name: value for name, value in known.items() if value is not None}
        return Ending(_OUTCOMES.get(count.cause, Outcome.ANSWERED), said | self._glimpsed(count))

    def _glimpsed(self, count: Count) -> dict[str, Value]:
        """Nothing where the server did not take the keys."""
        said: dict[str, Value] = {}
        if self._extra and self.glimpse.wants_images:
            said["images"] = count.images
        if self._extra and self.glimpse.people is not None:
            said["people"] = len(self.glimpse.people)
        return said


def _final(status: int, tally: Tally) -> End:
    kind = category(status)
    if kind is Category.SUCCESS:
        return End.COMPLETE
    if tally.cancelled:
        return End.CANCELLED
    if status == CANCEL or status >> 12 == 0xB:  # PS3.4 Table C.4-1: a limit is reached; Orthanc cancels then
        return End.LIMITED
    return End.REFUSED if kind is Category.FAILURE else End.COMPLETE
