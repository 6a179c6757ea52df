"""The two things that vouch for a request: the session cookie and a bearer token."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from leadglass.web.settings import WebSettings

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]{1,512})", re.IGNORECASE)  # RFC 6750 2.1
_LONGEST = 512


def session_token(request: Request, settings: WebSettings) -> str:
    """What the browser holds, or ""."""
    token = request.cookies.get(settings.cookie_name, "")
    return token if len(token) <= _LONGEST else ""


def bearer_token(request: Request) -> str | None:
    """The token of an Authorization header; None without the header, "" if it cannot be a token."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    match = _BEARER.fullmatch(header.strip())
    return match[1] if match else ""


def remember(response: Response, settings: WebSettings, token: str) -> None:
    """Hand the session over. It ends with the browser at the latest; the server ends it earlier."""
    response.set_cookie(
        settings.cookie_name, token, path="/", secure=settings.secure, httponly=True, samesite="strict"
    )


def forget(response: Response, settings: WebSettings) -> None:
    response.delete_cookie(
        settings.cookie_name, path="/", secure=settings.secure, httponly=True, samesite="strict"
    )
