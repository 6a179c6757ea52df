"""A home behind real listeners on loopback, without TLS and admission: a test says who is at the other end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from leadglass.access.plans import plan
from leadglass.access.principal import Context, Via, operator
from leadglass.archive.commitment import Commitments
from leadglass.archive.peers import Ae
from leadglass.compose import Opened
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG, transfer_syntax
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID
from leadglass.dicom.writer import encode_dataset, text_value
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import Command, Field
from leadglass.dimse.status import Category, category
from leadglass.net.acceptor import alone
from leadglass.net.attendant import Admission, Manners
from leadglass.net.deadlines import Deadlines
from leadglass.net.link import Link
from leadglass.net.requestor import connected
from leadglass.net.workers import Workers
from leadglass.record import reader
from leadglass.record.reader import Recorded
from leadglass.scp.extended import answers
from leadglass.scp.session import Session
from leadglass.ul.items import ExtendedNegotiation, ProposedContext, RoleSelection, UserInformation
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import AssociateRQ

NOW = 1_800_000_000_000
OPERATOR = operator(1000, "op")
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"
CT = "1.2.840.10008.5.1.4.1.1.2"
DEADLINES = Deadlines(association=10, message=10, idle=20, answer=20, write=10, release=5)
ALL = frozenset({"store", "find", "get", "move", "commitment"})


def ours(*roles: RoleSelection, extended: tuple[ExtendedNegotiation, ...] = ()) -> UserInformation:
    return UserInformation(1 << 16, IMPLEMENTATION_CLASS_UID, roles=roles, extended=extended)


def identifier(level: str = "", syntax: str = EXPLICIT, **keys: str) -> bytes:
    """Query/Retrieve Level and keys, by their keywords."""
    given = {"QueryRetrieveLevel": level, **keys} if level else keys
    tags = {TAG_BY_KEYWORD[keyword]: value for keyword, value in given.items()}
    elements = [(tag, VR_BY_TAG[tag], text_value(VR_BY_TAG[tag], value)) for tag, value in tags.items()]
    return encode_dataset(elements, transfer_syntax(syntax))


@dataclass
class Stored:
    command: Command
    transfer_syntax: str
    data: bytes


@dataclass
class Receiver:
    """A storage SCP of a test's own. `statuses` and `before` say what happens to which SOP instance."""

    statuses: Mapping[str, int] = field(default_factory=dict)
    before: Callable[[Link, str], None] = lambda _link, _uid: None
    stored: list[Stored] = field(default_factory=list)

    async def __call__(self, link: Link, message: Any) -> None:
        uid = message.command.affected_sop_instance_uid
        self.before(link, uid)
        data = await message.data.read(1 << 28)
        self.stored.append(Stored(message.command, message.context.transfer_syntax, data))
        await link.send(message.context.id, message.command.respond(self.statuses.get(uid, 0)))

    @property
    def contents(self) -> dict[str, bytes]:
        return {one.command.affected_sop_instance_uid: one.data for one in self.stored}


