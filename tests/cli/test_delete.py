"""leadglass delete: asks, deletes, says what it did; and nothing without a reason, a right or a yes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def filled(home: Any, inbox: Path, dicom: Any, run: Run) -> str:
    for number in (1, 2):
        (inbox / str(number)).write_bytes(dicom.file(number))
    assert run("import", str(inbox)).code == 0
    run("user", "add", "pacs", "--role", "pacs_administrator")
    run("user", "add", "roth", "--role", "radiologist")
    return "1.2.3"


def instances(run: Run) -> int:
    return int(run("status", "--json").json["instances"])


def test_a_study_is_deleted_and_that_is_on_the_record(filled: str, run: Run) -> None:
    ran = run("delete", filled, "--reason", "asked for", "--as", "pacs", "--yes", "--json")
    assert ran.code == 0
    assert (ran.json["instances"], ran.json["whole"], ran.json["left"]) == (2, True, 0)
    assert instances(run) == 0
    [line] = run("log", "show", "--action", "study.delete", "--json").json
    assert (line["seq"], line["detail"]["reason"]) == (ran.json["entry"], "asked for")
    assert run("delete", filled, "--reason", "asked for", "--as", "pacs", "--yes").code == 1
    assert run("check", "--deep").code == 0


def test_an_object_alone(filled: str, run: Run) -> None:
    ran = run("delete", filled, "--instance", "1.2.3.1.2", "--reason", "blurred", "--as", "pacs", "--yes")
    assert ran.code == 0
    assert "0 series, 1 object" in ran.out
    assert instances(run) == 1


def test_the_operator_and_a_doctor_may_not(filled: str, run: Run) -> None:
    for more in ((), ("--as", "roth")):
        ran = run("delete", filled, "--reason", "asked for", "--yes", *more)
        assert ran.code == 1
        assert "no such study" in ran.err
    assert instances(run) == 2


def test_without_a_terminal_it_wants_a_yes_and_always_a_reason(filled: str, run: Run) -> None:
    assert run("delete", filled, "--reason", "asked for", "--as", "pacs").code == 2
    assert run("delete", filled, "--as", "pacs", "--yes").code == 2
    assert run("delete", filled, "--reason", "no", "--as", "pacs", "--yes").code == 1
    assert instances(run) == 2


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 1, 2), ("y\n", 0, 0)])
def test_it_shows_whose_it_is_and_asks(
    filled: str, run: Run, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, left: int
) -> None:
    monkeypatch.setattr("leadglass.cli.delete._is_somebody_there", lambda: True)
    ran = run("delete", filled, "--reason", "asked for", "--as", "pacs", stdin=answer)
    assert (ran.code, instances(run)) == (code, left)
    assert "Roentgen^Anna" in ran.out
    assert "nothing brings it back" in ran.err.lower()
