"""Chapters 6 and 7: settings, policies of association, presentation contexts, limits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from enum import IntEnum
from typing import Final

from leadglass.access.actions import GRANTS, Action
from leadglass.access.policy import RECEIVE_ONLY
from leadglass.config import sections
from leadglass.conformance.markdown import code, table
from leadglass.dicom.dictionary import uid_name
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.message import DimseLimits
from leadglass.net import outgoing
from leadglass.net.deadlines import Deadlines
from leadglass.scp import admission, commitment, identifiers, proposals, unique_keys
from leadglass.scp.extended import SUPPORTED
from leadglass.transfer import association, contexts
from leadglass.transfer.query import PROPOSALS
from leadglass.ul.items import UNSAID_MAXIMUM_LENGTH, ContextResult
from leadglass.ul.pdu import DICOM_APPLICATION_CONTEXT, MOST_CONTEXTS, REJECT_REASONS, AssociateRJ
from leadglass.ul.wire import UlLimits

CONTEXT_HEAD: Final = ("SOP class", "UID", "transfer syntaxes", "role of the archive", "`--allow`")

# When an association is rejected.
REJECTIONS: Final[tuple[tuple[AssociateRJ, str], ...]] = (
    (
        AssociateRJ.CALLING_NOT_RECOGNIZED,
        "the calling AE is not known, or has another certificate or address; whatever else is wrong",
    ),
    (AssociateRJ.APPLICATION_CONTEXT_NOT_SUPPORTED, "an application context other than DICOM's"),
    (AssociateRJ.CALLED_NOT_RECOGNIZED, "the called AE title is not the archive's"),
    (AssociateRJ.NO_REASON, "a User Identity that does not count ([8.5](#85-user-identity))"),
    (AssociateRJ.CONGESTED, "it cannot be looked up now who that is"),
    (AssociateRJ.PROTOCOL_VERSION_NOT_SUPPORTED, "bit 0 of the protocol version is not set"),
)
RESULTS: Final[Mapping[ContextResult, str]] = {
    ContextResult.ACCEPTANCE: "in the first of its transfer syntaxes that is offered",
    ContextResult.USER_REJECTION: "the requestor takes no role for which there is a counterpart",
    ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED: "nobody is offered it, or not this AE",
    ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED: "none of its transfer syntaxes is offered",
}
DEADLINES: Final[Mapping[str, str]] = {
    "connect": "TCP connection, as requestor",
    "handshake": "TLS",
    "association": "A-ASSOCIATE request after the connection, TLS included; its answer",
    "message": "a message, and",
    "least_rate": "one second more for every so many bytes of it",
    "idle": "between messages of an association",
    "answer": "the first response of the other side",
    "write": "the other side takes what it was sent",
    "release": "the connection is closed after a release, rejection or abort",
}
# Application information of SOP Class Extended Negotiation, byte by byte (PS3.4 Tables C.5-1, C.5-3).
_OPTIONS: Final[Mapping[int, tuple[str, ...]]] = {
    5: (
        "relational queries",
        "combined date-time matching",
        "fuzzy semantic matching of names",
        "timezone query adjustment",
        "Enhanced Multi-Frame Image Conversion",
    ),
    2: ("relational retrieval", "Enhanced Multi-Frame Image Conversion"),
}
SETTINGS: Final = ("dicom", "identity")


def values() -> dict[str, object]:
    results = ((f"{int(result)} {_said(result)}", when) for result, when in RESULTS.items())
    return {
        "settings": table(("setting", "default", ""), _settings()),
        "general": table(("parameter", "value"), _general()),
        "deadlines": table(("deadline for", "seconds"), _deadlines()),
        "limits": table(("limit", "most"), _limits()),
        "archive": table(CONTEXT_HEAD, offered()),
        "receiver": table(CONTEXT_HEAD, offered(RECEIVE_ONLY)),
        "extended": table(("SOP classes", "byte", "meaning", "supported"), _extended()),
        "results": table(("result", "when"), results),
        "rejections": table(("result", "source", "reason", "when"), _rejections()),
        "sending": _syntaxes(proposals.FALLBACK),
        "small": _syntaxes(association.SMALL),
        "uncompressed": _syntaxes(contexts.UNCOMPRESSED),
        "compressed": _syntaxes(contexts.COMPRESSED),
        "models": ", ".join(uid_name(uid) for uid, _ in PROPOSALS),
        "room": contexts.ROOM,
    }


def _settings() -> Iterator[tuple[str, str, str]]:
    for section, _, settings in sections():
        for name, field in settings.items() if section in SETTINGS else ():
            yield code(f"{section}.{name}"), code(json.dumps(field.default)), field.description or ""


def offered(actions: Iterable[Action] = Action) -> Iterator[tuple[str, ...]]:
    """What a listener offers to AEs that may do all of `actions`."""
    among = frozenset(actions)
    yield "Verification", code(uids.VERIFICATION), _SMALL, "SCP", "every known AE"
    if Action.OBJECT_INGEST in among:
        gives = Action.STUDY_RETRIEVE in among
        role, word = ("SCP; SCU", "`store`; `get`") if gives else ("SCP", "`store`")
        yield "Storage, [Annex A](#annex-a-storage-sop-classes)", "", _ANY, role, word
        yield "private: any that is not below the Standard's root", "", _ANY, role, "`private` besides"
    for action, syntaxes in admission.SERVICES.items():
        for uid in syntaxes if action in among else ():
            yield uid_name(uid), code(uid), _SMALL, "SCP", code(_word(action))


_ANY: Final = "all of [Annex B](#annex-b-transfer-syntaxes)"
_SMALL: Final = "the uncompressed of [Annex B](#annex-b-transfer-syntaxes)"


def _word(action: Action) -> str:
    return next(word for word, granted in GRANTS.items() if granted is action)


def _general() -> Iterator[tuple[str, str]]:
    yield "application context", code(DICOM_APPLICATION_CONTEXT)
    yield "Implementation Class UID", code(IMPLEMENTATION_CLASS_UID)
    yield "Implementation Version Name", code(IMPLEMENTATION_VERSION_NAME)
    yield "maximum length received, as acceptor", size(admission.MAXIMUM_LENGTH)
    yield "the same, as requestor: Archive", size(proposals.MAXIMUM_LENGTH)
    yield "the same, as requestor: Commands", size(association.MAXIMUM_LENGTH)
    yield "longest PDU sent", f"what the other side takes, {size(outgoing.LONGEST)} at most"
    yield "the same to one that names no maximum", size(outgoing.UNLIMITED)
    yield "the same to one that leaves the item out", size(UNSAID_MAXIMUM_LENGTH)
    yield "asynchronous operations", "not negotiated: one operation at a time"
    yield "presentation contexts", f"{MOST_CONTEXTS} at most in one request"
    yield "associations at once, as acceptor", "`dicom.connections`, `dicom.connections_per_address`"
    yield "associations at once, as requestor", "one for each C-MOVE under way; one for each command"
    yield "addresses", "IPv4 and IPv6"


def _deadlines() -> Iterator[tuple[str, str]]:
    defaults = Deadlines()
    for each in fields(Deadlines):
        value = getattr(defaults, each.name)
        yield DEADLINES[each.name], size(value) if each.name == "least_rate" else f"{value:g}"


def _limits() -> Iterator[tuple[str, str]]:
    yield "a PDU that controls the association", size(UlLimits().control_pdu)
    yield "a command set", size(DimseLimits().command_bytes)
    yield "the identifier of a C-FIND", size(identifiers.MOST_BYTES)
    yield "the identifier of a C-GET or C-MOVE", size(unique_keys.MOST_BYTES)
    yield "UIDs of one key of a C-GET or C-MOVE", f"{unique_keys.MOST_UIDS:,}"
    yield "a request for storage commitment", size(commitment.MOST_BYTES)
    yield "an object", "`limits.object_mib` of the settings by file and command; without limit by C-STORE"


def _extended() -> Iterator[tuple[str, ...]]:
    by_options: dict[bytes, list[str]] = {}
    for uid, supported in SUPPORTED.items():
        by_options.setdefault(supported, []).append(uid_name(uid).rpartition(" - ")[2])
    for supported, names in by_options.items():
        for place, meaning in enumerate(_OPTIONS[len(supported)]):
            answer = "yes" if supported[place] else "no"
            yield ", ".join(dict.fromkeys(names)), str(place + 1), meaning, answer


def _rejections() -> Iterator[tuple[str, ...]]:
    for rejection, when in REJECTIONS:
        reason = f"{rejection.reason}: {REJECT_REASONS[rejection.source, rejection.reason].rstrip('.')}"
        source = f"{int(rejection.source)} {_said(rejection.source)}".replace("acse", "(ACSE)")
        yield f"{int(rejection.result)} {_said(rejection.result)}", source, reason, when


def _said(member: IntEnum) -> str:
    return member.name.lower().replace("_", " ")


def _syntaxes(syntaxes: Iterable[str]) -> str:
    return ", ".join(map(uid_name, syntaxes))


def size(number: int) -> str:
    """Bytes for people; every limit is a power of two."""
    if number >= 1 << 20:
        return f"{number >> 20} MiB"
    return f"{number >> 10} KiB" if number >= 1 << 10 else f"{number} bytes"
