"""What a stranger asks over DICOM, as bytes: association requests and identifiers that show no patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG, transfer_syntax
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID
from leadglass.dicom.writer import Value, encode_dataset
from leadglass.dimse.command import Command, Field, Priority
from leadglass.dimse.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND, VERIFICATION
from leadglass.scan.manner import IMPLEMENTATION_VERSION
from leadglass.ul.items import ProposedContext, UserInformation
from leadglass.ul.pdu import AssociateRQ

WORKLIST_FIND: Final = "1.2.840.10008.5.1.4.31"

# A day before there were X-rays, and a valid date for every database. Not one that programs write for none,
# such as 18000101, 18581117 or 18991230.
IMPOSSIBLE_DAY: Final = "18420607"

# Explicit VR first, as it is easier on old readers; whoever takes anything takes the default (PS3.5 10.1).
_SYNTAXES: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")

# What is proposed to see what is accepted; only the three FINDs are ever used (PS3.4, PS3.6 Annex A).
OFFERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        STUDY_ROOT_FIND: "Study Root Query/Retrieve Information Model - FIND",
        "1.2.840.10008.5.1.4.1.2.2.2": "Study Root Query/Retrieve Information Model - MOVE",
        "1.2.840.10008.5.1.4.1.2.2.3": "Study Root Query/Retrieve Information Model - GET",
        PATIENT_ROOT_FIND: "Patient Root Query/Retrieve Information Model - FIND",
        "1.2.840.10008.5.1.4.1.2.1.2": "Patient Root Query/Retrieve Information Model - MOVE",
        "1.2.840.10008.5.1.4.1.2.1.3": "Patient Root Query/Retrieve Information Model - GET",
        WORKLIST_FIND: "Modality Worklist Information Model - FIND",
        "1.2.840.10008.5.1.4.1.1.2": "CT Image Storage",
        "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture Image Storage",
        "1.2.840.10008.5.1.4.1.1.6.1": "Ultrasound Image Storage",
        "1.2.840.10008.5.1.4.1.1.4": "MR Image Storage",
        "1.2.840.10008.5.1.4.1.1.1": "Computed Radiography Image Storage",
        "1.2.840.10008.5.1.4.1.1.1.1": "Digital X-Ray Image Storage - For Presentation",
        "1.2.840.10008.5.1.4.1.1.104.1": "Encapsulated PDF Storage",
        "1.2.840.10008.1.20.1": "Storage Commitment Push Model",
        "1.2.840.10008.3.1.2.3.3": "Modality Performed Procedure Step",
        "1.2.840.10008.5.1.1.9": "Basic Grayscale Print Management Meta",
        "1.2.840.10008.5.1.1.18": "Basic Color Print Management Meta",
    }
)
# A UID below 2.25 that is made up for this purpose and means nothing: who accepts it accepts anything.
UNKNOWN_SERVICE: Final = "2.25.308817093402857349823067156284395717402"


# --- association requests ---------------------------------------------------------------------------------


def verification(called: str, calling: str, longest: int) -> AssociateRQ:
    """`longest`: the most bytes of a P-DATA-TF that we take."""
    return AssociateRQ(called, calling, _contexts((VERIFICATION,)), _user(longest))


def offers(called: str, calling: str, longest: int) -> AssociateRQ:
    return AssociateRQ(called, calling, _contexts((*OFFERS, UNKNOWN_SERVICE)), _user(longest))


@lru_cache
def _contexts(services: tuple[str, ...]) -> tuple[ProposedContext, ...]:
    return tuple(ProposedContext(2 * n + 1, uid, _SYNTAXES) for n, uid in enumerate(services))


@lru_cache
def _user(longest: int) -> UserInformation:
    return UserInformation(longest, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION)


# --- requests ---------------------------------------------------------------------------------------------


def echo(message_id: int) -> Command:
    return Command(Field.C_ECHO_RQ, message_id=message_id, affected_sop_class_uid=VERIFICATION)


def find(message_id: int, model: str) -> Command:
    return Command(
        Field.C_FIND_RQ,
        message_id=message_id,
        affected_sop_class_uid=model,
        priority=Priority.MEDIUM,
        has_dataset=True,
    )


# --- identifiers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Keys:
    """Of an identifier: keyword to value, "" for what is only asked for."""

    values: Mapping[str, str]
    step: Mapping[str, str] | None = None  # of the one item in Scheduled Procedure Step Sequence

    @property
    def names(self) -> tuple[str, ...]:
        """For an observation: keywords in lower case."""
        named: Iterable[str] = self.values
        if self.step is not None:
            named = (*self.values, *self.step)
        return tuple(sorted(keyword.lower() for keyword in named))

    def encode(self, syntax_uid: str) -> bytes:
        elements = _elements(self.values)
        if self.step is not None:
            tag = TAG_BY_KEYWORD["ScheduledProcedureStepSequence"]
            elements.append((tag, "SQ", (tuple(_elements(self.step)),)))
        return encode_dataset(elements, transfer_syntax(syntax_uid))


def _elements(values: Mapping[str, str]) -> list[tuple[int, str, Value]]:
    tags = {TAG_BY_KEYWORD[keyword]: value for keyword, value in values.items()}
    return [(tag, VR_BY_TAG[tag], _value(tag, value)) for tag, value in tags.items()]


def _value(tag: int, value: str) -> Value:
    return () if VR_BY_TAG[tag] == "SQ" else value.encode("ascii")


def no_study(model: str, nobody: str) -> Keys:
    """Studies of a day on which there were none; where patients come first, of a patient who is none
    (PS3.4 C.4.1.2.1: the unique keys of the levels above have single values)."""
    keys = {"QueryRetrieveLevel": "STUDY", "StudyDate": IMPOSSIBLE_DAY, "StudyInstanceUID": ""}
    return Keys(keys | {"PatientID": nobody} if model == PATIENT_ROOT_FIND else keys)


def no_procedure(nobody: str) -> Keys:
    """Steps of that day at a station that is none; both are required matching keys (PS3.4 Table K.6-1)."""
    step = {"ScheduledStationAETitle": nobody, "ScheduledProcedureStepStartDate": IMPOSSIBLE_DAY}
    return Keys({"StudyInstanceUID": ""}, step)


def studies(narrowed: Mapping[str, str], asked: Iterable[str] = ()) -> Keys:
    """Studies that match `narrowed`; nothing is asked of them but their UID and `asked`."""
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}
    return Keys(keys | dict.fromkeys(asked, "") | dict(narrowed))
