"""STOW-RS (PS3.18 10.5): instances in, one after the other, and what became of each.

Binary instances only: metadata with bulk data apart is refused with 415.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson
from starlette.responses import Response

from leadglass import errors
from leadglass.archive.delivery import Received
from leadglass.dicom.dictionary import is_valid_uid
from leadglass.errors import LeadglassError, NotFound
from leadglass.web import accept, receiving
from leadglass.web.calls import Call
from leadglass.web.problems import NOT_ACCEPTABLE, NOT_INSTANCES, Refused
from leadglass.web.studies import DICOM, DICOM_JSON, JSON

SOURCE: Final = "STOW-RS"

# Failure Reason (0008,1197), PS3.18 Table I.2-2. The narrowest class that fits decides.
REASONS: Final[tuple[tuple[type[LeadglassError], int], ...]] = (
    (errors.Unavailable, 0xA700),  # refused: out of resources
    (errors.IllegalIdentity, 0xA900),  # the data set does not match
    (errors.Violation, 0xC000),  # cannot be understood
    (LeadglassError, 0x0110),  # processing failure
)


async def store(call: Call) -> Response:
    """POST /studies and /studies/{study}: 200 all of them, 202 some, 409 none (PS3.18 Table 10.5.3-1)."""
    if not accept.takes(accept.parse(call.request.headers.get("accept", "")), DICOM_JSON, JSON):
        raise Refused(NOT_ACCEPTABLE)
    media = receiving.content_type(call)
    if media.kind != "multipart/related" or (media.parameter("type") or "").lower() != DICOM:
        raise Refused(NOT_INSTANCES)
    study = call.request.path_params.get("study", "")
    if study and not is_valid_uid(study):
        raise NotFound("There is no such identifier.")
    delivery = call.services.deliveries.begin(
        receiving.Sender(call),
        await receiving.department(call),
        SOURCE,
        lambda: receiving.now(call),
        study=study,
        keep_unidentified=True,
    )
    received = await receiving.receive(call, delivery, media.parameter("boundary") or "")
    body = response_module(received, f"{call.site.settings.public_url}/dicom-web", study)
    headers = {"Retry-After": "60"} if (status := status_of(received)) == 503 else None
    return Response(orjson.dumps(body), status, headers, DICOM_JSON)


def status_of(received: list[Received]) -> int:
    kept = sum(one.is_kept for one in received)
    if kept == len(received):
        return 200
    if kept:
        return 202
    full = all(isinstance(one.error, errors.Unavailable) for one in received)
    return 503 if full else 409


def reason_of(received: Received) -> int:
    """Failure Reason of what is not among the images."""
    if received.outcome is not None:
        return received.outcome.status
    return next(reason for kind, reason in REASONS if isinstance(received.error, kind))


def response_module(received: Iterable[Received], root: str, study: str) -> dict[str, Any]:
    """Store Instances Response Module (PS3.18 I.2), as DICOM JSON."""
    kept, failed, nameless = [], [], []
    for one in received:
        if one.is_kept:
            kept.append(_named(one) | _element("00081190", "UR", f"{root}/{_path(one)}"))
        elif one.claims.sop_class_uid and one.claims.sop_instance_uid:
            failed.append(_named(one) | _element("00081197", "US", reason_of(one)))
        else:
            nameless.append(_element("00081197", "US", reason_of(one)))
    where = _element("00081190", "UR", f"{root}/studies/{study}") if study and kept else {}
    return where | {
        tag: {"vr": "SQ", "Value": items}
        for tag, items in (("00081198", failed), ("00081199", kept), ("0008119A", nameless))
        if items
    }


def _named(one: Received) -> dict[str, Any]:
    """Referenced SOP Class UID and Referenced SOP Instance UID."""
    claims = one.claims
    return _element("00081150", "UI", claims.sop_class_uid) | _element(
        "00081155", "UI", claims.sop_instance_uid
    )


def _path(one: Received) -> str:
    claims = one.claims
    return (
        f"studies/{claims.study_instance_uid}/series/{claims.series_instance_uid}"
        f"/instances/{claims.sop_instance_uid}"
    )


def _element(tag: str, vr: str, value: str | int) -> dict[str, Any]:
    return {tag: {"vr": vr, "Value": [value]}}
