"""Where C-FIND, QIDO-RS and the study list meet: the policy narrows, the index matches, the record notes.

A page leaves only after the record names the studies on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, Generic, TypeVar

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper, or_nothing_is_shown
from leadglass.dicom.dictionary import keyword_of
from leadglass.errors import Violation
from leadglass.index import lookup
from leadglass.index.names import name_words
from leadglass.index.order import place
from leadglass.index.query import KEYS, Level, Match, Query, Range, Single, Wildcard, parse_match
from leadglass.index.rows import InstanceRow, PatientRow, SeriesRow, StudyRow
from leadglass.record.log import Entry

__all__ = [
    "InstanceRow",
    "Level",
    "Page",
    "PatientRow",
    "Query",
    "Search",
    "SeriesRow",
    "StudyRow",
    "portal_query",
    "query_from_pairs",
]

FIRST_PAGE = 50  # of a list that is taken whole: its first answer is not to wait
MAX_LIMIT = 500
MAX_OFFSET = 1_000_000
MAX_WORDS = 8

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    rows: tuple[R, ...]
    more: bool


def query_from_pairs(
    level: Level, pairs: Iterable[tuple[str, str]], *, limit: int = 100, offset: int = 0
) -> tuple[Query, tuple[str, ...]]:
    """Attribute matching as QIDO-RS writes it (PS3.18 8.3.4.1): keyword or eight hex digits, and a value.

    Returns the query and the attributes it leaves out because this level does not match on them.
    """
    match: dict[str, Match] = {}
    ignored: list[str] = []
    for name, value in pairs:
        keyword = _keyword(name)
        if keyword not in KEYS[level]:
            ignored.append(name)
            continue
        if keyword in match:
            raise Violation(f"{keyword} is given twice.")
        found = parse_match(level, keyword, value)
        if found is not None:
            match[keyword] = found
    return _bounded(Query(level, tuple(match.items()), limit=limit, offset=offset)), tuple(ignored)


def portal_query(
    *,
    name: str = "",
    patient_id: str = "",
    date_from: str = "",
    date_to: str = "",
    modality: str = "",
    accession: str = "",
    limit: int = 50,
    offset: int = 0,
) -> Query:
    """The search form of the study list. Dates are YYYY-MM-DD as a browser's date field sends them."""
    match: list[tuple[str, Match]] = []
    for keyword, value in (("PatientID", patient_id), ("AccessionNumber", accession)):
        if found := parse_match(Level.STUDY, keyword, value):
            match.append((keyword, found))
    low, high = _form_date(date_from, "first"), _form_date(date_to, "last")
    if low or high:
        match.append(("StudyDate", Range(low, high)))
    if modality.strip():
        match.append(("ModalitiesInStudy", Single(modality.strip().upper()[:16])))
    if "*" in name or "?" in name:
        found = parse_match(Level.STUDY, "PatientName", name)
        match += [("PatientName", found)] if isinstance(found, Wildcard) else []
        return _bounded(Query(Level.STUDY, tuple(match), limit=limit, offset=offset))
    words = tuple(sorted(name_words(name[:400]))[:MAX_WORDS])
    return _bounded(Query(Level.STUDY, tuple(match), words, limit=limit, offset=offset))


class Search:
    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def studies(self, who: Principal, query: Query, context: Context) -> Page[StudyRow]:
        return self._page(who, replace(query, level=Level.STUDY), context)

    def series(self, who: Principal, query: Query, context: Context) -> Page[SeriesRow]:
        return self._page(who, replace(query, level=Level.SERIES), context)

    def instances(self, who: Principal, query: Query, context: Context) -> Page[InstanceRow]:
        return self._page(who, replace(query, level=Level.INSTANCE), context)

    def pages(self, who: Principal, query: Query, now: Callable[[], Context]) -> Iterator[Page[Any]]:
        """All that matches, in the order of the query's level: a small page first, then large ones.

        Each page is read in a transaction of its own and is on the record, at its own time, before it is
        handed out. While the entry becomes durable the next page is read; that one is recorded when it is
        asked for. Denied and Unavailable come from asking for a page.
        """
        query = replace(query, limit=FIRST_PAGE)
        ahead = self._read(who, query, now())
        while True:
            page, context = ahead, now()
            with or_nothing_is_shown():
                recorded = self._doorkeeper.append(self._entry(who, query, page, context), context.now)
            if page.more:
                query = replace(query, limit=MAX_LIMIT, after=place(page.rows[-1]))
                ahead = self._read(who, query, context)
            with or_nothing_is_shown():
                recorded.result()
            yield page
            if not page.more:
                return

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


def _bounded(query: Query) -> Query:
    if not 1 <= query.limit <= MAX_LIMIT or not 0 <= query.offset <= MAX_OFFSET:
        raise Violation(f"A page has 1 to {MAX_LIMIT} results and begins at most {MAX_OFFSET} results in.")
    return query


def _keyword(name: str) -> str:
    return keyword_of(int(name, 16)) if re.fullmatch(r"[0-9A-Fa-f]{8}", name) else name


def _form_date(value: str, which: str) -> str:
    value = value.strip()
    if not value:
        return ""
    if not re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", value):
        raise Violation(f"The {which} day is no date. Write it as 2026-01-31.")
    return value.replace("-", "")
