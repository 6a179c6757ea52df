"""An acceptor on loopback with handlers of the test's own, and short deadlines."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop

from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import Field
from leadglass.net.acceptor import Acceptor, alone
from leadglass.net.attendant import Admission, Manners
from leadglass.net.deadlines import Deadlines
from leadglass.ul.items import ProposedContext, UserInformation
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import AssociateRJ, AssociateRQ

EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
PATIENT = Deadlines(association=5, message=5, idle=20, answer=20, write=5, release=2)
SHORT = Deadlines(handshake=0.3, association=0.3, message=0.3, idle=0.5, answer=0.5, write=0.5, release=0.3)


def run(coroutine):
    """Under uvloop, as the server runs."""
    return uvloop.run(coroutine)


def ours(maximum_length: int = 1 << 16) -> UserInformation:
    return UserInformation(maximum_length=maximum_length, implementation_class_uid=IMPLEMENTATION_CLASS_UID)


def request(calling: str = "KNOWN", maximum_length: int = 1 << 16, *contexts: ProposedContext) -> AssociateRQ:
    contexts = contexts or (
        ProposedContext(1, uids.VERIFICATION, (EXPLICIT,)),
        ProposedContext(3, CT, (EXPLICIT,)),
    )
    return AssociateRQ("LEADGLASS", calling, contexts, ours(maximum_length))


async def admit_known(asked: AssociateRQ, peer):
    if asked.calling != "KNOWN":
        return AssociateRJ.CALLING_NOT_RECOGNIZED
    offer = {uids.VERIFICATION: Service(), CT: Service(None, scp=True, scu=True)}
    return Admission(negotiate(asked, offer, ours(1 << 18)), "session")


async def echo(link, message) -> None:
    await link.send(message.context.id, message.command.respond(0))


class Kept:
    """A C-STORE handler that keeps what it was sent."""

    def __init__(self) -> None:
        self.objects: list[bytes] = []

    async def __call__(self, link, message) -> None:
        self.objects.append(await message.data.read(1 << 26))
        await link.send(message.context.id, message.command.respond(0))


@asynccontextmanager
async def listening(handlers=None, deadlines: Deadlines = PATIENT, **manners) -> AsyncIterator[Acceptor]:
    acceptor = alone(
        Manners(deadlines=deadlines, **manners), admit_known, handlers or {Field.C_ECHO_RQ: echo}
    )
    with socket.create_server(("127.0.0.1", 0)) as sock:
        task = asyncio.get_running_loop().create_task(acceptor.serve(sock))
        acceptor.port = sock.getsockname()[1]
        try:
            yield acceptor
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
