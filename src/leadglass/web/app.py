"""Puts the table of routes behind the middleware."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.routing import Route as Mounted
from starlette.types import Scope

from leadglass.archive.services import Services
from leadglass.errors import LeadglassError
from leadglass.scan.estate import Estate
from leadglass.web import middleware
from leadglass.web.assets import Assets
from leadglass.web.calls import Site
from leadglass.web.gate import DOOR, MANNERS, Gate, Route
from leadglass.web.metrics import Metrics
from leadglass.web.pages import Pages
from leadglass.web.problems import Problem, as_json, problem_for
from leadglass.web.routes import ROUTES
from leadglass.web.searches import Searches
from leadglass.web.settings import WebSettings


def create_app(
    services: Services, estate: Estate, settings: WebSettings, clock: Callable[[], int]
) -> Starlette:
    """The web service of one home, and of the register of surveys beside it. `clock`: ms, UTC."""
    assets = Assets()
    site = Site(
        services=services,
        estate=estate,
        settings=settings,
        clock=clock,
        assets=assets,
        pages=Pages(assets),
        searches=Searches(),
        metrics=Metrics(),
        workers=CapacityLimiter(settings.workers),
        image_workers=CapacityLimiter(settings.image_workers),
        delivery_workers=CapacityLimiter(settings.delivery_workers),
        deliveries=CapacityLimiter(settings.deliveries),
    )
    app = Starlette(
        routes=[_mounted(site, route) for route in ROUTES],
        middleware=_middleware(site),
        exception_handlers={HTTPException: _raised},
    )
    app.router.redirect_slashes = False
    return app


def _mounted(site: Site, route: Route) -> Mounted:
    mounted = Mounted(route.path, Gate(site, route), methods=list(route.methods), name=route.name)
    mounted.methods = set(route.methods)  # Starlette adds HEAD to GET; the table says what there is
    return mounted


def _middleware(site: Site) -> list[Middleware]:
    """Outermost first."""
    settings, streams = site.settings, _streams()
    observers = (_log_line, lambda _, route, status, seconds: site.metrics.finished(route, status, seconds))
    return [
        Middleware(middleware.RequestLog, started=site.metrics.started, observers=observers),
        Middleware(middleware.Headers, settings=settings),
        Middleware(middleware.Errors, explain=lambda *given: _explain(site, *given), report=_report),
        Middleware(middleware.Hosts, settings=settings),
        Middleware(middleware.Origins, settings=settings),
        Middleware(middleware.Bodies, settings=settings, streams=streams),
        Middleware(middleware.Deadline, settings=settings, streams=streams),
    ]


def _streams() -> Callable[[Scope], bool]:
    """Does the table say of this request that its body streams?"""
    routes = [Mounted(one.path, _raised, methods=list(one.methods)) for one in ROUTES if one.streams]
    return lambda scope: any(route.matches(scope)[0] is Match.FULL for route in routes)


async def _raised(_request: Request, failure: Exception) -> Response:
    """What the router refuses ends where every other failure does: in `Errors`."""
    raise failure


async def _explain(site: Site, request: Request, failure: Exception) -> Response:
    problem = problem_for(failure)
    if not _for_people(request):
        return as_json(problem)
    return _page(site, problem)


def _page(site: Site, problem: Problem) -> Response:
    headers = dict(problem.headers)
    return site.pages.render("problem.html", status=problem.status, headers=headers, problem=problem)


def _for_people(request: Request) -> bool:
    """As the route's door says; where no route was found, as the peer says."""
    door = request.scope.get(DOOR)
    if door is not None:
        return MANNERS[door].html
    return "text/html" in request.headers.get("accept", "")


def _log_line(method: str, route: str, status: int, seconds: float) -> None:
    structlog.get_logger("leadglass.web").info(
        "request", method=method, route=route, status=status, ms=round(seconds * 1000, 1)
    )


def _report(route: str, failure: Exception) -> None:
    """Only what is ours to mend: the kind of exception and its code. Never its text: it may quote a value."""
    if problem_for(failure).status >= 500:
        code = failure.code if isinstance(failure, LeadglassError) else ""
        structlog.get_logger("leadglass.web").error(
            "failed", route=route, kind=type(failure).__name__, code=code
        )
