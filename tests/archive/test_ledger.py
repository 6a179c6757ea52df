"""Accesses under way: one opening entry however many ask, one closing entry with what was delivered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from leadglass.access.policy import Action
from leadglass.archive import ledger as ledgers
from leadglass.archive.ledger import IDLE, LONGEST, Ledger
from leadglass.compose import open_home
from leadglass.errors import RecordUnavailable, StorageFull
from leadglass.index import lookup

VIEW = Action.STUDY_VIEW


@pytest.fixture
def ward(clinic: Any) -> Any:
    clinic.take_in(1)
    clinic.take_in(1, study="1.4", series="1.4.1", instance="1.4.1.1")
    with clinic.services.db.read() as connection:
        clinic.studies = [lookup.study(connection, number) for number in (1, 2)]
    clinic.ledger = clinic.services.ledger
    return clinic


@pytest.fixture
def at(ward: Any) -> Callable[[int], Any]:
    """The doctor looks at the first study, at a time after the beginning."""

    def look(after: int, who: Any = None, study: int = 0, action: Action = VIEW, **counts: int) -> Any:
        context = ward.context()
        context = type(context)(context.address, context.via, ward.now + after)
        access = ward.ledger.enter(who or ward.doctor, action, ward.studies[study], context)
        access.count(**counts)
        ward.ledger.leave(access, context.now)
        return access

    return look


def views(ward: Any) -> list[Any]:
    ward.services.db.write(lambda _: None).result(30)  # after whatever closes were queued
    return [e for e in ward.entries() if e.entry.action in ("study.view", "study.retrieve")]


def test_what_follows_joins_and_counts_add_up(ward: Any, at: Any) -> None:
    first = at(0, frames=1)
    assert at(1000, frames=2) is first
    assert at(2000, headers=1) is first
    [entry] = views(ward)
    assert entry.at_least
    ward.ledger.expire(ward.now + 2000 + IDLE)
    [entry] = views(ward)
    assert (entry.at_least, entry.counts) == (False, {"frames": 3, "headers": 1})


def test_another_person_study_right_or_session_is_another_access(ward: Any, at: Any) -> None:
    colleague = ward.person(11, ward.doctor.role, ward.own)
    same_session = type(colleague)(
        colleague.kind, 12, 12, "x", "x", colleague.role, colleague.departments, ward.doctor.credential
    )
    accesses = {id(at(0)), id(at(0, colleague)), id(at(0, same_session)), id(at(0, study=1))}
    accesses.add(id(at(0, action=Action.STUDY_RETRIEVE)))
    assert len(accesses) == len(views(ward)) == 5
    assert len({(e.entry.actor, e.entry.studies, e.entry.action) for e in views(ward)}) == 5


def test_an_access_ends_when_nothing_has_happened_for_a_while(ward: Any, at: Any) -> None:
    first = at(0)
    ward.ledger.expire(ward.now + IDLE - 1)
    assert at(IDLE - 1) is first
    ward.ledger.expire(ward.now + 2 * IDLE - 1)
    assert at(2 * IDLE) is not first
    assert len(views(ward)) == 2


def test_an_access_ends_after_an_hour_even_in_constant_use(ward: Any, at: Any) -> None:
    first = at(0)
    for minute in range(1, 60):
        assert at(minute * 60_000) is first
        ward.ledger.expire(ward.now + minute * 60_000)
    ward.ledger.expire(ward.now + LONGEST)
    assert at(LONGEST) is not first


def test_signing_out_closes_the_accesses_of_that_session_alone(ward: Any, at: Any) -> None:
    colleague = ward.person(11, ward.doctor.role, ward.own)
    at(0, frames=1)
    at(0, colleague)
    ward.ledger.close_of(ward.doctor.credential, ward.now + 5)
    mine, theirs = views(ward)
    assert (mine.at_least, mine.closed) == (False, ward.now + 5)
    assert theirs.at_least


def test_closing_the_ledger_waits_until_all_is_on_the_record(ward: Any, at: Any) -> None:
    at(0, frames=7)
    at(0, study=1)
    ward.ledger.close(ward.now + 9)
    assert [e.at_least for e in ward.entries("study.view")] == [False, False]


def test_an_entry_is_never_closed_before_it_was_opened(ward: Any, at: Any) -> None:
    """A clock that goes back does not make a closing entry older than its access."""
    at(60_000)
    ward.ledger.close(ward.now)
    [entry] = views(ward)
    assert entry.closed == ward.now + 60_000


def test_after_a_crash_the_counts_read_at_least(ward: Any, at: Any, place: Any) -> None:
    at(0, frames=3)
    with open_home(place.root, place.environ, lambda: ward.now, ward.site_of):
        pass  # another process comes and goes; the first never said goodbye
    [entry] = views(ward)
    assert (entry.at_least, entry.counts) == (True, {})


@pytest.mark.parametrize("threads", [8])
def test_many_at_once_have_one_opening_entry_and_no_lost_count(ward: Any, at: Any, threads: int) -> None:
    barrier = threading.Barrier(threads)

    def work() -> None:
        barrier.wait()
        for _ in range(50):
            at(0, frames=1)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    ward.ledger.close(ward.now)
    [entry] = views(ward)
    assert entry.counts == {"frames": threads * 50}


def test_expiring_while_others_enter_loses_nothing(ward: Any, at: Any) -> None:
    stop = threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            ward.ledger.expire(ward.now + IDLE)  # everything that is not busy is over at once

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    for _ in range(60):
        at(0, frames=1)
    stop.set()
    sweeper.join(30)
    ward.ledger.close(ward.now)
    assert sum(e.counts.get("frames", 0) for e in views(ward)) == 60
    assert not any(e.at_least for e in views(ward))


def test_when_it_cannot_be_recorded_nobody_is_let_in_and_the_next_may_try(
    ward: Any, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise StorageFull("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(ward.services.doorkeeper.log, "append", full)
        with pytest.raises(RecordUnavailable):
            at(0)
        assert ward.ledger._open == {}
    at(0)
    assert len(views(ward)) == 1


def test_whoever_waits_for_the_first_tries_again_when_it_fails_and_is_closed_properly(
    ward: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ask at once, the first one's entry fails: the second's own try must not be forgotten."""
    append = ward.services.doorkeeper.append
    failing, second_is_waiting = [True], threading.Event()

    def flaky(entry: Any, now: int) -> Any:
        if failing.pop() if failing else False:
            assert second_is_waiting.wait(30)
            raise StorageFull("Once.")
        return append(entry, now)

    monkeypatch.setattr(ward.services.doorkeeper, "append", flaky)
    errors: list[BaseException] = []

    def enter() -> None:
        try:
            access = ward.ledger.enter(ward.doctor, VIEW, ward.studies[0], ward.context())
            ward.ledger.leave(access, ward.now)
        except RecordUnavailable as error:
            errors.append(error)

    threads = [threading.Thread(target=enter) for _ in range(2)]
    threads[0].start()
    while not ward.ledger._open:
        pass
    threads[1].start()
    while next(iter(ward.ledger._open.values())).busy < 2:
        pass
    second_is_waiting.set()
    for thread in threads:
        thread.join(30)
    assert len(errors) == 1
    ward.ledger.close(ward.now)
    [entry] = views(ward)
    assert not entry.at_least


