"""What was kept aside: at odds with what is here, or at fault by itself. Listed for who decides on it."""

from __future__ import annotations

from dataclasses import dataclass

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.outcome import sentence
from leadglass.archive.search import Page
from leadglass.index import asides
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
            rows, more = asides.page(
                connection,
                everything=narrowing.everything,
                departments=narrowing.departments,
                limit=limit,
                offset=offset,
            )
        studies = list({row.study.id: row.study for row in rows if row.study is not None}.values())
        entry = self._doorkeeper.entry(
            who,
            Action.ASIDE_REVIEW,
            context,
            counts={"rows": len(rows)},
            **self._doorkeeper.about(studies),
        )
        self._doorkeeper.record(entry, context.now)
        return Page(tuple(map(_line, rows)), more)


def _line(row: AsideRow) -> AsideLine:
    """Of a contradiction with what the reader may not see, no more is said than that there is one."""
    return AsideLine(row, sentence(Clash(row.reason), whole=row.study is not None))
