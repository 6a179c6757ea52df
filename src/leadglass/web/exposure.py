"""What a survey of the networks found, for the PACS administrator; and a second look at one port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from starlette.responses import RedirectResponse, Response

from leadglass.access.actions import Action
from leadglass.errors import LeadglassError, Violation
from leadglass.scan import wording
from leadglass.scan.conclusions import Count, Host, Network, Port
from leadglass.scan.estate import Overview
from leadglass.scan.findings import Finding
from leadglass.scan.followup import Case
from leadglass.scan.grade import Grade
from leadglass.scan.observation import Level
from leadglass.scan.ports import port_of
from leadglass.scan.report.charts import Bar, bars, line
from leadglass.scan.report.summary import LEVELS, worst_first
from leadglass.scan.report.summary import line as summary_line
from leadglass.scan.retest import is_open
from leadglass.scan.scope_text import with_port
from leadglass.web.calls import Call
from leadglass.web.portal import frame

MOST_ROWS: Final = 300
_TONES: Final = {Grade.A: "good", Grade.B: "good", Grade.C: "warn", Grade.D: "bad", Grade.F: "bad"}
_NOTICES: Final = {
    "done": ("good", "The port was asked again: see what it says now."),
    "busy": ("bad", "Another port is being asked again. Wait until that is done."),
    "not-open": ("bad", "The last survey found nothing to close there."),
    "scope-time": ("bad", "The survey's scope has expired: a new one has to be authorised first."),
    "refused": ("bad", "That could not be asked again."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One port. `due`: of its most urgent case, ms since the epoch; `person` answers for it."""

    address: str
    port: int
    where: str
    owner: str
    grade: str
    tone: str
    headline: str
    detail: str
    program: str
    findings: tuple[str, ...]
    person: str
    due: int | None
    overdue: bool
    is_open: bool
    again: str  # what it said at a second look, '' without one


async def exposure(call: Call) -> Response:
    await call.ask(call.services.exposure.enter, call.who, Action.EXPOSURE_READ, call.context)
    overview = await call.ask(call.site.estate.overview)
    own = await call.ask(call.services.listeners.last)
    tone, notice = _NOTICES.get(call.request.query_params.get("again", ""), ("", ""))
    return call.site.pages.render(
        "exposure.html",
        found=overview,
        listeners=own,
        rows=[] if overview is None else list(_rows(overview, call.context.now))[:MOST_ROWS],
        most=MOST_ROWS,
        figures=[] if overview is None else list(_figures(overview, call.context.now)),
        levels="" if overview is None else _levels(overview.result.network),
        trend="" if overview is None else line(overview.trend, "Hosts that answer strangers, over time"),
        doubts=[] if overview is None else _doubts(overview),
        notice=notice,
        notice_tone=tone,
        busy=call.site.estate.is_busy,
        **frame(call),
    )


async def retest(call: Call) -> Response:
    """Ask one port again. It takes as long as the port does; the page says so."""
    form = await call.form()
    address = form.get("address", "")[:64]
    try:
        port = port_of(form.get("port", ""))
    except Violation:
        return RedirectResponse("/exposure?again=refused", 303)
    where = with_port(address, port)
    await call.ask(call.services.exposure.enter, call.who, Action.EXPOSURE_RETEST, call.context, port=where)
    try:
        await call.ask(call.site.estate.retest, address, port)
    except LeadglassError as error:
        known = error.code if error.code in _NOTICES else "refused"
        return RedirectResponse(f"/exposure?again={known}", 303)
    return RedirectResponse("/exposure?again=done", 303)


def _figures(overview: Overview, now: int) -> Iterator[tuple[str, str, str]]:
    """(label, value, tone)"""
    network = overview.result.network
    answering = sum(number for level, number in network.levels.items() if level >= Level.ANSWERS)
    yield "Hosts that answer strangers", f"{answering:,}", "bad" if answering else "good"
    if network.total is not None:
        yield "Studies that stand open", _bounded(network.total, "studies"), "bad"
    if network.total is not None and network.total.people is not None:
        yield "People they are of", _bounded(network.total, "people"), "bad"
    overdue = sum(case.is_overdue(now) for case in overview.cases)
    yield "Open cases", f"{len(overview.cases):,}", ""
    yield "Overdue", f"{overdue:,}", "bad" if overdue else "good"


def _bounded(count: Count, name: str) -> str:
    least = not count.exact or name in count.least
    return f"{'≥ ' * least}{getattr(count, name):,}"


def _levels(network: Network) -> str:
    return bars([Bar(label, network.levels.get(level, 0), tone) for level, label, tone in LEVELS])


def _rows(overview: Overview, now: int) -> Iterator[Row]:
    network = overview.result.network
    urgent: dict[tuple[str, int], Case] = {}
    for case in overview.cases:
        known = urgent.get((case.address, case.port))
        if known is None or case.due < known.due:
            urgent[case.address, case.port] = case
    again = _again(overview)
    for host in sorted(network.hosts, key=worst_first):
        for port in host.ports:
            if port.graded.grade is not None:
                key = (host.address, port.port)
                yield _row(host, port, urgent.get(key), again.get(key, ""), now)


def _row(host: Host, port: Port, case: Case | None, again: str, now: int) -> Row:
    told = summary_line(with_port(host.address, port.port), port)
    grade = port.graded.grade
    return Row(
        host.address,
        port.port,
        told.where,
        host.owner.organisation if host.owner else "",
        told.grade,
        _TONES[grade] if grade else "",
        told.headline,
        told.detail,
        port.program,
        tuple(wording.title(each.check, wording.Language.EN) for each in _most_severe_first(port)),
        case.person if case else "",
        case.due if case else None,
        case is not None and case.is_overdue(now),
        is_open(port),
        again,
    )


def _most_severe_first(port: Port) -> list[Finding]:
    return sorted(port.findings, key=lambda each: -each.severity)


def _again(overview: Overview) -> dict[tuple[str, int], str]:
    """What ports said at the last second look; those that are gone say that nobody is there."""
    if overview.again is None:
        return {}
    return {
        (host.address, port.port): summary_line("", port).headline.lower()
        for host in overview.again.network.hosts
        for port in host.ports
    }


def _doubts(overview: Overview) -> list[tuple[str, str, str]]:
    """(kind, where, why)"""
    overruled = overview.result.about.overruled
    language = wording.Language.EN
    return [
        (
            wording.doubt_kind(doubt.kind, language),
            ", ".join(map(str, doubt.targets)),
            wording.doubt(doubt, language) + (" Overruled." if doubt.key in overruled else ""),
        )
        for doubt in overview.doubts
    ]
