"""Counting over the wire: the planner's questions as C-FINDs, and what is and is not looked at of the answers."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import cycle
from typing import Any

import pytest
import raw_peer as raw
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import Server, Study, spread
from strangers import (
    CALM,
    PENDING,
    QUICK,
    STUDY_FIND,
    Host,
    element,
    manner,
    matches,
    one,
    probe,
    uids,
)

from leadglass.scan.asks import Ask, End
from leadglass.scan.manner import Option, Patience
from leadglass.scan.observation import Level, Observation, Outcome

ONLY = frozenset({raw.VERIFICATION, STUDY_FIND})
DATE, TIME, MODALITIES, IMAGES = 0x00080020, 0x00080030, 0x00080061, 0x00201208
NAME = element(0x00100010, b"NOBODY^PLANTED")


def count(host: Host, *options: Option, patience: Patience = QUICK, **bounds: int) -> Observation:
    return one(probe(host, manner(Level.COUNTED, *options, patience=patience, **bounds)), "count")


# --- a model behind the wire -----------------------------------------------------------------------------------


def day(text: bytes, otherwise: date) -> date:
    return (
        date.fromisoformat(f"{text[:4].decode()}-{text[4:6].decode()}-{text[6:].decode()}")
        if text
        else otherwise
    )


def second(text: bytes, otherwise: int) -> int:
    return int(text[:2]) * 3600 + int(text[2:4]) * 60 + int(text[4:6]) if text else otherwise


def asked(keys: dict[int, bytes]) -> Ask:
    """The question that matching keys ask (PS3.4 C.2.2.2)."""
    days = times = None
    if value := keys.get(DATE):
        first, dash, last = value.partition(b"-")
        days = day(first, date.min), day(last, date.max) if dash else day(first, date.min)
    if value := keys.get(TIME):
        begin, _, end = value.partition(b"-")
        times = second(begin, 0), second(end, 86_399)
    return Ask(days, times, keys.get(MODALITIES, b"").decode())


def behind(server: Server) -> Any:
    """The answers of `server` as responses to a C-FIND."""

    def find(model: str, keys: dict[int, bytes]) -> Iterator[tuple[int, bytes | None]]:
        came = server.answer(asked(keys))
        yield from ((PENDING, uid) for uid in uids(came.matches))
        yield {End.COMPLETE: 0, End.LIMITED: 0xB001, End.REFUSED: 0xA700}[came.end], None

    return find


@given(
    st.lists(
        st.builds(
            Study,
            st.none() | st.dates(date(2020, 1, 1), date(2020, 2, 9)),
            st.none() | st.integers(0, 86_399),
        ),
        max_size=160,
    ),
    st.none() | st.sampled_from((64, 100)),
    st.sampled_from(("silent", "refuse", "limit", "fail")),
)
@settings(max_examples=25)
@pytest.mark.slow
def test_the_wire_changes_nothing(studies: list[Study], cap: int | None, manner_of: str) -> None:
    server = Server(studies, cap, manner_of)
    found = count(Host(behind(server), services=ONLY)).said
    assert found["studies"] <= len(studies)
    assert found["studies"] == len(studies) or not found["exact"]
    assert found.get("dated", 0) in (0, sum(study.day is not None for study in studies))


@pytest.mark.parametrize("how", ["silent", "refuse", "limit", "fail"])
def test_a_server_that_stops_is_counted_through(how: str) -> None:
    found = count(Host(behind(Server(spread(345, 3), 100, how)), services=ONLY))
    assert found.outcome is Outcome.ANSWERED
    assert (found.said["studies"], found.said["dated"], found.said["cause"]) == (345, 345, "undated")
    assert found.said["queries"] > 10


def test_a_plain_server() -> None:
    host = Host(matches(), services=ONLY)
    host.find = behind(Server(spread(47)))
    found = count(host)
    assert found.sent["model"] == STUDY_FIND
    assert found.sent["keys"] == ("queryretrievelevel", "studyinstanceuid")
    assert (found.said["studies"], found.said["exact"], found.said["status"]) == (47, True, 0)
    assert "cause" not in found.said and found.said["rate"] > 0
    assert host.asked[1] == {0x00080052: b"STUDY", 0x0020000D: b""}
    assert (host.aborted, host.released) == (0, 2)


def test_who_has_shown_to_ignore_dates_is_asked_once() -> None:
    host = Host(lambda model, keys: [*((PENDING, uid) for uid in uids(7)), (0, None)], services=ONLY)
    found = count(host)
    assert (found.said["studies"], found.said["exact"]) == (7, True)
    assert all(not keys.get(DATE) for keys in host.asked[1:])


def test_more_than_is_wanted_is_cancelled() -> None:
    host = Host(matches(*uids(5000)), services=ONLY)
    found = count(host, patience=CALM, responses=300)
    assert (found.outcome, found.said["cause"]) == (Outcome.STOPPED, "bounds")
    assert 300 <= found.said["studies"] <= 5000
    assert (host.cancelled, host.aborted) == (1, 0)


def test_who_takes_anything_and_finds_what_cannot_be_is_counted_no_further_than_that() -> None:
    """Ten honeypots of two million studies each would cost more than a country."""

    def find(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
        return [*((PENDING, uid) for uid in uids(700)), (0, None)]

    pot, poor = Host(find), Host(find, services=ONLY)
    found, whole = (count(host, patience=CALM, unlikely=300) for host in (pot, poor))
    assert (found.outcome, found.said["cause"], found.said["exact"]) == (Outcome.STOPPED, "bounds", False)
    assert 300 <= found.said["studies"] <= 700 and pot.cancelled == 1
    assert (whole.said["studies"], whole.said["exact"], poor.cancelled) == (700, True, 0)


def test_who_does_not_hear_of_a_cancellation_is_aborted() -> None:
    host = Host(_stuck_after(400), services=ONLY)
    found = count(host, responses=300)
    assert (found.outcome, found.said["studies"]) == (Outcome.STOPPED, 400)
    assert host.aborted == 1


def _stuck_after(number: int) -> Any:
    """Sends so many and then nothing any more, whatever is said to it."""

    def find(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
        return [(0, None)] if DATE in keys else [(PENDING, uid) for uid in uids(number)]

    return find


def test_time_is_up() -> None:
    patience = Patience(connect=10, answer=20, count=0.5, host=120, parting=0.05)
    found = count(Host(_stuck_after(30), services=ONLY), patience=patience)
    assert (found.outcome, found.said["cause"], found.said["studies"]) == (Outcome.STOPPED, "time", 30)


def test_a_query_that_gets_stuck_is_asked_in_parts() -> None:
    server = Server(spread(60))

    def find(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
        whole = list(behind(server)(model, keys))
        return whole[:40] if len(whole) > 41 else whole

    patience = Patience(connect=10, answer=1, count=60, host=120, parting=0.05)
    found = count(Host(find, services=ONLY), patience=patience)
    assert (found.said["studies"], found.said["dated"], found.said["cause"]) == (60, 60, "undated")


def test_misbehaviour_ends_it_with_what_was_found() -> None:
    def find(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
        return [(0, None)] if DATE in keys else [*((PENDING, uid) for uid in uids(12)), (PENDING, None)]

    found = count(Host(find, services=ONLY))
    assert (found.outcome, found.said["fault"]) == (Outcome.MISBEHAVES, "no-identifier")
    assert (found.said["studies"], found.said["exact"], found.said["cause"]) == (12, False, "misbehaves")


# --- memory ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_memory_does_not_grow_with_matches() -> None:
    held = []
    for number in (1_003, 20_013):
        host = Host(matches(*uids(number, NAME)), services=ONLY)
        tracemalloc.start()
        try:
            found = count(host, patience=CALM)
            held.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert found.said["studies"] == number
    assert held[1] < held[0] + (4 << 20)  # the host's own buffers count too


# --- what the scope may ask for besides ------------------------------------------------------------------------


def with_images(*numbers: bytes) -> Any:
    data = uids(len(numbers), NAME)
    return matches(*(each + element(IMAGES, number) for each, number in zip(data, numbers, strict=True)))


def test_images_are_added_up_if_the_scope_asks_for_them() -> None:
    host = Host(with_images(b"120", b"3", b""), services=ONLY)
    found = count(host, Option.IMAGES)
    assert found.said["images"] == 123
    assert IMAGES in host.asked[1] and "numberofstudyrelatedinstances" in found.sent["keys"]


def test_otherwise_they_are_not_even_asked_for() -> None:
    host = Host(with_images(b"120", b"3"), services=ONLY)
    found = count(host)
    assert "images" not in found.said
    assert all(IMAGES not in keys and 0x00100020 not in keys for keys in host.asked)


@pytest.mark.parametrize("number", [b"-5", b"1e9", b"9" * 40, b"\xff\xfe", b"12 13"])
def test_numbers_that_are_none_count_nothing(number: bytes) -> None:
    assert count(Host(with_images(number), services=ONLY), Option.IMAGES).said["images"] == 0


def test_a_data_set_that_is_none_is_a_study_all_the_same() -> None:
    def find(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
        return [(0, None)] if DATE in keys else [(PENDING, b"\x08\0\x20\0\xff\xff\xff\x7f"), (0, None)]

    said = count(Host(find, services=ONLY), Option.IMAGES, Option.PEOPLE).said
    assert (said["studies"], said["images"], said["people"]) == (1, 0, 0)


def patients(*identities: tuple[bytes, bytes]) -> Any:
    rows = [element(0x00100020, identity) + element(0x00100021, issuer) for identity, issuer in identities]
    return matches(*(row + uid for row, uid in zip(rows, uids(len(rows)), strict=True)))


def test_people_are_counted_by_id_and_issuer_however_often_they_come() -> None:
    chance = random.Random(1)
    identities = [(b"P-%d" % (n % 40), b"A" if n % 40 < 30 else b"B") for n in range(200)]
    chance.shuffle(identities)
    found = count(Host(patients(*identities, (b"P-1", b"B"), (b"", b"A")), services=ONLY), Option.PEOPLE)
    assert found.said["people"] == 41
    assert not any(b"P-%d".decode() % n in repr(found) for n in range(40))


def test_a_server_that_refuses_a_key_is_asked_without() -> None:
    def find(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
        if IMAGES in keys:
            return [(0xA900, None)]
        return list(matches(*uids(3))(model, keys))

    said = count(Host(find, services=ONLY), Option.IMAGES).said
    assert said["studies"] == 3 and "images" not in said


def test_a_server_that_refuses_too_much_is_still_asked_for_images() -> None:
    server = Server(spread(300, 3), 50, "refuse")

    def find(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
        return [(s, d and d + element(IMAGES, b"2")) for s, d in behind(server)(model, keys)]

    said = count(Host(find, services=ONLY), Option.IMAGES).said
    assert (said["studies"], said["images"]) == (300, 600)


# --- a study more than once ------------------------------------------------------------------------------------


def test_a_study_that_is_given_for_each_of_its_images_counts_once() -> None:
    """As pynetdicom's own qrscp does it."""
    rows = [each for each in uids(9) for _ in range(3)]
    found = count(Host(matches(*rows), services=ONLY))
    assert (found.said["studies"], found.said["exact"], found.said["cause"]) == (9, False, "repeats")
    assert found.said["pending"] >= 27 and "dated" not in found.said


