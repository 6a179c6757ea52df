"""The server looks at its own listeners as a stranger. No setting opens one, so these tests break the product."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
import uvloop

from leadglass import dicom_doors
from leadglass.access import peers
from leadglass.access.plans import plan
from leadglass.access.principal import Context, Role, Via, operator
from leadglass.archive.listeners import Look, Met
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
from leadglass.scan.observation import Observation, Outcome
from leadglass.self_look import SelfLook, Subject, judge
from leadglass.ul.items import ProposedContext, RoleSelection, UserInformation
from leadglass.ul.pdu import AssociateRQ

OPERATOR = operator(1000, "op")
EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
FIND, GET, MOVE = uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_GET, uids.STUDY_ROOT_MOVE
SUCCESS, NOT_AUTHORIZED = 0x0000, 0x0124
OPERATIONS = {FIND: Field.C_FIND_RQ, GET: Field.C_GET_RQ, MOVE: Field.C_MOVE_RQ}
WAIT = 60  # seconds; only something that hangs ever takes them

# --- what a stranger met --------------------------------------------------------------------------------------


def seen(probe: str, outcome: Outcome, sent: dict[str, Any] | None = None, **said: Any) -> Observation:
    return Observation(probe, "127.0.0.1", 104, 1, 1, outcome, sent or {}, said)


def http(path: str, status: int, about: str = "qido", **said: Any) -> Observation:
    sent = {"method": "get", "path": path, "about": about}
    return seen("http", Outcome.RESPONDED, sent, status=status, **said)


def web(dicomweb: int, page: int, **said: Any) -> list[Observation]:
    query = "?limit=1&StudyInstanceUID=2.25.1"
    return [
        http("/", 303, "listing"),
        http(f"/dicom-web/studies{query}", dicomweb, **said),
        http("/dicom-web/lgscan0", 404, "control"),
        http(f"/studies{query}", page),
    ]


UNKNOWN = {"result": 1, "source": 1, "reason": 3}
LET_IN = seen("associate", Outcome.ACCEPTED, {"called": "LGSCAN0", "calling": "LGSCAN1"}, accepted=("1.2",))
BY_TITLE = seen("associate-named", Outcome.ACCEPTED, {"called": "LEADGLASS", "calling": "LGSCAN1"})


@pytest.mark.parametrize(
    ("listener", "observations", "met", "saw"),
    [
        ("receive", [seen("associate", Outcome.REJECTED, **UNKNOWN)], Met.REFUSAL, "refuses-strangers"),
        ("receive", [LET_IN], Met.ANSWERS, "associates"),
        ("receive", [seen("associate", Outcome.REJECTED, result=1, source=1, reason=7), BY_TITLE], Met.ANSWERS,
         "associates"),
        ("receive", [LET_IN, seen("echo", Outcome.ANSWERED, status=0)], Met.ANSWERS, "echoes"),
        ("receive", [seen("associate", Outcome.REJECTED, result=2, source=3, reason=1)], Met.NOTHING, "busy"),
        ("receive", [seen("associate", Outcome.REJECTED, result=1, source=1, reason=7)], Met.NOTHING,
         "wrong-title"),
        ("receive", [seen("associate", Outcome.EMPTY)], Met.NOTHING, "takes-nothing"),
        ("receive", [seen("associate", Outcome.REFUSED)], Met.NOTHING, "closed"),
        ("receive", [seen("associate", Outcome.CLOSED, connect_us=5)], Met.NOTHING, "hangs-up"),
        ("dimse", [seen("associate", Outcome.CLOSED, connect_us=5, tls=True)], Met.REFUSAL, "hangs-up"),
        ("dimse", [seen("associate", Outcome.CLOSED, fault="reset", tls=True)], Met.NOTHING, "hangs-up"),
        ("dimse", [seen("associate", Outcome.ALERTED, alert="certificate-required", tls=True)], Met.REFUSAL,
         "asks-certificate"),
        ("dimse", [seen("associate", Outcome.REJECTED, tls=True, **UNKNOWN)], Met.REFUSAL,
         "refuses-strangers"),
        ("dimse", [LET_IN, seen("find-none", Outcome.ANSWERED, status=0)], Met.ANSWERS, "answers"),
        ("dimse", [seen("associate", Outcome.MUTE)], Met.NOTHING, "mute"),
        ("http", web(401, 303), Met.REFUSAL, "web-shut"),
        ("http", web(204, 303), Met.ANSWERS, "answers"),
        ("http", web(200, 303, type="application/dicom+json", count=0), Met.ANSWERS, "answers"),
        ("http", web(401, 200), Met.ANSWERS, "status-200"),  # the page with the list of studies
        ("http", [*web(401, 303), http("/dicom/", 200, "listing", links=3)], Met.ANSWERS, "web-shut"),
        ("http", web(503, 503), Met.NOTHING, "status-503"),  # shut, and takes strangers for somebody still
        ("http", web(421, 421), Met.NOTHING, "status-421"),
        ("http", web(401, 303)[:2], Met.NOTHING, "web-shut"),  # cut short
        ("http", [seen("http", Outcome.REFUSED, {"method": "get", "path": "/"})], Met.NOTHING, "closed"),
        ("http", [], Met.NOTHING, "nothing"),
    ],
)  # fmt: skip
def test_what_was_met_is_told_apart(
    listener: str, observations: list[Observation], met: Met, saw: str
) -> None:
    judged = judge(listener, observations)
    assert judged[:2] == (met, saw)
    assert bool(judged[2]) == (met is Met.ANSWERS and saw != "status-200")


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("127.0.0.1", "127.0.0.1:104"),
        ("192.0.2.7", "192.0.2.7:104"),
        ("0.0.0.0", "127.0.0.1:104"),
        ("::", "[::1]:104"),
    ],
)
def test_what_stands_everywhere_is_asked_on_loopback(address: str, where: str) -> None:
    assert Subject("receive", address, 104, tls=False).where == where


# --- a home's own DICOM listeners, in this process ------------------------------------------------------------


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


# --- the server as a process ----------------------------------------------------------------------------------

MAIN = "from leadglass.cli.main import main; main()"
ANY_STATION = """
import ssl
from leadglass import dicom_doors
from leadglass.access import peers
identify, context = peers.identify, dicom_doors.server_context
def anybody(conn, calling, *who, **how):
    station = peers.require_ae(conn, "STATION")
    return identify(conn, calling, *who, **how) or peers.Known(station, station.principal)
