"""Associations in the states that tests begin with, and what was said to bring them there."""

from __future__ import annotations

from leadglass.ul.association import AssociateAccepted, AssociateRequested, Association, Role
from leadglass.ul.items import ProposedContext, UserInformation
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import PDV, AbortSource, AssociateRJ, AssociateRQ, PDataTF, ReleaseRQ

ECHO, IMPLICIT, JPEG = "1.2.840.10008.1.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.50"
THEIRS = UserInformation(16384, "1.2.3", "THEIRS")
OURS = UserInformation(1 << 17, "1.2.4", "OURS")
RQ = AssociateRQ(
    "LEADGLASS", "SCU", (ProposedContext(1, ECHO, (IMPLICIT,)), ProposedContext(3, ECHO, (JPEG,))), THEIRS
)
AC = negotiate(RQ, {ECHO: Service((IMPLICIT,))}, OURS)  # 3 is turned down
RJ = AssociateRJ.CALLING_NOT_RECOGNIZED
DATA = PDataTF((PDV(1, True, True, b"data"),))
PROVIDER = AbortSource.SERVICE_PROVIDER


def receive(association: Association, *sent: bytes) -> list[object]:
    return [event for data in sent for event in association.receive_data(data)]


def acceptor() -> Association:
    return Association(Role.ACCEPTOR)


def asked() -> Association:
    association = acceptor()
    assert receive(association, RQ.encode()) == [AssociateRequested(RQ)]
    return association


def accepted() -> Association:
    association = asked()
    association.accept(AC)
    assert association.data_to_send() == AC.encode()
    return association


def requestor() -> Association:
    return Association(Role.REQUESTOR)


def asking() -> Association:
    association = requestor()
    association.request(RQ)
    assert association.data_to_send() == RQ.encode()
    return association


def established() -> Association:
    association = asking()
    assert receive(association, AC.encode()) == [AssociateAccepted(AC)]
    return association


def releasing() -> Association:
    association = established()
    association.release()
    assert association.data_to_send() == ReleaseRQ().encode()
    return association


def rejected() -> Association:
    association = asked()
    association.reject(RJ)
    assert association.data_to_send() == RJ.encode()
    return association
