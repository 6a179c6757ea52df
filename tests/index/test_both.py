"""The same random queries about the same random studies: both databases give the same rows, in one order."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from leadglass.index import candidates, lookup
from leadglass.index.query import Level

from .test_model import DEPARTMENTS, FAST, MOMENTS, QUERIES, STUDIES, fill, query_of


def told(row: Any) -> Any:
    """A row without its numbers: those go on counting where a test before ended."""
    if isinstance(row, tuple):
        return tuple(map(told, row))
    if not is_dataclass(row):
        return row
    return {
        each.name: told(getattr(row, each.name)) for each in fields(row) if each.name not in ("id", "poster")
    }


@FAST
@given(
    studies=st.lists(STUDIES, max_size=8),
    asked=st.lists(
        st.tuples(st.one_of(QUERIES, MOMENTS), st.sampled_from(Level), st.integers(1, 9)),
        min_size=1,
        max_size=6,
    ),
    departments=DEPARTMENTS,
    few=st.sampled_from((0, 2, 500)),
)
def test_both_databases_find_the_same(
    sqlcipher: Any,
    postgresql: Any,
    studies: list[dict[str, Any]],
    asked: list[Any],
    departments: frozenset[int],
    few: int,
) -> None:
    with (
        patch.object(candidates, "FEW", few),
        patch.object(candidates, "SEVERAL", few + 2),
        sqlcipher.fresh() as one,
        postgresql.fresh() as other,
    ):
        for shelf in (one, other):
            fill(shelf, [dict(study) for study in studies])
        for keys, level, limit in asked:
            query = query_of(keys, level, limit=limit)
            here, there = (
                lookup.page(shelf.connection, query, everything=False, departments=departments)
                for shelf in (one, other)
            )
            assert told(tuple(here[0])) == told(tuple(there[0])), query
            assert here[1] == there[1]
