"""SQL that only one of the databases knows, and their drivers, stand in `leadglass.db` alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import leadglass

ROOT = Path(leadglass.__file__).parent
OURS = re.compile(
    r"""
    \b(?:sqlcipher3|sqlite3|psycopg)\b | sqlalchemy\.dialects
    | \b(?:PRAGMA|INDEXED\ BY|NOT\ INDEXED|EXPLAIN|VACUUM|ROWID|AUTOINCREMENT)\b
    | \bON\ CONFLICT\b | \bINSERT\ OR\b | \bGLOB\b | \bRETURNING\b | \bILIKE\b | \bTABLESAMPLE\b
    | \bsqlite_(?:master|schema|sequence)\b | \bpg_[a-z]+\b | \binformation_schema\b
    | \b(?:group_concat|string_agg|julianday|zeroblob|ifnull|randomblob|to_char|date_trunc)\(
    | func\.(?:group_concat|string_agg|julianday|strftime|ifnull|date|datetime|unixepoch|printf|instr|now)\b
    | with_hint\( | \.on_conflict_do | dialect\.name | exec_driver_sql
    """,
    re.VERBOSE,
)
PATHS = sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] != "db")


@pytest.mark.parametrize(
    "line",
    [
        'connection.execute("PRAGMA page_count")',
        "import sqlcipher3.dbapi2 as sqlcipher",
        "sa.func.group_concat(column)",
        'select.with_hint(table, "INDEXED BY ix")',
        "SELECT string_agg(uid, ',') FROM t",
    ],
)
def test_it_is_recognised(line: str) -> None:
    assert OURS.search(line)


def test_there_is_none_elsewhere() -> None:
    assert len(PATHS) > 200
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in PATHS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if OURS.search(line)
    ]
    assert found == []