def test_too_many_open_accesses_close_the_oldest(ward: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "MOST_OPEN", 20)
    small = Ledger(ward.services.doorkeeper)
    for number in range(30):
        who = ward.person(100 + number, ward.doctor.role, ward.own)
        small.leave(small.enter(who, VIEW, ward.studies[0], ward.context()), ward.now)
    assert len(small._open) <= 20
    closed = [e.entry.actor for e in views(ward) if not e.at_least]
    assert closed == [f"user:{100 + number}" for number in range(len(closed))]
    assert closed


def test_what_goes_to_another_receiver_is_another_access(ward: Any) -> None:
    context = ward.context()
    for to in ("A", "B", "A", ""):
        access = ward.ledger.enter(ward.doctor, Action.STUDY_RETRIEVE, ward.studies[0], context, to)
        ward.ledger.leave(access, context.now)
    assert [entry.entry.detail for entry in views(ward)] == [{"to": "A"}, {"to": "B"}, {}]


def test_what_is_announced_is_on_the_record_and_what_is_served_joins_it(ward: Any, at: Any) -> None:
    ward.ledger.announce(ward.doctor, VIEW, reversed(ward.studies), ward.context())
    assert sorted(entry.entry.studies for entry in views(ward)) == [("1.2.3",), ("1.4",)]
    at(0, study=1, frames=2)
    ward.ledger.close(ward.now)
    assert [(e.entry.studies, e.at_least, e.counts) for e in views(ward)] == [
        (("1.2.3",), False, {}),
        (("1.4",), False, {"frames": 2}),
    ]


def test_when_one_of_several_cannot_be_recorded_none_is_announced(
    ward: Any, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = ward.services.doorkeeper.log.append

    def full(tx: Any, entry: Any, now: int) -> int:
        if entry.studies == ("1.4",):
            raise StorageFull("The disk is full.")
        return int(append(tx, entry, now))

    with monkeypatch.context() as patch:
        patch.setattr(ward.services.doorkeeper.log, "append", full)
        with pytest.raises(RecordUnavailable):
            ward.ledger.announce(ward.doctor, VIEW, ward.studies, ward.context())
    at(0, study=1)
    ward.ledger.close(ward.now)
    assert [(e.entry.studies, e.at_least) for e in views(ward)] == [(("1.2.3",), False), (("1.4",), False)]


def test_those_who_are_announced_the_same_studies_at_once_do_not_wait_for_each_other(ward: Any) -> None:
    def announce(studies: Any) -> None:
        for _ in range(20):
            ward.ledger.announce(ward.doctor, VIEW, studies, ward.context())

    orders = (ward.studies, ward.studies[::-1])
    threads = [threading.Thread(target=announce, args=(order,), daemon=True) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert len(views(ward)) == 2
