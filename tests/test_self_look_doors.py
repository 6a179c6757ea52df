"""A home's DICOM listeners looked at as a stranger. No setting opens one, so these tests break the product."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
import uvloop

from leadglass import dicom_doors
from leadglass.access import peers
from leadglass.access.plans import plan
from leadglass.access.principal import Context, Via, operator
from leadglass.archive.listeners import Met
from leadglass.compose import Opened, open_home
from leadglass.dicom.dictionary import TAG_BY_KEYWORD
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID
from leadglass.dicom_doors import open_doors
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import Command, Field
from leadglass.dimse.status import Category, category
from leadglass.errors import StorageFull
from leadglass.home import clock
from leadglass.net.link import Link
from leadglass.net.requestor import connected
from leadglass.net.tls import client_context
from leadglass.record import reader
from leadglass.self_look import SelfLook, Subject
from leadglass.ul.items import ProposedContext, RoleSelection, UserInformation
from leadglass.ul.pdu import AssociateRQ

OPERATOR = operator(1000, "op")
EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
FIND, GET, MOVE = uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_GET, uids.STUDY_ROOT_MOVE
SUCCESS, NOT_AUTHORIZED = 0x0000, 0x0124
OPERATIONS = {FIND: Field.C_FIND_RQ, GET: Field.C_GET_RQ, MOVE: Field.C_MOVE_RQ}
WAIT = 60  # seconds; only something that hangs ever takes them


def proposal(title: str, *services: str) -> AssociateRQ:
    contexts = tuple(ProposedContext(2 * n + 1, uid, (EXPLICIT,)) for n, uid in enumerate(services))
    roles = (RoleSelection(CT, scu=True, scp=True),) if GET in services else ()
    return AssociateRQ(
        "LEADGLASS", title, contexts, UserInformation(1 << 16, IMPLEMENTATION_CLASS_UID, roles=roles)
    )


async def final(link: Link, context: int, request: Command, data: bytes | None = None) -> int:
    """The status that ends an operation."""
    status = -1
    async with aclosing(link.responses(context, request, data)) as responses:
        async for message in responses:
            status = message.command.status or 0
            if category(status) is not Category.PENDING:
                break
    return status


async def ask(link: Link, service: str, identifier: bytes) -> int:
    """The final status of a C-FIND, C-GET or C-MOVE; -1 where the association has no context for it."""
    context = next((each for each in link.contexts.values() if each.abstract_syntax == service), None)
    if context is None:
        return -1
    request = Command(
        OPERATIONS[service], message_id=link.next_message_id(), affected_sop_class_uid=service, priority=0,
        has_dataset=True, move_destination="ELSEWHERE" if service == MOVE else "",
    )  # fmt: skip
    return await final(link, context.id, request, identifier)


async def echo(link: Link) -> int:
    context = next(each for each in link.contexts.values() if each.abstract_syntax == uids.VERIFICATION)
    request = Command(
        Field.C_ECHO_RQ, message_id=link.next_message_id(), affected_sop_class_uid=uids.VERIFICATION
    )
    return await final(link, context.id, request)


async def store(link: Link, uid: str, data: bytes) -> int:
    context = next(each for each in link.contexts.values() if each.abstract_syntax == CT)
    request = Command(
        Field.C_STORE_RQ, message_id=link.next_message_id(), affected_sop_class_uid=CT,
        affected_sop_instance_uid=uid, priority=0, has_dataset=True,
    )  # fmt: skip
    return await final(link, context.id, request, data)


class House:
    """A scanner known by its address and a station known by its certificate; the doors of an open home."""

    def __init__(self, opened: Opened, dicom: Any) -> None:
        self.opened = opened
        self.services = opened.services
        self.dicom = dicom
        command = Context("", Via.COMMAND, clock())
        scanner = plan("SCANNER@127.0.0.1", certified=False, receive_only=True)
        self.services.peers.add(OPERATOR, scanner, command)
        station = plan("STATION", certified=True, allow="store,find,get,move")
        self.services.peers.add(OPERATOR, plan("ELSEWHERE@127.0.0.1:104", certified=False), command)
        self.issued = self.services.peers.add(OPERATOR, station, command).issued
        self.ours: set[tuple[str, str]] = set()

    @property
    def identity(self) -> ssl.SSLContext:
        return client_context(self.issued.certificate, self.issued.key, [self.issued.authority])

    @asynccontextmanager
    async def doors(self) -> AsyncIterator[Any]:
        with open_doors(self.opened, clock, self.ours) as doors:
            self.addresses = doors.addresses()
            doors.start()
            try:
                yield doors
            finally:
                await doors.stop()

    def port(self, listener: str) -> int:
        return int(self.addresses[listener].rpartition(":")[2])

    def look(self, *others: Subject) -> SelfLook:
        subjects = [
            Subject(name, "127.0.0.1", self.port(name), tls=name == "dimse") for name in self.addresses
        ]
        made = SelfLook([*subjects, *others], self.services.listeners, "LEADGLASS", clock)
        self.ours |= made.callers()
        return made

    @asynccontextmanager
    async def station(self, *services: str) -> AsyncIterator[Link]:
        request = proposal("STATION", uids.VERIFICATION, CT, *services)
        async with connected("127.0.0.1", self.port("dimse"), request, tls=self.identity) as link:
            yield link

    @asynccontextmanager
    async def scanner(self) -> AsyncIterator[Link]:
        request = proposal("SCANNER", uids.VERIFICATION, CT)
        async with connected("127.0.0.1", self.port("receive"), request) as link:
            yield link

    def identifier(self) -> bytes:
        """Studies that are not here: what is tried is who may ask."""
        elements = [
            (0x00080052, "CS", "STUDY"),
            (TAG_BY_KEYWORD["StudyInstanceUID"], "UI", "1.2.3.4"),
        ]
        return b"".join(self.dicom.element(*each) for each in elements)

    def entries(self, action: str | None = None) -> list[Any]:
        with self.services.db.read() as connection:
            found = reader.entries(connection, action=action, limit=1000)
        return [each.entry for each in found][::-1]

    def states(self) -> dict[str, tuple[Met, bool]]:
        return {
            each.look.listener: (each.look.met, each.shut is not None)
            for each in self.services.listeners.last()
        }


@pytest.fixture
def house(home: Any, dicom: Any) -> Iterator[House]:
    dicom_settings = {"receive_address": "127.0.0.1:0", "tls_address": "127.0.0.1:0", "processes": 1}
    with open_home(home.root, os.environ, clock, dicom=dicom_settings) as opened:
        yield House(opened, dicom)


Break = Callable[..., None]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A mistake of ours, while `open_to` names a listener: who is not known there is taken for the station,
    and TLS asks for no certificate. Empty, the product is as it is."""
    switch = SimpleNamespace(open_to="")
    contexts: list[ssl.SSLContext] = []
    identify, context = peers.identify, dicom_doors.server_context

    def anybody(conn: Any, calling: str, *who: Any, via: Via, now: int) -> Any:
        known = identify(conn, calling, *who, via=via, now=now)
        if known is None and via == switch.open_to:
            station = peers.require_ae(conn, "STATION")
            return peers.Known(station, station.principal)
        return known

    def trusting(*identity: Any) -> ssl.SSLContext:
        contexts.append(context(*identity))
        return contexts[-1]

    def set_to(listener: str) -> None:
        switch.open_to = listener
        for each in contexts:
            each.verify_mode = ssl.CERT_OPTIONAL if listener == "dimse" else ssl.CERT_REQUIRED

    monkeypatch.setattr(peers, "identify", anybody)
    monkeypatch.setattr(dicom_doors, "server_context", trusting)
    switch.to = set_to
    return switch


