"""What came in, for the PACS administrator."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from leadglass.archive.arrivals import MOST_WAITING, Arrived, Flow, Overview, Period
from leadglass.scan.report.charts import Bar, bars
from leadglass.web.calls import Call
from leadglass.web.charts import columns
from leadglass.web.pages import counted, moment, size
from leadglass.web.portal import frame

PERIODS: Final = {
    "day": (Period.DAY, "24 hours", "%H:%M"),
    "week": (Period.WEEK, "7 days", "%m-%d %H:%M"),
    "month": (Period.MONTH, "30 days", "%Y-%m-%d"),
}
MOST_SOURCES: Final = 12  # the rest is one bar
_EARLIER = "before senders were counted"


async def arrivals(call: Call) -> Response:
    asked = call.request.query_params.get("last", "day")
    chosen = asked if asked in PERIODS else "day"
    period, words, form = PERIODS[chosen]
    found = await call.ask(call.services.arrivals.overview, call.who, period, call.context)
    own = await call.ask(call.services.listeners.last)
    buckets = [(moment(one.start, form), one.arrived) for one in found.buckets]
    return call.site.pages.render(
        "arrivals.html",
        found=found,
        listeners=own,
        periods=[(name, label, name == chosen) for name, (_, label, _) in PERIODS.items()],
        words=words,
        figures=_figures(found.total),
        chart=columns([(said, one.instances) for said, one in buckets], _in_words(buckets)),
        buckets=buckets,
        busiest=max(buckets, key=lambda one: one[1].instances),
        sources=bars(_bars(found.sources)),
        modalities=bars(_bars(found.modalities)),
        waiting=_waiting(found),
        **frame(call),
    )


def _figures(total: Arrived) -> list[tuple[str, str]]:
    return [
        ("Images", f"{total.instances:,}"),
        ("New studies", f"{total.studies:,}"),
        ("Received", size(total.bytes)),
    ]


def _in_words(buckets: list[tuple[str, Arrived]]) -> str:
    """The chart for who cannot see it; the table beneath has every number."""
    most = max(buckets, key=lambda one: one[1].instances)
    if not most[1].instances:
        return "No images came in."
    total = sum(one.instances for _, one in buckets)
    return f"{counted(total, 'image')} came in; the most, {most[1].instances:,}, from {most[0]} on."


def _bars(flows: tuple[Flow, ...]) -> list[Bar]:
    shown, rest = flows[:MOST_SOURCES], flows[MOST_SOURCES:]
    drawn = [Bar(flow.name or _EARLIER, flow.arrived.instances) for flow in shown]
    if rest:
        drawn.append(Bar(f"{len(rest)} others", sum(flow.arrived.instances for flow in rest)))
    return drawn


def _waiting(found: Overview) -> str:
    if found.waiting >= MOST_WAITING:
        return f"{MOST_WAITING:,} objects or more are kept aside"
    return f"{counted(found.waiting, 'object')} {'is' if found.waiting == 1 else 'are'} kept aside"