def trusting(*identity):
    made = context(*identity)
    made.verify_mode = ssl.CERT_OPTIONAL
    return made
peers.identify, dicom_doors.server_context = anybody, trusting
"""
ANY_DOCTOR = """
from leadglass.access.principal import Kind, Principal, Role
from leadglass.web.gate import Gate
principal = Gate._principal
async def anybody(self, request, session, now):
    doctor = Principal(Kind.USER, 1, 1, "dr.roth", "", Role.RADIOLOGIST, frozenset({1}), "session:1")
    return await principal(self, request, session, now) or doctor
Gate._principal = anybody
"""


class Server:
    """`leadglass serve` with a mistake in it, or none."""

    def __init__(self, mistake: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", mistake + MAIN, "serve", "--http", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ) | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self.errors: list[str] = []
        self._came = threading.Condition()
        self._reading = threading.Thread(target=self._read)
        self._reading.start()
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(1 + len(arguments) // 2)]
        self.http, *self.dicom = (int(line.split("   ")[0].rpartition(":")[2]) for line in lines)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._came:
                self.errors.append(line)
                self._came.notify_all()

    def says(self, *parts: str) -> str:
        """The first line with all of them, once it is there."""

        def said() -> str | None:
            return next((line for line in self.errors if all(part in line for part in parts)), None)

        with self._came:
            assert self._came.wait_for(lambda: said() is not None, WAIT), "".join(self.errors)
            return said() or ""

    def get(self, path: str, token: str = "", **headers: str) -> tuple[int, str]:
        url = f"http://localhost:{self.http}{path}"
        given = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=given), timeout=WAIT) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT)
        self._reading.join(WAIT)


@contextmanager
def serving(mistake: str, *arguments: str) -> Iterator[Server]:
    server = Server(mistake, *arguments)
    try:
        yield server
    finally:
        server.end()


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < ends
        threading.Event().wait(0.02)


def command(*words: str) -> tuple[str, str]:
    ran = subprocess.run([sys.executable, "-c", MAIN, *words], capture_output=True, text=True, check=True)
    return ran.stdout, ran.stderr


def is_shut(home: Any, via: Via) -> bool:
    """As another process on the home sees it."""
    with open_home(home.root, os.environ, clock) as beside:
        return beside.services.listeners.is_shut(via)


@pytest.mark.slow
def test_the_web_shows_strangers_a_list_and_from_then_on_nobody(home: Any) -> None:
    with open_home(home.root, os.environ, clock) as opened:
        accounts, context = opened.services.accounts, Context("", Via.COMMAND, clock())
        tokens = {}
        for role in (Role.RADIOLOGIST, Role.SYSTEM_ADMINISTRATOR):
            accounts.add_user(OPERATOR, role.value, role, context, password="lusab-babad-gutih-tugad-mohis")
            tokens[role] = accounts.create_token(OPERATOR, role.value, context)
    doctor, admin = tokens.values()
    shut = 'leadglass_listener_shut{listener="http"} 1.0'

    with serving(ANY_DOCTOR) as server:
        server.says("[error]", "STRANGERS ARE ANSWERED", "listener=http", "W01")
        until(lambda: shut in server.get("/metrics", admin)[1])
        for token in (doctor, ""):
            code, said = server.get("/dicom-web/studies", token)
            assert (code, json.loads(said)["code"]) == (503, "listener-shut")
        assert "looked at itself" in server.get("/studies")[1]
        assert server.get("/healthz")[0] == 200
    told, warned = command("status")
    assert "Web listener  answers strangers (W01" in told
    assert "! Web listener: answers strangers (W01" in warned
    assert json.loads(command("status", "--json")[0])["listeners"][0]["shut"] > 0
    assert "listener.shut" in command("log", "show", "--json")[0]

    with serving("") as server:
        server.says("strangers are refused", "listener=http")
        until(lambda: not is_shut(home, Via.WEB))
        assert server.get("/dicom-web/studies", doctor)[0] == 204
        assert server.get("/dicom-web/studies")[0] == 401


def attended(process: int, port: int) -> int:
    """How many connections to `port` the process holds."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    there = {row[9] for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == "01"}
    held = 0
    for name in os.listdir(f"/proc/{process}/fd"):
        try:
            held += os.readlink(f"/proc/{process}/fd/{name}")[8:-1] in there
        except OSError:
            continue
    return held


