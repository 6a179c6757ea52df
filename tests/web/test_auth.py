import pytest

from leadglass.access.principal import Role
from leadglass.web.auth import own_page

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


def cookie_of(answer):
    return answer.headers["set-cookie"]


def test_the_cookie_is_strict(world, helpers):
    client = world.client()
    answer = helpers.sign_in(client, "dr.roth")
    parts = {part.strip().lower() for part in cookie_of(answer).split(";")[1:]}
    assert answer.status_code == 303
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert not any(part.startswith(("domain", "expires", "max-age")) for part in parts)
    assert "secure" not in parts


def test_behind_https_the_cookie_is_secure_and_host_bound(world, helpers):
    url = "https://pacs.example.org"
    client = world.client(None, world.app(type(world.settings)(public_url=url)), url)
    answer = helpers.sign_in(client, "dr.roth")
    assert cookie_of(answer).startswith("__Host-leadglass=")
    assert "secure" in cookie_of(answer).lower()
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert client.get("/studies").status_code == 200


def test_wrong_unknown_and_empty_are_one_answer(world, helpers):
    client = world.client()
    texts = set()
    for name, password in (("tech", "wrong"), ("nobody-of-that-name", "wrong"), ("tech", "")):
        answer = helpers.sign_in(client, name, password)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        texts.add(answer.text.replace(name, "NAME"))
    assert len(texts) == 1


def test_a_session_fixed_before_the_sign_in_is_worth_nothing(world, helpers):
    planted = "A" * 43
    victim = world.client()
    victim.cookies.set("leadglass", planted)
    answer = helpers.sign_in(victim, "dr.roth")
    assert planted not in cookie_of(answer)
    attacker = world.client()
    assert attacker.get("/studies", headers={"cookie": f"leadglass={planted}"}).status_code == 303


def test_signing_in_again_ends_the_session_before(world, helpers):
    client = world.client()
    helpers.sign_in(client, "dr.roth")
    first = client.cookies["leadglass"]
    helpers.sign_in(client, "dr.roth")
    assert client.cookies["leadglass"] != first
    assert world.client().get("/studies", headers={"cookie": f"leadglass={first}"}).status_code == 303


def test_signing_out_is_effective_at_once(world, helpers):
    client = world.client(Role.RADIOLOGIST)
    token = client.cookies["leadglass"]
    assert client.get("/studies").status_code == 200
    answer = client.post("/sign-out", headers=SAME_ORIGIN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert 'leadglass=""' in cookie_of(answer)
    assert world.client().get("/studies", headers={"cookie": f"leadglass={token}"}).status_code == 303


def test_a_disabled_user_is_out_with_the_next_request(fresh, helpers):
    fresh.people()
    client = fresh.client(Role.RADIOLOGIST)
    bearer = {"authorization": f"Bearer {fresh.tokens[Role.RADIOLOGIST]}"}
    assert client.get("/studies").status_code == 200
    fresh.services.accounts.disable_user(helpers.OPERATOR, "dr.roth", fresh.context())
    assert client.get("/studies").status_code == 303
    assert fresh.client().get("/dicom-web/studies", headers=bearer).status_code == 401


def test_an_idle_session_ends(fresh):
    fresh.people()
    client = fresh.client(Role.RADIOLOGIST)
    assert client.get("/studies").status_code == 200
    fresh.clock.now += 31 * 60_000
    assert client.get("/studies").status_code == 303
    assert client.get("/series/1/images").status_code == 401


@pytest.mark.parametrize(
    ("asked_for", "leads_to"),
    [
        ("/studies/5", "/studies/5"),
        ("/record", "/record"),
        ("", "/"),
        ("//evil.example", "/"),
        ("https://evil.example/studies", "/"),
        ("/\\evil.example", "/"),
        ("/studies/5?x=1", "/"),
        ("/studies/5#x", "/"),
        ("/studies\r\nSet-Cookie: a=b", "/"),
        ("/studies/5\n", "/"),
        ("javascript:alert(1)", "/"),
        ("/sign-out", "/"),
        ("/dicom-web/studies", "/"),
    ],
)
def test_after_the_sign_in_one_stays_here(asked_for, leads_to):
    assert own_page(asked_for) == leads_to


def test_the_way_back_to_the_page_that_was_asked_for(world, helpers):
    client = world.client()
    location = client.get("/studies/1").headers["location"]
    assert location == "/sign-in?next=/studies/1"
    page = client.get(location)
    assert 'name="next" value="/studies/1"' in page.text
    answer = helpers.sign_in(client, "dr.roth", next="/studies/1")
    assert answer.headers["location"] == "/studies/1"
    assert client.get(location).headers["location"] == "/studies/1"


def test_htmx_is_sent_to_the_sign_in_page_as_a_whole(stranger):
    answer = stranger.post("/studies", data={}, headers={**SAME_ORIGIN, "hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in")


def set_up(client, code, again=None, password="lusab-babad-gutih-tugad-mohis"):
    data = {"code": code, "name": "first.admin", "password": password, "again": again or password}
    return client.post("/set-up", data=data, headers=SAME_ORIGIN)


def test_the_set_up_link_works_once(fresh, helpers):
    code = fresh.services.accounts.create_setup_link(helpers.OPERATOR, fresh.context())
    client = fresh.client()
    assert "set-up link" in client.get("/sign-in").text
    assert client.get("/set-up").status_code == 200
    assert set_up(client, code, again="another").status_code == 400
    assert set_up(client, code, password="short").status_code == 400
    assert set_up(client, "A" * 43).status_code == 403
    answer = set_up(client, code)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert client.get("/").headers["location"] == "/status"
    assert set_up(fresh.client(), code).status_code == 403
    assert fresh.client().get("/set-up").status_code == 404


def test_forms_are_read_as_forms_and_nothing_else(stranger):
    for content, kind, status in (
        (b"{}", "application/json", 415),
        (b"--x--", "multipart/form-data; boundary=x", 415),
        (b"name=%ff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=b" for _ in range(200)), "application/x-www-form-urlencoded", 400),
        (b"name=" + b"x" * 100_000, "application/x-www-form-urlencoded", 413),
    ):
        answer = stranger.post("/sign-in", content=content, headers={**SAME_ORIGIN, "content-type": kind})
        assert answer.status_code == status, kind
