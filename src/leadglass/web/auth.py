"""Sign-in, sign-out, and the page behind the one-time set-up link."""

from __future__ import annotations

import re

from starlette.background import BackgroundTask
from starlette.responses import RedirectResponse, Response

from leadglass.errors import Denied, Unavailable, Violation
from leadglass.web.calls import Call
from leadglass.web.signing import forget, remember

# A page of ours: a path without query, in the few characters our paths have. Never another host.
_OWN_PAGE = re.compile(
    r"/(?:arrivals|studies|upload|record|aside|exposure|status|users|departments)(?:/[0-9]{1,15})?"
)
_WRONG = "The name or the password is not right. After ten wrong passwords an account pauses for a while."
_LINK_USED = "This set-up link is not valid: it was used already, or it is older than a day."
_NAME_LENGTH = 200  # of what is handed on at all; the rules for names are the archive's
_PASSWORD_LENGTH = 1000


async def sign_in_page(call: Call) -> Response:
    if call.session:
        known = await call.ask(call.services.accounts.resolve_session, call.session, call.context.now)
        if known is not None:
            return RedirectResponse(own_page(call.request.query_params.get("next", "")), 303)
    return await _sign_in_form(call, next_page=call.request.query_params.get("next", ""))


async def sign_in(call: Call) -> Response:
    form = await call.form()
    name, password = form.get("name", "")[:_NAME_LENGTH], form.get("password", "")[:_PASSWORD_LENGTH]
    next_page = form.get("next", "")
    try:
        token = await call.ask(
            call.services.accounts.sign_in, name, password, call.context, replacing=call.session
        )
    except Unavailable as busy:
        return await _sign_in_form(call, name=name, next_page=next_page, error=str(busy), status=503)
    if token is None:
        return await _sign_in_form(call, name=name, next_page=next_page, error=_WRONG, status=403)
    welcome = _welcome(call, token, own_page(next_page))
    # Whoever signs in is about to look at images: have the codecs loaded by then.
    welcome.background = BackgroundTask(call.ask, call.services.renderer.warm)
    return welcome


async def sign_out(call: Call) -> Response:
    await call.ask(call.services.accounts.sign_out, call.who, call.session, call.context)
    call.site.searches.forget(call.who.credential)
    response = RedirectResponse("/sign-in", 303)
    forget(response, call.site.settings)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


async def set_up_page(call: Call) -> Response:
    is_open = await call.ask(call.services.accounts.setup_open, call.context.now)
    return _set_up_form(call, is_open=is_open, status=200 if is_open else 404)


async def set_up(call: Call) -> Response:
    form = await call.form()
    name, password = form.get("name", "")[:_NAME_LENGTH], form.get("password", "")[:_PASSWORD_LENGTH]
    if password != form.get("again", ""):
        return _set_up_form(call, name=name, error="The two passwords are not the same.", status=400)
    code = form.get("code", "").strip()[:_NAME_LENGTH]
    try:
        token = await call.ask(call.services.accounts.setup, code, name, password, call.context)
    except Denied:
        return _set_up_form(call, name=name, error=_LINK_USED, status=403)
    except Violation as wrong:
        return _set_up_form(call, name=name, code=code, error=str(wrong), status=400)
    return _welcome(call, token, "/")


def own_page(asked_for: str) -> str:
    """Where to go after a sign-in: a page of ours or the start."""
    return asked_for if _OWN_PAGE.fullmatch(asked_for) else "/"


def _welcome(call: Call, token: str, page: str) -> Response:
    response = RedirectResponse(page, 303)
    remember(response, call.site.settings, token)
    return response


async def _sign_in_form(
    call: Call, *, name: str = "", next_page: str = "", error: str = "", status: int = 200
) -> Response:
    set_up_open = await call.ask(call.services.accounts.setup_open, call.context.now)
    page = own_page(next_page)
    return call.site.pages.render(
        "sign_in.html", status=status, name=name, next=page, error=error, set_up_open=set_up_open
    )


def _set_up_form(
    call: Call, *, name: str = "", code: str = "", error: str = "", is_open: bool = True, status: int = 200
) -> Response:
    return call.site.pages.render(
        "set_up.html", status=status, name=name, code=code, error=error, is_open=is_open
    )
