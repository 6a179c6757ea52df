"""A survey that is stopped: by Ctrl-C, politely; by kill -9, in the middle. Nothing is asked twice."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import raw_peer as raw
import strangers
from scanned import (
    HERE,
    SERVICES,
    Host,
    Slow,
    holding,
    hosts,
    listener,
    register,
    reports,
    scope,
    standing,
    until,
)

Start = Callable[..., Any]
Run = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture(autouse=True)
def _here(place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def done(address: str = HERE) -> bool:
    """Whether that host is in the register of the survey under way."""
    with register() as known:
        surveys = known.surveys()
        return bool(surveys) and address in known.hosts_done(surveys[0].id)


def begun() -> bool:
    with register() as known:
        return bool(known.surveys())


def begin(start: Start, *targets: str) -> Any:
    named = str(list(targets)).replace("'", '"')
    Path("scope.toml").write_text(scope(targets__hosts=named, limits__max_level='"count"'))
    return start("scan", "--scope", "scope.toml")


class Hesitant:
    """Takes every connection and says nothing; how each ended is in `ends`."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.ends: list[int] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """An association is accepted, and nothing that is asked on it is answered."""
        kind, body = await strangers.read_pdu(reader)
        if kind == raw.RQ:
            writer.write(strangers.associate_ac(body, SERVICES))
            while kind in {raw.RQ, raw.DATA}:
                kind, _ = await strangers.read_pdu(reader)
                self.asked.set()
            self.ends.append(kind)


def test_ctrl_c_lets_go_of_everybody_and_keeps_what_was_seen(start: Start, run: Run) -> None:
    slow, quick = Slow(), holding(7)
    waiting = Host(slow, services=SERVICES)
    with standing(waiting) as one, standing(quick, host="127.0.0.2") as two:
        process = begin(start, f"{HERE}:{one}", f"127.0.0.2:{two}")
        assert slow.asked.wait(60)
        until(lambda: done("127.0.0.2"))
        ran = process.stop(signal.SIGINT)
        until(lambda: waiting.open == 0)
        slow.go.set()
        # It reads that it was let go once it has said what it was about to say.
        until(lambda: waiting.released + waiting.aborted == waiting.heard.count(raw.RQ))
    assert ran.code == 1
    assert "Stopped on request. The same command goes on from here." in ran.err
    assert f"127.0.0.2:{two}  F  ANSWERS STRANGERS" in ran.out or f":{two}  F  ANSWERS STRANGERS" in ran.out
    assert waiting.heard[-1] in {raw.RELEASE_RQ, raw.ABORT}
    assert "Traceback" not in ran.err
    assert (reports(1) / "report.html").read_text().count("stopped before its end") == 1
    with register() as known:
        assert known.survey().finished is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_while_somebody_does_not_answer(start: Start, number: int) -> None:
    """Nothing dangles: the other side is told, not left."""
    host = Hesitant()
    with standing(host) as port:
        process = begin(start, f"{HERE}:{port}")
        assert host.asked.wait(60)
        ran = process.stop(number)
        until(lambda: bool(host.ends))
    assert ran.code == 1
    assert host.ends[0] in {raw.RELEASE_RQ, raw.ABORT}
    assert "Stopped on request." in ran.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_before_anybody_is_asked(start: Start, number: int) -> None:
    """It comes while modules are imported, where Python may lose what it raises."""
    amid = (
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'leadglass.scan.survey': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    with listener() as there:
        Path("scope.toml").write_text(scope(targets__hosts=hosts(there.port)))
        ran = start("scan", "--scope", "scope.toml", code=amid).end()
        assert there.came() == 0
    assert ran.code == 1
    assert "Stopped on request. The same command goes on from here." in ran.err


def test_a_survey_that_was_stopped_goes_on(start: Start, run: Run) -> None:
    slow, quick = Slow(), holding(7)
    waiting = Host(slow, services=SERVICES)
    with standing(waiting) as one, standing(quick, host="127.0.0.2") as two:
        process = begin(start, f"{HERE}:{one}", f"127.0.0.2:{two}")
        assert slow.asked.wait(60)
        until(lambda: done("127.0.0.2"))
        process.stop(signal.SIGINT)
        asked = len(quick.titles), len(waiting.titles)
        slow.go.set()
        ran = run("scan", "--scope", "scope.toml")
        assert "Going on with the survey of" in ran.err
        assert len(quick.titles) == asked[0]
        assert len(waiting.titles) > asked[1]
        anew = run("scan", "--scope", "scope.toml", "--anew")
        assert "Going on" not in anew.err
        assert len(quick.titles) > asked[0]
    with register() as known:
        assert [each.finished is not None for each in known.surveys()] == [True, True]


def test_kill_9_in_the_middle_loses_nothing_that_was_done(start: Start, run: Run) -> None:
    slow, quick = Slow(), holding(7)
    waiting = Host(slow, services=SERVICES)
    with standing(waiting) as one, standing(quick, host="127.0.0.2") as two:
        process = begin(start, f"{HERE}:{one}", f"127.0.0.2:{two}")
        assert slow.asked.wait(60)
        until(lambda: done("127.0.0.2"))
        ran = process.stop(signal.SIGKILL)
        assert ran.code == -signal.SIGKILL
        until(lambda: waiting.open == 0)
        assert not done(HERE)
        asked = len(quick.titles), len(waiting.titles)
        slow.go.set()
        again = run("scan", "--scope", "scope.toml", "--json")
        assert len(quick.titles) == asked[0]
        assert len(waiting.titles) > asked[1]
    found = {host["address"]: host["ports"][0]["verdict"] for host in again.json["hosts"]}
    assert set(found) == {HERE, "127.0.0.2"}
    assert found["127.0.0.2"] == "counted"
    with register() as known:
        (survey,) = known.surveys()
        assert survey.finished is not None


def test_outside_of_its_hours_a_survey_says_that_it_waits(start: Start, run: Run) -> None:
    begins = datetime.now(UTC) + timedelta(hours=2)
    hours = f"{begins:%H:%M}-{begins + timedelta(hours=1):%H:%M}"
    with listener() as there:
        named = f'"{hours}"'
        Path("scope.toml").write_text(scope(targets__hosts=hosts(there.port), limits__hours=named))
        process = start("scan", "--scope", "scope.toml")
        until(begun)
        ran = process.stop(signal.SIGINT)
        assert there.came() == 0
    said = f"from {hours[:5]} to {hours[6:]} (UTC) only, so not before {begins:%Y-%m-%d %H:%M} UTC."
    assert said in ran.err
    assert run("scan", "show").out.strip() == "Nobody has answered so far."


def test_another_scope_does_not_go_on_with_it(start: Start, run: Run) -> None:
    slow = Slow()
    with standing(Host(slow, services=SERVICES)) as port, standing(holding(7)) as other:
        process = begin(start, f"{HERE}:{port}")
        assert slow.asked.wait(60)
        process.stop(signal.SIGKILL)
        slow.go.set()
        Path("scope.toml").write_text(scope(targets__hosts=hosts(other)))
        ran = run("scan", "--scope", "scope.toml")
    assert "Going on" not in ran.err
    assert f":{other}  F" in ran.out


def test_ctrl_c_ends_watching_while_it_waits_for_the_next_time(start: Start) -> None:
    with standing(holding(7)) as port:
        Path("scope.toml").write_text(scope(targets__hosts=hosts(port)))
        process = start("scan", "watch", "--scope", "scope.toml", "--every", "1h")
        until(lambda: finished(1))
        until((reports(1) / "misp.json").exists)
        ran = process.stop(signal.SIGINT)
    assert ran.code != 0
    assert "Traceback" not in ran.err


def finished(number: int) -> bool:
    with register() as known:
        return any(each.finished for each in known.surveys() if each.id == number)
