"""Images from the browser: a page to choose or drop them on, and the two addresses that its script talks to.

The script finds the files, opens zips and sends objects in batches, as STOW-RS does; what they were called
stays in the browser, because names of files are names of people. Without the script a form sends files as
they are, and its answer is a page. Here nothing is unpacked and nothing waits to be gone on with: whoever
chooses the same folder again is told what is here already (`archive.already`).
"""

from __future__ import annotations

from typing import Final

import orjson
from starlette.responses import JSONResponse, Response

from leadglass import errors
from leadglass.archive.already import MOST
from leadglass.archive.delivery import Received
from leadglass.archive.outcome import sentence
from leadglass.errors import LeadglassError, Violation
from leadglass.web import receiving
from leadglass.web.calls import Call
from leadglass.web.portal import frame
from leadglass.web.problems import WRONG_TYPE, Refused

SOURCE: Final = "upload"
DIGEST: Final = 32  # bytes of a SHA-256
LONGEST_UID: Final = 64  # PS3.5 9.1
_KINDS: Final = {  # how a line of the page without script reads
    "stored": "Stored",
    "duplicate": "Already here",
    "kept_aside": "Kept aside",
    "refused": "Refused",
    "unavailable": "Not kept",
}
# One sentence for all files with the same fault, which the page counts together.
_WHY: Final[tuple[tuple[type[LeadglassError], str], ...]] = (
    (errors.NotDicom, "It is not a DICOM file."),
    (errors.MalformedDataSet, "It is cut short or damaged: its data set does not add up."),
    (errors.LimitExceeded, "It is larger, or nested deeper, than is taken in."),
)


async def page(call: Call) -> Response:
    return await _page(call)


async def send(call: Call) -> Response:
    """The form of the page without script: files as a browser sends them (RFC 7578)."""
    media = receiving.content_type(call)
    if media.kind != "multipart/form-data":
        raise Refused(WRONG_TYPE)
    received = await _receive(call, media.parameter("boundary") or "", skip_empty=True)
    lines = [(number, _said(one)) for number, one in enumerate(received, 1)]
    return await _page(call, [(number, _KINDS[said["kind"]], said["sentence"]) for number, said in lines])


async def objects(call: Call) -> Response:
    """Objects from the script; what became of each, in their order."""
    media = receiving.content_type(call)
    if media.kind != "multipart/related":
        raise Refused(WRONG_TYPE)
    received = await _receive(call, media.parameter("boundary") or "")
    return JSONResponse({"objects": [_said(one) for one in received]})


async def already(call: Call) -> Response:
    """`{"objects": [[SOP Instance UID, SHA-256 of the data set in hexadecimal or ""], …]}` in, one of
    `archive.already.Here` for each out."""
    if receiving.content_type(call).kind != "application/json":
        raise Refused(WRONG_TYPE)
    asked = _asked(await call.request.body())
    department = await receiving.department(call)
    found = await call.ask(call.services.already.which, call.who, department, asked, call.context)
    return JSONResponse({"here": found})


def _asked(body: bytes) -> list[tuple[str, bytes]]:
    """Violation for anything else than such a list."""
    try:
        pairs = orjson.loads(body)["objects"]
        asked = [(uid, bytes.fromhex(digest)) for uid, digest in pairs]
    except (ValueError, TypeError, KeyError):
        raise Violation("The question could not be read.", code="question") from None
    fits = (
        isinstance(uid, str) and len(uid) <= LONGEST_UID and len(digest) in (0, DIGEST)
        for uid, digest in asked
    )
    if len(asked) > MOST or not all(fits):
        raise Violation("The question could not be read.", code="question")
    return asked


async def _receive(call: Call, boundary: str, *, skip_empty: bool = False) -> list[Received]:
    department = await receiving.department(call)
    delivery = call.services.deliveries.begin(
        receiving.Sender(call), department, SOURCE, lambda: receiving.now(call)
    )
    return await receiving.receive(call, delivery, boundary, skip_empty=skip_empty)


def _said(one: Received) -> dict[str, str]:
    """To whoever sent it: of what it contradicts no more than that it does."""
    if one.outcome is not None:
        clash = one.outcome.clash
        return {
            "kind": one.outcome.kind.value,
            "sentence": sentence(clash, whole=False) if clash is not None else "",
        }
    if isinstance(one.error, errors.Unavailable) and not isinstance(one.error, errors.AsideFull):
        return {"kind": "unavailable", "sentence": str(one.error)}
    why = next((said for kind, said in _WHY if isinstance(one.error, kind)), str(one.error))
    return {"kind": "refused", "sentence": why}


async def _page(call: Call, lines: list[tuple[int, str, str]] | None = None) -> Response:
    known = await call.ask(call.services.accounts.departments)
    own = [one.name for one in known if one.id in call.who.departments]
    asked = call.request.query_params.get("department", "").casefold()
    chosen = next((name for name in own if name.casefold() == asked), own[0] if own else "")
    settings = call.site.settings
    limits = {"members": settings.zip_members, "ratio": settings.zip_ratio}
    return call.site.pages.render(
        "upload.html", departments=own, chosen=chosen, lines=lines, limits=limits, **frame(call)
    )
