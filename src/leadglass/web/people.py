"""Users and departments, for the system administrator: who comes in, and whose images they see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.responses import RedirectResponse, Response

from leadglass.access.principal import Role
from leadglass.archive.administration import Profile, User
from leadglass.errors import Conflict, LeadglassError, NotFound, Violation
from leadglass.web.calls import Call
from leadglass.web.pages import ROLES
from leadglass.web.portal import frame

ASSIGNABLE: Final = tuple(
    (role.value, label)
    for role, label in ROLES.items()
    if isinstance(role, Role) and role not in (Role.OPERATOR, Role.APPLICATION_ENTITY)
)
# What each role is for, beside its name: an administrator should not have to look it up.
DUTIES: Final = {
    Role.RADIOLOGIST.value: "sees and retrieves the images of their departments",
    Role.TECHNOLOGIST.value: "the same, and puts images in",
    Role.PACS_ADMINISTRATOR.value: "the same, and decides on what was kept aside",
    Role.AUDITOR.value: "reads the record and sees no image",
    Role.SYSTEM_ADMINISTRATOR.value: "runs the system, looks after users, and sees no image",
}
_LONGEST = 200  # of what is handed on at all; the rules for names are the archive's
_FIELDS: Final = {  # which field an error belongs to, by its code
    "user-name": "name",
    "user-exists": "name",
    "display-name": "display_name",
    "user-role": "role",
    "last-administrator": "role",
    "no-department": "departments",
    "department-name": "department",
    "department-exists": "department",
    "department-default": "department",
}
_DONE: Final = {
    "saved": "The changes are saved.",
    "disabled": "The account is disabled. Its sessions and tokens have ended.",
    "enabled": "The account is enabled again, with the password it had.",
    "revoked": "The token is revoked.",
    "added": "The department is there. Put users into it on their own pages.",
    "renamed": "The department has its new name.",
}


# --- users -----------------------------------------------------------------------------------------------


async def users(call: Call) -> Response:
    return await _users(call)


async def add_user(call: Call) -> Response:
    """The password is on the answer, and nowhere else: asking again gives none."""
    form = await call.form()
    given = {name: form.get(name, "").strip()[:_LONGEST] for name in ("name", "display_name", "department")}
    given["role"] = form.get("role", "")
    known = {each.name for each in await call.ask(call.services.accounts.departments)}
    try:
        if given["department"] and given["department"] not in known:
            raise Violation("Choose a department that is there.", code="department-name")
        password = await call.ask(
            call.services.accounts.add_user,
            call.who,
            given["name"],
            _role(given["role"]),
            call.context,
            department=given["department"] or None,
            display_name=given["display_name"],
        )
    except (Violation, Conflict) as wrong:
        return await _users(call, given=given, errors=_at_field(wrong), status=400)
    return await _users(call, made=(given["name"].casefold(), password))


async def _users(
    call: Call,
    *,
    given: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    made: tuple[str, str] | None = None,
    status: int = 200,
) -> Response:
    listed = await call.ask(call.services.accounts.list_users, call.who, call.context)
    known = await call.ask(call.services.accounts.departments)
    return call.site.pages.render(
        "users.html",
        status=status,
        users=listed,
        departments={each.id: each.name for each in known},
        choices=[(each.name, each.name) for each in known],
        given=given or dict.fromkeys(("name", "display_name", "department", "role"), ""),
        errors=errors or {},
        made=made,
        roles=ASSIGNABLE,
        duties=DUTIES,
        **frame(call),
    )


# --- one user --------------------------------------------------------------------------------------------


async def user(call: Call) -> Response:
    found = await call.ask(call.services.administration.profile, call.who, call.number("user"), call.context)
    return await _user(call, found, notice=_DONE.get(call.request.query_params.get("done", ""), ""))


async def change_user(call: Call) -> Response:
    number, form, several = call.number("user"), await call.form(), await _several(call, "department")
    found = await call.ask(call.services.administration.profile, call.who, number, call.context)
    given = {"display_name": form.get("display_name", "").strip()[:_LONGEST], "role": form.get("role", "")}
    belongs = frozenset(int(each) for each in several if each.isascii() and each.isdigit() and len(each) < 16)
    try:
        await call.ask(
            call.services.administration.change,
            call.who,
            number,
            call.context,
            display_name=given["display_name"],
            role=_role(given["role"]),
            belongs=belongs,
        )
    except (Violation, Conflict, NotFound) as wrong:
        return await _user(call, found, given=given, belongs=belongs, errors=_at_field(wrong), status=400)
    return RedirectResponse(f"/users/{number}?done=saved", 303)


async def reset_user(call: Call) -> Response:
    """A new password, shown on this answer alone."""
    number = call.number("user")
    await call.form()
    password = await call.ask(call.services.administration.reset, call.who, number, call.context)
    if call.who.user_id == number:  # their own session has ended with it: the rest of the page is not theirs
        return call.site.pages.render("own_password.html", password=password)
    found = await call.ask(call.services.administration.profile, call.who, number, call.context)
    return await _user(call, found, password=password)


async def disable_user(call: Call) -> Response:
    number = call.number("user")
    await call.form()
    try:
        await call.ask(call.services.administration.disable, call.who, number, call.context)
    except Conflict as wrong:
        found = await call.ask(call.services.administration.profile, call.who, number, call.context)
        return await _user(call, found, errors={"disable": str(wrong)}, status=409)
    return RedirectResponse(f"/users/{number}?done=disabled", 303)


async def enable_user(call: Call) -> Response:
    number = call.number("user")
    await call.form()
    await call.ask(call.services.administration.enable, call.who, number, call.context)
    return RedirectResponse(f"/users/{number}?done=enabled", 303)


async def revoke_token(call: Call) -> Response:
    """Of this user alone: a number of somebody else's is simply not there."""
    number, token, _ = call.number("user"), call.number("token"), await call.form()
    found = await call.ask(call.services.administration.profile, call.who, number, call.context)
    if token not in {each.id for each in found.tokens}:
        raise NotFound("There is no such token.")
    await call.ask(call.services.accounts.revoke_token, call.who, token, call.context)
    return RedirectResponse(f"/users/{number}?done=revoked", 303)


