"""The planner against servers that are honest, short of words, forgetful, slow or liars."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from servers import PLENTY, Server, Study, at, count, spread

from leadglass.scan.asks import Ask, Came, End
from leadglass.scan.counting import CHEAP, EVER, Limits, is_round

ROUND = (64, 99, 100, 101, 128, 200)
STUDIES = st.builds(
    Study,
    st.none() | st.dates(date(1895, 1, 1), date(2030, 1, 1)) | st.dates(date(2024, 1, 1), date(2024, 1, 9)),
    st.none() | st.integers(0, 86_399) | st.integers(36_000, 36_010),
    st.frozensets(st.sampled_from(("CT", "MR", "SR")), min_size=1),
    st.integers(0, 9),
)
IGNORED = st.frozensets(st.sampled_from(("days", "times", "modality")))
MANNERS = st.sampled_from(("silent", "refuse", "limit", "fail", "slow", "abort"))
SERVERS = st.builds(
    Server, st.lists(STUDIES, max_size=300), st.none() | st.sampled_from(ROUND), MANNERS, IGNORED
)


def known(server: Server) -> tuple[int, int]:
    """How many there are, and how many have a date."""
    return len(server.studies), sum(study.day is not None for study in server.studies)


# --- whatever a server does ------------------------------------------------------------------------------------


@given(SERVERS)
@settings(max_examples=400)
def test_no_more_is_claimed_than_there_is(server: Server) -> None:
    found = count(server)
    there, dated = known(server)
    assert found.studies <= there
    assert found.studies == there or not found.exact
    assert found.dated in (None, dated)
    assert found.undated in (None, there - dated)
    assert found.images <= sum(study.images for study in server.studies)
    assert bool(found.cause) is not found.exact


@given(st.integers(), st.integers(1, 200), st.integers(1, 5000))
def test_a_liar_is_left_within_the_bounds(seed: int, queries: int, responses: int) -> None:
    server = Server([], lies=random.Random(seed))
    found = count(server, Limits(queries, responses))
    assert found.queries == len(server.asked) <= queries
    assert found.studies >= 0


@given(SERVERS, st.integers(0, 40))
def test_what_was_found_when_time_was_over_is_a_lower_bound(server: Server, queries: int) -> None:
    found = count(server, stop_after=queries)
    assert found.studies <= len(server.studies)
    assert found.studies == len(server.studies) or not found.exact
    assert len(server.asked) <= queries


@given(SERVERS, st.integers(1, 60))
def test_no_more_is_asked_for_than_the_bounds_allow(server: Server, responses: int) -> None:
    count(server, Limits(100, responses))
    assert sum(ask.most for ask in server.asked[-1:]) <= responses
    assert all(0 < ask.most <= responses for ask in server.asked)


# --- servers that can be counted -------------------------------------------------------------------------------


@given(st.lists(STUDIES, max_size=80), IGNORED)
def test_an_honest_server_is_counted_exactly_unless_its_number_is_round(studies, ignores) -> None:
    assume(not is_round(len(studies)))
    found = count(Server(studies, ignores=ignores))
    assert (found.studies, found.exact, found.cap) == (len(studies), True, None)
    assert found.images == sum(study.images for study in studies)


@given(st.lists(STUDIES, max_size=300), st.sampled_from(ROUND), MANNERS)
def test_a_server_that_stops_is_counted_through_by_dates_and_times(studies, cap, manner) -> None:
    studies = [s for s in studies if s.day is not None and s.second is not None]
    moments = [(study.day, study.second) for study in studies]
    assume(not moments or max(map(moments.count, moments)) < cap)
    found = count(Server(studies, cap, manner))
    assert found.studies == len(studies)
    assert found.exact or found.cause in ("undated", "untimed")


@pytest.mark.parametrize("number", [0, 1, 2, 9, 10, 47, 777, CHEAP + 3])
def test_honest_and_few_queries(number: int) -> None:
    server = Server(spread(number))
    found = count(server)
    assert (found.studies, found.exact) == (number, True)
    assert len(server.asked) <= 7
    assert sum(server.answer(ask).matches for ask in list(server.asked)) <= 3 * number + 1100


@pytest.mark.parametrize(
    ("number", "round_"),
    [(100, True), (99, True), (250, True), (2000, True), (50_001, True), (64, True), (8191, True), (4096, True),
     (0, False), (40, False), (50, False), (60, False), (300, False), (1234, False), (150, False), (102, False)],
)  # fmt: skip
def test_at_which_numbers_programs_like_to_stop(number: int, round_: bool) -> None:
    assert is_round(number) is round_


@pytest.mark.parametrize("number", [100, 500, 1000, 512])
def test_a_round_number_that_is_true_is_found_to_be_so(number: int) -> None:
    found = count(Server(spread(number, 3)))
    assert (found.studies, found.exact, found.cause, found.cap) == (number, True, "", None)
    assert (found.dated, found.undated) == (number, 0)


@pytest.mark.parametrize("manner", ["silent", "refuse", "limit", "fail", "slow", "abort"])
def test_the_manners_of_stopping(manner: str) -> None:
    server = Server(spread(2345, 4), 500, manner)
    found = count(server)
    assert (found.studies, found.exact, found.cause, found.dated) == (2345, False, "undated", 2345)
    assert found.cap == (500 if manner in ("silent", "limit") else None)
    assert found.queries < 60


def test_a_silent_stop_at_an_odd_number_is_noticed() -> None:
    found = count(Server(spread(3000, 2), 777))
    assert (found.studies, found.exact, found.dated, found.cap) == (3000, False, 3000, 777)


def test_one_busy_day_is_divided_by_time() -> None:
    found = count(Server(spread(800, 800), 100))
    assert (found.studies, found.exact, found.cause, found.dated) == (800, False, "undated", None)


# --- studies without a date ------------------------------------------------------------------------------------


def test_studies_without_a_date_are_counted_apart() -> None:
    found = count(Server([*spread(60), *at(spread(7), day=None)]))
    assert (found.studies, found.exact, found.dated, found.undated) == (67, True, 60, 7)


def test_nobody_knows_how_many_have_no_date_where_the_whole_cannot_be_had() -> None:
    found = count(Server([*spread(900), *at(spread(70), day=None)], 100, "refuse"))
    assert (found.studies, found.exact, found.cause) == (900, False, "undated")
    assert (found.dated, found.undated) == (900, None)


def test_studies_without_a_date_may_be_more_than_those_with() -> None:
    found = count(Server([*at(spread(900), day=None), *spread(70)], 500))
    assert (found.studies, found.exact, found.cause) == (500, False, "plateau")


def test_studies_without_a_time_are_not_claimed_to_be_known() -> None:
    busy = spread(300, 300)
    found = count(Server([*busy, *at(busy[:40], second=None)], 100, "refuse"))
    assert (found.studies, found.exact, found.dated) == (300, False, None)


# --- servers that ignore keys ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ignores", [{"days"}, {"days", "times"}])
def test_a_server_that_ignores_dates_is_asked_for_the_whole(ignores: set[str]) -> None:
    server = Server(spread(60), ignores=frozenset(ignores))
    found = count(server)
    assert (found.studies, found.exact, found.dated) == (60, True, None)
    assert all(ask.days is None for ask in server.asked)


def test_ranges_may_be_ignored_where_a_single_day_is_not() -> None:
    """`ignores_dates` was found out with a single day; ranges have to prove themselves."""
    server = Server(spread(500, 50), ignores=frozenset({"days"}))
    honest = Server([])
    honest.answer = server.answer  # type: ignore[method-assign]
    found = count(honest)
    assert (found.studies, found.exact) == (500, True)
    assert sum(ask.days is not None for ask in server.asked) == 2


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("number", [60, 500])
def test_half_a_range_is_no_range(half: int, number: int) -> None:
    """Everything from its beginning on, or up to its end: parts would add up to too much."""
    server = Server(spread(number))
    reads_half = Server([])

    def answer(ask: Ask) -> Came:
        if ask.days is None:
            return server.answer(ask)
        return server.answer(
            replace(ask, days=(ask.days[0], date.max) if half == 0 else (date.min, ask.days[1]))
        )

    reads_half.answer = answer  # type: ignore[method-assign]
    found = count(reads_half)
    assert (found.studies, found.dated) == (number, None)


def test_a_range_read_as_one_day_is_not_taken_for_studies_without_a_date() -> None:
    server = Server(spread(60))
    reads_one = Server([])
    reads_one.answer = lambda ask: server.answer(replace(ask, days=ask.days and (ask.days[0],) * 2))  # type: ignore
    found = count(reads_one)
    assert (found.studies, found.exact, found.dated, found.undated) == (60, True, None, None)


def test_a_plateau_of_a_server_that_ignores_everything_stays_one() -> None:
    found = count(Server(spread(5000), 500, ignores=frozenset({"days", "times"})))
    assert (found.studies, found.exact, found.cause) == (500, False, "plateau")


def test_times_alone_may_divide_it() -> None:
    studies = [Study(None, n * 80) for n in range(1000)]
    found = count(Server(studies, 100, ignores=frozenset({"days"})))
    assert (found.studies, found.exact, found.cause) == (1000, False, "untimed")


def test_a_server_that_ignores_times_gives_a_busy_day_up_to_its_stop() -> None:
    found = count(Server([*spread(300), *spread(800, 800)], 100, ignores=frozenset({"times"})))
    assert (found.studies, found.exact, found.cause) == (399, False, "cap")


def test_of_a_refused_moment_the_most_frequent_modality_is_certain() -> None:
    once = at([Study()] * 90, modalities=frozenset({"CT", "SR"})) + at(
        [Study()] * 70, modalities=frozenset({"MR"})
    )
    found = count(Server(once, 100, "refuse"))
    assert (found.studies, found.exact, found.cause) == (90, False, "refused")
    ignoring = count(Server(once, 100, "refuse", frozenset({"modality"})))
    assert (ignoring.studies, ignoring.cause) == (0, "refused")


@given(st.lists(STUDIES, max_size=60), st.integers(2, 4))
def test_repetitions_are_taken_off_and_nothing_is_exact_then(studies: list[Study], repeats: int) -> None:
    found = count(Server(studies, repeats=repeats))
    assert found.studies == len(studies)
    assert found.exact is not bool(studies)
    assert found.cause in ({"repeats", "plateau"} if studies else {""})


# --- bounds ----------------------------------------------------------------------------------------------------


def test_whoever_aborts_everything_is_left_alone_soon() -> None:
    asked = []
    server = Server([])
    server.answer = lambda ask: asked.append(ask) or Came(0, End.LOST)  # type: ignore[method-assign]
    found = count(server)
    assert (found.studies, found.exact, found.cause) == (0, False, "lost")
    assert len(asked) == 3


def test_bounds_are_a_cause_of_their_own() -> None:
    found = count(Server(spread(9000)), Limits(100, 1000))
    assert (found.studies, found.exact, found.cause) == (1000, False, "bounds")
    found = count(Server(spread(9000), 100, "refuse"), Limits(60, 100_000))
    assert found.cause == "bounds" and 0 < found.studies < 9000 and found.queries == 60


def test_no_answer_to_a_query_without_keys_is_not_taken_for_an_empty_archive() -> None:
    server = Server(spread(300))
    mute = Server(spread(300))
    mute.answer = lambda ask: server.answer(ask if ask.days else Ask(modality="NONE", most=ask.most))  # type: ignore[method-assign]
    found = count(mute)
    assert (found.studies, found.exact, found.cause, found.dated) == (300, False, "undated", 300)


# --- keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "keys"),
    [
        (Ask(), {}),
        (Ask(days=(date(2024, 1, 2), date(2024, 1, 2))), {"StudyDate": "20240102"}),
        (Ask(days=(date(2024, 1, 2), date(2024, 2, 3))), {"StudyDate": "20240102-20240203"}),
        (Ask(days=(date(990, 1, 2), date(999, 1, 2))), {"StudyDate": "09900102-09990102"}),
        (Ask(times=(0, 43_199)), {"StudyTime": "000000-115959.999999"}),
        (Ask(times=(43_200, 86_399)), {"StudyTime": "120000-235959.999999"}),
        (Ask(times=(3661, 3661), modality="MR"),
         {"StudyTime": "010101-010101.999999", "ModalitiesInStudy": "MR"}),
    ],
)  # fmt: skip
def test_matching_keys(ask: Ask, keys: dict[str, str]) -> None:
    assert ask.keys() == keys


def test_halves_lose_no_day_and_no_second() -> None:
    """Every part that is asked for by day lies between others, with nothing in between."""
    server = Server(spread(400), 20, "refuse")
    count(server)
    parts = sorted({ask.days for ask in server.asked if ask.days and ask.days[0].year not in (1842, 2200)})
    ends = {part[1] for part in parts}
    for first, _ in parts:
        assert first == EVER[0] or date.fromordinal(first.toordinal() - 1) in ends
    assert EVER[1] in ends and PLENTY.queries > len(server.asked)
