"""The survey of 2019 played and surveyed: 2,300 systems in a /16, killed in the middle and resumed.

`make proof` has it; by hand: pytest tests/proof/test_estate_2019.py. It takes minutes.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from estate.held import differences, missed, unexplained
from estate.leaks import leaks_in_files, planted_in, told_by
from estate.starting import playing
from estate.surveying import Surveyor, ports_of, scope

SYSTEMS, OPEN, DOORS = 2_300, 590, 10  # doors: archives with a second one elsewhere
RANGE = f"127.{120 + os.getpid() % 64}.0.0/16"


def test_every_level_verdict_and_count_is_right_though_it_was_killed(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    if not (pytestconfig.getoption("--proof", None) or os.environ.get("LEADGLASS_PROOF")):
        pytest.skip("minutes: make proof")
    surveyor = Surveyor(tmp_path)
    with playing("2019", range_=RANGE) as estate:
        asked = scope(RANGE, ports_of(estate.truth))
        under_way = surveyor.start(asked)
        while surveyor.hosts_done() < SYSTEMS // 2:
            assert under_way.process.poll() is None, under_way.err.read_bytes().decode()
        killed = under_way.stop(signal.SIGKILL)
        before = surveyor.seen()
        said = surveyor.survey(asked)
        after = surveyor.seen()
    report = said.report
    assert killed.status == -signal.SIGKILL and SYSTEMS // 2 <= len(before) < SYSTEMS
    assert b"Going on with the survey" in said.err
    assert all(after[address] == seen for address, seen in before.items())
    assert differences(estate.truth, report) == []
    assert unexplained(estate.truth, report) == []
    # What two runs have counted is not compared: each has a secret of its own.
    assert missed(estate.truth, report) <= DOORS
    assert report["network"]["grades"]["F"] == OPEN
    assert report["network"]["total"]["studies"] <= estate.truth["summary"]["studies"]
    assert set(estate.log["total"]).isdisjoint({"C_STORE_RQ", "C_GET_RQ", "C_MOVE_RQ"})
    assert estate.log["most_at_once"] == 1
    assert leaks_in_files(tmp_path) == []
    with surveyor.register() as register:
        assert planted_in(told_by(register)) == []
