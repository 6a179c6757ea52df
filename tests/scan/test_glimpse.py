"""Hashes of people in memory, and numbers that come from others."""

from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st

from leadglass.scan.glimpse import MOST_COMPARED, MOST_IN_A_ROW, MOST_REPEATED, Crowd, Tally
from leadglass.scan.taker import Next

IDS = st.tuples(st.binary(max_size=12), st.binary(max_size=4))


@given(st.lists(IDS, max_size=200))
def test_a_crowd_has_as_many_as_there_are_different_ones(people: list[tuple[bytes, bytes]]) -> None:
    crowd = Crowd(b"secret")
    for person in people:
        crowd.add(*person)
    assert len(crowd) == len(set(people))
    assert len(crowd) == len(set(people))  # asked again


def test_an_id_does_not_run_into_its_issuer() -> None:
    crowd = Crowd(b"secret")
    crowd.add(b"12", b"3")
    crowd.add(b"1", b"23")
    crowd.add(b"12 3", b"")
    assert len(crowd) == 3


def test_hashes_are_of_this_run() -> None:
    """Two runs have nothing in common, not even without a secret that the caller gave."""
    seen = []
    for secret in (b"one", b"two", b"", b""):
        crowd = Crowd(secret)
        crowd.add(b"P-1", b"")
        len(crowd)
        seen.append(bytes(crowd._known))
    assert len(set(seen)) == 4


def test_a_large_crowd_takes_eight_bytes_for_each() -> None:
    crowd = Crowd(b"secret")
    for n in range(300_000):
        crowd.add(b"%d" % (n % 150_000), b"")
    gc.collect()
    assert len(crowd) == 150_000
    assert len(crowd._known) * crowd._known.itemsize == 8 * 150_000


def test_a_tally_cancels_at_what_is_wanted_and_goes_on_counting() -> None:
    tally = Tally(3)
    steps = [tally.pending(None) for _ in range(5)]  # type: ignore[arg-type]
    assert steps == [Next.GO_ON, Next.GO_ON, Next.CANCEL, Next.CANCEL, Next.CANCEL]
    assert (tally.matches, tally.cancelled) == (0, True)  # none is whole yet


def test_data_sets_are_handed_on_whole_or_not_collected_at_all() -> None:
    seen: list[bytes] = []
    tally = Tally(9, seen.append)
    for piece, last in ((b"ab", False), (b"", False), (b"c", True), (b"d", True)):
        tally.data(memoryview(piece), last)
    assert seen == [b"abc", b"d"]
    blind = Tally(9)
    blind.data(memoryview(b"abc"), True)
    assert not blind._data


def test_repetitions_are_noticed_until_nobody_expects_one() -> None:
    tally = Tally(1 << 30, key=b"secret")
    for n in range(MOST_COMPARED - 1):
        tally.data(memoryview(b"%d" % n), True)
    tally.data(memoryview(b"7"), False)
    tally.data(memoryview(b"7"), True)
    assert tally.repeats == 1  # 77
    for n in range(MOST_COMPARED, 3 * MOST_COMPARED):
        tally.data(memoryview(b"%d" % n), True)
    assert len(tally._seen) == 3 * MOST_COMPARED - 1
    plain = Tally(1 << 30)
    for n in range(MOST_COMPARED + 9):
        plain.data(memoryview(b"%d" % n), True)
    plain.data(memoryview(b"1"), True)
    assert (plain.repeats, len(plain._seen)) == (0, 0)


def feed(tally: Tally, *data_sets: bytes) -> list[Next]:
    steps = []
    for each in data_sets:
        steps.append(tally.pending(None))  # type: ignore[arg-type]
        tally.data(memoryview(each), True)
    return steps


def test_more_than_can_be_told_apart_is_cancelled_and_not_counted() -> None:
    tally = Tally(1 << 30, key=b"secret")
    steps = feed(tally, b"0", *(b"%d" % n for n in range(MOST_REPEATED + 9)))
    assert steps.count(Next.CANCEL) == 9
    assert tally.cancelled
    assert tally.matches - tally.repeats == MOST_REPEATED


def test_the_same_without_end_is_aborted() -> None:
    tally = Tally(1 << 30, key=b"secret")
    steps = feed(tally, b"a", b"b", *[b"a"] * (MOST_IN_A_ROW + 2))
    assert set(steps[:-1]) == {Next.GO_ON} and steps[-1] is Next.ABORT
    assert tally.is_endless
    assert tally.matches - tally.repeats == 2
