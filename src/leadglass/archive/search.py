"""Where C-FIND, QIDO-RS and the study list meet: the policy narrows, the index matches, the record notes.

A page leaves only after the record names the studies on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.dicom.dictionary import keyword_of
from leadglass.errors import Violation
from leadglass.index import lookup
from leadglass.index.matching import KEYS, Level, Match, Query, Range, Single, Wildcard, parse_match
from leadglass.index.names import name_words
from leadglass.index.rows import InstanceRow, SeriesRow, StudyRow

__all__ = [
    "InstanceRow",
    "Level",
    "Page",
    "Query",
    "Search",
    "SeriesRow",
    "StudyRow",
    "portal_query",
    "query_from_pairs",
]

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
        rows, more = self._rows(who, replace(query, level=Level.STUDY), context, _itself)
        return Page(tuple(rows), more)

    def series(self, who: Principal, query: Query, context: Context) -> Page[SeriesRow]:
        rows, more = self._rows(who, replace(query, level=Level.SERIES), context, _of_series)
        return Page(tuple(rows), more)

    def instances(self, who: Principal, query: Query, context: Context) -> Page[InstanceRow]:
        rows, more = self._rows(who, replace(query, level=Level.INSTANCE), context, _of_instance)
        return Page(tuple(rows), more)

    def _rows(
        self, who: Principal, query: Query, context: Context, study_of: Callable[[Any], StudyRow]
    ) -> tuple[list[Any], bool]:
        narrowing = self._doorkeeper.narrowed(who, Action.STUDY_SEARCH, context)
        with self._doorkeeper.db.read() as connection:
            rows, more = lookup.page(
                connection, query, everything=narrowing.everything, departments=narrowing.departments
            )
        studies = list({study.id: study for study in map(study_of, rows)}.values())
        entry = self._doorkeeper.entry(
            who,
            Action.STUDY_SEARCH,
            context,
            counts={"rows": len(rows), "studies": len(studies)},
            detail={"level": query.level.value, "keys": ",".join(_asked(query))},
            **self._doorkeeper.about(studies),
        )
        self._doorkeeper.record(entry, context.now)
        return rows, more


def _itself(row: StudyRow) -> StudyRow:
    return row


def _of_series(row: SeriesRow) -> StudyRow:
    return row.study


def _of_instance(row: InstanceRow) -> StudyRow:
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
