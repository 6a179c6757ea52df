"""One request as an endpoint sees it, and what all requests share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qsl

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from leadglass.access.principal import Context, Principal
from leadglass.archive.services import Services
from leadglass.errors import BrokenInvariant, Denied, NotFound, Violation
from leadglass.scan.estate import Estate
from leadglass.web.assets import Assets
from leadglass.web.metrics import Metrics
from leadglass.web.pages import Pages
from leadglass.web.problems import WRONG_TYPE, Refused
from leadglass.web.searches import Searches
from leadglass.web.settings import WebSettings

P = ParamSpec("P")
T = TypeVar("T")

_FIELDS = 128  # a user may belong to many departments
_FORM = "application/x-www-form-urlencoded"
_ID_DIGITS = 15  # keeps an id within 64 bits and away from Python's slow conversions


@dataclass(frozen=True, slots=True)
class Site:
    """Built once by `create_app`. `clock` gives ms since the epoch."""

    services: Services
    estate: Estate
    settings: WebSettings
    clock: Callable[[], int]
    assets: Assets
    pages: Pages
    searches: Searches
    metrics: Metrics
    workers: CapacityLimiter
    image_workers: CapacityLimiter
    delivery_workers: CapacityLimiter
    deliveries: CapacityLimiter  # places for those under way


Voucher = Callable[[int], Principal | None]  # who it is at that time, by what came with the request; blocks


def nobody(_: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may go on: `principal` is who asks, None only where a route is public."""

    request: Request
    site: Site
    context: Context
    principal: Principal | None = None
    session: str = field(default="", repr=False)  # the session token the browser sent, if any
    vouch: Voucher = field(default=nobody, repr=False)

    @property
    def services(self) -> Services:
        return self.site.services

    @property
    def who(self) -> Principal:
        if self.principal is None:
            raise BrokenInvariant("A public route asked for its principal.")
        return self.principal

    def who_still(self) -> Principal:
        """Who it is now: rights that were taken away since the request began are gone. Blocks.

        Denied when the session or the token is over."""
        found = self.vouch(self.site.clock())
        if found is None:
            raise Denied("The session or the token has ended.", code="ended")
        return found

    async def ask(self, question: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the archive in a thread: everything there blocks."""
        return await in_thread(self.site.workers, question, *args, **kwargs)

    async def form(self) -> Mapping[str, str]:
        """The fields of a urlencoded form; the last one of a name wins. Nothing is spooled to a file."""
        if self.request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
            raise Refused(WRONG_TYPE)
        try:
            text = (await self.request.body()).decode("utf-8")
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
        except ValueError:
            raise Violation("The form could not be read.", code="form") from None
        return dict(pairs)

    def number(self, name: str) -> int:
        """A path parameter that is a positive whole number. Anything else is simply not there."""
        text = self.request.path_params[name]
        if not (text.isascii() and text.isdigit()) or len(text) > _ID_DIGITS:
            raise NotFound("There is no such number.")
        return int(text)


Endpoint = Callable[[Call], Awaitable[Response]]


async def in_thread(
    limiter: CapacityLimiter, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run blocking work in one of `limiter`'s threads."""
    call: Callable[[], Any] = partial(work, *args, **kwargs)
    result: T = await to_thread.run_sync(call, limiter=limiter)
    return result
