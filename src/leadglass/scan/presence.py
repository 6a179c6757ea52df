"""Which kinds of identifiers a stranger gets: a few records are asked for, classified in memory and dropped.

Only where the scope asks for it by name. What leaves this module is words and percentages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import transfer_syntax
from leadglass.dimse.command import Command
from leadglass.errors import Violation
from leadglass.scan.asks import Ask
from leadglass.scan.clocks import since, ticks
from leadglass.scan.ending import Ending, Over
from leadglass.scan.glimpse import Tally, element_limits
from leadglass.scan.identity import CORE, KEYWORDS, TAGS, kinds_of
from leadglass.scan.observation import Outcome, Value
from leadglass.scan.requests import Keys, studies
from leadglass.scan.visit import Visit

MOST_RECORDS: Final = 25
_RECENT: Final = (30, 365)  # days, for servers that refuse to be asked for everything


async def presence(visit: Visit, model: str) -> Ending:
    """Observed as `identifiers`."""
    sent = visit.asked(model, studies({}, KEYWORDS))
    return await visit.observe("identifiers", sent, _Look(visit, model).run())


class _Look:
    def __init__(self, visit: Visit, model: str) -> None:
        self._visit, self._model = visit, model
        self._limits = element_limits(visit.manner.bounds)
        self._syntax = transfer_syntax("1.2.840.10008.1.2")
        self._kinds: Counter[str] = Counter()
        self._records = 0

    async def run(self) -> Ending:
        started = ticks()
        ending = Ending(Outcome.STOPPED)
        for keys in self._questions():
            ending = await self._ask(keys)
            if self._records or ending.outcome is Outcome.MISBEHAVES or self._visit.seconds(1) <= 0:
                break
        return Ending(ending.outcome, {**ending.said, **self._found(), "answer_us": since(started)})

    def _questions(self) -> Iterator[Keys]:
        """From the easiest to understand for us to the easiest for them."""
        today = datetime.fromtimestamp(self._visit.clock() / 1000, UTC).date()
        everything: Mapping[str, str] = {}
        yield studies(everything, KEYWORDS)
        for days in _RECENT:
            yield studies(Ask(days=(today - timedelta(days=days), today)).keys(), KEYWORDS)
        yield studies(everything, CORE)

    async def _ask(self, keys: Keys) -> Ending:
        tally = Tally(MOST_RECORDS, self._look)
        try:
            _, context = await self._visit.context(self._model)
            self._syntax = transfer_syntax(context.transfer_syntax)
            response: Command = await self._visit.find(self._model, keys, tally)
        except Over as over:
            if tally.cancelled:
                return Ending(Outcome.STOPPED, {"pending": tally.matches})
            return Ending(over.ending.outcome, {**over.ending.said, "pending": tally.matches})
        return Ending(Outcome.ANSWERED, {"status": response.status or 0, "pending": tally.matches})

    def _look(self, data: bytes) -> None:
        if self._records == MOST_RECORDS:  # what comes between C-CANCEL and its answer
            return
        try:
            record = parse(data, self._syntax, self._limits, TAGS)
        except Violation:
            return
        self._records += 1
        self._kinds.update(kinds_of(record))

    def _found(self) -> dict[str, Value]:
        """Shares are percentages, at least 1 of what is there at all."""
        kinds = tuple(sorted(self._kinds))
        shares = tuple(max(1, round(100 * self._kinds[kind] / self._records)) for kind in kinds)
        return {"records": self._records, "kinds": kinds, "shares": shares}
