"""The web listener was found to answer strangers: nobody is shown a patient by it until it is found mended."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from leadglass.access.policy import SHOWS_PATIENTS, narrow
from leadglass.access.principal import Context, Role
from leadglass.archive.listeners import Look, Met
from leadglass.record import reader
from leadglass.web.gate import MANNERS, Door
from leadglass.web.routes import ROUTES

AT = 1_800_000_000_000
WHERE = {"{study}": "1.2.3", "{series}": "1.2.3.1", "{instance}": "1.2.3.1.1.1", "{frame}": "1"}


@pytest.fixture
def shut(world):
    note = world.services.listeners.note
    note([Look("http", "127.0.0.1:8080", AT, Met.ANSWERS, "answers", "W01")])
    yield world
    note([Look("http", "127.0.0.1:8080", AT + 1, Met.REFUSAL, "web-shut")])


def asked(client, world, route, role):
    path = route.path
    for name, value in WHERE.items():
        path = path.replace(name, value if route.door is Door.DICOMWEB else "1")
    bearer = {"authorization": f"Bearer {world.tokens[role]}"} if MANNERS[route.door].token else {}
    form = {"data": {}} if route.methods[0] == "POST" else {}
    return client.request(route.methods[0], path, headers={"sec-fetch-site": "same-origin", **bearer}, **form)


@pytest.mark.parametrize(
    "route", [each for each in ROUTES if each.needs in SHOWS_PATIENTS], ids=lambda route: route.name
)
def test_what_shows_a_patient_is_refused_to_who_may_and_opens_again(world, signed_in, route):
    context = Context("", MANNERS[route.door].via, world.clock())
    role = next(r for r in signed_in if not narrow(world.principal(r), route.needs, context).nothing)
    client, note = signed_in[role], world.services.listeners.note
    assert asked(client, world, route, role).status_code < 500
    note([Look("http", "127.0.0.1:8080", AT, Met.ANSWERS, "answers")])
    try:
        answer = asked(client, world, route, role)
    finally:
        note([Look("http", "127.0.0.1:8080", AT + 1, Met.REFUSAL, "web-shut")])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "600")
    assert "roth" not in answer.text.lower()
    assert ("looked at itself" if MANNERS[route.door].html else '"code":"listener-shut"') in answer.text
    assert asked(client, world, route, role).status_code < 500
    with world.services.db.read() as connection:
        newest = [each.entry for each in reader.entries(connection, action=route.needs, limit=20)]
    assert ("denied", "listener-shut") in {(each.outcome, each.reason) for each in newest}


def test_everybody_still_signs_in_and_is_told(shut, helpers):
    doctor = shut.client(Role.RADIOLOGIST)
    page = doctor.get("/")
    assert page.status_code == 503
    assert "No images by this door" in page.text
    admin = shut.client(Role.PACS_ADMINISTRATOR)
    assert admin.get("/").headers["location"] == "/exposure"


@pytest.mark.parametrize(
    ("role", "path"), [(Role.SYSTEM_ADMINISTRATOR, "/status"), (Role.PACS_ADMINISTRATOR, "/exposure")]
)
def test_the_pages_of_who_mends_it_say_so_and_what_it_was(world, signed_in, role, path):
    client, note = signed_in[role], world.services.listeners.note
    assert "alert" not in client.get(path).text
    note([
        Look("http", "127.0.0.1:8080", AT, Met.ANSWERS, "answers", "W01 W10"),
        Look("dimse", "[::1]:2762", AT, Met.NOTHING, "mute"),
        Look("receive", "127.0.0.1:104", AT, Met.REFUSAL, "refuses-strangers"),
    ])  # fmt: skip
    page = client.get(path).text
    note([Look("http", "127.0.0.1:8080", AT + 1, Met.REFUSAL, "web-shut")])
    assert 'role="alert"><b>Web listener answers strangers.</b>' in page
    for said in (
        "W01 W10",
        "2027-01-15 08:00",
        "could not be judged (mute)",
        "[::1]:2762",
        "Receive-only DICOM",
    ):
        assert said in page
    assert "refuses strangers" in page


def test_figures_tell_it(shut, stranger):
    def figures():
        bearer = {"authorization": f"Bearer {shut.tokens[Role.SYSTEM_ADMINISTRATOR]}"}
        families = text_string_to_metric_families(stranger.get("/metrics", headers=bearer).text)
        samples = [sample for family in families for sample in family.samples]
        return {s.name: s.value for s in samples if s.labels.get("listener") == "http"}

    name, when = "leadglass_listener_shut", "leadglass_listener_looked_timestamp_seconds"
    assert figures() == {name: 1, when: AT / 1000}
    shut.services.listeners.note([Look("http", "127.0.0.1:8080", AT + 5000, Met.REFUSAL, "web-shut")])
    assert figures() == {name: 0, when: AT / 1000 + 5}


def test_another_listener_s_alarm_shuts_nothing_here(world, doctor):
    note = world.services.listeners.note
    note([Look("dimse", "127.0.0.1:2762", AT, Met.ANSWERS, "answers")])
    try:
        assert doctor.get("/studies").status_code == 200
    finally:
        note([Look("dimse", "127.0.0.1:2762", AT, Met.REFUSAL, "hangs-up")])
