"""Every exception Leadglass raises on purpose.

LeadglassError
├── BrokenInvariant          our bug: something that must hold did not
├── Violation                the peer's or the file's: it broke a rule we checked
│   ├── NotDicom                 the bytes are no DICOM file
│   ├── MalformedDataSet         lengths, delimiters or encoding do not add up
│   ├── LimitExceeded            larger, deeper or more than we are willing to hold
│   ├── IllegalIdentity          a UID that is missing or that the Standard forbids
│   └── ProtocolViolation        the peer broke PS3.7 or PS3.8
├── Denied                   the policy said no
│   └── ListenerShut             this listener was found to answer strangers: it shows nobody a patient
├── Refused                  the other side said no
├── NotFound                 absent, or not this principal's to know of: one answer for both
├── Conflict                 contradicts what is already kept
├── Unavailable              not now: the request was fine, we cannot serve it
│   ├── StorageFull              no space for objects or for the record
│   │   └── AsideFull                only for what would be kept aside; other objects are none the worse
│   ├── StorageFailed            the disk refused to make bytes durable
│   ├── KeyMissing               no master key where it should be
│   ├── KeyWrong                 a master or recovery key that does not open this home
│   ├── HomeBusy                 another server holds this home
│   ├── HomeNewer                written by a later version
│   ├── RecordUnavailable        the access record cannot be written, so nothing is shown
│   └── Unreachable              the other side does not answer, or went away
└── Tampered                 stored bytes failed their authentication

The text of an exception is a plain sentence for people and never holds a patient's value.
"""

from __future__ import annotations


class LeadglassError(Exception):
    """Root of the tree. `code` is a stable slug for machines; `str()` is a sentence for people."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class BrokenInvariant(LeadglassError):
    code = "broken-invariant"


class Violation(LeadglassError):
    code = "violation"


class NotDicom(Violation):
    code = "not-dicom"


class MalformedDataSet(Violation):
    code = "malformed"


class LimitExceeded(Violation):
    code = "limit"


class IllegalIdentity(Violation):
    code = "illegal-identity"


class ProtocolViolation(Violation):
    code = "protocol"


class Denied(LeadglassError):
    code = "denied"


class ListenerShut(Denied):
    code = "listener-shut"


class Refused(LeadglassError):
    code = "refused"


class NotFound(LeadglassError):
    code = "not-found"


class Conflict(LeadglassError):
    code = "conflict"


class Unavailable(LeadglassError):
    code = "unavailable"


class StorageFull(Unavailable):
    code = "storage-full"


class AsideFull(StorageFull):
    code = "aside-full"


class StorageFailed(Unavailable):
    code = "storage-failed"


class KeyMissing(Unavailable):
    code = "key-missing"


class KeyWrong(Unavailable):
    code = "key-wrong"


class HomeBusy(Unavailable):
    code = "home-busy"


class HomeNewer(Unavailable):
    code = "home-newer"


class RecordUnavailable(Unavailable):
    code = "record-unavailable"


class Unreachable(Unavailable):
    code = "unreachable"


class Tampered(LeadglassError):
    code = "tampered"
