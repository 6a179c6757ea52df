"""SOP Class Extended Negotiation of Query/Retrieve (PS3.4 C.5.1.1, C.5.2.1): what is asked for beyond the
baseline, and what of it we do.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from leadglass.dimse import sop_classes as uids
from leadglass.ul.items import ExtendedNegotiation
from leadglass.ul.pdu import AssociateAC, AssociateRQ

# One byte each: relational queries, combined date-time matching, fuzzy matching of names, timezone query
# adjustment, Enhanced Multi-Frame Image Conversion (Table C.5-1).
_FIND: Final = bytes((1, 1, 0, 0, 0))
# Relational retrieval, Enhanced Multi-Frame Image Conversion (Table C.5-3).
_RETRIEVE: Final = bytes((1, 0))

SUPPORTED: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        uids.PATIENT_ROOT_FIND: _FIND,
        uids.STUDY_ROOT_FIND: _FIND,
        uids.PATIENT_ROOT_MOVE: _RETRIEVE,
        uids.STUDY_ROOT_MOVE: _RETRIEVE,
        uids.PATIENT_ROOT_GET: _RETRIEVE,
        uids.STUDY_ROOT_GET: _RETRIEVE,
    }
)


def answers(request: AssociateRQ, offered: Container[str]) -> tuple[ExtendedNegotiation, ...]:
    """Our sub-items for the SOP classes that are offered: as many bytes as were sent, for an older peer may
    not expect more (C.5.1.1), each 1 where 1 was asked for and is done."""
    return tuple(
        ExtendedNegotiation(uid, bytes(int(a == b == 1) for a, b in zip(asked, SUPPORTED[uid], strict=False)))
        for uid, asked in _items(request).items()
        if uid in SUPPORTED and uid in offered and asked
    )


@dataclass(frozen=True, slots=True)
class Options:
    """What was agreed on for the queries of one SOP class."""

    relational: bool = False
    moments: bool = False  # ranges of date and time are one range


def options(answer: AssociateAC | None, sop_class_uid: str) -> Options:
    agreed = _items(answer).get(sop_class_uid, b"") if answer is not None else b""
    return Options(relational=agreed[:1] == b"\1", moments=agreed[1:2] == b"\1")


def _items(pdu: AssociateRQ | AssociateAC) -> dict[str, bytes]:
    return {item.sop_class_uid: item.information for item in pdu.user_information.extended}
