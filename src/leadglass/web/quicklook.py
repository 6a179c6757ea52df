"""The study page and its quick look: the list of a series' images, and one frame as JPEG.

Not for diagnosis: eight bits through one window.
"""

from __future__ import annotations

import math
from typing import Any

from starlette.responses import JSONResponse, Response

from leadglass.access.policy import Action, narrow
from leadglass.archive.render import Rendered
from leadglass.errors import NotFound, Violation
from leadglass.web.calls import Call, in_thread
from leadglass.web.deletion import may_delete
from leadglass.web.pages import age_at
from leadglass.web.portal import frame
from leadglass.web.streaming import Pump, Streamed

EDGES = (96, 192, 384, 768, 1024, 1536, 2048)  # pixels: few sizes, so that the browser's own store is of use
MAX_VALUE = 1e9
MAX_FRAME_DIGITS = 6


async def study(call: Call) -> Response:
    view = await call.ask(call.services.retrieve.view, call.who, call.number("study"), call.context)
    chosen = call.request.query_params.get("series", "")
    first = view.series[0] if view.series else None
    series = next((one for one in view.series if str(one.id) == chosen), first)
    return call.site.pages.render(
        "study.html",
        study=view.study,
        age=age_at(view.study.birth_date, view.study.study_date),
        all_series=view.series,
        series=series,
        lost=view.lost,
        may_download=not narrow(call.who, Action.STUDY_RETRIEVE, call.context).nothing,
        may_delete=may_delete(call, view.study.department_id),
        may_correct=not narrow(call.who, Action.IDENTITY_CORRECT, call.context).nothing,
        **frame(call),
    )


async def download(call: Call) -> Response:
    """The study as a zip with a DICOMDIR. Its name tells nothing of whose it is."""
    number = call.number("study")
    pieces = await call.ask(call.services.retrieve.zipped, call.who, number, call.context)
    headers = {"Content-Disposition": f'attachment; filename="study-{number}.zip"'}
    return Streamed(
        Pump(pieces, pieces),
        call.site.workers,
        media_type="application/zip",
        headers=headers,
        send_seconds=call.site.settings.send_seconds,
    )


async def images(call: Call) -> Response:
    """The images of a series in the order to look at them."""
    rows = await call.ask(
        call.services.retrieve.series_instances, call.who, call.number("series"), call.context
    )
    listed = [[row.id, row.frames, row.columns or 0, row.rows or 0] for row in rows]
    return JSONResponse({"images": listed})


async def image(call: Call) -> Response:
    """One frame, windowed on the server. Who has gone away meanwhile costs no rendering."""
    instance, number = call.number("instance"), _frame_number(call)
    window, edge = _window(call), _edge(call)
    async with call.site.image_workers:
        if await call.request.is_disconnected():
            return Response(status_code=499)
        rendered = await in_thread(
            call.site.workers,
            call.services.renderer.frame,
            call.who,
            instance,
            call.context,
            frame=number,
            window=window,
            edge=edge,
        )
    return Response(rendered.jpeg, media_type="image/jpeg", headers=_facts(rendered))


def _facts(rendered: Rendered) -> dict[str, str]:
    """What the viewer says beside the image."""
    facts: dict[str, Any] = {
        "Frames": rendered.frames,
        "Monochrome": int(rendered.monochrome),
        "Center": "" if rendered.center is None else f"{rendered.center:g}",
        "Width": "" if rendered.window_width is None else f"{rendered.window_width:g}",
    }
    return {f"Leadglass-{name}": str(value) for name, value in facts.items()}


def _frame_number(call: Call) -> int:
    text = call.request.path_params["frame"]
    if not (text.isascii() and text.isdigit()) or len(text) > MAX_FRAME_DIGITS or int(text) < 1:
        raise NotFound("There is no such frame.")
    return int(text)


def _window(call: Call) -> tuple[float, float] | None:
    """Center and width, both or none (PS3.3 C.11.2.1.2: a width is at least 1)."""
    given = [call.request.query_params.get(name) for name in ("center", "width")]
    if given == [None, None]:
        return None
    try:
        center, width = (float(value or "") for value in given)
    except ValueError:
        raise Violation("A window is two numbers, center and width.", code="window") from None
    if not (math.isfinite(center) and abs(center) <= MAX_VALUE and 1 <= width <= MAX_VALUE):
        raise Violation("A window's width is at least 1, its numbers are below a billion.", code="window")
    return center, width


def _edge(call: Call) -> int:
    """The longer edge in pixels, one of `EDGES`: the smallest that is no less than what is asked for."""
    text = call.request.query_params.get("edge", str(EDGES[-1]))
    if not (text.isascii() and text.isdigit()) or len(text) > 5:
        raise Violation("The edge is a number of pixels.", code="edge")
    return next((edge for edge in EDGES if edge >= int(text)), EDGES[-1])
