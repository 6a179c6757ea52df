"""What stands before every endpoint: who is it, and may they.

The table of routes decides, here, before the endpoint runs; the archive decides again for the single
resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import partial
from types import MappingProxyType
from typing import Final, NoReturn
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from leadglass.access.policy import Action, narrow
from leadglass.access.principal import Context, Principal, Via
from leadglass.errors import Denied
from leadglass.web.calls import Call, Endpoint, Site, Voucher, in_thread, nobody
from leadglass.web.problems import NOT_SIGNED_IN, Problem, Refused
from leadglass.web.signing import bearer_token, session_token

DOOR = "leadglass.door"  # keys of the ASGI scope, for the middleware outside
ROUTE = "leadglass.route"
DICOMWEB: Final = "/dicom-web"  # below it, programs are at home


class Needs(StrEnum):
    """What a route needs when it needs no particular right."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"


class Door(Enum):
    """What a route takes for a proof of identity, and how it says no."""

    PAGES = "pages"  # session; people: HTML, and the way to the sign-in page
    DATA = "data"  # session; our own scripts and image elements
    DICOMWEB = "dicomweb"  # session or token; programs
    OPERATIONS = "operations"  # token; programs


@dataclass(frozen=True, slots=True)
class Manners:
    session: bool
    token: bool
    via: Via
    html: bool


MANNERS: Final[Mapping[Door, Manners]] = MappingProxyType(
    {
        Door.PAGES: Manners(session=True, token=False, via=Via.WEB, html=True),
        Door.DATA: Manners(session=True, token=False, via=Via.WEB, html=False),
        Door.DICOMWEB: Manners(session=True, token=True, via=Via.DICOMWEB, html=False),
        Door.OPERATIONS: Manners(session=False, token=True, via=Via.WEB, html=False),
    }
)

_CHALLENGE = Problem(
    NOT_SIGNED_IN.status, NOT_SIGNED_IN.code, NOT_SIGNED_IN.title, NOT_SIGNED_IN.sentence,
    (("WWW-Authenticate", 'Bearer realm="leadglass"'),),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table in `routes`. `needs` is a right of the policy unless anybody may."""

    path: str
    methods: tuple[str, ...]
    endpoint: Endpoint
    needs: Needs | Action
    door: Door
    name: str
    summary: str
    streams: bool = False  # its body goes into the archive as it comes, past the limits of small ones


class Gate:
    """The ASGI application of one route."""

    def __init__(self, site: Site, route: Route) -> None:
        self._site = site
        self._route = route
        self._manners = MANNERS[route.door]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[DOOR], scope[ROUTE] = self._route.door, self._route.name
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        address = request.client.host if request.client else ""
        via, site = self._manners.via, self._site
        context = Context(address, via, site.clock(), shut=site.services.listeners.is_shut(via))
        session = session_token(request, self._site.settings) if self._manners.session else ""
        if self._route.needs is Needs.PUBLIC:
            return await self._route.endpoint(Call(request, self._site, context, None, session))
        vouch = self._voucher(request, session)
        principal = await in_thread(site.workers, vouch, context.now)
        if principal is None:
            return self._to_sign_in(request)
        if isinstance(self._route.needs, Action) and narrow(principal, self._route.needs, context).nothing:
            await self._refuse(principal, self._route.needs, context)
        return await self._route.endpoint(Call(request, self._site, context, principal, session, vouch))

    def _voucher(self, request: Request, session: str) -> Voucher:
        """A token that is given counts, and its failure is final: no falling back to the session."""
        accounts = self._site.services.accounts
        token = bearer_token(request) if self._manners.token else None
        if token is not None:
            return partial(accounts.resolve_token, token)
        return partial(accounts.resolve_session, session) if session else nobody

    async def _refuse(self, principal: Principal, action: Action, context: Context) -> NoReturn:
        """Denied, and recorded with the policy's reason."""
        await in_thread(
            self._site.workers, self._site.services.doorkeeper.require, principal, action, context
        )
        raise Denied("The role has no such right.")

    def _to_sign_in(self, request: Request) -> Response:
        if not self._manners.html:
            raise Refused(_CHALLENGE if self._manners.token else NOT_SIGNED_IN)
        page = request.url.path if request.method == "GET" else "/"
        address = "/sign-in" if page == "/" else f"/sign-in?next={quote(page)}"
        if "hx-request" in request.headers:  # a redirect would put the sign-in page into the middle of a list
            return Response(status_code=401, headers={"HX-Redirect": address})
        return RedirectResponse(address, 303)
