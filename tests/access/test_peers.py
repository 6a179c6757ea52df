from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization

from leadglass.access import schema
from leadglass.access.certificates import Pair, found_authority, issue_to_ae, issued
from leadglass.access.departments import create_department, ensure_default_department
from leadglass.access.peers import (
    Ae,
    add_ae,
    certificates,
    find_ae,
    has_receive_only,
    identify,
    list_aes,
    numbers_of,
    remove_ae,
    require_ae,
    set_certificate,
)
from leadglass.access.plans import Plan, plan
from leadglass.access.policy import Action
from leadglass.access.principal import Kind, Role, Via
from leadglass.errors import Conflict, NotFound, Violation

NOW = 1_800_000_000_000
AUTHORITY = found_authority(NOW)
FAR = "192.0.2.7"


def der(pair: Pair) -> bytes:
    return pair.certificate.public_bytes(serialization.Encoding.DER)


@pytest.fixture
def door(desk: Any) -> Any:
    """The desk with a department, one AE known by its certificate and one known by its address."""
    desk.department = desk.write(ensure_default_department, NOW)
    desk.pair = issue_to_ae(AUTHORITY, "WS1", "", NOW)
    desk.add = lambda made, certificate=None: desk.write(add_ae, made, desk.department, certificate, NOW)
    desk.add(plan("WS1", certified=True, allow="store,find,get"), issued(desk.pair))
    desk.add(plan(f"CT1@{FAR}", certified=False, receive_only=True, reason="old"))
    desk.identify = lambda title, address, shown, via, now=NOW: desk.read(
        identify, title, address, shown, via=via, now=now
    )
    return desk


def test_an_ae_is_a_principal_with_what_it_was_allowed(door: Any) -> None:
    known = door.identify("WS1", "10.0.0.1", der(door.pair), Via.DIMSE)
    who = known.principal
    assert (who.kind, who.role, who.name, who.user_id) == (Kind.AE, Role.APPLICATION_ENTITY, "WS1", None)
    assert who.actor == who.credential == f"ae:{known.ae.id}"
    assert who.departments == {door.department}
    assert who.actions == {Action.OBJECT_INGEST, Action.STUDY_SEARCH, Action.STUDY_RETRIEVE}


def test_private_is_no_action(door: Any) -> None:
    door.add(plan("CT2", certified=False, receive_only=True, allow="store,private"))
    assert door.read(find_ae, "CT2").principal.actions == {Action.OBJECT_INGEST}


def test_a_word_of_a_later_version_allows_nothing(door: Any) -> None:
    door.write(lambda tx: tx.execute(schema.aes.update().values(allow="store,delete")))
    assert door.read(find_ae, "WS1").principal.actions == {Action.OBJECT_INGEST}


OTHER = issue_to_ae(AUTHORITY, "WS1", "", NOW)  # of our own authority, and of the same title: still another


@pytest.mark.parametrize(
    ("title", "address", "shown", "via"),
    [
        ("WS1", FAR, None, Via.DIMSE),
        ("WS1", FAR, b"", Via.DIMSE),
        ("WS1", FAR, der(OTHER), Via.DIMSE),
        ("WS1", FAR, "own", Via.RECEIVE),
        ("WS1", FAR, None, Via.RECEIVE),
        ("WS1", FAR, "own", Via.WEB),
        ("WS1", FAR, "own", "hl7"),
        ("ws1", FAR, "own", Via.DIMSE),
        ("WS2", FAR, "own", Via.DIMSE),
        ("CT1", FAR, "own", Via.DIMSE),
        ("CT1", FAR, None, Via.DIMSE),
        ("CT1", "192.0.2.8", None, Via.RECEIVE),
        ("CT1", "127.0.0.1", None, Via.RECEIVE),
        ("CT1", "", None, Via.RECEIVE),
        ("", FAR, None, Via.RECEIVE),
        ("%", FAR, "own", Via.DIMSE),
        ("x" * 100_000, FAR, "own", Via.DIMSE),
    ],
)
def test_everybody_else_is_nobody(door: Any, title: str, address: str, shown: Any, via: Any) -> None:
    certificate = der(door.pair) if shown == "own" else shown
    assert door.identify(title, address, certificate, via) is None


def test_both_are_known_at_their_own_listener(door: Any) -> None:
    assert door.identify("WS1", "10.9.9.9", der(door.pair), Via.DIMSE).ae.title == "WS1"
    assert door.identify("CT1", FAR, None, Via.RECEIVE).ae.title == "CT1"
    assert door.identify(" CT1 ", FAR, None, Via.RECEIVE).ae.title == "CT1"


