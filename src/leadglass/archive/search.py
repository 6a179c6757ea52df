"""Where C-FIND, QIDO-RS and the study list meet: the policy narrows, the index matches, the record notes.

A page leaves only after the record names the studies on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, Generic, TypeVar

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper, or_nothing_is_shown
from leadglass.archive.queries import MAX_LIMIT
from leadglass.index import lookup
from leadglass.index.order import place
from leadglass.index.query import Level, Query
from leadglass.index.rows import InstanceRow, PatientRow, SeriesRow, StudyRow
from leadglass.record.log import Entry

__all__ = [
    "InstanceRow",
    "Page",
    "PatientRow",
    "Search",
    "SeriesRow",
    "StudyRow",
]

FIRST_PAGE = 50  # of a list that is taken whole: its first answer is not to wait

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    rows: tuple[R, ...]
    more: bool


class Search:
    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def studies(self, who: Principal, query: Query, context: Context) -> Page[StudyRow]:
        return self._page(who, replace(query, level=Level.STUDY), context)

    def series(self, who: Principal, query: Query, context: Context) -> Page[SeriesRow]:
        return self._page(who, replace(query, level=Level.SERIES), context)

    def instances(self, who: Principal, query: Query, context: Context) -> Page[InstanceRow]:
        return self._page(who, replace(query, level=Level.INSTANCE), context)

    def pages(
        self,
        who: Principal,
        query: Query,
        now: Callable[[], Context],
        prepare: Callable[[Page[Any]], T],
    ) -> Iterator[T]:
        """All that matches, in the order of the query's level: a small page first, then large ones.

        Each page is read in a transaction of its own and is on the record, at its own time, before what
        `prepare` made of it is handed out. That is done while the entry becomes durable, and from the second
        page on the next one is read too; it is recorded when it is asked for. Denied and Unavailable come
        from asking for a page.
        """
        query = replace(query, limit=FIRST_PAGE)
        page, ahead = self._read(who, query, now()), False
        while True:
            context, following = now(), None
            with or_nothing_is_shown():
                recorded = self._doorkeeper.append(self._entry(who, query, page, context), context.now)
            prepared = prepare(page)
            if page.more:
                query = replace(query, limit=MAX_LIMIT, after=place(page.rows[-1]))
                following = self._read(who, query, context) if ahead else None
            with or_nothing_is_shown():
                recorded.result()
            yield prepared
            if not page.more:
                return
            page, ahead = following or self._read(who, query, now()), True

    def _page(self, who: Principal, query: Query, context: Context) -> Page[Any]:
        page = self._read(who, query, context)
        self._doorkeeper.record(self._entry(who, query, page, context), context.now)
        return page

    def _read(self, who: Principal, query: Query, context: Context) -> Page[Any]:
        narrowing = self._doorkeeper.narrowed(who, Action.STUDY_SEARCH, context)
        with self._doorkeeper.db.read() as connection:
            rows, more = lookup.page(
                connection,
                query,
                everything=narrowing.everything,
                departments=narrowing.departments,
                posters=False,
            )
        return Page(tuple(rows), more)

    def _entry(self, who: Principal, query: Query, page: Page[Any], context: Context) -> Entry:
        studies = list({study.id: study for study in map(_study_of, page.rows)}.values())
        return self._doorkeeper.entry(
            who,
            Action.STUDY_SEARCH,
            context,
            counts={"rows": len(page.rows), "studies": len(studies)},
            detail={"level": query.level.value, "keys": ",".join(_asked(query))},
            **self._doorkeeper.about(studies),
        )


@singledispatch
def _study_of(row: object) -> StudyRow:
    """The study that a row shows something of; of a patient the newest, which is what is shown."""
    raise TypeError(type(row))


@_study_of.register
def _(row: StudyRow) -> StudyRow:
    return row


@_study_of.register(PatientRow)
@_study_of.register(SeriesRow)
def _(row: PatientRow | SeriesRow) -> StudyRow:
    return row.study


@_study_of.register
def _(row: InstanceRow) -> StudyRow:
    return row.series.study


def _asked(query: Query) -> list[str]:
    """The names of what was asked for. Not the values: they are patients' names as often as not."""
    return [keyword for keyword, _ in query.match] + (["PatientName"] if query.words else [])
