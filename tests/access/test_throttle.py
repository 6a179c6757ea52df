from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.access import throttle
from leadglass.access.schema import sign_in_failures
from leadglass.access.throttle import (
    FORGOTTEN_AFTER,
    FREE_FAILURES,
    LONGEST_PAUSE,
    MOST_NAMES,
    NONE,
    Failures,
    clear_failures,
    counted,
    is_forgotten,
    is_paused,
    name_digest,
    note_failure,
    pause,
    read_failures,
)

DAY = 86_400_000
COUNTS = st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("count", "milliseconds"),
    [(0, 0), (9, 0), (10, 1_000), (11, 2_000), (18, 256_000), (19, 300_000), (1_000_000, 300_000)],
)
def test_pause(count: int, milliseconds: int) -> None:
    assert pause(count) == milliseconds


@given(COUNTS)
def test_pause_never_shrinks_and_is_bounded(count: int) -> None:
    assert pause(count) <= pause(count + 1) <= LONGEST_PAUSE
    assert (pause(count) == 0) == (count < FREE_FAILURES)


@given(COUNTS, st.integers(0, DAY))
def test_a_pause_ends_exactly_when_it_should(count: int, last: int) -> None:
    failures = Failures(count, last)
    assert is_paused(failures, last) == (count >= FREE_FAILURES)
    assert not is_paused(failures, last + pause(count))
    assert count < FREE_FAILURES or is_paused(failures, last + pause(count) - 1)


def test_a_clock_set_back_shuts_nobody_out_for_years() -> None:
    failures = Failures(50, 10 * 365 * DAY)
    assert is_paused(failures, failures.last - LONGEST_PAUSE)
    assert not is_paused(failures, failures.last - LONGEST_PAUSE - 1)
    assert not is_paused(failures, 0)


@given(COUNTS, st.integers(0, DAY), st.integers(0, 2 * DAY))
def test_counted_goes_up_by_one_unless_long_ago(count: int, last: int, gap: int) -> None:
    failures = Failures(count, last)
    expected = 1 if is_forgotten(failures, last + gap) else count + 1
    assert counted(failures, last + gap) == Failures(expected, last + gap)
    assert is_forgotten(failures, last + gap) == (gap >= FORGOTTEN_AFTER)


def test_the_quickest_guesser_has_some_300_tries_a_day() -> None:
    failures, now, tries = NONE, 0, 0
    while now < DAY:
        failures = counted(failures, now)
        tries += 1
        now += pause(failures.count)
    assert 300 <= tries <= 310


@pytest.mark.parametrize("name", ["dr.roth", "DR.ROTH", "  Dr.Roth ", "dr.roth\n"])
def test_every_spelling_of_a_name_is_one(name: str) -> None:
    assert name_digest(name) == name_digest("dr.roth")


@given(st.text())
def test_any_text_can_be_counted(name: str) -> None:
    assert len(name_digest(name)) == 32


# --- rows -------------------------------------------------------------------------------------------------


def test_note_and_clear(desk: Any) -> None:
    mine, other = name_digest("mine"), name_digest("other")
    for now in (100, 200, 300):
        desk.write(note_failure, mine, now)
    desk.write(note_failure, other, 400)
    assert desk.read(read_failures, mine) == Failures(3, 300)
    desk.write(clear_failures, mine)
    assert desk.read(read_failures, mine) == NONE
    assert desk.read(read_failures, other) == Failures(1, 400)


def fill(tx: Any, rows: int) -> None:
    made_up = [{"name_digest": i.to_bytes(32), "count": 1, "last": 1_000 + i} for i in range(rows)]
    tx.execute(sign_in_failures.insert(), made_up)


def test_made_up_names_neither_fill_the_table_nor_push_a_guessed_one_out(desk: Any) -> None:
    guessed = name_digest("dr.roth")
    for _ in range(3):
        desk.write(note_failure, guessed, 500)
    desk.write(fill, MOST_NAMES - 1)
    desk.write(note_failure, name_digest("one more"), 20_000)
    assert len(desk.rows(sign_in_failures)) == MOST_NAMES
    assert desk.read(read_failures, guessed).count == 3
    assert desk.read(read_failures, name_digest("one more")).count == 1
    assert desk.read(read_failures, (0).to_bytes(32)) == NONE  # the fewest failures, the longest ago


def test_old_rows_go(desk: Any) -> None:
    desk.write(fill, 5)
    desk.write(note_failure, name_digest("new"), 1_002 + throttle.FORGOTTEN_AFTER)
    assert sorted(row["last"] for row in desk.rows(sign_in_failures))[:2] == [1_003, 1_004]
    assert len(desk.rows(sign_in_failures)) == 3
