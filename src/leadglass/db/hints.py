"""Which way a select takes: SQLite has to be told. PostgreSQL goes by its statistics, and hears nothing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def by_index(statement: sa.Select[Any], table: sa.FromClause, index: str | None) -> sa.Select[Any]:
    """The rows of `table` are found by walking `index`; None: by their numbers, or by reading it through."""
    return statement.with_hint(table, f"INDEXED BY {index}" if index else "NOT INDEXED", "sqlite")
