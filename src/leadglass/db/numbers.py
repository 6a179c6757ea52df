"""Numbers of rows that are never given twice.

An address or an open page names a study, a series or an image by its number. SQLite gives the number of a
deleted last row to the next one: a page left open would then show another patient's image under the old name.
Tables whose rows people can delete therefore number them by `unused`, and whoever deletes calls `retire`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from leadglass.db.engine import Transaction, metadata

numbers = sa.Table(
    "numbers",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),  # of the table
    sa.Column("highest", sa.Integer, nullable=False),  # that a row had which is deleted
)

_HIGHEST = sa.select(numbers.c.highest).where(numbers.c.name == sa.bindparam("sought"))
_RAISE = sa.update(numbers).where(numbers.c.name == sa.bindparam("sought"))


def unused(table: str) -> sa.ScalarSelect[int]:
    """The default of the column `id` of this table."""
    rows = sa.table(table, sa.column("id", sa.Integer))
    there = sa.select(sa.func.max(rows.c.id).label("number"))
    was = sa.select(numbers.c.highest).where(numbers.c.name == sa.literal_column(f"'{table}'"))
    either = sa.union_all(there, was).subquery("either")
    return sa.select(
        sa.func.coalesce(sa.func.max(either.c.number), 0) + sa.literal_column("1")
    ).scalar_subquery()


def retire(tx: Transaction, table: str, ids: Iterable[int]) -> None:
    """Before or after rows with these numbers are deleted, in the same transaction."""
    highest = max(ids, default=0)
    if not highest:
        return
    known = tx.execute(_HIGHEST, {"sought": table}).scalar_one_or_none()
    values: dict[str, Any] = {"highest": max(highest, known or 0)}
    if known is None:
        tx.execute(sa.insert(numbers), {"name": table, **values})
    elif highest > known:
        tx.execute(_RAISE.values(values), {"sought": table})
