"""The page of what strangers get: who sees it, what it says, and a second look at one port."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
import reported
from observed import dcmqrscp_open
from standing import standing
from strangers import Host

from leadglass.access.passwords import Cost
from leadglass.access.principal import Role, Via
from leadglass.scan.casebook import Warned, Way
from leadglass.scan.register import Kind

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
HERE = "127.0.0.1"
WAIT = 30


@pytest.fixture
def staffed(helpers: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A world of its own, in which hashing a password costs nothing."""
    monkeypatch.setattr("leadglass.compose.HASH_COST", Cost(memory=8, passes=1, lanes=1))
    (tmp_path / "world").mkdir()
    with helpers.new_world(tmp_path / "world") as made:
        made.people()
        yield made


@pytest.fixture
def surveyed(staffed: Any, tmp_path: Any) -> Any:
    """A world whose register has a survey of an hour ago."""
    with staffed.register() as register:
        reported.fill(register, tmp_path, staffed.clock() - 3_600_000)
    return staffed


def text_of(answer: Any) -> str:
    """What a person reads of a page."""
    assert answer.status_code == 200
    body = answer.text.partition("<main")[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def again(client: Any, address: str, port: int | str) -> str:
    """Where asking again leads to."""
    answer = client.post("/exposure/again", data={"address": address, "port": str(port)}, headers=SAME_ORIGIN)
    assert answer.status_code == 303
    return str(answer.headers["location"])


def test_nothing_was_surveyed(staffed: Any) -> None:
    """Looking at it makes no register."""
    client = staffed.client(Role.PACS_ADMINISTRATOR)
    assert "Nothing was surveyed yet" in text_of(client.get("/exposure"))
    assert not (staffed.root / "register.db").exists()
    with staffed.register():
        pass
    assert "Nothing was surveyed yet" in text_of(client.get("/exposure"))


def test_it_shows_the_estate(surveyed: Any) -> None:
    page = text_of(surveyed.client(Role.PACS_ADMINISTRATOR).get("/exposure"))
    for shown in (
        "Grade of the network F",
        "Hosts that answer strangers 5",
        "Studies that stand open 1,301",
        "People they are of ≥ 421",
        "10.1.0.7:104 Radiologie am Markt DCMTK F ANSWERS STRANGERS 1,234 studies, 421 people",
        "[2001:db8::7]:104",
        "calls itself <i>ARCHIVE</i>",
        "10.1.0.8:104 St. Example Hospital A REFUSES STRANGERS calling AE title not recognised",
        "praxis@markt.example due ",
        "10 findings The archive's studies can be listed Strangers may query the archive",
        "perhaps a honeypot 10.1.0.11:104",
        "one archive behind several doors",
        "Nobody yet. leadglass scan warn",
        "seen from outside-1",
    ):
        assert shown in page, shown
    assert page.index("10.1.0.7:104") < page.index("10.1.0.10:80") < page.index("10.1.0.8:104")
    assert "overdue since" not in page


def test_what_others_call_themselves_stays_text(surveyed: Any) -> None:
    """Owners' names are the operator's, products' names their own: both may be anything."""
    source = surveyed.client(Role.PACS_ADMINISTRATOR).get("/exposure").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert "&lt;i&gt;ARCHIVE&lt;/i&gt;" in source
    for evil in ("<script>alert", "<img src=x", "<i>ARCHIVE", '</style>"', "onmouseover=alert"):
        assert evil not in source


def test_who_was_told_and_what_is_overdue(surveyed: Any) -> None:
    with surveyed.register() as register:
        survey = register.survey()
        told = Warned(survey.id, surveyed.clock(), "Clinic", "", Way.PHONE, "root", ("10.1.0.7",))
        register.casebook.warn(told)
    surveyed.clock.now += 90 * reported.DAY
    page = text_of(surveyed.client(Role.PACS_ADMINISTRATOR).get("/exposure"))
    assert "Clinic not known phone root" in page
    assert "overdue since" in page
    assert re.search(r"Overdue [1-9]", page)


def test_a_file_of_owners_that_is_gone_is_said(surveyed: Any, tmp_path: Any) -> None:
    client = surveyed.client(Role.PACS_ADMINISTRATOR)
    said = "A file that says whose the hosts are could not be read."
    before = text_of(client.get("/exposure"))
    assert ("Radiologie am Markt" in before, said in before) == (True, False)
    (tmp_path / "owners.csv").unlink()
    after = text_of(client.get("/exposure"))
    assert ("Radiologie am Markt" in after, said in after, "10.1.0.7:104" in after) == (False, True, True)


def test_only_the_pacs_administrator_sees_it(surveyed: Any) -> None:
    for role in set(Role) - {Role.PACS_ADMINISTRATOR}:
        if role in surveyed.tokens:
            client = surveyed.client(role)
            assert client.get("/exposure").status_code == 403
            denied = client.post("/exposure/again", data={"address": HERE, "port": "1"}, headers=SAME_ORIGIN)
            assert denied.status_code == 403
            assert "10.1.0" not in client.get("/exposure").text


# --- a second look -------------------------------------------------------------------------------------------


@pytest.fixture
def open_once(staffed: Any, tmp_path: Any) -> Iterator[tuple[Any, Host, int]]:
    """A port that the survey found open, and that refuses strangers by now."""
    host = Host(calling=())
    with standing(host) as port:
        with staffed.register() as register:
            seen = dcmqrscp_open(60, address=HERE, port=port)
            reported.fill(
                register, tmp_path, staffed.clock() - 3_600_000, [(HERE, seen)], doors=[(HERE, (port,))]
            )
        yield staffed, host, port


def test_a_port_is_asked_again_and_its_cases_close(open_once: Any) -> None:
    world, host, port = open_once
    client = world.client(Role.PACS_ADMINISTRATOR)
    before = text_of(client.get("/exposure"))
    assert "asked again" not in before
    assert host.titles == []
    assert again(client, HERE, port) == "/exposure?again=done"
    assert host.titles
    page = text_of(client.get("/exposure?again=done"))
    assert "The port was asked again: see what it says now." in page
    assert "asked again: refuses strangers" in page
    assert "Open cases 0" in page
    with world.register() as register:
        assert register.surveys(1)[0].kind is Kind.RETEST
        assert register.survey().kind is Kind.SURVEY


def test_looking_and_asking_are_on_the_record(open_once: Any) -> None:
    world, _, port = open_once
    client = world.client(Role.PACS_ADMINISTRATOR)
    client.get("/exposure")
    again(client, HERE, port)
    lines = world.services.trail.page(world.principal(Role.AUDITOR), world.context(Via.WEB))
    asked, looked = (line for line in lines if line.action.startswith("exposure."))
    assert (looked.action, looked.actor_name) == ("exposure.read", "pacsadmin")
    assert (asked.action, asked.detail) == ("exposure.retest", {"port": f"{HERE}:{port}"})


@pytest.mark.parametrize(
    ("address", "port", "where", "said"),
    [
        (HERE, 1, "not-open", "The last survey found nothing to close there."),
        ("10.1.0.99", 104, "not-open", "The last survey found nothing to close there."),
        (HERE, "0", "refused", "That could not be asked again."),
        (HERE, "x", "refused", "That could not be asked again."),
        ("<script>", 104, "not-open", "The last survey found nothing to close there."),
    ],
)
def test_what_was_not_open_is_not_asked(
    open_once: Any, address: str, port: Any, where: str, said: str
) -> None:
    world, host, _ = open_once
    client = world.client(Role.PACS_ADMINISTRATOR)
    assert again(client, address, port) == f"/exposure?again={where}"
    assert said in text_of(client.get(f"/exposure?again={where}"))
    assert host.titles == []


def test_an_expired_scope_asks_nobody(open_once: Any) -> None:
    world, host, port = open_once
    world.clock.now += 3 * reported.DAY
    client = world.client(Role.PACS_ADMINISTRATOR)
    assert again(client, HERE, port) == "/exposure?again=scope-time"
    assert "scope has expired" in text_of(client.get("/exposure?again=scope-time"))
    assert host.titles == []


def test_one_is_asked_at_a_time(staffed: Any, tmp_path: Any) -> None:
    """While one is asked, the page says so and another is not."""
    came, go = threading.Event(), threading.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            came.set()
            await asyncio.to_thread(go.wait, WAIT)

    with standing(slow) as port:
        with staffed.register() as register:
            seen = dcmqrscp_open(60, address=HERE, port=port)
            at = staffed.clock() - 3_600_000
            reported.fill(register, tmp_path, at, [(HERE, seen)], doors=[(HERE, (port,))])
        app = staffed.app()
        client, other = (staffed.client(Role.PACS_ADMINISTRATOR, app) for _ in range(2))
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(again(client, HERE, port)))
        asking.start()
        assert came.wait(WAIT)
        page = other.get("/exposure").text
        forms = page.count('action="/exposure/again"')
        assert (forms > 0, page.count('<button class="button plain" disabled>')) == (True, forms)
        assert "A port is being asked again. Until that is done" in page
        assert again(other, HERE, port) == "/exposure?again=busy"
        go.set()
        asking.join(WAIT)
        assert answers == ["/exposure?again=done"]
        page = other.get("/exposure").text
        assert "disabled" not in page
        assert "A port is being asked again" not in page


def test_a_notice_is_one_of_ours(surveyed: Any) -> None:
    page = surveyed.client(Role.PACS_ADMINISTRATOR).get("/exposure?again=<script>").text
    assert 'role="status"' not in page
