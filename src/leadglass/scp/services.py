"""Which handler performs which operation (PS3.7 9.1, 10.1). Who may ask for it is the policy's."""

from __future__ import annotations

from collections.abc import Mapping

from leadglass.archive.services import Services
from leadglass.dimse.command import Field
from leadglass.net.attendant import Handler
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.net.workers import Workers
from leadglass.scp.admission import Admitter
from leadglass.scp.commitment import Commitment
from leadglass.scp.dialling import Dial
from leadglass.scp.find import Find
from leadglass.scp.get import Get
from leadglass.scp.move import Move
from leadglass.scp.storage import Storage
from leadglass.scp.verification import verify


def handlers(services: Services, dial: Dial, workers: Workers, largest: int) -> Mapping[Field, Handler]:
    """The same on every listener: `decide` tells them apart. `largest`: bytes of an object that is taken."""
    return {
        Field.C_ECHO_RQ: verify,
        Field.C_STORE_RQ: Storage(services.ingest, workers, largest),
        Field.C_FIND_RQ: Find(services.search, workers),
        Field.C_GET_RQ: Get(services.retrieve, workers),
        Field.C_MOVE_RQ: Move(services.retrieve, services.peers, dial, workers),
        Field.N_ACTION_RQ: Commitment(services.commitments, workers),
    }


def vouched(admitter: Admitter, performing: Mapping[Field, Handler]) -> Mapping[Field, Handler]:
    """The same, each after a look at whether the peer is still who it was."""

    def first(handler: Handler) -> Handler:
        async def handle(link: Link, message: Message) -> None:
            await admitter.vouch(link)
            await handler(link, message)

        return handle

    return {field: first(handler) for field, handler in performing.items()}
