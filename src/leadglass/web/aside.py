"""What was kept aside, one object beside what is here, the decision on it, and earlier versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from leadglass.access.departments import Department
from leadglass.archive.aside import MOST_AT_ONCE, Extent, version_chunks
from leadglass.archive.decisions import MOST_REASON
from leadglass.archive.standing import Decision
from leadglass.errors import Conflict, NotFound, Violation
from leadglass.web.calls import Call
from leadglass.web.portal import STUDIES_PER_PAGE, frame, page_number
from leadglass.web.streaming import Pump, Streamed

REASONS: Final[Mapping[str, str]] = {
    "other-content": "Other content under a known UID",
    "series-of-another-study": "Series of another study",
    "study-of-another-patient": "Study of another patient",
    "study-of-another-department": "Contradicts what is not yours to see",
    "handed-over": "Handed over by another department",
    "illegal-identity": "UID missing or illegal",
    "other-identity": "Not what was announced",
    "unreadable": "Cannot be read",
}
DECISIONS: Final[Mapping[str, str]] = {
    Decision.ACCEPT: "Accept as replacement",
    Decision.STORE: "Store separately",
    Decision.HAND_OVER: "Hand over to another department",
    Decision.REJECT: "Reject and destroy",
}
_FITTING: Final[Mapping[str, str]] = {**DECISIONS, Decision.ACCEPT: "Take in as it came"}
_TOGETHER: Final[Mapping[str, str]] = {
    Decision.ACCEPT: "Each takes the place of what is here under its SOP Instance UID, where both are of one "
    "patient, study and series. What was here is kept, sealed, as an earlier version; it can be put back. "
    "What was handed over to you and contradicts nothing is stored as it came.",
    Decision.STORE: "Each is stored under a new SOP Instance UID, in a new series or study where its own is "
    "another's. The UIDs it came with stand in its Original Attributes Sequence, and what was received is "
    "kept, sealed, as a version.",
    Decision.HAND_OVER: "All of them go onto the list of the department that you choose, whose PACS "
    "administrators decide on them and can hand them back.",
    Decision.REJECT: "All of them are destroyed: their keys are deleted and their bytes are removed, and "
    "nobody can bring them back. The record keeps that they came, and your reason.",
}
_DONE: Final[Mapping[str, str]] = {
    Decision.ACCEPT: "The object is shown from now on. What it replaced is an earlier version.",
    Decision.STORE: "The object is stored under a new UID. What was received is kept with it.",
    Decision.HAND_OVER: "The object is on the other department's list.",
    Decision.REJECT: "The object is destroyed. The record keeps that it came, and why it was rejected.",
    "put-back": "The earlier version is shown again. What had replaced it is kept as a version.",
}
_UNSURE: Final = "Say that you have read what this does."
_CHOOSE: Final = "Choose what is to become of it."
# A number that is decided on, nobody's, or not theirs to see: one answer.
_GONE: Final = "This object is not kept aside, or not yours to see. Perhaps somebody decided on it meanwhile."
_NO_VERSION: Final = "This version is not here, or not yours to see. Perhaps it was put back meanwhile."
_SOURCE_LENGTH: Final = 200
_LONG_NUMBER: Final = 10  # digits


async def aside(call: Call) -> Response:
    return await _listed(call)


async def _listed(call: Call, *, error: str = "", status: int = 200) -> Response:
    page, asked = page_number(call), _asked(call.request.query_params)
    found = await call.ask(
        call.services.aside.page,
        call.who,
        call.context,
        limit=STUDIES_PER_PAGE,
        offset=(page - 1) * STUDIES_PER_PAGE,
        **asked,
    )
    sources = await call.ask(call.services.aside.sources, call.who, call.context)
    names = {each.id: each.name for each in await call.ask(call.services.accounts.departments)}
    extent = await _extent(call, asked) if any(asked.values()) else None
    return call.site.pages.render(
        "aside.html",
        status=status,
        error=error,
        found=found,
        page=page,
        asked=asked,
        query=urlencode({name: value for name, value in asked.items() if value}),
        reasons=REASONS.items(),
        sources=sources,
        source_names=sorted({each.source for each in sources}),
        departments=names if len({each.department_id for each in sources}) > 1 else {},
        most=call.services.aside.limit,
        extent=extent,
        done=_DONE.get(call.request.query_params.get("done", ""), ""),
        **frame(call),
    )


async def one(call: Call) -> Response:
    try:
        return await _one(call)
    except NotFound:
        return await _listed(call, error=_GONE, status=404)


async def decide(call: Call) -> Response:
    """The decision on one object, as its page put it into words."""
    form = await call.form()
    try:
        decision = _decision(form)
        await call.ask(
            call.services.aside.decide,
            call.who,
            call.number("aside"),
            decision,
            form.get("why", ""),
            call.context,
            to=_to(form),
            seen=form.get("seen", ""),
        )
    except NotFound:
        return await _listed(call, error=_GONE, status=404)
    except (Conflict, Violation) as error:
        return await _one(call, error=str(error), form=form, status=_status(error))
    return RedirectResponse(f"/aside?done={decision}", 303)


async def _one(
    call: Call, *, error: str = "", form: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    found = await call.ask(call.services.aside.show, call.who, call.number("aside"), call.context)
    return call.site.pages.render(
        "aside_one.html",
        status=status,
        found=found,
        labels=_FITTING if found.standing.fits else DECISIONS,
        elsewhere=found.standing.elsewhere,
        error=error,
        form=_typed(form),
        longest=MOST_REASON,
        **frame(call),
    )


# --- many at once ----------------------------------------------------------------------------------------


async def together(call: Call) -> Response:
    return await _together(call, _asked(call.request.query_params))


async def decide_together(call: Call) -> Response:
    """The same decision for all of one reason and source."""
    form = await call.form()
    asked = _asked(form)
    try:
        decision = _decision(form)
        settled = await call.ask(
            call.services.aside.decide_all,
            call.who,
            decision,
            form.get("why", ""),
            call.context,
            reason=asked["reason"],
            source=asked["source"],
            to=_to(form),
            seen=form.get("seen", ""),
        )
    except (Conflict, Violation) as error:
        return await _together(call, asked, error=str(error), form=form, status=_status(error))
    return call.site.pages.render(
        "aside_settled.html",
        settled=settled,
        label=DECISIONS[decision],
        query=urlencode({name: value for name, value in asked.items() if value}),
        **frame(call),
    )


async def _together(
    call: Call,
    asked: dict[str, str],
    *,
    error: str = "",
    form: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    elsewhere = await _elsewhere(call)
    return call.site.pages.render(
        "aside_together.html",
        status=status,
        asked=asked,
        reason=REASONS.get(asked["reason"], ""),
        query=urlencode({name: value for name, value in asked.items() if value}),
        extent=await _extent(call, asked),
        labels={name: label for name, label in DECISIONS.items() if elsewhere or name != Decision.HAND_OVER},
        words=_TOGETHER,
        elsewhere=elsewhere,
        most=MOST_AT_ONCE,
        error=error,
        form=_typed(form),
        longest=MOST_REASON,
        **frame(call),
    )


async def _elsewhere(call: Call) -> list[Department]:
    """Whom they could be handed over to, for all that this page knows of them."""
    own = call.who.departments
    return [each for each in await call.ask(call.services.accounts.departments) if own != {each.id}]


async def _extent(call: Call, asked: dict[str, str]) -> Extent:
    return await call.ask(
        call.services.aside.extent, call.who, asked["reason"], asked["source"], call.context
    )


# --- earlier versions ------------------------------------------------------------------------------------


async def versions(call: Call) -> Response:
    return await _versions(call)


async def _versions(call: Call, *, error: str = "", status: int = 200) -> Response:
    page = page_number(call)
    found = await call.ask(
        call.services.aside.versions,
        call.who,
        call.context,
        limit=STUDIES_PER_PAGE,
        offset=(page - 1) * STUDIES_PER_PAGE,
    )
    done = _DONE.get(call.request.query_params.get("done", ""), "")
    return call.site.pages.render(
        "versions.html", status=status, error=error, found=found, page=page, done=done, **frame(call)
    )


async def version_page(call: Call) -> Response:
    try:
        return await _version(call)
    except NotFound:
        return await _versions(call, error=_NO_VERSION, status=404)


async def put_back(call: Call) -> Response:
    form = await call.form()
    try:
        if form.get("sure") != "yes":
            raise Violation(_UNSURE, code="unsure")
        await call.ask(
            call.services.aside.put_back,
            call.who,
            call.number("version"),
            form.get("why", ""),
            call.context,
            seen=form.get("seen", ""),
        )
    except NotFound:
        return await _versions(call, error=_NO_VERSION, status=404)
    except (Conflict, Violation) as error:
        return await _version(call, error=str(error), form=form, status=_status(error))
    return RedirectResponse("/aside/versions?done=put-back", 303)


async def _version(
    call: Call, *, error: str = "", form: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    row, token = await call.ask(
        call.services.aside.version_row, call.who, call.number("version"), call.context
    )
    return call.site.pages.render(
        "version.html",
        status=status,
        row=row,
        token=token,
        error=error,
        form=_typed(form),
        longest=MOST_REASON,
        **frame(call),
    )


async def version_file(call: Call) -> Response:
    """The bytes of a version. The file's name tells nothing of whose it is."""
    number = call.number("version")
    version = await call.ask(call.services.aside.version, call.who, number, call.context)
    pieces = version_chunks(version)
    return Streamed(
        Pump(pieces, pieces),
        call.site.workers,
        media_type="application/dicom",
        headers={
            "Content-Disposition": f'attachment; filename="version-{number}.dcm"',
            "Content-Length": str(version.row.size),
        },
        send_seconds=call.site.settings.send_seconds,
    )


def _asked(fields: Mapping[str, str]) -> dict[str, str]:
    """Reason and source, '' for any. A reason that nobody knows finds nothing."""
    return {name: fields.get(name, "")[:_SOURCE_LENGTH] for name in ("reason", "source")}


def _typed(form: Mapping[str, str] | None) -> dict[str, str]:
    """What to put into the form again."""
    return {name: (form or {}).get(name, "") for name in ("decision", "to", "why")}


def _to(form: Mapping[str, str]) -> int | None:
    """The number of the department that was chosen."""
    number = form.get("to", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < _LONG_NUMBER else None


def _decision(form: Mapping[str, str]) -> Decision:
    try:
        decision = Decision(form.get("decision", ""))
    except ValueError:
        raise Violation(_CHOOSE, code="decision") from None
    if form.get("sure") != "yes":
        raise Violation(_UNSURE, code="unsure")
    return decision


def _status(error: Conflict | Violation) -> int:
    return 409 if isinstance(error, Conflict) else 400
