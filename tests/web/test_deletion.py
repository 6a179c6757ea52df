"""Deleting from the study page: who is offered it, what it asks for, and what it says."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from leadglass.access.principal import Role, Via
from leadglass.errors import NotFound

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def doomed(world: Any, helpers: Any, request: pytest.FixtureRequest) -> Iterator[int]:
    """A study of this test's own, gone after it as others count what is here; its number."""
    tag = f"D{zlib.crc32(request.node.name.encode())}"
    uid = f"1.2.8.{tag[1:]}"
    file = helpers.made_up(
        StudyInstanceUID=uid,
        SeriesInstanceUID=f"{uid}.1",
        SOPInstanceUID=f"{uid}.1.1",
        PatientName="DOOMED^DORA",
        PatientID="LG-77",
        AccessionNumber=tag,
    )
    world.take_in(file)
    study = int(world.study_id(tag))
    yield study
    deletion, admin = world.services.deletion, world.principal(Role.PACS_ADMINISTRATOR)
    context = world.context(Via.WEB)
    with suppress(NotFound):  # the test deleted it
        plan = deletion.plan(admin, study, context)
        deletion.delete(admin, plan, context, reason="after a test")


def send(client: Any, study: int, **fields: str) -> Any:
    return client.post(f"/studies/{study}/delete", data=fields, headers=SAME_ORIGIN)


def seen(client: Any, study: int) -> str:
    found = re.search(r'name="seen" value="([\d-]+)"', client.get(f"/studies/{study}/delete").text)
    assert found is not None
    return found[1]


def test_the_study_page_offers_it_to_who_may(signed_in: Any, doomed: int) -> None:
    link = f'href="/studies/{doomed}/delete"'
    assert link in signed_in[Role.PACS_ADMINISTRATOR].get(f"/studies/{doomed}").text
    assert link not in signed_in[Role.RADIOLOGIST].get(f"/studies/{doomed}").text


def test_it_asks_deletes_and_says_so(signed_in: Any, doomed: int) -> None:
    admin = signed_in[Role.PACS_ADMINISTRATOR]
    page = admin.get(f"/studies/{doomed}/delete").text
    assert "Doomed, Dora" in page
    assert "1 series, 1 image" in page
    said = seen(admin, doomed)
    answer = send(admin, doomed, reason="asked for", confirmed="yes", seen=said)
    assert answer.status_code == 200
    assert "1 series with 1 image" in answer.text
    assert "DOOMED" not in answer.text.upper()
    assert admin.get(f"/studies/{doomed}").status_code == 404
    assert send(admin, doomed, reason="again", confirmed="yes", seen=said).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"reason": "asked for"}, 400, "Tick the box"),
        ({"reason": "", "confirmed": "yes"}, 400, "Say in 3 to 300 characters"),
        ({"reason": "x" * 301, "confirmed": "yes"}, 400, "Say in 3 to 300 characters"),
        ({"reason": "asked for", "confirmed": "yes", "seen": "1-9-9"}, 409, "came in for it"),
        ({"reason": "<b>bold</b>", "confirmed": "no"}, 400, "&lt;b&gt;bold"),
    ],
)
def test_without_reason_confirmation_or_a_look_nothing_is_deleted(
    signed_in: Any, doomed: int, fields: dict[str, str], status: int, words: str
) -> None:
    admin = signed_in[Role.PACS_ADMINISTRATOR]
    answer = send(admin, doomed, **{"seen": seen(admin, doomed), **fields})
    assert (answer.status_code, words in answer.text) == (status, True)
    assert admin.get(f"/studies/{doomed}").status_code == 200


def test_foreign_and_absent_are_the_same_answer(world: Any, signed_in: Any) -> None:
    admin = signed_in[Role.PACS_ADMINISTRATOR]
    foreign = send(admin, 2, reason="asked for", confirmed="yes", seen="1-1-1")
    absent = send(admin, 7777, reason="asked for", confirmed="yes", seen="1-1-1")
    assert foreign.status_code == absent.status_code == 404
    assert foreign.content == absent.content
    assert "If you have just deleted it" in absent.text  # a second click is answered last
    assert admin.get("/studies/2/delete").content == admin.get("/studies/7777/delete").content
