"""Health and metrics, for whatever watches over the server; and the static files."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from leadglass.errors import NotFound
from leadglass.web import metrics as exposition
from leadglass.web.assets import IMMUTABLE
from leadglass.web.calls import Call


async def health(call: Call) -> Response:
    """The process answers, and so does its database; nothing more to a stranger."""
    await call.ask(call.services.accounts.setup_open, call.context.now)
    return JSONResponse({"status": "ok"})


async def metrics(call: Call) -> Response:
    looked = await call.ask(call.services.listeners.last)
    outlook = await call.ask(call.services.upkeep.outlook, call.context.now)
    return Response(call.site.metrics.exposition(looked, outlook), media_type=exposition.CONTENT_TYPE)


async def static(call: Call) -> Response:
    asset = call.site.assets.at(call.request.url.path)
    if asset is None:
        raise NotFound("There is no such file.")
    return Response(asset.content, media_type=asset.kind, headers={"Cache-Control": IMMUTABLE})
