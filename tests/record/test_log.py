"""Appending: one head per group, no gaps, and nothing built on a record somebody has touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.db import migrations
from leadglass.db.engine import Database, Site, Transaction
from leadglass.db.sqlcipher import SealedFile
from leadglass.errors import LimitExceeded, Tampered
from leadglass.note import Signer
from leadglass.record.checkpoint import open_checkpoint
from leadglass.record.entry import decode_body
from leadglass.record.log import Log, expire, read_head
from leadglass.record.merkle import Frontier, leaf_hash, tree_root
from leadglass.record.reader import rows
from leadglass.record.verify import verify

from .conftest import NOW, Records


def stored(records: Records) -> list[Any]:
    with records.read() as connection:
        return [row for batch in rows(connection, batch=3) for row in batch]


def test_rows_head_and_checkpoint(records: Records) -> None:
    assert records.append(records.entry(0), records.entry(1)) == [0, 1]
    assert records.append(records.entry(2), now=NOW + 5) == [2]
    found = stored(records)
    assert [row.seq for row in found] == [0, 1, 2]
    assert decode_body(found[2].body) == (2, NOW + 5, records.entry(2))
    assert all(len(row.salt) >= 16 for row in found)
    assert len({row.salt for row in found}) == 3
    with records.read() as connection:
        head = read_head(connection)
    assert head is not None
    assert head.root == tree_root([leaf_hash(row.commitment) for row in found])
    assert Frontier.decode(head.frontier).root() == head.root
    checkpoint = open_checkpoint(head.checkpoint, records.signer.key, "leadglass.test/record")
    assert (checkpoint.size, checkpoint.root) == (3, head.root)


def test_an_empty_record_has_no_head(records: Records) -> None:
    with records.read() as connection:
        assert read_head(connection) is None


def test_a_group_signs_once(records: Records) -> None:
    signed: list[bytes] = []
    seed = Signer.from_seed("leadglass.test/record", bytes(range(32)))
    counting = Signer(seed.key, lambda text: signed.append(text) or seed._sign(text))  # type: ignore[func-returns-value]
    log = Log(counting)
    records.write(
        *(lambda tx, number=number: log.append(tx, records.entry(number), NOW) for number in range(9))
    )
    assert len(signed) == 1


def test_a_rolled_back_group_leaves_nothing(records: Records) -> None:
    def fails(tx: Transaction) -> None:
        records.log.append(tx, records.entry(1), NOW)
        raise ZeroDivisionError

    records.append(records.entry(0))
    with pytest.raises(ZeroDivisionError):
        records.write(lambda tx: records.log.append(tx, records.entry(5), NOW), fails)
    assert records.append(records.entry(2)) == [1]
    assert records.verify().ok


@pytest.mark.parametrize("before", [0, 3])
def test_a_head_that_was_signed_and_rolled_back_is_not_built_on(records: Records, before: int) -> None:
    """What must be durable first may fail after the head was written: this process knows a head too many."""

    def fails(_: Transaction) -> None:
        raise ZeroDivisionError

    def unit(tx: Transaction) -> None:
        records.log.append(tx, records.entry(9), NOW)
        tx.before_commit("disk", fails)

    other = Log(Signer.from_seed("leadglass.test/record", bytes(range(32))))
    records.fill(before)
    for log in (records.log, other, records.log):
        with pytest.raises(ZeroDivisionError):
            records.write(unit)
        records.write(lambda tx, log=log: log.append(tx, records.entry(), NOW))
    assert [row.seq for row in stored(records)] == list(range(before + 3))
    assert records.verify().ok
    records.sql("UPDATE log_head SET root = zeroblob(32)")
    with pytest.raises(Tampered):
        records.append(records.entry())


def test_an_entry_too_large_costs_only_its_own_unit(records: Records) -> None:
    with pytest.raises(LimitExceeded):
        records.append(records.entry(0, reason="x" * 5000))
    assert records.append(records.entry(1)) == [0]


def test_two_processes_take_turns(records: Records) -> None:
    other = Log(Signer.from_seed("leadglass.test/record", bytes(range(32))))
    for number in range(6):
        log = (records.log, other)[number % 2]
        assert records.write(
            lambda tx, log=log, number=number: log.append(tx, records.entry(number), NOW)
        ) == [number]
    assert records.verify().ok


def test_an_access_is_closed_once(records: Records) -> None:
    opening = records.entry(0, phase="open")
    (seq,) = records.append(opening)
    records.append(opening.closing(seq))
    with pytest.raises(sa.exc.IntegrityError):
        records.append(opening.closing(seq))
    assert records.verify().ok


TOUCHED = {
    "root": ("UPDATE log_head SET root = zeroblob(32)", "contradicts itself"),
    "size": ("UPDATE log_head SET size = size + 1", "contradicts itself"),
    "frontier": (
        "UPDATE log_head SET frontier = CAST(substr(frontier, 1, 8) || zeroblob(64) AS BLOB)",
        "contradicts itself",
    ),
    "frontier cut": ("UPDATE log_head SET frontier = substr(frontier, 1, 39)", "altered"),
    "frontier no bytes": ("UPDATE log_head SET frontier = 17", "altered"),
    "checkpoint": ("UPDATE log_head SET checkpoint = replace(checkpoint, '3', '4')", "altered"),
    "no checkpoint": ("UPDATE log_head SET checkpoint = ''", "altered"),
    "no head": ("DELETE FROM log_head", "no head"),
}


@pytest.mark.parametrize("fresh", [False, True], ids=["same process", "new process"])
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.sqlcipher] * (name == "frontier no bytes")) for name in TOUCHED],
)
def test_no_signature_is_laid_over_a_touched_head(records: Records, name: str, fresh: bool) -> None:
    records.fill(3)
    statement, sentence = TOUCHED[name]
    records.sql(statement)
    if fresh:
        records.log = Log(records.signer)
    with pytest.raises(Tampered, match=sentence):
        records.append(records.entry(3))
    assert len(stored(records)) == 3


def test_a_head_signed_by_another_key_is_refused(records: Records) -> None:
    records.fill(3)
    records.log = Log(Signer.from_seed("leadglass.test/record", os.urandom(32)))
    with pytest.raises(Tampered, match="expected key"):
        records.append(records.entry(3))


def test_expiry_keeps_the_tree(records: Records) -> None:
    records.fill(5)
    assert records.write(lambda tx: expire(tx, 3)) == [3]
    assert records.write(lambda tx: expire(tx, 3)) == [0]
    assert records.append(records.entry(5)) == [5]
    assert [row.body is None for row in stored(records)] == [True] * 3 + [False] * 3
    verdict = records.verify()
    assert verdict.ok, verdict.problems
    assert verdict.expired == 3


@pytest.fixture
def database(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    site: Site = SealedFile(tmp_path / "index.db", os.urandom(32))
    if kind == "postgresql":
        site = request.getfixturevalue("server").fresh(1)
    migrations.upgrade(site)
    opened = site.open()
    yield opened
    opened.close()


def test_through_the_writer_a_failing_unit_leaves_no_gap(database: Database, records: Records) -> None:
    def fails(tx: Transaction) -> int:
        records.log.append(tx, records.entry(99), NOW)
        raise ZeroDivisionError

    def succeeds(tx: Transaction) -> int:
        return records.log.append(tx, records.entry(), NOW)

    futures = [database.write(fails if number % 10 == 4 else succeeds) for number in range(50)]
    failed = [future.exception() for future in futures if future.exception()]
    numbers = [future.result() for future in futures if not future.exception()]
    assert numbers == list(range(45))
    assert [type(error) for error in failed] == [ZeroDivisionError] * 5
    verdict = verify(database.read, records.signer.key)
    assert verdict.ok, verdict.problems
    assert verdict.size == 45
