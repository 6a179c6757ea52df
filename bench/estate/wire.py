"""PDUs that are said again and again, kept as bytes: an association costs its peer two look-ups.

Every answer is made by the project's own stack the first time it is needed, and found again by the bytes of
the request that it answers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from leadglass.dimse.command import Command
from leadglass.errors import LeadglassError, ProtocolViolation
from leadglass.ul.items import UserInformation
from leadglass.ul.negotiation import AcceptedContext, Offer, Service, negotiate, negotiated
from leadglass.ul.pdu import Abort, AssociateRQ, ReleaseRP
from leadglass.ul.wire import p_data

HEADER: Final = 6  # bytes of a PDU's header
ITEMS: Final = 74  # where the items of an A-ASSOCIATE begin: behind its header and its titles
_KEPT: Final = 512  # requests that are remembered: a client's differ in their titles at most
_AC_HEAD: Final = struct.Struct(">BxI")

RELEASED: Final = ReleaseRP().encode()
ABORTED: Final = Abort().encode()
SYNTAXES: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")


@dataclass(frozen=True, slots=True)
class Software:
    """What a program says of itself when it associates. `product` is for the truth, not for the wire, and so is
    whether something is known to be wrong with that version (`is_flawed`).

    Without a class UID the user information is no more than a maximum length, as some impostors have it.
    """

    product: str
    class_uid: str = ""
    version_name: str = ""
    maximum_length: int = 16_384
    is_flawed: bool = False


class Agreed(NamedTuple):
    items: bytes  # of the A-ASSOCIATE-AC
    contexts: Mapping[int, AcceptedContext]


class Answering:
    """The answers of one kind of peer to association requests. `services` None: whatever is proposed, in the
    first of its transfer syntaxes."""

    def __init__(self, software: Software, services: frozenset[str] | None) -> None:
        self._software = software
        self._offer = None if services is None else dict.fromkeys(services, Service(SYNTAXES))
        self._known: dict[bytes, Agreed] = {}

    def agree(self, request: bytes) -> Agreed | None:
        """`request`: the whole PDU. None for one that is none."""
        items = request[ITEMS:]
        agreed = self._known.get(items)
        if agreed is None:
            try:
                agreed = self._agreed(AssociateRQ.decode(request[HEADER:]))
            except LeadglassError:
                return None
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[items] = agreed
        return agreed

    def _agreed(self, request: AssociateRQ) -> Agreed:
        software = self._software
        ours = UserInformation(software.maximum_length, software.class_uid or "1.2", software.version_name)
        answer = negotiate(request, self._offered(request), ours)
        items = answer.encode()[ITEMS:]
        if not software.class_uid:
            user = answer.user_information.encode()
            bare = struct.pack(">BxHBxHI", 0x50, 8, 0x51, 4, software.maximum_length)
            items = items.removesuffix(user) + bare
        return Agreed(items, negotiated(request, answer))

    def _offered(self, request: AssociateRQ) -> Offer:
        if self._offer is not None:
            return self._offer
        anything = Service(tuple({s: None for c in request.contexts for s in c.transfer_syntaxes}))
        return dict.fromkeys((context.abstract_syntax for context in request.contexts), anything)


def accepted(request: bytes, agreed: Agreed) -> bytes:
    """The A-ASSOCIATE-AC; its titles repeat the request's (PS3.8 Table 9-17)."""
    fixed = request[HEADER:ITEMS]
    return _AC_HEAD.pack(2, len(fixed) + len(agreed.items)) + fixed + agreed.items


def titles(request: bytes) -> tuple[str, str]:
    """Called and calling AE title of an A-ASSOCIATE-RQ."""
    called, calling = request[10:26], request[26:42]
    return called.decode("latin-1").strip(" \0"), calling.decode("latin-1").strip(" \0")


@lru_cache(maxsize=4096)
def command(encoded: bytes) -> Command | None:
    """None for what is no command set."""
    try:
        return Command.decode(encoded)
    except ProtocolViolation:
        return None


@lru_cache(maxsize=4096)
def response(context_id: int, request: Command, status: int) -> bytes:
    """A P-DATA-TF with a response that has no data set."""
    encoded = request.respond(status).encode()
    return p_data(context_id, True, True, len(encoded)) + encoded


@lru_cache(maxsize=4096)
def pending(request: Command) -> bytes:
    """The command set of a Pending response, without what goes before it."""
    return request.respond(0xFF00, has_dataset=True).encode()
