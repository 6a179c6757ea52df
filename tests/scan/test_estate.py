"""The register as a page shows it: what is shown, what is asked again, and that one is asked at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import reported
from observed import dcmqrscp_open
from standing import WAIT, standing
from strangers import Host

from leadglass.db import migrations
from leadglass.db.sqlcipher import SealedFile
from leadglass.errors import Conflict, LeadglassError, NotFound, Violation
from leadglass.scan import register as registers
from leadglass.scan.casebook import Warned, Way
from leadglass.scan.estate import Estate, Overview
from leadglass.scan.followup import CaseState, decide
from leadglass.scan.observation import Level
from leadglass.scan.plan import Plan
from leadglass.scan.register import Kind, Register

NOW = reported.NOW
HERE = "127.0.0.1"
HOUR = 3_600_000


class Site:
    """An estate whose register is one database, opened anew for each thing that is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.path = folder / "register.db"
        self.opened = 0
        self.estate = Estate(self.register, self.path.exists, lambda: self.now)

    @contextmanager
    def register(self) -> Iterator[Register]:
        self.opened += 1
        migrations.upgrade(SealedFile(self.path, bytes(32)), migrations.REGISTER)
        made = Register(SealedFile(self.path, bytes(32)).open(readers=2))
        try:
            yield made
        finally:
            made.close()

    def fill(self, now: int = NOW, *args: Any, **more: Any) -> None:
        with self.register() as register:
            reported.fill(register, self.folder, now, *args, **more)

    def fill_one(self, port: int, *others: int) -> None:
        """A survey that found these ports of this machine open."""
        seen = [each for one in (port, *others) for each in dcmqrscp_open(60, address=HERE, port=one)]
        self.fill(NOW, [(HERE, seen)], doors=[(HERE, (port, *others))])

    def overview(self) -> Overview:
        found = self.estate.overview()
        assert found is not None
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# --- what is shown ---------------------------------------------------------------------------------------------


def test_looking_makes_no_register(site: Site) -> None:
    assert site.estate.overview() is None
    assert (site.opened, site.path.exists()) == (0, False)


def test_a_register_without_a_survey_shows_nothing(site: Site) -> None:
    with site.register():
        pass
    assert site.estate.overview() is None
    assert site.opened == 2


def test_the_last_survey_with_all_that_became_of_it(site: Site) -> None:
    site.fill(NOW - reported.DAY)
    site.fill()
    with site.register() as register:
        last = register.survey()
        warned = Warned(last.id, NOW, "St. Example", "it@st-example.org", Way.PHONE, "r.koch", ("10.1.0.8",))
        register.casebook.warn(warned)
    found = site.overview()
    assert found.result.about.survey == last
    assert [host.address for host in found.result.network.hosts] == [
        host.address for host in reported.network().hosts
    ]
    assert found.doubts == found.result.network.doubts != ()
    assert found.warnings == (warned,)
    assert found.again is None


def test_only_what_is_not_closed_is_a_case(site: Site) -> None:
    site.fill()
    everything = site.overview().cases
    with site.register() as register:
        book = register.casebook
        book.change("10.1.0.7", 104, "D02", lambda c: decide(c, NOW, state=CaseState.ACKNOWLEDGED))
        book.change(
            "10.1.0.7", 104, "D03",
            lambda c: decide(c, NOW, state=CaseState.ACCEPTED, reason="no list", until=NOW + HOUR),
        )  # fmt: skip
        book.change(
            "10.1.0.7", 104, "D06",
            lambda c: decide(c, NOW, state=CaseState.IGNORED, reason="a test", until=NOW + HOUR),
        )  # fmt: skip
    left = site.overview().cases
    gone = {("10.1.0.7", 104, "D03"), ("10.1.0.7", 104, "D06")}
    assert {case.key for case in everything} - {case.key for case in left} == gone
    assert {case.state for case in left} == {CaseState.OPEN, CaseState.ACKNOWLEDGED}


