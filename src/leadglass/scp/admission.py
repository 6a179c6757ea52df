"""Who may associate, and for what: the A-ASSOCIATE-RQ against the known AEs (PS3.8 7.1.1, PS3.7 D.3).

A stranger hears that its calling AE title is not recognized, whatever else it got wrong. What is offered to
somebody we know follows from the policy: a service that it would be denied is not there for it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from types import MappingProxyType
from typing import Final

from leadglass.access.actions import Action
from leadglass.access.policy import narrow
from leadglass.access.principal import Principal, Via
from leadglass.archive.peers import Known, Peers
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from leadglass.dimse import sop_classes as uids
from leadglass.errors import Unavailable, Unreachable
from leadglass.net.attendant import Admission
from leadglass.net.connection import Peer
from leadglass.net.link import Link
from leadglass.net.workers import Workers
from leadglass.scp.extended import answers
from leadglass.scp.session import Session
from leadglass.ul.items import UserIdentity, UserInformation
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import DICOM_APPLICATION_CONTEXT, AssociateRJ, AssociateRQ

VOUCHED_MS: Final = 1000
MAXIMUM_LENGTH: Final = 1 << 18  # bytes of a P-DATA-TF we take; none is held, so a large one costs nothing
NAME_AND_PASSCODE: Final = 2  # the kind of User Identity whose passcode may be an API token
JSON_WEB_TOKEN: Final = 5  # and the kind that is another system's word

# Identifiers and other small data sets: any syntax that is not compressed.
UNCOMPRESSED: Final = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)
_SMALL: Final = Service(UNCOMPRESSED)

# Abstract syntaxes by the action that using them asks for.
SERVICES: Final[Mapping[Action, tuple[str, ...]]] = MappingProxyType(
    {
        Action.STUDY_SEARCH: (uids.PATIENT_ROOT_FIND, uids.STUDY_ROOT_FIND),
        Action.STUDY_RETRIEVE: (uids.PATIENT_ROOT_GET, uids.STUDY_ROOT_GET),
        Action.STUDY_SEND: (uids.PATIENT_ROOT_MOVE, uids.STUDY_ROOT_MOVE),
        Action.COMMITMENT_REQUEST: (uids.STORAGE_COMMITMENT_PUSH,),
    }
)


class Admitter:
    """The admission of one listener. `title` is the archive's own; `shut` whether the listener is."""

    def __init__(
        self,
        peers: Peers,
        title: str,
        via: Via,
        workers: Workers,
        clock: Callable[[], int],
        *,
        shut: Callable[[], bool],
    ) -> None:
        self._peers = peers
        self._title = title
        self._via = via
        self._workers = workers
        self._clock = clock
        self._shut = shut

    async def __call__(self, request: AssociateRQ, peer: Peer) -> Admission | AssociateRJ:
        try:
            known, who = await self._workers.run(self._identify, request, peer)
        except Unavailable:
            return AssociateRJ.CONGESTED
        if known is None:
            return AssociateRJ.CALLING_NOT_RECOGNIZED
        if request.application_context != DICOM_APPLICATION_CONTEXT:
            return AssociateRJ.APPLICATION_CONTEXT_NOT_SUPPORTED
        if request.called != self._title:
            return AssociateRJ.CALLED_NOT_RECOGNIZED
        if who is None:
            return AssociateRJ.NO_REASON
        session = Session(who, known.ae, peer, self._via, self._clock, self._shut, self._clock())
        offer = self._offer(request, session)
        answer = negotiate(request, offer, self._ours(request, offer))
        return Admission(answer, session)

    async def vouch(self, link: Link) -> None:
        """Is the peer still who it was? Looked up again once a second at most. Unreachable, and with that
        the end of the association, when the AE was removed, its certificate has expired, its rights have
        changed or the token of its user was revoked."""
        session: Session = link.session
        now = session.clock()
        if 0 <= now - session.vouched < VOUCHED_MS:
            return
        assert link.request_pdu is not None
        known, who = await self._workers.run(self._identify, link.request_pdu, session.peer)
        if known is None or (known.ae, who) != (session.ae, session.who):
            raise Unreachable("Who this was is not let in any more.", code="revoked")
        session.vouched = now

    def _identify(self, request: AssociateRQ, peer: Peer) -> tuple[Known | None, Principal | None]:
        """The AE, and who acts by it: itself, or the user it names. None for a user that is none."""
        now = self._clock()
        known = self._peers.identify(request.calling, peer.address, peer.certificate, self._via, now)
        identity = request.user_information.user_identity
        if known is None or identity is None:
            return known, known.principal if known else None
        return known, self._user(identity, peer, now)

    def _user(self, identity: UserIdentity, peer: Peer, now: int) -> Principal | None:
        """Inside TLS an API token as the passcode, or one of the identity provider in the settings, makes
        the association its user's (PS3.7 D.3.3.7). A password never does, nor any other identity.
        """
        if not peer.tls or identity.kind not in {NAME_AND_PASSCODE, JSON_WEB_TOKEN}:
            return None
        try:
            primary, secondary = identity.primary.decode("utf-8"), identity.secondary.decode("ascii")
        except UnicodeDecodeError:
            return None
        if identity.kind == JSON_WEB_TOKEN:
            return self._peers.resolve_assertion(primary, now)
        who = self._peers.resolve_user(secondary, now)
        return who if who is not None and who.name == primary else None

    def _offer(self, request: AssociateRQ, session: Session) -> dict[str, Service]:
        context = session.context()
        offer = {uids.VERIFICATION: _SMALL}
        for action, syntaxes in SERVICES.items():
            if not narrow(session.who, action, context).nothing:
                offer.update(dict.fromkeys(syntaxes, _SMALL))
        takes = not narrow(session.who, Action.OBJECT_INGEST, context).nothing
        gives = not narrow(session.who, Action.STUDY_RETRIEVE, context).nothing
        if takes or gives:
            objects = Service(None, scp=takes, scu=gives)
            offer.update(dict.fromkeys(uids.STORAGE, objects))
            if "private" in session.ae.allow:
                proposed = (each.abstract_syntax for each in request.contexts)
                offer.update((uid, objects) for uid in proposed if uids.is_private(uid))
        return offer

    def _ours(self, request: AssociateRQ, offer: Container[str]) -> UserInformation:
        identity = request.user_information.user_identity
        return UserInformation(
            maximum_length=MAXIMUM_LENGTH,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
            extended=answers(request, offer),
            user_identity_response=b"" if identity is not None and identity.response_requested else None,
        )
