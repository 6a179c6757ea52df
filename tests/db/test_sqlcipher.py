"""The sealed file: who opens it, what is on the disk, and what we tell SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.db.sqlcipher import SealedFile
from leadglass.errors import KeyWrong, StorageFailed

pytestmark = pytest.mark.sqlcipher

NAME = "ROENTGEN^ANNA"


def test_a_wrong_key_opens_nothing_and_changes_nothing(desk: Any) -> None:
    desk.write(NAME).result(30)
    desk.db.close()
    before = {path.name: path.read_bytes() for path in desk.path.parent.iterdir()}
    with pytest.raises(KeyWrong) as caught:
        SealedFile(desk.path, bytes(32)).open()
    assert "key" in str(caught.value)
    assert {path.name: path.read_bytes() for path in desk.path.parent.iterdir()} == before


def test_plain_sqlite_cannot_read_it(desk: Any) -> None:
    desk.write(NAME).result(30)
    with (
        pytest.raises(sqlite3.DatabaseError, match="not a database"),
        sqlite3.connect(desk.path) as connection,
    ):
        connection.execute("SELECT * FROM notes").fetchall()


def test_no_value_stands_in_any_file_even_while_it_is_open(desk: Any) -> None:
    desk.write(NAME).result(30)
    for path in desk.path.parent.iterdir():
        content = path.read_bytes()
        assert NAME.encode() not in content
        assert not content.startswith(b"SQLite format 3")


def test_a_flipped_bit_in_any_page_but_the_first_is_found_and_not_served(make: Any) -> None:
    desk = make()
    for number in range(100):
        desk.write(f"{number:04} {NAME * 20}")
    desk.db.close()
    sound = desk.path.read_bytes()
    for page in range(1, len(sound) // 4096):
        content = bytearray(sound)
        content[4096 * page + 2000] ^= 1
        desk.path.write_bytes(content)
        other = make()
        with pytest.raises(StorageFailed), other.db.read() as connection:
            connection.exec_driver_sql("SELECT text FROM notes NOT INDEXED").all()
            connection.exec_driver_sql("SELECT text FROM notes ORDER BY text").all()
        other.db.close()


def test_the_log_is_ours_to_sync_and_to_copy(desk: Any) -> None:
    def pragma(name: str) -> Any:
        return desk.db.write(lambda tx: tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()).result(
            30
        )

    assert [pragma(name) for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "foreign_keys")] == [
        "wal", 1, 0, 1,  # the log itself is synced when the floor is left
    ]  # fmt: skip
    assert pragma("temp_store") == 2


def test_whoever_commits_without_the_writer_syncs_as_it_commits(tmp_path: Path) -> None:
    engine = SealedFile(tmp_path / "schema.db", bytes(32)).engine()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
    engine.dispose()


def test_hints_reach_sqlite(tmp_path: Path) -> None:
    engine = SealedFile(tmp_path / "hints.db", bytes(32)).engine()
    table = sa.table("t", sa.column("a"))
    statement = sa.select(table.c.a).with_hint(table, "NOT INDEXED", "sqlite")
    assert "FROM t NOT INDEXED" in str(statement.compile(engine))
    engine.dispose()
