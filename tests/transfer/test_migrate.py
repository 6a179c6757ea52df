"""A whole archive into this one: whatever it caps, through stops, and with what does not agree named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from pacs import FIND, MOVE, Pacs, image

from leadglass.archive.migration import Progress, State
from leadglass.errors import Refused, Unreachable
from leadglass.transfer import migrate
from leadglass.transfer.listing import Listing
from leadglass.transfer.migrate import Manner, Migrator, Run, judge
from leadglass.transfer.pace import Hours, Pace
from leadglass.transfer.receive import Received, Receiver
from leadglass.transfer.target import Endpoint, parse_target
from leadglass.transfer.windows import roots

TODAY = date(2026, 3, 1)


class Here:
    """The receiving end: a home, what has been slept, and runs one after the other."""

    def __init__(self, opened: Any, receiver: Receiver) -> None:
        self.opened = opened
        self.receiver = receiver
        self.slept: list[float] = []
        self.clock: Callable[[], datetime] = lambda: datetime.fromisoformat("2026-03-01T21:00")

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def progress(self, pacs: Pacs, cap: int | None = None) -> Progress:
        return self.opened.services.migrations.open(  # type: ignore[no-any-return]
            self.receiver.who,
            self.receiver.context(),
            source=pacs.ae,
            department_id=self.receiver.department_id,
            days=("", ""),
            listing=Listing.of(roots(None, None, TODAY), cap).to_json(),
        )

    def run(self, pacs: Pacs, tell: Callable[[Run], None] = lambda _: None, **manner: Any) -> Migrator:
        """One run, which may end in an error; finished if it does not."""
        self.receiver = replace(self.receiver, received=Received())
        progress = self.progress(pacs)
        how = Manner(Hours(), Pace(), sleep=self.sleep, clock=self.clock, **manner)
        made = Migrator(Endpoint(parse_target(pacs.ae), "LEADGLASS"), progress, self.receiver, how, tell)
        asyncio.run(made.migrate())
        progress.finish(1)
        return made

    def unfinished(self, pacs: Pacs) -> Progress:
        """What one run has come to, before it is taken for the last."""
        progress = self.progress(pacs)
        how = Manner(Hours(), Pace(), sleep=self.sleep, clock=self.clock)
        endpoint = Endpoint(parse_target(pacs.ae), "LEADGLASS")
        asyncio.run(Migrator(endpoint, progress, self.receiver, how, lambda _: None).migrate())
        return progress

    def differing(self, pacs: Pacs) -> dict[str, tuple[State, int | None, int | None]]:
        """Studies that do not agree, of an unfinished migration."""
        due = self.progress(pacs).due()
        return {each.study_instance_uid: (each.state, each.expected, each.held) for each in due}


@pytest.fixture
def here(opened: Any, receiver: Receiver) -> Here:
    return Here(opened, receiver)


def archive(studies: int, **more: Any) -> Pacs:
    """So many studies of one to three images, on days of their own; every tenth without a date."""
    images = [
        image(
            n,
            1,
            number,
            PatientID=str(n),
            StudyDate="" if n % 10 == 0 else f"20{n % 26:02}0{1 + n % 9}1{n % 10}",
        )
        for n in range(1, studies + 1)
        for number in range(1, 2 + n % 3)
    ]
    return Pacs(images, **more)


@pytest.mark.parametrize("manner", ["silent", "fail", "cancel", "refuse"])
def test_everything_is_here_afterwards(here: Here, manner: str) -> None:
    with archive(21, cap=10, manner=manner).running() as pacs:
        ran = here.run(pacs)
    assert here.progress(pacs).totals() == {}  # finished: the next run begins anew
    assert ran.run.received.stored == len(pacs.images)
    assert ran.run.compared == ran.run.listed == 21
    assert not ran.listing.unsure and not ran.listing.failed


def test_the_next_run_brings_only_what_is_new(here: Here) -> None:
    with archive(6).running() as pacs:
        here.run(pacs)
        before = pacs.retrievals
        pacs.images += [image(3, 1, 9, PatientID="3"), image(50, 1, 1)]
        ran = here.run(pacs)
        assert pacs.retrievals == before + 2
    assert ran.run.received.stored == 2


def test_a_run_that_stops_is_gone_on_with(here: Here) -> None:
    class Enough(Exception):
        pass

    def stop(run: Run) -> None:
        if run.compared == 4:
            raise Enough

    with archive(12).running() as pacs:
        with pytest.raises(Enough):
            here.run(pacs, stop)
        asked, retrieved = len(pacs.asked), pacs.retrievals
        assert here.progress(pacs).totals() == {State.AGREES: 4, State.OPEN: 8}
        ran = here.run(pacs)
        lists = [each for each in pacs.asked[asked:] if each.QueryRetrieveLevel == "STUDY"]
        assert not lists  # listed already
        assert pacs.retrievals == retrieved + 8
    assert ran.run.compared == 8


def test_a_run_that_stops_while_it_lists_goes_on_there(here: Here) -> None:
    class Enough(Exception):
        pass

    def stop(run: Run) -> None:
        if run.listed >= 10:
            raise Enough

    with archive(21, cap=10).running() as pacs:
        with pytest.raises(Enough):
            here.run(pacs, stop)
        first = {(str(each.get("StudyDate")), str(each.get("PatientID"))) for each in pacs.asked}
        count = len(pacs.asked)
        here.run(pacs)
        again = [
            (str(each.get("StudyDate")), str(each.get("PatientID")))
            for each in pacs.asked[count:]
            if each.QueryRetrieveLevel == "STUDY"
        ]
    assert again and not first & set(again)


def test_what_does_not_agree_is_named(here: Here) -> None:
    pacs = Pacs([image(1, 1, 1), image(1, 1, 2), image(2), image(3)], losing={"1.2.1.1.2", "1.2.3.1.1"})
    with pacs.running():
        progress = here.unfinished(pacs)
        assert here.differing(pacs) == {"1.2.1": (State.FEWER, 2, 1), "1.2.3": (State.FAILED, 1, 0)}
        assert all(each.reason for each in progress.due())
        assert progress.totals() == {State.AGREES: 1, State.FEWER: 1, State.FAILED: 1}


@pytest.mark.parametrize("repeats", [False, True])
def test_an_archive_that_does_not_count_is_counted(here: Here, repeats: bool) -> None:
    images = [image(1, series, number) for series in (1, 2) for number in (1, 2, 3)]
    with Pacs(images, counts=False, repeats=repeats).running() as pacs:
        progress = here.unfinished(pacs)
        images_asked = [each for each in pacs.asked if each.QueryRetrieveLevel == "IMAGE"]
    assert here.receiver.received.stored == 6
    assert progress.totals() == {State.AGREES: 1}
    assert images_asked


def test_one_without_c_get_moves_if_it_knows_where_to(here: Here) -> None:
    other = Pacs([], title="LEADGLASS")
    with other.running(), archive(3).running(classes=(*FIND, *MOVE)) as pacs:
        with pytest.raises(Refused, match="C-GET"):
            here.run(pacs)
        pacs.destinations["LEADGLASS"] = ("127.0.0.1", other.port)
        ran = here.run(pacs, destination="LEADGLASS")
    assert ran.run.moved == len(other.received) == len(pacs.images)


def test_asked_to_move_it_does_not_try_to_get(here: Here) -> None:
    other = Pacs([], title="LEADGLASS")
    with other.running(), archive(2).running() as pacs:
        pacs.destinations["LEADGLASS"] = ("127.0.0.1", other.port)
        here.run(pacs, destination="LEADGLASS", by_move=True)
    assert len(other.received) == len(pacs.images)


def test_outside_of_its_hours_nothing_is_asked(here: Here) -> None:
    times = iter(["2026-03-01T19:58"] * 3 + ["2026-03-01T20:00"] * 1000)
    here.clock = lambda: datetime.fromisoformat(next(times))
    seen: list[str] = []
    with archive(2).running() as pacs:
        progress = here.progress(pacs)
        how = Manner(Hours.parse("20-06"), Pace(), sleep=here.sleep, clock=here.clock)
        made = Migrator(
            Endpoint(parse_target(pacs.ae), "LEADGLASS"),
            progress,
            here.receiver,
            how,
            lambda run: seen.append(f"{run.doing} {len(pacs.asked)}"),
        )
        asyncio.run(made.migrate())
    assert seen[:3] == ["waiting for its hours 0"] * 3
    assert here.slept == [60, 60, 60]
    assert made.run.compared == 2


def test_an_archive_that_does_not_answer_is_called_again_and_then_given_up(here: Here) -> None:
    with archive(1).running() as pacs:
        pass
    with pytest.raises(Unreachable):
        here.run(pacs)
    assert here.slept == [migrate.WAIT, 2 * migrate.WAIT]


def test_an_archive_that_fails_whatever_it_is_asked(here: Here) -> None:
    with archive(25, cap=0, manner="refuse").running() as pacs, pytest.raises(Refused, match="A700h"):
        here.run(pacs)
    assert len(pacs.asked) < 100


def test_it_is_on_the_record(here: Here) -> None:
    from leadglass.record import reader

    with archive(1).running() as pacs:
        here.run(pacs)
    with here.opened.services.db.read() as connection:
        entries = [e.entry for e in reader.entries(connection, limit=50)]
    runs = [entry for entry in entries if entry.action == "migration.run"]
    assert [entry.detail["from"] for entry in runs] == [pacs.ae]
    stores = [entry for entry in entries if entry.action == "object.store"]
    assert len(stores) == len(pacs.images)


@pytest.mark.parametrize(
    ("there", "held", "state"),
    [
        (3, 3, State.AGREES),
        (3, 2, State.FEWER),
        (3, 4, State.MORE),
        (0, 0, State.AGREES),
        (None, 3, State.UNKNOWN),
    ],
)
def test_how_numbers_compare(there: int | None, held: int, state: State) -> None:
    assert judge(there, held) is state
