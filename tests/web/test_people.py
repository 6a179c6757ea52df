"""Users and departments, looked after in the portal."""

import re

import pytest
import sqlalchemy as sa

from leadglass.access import schema, sessions, users
from leadglass.access.principal import Role, Via

from_password = re.compile(r'<code class="secret">([^<]+)</code>')


@pytest.fixture(scope="module")
def home(tmp_path_factory, helpers):
    """Of this file: passwords take their time. Each test looks after a user of its own."""
    with helpers.new_world(tmp_path_factory.mktemp("people")) as world:
        world.people()
        yield world


@pytest.fixture(scope="module")
def admin(home):
    return home.client(Role.SYSTEM_ADMINISTRATOR)


def send(client, path, **fields):
    return client.post(path, data=fields, headers={"sec-fetch-site": "same-origin"})


def number_of(home, helpers, name):
    listed = home.services.accounts.list_users(helpers.OPERATOR, home.context())
    return next(user.id for user in listed if user.name == name)


def actions(home):
    lines = home.services.trail.page(home.principal(Role.AUDITOR), home.context(Via.WEB), limit=20)
    return [line.action for line in lines]


def newcomer(home, helpers, name, role=Role.RADIOLOGIST):
    """Somebody new with dr.roth's password: their number, a browser with their session, and a token."""

    def unit(tx):
        known = tx.execute(sa.select(schema.users.c.password_hash).where(schema.users.c.name == "dr.roth"))
        new = users.NewUser(name, role, departments=frozenset({2}), password_hash=known.scalar_one())
        number = users.add_user(tx, new, home.clock())
        return number, sessions.open_session(tx, number, home.clock())

    number, session = home.services.db.write(unit).result()
    client = home.client()
    client.cookies.set("leadglass", session)
    token = home.services.accounts.create_token(helpers.OPERATOR, name, home.context())
    return number, client, {"authorization": f"Bearer {token}"}


def add(admin, name="dr.new", role="radiologist", **more):
    return send(admin, "/users", name=name, role=role, **more)