def run(coroutine: Any) -> Any:
    """Under uvloop, as the server runs."""
    return uvloop.run(asyncio.wait_for(coroutine, WAIT))


def test_a_server_as_it_should_be_is_looked_at_in_peace(house: House) -> None:
    """No entry on the record, no warning in the log, no connection that stays, nothing shut."""

    async def whole() -> bool:
        async with house.doors() as doors:
            before = len(house.entries())
            fine = await house.look().look()
            assert len(house.entries()) == before
            while any(door.acceptor.connections for door in doors._doors):
                await asyncio.sleep(0.01)
            return fine

    with structlog.testing.capture_logs() as lines:
        assert run(whole())
    assert house.states() == {"receive": (Met.REFUSAL, False), "dimse": (Met.REFUSAL, False)}
    assert {line["log_level"] for line in lines} == {"info"}
    (rejected,) = (line for line in lines if line["event"] == "association rejected")
    assert rejected["ours"] is True


def test_another_stranger_s_rejection_is_a_warning_all_the_same(house: House) -> None:
    async def whole() -> None:
        async with house.doors():
            await house.look().look()
            await SelfLook(
                [Subject("receive", "127.0.0.1", house.port("receive"), tls=False)],
                house.services.listeners, "LEADGLASS", clock,
            ).look()  # fmt: skip

    with structlog.testing.capture_logs() as lines:
        run(whole())
    rejected = [line for line in lines if line["event"] == "association rejected"]
    assert [(line["log_level"], line.get("ours", False)) for line in rejected] == [
        ("info", True),
        ("warning", False),
    ]


