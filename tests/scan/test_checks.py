from __future__ import annotations

import re

import pytest

from leadglass.scan.checks import CHECKS, Certainty, Check, Severity
from leadglass.scan.manner import Option
from leadglass.scan.observation import Level

IDS = [
    *(f"D{n:02}" for n in range(1, 12)),
    *(f"T{n:02}" for n in range(1, 4)),
    *(f"W{n:02}" for n in range(1, 11)),
    "N01",
    "N02",
    "F01",
]


def test_all_checks_in_their_order() -> None:
    assert list(CHECKS) == IDS


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.id)
def test_every_row_is_whole(check: Check) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.slug)
    assert check.sends and check.proof and check.untouched
    assert check.least is None or check.least < check.severity


def test_slugs_are_names() -> None:
    assert len({check.slug for check in CHECKS.values()}) == len(CHECKS)


def test_letters() -> None:
    assert [each.letter for each in Severity] == ["I", "L", "M", "H", "C"]


def test_what_needs_an_owners_word_is_off_by_itself() -> None:
    assert {check.id: check.option for check in CHECKS.values() if check.option} == {
        "D04": Option.TITLES,
        "W04": Option.CREDENTIALS,
    }


def test_counting_is_the_highest_level_and_queries_come_before_it() -> None:
    by_level = {level: {check.id for check in CHECKS.values() if check.level is level} for level in Level}
    assert by_level[Level.COUNTED] == {"D07", "W02"}
    assert by_level[Level.ANSWERS] == {"D06", "D10", "W01"}
    assert by_level[Level.ECHOES] == {"D05"}
    assert by_level[Level.CLOSED] == {"N01", "N02"}


def test_what_is_only_negotiated_is_never_critical() -> None:
    assert all(c.severity < Severity.CRITICAL for c in CHECKS.values() if c.certainty is not Certainty.PROVEN)
