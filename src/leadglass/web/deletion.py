"""Deleting a study from its page: what would go, a reason, a confirmation, and what went."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from leadglass.access.policy import Action, Resource, decide
from leadglass.archive.deletion import REASON_LEAST, REASON_MOST, Plan
from leadglass.errors import Conflict, NotFound, Violation
from leadglass.web.calls import Call
from leadglass.web.portal import frame
from leadglass.web.problems import GONE, Refused

_CONFIRM: Final = "Tick the box: nothing brings a deleted study back."


def may_delete(call: Call, department: int) -> bool:
    """Whether a study's page offers it. Asking for it asks the policy again."""
    return decide(call.who, Action.STUDY_DELETE, Resource(department), call.context).allowed


async def ask(call: Call) -> Response:
    return _form(call, await _plan(call))


async def delete(call: Call) -> Response:
    form = await call.form()
    try:
        plan, reason = await _plan(call), form.get("reason", "")
    except NotFound:
        raise Refused(GONE) from None
    if form.get("seen") != _seen(plan):
        return _form(
            call, plan, reason, "Something came in for it since you looked. This is what there is now.", 409
        )
    if form.get("confirmed") != "yes":
        return _form(call, plan, reason, _CONFIRM, 400)
    try:
        done = await call.ask(call.services.deletion.delete, call.who, plan, call.context, reason=reason)
    except Violation as wrong:
        return _form(call, plan, reason, str(wrong), 400)
    except Conflict as wrong:
        return _form(call, await _plan(call), reason, str(wrong), 409)
    return call.site.pages.render("deleted.html", done=done, **frame(call))


async def _plan(call: Call) -> Plan:
    return await call.ask(call.services.deletion.plan, call.who, call.number("study"), call.context)


def _form(call: Call, plan: Plan, reason: str = "", error: str = "", status: int = 200) -> Response:
    values: dict[str, Any] = {"least": REASON_LEAST, "most": REASON_MOST}
    return call.site.pages.render(
        "delete.html",
        status=status,
        study=plan.study,
        plan=plan,
        seen=_seen(plan),
        reason=reason,
        error=error,
        **values,
        **frame(call),
    )


def _seen(plan: Plan) -> str:
    """What the page showed: it must be what goes."""
    return f"{plan.series}-{plan.instances}-{plan.bytes}"
