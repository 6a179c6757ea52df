"""What was kept aside: readable, whole, but at odds with what is here. Listed for who decides on it."""

from __future__ import annotations

from dataclasses import dataclass

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.ingest import SENTENCES
from leadglass.archive.search import Page
from leadglass.index import lookup
from leadglass.index.records import Clash
from leadglass.index.rows import AsideRow


@dataclass(frozen=True, slots=True)
class AsideLine:
    row: AsideRow
    sentence: str


class Aside:
    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def page(self, who: Principal, context: Context, *, limit: int = 50, offset: int = 0) -> Page[AsideLine]:
        """Newest first, of the departments whose images `who` puts in order."""
        narrowing = self._doorkeeper.narrowed(who, Action.ASIDE_REVIEW, context)
        with self._doorkeeper.db.read() as connection:
            rows, more = lookup.asides(
                connection,
                everything=narrowing.everything,
                departments=narrowing.departments,
                limit=limit,
                offset=offset,
            )
        studies = list({row.study.id: row.study for row in rows}.values())
        entry = self._doorkeeper.entry(
            who,
            Action.ASIDE_REVIEW,
            context,
            counts={"rows": len(rows)},
            **self._doorkeeper.about(studies),
        )
        self._doorkeeper.record(entry, context.now)
        return Page(tuple(AsideLine(row, SENTENCES[Clash(row.reason)]) for row in rows), more)
