"""The second process: there while the server is, and another when it is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
import structlog
import uvloop

from leadglass import dicom_second
from leadglass.config import Settings
from leadglass.dicom_second import SecondProcess
from leadglass.net.handover import NOT_NOW

PATIENCE = 60  # seconds of real time; a process that does not come takes them


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_second, "AGAIN_SECONDS", 0)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def is_ready(second: SecondProcess) -> bool:
    return second.colleague is not None and second.colleague.load != NOT_NOW


def children() -> set[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return set(map(int, file.read().split()))


def ignored_by(process: int) -> set[int]:
    with open(f"/proc/{process}/status") as file:
        mask = next(int(line.split()[1], 16) for line in file if line.startswith("SigIgn:"))
    return {number for number in signal.valid_signals() if mask >> number - 1 & 1}


def kept(home: Any, play: Callable[[SecondProcess], Any]) -> None:
    """`play` beside a second process that is kept; afterwards none is left."""
    before = children()

    async def whole() -> None:
        second = SecondProcess(home.root, Settings(dicom={"receive_address": "127.0.0.1:0"}), ())
        keeping = asyncio.get_running_loop().create_task(second.keep())
        try:
            await play(second)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        assert second.colleague is None

    uvloop.run(whole())
    assert children() <= before


def test_another_is_there_when_it_was_killed(home: Any, at_once: None) -> None:
    async def play(second: SecondProcess) -> None:
        before = children()
        await until(lambda: is_ready(second))
        first = second.colleague
        (process,) = children() - before
        os.kill(process, signal.SIGKILL)
        await until(lambda: second.colleague is not first and is_ready(second))

    with structlog.testing.capture_logs() as lines:
        kept(home, play)
    assert [line["status"] for line in lines if line["event"] == "the second process has ended"] == [-9]


def test_a_signal_to_all_processes_leaves_it_to_the_server_to_end_it(home: Any) -> None:
    """As a supervisor sends it that knows of no order: associations end by an A-ABORT, not by a reset."""

    async def play(second: SecondProcess) -> None:
        before = children()
        await until(lambda: is_ready(second))
        (process,) = children() - before
        assert {signal.SIGINT, signal.SIGTERM} <= ignored_by(process)

    kept(home, play)


def test_it_is_tried_again_when_it_could_not_be_started(
    home: Any, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(home.root / "nothing"))

        async def play(second: SecondProcess) -> None:
            await until(lambda: len(lines) > 1)
            patch.undo()
            await until(lambda: is_ready(second))

        with structlog.testing.capture_logs() as lines:
            kept(home, play)
    assert {(line["event"], line["code"]) for line in lines} == {
        ("the second process cannot be started", "ENOENT")
    }
