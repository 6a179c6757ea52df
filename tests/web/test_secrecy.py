"""Planted names and secrets: where they must never turn up."""

import logging
import re

import structlog

from leadglass.access.principal import Role

PLANTED = {"name": "ZEPHYRINE", "patient_id": "PLANTED-4711", "accession": "ACC-PLANTED"}
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


def test_logs_and_addresses_hold_no_names_and_no_secrets(fresh, helpers, caplog):
    caplog.set_level(logging.DEBUG)
    fresh.people()
    fresh.take_in(
        helpers.made_up(PatientName="ZEPHYRINE^Q", PatientID="PLANTED-4711", AccessionNumber="ACC-PLANTED")
    )
    token = fresh.tokens[Role.RADIOLOGIST]
    addresses = []
    with structlog.testing.capture_logs() as lines:
        client = fresh.client(Role.RADIOLOGIST)
        client.event_hooks["request"].append(lambda request: addresses.append(str(request.url)))
        found = client.post("/studies", data=PLANTED, headers=SAME_ORIGIN)
        client.get(found.headers["location"])
        page = client.get("/studies/1")
        client.get("/instances/1/frames/1?center=1&width=nan")
        client.get("/ZEPHYRINE/PLANTED-4711")
        client.post("/sign-in", data={"name": "ZEPHYRINE", "password": "PLANTED-4711"}, headers=SAME_ORIGIN)
        bearer = {"authorization": f"Bearer {token}"}
        client.get("/dicom-web/studies?PatientName=ZEPHYRINE*&PatientID=PLANTED-4711&limit=x", headers=bearer)
        client.request("ZEPHYRINE", "/")
        session = client.cookies["leadglass"]
    said = repr(lines) + "".join(line.getMessage() for line in caplog.records if line.name != "httpx")
    assert len(lines) >= 8
    for secret in (*PLANTED.values(), token, session, helpers.PASSWORD, "Zephyrine"):
        assert secret not in said, secret
    ours = [address for address in addresses if "dicom-web" not in address and "/ZEPHYRINE" not in address]
    links = re.findall(r'(?:href|src|action|data-\w+)="([^"]*)"', page.text)
    for secret in PLANTED.values():
        assert not any(secret.lower() in text.lower() for text in ours + links)


def test_a_log_line_is_method_route_status_and_time(world, doctor):
    with structlog.testing.capture_logs() as lines:
        doctor.get("/studies/1")
    (line,) = [line for line in lines if line["event"] == "request"]
    assert set(line) == {"event", "log_level", "method", "route", "status", "ms"}
    assert (line["method"], line["route"], line["status"]) == ("GET", "study", 200)


def test_a_failure_of_ours_is_logged_by_its_kind_alone(world, monkeypatch):
    client = world.client(Role.RADIOLOGIST)

    def broken(*_, **__):
        raise KeyError("ZEPHYRINE")

    monkeypatch.setattr(type(world.services.search), "studies", broken)
    with structlog.testing.capture_logs() as lines:
        answer = client.get("/studies")
    assert answer.status_code == 500
    assert "ZEPHYRINE" not in answer.text + repr(lines)
    assert {
        "event": "failed",
        "route": "studies",
        "kind": "KeyError",
        "code": "",
        "log_level": "error",
    } in lines
    assert "Traceback" not in answer.text


def test_metrics_name_routes_and_nobody(world, doctor, stranger):
    doctor.get("/studies/1")
    bearer = {"authorization": f"Bearer {world.tokens[Role.SYSTEM_ADMINISTRATOR]}"}
    text = stranger.get("/metrics", headers=bearer).text
    assert 'leadglass_http_requests_total{route="study",status="200"}' in text
    assert "roth" not in text.lower()


def test_health_tells_a_stranger_nothing_but_that_it_lives(stranger):
    answer = stranger.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert stranger.head("/healthz").status_code == 200
