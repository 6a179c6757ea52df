"""What reaches the terminal. Nothing that is printed can steer it: names in files may try."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

# Control, format (the bidirectional ones among them), surrogate, private use, unassigned; separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
LONGEST_NAME = 200  # characters
PIPED_WIDTH = 400  # characters
_BETWEEN = 3  # characters between two columns of a table
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def out() -> Console:
    """Answers. Plain text when piped; neither markup nor highlighting in what is printed."""
    return _console(sys.stdout)


def err() -> Console:
    """Everything that is not the answer: progress, hints, complaints."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    """Tables fold their cells to the terminal's width; where there is none, nothing folds."""
    from rich.console import Console

    width = None if file.isatty() else PIPED_WIDTH
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)


def complain(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)  # noqa: T201 - this is the terminal's module


def line(value: str) -> None:
    """One line alone on stdout, at once: a script may be waiting for it."""
    print(value, flush=True)  # noqa: T201


def as_json(value: Any) -> None:
    """ASCII only, so that no terminal acts on what it holds."""
    print(json.dumps(value, indent=2))  # noqa: T201


def printable(text: str) -> str:
    """`text` with everything that a terminal could act on, or that cannot be seen, spelt out."""
    return "".join(_spelt(c) if unicodedata.category(c) in _UNSEEN else c for c in text)


def shortened(name: str) -> str:
    """The name of a file with its middle left out when it is longer than names are."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]} … {name[-half:]}"


def _spelt(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("ascii", "backslashreplace").decode("ascii") if code > 0x7F else f"\\x{code:02x}"


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: frozenset[int] = frozenset(),
    whole: frozenset[int] = frozenset(),
) -> None:
    """A table for people; `right` are the columns of numbers, `whole` those that are never folded."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console, cells = out(), [[printable(str(cell)) for cell in row] for row in rows]
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    widths = _widths([columns, *cells], whole, console.width - _BETWEEN * (len(columns) - 1))
    for place, (name, width) in enumerate(zip(columns, widths, strict=True)):
        justify: Literal["left", "right"] = "right" if place in right else "left"
        made.add_column(
            Text(name),
            justify=justify,
            no_wrap=place in whole,
            overflow="fold",
            min_width=width,
            max_width=width,
        )
    for row in cells:
        made.add_row(*map(Text, row))
    console.print(made)


def _widths(rows: Sequence[Sequence[str]], whole: frozenset[int], room: int) -> list[int]:
    """Of columns: the widest gives way first, and words are broken only where nothing else helps."""
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    words = [
        max((cell_len(word) for cell in column for word in cell.split()), default=0) for column in columns
    ]
    for least in (words, [1] * len(widths)):
        while sum(widths) > room:
            places = [n for n, width in enumerate(widths) if n not in whole and width > least[n]]
            if not places:
                break
            widths[max(places, key=widths.__getitem__)] -= 1
    return widths


def plain_rows(rows: Iterable[Sequence[object]]) -> None:
    """Rows without a head, in columns but for their last cell. No line is broken: people copy paths."""
    from itertools import zip_longest

    from rich.cells import cell_len

    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip_longest(*cells, fillvalue="")]
    for row in cells:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=False))
        out().print("  ".join(padded).rstrip(), soft_wrap=True, markup=False)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair to a line."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(Text(name, style="dim"), Text(printable(str(value))))
    out().print(grid)


def note(sentence: str, style: str = "") -> None:
    """A line for people beside the answer, on stderr."""
    err().print(printable(sentence), style=style, soft_wrap=True)


def moment(milliseconds: int | None) -> str:
    """UTC, to the second, for machines."""
    return "" if milliseconds is None else f"{_utc(milliseconds):%Y-%m-%dT%H:%M:%SZ}"


def minute(milliseconds: int | None) -> str:
    """UTC, to the minute, for people."""
    return "" if milliseconds is None else f"{_utc(milliseconds):%Y-%m-%d %H:%M}"


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def size(count: int) -> str:
    """Bytes as people read them, in powers of 1000."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} bytes" if unit == 0 else f"{value:.3g} {_UNITS[unit]}"


def count(number: int, one: str, many: str = "") -> str:
    """`1 study`, `2 studies`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def boxed(title: str, lines: Sequence[str]) -> None:
    """Something that must not be overlooked. What is to be copied stands on a line of its own."""
    from rich import box
    from rich.panel import Panel
    from rich.text import Text

    console = out()
    if not console.is_terminal:
        for line in (f"{title}:", *lines):
            console.print(printable(line), soft_wrap=True)
        return
    body = Text("\n".join(map(printable, lines)))
    console.print()
    console.print(
        Panel(
            body,
            title=Text(title, style="bold"),
            title_align="left",
            box=box.ROUNDED,
            padding=(1, 2),
            expand=False,
        )
    )


class Bar:
    """A progress bar on stderr: called with how much is done, of how much."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=None)

    def __call__(self, done: int, total: int | None) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def done(self) -> None:
        self._progress.stop()


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Bar]:
    """Shown on a terminal only, unless `quiet`, and gone afterwards."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as shown:
        yield Bar(shown, what)