def test_an_expired_certificate_is_nobody_s(door: Any) -> None:
    ends = door.pair.expires
    assert door.identify("WS1", FAR, der(door.pair), Via.DIMSE, ends - 1) is not None
    assert door.identify("WS1", FAR, der(door.pair), Via.DIMSE, ends) is None


def test_a_removed_ae_is_refused_and_its_title_is_free(door: Any) -> None:
    first = door.read(find_ae, "WS1")
    door.write(remove_ae, first, NOW + 1)
    assert door.identify("WS1", FAR, der(door.pair), Via.DIMSE) is None
    assert door.read(find_ae, "WS1") is None
    assert [ae.title for ae in door.read(list_aes)] == ["CT1"]
    assert door.read(certificates) == []
    fresh = issue_to_ae(AUTHORITY, "WS1", "", NOW)
    number = door.add(plan("WS1", certified=True), issued(fresh))
    assert door.read(numbers_of, "WS1") == [number, first.id]
    assert door.identify("WS1", FAR, der(door.pair), Via.DIMSE) is None
    assert door.identify("WS1", FAR, der(fresh), Via.DIMSE).ae.id == number != first.id


def test_a_title_is_taken_once(door: Any) -> None:
    with pytest.raises(Conflict):
        door.add(plan("CT1", certified=False, receive_only=True))


def test_the_database_too_keeps_titles_apart(door: Any) -> None:
    """Whatever the program overlooks."""
    row = {**door.rows(schema.aes)[0], "id": None}
    with pytest.raises(sa.exc.IntegrityError):
        door.write(lambda tx: tx.execute(schema.aes.insert(), row))


def test_another_certificate_ends_the_one_before(door: Any) -> None:
    door.write(set_certificate, door.read(find_ae, "WS1"), issued(OTHER))
    assert door.identify("WS1", FAR, der(door.pair), Via.DIMSE) is None
    assert door.identify("WS1", FAR, der(OTHER), Via.DIMSE) is not None
    assert door.read(certificates) == [OTHER.certificate_pem]


def test_a_certificate_for_servers_only_is_for_destinations_only(door: Any) -> None:
    server_only = replace(issued(OTHER), for_client=False)
    with pytest.raises(Violation, match="--allow none"):
        door.add(plan("WS2", certified=True), server_only)
    door.add(plan("WS2@127.0.0.1:104", certified=True, allow="none"), server_only)
    with pytest.raises(Violation):
        door.write(set_certificate, door.read(find_ae, "WS1"), server_only)


def test_one_certificate_may_have_two_titles(door: Any) -> None:
    """One workstation that calls under several names; each has what was allowed to that name."""
    door.add(plan("WS1_SEND", certified=True, allow="store"), issued(door.pair))
    assert door.identify("WS1_SEND", FAR, der(door.pair), Via.DIMSE).ae.allow == {"store"}
    assert door.identify("WS1", FAR, der(door.pair), Via.DIMSE).ae.allow == {"store", "find", "get"}


@pytest.mark.parametrize(
    "made",
    [
        plan("A", certified=False, receive_only=True),
        plan("A@192.0.2.0/28,::1", certified=False, receive_only=True, reason="x", allow="store,private"),
        plan("A@[2001:db8::7]:104", certified=False, reason="x"),
        plan("A@127.0.0.1:104", certified=False),
    ],
)
def test_a_plan_is_kept_as_it_is(door: Any, made: Plan) -> None:
    number = door.add(made)
    assert door.read(require_ae, "A") == Ae(
        number, made.title, door.department, made.receive_only, made.addresses, made.allow, made.host,
        made.port, made.tls, made.reason, None, None, None, NOW,
    )  # fmt: skip


def test_a_destination_without_a_certificate_cannot_come_in(door: Any) -> None:
    door.add(plan("PACS2@127.0.0.1:104", certified=False))
    for via in Via:
        assert door.identify("PACS2", "127.0.0.1", None, via) is None
        assert door.identify("PACS2", "127.0.0.1", der(door.pair), via) is None


def test_whether_anybody_is_receive_only(door: Any) -> None:
    assert door.read(has_receive_only)
    door.write(remove_ae, door.read(find_ae, "CT1"), NOW)
    assert not door.read(has_receive_only)


def test_departments_are_the_ae_s_own(door: Any) -> None:
    other = door.write(create_department, "Cardiology", NOW)
    door.write(add_ae, plan("ECHO1", certified=False, receive_only=True), other, None, NOW)
    assert door.read(find_ae, "ECHO1").principal.departments == {other}


def test_who_is_not_there(door: Any) -> None:
    with pytest.raises(NotFound):
        door.read(require_ae, "NOBODY")


def test_what_is_shown_of_an_ae_holds_no_certificate(door: Any) -> None:
    assert "CERTIFICATE" not in repr(door.read(find_ae, "WS1"))
