"""Whose images these are, for the PACS administrator: doubts, one patient, changes before they are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from leadglass.archive.identities import FIELDS, Doubt, Kind, Plan, UndoPlan, Wish
from leadglass.errors import Conflict, Denied, LeadglassError, NotFound, Violation
from leadglass.web.calls import Call
from leadglass.web.portal import frame, page_number

PROPOSALS_PER_PAGE: Final = 20
CHANGES_PER_PAGE: Final = 50
_LONGEST: Final = 500  # of what is handed on at all; the rules for values are the archive's
_UNKNOWN: Final = "Nobody with this Patient ID is here, or they are not yours to see."
_SEVERAL: Final = "Several issuers gave this Patient ID: say which one."
_GONE: Final = (
    "This patient is not here, or not yours to see. Perhaps it was merged with another: the history says so."
)
_NOTHING: Final = "nothing"  # was seen
_DONE: Final = {
    "merged": "The two are merged.",
    "moved": "The study is moved.",
    "corrected": "The identity is corrected.",
    "undone": "The change is undone.",
    "dismissed": "It is proposed no more.",
}
_DID: Final = {Kind.MERGE: "merged", Kind.MOVE: "moved", Kind.PATIENT: "corrected", Kind.STUDY: "corrected"}
KINDS: Final = {
    Kind.MERGE: "Merge two patients",
    Kind.MOVE: "Move a study to its patient",
    Kind.PATIENT: "Correct a patient",
    Kind.STUDY: "Correct one study",
}
LABELS: Final = {
    "patient_name": "Name",
    "patient_id": "Patient ID",
    "issuer": "Issuer of the ID",
    "birth_date": "Born",
    "sex": "Sex",
}


# --- doubts -----------------------------------------------------------------------------------------------


async def patients(call: Call) -> Response:
    study = call.request.query_params.get("study", "")
    if study.isascii() and study.isdigit() and len(study) < 16:
        number = await call.ask(call.services.identities.patient_of, call.who, int(study), call.context)
        return RedirectResponse(f"/patients/{number}", 303)
    return await _doubts(call)


async def find_patient(call: Call) -> Response:
    form = await call.form()
    try:
        number = await _by_id(call, form.get("patient_id", ""), form.get("issuer", ""))
    except (Violation, NotFound) as wrong:
        return await _doubts(call, error=str(wrong), given=form)
    return RedirectResponse(f"/patients/{number}", 303)


async def dismiss(call: Call) -> Response:
    form = await call.form()
    word, reason = form.get("proposal", "")[:64], form.get("reason", "")[:_LONGEST]
    try:
        await call.ask(call.services.identities.dismiss, call.who, word, reason, call.context)
    except Violation as wrong:
        return await _doubts(call, error=str(wrong))
    return RedirectResponse("/patients?done=dismissed", 303)


async def _doubts(
    call: Call, *, error: str = "", given: Mapping[str, str] | None = None, status: int = 0
) -> Response:
    page = page_number(call)
    found = {
        doubt: await call.ask(
            call.services.identities.proposals,
            call.who,
            doubt,
            call.context,
            limit=PROPOSALS_PER_PAGE,
            offset=(page - 1) * PROPOSALS_PER_PAGE,
        )
        for doubt in Doubt
    }
    return call.site.pages.render(
        "patients.html",
        status=status or (400 if error else 200),
        same=found[Doubt.SAME_PERSON],
        other=found[Doubt.OTHER_PERSON],
        page=page,
        error=error,
        given={name: (given or {}).get(name, "")[:_LONGEST] for name in ("patient_id", "issuer")},
        **_around(call),
    )


# --- one patient ------------------------------------------------------------------------------------------


async def patient(call: Call) -> Response:
    try:
        return await _patient(call)
    except NotFound:
        return await _gone(call)


async def change(call: Call) -> Response:
    """What was asked for is shown first; it is done when it comes back with a reason and a yes."""
    form = await call.form()
    try:
        wish = await _wish(call, form)
        plan = await call.ask(call.services.identities.plan, call.who, wish, call.context)
    except NotFound:
        return await _gone(call)
    except (Violation, Conflict, Denied) as wrong:
        return await _refused(call, wrong, form)
    reason = form.get("reason", "")[:_LONGEST]
    if form.get("confirmed") != "yes":
        return _confirm(call, wish, plan, reason)
    try:
        address = await _done(call, wish, reason, form.get("seen", ""))
    except (Violation, Conflict) as wrong:
        return _confirm(call, wish, plan, reason, wrong)
    return RedirectResponse(address, 303)


async def _patient(
    call: Call, *, error: str = "", given: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    found = await call.ask(call.services.identities.patient, call.who, call.number("patient"), call.context)
    shown = {name: getattr(found.identity, name) for name in FIELDS}
    given = given or {}
    return call.site.pages.render(
        "patient.html",
        status=status,
        patient=found,
        values={name: given.get(name, shown[name])[:_LONGEST] for name in FIELDS},
        into={name: given.get(name, "")[:_LONGEST] for name in ("into", "into_issuer")},
        error=error,
        **_around(call),
    )


async def _gone(call: Call) -> Response:
    """A number that was somebody's until they were merged, or nobody's, or not theirs to see: one answer."""
    return await _doubts(call, error=_GONE, status=404)


async def _refused(call: Call, wrong: LeadglassError, form: Mapping[str, str]) -> Response:
    if isinstance(wrong, Denied) and wrong.code != "other-department":
        raise wrong
    return await _patient(call, error=str(wrong), given=form, status=_status(wrong))


async def _wish(call: Call, form: Mapping[str, str]) -> Wish:
    """The form, read: without a study a change is about all of the patient's."""
    number, study = call.number("patient"), _number(form.get("study", ""))
    if form.get("action") == "give":
        target = _number(form.get("target", ""))
        if not target:
            target = await _by_id(call, form.get("into", ""), form.get("into_issuer", ""))
        if study:
            return Wish(Kind.MOVE, study=study, target=target)
        return Wish(Kind.MERGE, patient=number, target=target)
    values = {name: form[name][:_LONGEST] for name in FIELDS if name in form}
    every = form.get("every") == "yes"
    kept = {name: value for name, value in values.items() if every or value != form.get(f"was_{name}")}
    if study:
        return Wish(Kind.STUDY, study=study, values=kept)
    return Wish(Kind.PATIENT, patient=number, values=kept)