def test_the_trend_ends_with_this_survey_and_has_one_method(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures of two methods are never drawn as one line."""
    with monkeypatch.context() as patch:
        patch.setattr(registers, "METHOD", registers.METHOD + 1)
        site.fill(NOW - 3 * reported.DAY)
        (only,) = site.overview().trend
        assert only == (NOW - 3 * reported.DAY, 5)
    site.fill(NOW - 2 * reported.DAY)
    seen = [host for host in reported.everybody() if host[0] != "10.1.0.7"]
    site.fill(NOW, seen)
    assert site.overview().trend == ((NOW - 2 * reported.DAY, 5), (NOW, 4))


# --- a second look ---------------------------------------------------------------------------------------------


def test_one_port_is_asked_as_the_survey_asked_it(site: Site) -> None:
    """From the same place, in the same scope, and no other port: one that is open beside it is left alone."""
    shut, other = Host(calling=()), Host()
    with standing(shut) as port, standing(other) as beside:
        site.fill_one(port, beside)
        assert {(case.port) for case in site.overview().cases} == {port, beside}
        site.now += HOUR
        site.estate.retest(HERE, port)
        assert shut.titles != []
        assert other.titles == []
    with site.register() as register:
        second, first = register.surveys()
    assert (second.kind, first.kind) == (Kind.RETEST, Kind.SURVEY)
    assert (second.vantage, second.folder, second.scope) == (first.vantage, first.folder, first.scope)
    assert (second.started, second.finished) == (site.now, site.now)
    plan = Plan.from_json(second.plan)
    assert (plan.holds(HERE, port), plan.holds(HERE, beside), plan.endpoints) == (True, False, 1)
    found = site.overview()
    assert found.result.about.survey == first
    assert found.again is not None
    assert found.again.about.survey.id == second.id
    assert [host.level for host in found.again.network.hosts] == [Level.CLOSED]
    assert {case.port for case in found.cases} == {beside}
    assert site.estate.is_busy is False


def test_a_survey_puts_second_looks_behind_it(site: Site) -> None:
    with standing(Host(calling=())) as port:
        site.fill_one(port)
        site.estate.retest(HERE, port)
        assert site.overview().again is not None
        site.fill_one(port)
    assert site.overview().again is None


def test_it_can_be_asked_once_more(site: Site) -> None:
    """The survey says what was open, not the second look."""
    host = Host()
    with standing(host) as port:
        site.fill_one(port)
        site.estate.retest(HERE, port)
        asked = len(host.titles)
        host.calling = ()
        site.estate.retest(HERE, port)
    assert len(host.titles) > asked > 0
    assert site.overview().cases == ()


def _another(site: Site, port: int) -> tuple[str, int]:
    return HERE, port + 1


def _elsewhere(site: Site, port: int) -> tuple[str, int]:
    return "127.0.0.2", port


def _expired(site: Site, port: int) -> tuple[str, int]:
    site.now += 3 * reported.DAY
    return HERE, port


@pytest.mark.parametrize(
    ("where", "error", "code"),
    [
        (_another, NotFound, "not-open"),
        (_elsewhere, NotFound, "not-open"),
        (_expired, Violation, "scope-time"),
    ],
)
def test_what_may_not_be_asked_is_not(
    site: Site, where: Callable[[Site, int], tuple[str, int]], error: type[LeadglassError], code: str
) -> None:
    """Nothing is sent and nothing is on the register; what may be asked is, afterwards."""
    host = Host(calling=())
    with standing(host) as port:
        site.fill_one(port)
        with pytest.raises(error) as caught:
            site.estate.retest(*where(site, port))
        assert (caught.value.code, host.titles, site.estate.is_busy) == (code, [], False)
        with site.register() as register:
            assert [each.kind for each in register.surveys()] == [Kind.SURVEY]
        site.now = NOW
        site.estate.retest(HERE, port)
        assert host.titles != []


def test_before_the_first_survey_nothing_is_asked(site: Site) -> None:
    with pytest.raises(NotFound) as caught:
        site.estate.retest(HERE, 104)
    assert (caught.value.code, site.estate.is_busy) == ("no-survey", False)


def test_one_is_asked_at_a_time(site: Site) -> None:
    came, go = threading.Event(), threading.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            came.set()
            await asyncio.to_thread(go.wait, WAIT)

    with standing(slow) as port, standing(Host(calling=())) as other:
        site.fill_one(port, other)
        assert site.estate.is_busy is False
        first = threading.Thread(target=site.estate.retest, args=(HERE, port))
        first.start()
        assert came.wait(WAIT)
        assert site.estate.is_busy is True
        with pytest.raises(Conflict) as caught:
            site.estate.retest(HERE, other)
        assert caught.value.code == "busy"
        assert site.overview().again is not None  # it can be looked at meanwhile
        go.set()
        first.join(WAIT)
        assert (first.is_alive(), site.estate.is_busy) == (False, False)
        site.estate.retest(HERE, other)
    with site.register() as register:
        assert [each.kind for each in register.surveys()] == [Kind.RETEST, Kind.RETEST, Kind.SURVEY]
