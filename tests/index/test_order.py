"""Pages by place: each row once and in order, whatever has no number and whatever arrives in between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leadglass.index import lookup
from leadglass.index.order import place
from leadglass.index.query import Level, Query

NUMBERS = (None, 3, None, 1, 3, -2, None, 1)


def all_pages(shelf: Any, query: Query) -> list[Any]:
    seen: list[Any] = []
    more = True
    while more:
        page = replace(query, after=place(seen[-1]) if seen else ())
        rows, more = lookup.page(
            shelf.connection, page, everything=True, departments=frozenset(), posters=False
        )
        seen += rows
        assert len(seen) <= 1000, "it does not end"
    return seen


@pytest.fixture
def filled(shelf: Any, facts: Any) -> Any:
    for study in ("1.1", "1.2"):
        for series, series_number in enumerate(NUMBERS):
            for at, number in enumerate(NUMBERS):
                made = facts(
                    at,
                    study_instance_uid=study,
                    series_instance_uid=f"{study}.{series}",
                    series_number=series_number,
                    instance_number=number,
                    patient_id=f"P{study}",
                )
                shelf.add(made)
    return shelf.seal()


def by_number(number: int | None) -> tuple[bool, int]:
    return number is not None, number or 0


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_series_follow_their_numbers_within_their_study(filled: Any, limit: int) -> None:
    rows = all_pages(filled, Query(Level.SERIES, limit=limit))
    assert len(rows) == 2 * len(NUMBERS)
    keys = [(row.study.id, by_number(row.number), row.id) for row in rows]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)


@pytest.mark.parametrize("limit", [1, 5, 8, 200])
def test_instances_follow_their_numbers_within_their_series(filled: Any, limit: int) -> None:
    rows = all_pages(filled, Query(Level.INSTANCE, limit=limit))
    assert len(rows) == 2 * len(NUMBERS) ** 2
    keys = [(row.series.id, by_number(row.number), row.id) for row in rows]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("level", "date"), [(Level.PATIENT, "20261231"), (Level.STUDY, "20261231"), (Level.STUDY, "20250101")]
)
def test_what_arrives_between_two_pages_shows_no_row_twice(
    shelf: Any, facts: Any, level: Level, date: str
) -> None:
    for number in range(6):
        made = facts(
            study_instance_uid=f"1.9.{number}", patient_id=f"P{number}", study_date=f"2026010{number + 1}"
        )
        shelf.add(made)
    shelf.seal()
    query = Query(level, limit=3)
    first, _ = lookup.page(shelf.connection, query, everything=True, departments=frozenset())
    shelf.add(facts(study_instance_uid="1.9.99", patient_id="P99", study_date=date))
    shelf.seal()
    query = replace(query, after=place(first[-1]), limit=10)
    rest, _ = lookup.page(shelf.connection, query, everything=True, departments=frozenset())
    ids = [row.id for row in [*first, *rest]]
    assert len(ids) == len(set(ids)) == (6 if date > "20260106" else 7)


def test_only_rows_have_a_place() -> None:
    with pytest.raises(TypeError):
        place(object())
