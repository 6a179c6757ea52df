"""Every route against everybody: the table, asked from outside."""

from pathlib import Path

import pytest

from leadglass.access.policy import Action, narrow
from leadglass.access.principal import Context, Role, Via
from leadglass.web.gate import MANNERS, Door, Needs
from leadglass.web.routes import ROUTES, routes_markdown

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "http.md"
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
OWN = {
    "study": "1.2.3",
    "series": "1.2.3.1",
    "instance": "1.2.3.1.1.1",
    "frame": "1",
    "patient": "1",
    "user": "1",
    "token": "1",
    "department": "1",
    "aside": "2",
    "version": "2",
    "hash": "0",
    "name:path": "x",
}
FOREIGN = {**OWN, "study": "1.2.9", "series": "1.2.9.1", "instance": "1.2.9.1.1"}
ABSENT = {**OWN, "study": "1.2.77", "series": "1.2.77.1", "instance": "1.2.77.1.1"}
PUBLIC = {"sign-in-page", "sign-in", "set-up-page", "set-up", "health", "static"}

every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
guarded = pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.needs is not Needs.PUBLIC], ids=lambda route: route.name
)


def path_of(route, values):
    path = route.path
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    assert "{" not in path
    return path


def own_numbers(route, world, department="Radiology"):
    """Portal routes know studies, series and images by number, DICOMweb by UID."""
    if route.door is Door.DICOMWEB:
        return OWN if department == "Radiology" else FOREIGN
    if department == "Radiology":
        return {**OWN, "study": "1", "series": "1", "instance": "1"}
    return {**OWN, "study": "2", "series": "3", "instance": "5"}


def ask(client, route, values, **headers):
    method = route.methods[0]
    return client.request(method, path_of(route, values), headers={**SAME_ORIGIN, **headers})


def test_the_public_routes_are_these_and_no_others():
    assert {route.name for route in ROUTES if route.needs is Needs.PUBLIC} == PUBLIC


def test_names_are_unique_and_every_right_is_one_the_policy_knows():
    assert len({route.name for route in ROUTES}) == len(ROUTES)
    assert len({(route.path, method) for route in ROUTES for method in route.methods}) == sum(
        len(route.methods) for route in ROUTES
    )
    assert all(isinstance(route.needs, Needs | Action) for route in ROUTES)


@guarded
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": "leadglass=" + "A" * 43},
        {"authorization": "Bearer lg_" + "A" * 43},
        {"authorization": "Basic eDp5"},
        {"cookie": "leadglass=" + "x" * 100_0},
    ],
    ids=["nothing", "unknown-session", "unknown-token", "basic", "long"],
)
def test_a_stranger_gets_nothing(world, stranger, route, headers):
    answer = ask(stranger, route, own_numbers(route, world), **headers)
    if MANNERS[route.door].html:
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")
        assert answer.content == b""
    else:
        assert answer.status_code == 401
        assert answer.json()["code"] == "not-signed-in"
    assert "1.2.3" not in answer.text


@pytest.mark.parametrize(  # sign-out would end the session that the other tests use; test_auth signs out
    "route",
    [route for route in ROUTES if route.needs is not Needs.PUBLIC and route.name != "sign-out"],
    ids=lambda route: route.name,
)
def test_each_role_gets_what_the_policy_says(world, signed_in, stranger, role, route):
    if not MANNERS[route.door].session:
        client, headers = stranger, {"authorization": f"Bearer {world.tokens[role]}"}
    else:
        client, headers = signed_in[role], {}
    answer = ask(client, route, own_numbers(route, world), **headers)
    context = Context("", MANNERS[route.door].via, world.clock())
    may = (
        not isinstance(route.needs, Action) or not narrow(world.principal(role), route.needs, context).nothing
    )
    if may:
        assert answer.status_code in (200, 303, 415), answer.text
    else:
        assert answer.status_code == 403
        assert "ROTH" not in answer.text.upper()


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.needs in (Action.STUDY_VIEW, Action.STUDY_RETRIEVE)],
    ids=lambda route: route.name,
)
def test_foreign_and_absent_are_the_same_answer(world, doctor, cardiologist, route):
    absent = (
        {**ABSENT}
        if route.door is Door.DICOMWEB
        else {**OWN, "study": "77", "series": "77", "instance": "77"}
    )
    own = ask(doctor, route, own_numbers(route, world))
    foreign = ask(doctor, route, own_numbers(route, world, "Cardiology"))
    missing = ask(doctor, route, absent)
    colleague = ask(cardiologist, route, own_numbers(route, world, "Cardiology"))
    assert own.status_code == colleague.status_code == 200
    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content
    assert dict(foreign.headers) == dict(missing.headers)


@pytest.mark.parametrize("number", ["0", "-1", "1e3", "99999999999999999999", "1 ", "\u0661", "0x1", "1.0"])
def test_what_is_no_number_is_absent(doctor, number):
    missing = doctor.get("/studies/77")
    for path in (f"/studies/{number}", f"/series/{number}/images", f"/instances/{number}/frames/1"):
        assert doctor.get(path).status_code == 404, path
    assert doctor.get(f"/studies/{number}").content == missing.content


def test_a_search_shows_nothing_of_another_department(doctor, signed_in):
    assert doctor.get("/dicom-web/studies?PatientID=LG-9").status_code == 204
    assert doctor.get("/dicom-web/studies/1.2.9/series").status_code == 204
    assert "Foreign" not in doctor.get("/studies").text


def test_a_token_has_its_users_rights_and_no_page(world, stranger):
    bearer = {"authorization": f"Bearer {world.tokens[Role.RADIOLOGIST]}"}
    assert stranger.get("/dicom-web/studies", headers=bearer).status_code == 200
    assert stranger.get("/studies", headers=bearer).status_code == 303
    assert stranger.get("/series/1/images", headers=bearer).status_code == 401
    auditor = {"authorization": f"Bearer {world.tokens[Role.AUDITOR]}"}
    assert stranger.get("/dicom-web/studies", headers=auditor).status_code == 403


def test_a_bad_token_is_not_made_good_by_a_session(doctor):
    assert doctor.get("/dicom-web/studies", headers={"authorization": "Bearer lg_no"}).status_code == 401


def test_a_refusal_is_on_the_record(world, signed_in):
    signed_in[Role.AUDITOR].get("/studies")
    context = Context("", Via.WEB, world.clock())
    newest = world.services.trail.page(world.principal(Role.AUDITOR), context, action="study.search", limit=5)
    assert any(line.outcome == "denied" and line.actor_name == "auditor" for line in newest)


def test_the_documentation_has_this_table():
    assert routes_markdown() in REFERENCE.read_text(encoding="utf-8")


@every_route
def test_other_methods_are_refused(stranger, route):
    assert stranger.delete(path_of(route, OWN), headers=SAME_ORIGIN).status_code == 405
