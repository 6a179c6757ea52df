"""The study list, and how the system is doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from leadglass.archive import sentences
from leadglass.archive.backup import Last
from leadglass.archive.doorkeeper import SHUT
from leadglass.archive.queries import portal_query
from leadglass.archive.upkeep import Status
from leadglass.errors import Denied, ListenerShut, Violation
from leadglass.web.calls import Call
from leadglass.web.pages import navigation, size

STUDIES_PER_PAGE = 50
LAST_PAGE = 10_000
SEARCH_FIELDS: Final = ("name", "patient_id", "date_from", "date_to", "modality", "accession")
SEARCH_LABELS: Final = {
    "name": "name:",
    "patient_id": "patient ID:",
    "date_from": "from",
    "date_to": "to",
    "modality": "modality:",
    "accession": "accession:",
}
MODALITIES: Final = ("CR", "CT", "DX", "MG", "MR", "NM", "OT", "PT", "RF", "US", "XA")
_TERM_LENGTH = 400
FORGOTTEN = "That search is no longer remembered. Please search again."


_UNDER: Final = {"/lost": "/aside"}  # pages that stand under a place of another name
_ALARM = ("/exposure", "/status")  # where those who mend a listener that answers strangers land first


async def landing(call: Call) -> Response:
    """The first page this role has."""
    pages = navigation(call.who, call.context)
    if not pages:
        raise ListenerShut(SHUT) if call.context.shut else Denied("This role has no page.")
    addresses = [address for address, _ in pages]
    alarm = [address for address in _ALARM if call.context.shut and address in addresses]
    return RedirectResponse((alarm or addresses)[0], 303)


def frame(call: Call) -> dict[str, Any]:
    """What every page behind the sign-in shows around its content."""
    path = _UNDER.get(call.request.url.path, call.request.url.path)
    pages = navigation(call.who, call.context)
    return {
        "who": call.who,
        "navigation": [(to, label, path == to or path.startswith(to + "/")) for to, label in pages],
    }


# --- studies ---------------------------------------------------------------------------------------------


async def studies(call: Call) -> Response:
    """The newest studies, or a search that this session made before."""
    search = call.request.query_params.get("search", "")
    terms = call.site.searches.recall(call.who.credential, search) if search else {}
    notice = FORGOTTEN if terms is None else ""
    return await _study_list(call, terms or {}, search if terms else "", notice=notice)


async def search_studies(call: Call) -> Response:
    """Keep the terms, and go to the page that shows what they find."""
    terms = terms_of(await call.form(), SEARCH_FIELDS)
    search = call.site.searches.keep(call.who.credential, terms) if terms else ""
    address = f"/studies?search={search}" if search else "/studies"
    if "hx-request" not in call.request.headers:
        return RedirectResponse(address, 303)
    response = await _study_list(call, terms, search, template="_results.html", page=1)
    response.headers["HX-Replace-Url"] = address
    return response


async def _study_list(
    call: Call,
    terms: Mapping[str, str],
    search: str,
    *,
    notice: str = "",
    template: str = "studies.html",
    page: int | None = None,
) -> Response:
    page = page or page_number(call)
    found, error = None, ""
    try:
        query = portal_query(**terms, limit=STUDIES_PER_PAGE, offset=(page - 1) * STUDIES_PER_PAGE)
        found = await call.ask(call.services.search.studies, call.who, query, call.context)
    except Violation as wrong:
        error = str(wrong)
    return call.site.pages.render(
        template,
        status=400 if error and template == "studies.html" else 200,
        found=found,
        error=error,
        notice=notice,
        terms={name: terms.get(name, "") for name in SEARCH_FIELDS},
        searched=bool(terms),
        search=search,
        page=page,
        first=(page - 1) * STUDIES_PER_PAGE + 1,
        modalities=MODALITIES,
        filters=said(terms, SEARCH_LABELS) or ["the newest studies"],
        swapped=template == "_results.html",
        **frame(call),
    )


def said(terms: Mapping[str, str], labels: Mapping[str, str]) -> list[str]:
    """The filters of a list as text: `name: roth`, `from 2026-01-01`."""
    return [f"{labels[name]} {terms[name]}" for name in labels if terms.get(name)]


def terms_of(form: Mapping[str, str], fields: tuple[str, ...]) -> dict[str, str]:
    """What was filled in. The search's own limits come after; this one bounds what is kept in memory."""
    return {name: form[name].strip()[:_TERM_LENGTH] for name in fields if form.get(name, "").strip()}


def page_number(call: Call) -> int:
    text = call.request.query_params.get("page", "1")
    return min(max(int(text), 1), LAST_PAGE) if text.isascii() and text.isdigit() and len(text) < 8 else 1


# --- the system ------------------------------------------------------------------------------------------


async def lost(call: Call) -> Response:
    found = await call.ask(call.services.upkeep.lost, call.who, call.context)
    return call.site.pages.render("lost.html", found=found, **frame(call))


async def status(call: Call) -> Response:
    found = await call.ask(call.services.upkeep.status, call.who, call.context)
    now = call.context.now
    return call.site.pages.render(
        "status.html",
        found=found,
        figures=_figures(found),
        ages=[*sentences.figures(found.outlook, now), ("Last back-up", _age(found.backup, now))],
        troubles=list(sentences.troubles(found.outlook, now)),
        listeners=found.listeners,
        **frame(call),
    )


def _age(last: Last | None, now: int) -> str:
    return sentences.ago(last.at if last is not None else None, now)


def _figures(status: Status) -> list[tuple[str, str]]:
    return [
        ("Patients", f"{status.patients:,}"),
        ("Studies", f"{status.studies:,}"),
        ("Series", f"{status.series:,}"),
        ("Images", f"{status.instances:,}"),
        ("Kept aside", f"{status.kept_aside:,}"),
        ("Sealed images", size(status.object_bytes)),
        ("Free on the disk", size(status.free_bytes)),
        ("Entries on the record", f"{status.record_entries:,}"),
    ]
