"""The access record with its filters. What is asked for names patients, so it stays out of addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from starlette.responses import RedirectResponse, Response

from leadglass.archive.inquiry import MOST_READ, Answer, Asked
from leadglass.errors import Violation
from leadglass.web.calls import Call
from leadglass.web.pages import ACTIONS
from leadglass.web.portal import FORGOTTEN, frame, said, terms_of

LINES_PER_PAGE: Final = 100
FIELDS: Final = ("actor", "patient", "study", "action", "outcome", "since", "until")
LABELS: Final = {
    "actor": "by",
    "patient": "patient ID:",
    "study": "study:",
    "action": "what:",
    "outcome": "outcome:",
    "since": "from",
    "until": "to",
}
OUTCOMES: Final = (("allowed", "allowed"), ("denied", "denied"), ("failed", "failed"))
_DAY: Final = 86_400_000  # ms
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_AT: Final = {"no-person": "actor", "no-study": "study", "no-outcome": "outcome"}


async def record(call: Call) -> Response:
    search = call.request.query_params.get("search", "")
    terms = call.site.searches.recall(call.who.credential, search) if search else {}
    notice = FORGOTTEN if terms is None else ""
    return await _lines(call, terms or {}, search if terms else "", notice)


async def search_record(call: Call) -> Response:
    terms = terms_of(await call.form(), FIELDS)
    search = call.site.searches.keep(call.who.credential, terms) if terms else ""
    return RedirectResponse(f"/record?search={search}" if search else "/record", 303)


async def _lines(call: Call, terms: Mapping[str, str], search: str, notice: str) -> Response:
    below = _below(call)
    answer, errors = Answer((), None), {}
    try:
        asked = _asked(terms)
        answer = await call.ask(
            call.services.inquiry.ask, call.who, call.context, asked, below=below, limit=LINES_PER_PAGE
        )
    except Violation as wrong:
        errors = {_AT.get(wrong.code, wrong.code): str(wrong)}
    spoken = {**terms, "action": ACTIONS.get(terms.get("action", ""), terms.get("action", ""))}
    return call.site.pages.render(
        "record.html",
        status=400 if errors else 200,
        answer=answer,
        most_read=MOST_READ,
        head=await call.ask(call.services.inquiry.head),
        below=below,
        errors=errors,
        notice=notice,
        terms={name: terms.get(name, "") for name in FIELDS},
        filters=said(spoken, LABELS) or ["every entry"],
        searched=bool(terms),
        search=search,
        actions=sorted(ACTIONS.items(), key=lambda each: each[1]),
        outcomes=OUTCOMES,
        **frame(call),
    )


def _below(call: Call) -> int | None:
    text = call.request.query_params.get("below", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _asked(terms: Mapping[str, str]) -> Asked:
    since, until = _day(terms, "since"), _day(terms, "until", days=1)
    if since is not None and until is not None and since >= until:
        raise Violation("The first day comes after the last.", code="since")
    if _CONTROLS.search(terms.get("patient", "")):
        raise Violation("A Patient ID has no control characters.", code="patient")
    return Asked(
        person=terms.get("actor", ""),
        patient=terms.get("patient", ""),
        study=terms.get("study", ""),
        action=terms.get("action", ""),
        outcome=terms.get("outcome", ""),
        since=since,
        until=until,
    )


def _day(terms: Mapping[str, str], name: str, *, days: int = 0) -> int | None:
    """Midnight (UTC) of a day, or of the one after it."""
    text = terms.get(name, "")
    if not text:
        return None
    try:
        start = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Violation("A day is written as 2026-01-31.", code=name) from None
    return int(start.timestamp() * 1000) + days * _DAY
