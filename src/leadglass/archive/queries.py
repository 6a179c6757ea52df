"""What people, viewers and other archives ask for, each in its own way of writing, as a `Query`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Final

from leadglass.dicom.dictionary import keyword_of
from leadglass.errors import Violation
from leadglass.index.names import name_words
from leadglass.index.query import (
    ITEM_KEYS,
    KEYS,
    TIME_OF,
    Level,
    Match,
    Query,
    Range,
    Single,
    Wildcard,
    parse_item,
    parse_match,
    same_form,
)

__all__ = ["ITEM_KEYS", "KEYS", "Level", "Query", "portal_query", "query_from_keys", "query_from_pairs"]

MAX_LIMIT: Final = 500
MAX_OFFSET: Final = 1_000_000
MAX_WORDS: Final = 8


def query_from_pairs(
    level: Level, pairs: Iterable[tuple[str, str]], *, limit: int = 100, offset: int = 0
) -> tuple[Query, tuple[str, ...]]:
    """Attribute matching as QIDO-RS writes it (PS3.18 8.3.4.1): keyword or eight hex digits, a dot before
    what is in the item of a sequence, and a value.

    Returns the query and the attributes it leaves out because this level does not match on them.
    """
    values: dict[str, str] = {}
    items: dict[str, dict[str, str]] = {}
    ignored: list[str] = []
    for name, value in pairs:
        keyword, _, inner = (_keyword(part) for part in name.partition("."))
        if keyword not in KEYS[level] or (inner and inner not in ITEM_KEYS.get(keyword, ())):
            ignored.append(name)
            continue
        among = items.setdefault(keyword, {}) if inner else values
        if (inner or keyword) in among:
            raise Violation(f"{keyword} is given twice.")
        among[inner or keyword] = value
    query = query_from_keys(level, values, items)
    return _bounded(replace(query, limit=limit, offset=offset)), tuple(ignored)


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
    if low and high and low > high:
        raise Violation("The first day comes after the last.")
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


def query_from_keys(
    level: Level,
    values: Mapping[str, str],
    items: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    *,
    moments: bool = False,
) -> Query:
    """Attribute matching by keywords that the level matches on: their values, and what is in the item of each
    sequence. With `moments`, ranges of a date and of its time are one range (PS3.4 C.2.2.2.5.4).

    Raises Violation with the keyword as its code.
    """
    found: dict[str, Match] = {}
    for keyword in (*values, *items):
        try:
            inner = items.get(keyword)
            one = (
                parse_match(level, keyword, values[keyword]) if inner is None else parse_item(keyword, inner)
            )
        except Violation as error:
            raise Violation(str(error), code=keyword) from error
        if one is not None:
            found[keyword] = one
    joined = (
        date
        for date, time in TIME_OF.items()
        if moments and "-" in values.get(time, "") and same_form(found.get(date), found.get(time))
    )
    return Query(level, tuple(found.items()), moments=tuple(joined))


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
    if not re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", value, re.ASCII) or not _is_day(value):
        raise Violation(f"The {which} day is no date. Write it as 2026-01-31.")
    return value.replace("-", "")


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
