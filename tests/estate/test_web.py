"""The web servers of the zoo, visited with httpx and with a bare socket."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest
from estate import markers
from estate.http import FLOODS
from estate.kinds import WEB
from estate.starting import Playing

NOBODY = "1.2.826.0.1.3680043.10.1561.1.1"
ENOUGH = 1 << 20


def url(zoo: Playing, kind: str, path: str = "") -> str:
    address, port = zoo.port(kind)
    return f"http://{address}:{port['port']}{path}"


def get(zoo: Playing, kind: str, path: str, **how: Any) -> httpx.Response:
    return httpx.request(how.pop("method", "GET"), url(zoo, kind, path), timeout=20, **how)


ROOTS = {
    "qido-open": "/dicomweb",
    "qido-no-content": "/rs",
    "qido-cors-any": "/dicom-web",
    "qido-cors-reflected": "/dicom-web",
    "orthanc-rest": "/dicom-web",
    "dcm4chee": "/dcm4chee-arc/aets/DCM4CHEE/rs",
    "ohif": "/pacs/rs",
}


@pytest.mark.parametrize(("kind", "root"), ROOTS.items())
def test_who_asks_for_nothing_gets_nothing_and_who_asks_gets_people(
    zoo: Playing, kind: str, root: str
) -> None:
    assert "W01" in WEB[kind].checks
    nothing = get(zoo, kind, f"{root}/studies?limit=1&StudyInstanceUID={NOBODY}")
    assert (nothing.status_code, nothing.content) in [(200, b"[]"), (204, b"")]
    assert get(zoo, kind, f"{root}/no-such-thing").status_code == 404
    (one,) = get(zoo, kind, f"{root}/studies?limit=1").json()
    assert one["00100010"]["Value"][0]["Alphabetic"].startswith(markers.NAME)
    options = get(zoo, kind, f"{root}/studies", method="OPTIONS")
    assert ("POST" in options.headers.get("allow", "")) == ("W05" in WEB[kind].checks)


def test_what_answers_is_what_the_table_says() -> None:
    assert {name for name, kind in WEB.items() if "W01" in kind.checks} == ROOTS.keys()


def test_counts_where_there_are_counts(zoo: Playing) -> None:
    _, known = zoo.port("dcm4chee")
    assert get(zoo, "dcm4chee", f"{ROOTS['dcm4chee']}/studies/count").json() == {"count": known["studies"]}
    for port in [p for s in zoo.systems() for p in s["ports"] if p["kind"] == "orthanc-rest"]:
        assert port["levels"] == [4]
    address, known = zoo.port("orthanc-rest")
    found = httpx.get(f"http://{address}:{known['port']}/statistics").json()
    assert (found["CountStudies"], found["CountPatients"]) == (known["studies"], known["people"])
    assert get(zoo, "orthanc-rest", "/system").json()["DicomAet"] == "ORTHANC"


@pytest.mark.parametrize(
    "kind", sorted(name for name, kind in WEB.items() if kind.verdict == "web-protected")
)
def test_the_protected_ask_who_it_is(zoo: Playing, kind: str) -> None:
    for path in ("/", "/dicom-web/studies", "/system"):
        answer = get(zoo, kind, path)
        assert answer.status_code == 401 and answer.headers["www-authenticate"]
    default = get(zoo, kind, "/system", auth=("orthanc", "orthanc"))
    assert (default.status_code == 200) == ("W04" in WEB[kind].checks)


def test_who_may_read_it_from_elsewhere(zoo: Playing) -> None:
    origin = {"Origin": "https://evil.example"}
    shared = {
        kind: get(zoo, kind, "/dicom-web/studies", headers=origin).headers
        for kind in ("qido-cors-any", "qido-cors-reflected", "orthanc-rest")
    }
    assert shared["qido-cors-any"]["access-control-allow-origin"] == "*"
    assert shared["qido-cors-reflected"]["access-control-allow-origin"] == origin["Origin"]
    assert shared["qido-cors-reflected"]["access-control-allow-credentials"] == "true"
    assert "access-control-allow-origin" not in shared["orthanc-rest"]


@pytest.mark.parametrize(
    ("kind", "path", "says"),
    [
        ("ohif", "/", "OHIF Viewer"),
        ("ohif", "/app-config.js", "qidoRoot"),
        ("ohif-elsewhere", "/app-config.js", "http://192.0.2.17/dicom-web"),
        ("orthanc-rest", "/app/explorer.html", "Orthanc Explorer"),
        ("dcm4chee-ui-only", "/dcm4chee-arc/ui2/", "dcm4chee-arc-ui"),
        ("meddream", "/", "MedDream"),
        ("oviyam", "/oviyam2/", "Oviyam"),
        ("weasis", "/weasis-pacs-connector/", "weasis-pacs-connector"),
        ("conquest", "/cgi-bin/dgate", "Conquest DICOM server"),
        ("dicoogle", "/", "Dicoogle"),
        ("clearcanvas", "/ImageServer/", "ClearCanvas"),
        ("listing-apache", "/", "DICOMDIR"),
        ("listing-python", "/", "Directory listing for /"),
        ("plain-web", "/", "nginx"),
    ],
)
def test_a_product_is_known_by_its_page(zoo: Playing, kind: str, path: str, says: str) -> None:
    answer = get(zoo, kind, path)
    assert answer.status_code == 200 and says in answer.text


def test_two_that_would_fool_who_does_not_ask_twice(zoo: Playing) -> None:
    for kind, body in (("says-yes", "[]"), ("one-page", "Welcome")):
        for path in ("/dicom-web/studies", "/no-such-thing"):
            answer = get(zoo, kind, path)
            assert answer.status_code == 200 and body in answer.text


def test_redirects_lead_in_a_circle_and_out_of_the_house(zoo: Playing) -> None:
    with pytest.raises(httpx.TooManyRedirects):
        get(zoo, "redirect-loop", "/", follow_redirects=True)
    assert get(zoo, "redirect-away", "/").headers["location"] == "http://192.0.2.17/"


@pytest.mark.parametrize("kind", sorted(FLOODS))
def test_floods(zoo: Playing, kind: str) -> None:
    address, port = zoo.port(kind)
    got = bytearray()
    with socket.create_connection((address, port["port"]), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        most = {"web-gzip-bomb": 60_000, "web-slow": 1}.get(kind, ENOUGH)
        while len(got) < most:
            chunk = connection.recv(most - len(got))
            assert chunk, "it ended"
            got += chunk
    assert got.startswith(b"HTTP/1.1 200"[: len(got)])
