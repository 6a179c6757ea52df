"""What reaches the terminal."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.cli import show


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Müller^Käthe 山田", "Müller^Käthe 山田"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\tb\nc\x7f", "a\\x09b\\x0ac\\x7f"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2066\u2069\u200b\ufeff", "\\u2066\\u2069\\u200b\\ufeff"),
        ("caf\udce9", "caf\\xe9"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_what_could_steer_is_spelt_out(text: str, shown: str) -> None:
    assert show.printable(text) == shown


@given(st.text())
def test_nothing_printed_is_unseen_or_unprintable(text: str) -> None:
    shown = show.printable(text)
    shown.encode("utf-8")
    assert all(character.isprintable() or character.isspace() for character in shown)
    assert not {"\x1b", "\n", "\r", "\x07", "\u202e"} & set(shown)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (84_300, "84.3 kB"),
        (999_600, "1 MB"),
        (5 * 10**15, "5 PB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert show.size(count) == text


def test_counts_and_moments() -> None:
    assert show.count(1, "image") == "1 image"
    assert show.count(1200, "entry", "entries") == "1,200 entries"
    assert show.moment(1_800_000_000_999) == "2027-01-15T08:00:00Z"
    assert show.minute(1_800_000_000_999) == "2027-01-15 08:00"
    assert show.moment(None) == show.minute(None) == ""


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    show.as_json({"name": "山田\u202e\x1b"})
    assert capsys.readouterr().out.isascii()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [40, 80, 120])
def test_tables_fold_to_the_terminal_and_lose_nothing(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    show.table(("No.", "Name"), [(1, "x" * 150), (20, "[bold]no markup[/bold]")], right=frozenset({0}))
    lines = re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    assert "".join(lines).count("x") == 150
    assert "[bold]nomarkup[/bold]" in "".join("".join(lines).split())


def test_words_are_broken_only_where_nothing_else_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    row = ("127.0.0.1:4242", "The archive's studies can be listed", "acknowledged", "2020-01-01 OVERDUE")
    show.table(("Where", "What", "State", "Due"), [row], whole=frozenset({0}))
    text = re.sub(r"\x1b\[\d*m", "", terminal.getvalue())
    assert max(map(len, text.splitlines())) <= 60
    assert set(" ".join(row).split()) <= set(text.split())


def test_a_pipe_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show.table(("Name",), [("x" * 300,)])
    assert "x" * 300 in capsys.readouterr().out
