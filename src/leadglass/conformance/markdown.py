"""The little of Markdown that the statement is written in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

Row = Sequence[object]


def table(head: Sequence[str], rows: Iterable[Row]) -> str:
    """A table; a bar in a cell would end it, so it is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def code(text: object) -> str:
    return f"`{text}`"


def hexadecimal(status: int) -> str:
    """A status as the Standard writes it."""
    return f"`{status:04X}`"


def contents(page: str) -> str:
    """Links to the chapters and sections of a page, by the anchors that every renderer makes."""
    return "\n".join(_links(page))


def _links(page: str) -> Iterator[str]:
    for level, title in re.findall(r"^(##|###) (.+)$", page, re.MULTILINE):
        yield f"{'' if level == '##' else '  '}- [{title}](#{_anchor(title)})"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def _cell(cell: object) -> str:
    return str(cell).replace("|", r"\|")
