"""Copies of a database that others write to: sealed, of one moment, without what was deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from leadglass.db import snapshot
from leadglass.db.migrations import ARCHIVE, upgrade
from leadglass.db.sqlcipher import SealedDatabase, SealedFile
from leadglass.errors import KeyWrong, StorageFailed

KEY, OTHER = bytes(range(32)), bytes(32)
SECRET = "ROENTGEN^ANNA-SECRET"
PAIRS = sa.table("pairs", sa.column("name", sa.Text), sa.column("number", sa.Integer))


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SealedDatabase]:
    path = tmp_path / "index.db"
    upgrade(SealedFile(path, KEY))
    made = SealedFile(path, KEY).open()
    create = sa.text("CREATE TABLE pairs (id INTEGER PRIMARY KEY, name TEXT, number INTEGER)")
    made.write(lambda tx: tx.execute(create)).result()
    yield made
    made.close()


def add(db: SealedDatabase, *rows: tuple[str, int]) -> None:
    values = [{"name": name, "number": number} for name, number in rows]
    db.write(lambda tx: tx.execute(sa.insert(PAIRS), values)).result()


def test_it_is_sealed_and_holds_what_was_there(db: SealedDatabase, tmp_path: Path) -> None:
    add(db, (SECRET, 1))
    target = tmp_path / "copy.db"
    snapshot.take(db.path, KEY, target)
    content = target.read_bytes()
    assert not content.startswith(b"SQLite format 3")
    assert SECRET.encode() not in content
    with snapshot.opened(target, KEY) as connection:
        assert connection.execute(sa.select(PAIRS)).all() == [(SECRET, 1)]
        assert connection.exec_driver_sql("PRAGMA cipher_integrity_check").all() == []
        assert snapshot.revision(connection) == ARCHIVE.head
    with pytest.raises(KeyWrong), snapshot.opened(target, OTHER) as connection:
        connection.execute(sa.select(PAIRS))
    assert {path.name for path in tmp_path.iterdir()} >= {"copy.db"}
    assert not list(tmp_path.glob("copy.db-*"))


def test_it_is_of_one_moment_while_others_write(db: SealedDatabase, tmp_path: Path) -> None:
    """Whoever writes adds two rows at a time: no copy has an odd number of them."""
    done, count = threading.Event(), [0]

    def keep_writing() -> None:
        while not done.is_set():
            add(db, ("a", count[0]), ("b", count[0]))
            count[0] += 1

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        found = []
        for number in range(5):
            target = tmp_path / f"{number}.db"
            snapshot.take(db.path, KEY, target)
            with snapshot.opened(target, KEY) as connection:
                rows = connection.execute(sa.select(PAIRS.c.number).order_by(PAIRS.c.number)).scalars().all()
            assert rows == [number for number in range(len(rows) // 2) for _ in "ab"]
            found.append(len(rows))
    finally:
        done.set()
        writer.join()
    assert found == sorted(found) and found[-1] <= 2 * count[0]


def test_what_was_deleted_is_not_in_it(db: SealedDatabase, tmp_path: Path) -> None:
    """Freed pages are not copied. Read with the key, as who has it could."""
    add(db, *((f"{SECRET}-{number}" * 30, number) for number in range(200)))
    db.write(lambda tx: tx.execute(sa.delete(PAIRS))).result()
    target = tmp_path / "copy.db"
    snapshot.take(db.path, KEY, target)
    with snapshot.opened(target, KEY) as connection:
        assert connection.exec_driver_sql("PRAGMA freelist_count").scalar_one() == 0
    with db.read() as connection:
        assert connection.exec_driver_sql("PRAGMA freelist_count").scalar_one() > 0


def test_the_sums_know_every_value(db: SealedDatabase, tmp_path: Path) -> None:
    add(db, ("x", 1), ("y", 2))

    def sums() -> dict[str, snapshot.TableSum]:
        target = tmp_path / "copy.db"
        target.unlink(missing_ok=True)
        snapshot.take(db.path, KEY, target)
        with snapshot.opened(target, KEY) as connection:
            return snapshot.table_sums(connection)

    first = sums()
    assert first["pairs"].rows == 2
    assert {"instances", "log_entries", "alembic_version", "pairs"} <= set(first)
    assert sums() == first
    change = sa.update(PAIRS).where(PAIRS.c.name == "x").values(number=3)
    db.write(lambda tx: tx.execute(change)).result()
    second = sums()
    assert {name for name in first if first[name] != second[name]} == {"pairs"}


def test_a_place_where_nothing_can_be_written(db: SealedDatabase, tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        snapshot.take(db.path, KEY, tmp_path / "no" / "such" / "folder.db")
