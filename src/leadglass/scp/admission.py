"""Who may associate, and for what: the A-ASSOCIATE-RQ against the known AEs (PS3.8 7.1.1, PS3.7 D.3).

A stranger hears that its calling AE title is not recognized, whatever else it got wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from leadglass.access.policy import Action
from leadglass.access.principal import Principal, Via
from leadglass.archive.peers import Known, Peers
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from leadglass.dimse import sop_classes as uids
from leadglass.net.acceptor import Admission
from leadglass.net.connection import Peer
from leadglass.net.workers import Workers
from leadglass.scp.session import Session
from leadglass.ul.items import UserIdentity, UserInformation
from leadglass.ul.negotiation import Offer, Service, negotiate
from leadglass.ul.pdu import AssociateAC, AssociateRJ, AssociateRQ

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
MAXIMUM_LENGTH: Final = 1 << 18  # bytes of a P-DATA-TF we take; none is held, so a large one costs nothing

_PERMANENT, _USER, _ACSE = RejectResult.PERMANENT, RejectSource.SERVICE_USER, RejectSource.SERVICE_PROVIDER_ACSE
CALLING_NOT_RECOGNIZED: Final = AssociateRJ(_PERMANENT, _USER, 3)
CALLED_NOT_RECOGNIZED: Final = AssociateRJ(_PERMANENT, _USER, 7)
CONTEXT_NAME_NOT_SUPPORTED: Final = AssociateRJ(_PERMANENT, _USER, 2)
NO_REASON: Final = AssociateRJ(_PERMANENT, _USER, 1)
VERSION_NOT_SUPPORTED: Final = AssociateRJ(_PERMANENT, _ACSE, 2)
NOT_NOW: Final = AssociateRJ(RejectResult.TRANSIENT, RejectSource.SERVICE_PROVIDER_PRESENTATION, 1)

UNCOMPRESSED: Final = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)

# What each word of an AE's rights lets it propose. Everybody who is let in may verify.
_QUERY: Final[Mapping[str, tuple[str, ...]]] = {
    "find": (uids.PATIENT_ROOT_FIND, uids.STUDY_ROOT_FIND),
    "get": (uids.PATIENT_ROOT_GET, uids.STUDY_ROOT_GET),
    "move": (uids.PATIENT_ROOT_MOVE, uids.STUDY_ROOT_MOVE),
    "commitment": (uids.STORAGE_COMMITMENT_PUSH,),
}
