"""Charts as inline SVG: bars beside words, and a line over time. Numbers stand beside them as text, so that a
chart is never the only way to learn something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup, escape


@dataclass(frozen=True, slots=True)
class Bar:
    """`tone`: a class of the style sheet."""

    label: str
    value: int
    tone: str = ""


def bars(rows: Sequence[Bar]) -> Markup:
    """One row for each, longest as wide as there is room."""
    if not rows:
        return Markup("")
    most = max(row.value for row in rows) or 1
    drawn = Markup("").join(
        Markup(
            '<div class="bar-row"><span class="bar-label">{}</span>'
            '<svg class="bar-line" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
            '<rect class="track" width="100" height="10"/>'
            '<rect class="fill {}" width="{:.2f}" height="10"/></svg>'
            '<span class="bar-value">{:,}</span></div>'
        ).format(row.label, row.tone, _width(row.value, most), row.value)
        for row in rows
    )
    return Markup('<div class="bars">{}</div>').format(drawn)


def _width(value: int, most: int) -> float:
    """In percent; what is there is seen, however little."""
    return max(100 * value / most, 0.8) if value else 0.0


_WIDE, _HIGH, _PAD = 360, 150, 28


def line(points: Sequence[tuple[int, int]], label: str) -> Markup:
    """(ms since the epoch, value) over time, from zero; dates at both ends."""
    if len(points) < 2:
        return Markup("")
    first, last = points[0][0], points[-1][0]
    most = max(value for _, value in points) or 1
    placed = [
        (
            _PAD + (_WIDE - 2 * _PAD) * (at - first) / max(last - first, 1),
            _HIGH - _PAD - (_HIGH - 2 * _PAD) * value / most,
        )
        for at, value in points
    ]
    path = " ".join(f"{'L' if number else 'M'}{x:.1f} {y:.1f}" for number, (x, y) in enumerate(placed))
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in placed)
    values = "".join(
        f'<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="middle">{value:,}</text>'
        for (x, y), (_, value) in zip(placed, points, strict=True)
    )
    ends = (
        f'<text x="{_PAD}" y="{_HIGH - 8}" text-anchor="start">{_day(first)}</text>'
        f'<text x="{_WIDE - _PAD}" y="{_HIGH - 8}" text-anchor="end">{_day(last)}</text>'
    )
    return Markup(  # noqa: S704 - numbers and dates of ours; the label is escaped
        f'<svg class="line" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{escape(label)}">'
        f'<path class="axis" d="M{_PAD} {_HIGH - _PAD} H{_WIDE - _PAD}"/><path class="curve" d="{path}"/>'
        f"{dots}{values}{ends}</svg>"
    )


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")
