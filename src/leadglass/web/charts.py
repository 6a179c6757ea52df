"""Columns over time as inline SVG. What they show stands beside them in words and in a table."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

_WIDE, _HIGH = 10, 100  # of one column; the style sheet says how large the whole becomes


def columns(values: Sequence[tuple[str, int]], label: str) -> Markup:
    """One column for each (said, value) pair; `said` is shown when somebody points at it."""
    most = max((value for _, value in values), default=0) or 1
    drawn = Markup("").join(
        Markup(
            '<g><title>{}: {:,}</title><rect class="track" x="{}" width="{}" height="{}"/>'
            '<rect class="fill" x="{}" y="{:.2f}" width="{}" height="{:.2f}"/></g>'
        ).format(
            *(said, value, at * _WIDE, _WIDE, _HIGH),
            *(at * _WIDE + 1, _HIGH - _height(value, most), _WIDE - 2, _height(value, most)),
        )
        for at, (said, value) in enumerate(values)
    )
    return Markup(
        '<svg class="columns" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        "{}</svg>"
    ).format(_WIDE * len(values), _HIGH, label, drawn)


def _height(value: int, most: int) -> float:
    """What is there is seen, however little."""
    return max(_HIGH * value / most, 1.5) if value else 0.0
