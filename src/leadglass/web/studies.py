"""DICOMweb (PS3.18): QIDO-RS search (10.6) and WADO-RS retrieve of objects and metadata (10.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import orjson
from starlette.datastructures import QueryParams
from starlette.responses import Response

from leadglass.access.principal import Context, Principal
from leadglass.archive.qido import Attributes, to_dicom_json
from leadglass.archive.queries import MAX_LIMIT, Level, Query, query_from_pairs
from leadglass.archive.retrieve import StoredObject
from leadglass.archive.search import InstanceRow, Page, Search, SeriesRow, StudyRow
from leadglass.dicom.dictionary import is_valid_uid
from leadglass.errors import LimitExceeded, NotFound, Violation
from leadglass.web import accept, multipart
from leadglass.web.calls import Call
from leadglass.web.problems import NOT_ACCEPTABLE, Refused
from leadglass.web.streaming import Pump, Streamed

DICOM, DICOM_JSON, JSON = "application/dicom", "application/dicom+json", "application/json"
MAX_PARAMETERS = 64
MAX_QUERY = 8192  # characters

_LEVELS: Final = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID", "instance": "SOPInstanceUID"}
_NOT_KEYS = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept"})
_WARNING = '299 leadglass "{}"'
_NO_FUZZY = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
_MORE = (
    "The number of results exceeded the maximum supported by the server. Additional results can be requested."
)
_IGNORED = "Some attributes are not supported for matching and were ignored."


_SEARCHES: Final[Mapping[Level, Callable[[Search, Principal, Query, Context], Page[Any]]]] = {
    Level.STUDY: Search.studies,
    Level.SERIES: Search.series,
    Level.INSTANCE: Search.instances,
}


# --- search ----------------------------------------------------------------------------------------------


async def search_for_studies(call: Call) -> Response:
    return await _search(call, Level.STUDY)


async def search_for_series(call: Call) -> Response:
    return await _search(call, Level.SERIES)


async def search_for_instances(call: Call) -> Response:
    return await _search(call, Level.INSTANCE)


async def _search(call: Call, level: Level) -> Response:
    parameters = call.request.query_params
    if len(call.request.url.query) > MAX_QUERY or len(parameters.multi_items()) > MAX_PARAMETERS:
        raise LimitExceeded("The query has too many parameters.")
    if not accept.takes(_accepted(call), DICOM_JSON, JSON):
        raise Refused(NOT_ACCEPTABLE)
    asked = _whole_number(parameters, "limit", MAX_LIMIT)
    pairs = [(name, value) for name, value in parameters.multi_items() if name not in _NOT_KEYS]
    query, ignored = query_from_pairs(
        level,
        [*pairs, *((_LEVELS[name], uid) for name, uid in _uids(call).items())],
        limit=max(1, min(asked, MAX_LIMIT)),
        offset=_whole_number(parameters, "offset", 0),
    )
    page = await call.ask(_SEARCHES[level], call.services.search, call.who, query, call.context)
    warnings = {
        _NO_FUZZY: parameters.get("fuzzymatching", "").lower() == "true",
        _IGNORED: bool(ignored),
        _MORE: page.more and asked >= MAX_LIMIT,
    }
    results = [_result(call, row) for row in page.rows]
    return _found(results, [text for text, applies in warnings.items() if applies])


def _result(call: Call, row: StudyRow | SeriesRow | InstanceRow) -> Attributes:
    """A row's attributes with its Retrieve URL (0008,1190)."""
    series = row.series if isinstance(row, InstanceRow) else row if isinstance(row, SeriesRow) else None
    study = row if isinstance(row, StudyRow) else (series or row).study  # type: ignore[union-attr]
    address = f"{call.site.settings.public_url}/dicom-web/studies/{study.study_instance_uid}"
    if series is not None:
        address += f"/series/{series.series_instance_uid}"
    if isinstance(row, InstanceRow):
        address += f"/instances/{row.sop_instance_uid}"
    return to_dicom_json(row) | {"00081190": {"vr": "UR", "Value": [address]}}


def _found(results: list[Attributes], warnings: list[str]) -> Response:
    """200 with results, 204 without (PS3.18 Table 8.3.4.1 and 10.6.3)."""
    if results:
        response = Response(orjson.dumps(results), media_type=DICOM_JSON)
    else:
        response = Response(status_code=204)
    for text in warnings:
        response.headers.append("Warning", _WARNING.format(text))
    return response


