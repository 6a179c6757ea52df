"""The identifier of a C-GET or C-MOVE: a level and unique keys (PS3.4 C.4.2.1.4.1, C.4.3.1.3.1).

Relational retrieval is always taken: of the levels above its own an identifier may leave keys out, and any
UID may be a list. Nothing else matches here: a wild card is a character like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from leadglass.archive.selection import Keys
from leadglass.dicom.charset import charset_of
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, is_valid_uid, transfer_syntax
from leadglass.dicom.elements import DataSet, Limits
from leadglass.dicom.values import text, texts
from leadglass.dimse import sop_classes
from leadglass.dimse.command import Field
from leadglass.errors import Violation

MOST_UIDS: Final = 10_000
MOST_BYTES: Final = 1 << 20  # of an identifier
_LIMITS: Final = Limits(depth=4, elements=1000, header_bytes=4 << 20, value_bytes=1 << 20)

# A level's own unique key and the part of Keys that it becomes (PS3.4 C.6.1.1, C.6.2.1).
UNIQUE: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "PATIENT": ("PatientID", "patient_id"),
        "STUDY": ("StudyInstanceUID", "study_uids"),
        "SERIES": ("SeriesInstanceUID", "series_uids"),
        "IMAGE": ("SOPInstanceUID", "instance_uids"),
    }
)
_STUDY_ROOT: Final = ("STUDY", "SERIES", "IMAGE")
_PATIENT_ROOT: Final = ("PATIENT", *_STUDY_ROOT)
LEVELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        sop_classes.PATIENT_ROOT_GET: _PATIENT_ROOT,
        sop_classes.PATIENT_ROOT_MOVE: _PATIENT_ROOT,
        sop_classes.STUDY_ROOT_GET: _STUDY_ROOT,
        sop_classes.STUDY_ROOT_MOVE: _STUDY_ROOT,
    }
)
# The SOP classes of each operation: what stands in its command has to be one, whatever context it comes on.
MODELS: Final[Mapping[Field, tuple[str, ...]]] = MappingProxyType(
    {
        Field.C_GET_RQ: (sop_classes.PATIENT_ROOT_GET, sop_classes.STUDY_ROOT_GET),
        Field.C_MOVE_RQ: (sop_classes.PATIENT_ROOT_MOVE, sop_classes.STUDY_ROOT_MOVE),
    }
)
_LEVEL: Final = TAG_BY_KEYWORD["QueryRetrieveLevel"]
_ISSUER: Final = TAG_BY_KEYWORD["IssuerOfPatientID"]
_WANTED: Final = frozenset({_LEVEL, _ISSUER, *(TAG_BY_KEYWORD[keyword] for keyword, _ in UNIQUE.values())})


def unique_keys(identifier: bytes, sop_class_uid: str, transfer_syntax_uid: str) -> Keys:
    """What is to be retrieved. Violation when the identifier is not one of this SOP class."""
    found = parse(identifier, transfer_syntax(transfer_syntax_uid), _LIMITS, _WANTED)
    level = text(found.get(_LEVEL))
    if level not in LEVELS[sop_class_uid]:
        raise Violation("The identifier has no Query/Retrieve Level of this SOP class.", code="level")
    names = list(UNIQUE)
    values = {name: _values(found, name) for name in names}
    if not values[level]:
        raise Violation(f"The identifier lacks the unique key of {level} level.", code="unique-key")
    if any(values[name] for name in names[names.index(level) + 1 :]):
        raise Violation(f"The identifier has a key below {level} level.", code="unique-key")
    patient = values.pop("PATIENT")
    uids = {UNIQUE[name][1]: given for name, given in values.items()}
    return Keys(patient[0] if patient else "", text(found.get(_ISSUER), charset_of(found)), **uids)


def _values(found: DataSet, level: str) -> tuple[str, ...]:
    keyword, _ = UNIQUE[level]
    element = found.get(TAG_BY_KEYWORD[keyword])
    if element is None:
        return ()
    values = tuple(filter(None, map(str.strip, texts(element, charset_of(found)))))
    if level == "PATIENT":
        if len(values) > 1:
            raise Violation("A Patient ID is one value.", code="unique-key")
        return values
    if len(values) > MOST_UIDS or not all(map(is_valid_uid, values)):
        raise Violation(f"{keyword} is not a list of legal UIDs.", code="unique-key")
    return tuple(dict.fromkeys(values))
