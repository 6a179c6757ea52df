"""Whom the old PACS lets in, which is everybody, and what it does for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leadglass.demo.old_pacs.holdings import Holdings, from_network
from leadglass.demo.old_pacs.queries import Find
from leadglass.demo.old_pacs.retrieving import IDENTITY, UNCOMPRESSED, Destinations, Get, Move
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import Field
from leadglass.dimse.status import SUCCESS
from leadglass.errors import LimitExceeded, Violation
from leadglass.net.attendant import Admission, Handler
from leadglass.net.connection import Peer
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import AssociateRJ, AssociateRQ

TITLE: Final = "OLDPACS"
LARGEST: Final = 64 << 20  # bytes of an object that is sent to it
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000

_SMALL: Final = Service(UNCOMPRESSED)
_OBJECTS: Final = Service(None, scp=True, scu=True)
_OFFER: Final = dict.fromkeys(
    (
        uids.VERIFICATION,
        uids.PATIENT_ROOT_FIND,
        uids.STUDY_ROOT_FIND,
        uids.PATIENT_ROOT_GET,
        uids.STUDY_ROOT_GET,
        uids.PATIENT_ROOT_MOVE,
        uids.STUDY_ROOT_MOVE,
    ),
    _SMALL,
) | dict.fromkeys(uids.STORAGE, _OBJECTS)


async def admit(request: AssociateRQ, _: Peer) -> Admission | AssociateRJ:
    """Nobody is asked who it is, and no title is looked at."""
    return Admission(negotiate(request, _OFFER, IDENTITY), None)


async def verify(link: Link, message: Message) -> None:
    await link.send(message.context.id, message.command.respond(SUCCESS))


class Store:
    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings

    async def __call__(self, link: Link, message: Message) -> None:
        status = SUCCESS
        assert message.data is not None  # a C-STORE-RQ without a data set is none
        try:
            data_set = await message.data.read(LARGEST)
            self._holdings.add(from_network(data_set, message.context.transfer_syntax), len(data_set))
        except LimitExceeded:
            await message.data.drain()
            status = OUT_OF_RESOURCES
        except Violation:
            status = CANNOT_UNDERSTAND
        await link.send(message.context.id, message.command.respond(status))


def handlers(holdings: Holdings, destinations: Destinations) -> Mapping[Field, Handler]:
    return {
        Field.C_ECHO_RQ: verify,
        Field.C_STORE_RQ: Store(holdings),
        Field.C_FIND_RQ: Find(holdings),
        Field.C_GET_RQ: Get(holdings),
        Field.C_MOVE_RQ: Move(holdings, destinations),
    }