def test_its_images_are_not_added_twice() -> None:
    rows = [each + element(IMAGES, b"5") for each in uids(9) for _ in range(3)]
    assert count(Host(matches(*rows), services=ONLY), Option.IMAGES).said["images"] == 45


def test_who_says_the_same_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadglass.scan.glimpse.MOST_IN_A_ROW", 1000)

    def find(model: str, keys: dict[int, bytes]) -> Iterator[tuple[int, bytes | None]]:
        yield from [(0, None)] if DATE in keys else ((PENDING, uid) for uid in cycle(uids(12)))

    found = count(Host(find, services=ONLY))
    assert (found.outcome, found.said["fault"], found.said["studies"]) == (Outcome.MISBEHAVES, "endless", 12)


# --- one archive behind two doors ------------------------------------------------------------------------------


def test_who_gives_the_same_in_whatever_order_has_the_same_mark_in_one_run() -> None:
    rows = uids(9)
    same, turned, other = (
        count(Host(matches(*each), services=ONLY)).said["mark"] for each in (rows, rows[::-1], uids(8))
    )
    assert same == turned != other
    assert same[:8] == other[:8]  # the run
    assert not any(row.hex() in repr(same) for row in rows)


def test_a_mark_is_of_one_run_only() -> None:
    host = Host(matches(*uids(9)), services=ONLY)
    how = manner(Level.COUNTED, patience=QUICK)
    marks = [
        one(probe(host, replace(how, secret=secret)), "count").said.get("mark")
        for secret in (b"a", b"b", b"")
    ]
    assert marks[0] != marks[1]
    assert marks[2] is None  # without a secret it would tell whoever has the studies


def test_who_never_gives_the_whole_has_none() -> None:
    assert "mark" not in count(Host(behind(Server(spread(345, 3), 50, "refuse")), services=ONLY)).said