class House:
    """`own` and `foreign` are departments. Whatever `ae` a test gives is who is at the other end."""

    def __init__(self, opened: Opened, dicom: Any) -> None:
        self.services = opened.services
        self.root = opened.home.root
        self.dicom = dicom
        self.now = NOW
        accounts = self.services.accounts
        self.own = accounts.department(OPERATOR, "Radiology", self.context(Via.COMMAND))
        self.foreign = accounts.department(OPERATOR, "Cardiology", self.context(Via.COMMAND))
        self.commitments = Commitments(self.services.doorkeeper)
        self.workers = Workers(4)

    def context(self, via: Via) -> Context:
        return Context("192.0.2.7", via, self.now)

    def ae(
        self, *, allow: frozenset[str] = ALL, department: int | None = None, receive_only: bool = False
    ) -> Ae:
        """One that is in no table: for what happens on its own association."""
        return Ae(
            id=7,
            title="STATION",
            department_id=department or self.own,
            receive_only=receive_only,
            addresses=(),
            allow=allow,
            host="",
            port=None,
            tls=False,
            reason="",
            certificate=None,
            fingerprint=None,
            expires=None,
            created=self.now,
        )

    def add_ae(self, text: str, department: str = "Radiology", **how: Any) -> Ae:
        """One that is known: a destination, or a receive-only one."""
        made = plan(text, certified=False, **how)
        return self.services.peers.add(OPERATOR, made, self.context(Via.COMMAND), department=department).ae

    def take_in(self, content: bytes, *, department: int | None = None) -> None:
        incoming = self.services.ingest.open(
            OPERATOR, department or self.own, "import", self.context(Via.COMMAND)
        )
        with incoming:
            incoming.write(content)
            incoming.finish().result(30)

    def fill(self) -> None:
        """P-1: study 1.2.3 of two series and 1.4; another department has 1.5 of P-5."""
        for number in (1, 2, 3):
            self.take_in(self.dicom.file(number))
        for number, study in ((1, "1.4"), (1, "1.5")):
            what = {"study": study, "series": f"{study}.1", "instance": f"{study}.1.1"}
            patient, department = ("P-5", self.foreign) if study == "1.5" else ("P-1", self.own)
            content = self.dicom.file(number, **what, patient_id=patient)
            self.take_in(content, department=department)

    def entries(self, action: str) -> list[Recorded]:
        with self.services.db.read() as connection:
            return reader.entries(connection, action=action, limit=1000)[::-1]

    def accesses(self, action: str) -> list[Recorded]:
        """What was opened, long after."""
        self.services.ledger.expire(self.now + 1_000_000)
        self.services.db.write(lambda _: None).result(30)
        return [entry for entry in self.entries(action) if entry.entry.phase == "open"]

    @asynccontextmanager
    async def listening(
        self, handlers: Mapping[Field, Any], ae: Ae, via: Via = Via.DIMSE, offer: Any = None
    ) -> AsyncIterator[int]:
        """The port of an acceptor for whoever calls as `ae`."""

        async def admit(request: AssociateRQ, peer: Any) -> Admission:
            given = offer or {context.abstract_syntax: Service(scu=True) for context in request.contexts}
            session = Session(ae.principal, ae, peer, via, lambda: self.now)
            answer = negotiate(request, given, ours(extended=answers(request, given)))
            return Admission(answer, session)

        acceptor = alone(Manners(deadlines=DEADLINES), admit, handlers)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            task = asyncio.get_running_loop().create_task(acceptor.serve(listening))
            try:
                yield listening.getsockname()[1]
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def calling(
    port: int,
    *proposed: tuple[str, tuple[str, ...]],
    receiver: Any = None,
    roles: tuple[RoleSelection, ...] = (),
    extended: tuple[ExtendedNegotiation, ...] = (),
) -> AsyncIterator[Link]:
    """An association as its requestor, who serves `receiver` the requests that come on it."""
    contexts = tuple(
        ProposedContext(2 * place + 1, abstract, syntaxes)
        for place, (abstract, syntaxes) in enumerate(proposed)
    )
    request = AssociateRQ("LEADGLASS", "STATION", contexts, ours(*roles, extended=extended))
    async with connected("127.0.0.1", port, request, deadlines=DEADLINES) as link:
        served = asyncio.get_running_loop().create_task(serve(link, receiver))
        try:
            yield link
        finally:
            served.cancel()
            await asyncio.gather(served, return_exceptions=True)


async def serve(link: Link, receiver: Any) -> None:
    while receiver is not None and (message := await link.next_request()) is not None:
        await receiver(link, message)


@dataclass
class Answer:
    """All responses to one request; `final` is the last of them, `listed` its data set."""

    responses: list[Command]
    listed: bytes = b""

    @property
    def final(self) -> Command:
        return self.responses[-1]

    @property
    def counts(self) -> tuple[int | None, ...]:
        final = self.final
        return final.status, final.remaining, final.completed, final.failed, final.warning


async def ask(link: Link, field: Field, data: bytes, **more: Any) -> Answer:
    """Send a C-GET-RQ or C-MOVE-RQ on the first context, and take what is said of it."""
    context = link.contexts[1]
    request = Command(
        field,
        message_id=more.pop("message_id", link.next_message_id()),
        affected_sop_class_uid=context.abstract_syntax,
        priority=0,
        has_dataset=True,
        **more,
    )
    answer = Answer([])
    async with aclosing(link.responses(context.id, request, data)) as responses:
        async for message in responses:
            answer.responses.append(message.command)
            if category(message.command.status) is not Category.PENDING and message.data is not None:
                answer.listed = await message.data.read(1 << 20)
    return answer


def run(coroutine: Any) -> Any:
    """Under uvloop, as the server runs."""
    return uvloop.run(asyncio.wait_for(coroutine, 60))


@pytest.fixture
def house(opened: Opened, dicom: Any) -> Any:
    made = House(opened, dicom)
    yield made
    made.workers.close()


@pytest.fixture
def filled(house: House) -> House:
    house.fill()
    return house


GET_ROLES = (RoleSelection(CT, scu=False, scp=True),)
GET = (uids.STUDY_ROOT_GET, (EXPLICIT,))
MOVE = (uids.STUDY_ROOT_MOVE, (EXPLICIT,))