def test_one_that_answers_alarms_and_shows_nobody_a_patient_until_it_is_mended(
    house: House, broken: SimpleNamespace
) -> None:
    found: dict[str, Any] = {}
    identifier, image = house.identifier(), house.dicom.data_set()

    async def asked(link: Link) -> list[int]:
        return [await ask(link, service, identifier) for service in (FIND, GET, MOVE)]

    async def whole() -> None:
        async with house.doors():
            look = house.look()
            broken.to("dimse")
            async with house.station(FIND, GET, MOVE) as standing:
                found["before"] = (await asked(standing))[0]
                assert not await look.look()
                found["standing"] = await asked(standing)
                found["stored"] = await store(standing, "1.2.3.1.1", image), await echo(standing)
            async with house.station(FIND, GET, MOVE) as later:
                found["later"] = await asked(later)
                found["stored later"] = await store(later, "1.2.3.1.1", image), await echo(later)
            found["alarm"] = house.states()
            assert not await look.look()  # shut, and still open to strangers: it stays so
            found["again"] = house.states()
            broken.to("")
            assert await look.look()
            async with house.station(FIND, GET, MOVE) as mended:
                found["mended"] = (await asked(mended))[0]

    with structlog.testing.capture_logs() as lines:
        run(whole())
    assert (found["before"], found["mended"]) == (SUCCESS, SUCCESS)
    assert found["standing"] == [NOT_AUTHORIZED] * 3
    assert found["later"] == [-1] * 3  # what would be denied is not offered
    assert (found["stored"], found["stored later"]) == ((0, 0), (0, 0))
    assert found["alarm"] == {"receive": (Met.REFUSAL, False), "dimse": (Met.ANSWERS, True)} == found["again"]
    assert house.states()["dimse"] == (Met.REFUSAL, False)

    (alarm,) = (line for line in lines if line["log_level"] == "error")
    assert (alarm["listener"], alarm["saw"]) == ("dimse", "answers")
    assert {"D03", "D06", "D08", "T03"} <= set(alarm["checks"].split())
    (shut,), (opened,) = house.entries("listener.shut"), house.entries("listener.open")
    assert (shut.actor, shut.via, shut.patients, shut.studies) == ("system", "dimse", (), ())
    assert shut.detail["checks"] == alarm["checks"]
    assert opened.detail["saw"] == "hangs-up"
    refused = [each for each in house.entries() if each.reason == "listener-shut"]
    assert [each.action for each in refused] == ["study.search", "study.retrieve", "study.send"]
    assert {(each.actor_name, each.outcome) for each in refused} == {("STATION", "denied")}


def test_a_receive_only_listener_that_lets_strangers_in_alarms_and_goes_on_storing(
    house: House, broken: SimpleNamespace
) -> None:
    """It never gives anything out. The other listener has no part in it."""
    states = {}

    async def whole() -> None:
        async with house.doors():
            look = house.look()
            broken.to("receive")
            assert not await look.look()
            states.update(house.states())
            async with house.scanner() as scanner:
                assert await store(scanner, "1.2.3.1.1", house.dicom.data_set()) == SUCCESS
            async with house.station(FIND) as station:
                assert await ask(station, FIND, house.identifier()) == SUCCESS

    run(whole())
    assert states == {"receive": (Met.ANSWERS, True), "dimse": (Met.REFUSAL, False)}


def test_it_is_shut_from_the_first_moment_after_a_restart(
    house: House, home: Any, broken: SimpleNamespace
) -> None:
    async def alarmed() -> None:
        async with house.doors():
            broken.to("dimse")
            assert not await house.look().look()

    async def restarted(again: House) -> int:
        async with again.doors():
            broken.to("dimse")  # nobody has looked yet
            async with again.station(FIND) as station:
                return await ask(station, FIND, again.identifier())

    run(alarmed())
    settings = {"tls_address": "127.0.0.1:0", "processes": 1}
    with open_home(home.root, os.environ, clock, dicom=settings) as opened:
        again = object.__new__(House)
        again.opened, again.services, again.dicom = opened, opened.services, house.dicom
        again.issued, again.ours = house.issued, set()
        assert run(restarted(again)) == -1


def test_what_cannot_be_looked_at_is_told_and_is_no_alarm(house: House) -> None:
    async def whole() -> None:
        async with house.doors():
            with socket.create_server(("127.0.0.1", 0)) as listening:
                gone = listening.getsockname()[1]
            assert not await house.look(Subject("http", "127.0.0.1", gone, tls=False)).look()

    with structlog.testing.capture_logs() as lines:
        run(whole())
    assert house.states()["http"] == (Met.NOTHING, False)
    (line,) = (line for line in lines if line["log_level"] != "info")
    assert (line["log_level"], line["listener"], line["saw"]) == ("warning", "http", "closed")
    assert house.entries("listener.shut") == []


def test_an_alarm_rings_and_shuts_even_if_it_cannot_be_kept(
    house: House, broken: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise StorageFull("The disk is full.")

    async def whole() -> int:
        async with house.doors():
            broken.to("dimse")
            look = house.look()
            async with house.station(FIND) as standing:
                with monkeypatch.context() as patched:
                    patched.setattr(house.services.doorkeeper.log, "append", full)
                    assert not await look.look()
                return await ask(standing, FIND, house.identifier())

    with structlog.testing.capture_logs() as lines:
        assert run(whole()) == NOT_AUTHORIZED
    errors = [line["event"] for line in lines if line["log_level"] == "error"]
    assert len(errors) == 2
    assert errors[0].startswith("STRANGERS ARE ANSWERED")
