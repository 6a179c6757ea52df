"""Every check: what it sends, what proves it, how much it matters, and how far a scope has to reach for it.

`findings` holds the rules, `wording` says them to the owner, docs/reference/scan-checks.md is made of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

from leadglass.scan.manner import Option
from leadglass.scan.observation import Level


class Severity(IntEnum):
    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def letter(self) -> str:
        return self.name[0]


class Certainty(StrEnum):
    """What a finding of this check shows. Nothing is said to be more than it is."""

    PROVEN = "proven"  # the server did it
    NEGOTIATED = "negotiated"  # it agreed to do it; it was not asked to
    POSSIBLE = "possible"  # something says so: an open port, a version, a method that is listed


@dataclass(frozen=True, slots=True)
class Check:
    """`severity`: the most it can be; `least`: where circumstances make it less (the rule says which)."""

    id: str
    slug: str
    severity: Severity
    level: Level  # of the scope below which it is not tried
    sends: str
    proof: str
    untouched: str  # how patients stay untouched
    certainty: Certainty = Certainty.PROVEN
    least: Severity | None = None
    option: Option | None = None


_I, _L, _M, _H, _C = Severity
_CONNECT, _ASSOCIATE, _ECHO, _QUERY, _COUNT = Level
_NO_MATCH: Final = "no match, so no record"
_NO_DIMSE: Final = "no operation"
_NEVER: Final = "only proposed, never asked for"

_ALL: Final = (
    Check(
        "D01", "dicom-present", _I, _ASSOCIATE,
        "A-ASSOCIATE-RQ for Verification", "a well-formed A-ASSOCIATE-AC, A-ASSOCIATE-RJ or A-ABORT",
        _NO_DIMSE,
    ),
    Check(
        "D02", "no-called-ae-check", _M, _ASSOCIATE,
        "an association under a made-up called AE title", "accepted, with at least one context", _NO_DIMSE,
    ),
    Check(
        "D03", "no-calling-ae-check", _M, _ASSOCIATE,
        "an association under a made-up calling AE title", "accepted, with at least one context", _NO_DIMSE,
    ),
    Check(
        "D04", "weak-ae-title", _M, _ASSOCIATE,
        "associations under at most ten AE titles that the scope names",
        "accepted, after made-up ones were refused", _NO_DIMSE, option=Option.TITLES,
    ),
    Check("D05", "echo", _L, _ECHO, "C-ECHO", "status 0x0000", "no data"),
    Check(
        "D06", "find-open", _H, _QUERY,
        "C-FIND for studies of a day on which there are none, asking for Study Instance UIDs only",
        "status 0x0000 (this stranger may query), or a match although none is possible (the date is ignored)",
        "no match; ended at the first response that comes nevertheless",
    ),
    Check(
        "D07", "find-count", _C, _COUNT, "C-FIND for studies",
        "at least one match", "matches are counted by their command sets, data sets dropped undecoded",
    ),
    Check(
        "D08", "retrieve-offered", _H, _ASSOCIATE, "contexts for C-GET and C-MOVE",
        "accepted; less where the same port refused a stranger's C-FIND", _NEVER,
        Certainty.NEGOTIATED, least=_M,
    ),
    Check(
        "D09", "store-accepted", _H, _ASSOCIATE, "contexts for storage of CT and secondary capture images",
        "accepted", _NEVER, Certainty.NEGOTIATED,
    ),
    Check(
        "D10", "worklist-open", _H, _QUERY, "C-FIND for scheduled procedure steps that do not exist",
        "status 0x0000, or a match although none is possible", "no match; ended at the first response",
    ),
    Check(
        "D11", "other-services-offered", _M, _ASSOCIATE,
        "contexts for storage commitment, performed procedure steps and print", "accepted", _NEVER,
        Certainty.NEGOTIATED,
    ),
    Check(
        "T01", "plaintext", _H, _ASSOCIATE, "an association without TLS",
        "accepted; low on a private network", _NO_DIMSE, least=_L,
    ),
    Check(
        "T02", "weak-tls", _M, _ASSOCIATE, "TLS handshakes of versions 1.0 to 1.3",
        "below 1.2, a weak cipher, a certificate out of its time, SHA-1 or MD5, a small key; low for a "
        "certificate that is merely self-signed", "no data", least=_L,
    ),
    Check(
        "T03", "no-mutual-tls", _M, _ASSOCIATE, "an association inside TLS, without a client certificate",
        "accepted", _NO_DIMSE,
    ),
    Check(
        "W01", "qido-open", _C, _QUERY,
        "GET /studies?limit=1 for a Study Instance UID that does not exist, and a path nobody can have",
        "a list (200) or 204, where the other path is not found", _NO_MATCH,
    ),
    Check(
        "W02", "qido-count", _C, _COUNT, "GET of a resource that answers with a number", "a number above 0",
        "a number, no record",
    ),
    Check(
        "W03", "orthanc-rest", _C, _ASSOCIATE, "GET /system; GET /statistics where the scope allows counting",
        "Orthanc's description of itself", "a description and counts",
    ),
    Check(
        "W04", "default-credentials", _C, _ASSOCIATE, "one request with the product's published default",
        "status 200", "a page that shows no patient", option=Option.CREDENTIALS,
    ),
    Check(
        "W05", "stow-offered", _M, _ASSOCIATE, "OPTIONS of /studies", "POST is listed", "never posted",
        Certainty.POSSIBLE,
    ),
    Check(
        "W06", "dcm4chee-ui", _C, _ASSOCIATE, "GET of dcm4chee's own pages",
        "its page comes without a sign-in; critical where W01 holds at the same port",
        "never the list of studies", least=_L,
    ),
    Check(
        "W07", "ohif-config", _C, _ASSOCIATE, "GET /app-config.js",
        "OHIF's configuration; critical where W01 holds at the same port", "a configuration", least=_L,
    ),
    Check(
        "W08", "viewer", _C, _ASSOCIATE,
        "GET of the first pages of MedDream, Oviyam, Weasis, Conquest, Dicoogle and ClearCanvas",
        "such a page comes without a sign-in; critical where W01 holds at the same port",
        "never the list of studies", least=_L,
    ),
    Check(
        "W09", "directory-listing", _C, _ASSOCIATE, "GET of an index page, its first 64 KiB",
        "links to DICOM files or a DICOMDIR", "names are hashed, nothing is fetched",
    ),
    Check(
        "W10", "cors", _M, _ASSOCIATE, "a request with an Origin nobody has",
        "that origin or any is allowed with credentials, or where W01 or W03 holds at the same port",
        "no data",
    ),
    Check(
        "N01", "hl7-reachable", _M, _CONNECT, "a TCP connection to ports 2575 and 6661", "it is accepted",
        "no bytes", Certainty.POSSIBLE,
    ),
    Check(
        "N02", "database-reachable", _H, _CONNECT,
        "a TCP connection to ports 5432, 3306, 1433, 27017 and 389", "it is accepted", "no bytes, no log-in",
        Certainty.POSSIBLE,
    ),
    Check(
        "F01", "known-vulnerability", _H, _ASSOCIATE, "nothing more",
        "what a product says of its version lies in a range that an advisory calls affected; at most medium "
        "for a toolkit inside a product that is not known", "nothing more is sent",
        Certainty.POSSIBLE, least=_L,
    ),
)  # fmt: skip
CHECKS: Final[Mapping[str, Check]] = MappingProxyType({check.id: check for check in _ALL})
