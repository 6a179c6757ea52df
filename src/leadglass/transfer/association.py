"""Associations that we ask for: what we propose, and what a rejection means to whoever runs the command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from leadglass.errors import ProtocolViolation, Refused, Unreachable
from leadglass.net.deadlines import Deadlines
from leadglass.net.link import Link
from leadglass.net.requestor import connected
from leadglass.transfer.target import Endpoint
from leadglass.ul.items import ProposedContext, RoleSelection, UserInformation
from leadglass.ul.negotiation import AcceptedContext
from leadglass.ul.pdu import MOST_CONTEXTS, AssociateRQ

MAXIMUM_LENGTH: Final = 1 << 18  # bytes of a P-DATA-TF we take; none is held, so a large one costs nothing

# Identifiers and other small data sets: no compression, and what everybody knows is last.
SMALL: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")

Proposal = tuple[str, Sequence[str]]  # an abstract syntax and its transfer syntaxes

# What to do about it, by the error's code.
_ADVICE: Final[Mapping[str, str]] = {
    "calling-not-recognized": "Ask whoever runs {target} to add {calling}, or call by a title that it knows "
    "(--calling).",
    "called-not-recognized": "{title} is not what it calls itself: ask whoever runs it for its AE title.",
    "congested": "Try again later.",
    "closed": "It may want TLS (--tls), or not know this machine.",
    "tls": "It may speak none at this port: ask for the one where it does, or leave TLS out.",
    "certificate": "Say with --ca who vouches for it; a wrong name or date is for whoever runs it to mend.",
}
_BEHIND_TLS: Final = "It may not know this machine's certificate, or not any more."
_NOT_DICOM: Final = "{target}: what answers there does not speak DICOM{tls}. Is it the right port?"


def request(endpoint: Endpoint, proposals: Iterable[Proposal], *, as_scp: Iterable[str] = ()) -> AssociateRQ:
    """An A-ASSOCIATE-RQ. `as_scp`: the SOP classes whose objects we want to be sent (PS3.7 D.3.3.4)."""
    contexts = tuple(
        ProposedContext(number * 2 + 1, abstract, tuple(syntaxes))
        for number, (abstract, syntaxes) in enumerate(proposals)
    )
    assert len(contexts) <= MOST_CONTEXTS
    roles = tuple(RoleSelection(uid, scu=False, scp=True) for uid in dict.fromkeys(as_scp))
    ours = UserInformation(MAXIMUM_LENGTH, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, roles=roles)
    return AssociateRQ(endpoint.target.title, endpoint.calling, contexts, ours)


@asynccontextmanager
async def associated(
    endpoint: Endpoint,
    proposals: Iterable[Proposal],
    *,
    as_scp: Iterable[str] = (),
    deadlines: Deadlines | None = None,
) -> AsyncIterator[Link]:
    """An association with `endpoint` for the block. Refused, Unreachable and ProtocolViolation say what to do
    about it."""
    target = endpoint.target
    asked = request(endpoint, proposals, as_scp=as_scp)
    entered = False
    try:
        async with connected(target.host, target.port, asked, tls=endpoint.tls, deadlines=deadlines) as link:
            _require_pinned(link, endpoint)
            entered = True
            yield link
    except (Refused, Unreachable) as error:
        advice = _BEHIND_TLS if endpoint.tls and error.code == "closed" else _ADVICE.get(error.code)
        if entered or advice is None:
            raise
        told = advice.format(target=target, title=target.title, calling=endpoint.calling)
        raise type(error)(f"{target}: {error} {told}", code=error.code) from None
    except ProtocolViolation as error:
        if entered:
            raise
        tls = "" if endpoint.tls else ", or wants TLS (--tls)"
        raise ProtocolViolation(_NOT_DICOM.format(target=target, tls=tls), code=error.code) from None


def _require_pinned(link: Link, endpoint: Endpoint) -> None:
    shown = link.peer.certificate or b""
    if endpoint.pinned is not None and not compare_digest(sha256(shown).digest(), endpoint.pinned):
        raise Unreachable(
            f"{endpoint.target} shows another certificate than the one that is registered for it.",
            code="certificate",
        )


def context_of(link: Link, abstract: str, what: str, code: str = "no-context") -> AcceptedContext:
    """The context for that SOP class. Refused, with that code, when the other side took none."""
    context = link.context_for(abstract)
    if context is None:
        raise Refused(f"The other side does not offer {what} to us.", code=code)
    return context