async def _user(
    call: Call,
    found: Profile,
    *,
    given: Mapping[str, str] | None = None,
    belongs: frozenset[int] | None = None,
    errors: Mapping[str, str] | None = None,
    password: str = "",
    notice: str = "",
    status: int = 200,
) -> Response:
    one: User = found.user
    known = await call.ask(call.services.accounts.departments)
    return call.site.pages.render(
        "user.html",
        status=status,
        user=one,
        tokens=found.tokens,
        sessions=found.sessions,
        departments=known,
        given=given or {"display_name": one.display_name, "role": one.role.value},
        belongs=one.departments if belongs is None else belongs,
        errors=errors or {},
        password=password,
        notice=notice,
        own=call.who.user_id == one.id,
        now=call.context.now,
        roles=ASSIGNABLE,
        duties=DUTIES,
        **frame(call),
    )


# --- departments -----------------------------------------------------------------------------------------


async def departments(call: Call) -> Response:
    return await _departments(call, notice=_DONE.get(call.request.query_params.get("done", ""), ""))


async def add_department(call: Call) -> Response:
    name = (await call.form()).get("department", "").strip()[:_LONGEST]
    try:
        await call.ask(call.services.administration.add_department, call.who, name, call.context)
    except (Violation, Conflict) as wrong:
        return await _departments(call, name=name, error=str(wrong), status=400)
    return RedirectResponse("/departments?done=added", 303)


async def rename_department(call: Call) -> Response:
    number, form = call.number("department"), await call.form()
    name = form.get("department", "").strip()[:_LONGEST]
    try:
        await call.ask(call.services.administration.rename_department, call.who, number, name, call.context)
    except (Violation, Conflict) as wrong:
        return await _departments(call, renaming=number, name=name, error=str(wrong), status=400)
    return RedirectResponse("/departments?done=renamed", 303)


async def _departments(
    call: Call, *, renaming: int = 0, name: str = "", error: str = "", notice: str = "", status: int = 200
) -> Response:
    people = await call.ask(call.services.accounts.list_users, call.who, call.context)
    devices = await call.ask(call.services.peers.list_aes, call.who, call.context)
    known = await call.ask(call.services.accounts.departments)
    return call.site.pages.render(
        "departments.html",
        status=status,
        departments=known,
        people=Counter(each for one in people if one.disabled is None for each in one.departments),
        devices=Counter(one.department_id for one in devices),
        renaming=renaming,
        name=name,
        error=error,
        notice=notice,
        **frame(call),
    )


# --- what was entered ------------------------------------------------------------------------------------


def _role(text: str) -> Role:
    """One that a user can have."""
    if text not in dict(ASSIGNABLE):
        raise Violation("Choose what the user may do.", code="user-role")
    return Role(text)


def _at_field(wrong: LeadglassError) -> dict[str, Any]:
    """The sentence at its field; "form" where it is about none."""
    return {_FIELDS.get(wrong.code, "form"): str(wrong)}


async def _several(call: Call, name: str) -> list[str]:
    """All values of a field that may stand several times; `form`, asked first, has bounded and checked it."""
    return parse_qs((await call.request.body()).decode("utf-8")).get(name, [])