def test_a_user_is_added_with_a_password_that_is_shown_once_and_works(home, helpers, admin):
    answer = add(admin, display_name="Dr. Новая", department="Cardiology")
    password = from_password.search(answer.text)[1]
    assert answer.headers["cache-control"] == "no-store"
    assert password not in admin.get("/users").text
    assert "Dr. Новая" in admin.get("/users").text
    assert helpers.sign_in(home.client(), "dr.new", password).status_code == 303
    assert "user.add" in actions(home)
    again = add(admin)
    assert again.status_code == 400
    assert "There is a user of this name already." in again.text
    assert not from_password.search(again.text)


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"name": "Dr Roth!"}, "name", "A user name has 1 to 64"),
        ({"name": ""}, "name", "A user name has 1 to 64"),
        ({"role": "operator"}, "role", "Choose what the user may do."),
        ({"role": ""}, "role", "Choose what the user may do."),
        ({"display_name": "a\u202eb"}, "display_name", "none of them invisible"),
        ({"department": "Nowhere"}, "department", "Choose a department that is there."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_what_was_entered_stays(admin, fields, field, sentence):
    answer = add(admin, **{"name": "dr.wrong", "role": "radiologist", **fields})
    assert answer.status_code == 400
    assert sentence in answer.text
    refused = re.search(r'<div class="refused">.*?</div>', answer.text, re.DOTALL)[0]
    assert f'name="{field}"' in refused
    assert 'aria-invalid="true"' in refused
    assert 'value="dr.wrong"' in answer.text or "name" in fields


def test_role_name_and_departments_change_and_the_session_ends(home, helpers, admin):
    number, client, _ = newcomer(home, helpers, "tech.two", Role.TECHNOLOGIST)
    both = [home.departments["Radiology"], home.departments["Cardiology"]]
    wanted = {"display_name": "Tech Two", "role": "auditor", "department": both}
    answer = send(admin, f"/users/{number}", **wanted)
    assert answer.headers["location"] == f"/users/{number}?done=saved"
    page = admin.get(answer.headers["location"]).text
    assert "The changes are saved." in page
    assert page.count("checked") == 2
    assert client.get("/studies").status_code == 303
    assert actions(home)[:3] == ["user.departments", "user.role", "user.rename"]
    assert send(admin, f"/users/{number}", **wanted).status_code == 303
    assert actions(home).count("user.role") == 1


def test_no_department_is_one_that_is_not_there(home, helpers, admin):
    number = number_of(home, helpers, "tech")
    answer = send(admin, f"/users/{number}", display_name="tech", role="technologist", department=["77", "x"])
    assert answer.status_code == 400
    assert "There is no such department." in answer.text
    assert "technologist" in admin.get(f"/users/{number}").text.lower()


def test_a_new_password_ends_the_sessions_and_is_not_shown_again(home, helpers, admin):
    number, client, bearer = newcomer(home, helpers, "dr.forgets")
    answer = send(admin, f"/users/{number}/password", sure="1")
    password = from_password.search(answer.text)[1]
    assert client.get("/studies").status_code == 303
    assert client.get("/dicom-web/studies", headers=bearer).status_code in (200, 204)
    assert helpers.sign_in(home.client(), "dr.forgets", password).status_code == 303
    assert password not in admin.get(f"/users/{number}").text


def test_who_resets_their_own_password_sees_it_and_is_out(home, helpers):
    number, client, _ = newcomer(home, helpers, "admin.two", Role.SYSTEM_ADMINISTRATOR)
    answer = send(client, f"/users/{number}/password", sure="1")
    assert from_password.search(answer.text)
    assert client.get("/users").status_code == 303
    home.services.accounts.disable_user(helpers.OPERATOR, "admin.two", home.context())


def test_an_account_is_disabled_with_its_sessions_and_tokens_and_enabled_again(home, helpers, admin):
    number, client, bearer = newcomer(home, helpers, "dr.leaves")
    assert send(admin, f"/users/{number}/disable", sure="1").status_code == 303
    assert client.get("/studies").status_code == 303
    assert home.client().get("/dicom-web/studies", headers=bearer).status_code == 401
    assert "disabled" in admin.get(f"/users/{number}").text
    assert send(admin, f"/users/{number}/enable", sure="1").status_code == 303
    assert helpers.sign_in(home.client(), "dr.leaves").status_code == 303
    assert home.client().get("/dicom-web/studies", headers=bearer).status_code == 401
    assert {"user.disable", "user.enable"} <= set(actions(home))


def test_the_last_system_administrator_cannot_be_locked_out(home, helpers, admin):
    number = number_of(home, helpers, "sysadmin")
    disabled = send(admin, f"/users/{number}/disable", sure="1")
    assert disabled.status_code == 409
    assert "last system administrator" in disabled.text
    demoted = send(admin, f"/users/{number}", display_name="sysadmin", role="auditor", department=["1"])
    assert demoted.status_code == 400
    assert "last system administrator" in demoted.text
    second, client, _ = newcomer(home, helpers, "admin.three", Role.SYSTEM_ADMINISTRATOR)
    assert send(client, f"/users/{number}/disable", sure="1").status_code == 303
    assert send(client, f"/users/{second}/disable", sure="1").status_code == 409
    assert send(client, f"/users/{number}/enable", sure="1").status_code == 303
    assert helpers.sign_in(admin, "sysadmin").status_code == 303
    assert send(admin, f"/users/{second}/disable", sure="1").status_code == 303


def test_a_token_is_revoked_on_its_own_users_page_alone(home, helpers, admin):
    number, client, bearer = newcomer(home, helpers, "dr.token")
    page = admin.get(f"/users/{number}").text
    token = re.search(rf"/users/{number}/tokens/(\d+)/revoke", page)[1]
    assert bearer["authorization"].split()[1] not in page
    other = number_of(home, helpers, "tech")
    assert send(admin, f"/users/{other}/tokens/{token}/revoke", sure="1").status_code == 404
    assert client.get("/dicom-web/studies", headers=bearer).status_code in (200, 204)
    assert send(admin, f"/users/{number}/tokens/{token}/revoke", sure="1").status_code == 303
    assert client.get("/dicom-web/studies", headers=bearer).status_code == 401


def test_departments_are_added_and_renamed(home, admin):
    assert send(admin, "/departments", department="Neurology").status_code == 303
    assert "Neurology" in admin.get("/departments").text
    cardiology = home.departments["Cardiology"]
    assert send(admin, f"/departments/{cardiology}", department="Heart").status_code == 303
    page = admin.get("/departments").text
    assert "Heart" in page
    assert "Cardiology" not in page
    assert actions(home)[:2] == ["department.rename", "department.add"]


@pytest.mark.parametrize("path", ["/departments", "/departments/3"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [("RADIOLOGY", "of this name already"), ("", "1 to 64 characters"), ("a\u202eb", "cannot be seen")],
)
def test_a_department_needs_a_name_of_its_own(admin, path, name, sentence):
    answer = send(admin, path, department=name or " ")
    assert answer.status_code == 400
    assert sentence in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_the_default_department_keeps_its_name_and_one_that_is_absent_has_none(admin):
    assert "keeps its name" in send(admin, "/departments/1", department="Other").text
    assert send(admin, "/departments/99", department="Other").status_code == 404
    assert admin.get("/users/99").status_code == 404
    assert send(admin, "/users/99/disable", sure="1").status_code == 404


def test_nobody_else_sees_or_changes_users(signed_in, role):
    """The table of rights has each route; this is what is at stake."""
    if role is Role.SYSTEM_ADMINISTRATOR:
        return
    for path in ("/users", "/users/1", "/departments"):
        assert signed_in[role].get(path).status_code == 403
    assert add(signed_in[role]).status_code == 403
    assert send(signed_in[role], "/users/1/disable", sure="1").status_code == 403
