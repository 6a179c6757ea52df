"""What a stranger asks of a web server, as far as a scope goes; and that no patient is an answer to it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping

import pytest
from web_server import Answer, response, says, serving

from leadglass.scan.findings import findings
from leadglass.scan.manner import Bounds, Manner, Option, Patience
from leadglass.scan.observation import Level, Observation, Outcome
from leadglass.scan.probe_web import ROOTS, probe_web

JSON = "Content-Type: application/dicom+json"
NOT_FOUND = response(b"no", status="404 Not Found")
PLANTED = b'[{"00100010":{"vr":"PN","Value":[{"Alphabetic":"PLANTED^PATIENT"}]}}]'


def manner(level: Level = Level.COUNTED, *options: Option) -> Manner:
    return Manner(
        "x",
        level,
        frozenset(options),
        patience=Patience(answer=2),
        bounds=Bounds(head=4096, body=4096),
        secret=bytes(32),
    )


def probed(answer: Answer, how: Manner | None = None) -> tuple[list[Observation], list[str]]:
    async def go() -> tuple[list[Observation], list[str]]:
        async with serving(answer) as served:
            return await probe_web("127.0.0.1", served.port, how or manner()), served.requests

    return asyncio.run(go())


def checks(seen: list[Observation]) -> set[str]:
    return {each.check for each in findings(seen, is_private=True)}


def test_an_open_dicomweb_server() -> None:
    seen, requests = probed(says({"/dicom-web/studies": response(b"[]", JSON, "Allow: GET, POST")}))
    assert {"W01", "W05"} <= checks(seen)
    queries = [request for request in requests if "/studies" in request and request.startswith("GET")]
    assert all("StudyInstanceUID=2.25." in query and "limit=1" in query for query in queries)


def test_a_server_that_ignores_the_key_is_open_and_its_record_is_nowhere() -> None:
    seen, _ = probed(says({"/dicom-web/studies": response(PLANTED, JSON)}))
    found = {each.check: each for each in findings(seen, is_private=True)}
    assert found["W01"].facts["key_ignored"] is True
    assert "PLANTED" not in repr(seen)


@pytest.mark.parametrize(
    "answer",
    [
        response(b"", status="401 Unauthorized"),
        response(b"", status="403 Forbidden"),
        response(b"<html>app</html>", "Content-Type: text/html"),
        response(b"{}", JSON),
        response(b"", status="302 Found"),
        response(b"", status="500 Internal Server Error"),
    ],
)
def test_whoever_answers_everything_alike_is_not_open(answer: bytes) -> None:
    seen, _ = probed(says({}, answer))
    assert "W01" not in checks(seen)


def test_a_list_for_every_path_proves_nothing() -> None:
    seen, _ = probed(says({}, response(b"[]", JSON)))
    assert "W01" not in checks(seen)


ORTHANC: Mapping[str, bytes] = {
    "/": response(b"<title>Orthanc Explorer</title>"),
    "/system": response(
        b'{"DicomAet":"ORTHANC","Version":"1.12.0","Name":"x"}', "Content-Type: application/json"
    ),
    "/statistics": response(
        b'{"CountPatients":1,"CountStudies":2,"CountSeries":3,"CountInstances":4}',
        "Content-Type: application/json",
    ),
}


def test_an_orthanc_is_counted_where_the_scope_says_so() -> None:
    seen, requests = probed(says(dict(ORTHANC)))
    assert "W03" in checks(seen)
    assert {"GET /system", "GET /statistics"} <= set(requests)
    seen, requests = probed(says(dict(ORTHANC)), manner(Level.ANSWERS))
    assert "W03" in checks(seen)
    assert "GET /statistics" not in requests
    assert not [request for request in requests if request.endswith(("/patients", "/studies", "/instances"))]


def test_the_published_default_is_tried_once_and_only_when_asked_for() -> None:
    async def locked(target: str, writer: asyncio.StreamWriter) -> None:
        writer.write(
            response(b"", 'WWW-Authenticate: Basic realm="Orthanc Secure Area"', status="401 Unauthorized")
        )

    _, requests = probed(locked)
    assert requests.count("GET /system") == 1
    seen, requests = probed(locked, manner(Level.COUNTED, Option.CREDENTIALS))
    assert requests.count("GET /system") == 2
    assert "W04" not in checks(seen)
    assert "b3J0aGFuYzpvcnRoYW5j" not in repr(seen)  # base64 of what was tried


def test_no_query_below_the_level_of_one() -> None:
    _, requests = probed(says({"/dicom-web/studies": response(b"[]", JSON)}), manner(Level.ASSOCIATES))
    assert not [request for request in requests if "/studies" in request]


def test_a_viewer_s_configuration_leads_to_its_own_host_only() -> None:
    config = b"window.config={qidoRoot:'/own/pacs',wadoRoot:'http://192.0.2.1/pacs'}"
    seen, requests = probed(
        says({"/app-config.js": response(config), "/own/pacs/studies": response(b"[]", JSON)})
    )
    assert {"W01", "W07"} <= checks(seen)
    assert any(request.startswith("GET /own/pacs/studies?") for request in requests)


def test_a_listing_of_images() -> None:
    seen, _ = probed(says({"/": response(b'<a href="MUELLER.dcm">')}))
    assert "W09" in checks(seen)
    assert "MUELLER" not in repr(seen)


def test_every_root_is_asked_once_one_request_at_a_time() -> None:
    most = 0

    async def go() -> list[str]:
        nonlocal most

        async def answer(_: str, writer: asyncio.StreamWriter) -> None:
            nonlocal most
            most = max(most, served.open)
            writer.write(NOT_FOUND)

        async with serving(answer) as served:
            await probe_web("127.0.0.1", served.port, manner())
            return served.requests

    requests = asyncio.run(go())
    assert most == 1
    for root in ROOTS:
        assert len([r for r in requests if r.startswith(f"GET {root}/studies?")]) == 1


def test_a_page_without_end_is_asked_for_once() -> None:
    seen, requests = probed(says({}, b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n" + bytes(9999)))
    assert requests == ["GET /"]
    assert (seen[0].outcome, seen[0].said["fault"]) == (Outcome.RESPONDED, "endless")


def test_an_encoding_that_nobody_asked_for_is_not_undone() -> None:
    packed = gzip.compress(b"<title>Orthanc Explorer</title>" + bytes(1 << 20))
    seen, requests = probed(says({}, response(packed, "Content-Encoding: gzip")))
    assert len(requests) > 20
    assert {each.said.get("fault") for each in seen} == {"encoding"}
    assert "marker" not in seen[0].said


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [(b"", Outcome.CLOSED), (b"SSH-2.0-x\r\n", Outcome.FOREIGN), (b"HTTP/1.1 x\r\n\r\n", Outcome.MISBEHAVES)],
)
def test_who_is_no_web_server_is_asked_once(parts: bytes, outcome: Outcome) -> None:
    seen, requests = probed(says({}, parts))
    assert [each.outcome for each in seen] == [outcome]
    assert len(requests) == 1
