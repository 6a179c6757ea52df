"""What is kept of a migration between its runs. On both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.db.engine import metadata
from leadglass.index import transfers
from leadglass.index.transfers import Listed, Migration, State

NOW = 1_760_000_000_000
MADE = Migration(0, "PACS@192.0.2.7:104", 1, "", "", {"pending": [1]}, NOW, None)


@pytest.fixture
def tx(shelf: Any) -> Any:
    metadata.create_all(shelf.connection, tables=[transfers.migrations, transfers.migration_studies])
    return shelf.tx


def found(tx: Any, made: Migration = MADE) -> Migration | None:
    return transfers.unfinished(tx.connection, made.source, made.department_id, made.first, made.last)


def test_one_that_was_begun_is_found_again(tx: Any) -> None:
    assert found(tx) is None
    number = transfers.begin(tx, MADE)
    assert found(tx) == replace(MADE, id=number)


@pytest.mark.parametrize(
    "other",
    [
        replace(MADE, source="PACS@192.0.2.8:104"),
        replace(MADE, department_id=2),
        replace(MADE, first="2026-01-01"),
        replace(MADE, last="2026-01-01"),
    ],
)
def test_another_one_is_not_gone_on_with(tx: Any, other: Migration) -> None:
    transfers.begin(tx, MADE)
    assert found(tx, other) is None


def test_one_that_came_to_its_end_is_not_gone_on_with(tx: Any) -> None:
    transfers.finish(tx, transfers.begin(tx, MADE), NOW)
    assert found(tx) is None


def test_studies_are_listed_once_in_their_order(tx: Any) -> None:
    number = transfers.begin(tx, MADE)
    assert transfers.note(tx, number, {"pending": [2]}, [("1.2", 5), ("1.3", None)]) == 2
    assert transfers.note(tx, number, {"pending": []}, [("1.3", 7), ("1.4", 1)]) == 1
    kept = found(tx)
    assert kept is not None and kept.listing == {"pending": []}
    assert transfers.due(tx.connection, number, 0, 10) == [
        Listed(1, "1.2", 5),
        Listed(2, "1.3", None),
        Listed(3, "1.4", 1),
    ]


def test_many_at_once(tx: Any) -> None:
    number = transfers.begin(tx, MADE)
    many = [(f"1.2.{n}", n) for n in range(1, 2001)]
    assert transfers.note(tx, number, {}, many) == 2000
    assert transfers.note(tx, number, {}, many) == 0
    page = transfers.due(tx.connection, number, 1990, 500)
    assert [(each.place, each.study_instance_uid) for each in page] == [
        (n, f"1.2.{n}") for n in range(1991, 2001)
    ]


def test_two_migrations_do_not_mix(tx: Any) -> None:
    first = transfers.begin(tx, MADE)
    second = transfers.begin(tx, replace(MADE, department_id=2))
    transfers.note(tx, first, {}, [("1.2", 1)])
    assert transfers.note(tx, second, {}, [("1.2", 1)]) == 1
    transfers.settle(tx, second, Listed(1, "1.2", 1, 1, State.AGREES))
    assert transfers.totals(tx.connection, first) == {State.OPEN: 1}
    assert transfers.totals(tx.connection, second) == {State.AGREES: 1}


def test_what_agrees_is_not_due_any_more(tx: Any) -> None:
    number = transfers.begin(tx, MADE)
    transfers.note(tx, number, {}, [(f"1.{n}", 3) for n in range(1, 5)])
    transfers.settle(tx, number, Listed(1, "1.1", 3, 3, State.AGREES))
    transfers.settle(tx, number, Listed(2, "1.2", 3, 2, State.FEWER, "x" * 300))
    transfers.settle(tx, number, Listed(4, "1.4", 3, 9, State.MORE))
    due = transfers.due(tx.connection, number, 0, 10)
    assert [(each.place, each.held, each.state) for each in due] == [
        (2, 2, State.FEWER),
        (3, None, State.OPEN),
        (4, 9, State.MORE),
    ]
    assert due[0].reason == "x" * 200
    totals = transfers.totals(tx.connection, number)
    assert totals == {State.AGREES: 1, State.FEWER: 1, State.OPEN: 1, State.MORE: 1}


def test_what_is_here_is_counted_by_study(tx: Any, shelf: Any, facts: Any) -> None:
    for number in (1, 2, 3):
        shelf.add(facts(number))
    shelf.seal()
    assert transfers.held(tx.connection, "1.2.3") == 3
    assert transfers.held(tx.connection, "1.2.4") == 0


def test_the_same_study_twice_in_one_migration_cannot_be(tx: Any) -> None:
    number = transfers.begin(tx, MADE)
    transfers.note(tx, number, {}, [("1.2", 1)])
    row = {"migration_id": number, "place": 9, "study_instance_uid": "1.2", "state": "open"}
    with pytest.raises(sa.exc.IntegrityError), tx.connection.begin_nested():
        tx.execute(sa.insert(transfers.migration_studies), row)
