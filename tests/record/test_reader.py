"""Showing the record: every filter, paging, open accesses, and nothing altered."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadglass.errors import Tampered
from leadglass.record.log import expire
from leadglass.record.reader import entries

from .conftest import NOW, Records, Shelf


def page(records: Records, **filters: Any) -> list[int]:
    with records.read() as connection:
        return [recorded.seq for recorded in entries(connection, **filters)]


@pytest.fixture
def filled(records: Records) -> Records:
    for number in range(12):
        action = ("study.view", "study.search")[number % 2]
        studies = (f"1.2.{number}", "1.2.3")
        records.append(records.entry(number, action=action, studies=studies), now=NOW + 10 * number)
    return records


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, range(11, -1, -1)),
        ({"limit": 3}, [11, 10, 9]),
        ({"limit": 3, "below": 9}, [8, 7, 6]),
        ({"patient": "P4"}, [4]),
        ({"patient": "P99"}, []),
        ({"study": "1.2.3", "limit": 2}, [11, 10]),
        ({"study": "1.2.7"}, [7]),
        ({"actor": "user:2"}, [11, 8, 5, 2]),
        ({"actor": "user:2", "below": 8}, [5, 2]),
        ({"action": "study.search", "actor": "user:0"}, [9, 3]),
        ({"patient": "P4", "study": "1.2.4", "actor": "user:1", "action": "study.view"}, [4]),
        ({"patient": "P4", "actor": "user:0"}, []),
        ({"since": NOW + 95}, [11, 10]),
        ({"until": NOW + 20}, [1, 0]),
        ({"since": NOW + 20, "until": NOW + 50}, [4, 3, 2]),
        ({"since": NOW + 20, "until": NOW + 50, "action": "study.view"}, [4, 2]),
        ({"since": NOW + 20, "below": 4}, [3, 2]),
    ],
    ids=str,
)
def test_filters(filled: Records, filters: dict[str, Any], expected: list[int]) -> None:
    assert page(filled, **filters) == list(expected)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offsets=st.permutations(range(6)))
def test_a_clock_that_jumps_hides_nothing(shelf: Shelf, offsets: list[int]) -> None:
    records = shelf.record(again=0)
    for number, offset in enumerate(offsets):
        records.append(records.entry(number), now=NOW + offset)
    wanted = [number for number, offset in enumerate(offsets) if 2 <= offset < 4]
    assert page(records, since=NOW + 2, until=NOW + 4) == wanted[::-1]


def test_an_access_is_shown_with_its_end(records: Records) -> None:
    opening = records.entry(0, phase="open")
    records.append(opening, records.entry(1), records.entry(2, phase="open"))
    records.append(opening.closing(0, counts={"instances": 3}, outcome="failed"), now=NOW + 7)
    with records.read() as connection:
        cut_off, single, closed = entries(connection)
        assert entries(connection, patient="P0") == [closed]
    assert (closed.seq, closed.closed, closed.counts, closed.outcome) == (
        0,
        NOW + 7,
        {"instances": 3},
        "failed",
    )
    assert closed.entry == opening
    assert not closed.at_least
    assert (single.at_least, single.closed, single.outcome) == (False, None, "allowed")
    assert (cut_off.seq, cut_off.at_least, cut_off.counts) == (2, True, {})


def test_those_of_another_outcome_come_without_their_entry(records: Records) -> None:
    opening = records.entry(0, phase="open")
    quoted = records.entry(3, detail={"why": '","outcome":"failed"'})
    records.append(opening, records.entry(1, outcome="failed"), records.entry(2), quoted)
    records.append(opening.closing(0, counts={}, outcome="failed"), now=NOW + 7)
    with records.read() as connection:
        found = entries(connection, outcome="failed")
        assert [(one.seq, one.outcome) for one in found] == [(3, ""), (2, ""), (1, "failed"), (0, "failed")]
    records.sql("UPDATE log_entries SET body = replace(body, 'failed', 'denied') WHERE seq = 1")
    with records.read() as connection, pytest.raises(Tampered, match="Entry 1 "):
        entries(connection, outcome="failed")


def test_what_has_expired_is_still_in_its_place(records: Records) -> None:
    records.fill(3)
    records.write(lambda tx: expire(tx, 2))
    with records.read() as connection:
        shown = entries(connection)
    assert [(recorded.seq, recorded.entry is None) for recorded in shown] == [
        (2, False),
        (1, True),
        (0, True),
    ]
    assert (shown[2].counts, shown[2].outcome, shown[2].at_least) == ({}, "", False)
    assert page(records, patient="P0") == []


@pytest.mark.parametrize(
    "change",
    [
        "body = CAST(replace(body, 'Roth', 'Rath') AS BLOB)",
        "body = 'no bytes'",
        "salt = zeroblob(16)",
        "salt = NULL",
        "body = NULL",
        "commitment = zeroblob(32)",
        pytest.param("commitment = 5", marks=pytest.mark.sqlcipher),
        "time = time + 1",
        "opens = 0",
    ],
)
def test_nothing_altered_is_shown(records: Records, change: str) -> None:
    records.fill(3)
    records.sql(f"UPDATE log_entries SET {change} WHERE seq = 1")
    with records.read() as connection, pytest.raises(Tampered, match="Entry 1 "):
        entries(connection, patient="P1")


def test_an_altered_ending_is_not_shown(records: Records) -> None:
    opening = records.entry(0, phase="open")
    records.append(opening)
    records.append(opening.closing(0, counts={"instances": 3}))
    records.sql("UPDATE log_entries SET body = replace(body, '3', '4') WHERE seq = 1")
    with records.read() as connection, pytest.raises(Tampered, match="Entry 1 "):
        entries(connection)


@pytest.mark.sqlcipher
def test_pages_are_found_by_index(filled: Records) -> None:
    plans: list[str] = []

    @sa.event.listens_for(filled.engine, "before_cursor_execute")
    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        if statement.startswith("SELECT log_entries.seq"):
            plan = cursor.connection.execute("EXPLAIN QUERY PLAN " + statement, parameters).fetchall()
            plans.append("; ".join(row[-1] for row in plan))

    for filters in ({"patient": "P4"}, {"actor": "user:1", "below": 9}, {"study": "1.2.3", "patient": "P3"}):
        page(filled, **filters)
        assert "SCAN" not in plans[-1], plans[-1]
        assert "TEMP B-TREE" not in plans[-1], plans[-1]
    for days in ({"since": NOW + 20}, {"until": NOW + 50}, {"since": NOW + 20, "until": NOW + 50}):
        page(filled, **days)
        assert "INTEGER PRIMARY KEY (rowid" in plans[-1], plans[-1]
        assert "TEMP B-TREE" not in plans[-1], plans[-1]
    assert len(plans) == 6


@pytest.mark.sqlcipher
def test_what_the_fewest_entries_have_drives_the_search(records: Records) -> None:
    records.fill(40)
    plans: list[str] = []

    @sa.event.listens_for(records.engine, "before_cursor_execute")
    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        if statement.startswith("SELECT log_entries.seq"):
            plan = cursor.connection.execute("EXPLAIN QUERY PLAN " + statement, parameters).fetchall()
            plans.append(plan[0][-1])

    with records.read() as connection:
        (first, *_) = entries(connection, patient="P3")
    assert first.entry is not None
    assert page(records, patient="P3", action=first.entry.action, actor=first.entry.actor)
    assert "SEARCH patient " in plans[-1], plans[-1]
