"""What is read off answers, and how little of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.scan import pages
from leadglass.scan.http import Reply

SECRET = bytes(16)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=4), each, max_size=3),
    max_leaves=8,
)


def reply(body: bytes = b"", status: int = 200, *, whole: bool = True, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, body, whole, 1, 2)


@given(st.lists(JSON), st.booleans())
def test_members_are_counted_as_json_counts_them(found: list[object], ascii_only: bool) -> None:
    assert pages.members(json.dumps(found, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")) == len(
        found
    )


@given(st.binary(max_size=200))
def test_anything_may_come(body: bytes) -> None:
    pages.members(body)
    pages.members(b"[" + body + b"]")
    for read in (pages.system, pages.statistics, pages.study_count, pages.config, pages.listed):
        read(reply(body))
    pages.page(reply(body), SECRET)
    pages.roots(reply(body))


@pytest.mark.parametrize(
    "body", [b"{}", b"", b"[", b"[1]]", b"[[1]", b"[1],[2]", b"<html>", b'"[1]"', b'["a]']
)
def test_what_is_no_array(body: bytes) -> None:
    assert pages.members(body) is None


def test_a_body_made_to_be_looked_at_for_ever_is_not() -> None:
    """Were it quadratic, this would be two thousand million steps."""
    assert pages.members(b"[" + b'\\"' * 32_001 + b"]") is None
    assert pages.members(b"[" + b'"\\' * 32_000 + b"]") is None


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, {"allow_origin": "none", "realm": "none"}),
        ({"access_control_allow_origin": "*"}, {"allow_origin": "any"}),
        ({"access_control_allow_origin": pages.ORIGIN, "access_control_allow_credentials": "true"},
         {"allow_origin": "reflected", "allow_credentials": True}),
        ({"access_control_allow_origin": "https://viewer.example"}, {"allow_origin": "other"}),
        ({"www_authenticate": 'Basic realm="Orthanc Secure Area"'}, {"realm": "basic"}),
        ({"www_authenticate": "Negotiate"}, {"realm": "other"}),
        ({"server": "Apache/2.4\x1b[2J"}, {"server": "Apache/2.4?[2J"}),
        ({"content_type": "Application/DICOM+json; charset=utf-8"}, {"type": "application/dicom+json"}),
        ({"content_type": "x" * 200}, {}),
    ],
)  # fmt: skip
def test_heads(headers: dict[str, str], told: dict[str, object]) -> None:
    found = pages.common(reply(**headers))
    assert {name: found[name] for name in told} == told
    assert "type" in found or "content_type" not in headers or len(headers["content_type"]) > 64


@pytest.mark.parametrize(
    ("body", "marker"),
    [
        (b"<title>OHIF</title>", "ohif"), (b"... dcm4chee-arc ...", "dcm4chee"), (b"<TITLE>Orthanc Explorer</TITLE>", "orthanc"),
        (b"<title>Dicoogle</title>", "dicoogle"), (b"Conquest DICOM server", "conquest"), (b"hello", None),
        (b"MedDream DICOM Viewer", "meddream"), (b"ClearCanvas", "clearcanvas"), (b"<title>oviyam</title>", "oviyam"),
    ],
)  # fmt: skip
def test_products_by_their_pages(body: bytes, marker: str | None) -> None:
    assert pages.page(reply(body), SECRET).get("marker") == marker


def test_links_to_images_are_counted_and_their_names_hashed() -> None:
    body = b'<a href="MUELLER^ANNA.dcm">x</a> <A HREF=DICOMDIR> <a href="a.html"> <a href=\'x/IM1.DCM?v=1\'>'
    told = pages.page(reply(body), SECRET)
    assert told["links"] == 3
    assert "MUELLER" not in repr(told)
    assert told["digests"] != pages.page(reply(body), bytes([1]) * 16)["digests"]


def test_an_orthanc() -> None:
    system = b'{"DicomAet":"ORTHANC","Name":"n","Version":"1.12.0"}'
    assert pages.system(reply(system)) == {"marker": "orthanc", "version": "1.12.0"}
    assert pages.system(reply(system, 401)) == pages.system(reply(b"[]")) == pages.system(reply(b"{}")) == {}
    numbers = b'{"CountPatients":1,"CountStudies":2,"CountSeries":3,"CountInstances":4,"TotalDiskSize":"9"}'
    assert pages.statistics(reply(numbers)) == {"counts": (1, 2, 3, 4)}
    assert pages.statistics(reply(numbers.replace(b"4", b"-4"))) == {}
    assert pages.statistics(reply(numbers.replace(b"4", b"true"))) == {}


def test_roots_on_its_own_host_only() -> None:
    body = b"window.config={dataSources:[{qidoRoot:'/pacs/dicom-web/',wadoRoot: \"https://other/dicom\"}]}"
    assert pages.roots(reply(body)) == ["/pacs/dicom-web"]
    assert pages.config(reply(body)) == {"marker": "ohif"}


def test_what_may_be_done() -> None:
    assert pages.methods(reply(allow="GET, POST, BREW")) == {"methods": ("get", "post")}
    assert pages.methods(reply()) == {}


def test_a_number_of_studies() -> None:
    assert pages.study_count(reply(b'{"count":7}')) == {"count": 7}
    assert pages.study_count(reply(b'{"count":"7"}')) == pages.study_count(reply(b'{"count":1e999}')) == {}
    assert pages.listed(reply(b"[{},{}]")) == {"count": 2}
    assert pages.listed(reply(b"[{},{}]", whole=False)) == {}


@pytest.mark.parametrize("kind", ["-/x", "./x", "+a/x", "/x", "x/", "x", "a" * 64 + "/x", "a/\x1b"])
def test_a_type_that_no_observation_has_room_for_is_not_kept(kind: str) -> None:
    assert "type" not in pages.common(reply(content_type=kind))
