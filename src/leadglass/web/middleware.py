"""What every request passes on its way in and every answer on its way out. Pure ASGI, outermost first:

RequestLog  Headers  Errors  Hosts  Origins  Bodies  Deadline
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from starlette.datastructures import Headers as RequestHeaders
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadglass.web.gate import DICOMWEB, ROUTE
from leadglass.web.problems import TOO_LARGE, TOO_SLOW, WRONG_HOST, WRONG_ORIGIN, Refused
from leadglass.web.settings import WebSettings

CONTENT_SECURITY_POLICY: Final = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob:",
    "connect-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'",
))  # fmt: skip
SECURITY_HEADERS: Final = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)
_HSTS = ("Strict-Transport-Security", "max-age=31536000")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 9.2.1
_NO_ROUTE = "-"
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.ASCII)

Observer = Callable[[str, str, int, float], None]  # method, route name, status, seconds
Explain = Callable[[Request, Exception], Awaitable[Response]]


class RequestLog:
    """Tells the observers about every answer: method, route's name, status, seconds. No path, no names."""

    def __init__(self, app: ASGIApp, started: Callable[[], None], observers: Iterable[Observer]) -> None:
        self._app = app
        self._started = started
        self._observers = tuple(observers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._started()
        try:
            await self._app(scope, receive, watched)
        finally:
            seconds = time.perf_counter() - began
            for observe in self._observers:
                observe(_known(scope["method"]), scope.get(ROUTE, _NO_ROUTE), status, seconds)


class Headers:
    """Puts the security headers on every answer; only what says so itself may be cached."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._headers = (*SECURITY_HEADERS, _HSTS) if settings.secure else SECURITY_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers:
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


class Errors:
    """The one place where a request's failure ends. What has begun to leave is cut short, never finished."""

    def __init__(self, app: ASGIApp, explain: Explain, report: Callable[[str, Exception], None]) -> None:
        self._app = app
        self._explain = explain
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as failure:  # noqa: BLE001 (a request ends here, whatever happened)
            self._report(scope.get(ROUTE, _NO_ROUTE), failure)
            if not started:  # else: return without the end of the body, and the server closes the connection
                response = await self._explain(Request(scope, receive), failure)
                await response(scope, receive, send)


class Hosts:
    """Answers to our own names only: no DNS rebinding, no poisoned links. The port is left alone: it protects
    nothing, and dicomweb-client leaves it out."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._hosts = settings.hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = RequestHeaders(scope=scope).getlist("host")
            name = _HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
            if name is None or name[1] not in self._hosts:
                raise Refused(WRONG_HOST)
        await self._app(scope, receive, send)


class Origins:
    """Unsafe methods come from our own pages, or with a bearer token, which no foreign page can add. Whoever
    brings neither, and no cookie, has nobody's rights: at DICOMweb's door a program is asked who it is.

    A form's Origin is "null" under our own Referrer-Policy (Fetch 3.1), so Sec-Fetch-Site speaks where the
    browser sends it, and nothing said is a no.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._scheme = settings.scheme

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            headers = RequestHeaders(scope=scope)
            is_program = "authorization" in headers or scope["path"].startswith(f"{DICOMWEB}/")
            if ("cookie" in headers or not is_program) and not self._ours(headers):
                raise Refused(WRONG_ORIGIN)
        await self._app(scope, receive, send)

    def _ours(self, headers: RequestHeaders) -> bool:
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site != "same-origin":
            return False
        if origin is None or origin == "null":
            return site is not None
        return origin.lower() == f"{self._scheme}://{headers['host'].lower()}"


def _none(_: Scope) -> bool:
    return False


class Bodies:
    """Refuses a body that is too large, before or while it comes, or too slow.

    One that `streams` into the archive may be large and take its time, but nobody waits for a peer that sends
    next to nothing. What we take to store what has come is not held against it.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings, streams: Callable[[Scope], bool] = _none) -> None:
        self._app = app
        self._settings = settings
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        streams = self._streams(scope)
        most = self._settings.stream_bytes if streams else self._settings.body_bytes
        announced = RequestHeaders(scope=scope).get("content-length", "0")
        if not (announced.isascii() and announced.isdigit()) or len(announced) > 12 or int(announced) > most:
            raise Refused(TOO_LARGE)
        await self._app(scope, (self._steady if streams else self._limited)(receive), send)

    def _steady(self, receive: Receive) -> Receive:
        settings = self._settings
        size, waited, complete, ends = 0, 0.0, False, time.monotonic() + settings.stream_seconds

        async def steady() -> Message:
            nonlocal size, waited, complete
            if complete:
                return await receive()
            began = time.monotonic()
            try:
                async with asyncio.timeout(min(settings.body_seconds, max(0.0, ends - began))):
                    message = await receive()
            except TimeoutError:
                raise Refused(TOO_SLOW) from None
            size, waited = size + len(message.get("body", b"")), waited + time.monotonic() - began
            if size > settings.stream_bytes:
                raise Refused(TOO_LARGE)
            if waited > settings.stream_grace and size < waited * settings.stream_rate:
                raise Refused(TOO_SLOW)
            complete = not message.get("more_body", False)
            return message

        return steady

    def _limited(self, receive: Receive) -> Receive:
        left, complete = self._settings.body_bytes, False
        ends = time.monotonic() + self._settings.body_seconds

        async def limited() -> Message:
            nonlocal left, complete
            if complete:  # what follows is the wait for the peer to go away, which may take long
                return await receive()
            try:
                async with asyncio.timeout(max(0.0, ends - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise Refused(TOO_SLOW) from None
            left -= len(message.get("body", b""))
            if left < 0:
                raise Refused(TOO_LARGE)
            complete = not message.get("more_body", False)
            return message

        return limited


class Deadline:
    """An answer begins in time or not at all. Its length is then the peer's and the send limit's affair.
    After a body that `streams`, time counts from the last of it that came."""

    def __init__(self, app: ASGIApp, settings: WebSettings, streams: Callable[[Scope], bool] = _none) -> None:
        self._app = app
        self._seconds = settings.answer_seconds
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False
        async with asyncio.timeout(self._seconds) as deadline:

            async def watched(message: Message) -> None:
                nonlocal begun
                if message["type"] == "http.response.start":
                    begun = True
                    deadline.reschedule(None)
                await send(message)

            async def extending() -> Message:
                deadline.reschedule(None)  # `Bodies` has limits of its own for the wait
                message = await receive()
                if not begun:
                    deadline.reschedule(asyncio.get_running_loop().time() + self._seconds)
                return message

            await self._app(scope, extending if self._streams(scope) else receive, watched)


def _known(method: str) -> str:
    """A method is the peer's word: only those we know are repeated."""
    return method if method in {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} else "other"
