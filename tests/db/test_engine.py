"""The sealed database: who opens it, what is on the disk, what readers may do."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.db.engine import Database, migration_engine
from leadglass.errors import KeyWrong, StorageFailed, Unavailable

NAME = "ROENTGEN^ANNA"


def test_a_wrong_key_opens_nothing_and_changes_nothing(desk: Any) -> None:
    desk.write(NAME).result(30)
    desk.db.close()
    before = {path.name: path.read_bytes() for path in desk.path.parent.iterdir()}
    with pytest.raises(KeyWrong) as caught:
        Database(desk.path, bytes(32))
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


@pytest.mark.parametrize(
    "statement", ["INSERT INTO notes (text) VALUES ('x')", "DELETE FROM notes", "DROP TABLE notes"]
)
def test_readers_cannot_write(desk: Any, statement: str) -> None:
    desk.write(NAME).result(30)
    with pytest.raises(Unavailable), desk.db.read() as connection:
        connection.exec_driver_sql(statement)
    assert desk.notes() == [NAME]


def test_parameters_stay_out_of_what_is_raised(desk: Any) -> None:
    with pytest.raises(Unavailable) as caught, desk.db.read() as connection:
        connection.execute(sa.text("SELECT nothing FROM nowhere WHERE name = :name"), {"name": NAME})
    error: BaseException | None = caught.value
    while error is not None:
        assert NAME not in str(error)
        error = error.__cause__


def test_a_reader_sees_one_state_from_beginning_to_end(desk: Any) -> None:
    desk.write("before").result(30)
    with desk.db.read() as connection:
        count = sa.text("SELECT count(*) FROM notes")
        assert connection.execute(count).scalar_one() == 1
        desk.write("meanwhile").result(30)
        assert connection.execute(count).scalar_one() == 1
    assert desk.notes() == ["before", "meanwhile"]


def test_the_data_version_changes_with_every_commit_whoever_commits(make: Any) -> None:
    """Also while readers come and go: connections number their own way, so one is asked."""
    first, second = make(readers=3), make()
    seen = [first.db.data_version()]
    for number, desk in enumerate((first, second, first, second)):
        with first.db.read(), first.db.read():
            desk.write(str(number)).result(30)
            seen.append(first.db.data_version())
    assert len(set(seen)) == len(seen)
    assert first.db.data_version() == seen[-1]


def test_too_many_readers_are_told_to_come_again(make: Any) -> None:
    desk = make(readers=1)
    desk.db._readers.pool._timeout = 0.01
    with desk.db.read(), pytest.raises(Unavailable, match="Too many"), desk.db.read():
        pass
    assert desk.notes() == []


def test_an_error_gives_the_connection_back(make: Any) -> None:
    desk = make(readers=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), desk.db.read():
            raise ZeroDivisionError
    assert desk.notes() == []


def test_closing_leaves_no_descriptor_and_no_thread(make: Any) -> None:
    make().db.close()
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for number in range(3):
        desk = make()
        desk.write(str(number)).result(30)
        desk.notes()
        desk.db.data_version()
        desk.db.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads


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
    engine = migration_engine(tmp_path / "schema.db", bytes(32))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
    engine.dispose()


def test_hints_reach_sqlite(tmp_path: Path) -> None:
    engine = migration_engine(tmp_path / "hints.db", bytes(32))
    table = sa.table("t", sa.column("a"))
    statement = sa.select(table.c.a).with_hint(table, "NOT INDEXED", "sqlite")
    assert "FROM t NOT INDEXED" in str(statement.compile(engine))
    engine.dispose()
