from __future__ import annotations

import pytest

from leadglass.errors import LimitExceeded
from leadglass.scan.checks import CHECKS, Severity
from leadglass.scan.findings import Finding
from leadglass.scan.inside import prediction
from leadglass.scan.inside.prediction import (
    FORETOLD,
    MOST_BYTES,
    Cause,
    Difference,
    Door,
    Expected,
    Knows,
    Prediction,
    differences,
    lines_of,
    port_of,
    shown,
    text_of,
)
from leadglass.scan.observation import Level

WHY = Cause("a.json", 1, "Option", "true")


def predicted(*expected: Expected, port: int = 104) -> Prediction:
    return Prediction("orthanc", (Door("dicom", port, ("X",), Level.ANSWERS, Level.ANSWERS, expected),))


def finding(check: str, port: int = 104) -> Finding:
    return Finding(check, Severity.HIGH, "127.0.0.9", port, (0,), {})


def test_what_is_foretold_and_found_is_no_difference() -> None:
    found = predicted(Expected("D02", Knows.NOTHING, WHY), Expected("D06", Knows.NOTHING, WHY))
    assert differences(found, [finding("D06"), finding("D02")]) == ()


def test_what_was_seen_and_not_foretold_is_told_first() -> None:
    found = predicted(Expected("D06", Knows.NOTHING, WHY))
    assert differences(found, [finding("D08"), finding("D06", 105)]) == (
        Difference(104, "D08", seen=True),
        Difference(105, "D06", seen=True),
        Difference(104, "D06", seen=False),
    )


@pytest.mark.parametrize(
    "expected", [Expected("D06", Knows.TITLE, WHY), Expected("D06", Knows.NOTHING, WHY, certain=False)]
)
def test_what_was_not_certain_is_not_missed(expected: Expected) -> None:
    assert differences(predicted(expected), []) == ()
    assert differences(predicted(expected), [finding("D06")]) == ()


@pytest.mark.parametrize("check", sorted(set(CHECKS) - FORETOLD))
def test_of_other_checks_a_configuration_says_nothing(check: str) -> None:
    assert differences(predicted(), [finding(check)]) == ()


def test_what_is_foretold_is_a_check() -> None:
    assert set(CHECKS) > FORETOLD


@pytest.mark.parametrize(
    ("value", "port"),
    [(104, 104), ("104", 104), (0, None), (65536, None), (-1, None), (True, None), (1.0, None), (None, None),
     ("", None), ("1" * 6, None), ("٣", None), ("x", None), ({}, None)],
    ids=repr,
)  # fmt: skip
def test_ports(value: object, port: int | None) -> None:
    assert port_of(value) == port


def test_lines_are_counted_as_an_editor_does() -> None:
    assert list(lines_of("f", b"a\r\nb\rc\n\x0bd")) == [(1, "a"), (2, "b"), (3, "c"), (4, "\x0bd")]


def test_lines_and_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    text_of("f", b" " * MOST_BYTES)
    with pytest.raises(LimitExceeded):
        text_of("f", b" " * (MOST_BYTES + 1))
    monkeypatch.setattr(prediction, "MOST_LINES", 2)
    assert len(list(lines_of("f", b"\n\n"))) == 3
    with pytest.raises(LimitExceeded):
        list(lines_of("f", b"\n\n\n"))


def test_what_is_shown_is_short_and_printable() -> None:
    assert shown("a\x1b[31m\n\u202eb", 7) == "a?[31m?" and shown("x" * 99) == "x" * 64
