"""The page about scopes is held to what a scope takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from leadglass.scan import scope as scopes
from leadglass.scan.manner import Option
from leadglass.scan.ports import PROFILES
from leadglass.scan.targets import FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "scan-scope.md").read_text(encoding="utf-8")
FILLED: Mapping[str, Any] = {
    "organisation": "Hospital",
    "authorised_by": "Head of IT",
    "contact": "it@hospital.example",
    "legal_basis": "own networks",
    "valid_from": date(2026, 1, 1),
    "valid_to": date(2026, 3, 1),
}


def taken(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """Every section and key that a scope is asked for."""
    asked: set[tuple[str, str]] = set()
    take = scopes._Reader.take

    def seen(self: scopes._Reader, section: str, name: str, *more: Any) -> Any:
        asked.add((section, name))
        return take(self, section, name, *more)

    monkeypatch.setattr(scopes._Reader, "take", seen)
    lines = [f'{name} = "{value}"' for name, value in FILLED.items() if isinstance(value, str)]
    lines += [f"{name} = {value}" for name, value in FILLED.items() if isinstance(value, date)]
    text = "\n".join(["[authorisation]", *lines, "[targets]", 'ranges = ["192.0.2.0/24"]'])
    scopes.read_scope(text.encode(), scopes._midnight(date(2026, 2, 1), scopes._zone("UTC")))
    return asked


def documented() -> set[tuple[str, str]]:
    """Every section and key that has a row."""
    found = set()
    for part in re.split(r"^## \[", PAGE, flags=re.MULTILINE)[1:]:
        section, _, body = part.partition("]\n")
        table = body.partition("| option |")[0]
        for cell in re.findall(r"^\| (`[^|]*?) \|", table, re.MULTILINE):
            found |= {(section, name) for name in re.findall(r"`(\w+)`", cell)}
    return found


def test_every_key_stands_on_the_page_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = taken(monkeypatch)
    assert len(asked) > 20
    assert documented() == asked


@pytest.mark.parametrize("word", [*scopes.LEVELS, *Option, *PROFILES, *FORMATS, *scopes.TLP])
def test_every_word_a_key_may_have_stands_on_the_page(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_the_limits_are_those_of_the_program() -> None:
    for number in (scopes.MOST_ADDRESSES, scopes.MOST_RATE, scopes.MOST_DAYS):
        assert f"{number:,}" in PAGE