def _whole_number(parameters: QueryParams, name: str, otherwise: int) -> int:
    text = parameters.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise Violation(f"The parameter {name} is a whole number.", code=name)
    return int(text)


# --- retrieve --------------------------------------------------------------------------------------------


async def retrieve(call: Call) -> Response:
    """Objects as they were stored, one after the other; a single one also as plain application/dicom. Of a
    corrected study with the identity that it shows; with `received=true` as they came, for those who may."""
    uids = _uids(call)
    form = _object_form(_accepted(call), single="instance" in uids)
    as_received = call.request.query_params.get("received", "").lower() == "true"
    ways = call.services.retrieve
    taken = ways.received if as_received else ways.objects
    objects = await call.ask(taken, call.who, call.context, **_arguments(uids))
    first = await call.ask(next, objects, None)
    if first is None:
        raise NotFound("There is nothing to retrieve.")
    if form.syntaxes is not None and first.row.transfer_syntax_uid not in form.syntaxes:
        await call.ask(Pump(iter(()), objects).close)
        raise Refused(NOT_ACCEPTABLE)
    everything = chain((first,), objects)
    if form.alone:
        pieces = (chunk for one in everything for chunk in one.chunks)
        return _streamed(call, Pump(pieces, objects), _part_type(first), {"Content-Length": str(first.size)})
    boundary = multipart.new_boundary()
    parts = (multipart.Part(_part_type(one), one.chunks, one.size) for one in everything)
    pump = Pump(multipart.write(parts, boundary), objects)
    return _streamed(call, pump, multipart.content_type(boundary, DICOM))


async def metadata(call: Call) -> Response:
    """All attributes but bulk data of every instance, as one JSON array that is written while it is read."""
    if not accept.takes(_accepted(call), DICOM_JSON, JSON):
        raise Refused(NOT_ACCEPTABLE)
    each = await call.ask(call.services.retrieve.metadata, call.who, call.context, **_arguments(_uids(call)))
    return _streamed(call, Pump(_array(each), each), DICOM_JSON)


def _arguments(uids: dict[str, str]) -> dict[str, str]:
    return {f"{name}_uid": uid for name, uid in uids.items()}


def _uids(call: Call) -> dict[str, str]:
    """The UIDs of the path. One the Standard forbids (PS3.5 9.1) cannot exist here."""
    found = {name: call.request.path_params[name] for name in _LEVELS if name in call.request.path_params}
    if not all(is_valid_uid(uid) for uid in found.values()):
        raise NotFound("There is no such identifier.")
    return found


def _accepted(call: Call) -> tuple[accept.MediaRange, ...]:
    """The query parameter goes before the header (PS3.18 8.3.3.1)."""
    given = call.request.query_params.get("accept")
    return accept.parse(call.request.headers.get("accept", "") if given is None else given)


@dataclass(frozen=True, slots=True)
class _Form:
    """How objects leave: alone or in a multipart, and in which transfer syntaxes (None: as stored)."""

    alone: bool
    syntaxes: frozenset[str] | None


_MULTIPART = frozenset({"*/*", "multipart/*", "multipart/related"})
_OBJECTS = frozenset({DICOM, "application/*", "*/*", None})


def _object_form(ranges: tuple[accept.MediaRange, ...], *, single: bool) -> _Form:
    """The best form the peer takes and we have. Nothing is transcoded: `*`, and no word, mean as stored; a
    named transfer syntax can be promised for one instance alone (PS3.18 8.7.3.5.2)."""
    for media in ranges:
        alone = media.kind not in _MULTIPART
        kind = media.kind if alone else media.parameter("type")
        named = frozenset(value for name, value in media.parameters if name == "transfer-syntax") - {"*"}
        if kind in _OBJECTS and (single or not (alone or named)):
            return _Form(alone, named or None)
    raise Refused(NOT_ACCEPTABLE)


def _part_type(stored: StoredObject) -> str:
    return f"{DICOM}; transfer-syntax={stored.row.transfer_syntax_uid}"


def _array(items: Iterator[bytes]) -> Iterator[bytes]:
    separator = b"["
    for item in items:
        yield separator + item
        separator = b","
    yield b"[]" if separator == b"[" else b"]"


def _streamed(call: Call, pump: Pump, media_type: str, headers: dict[str, str] | None = None) -> Response:
    seconds = call.site.settings.send_seconds
    return Streamed(pump, call.site.workers, media_type=media_type, headers=headers, send_seconds=seconds)