def _confirm(
    call: Call, wish: Wish, plan: Plan, reason: str, wrong: Violation | Conflict | None = None
) -> Response:
    return call.site.pages.render(
        "patient_change.html",
        status=_status(wrong),
        title=KINDS[wish.kind],
        patient=call.number("patient"),
        wish=wish,
        plan=plan,
        rows=[
            (label, getattr(plan.before, name), getattr(plan.after, name), name)
            for name, label in LABELS.items()
        ],
        reason=reason,
        error=str(wrong or ""),
        **_around(call),
    )


async def _done(call: Call, wish: Wish, reason: str, seen: str) -> str:
    """Do it; the address of whose page shows it."""
    identities, study = call.services.identities, wish.study
    if wish.kind is Kind.PATIENT:
        before = await call.ask(identities.patient, call.who, wish.patient, call.context)
        study = before.studies[0].id
    await call.ask(identities.change, call.who, wish, reason, call.context, seen=seen or _NOTHING)
    number = wish.target or await call.ask(identities.patient_of, call.who, study, call.context)
    return f"/patients/{number}?done={_DID[wish.kind]}"


# --- history ----------------------------------------------------------------------------------------------


async def history(call: Call) -> Response:
    page = page_number(call)
    found = await call.ask(
        call.services.identities.history,
        call.who,
        call.context,
        limit=CHANGES_PER_PAGE,
        offset=(page - 1) * CHANGES_PER_PAGE,
    )
    return call.site.pages.render("patient_history.html", found=found, page=page, **_around(call))


async def undo(call: Call) -> Response:
    """What undoing comes to is shown first."""
    form = await call.form()
    number, reason = _number(form.get("change", "")), form.get("reason", "")[:_LONGEST]
    try:
        plan = await call.ask(call.services.identities.plan_undo, call.who, number, call.context)
    except Conflict:
        return RedirectResponse("/patients/history", 303)
    if form.get("confirmed") != "yes":
        return _confirm_undo(call, plan, reason)
    try:
        await call.ask(call.services.identities.undo, call.who, number, reason, call.context)
    except (Violation, Conflict) as wrong:
        return _confirm_undo(call, plan, reason, str(wrong))
    return RedirectResponse("/patients/history?done=undone", 303)


def _confirm_undo(call: Call, plan: UndoPlan, reason: str, error: str = "") -> Response:
    return call.site.pages.render(
        "patient_undo.html",
        status=400 if error else 200,
        plan=plan,
        reason=reason,
        error=error,
        **_around(call),
    )


# --- what they share --------------------------------------------------------------------------------------


def _around(call: Call) -> dict[str, Any]:
    done = _DONE.get(call.request.query_params.get("done", ""), "")
    return {"done": done, "kinds": KINDS, "labels": LABELS, **frame(call)}


async def _by_id(call: Call, patient_id: str, issuer: str) -> int:
    """A patient's number. NotFound, Violation: there is none, or there are several."""
    patient_id, issuer = patient_id.strip()[:_LONGEST], issuer.strip()[:_LONGEST]
    if not patient_id:
        raise Violation("Fill in a Patient ID.", code="patient_id")
    found = await call.ask(call.services.identities.find, call.who, patient_id, issuer or None, call.context)
    if not found:
        raise Violation(_UNKNOWN, code="unknown")
    if len(found) > 1:
        raise Violation(_SEVERAL, code="issuer")
    return found[0]


def _status(wrong: LeadglassError | None) -> int:
    if wrong is None:
        return 200
    return 409 if isinstance(wrong, Conflict) else 400


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