def deputy_of(server: Server) -> int | None:
    """The second process, once there is one."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    for child in children:
        if b"leadglass.dicom_deputy" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


@pytest.mark.slow
def test_the_second_process_refuses_what_the_first_one_found(home: Any, dicom: Any) -> None:
    """Its own code is as it should be; it is shut because the listener is."""
    with open_home(home.root, os.environ, clock) as opened:
        house = House(opened, dicom)

    async def two_stations(server: Server) -> list[int]:
        """One after the other, until the second process attends to one of them."""
        house.addresses = {"dimse": f"127.0.0.1:{server.dicom[0]}"}
        found = []
        async with asyncio.timeout(WAIT):
            while True:
                async with house.station(FIND) as first, house.station(FIND) as second:
                    deputy = deputy_of(server)
                    if deputy is None or not attended(deputy, server.dicom[0]):
                        continue
                    for link in (first, second):
                        found.append(await ask(link, FIND, house.identifier()))
                        assert await store(link, "1.2.3.1.1", dicom.data_set()) == SUCCESS
                    return found

    with serving(ANY_STATION, "--dicom-tls", "127.0.0.1:0") as server:
        server.says("[error]", "STRANGERS ARE ANSWERED", "listener=dimse")
        until(lambda: is_shut(home, Via.DIMSE))
        assert run(two_stations(server)) == [-1, -1]
        assert deputy_of(server) is not None
    with serving("", "--dicom-tls", "127.0.0.1:0") as server:
        server.says("strangers are refused", "listener=dimse")
        until(lambda: not is_shut(home, Via.DIMSE))
        assert run(two_stations(server)) == [SUCCESS, SUCCESS]
        with open_home(home.root, os.environ, clock) as beside:
            look = Look("dimse", "127.0.0.1:2762", clock(), Met.ANSWERS, "answers")
            beside.services.listeners.note([look])
        until(lambda: -1 in run(two_stations(server)))  # the second process learns it while it runs
