"""The SOP classes and well-known instances of the services (PS3.4; UIDs and names as in PS3.6 Annex A)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from leadglass.dicom.registries import UID_dictionary

_DICOM_ROOT: Final = "1.2.840.10008."
_UID_BY_KEYWORD: Final[Mapping[str, str]] = {row[4]: uid for uid, row in UID_dictionary.items() if row[4]}

VERIFICATION: Final = _UID_BY_KEYWORD["Verification"]

PATIENT_ROOT_FIND: Final = _UID_BY_KEYWORD["PatientRootQueryRetrieveInformationModelFind"]
PATIENT_ROOT_MOVE: Final = _UID_BY_KEYWORD["PatientRootQueryRetrieveInformationModelMove"]
PATIENT_ROOT_GET: Final = _UID_BY_KEYWORD["PatientRootQueryRetrieveInformationModelGet"]
STUDY_ROOT_FIND: Final = _UID_BY_KEYWORD["StudyRootQueryRetrieveInformationModelFind"]
STUDY_ROOT_MOVE: Final = _UID_BY_KEYWORD["StudyRootQueryRetrieveInformationModelMove"]
STUDY_ROOT_GET: Final = _UID_BY_KEYWORD["StudyRootQueryRetrieveInformationModelGet"]

STORAGE_COMMITMENT_PUSH: Final = _UID_BY_KEYWORD["StorageCommitmentPushModel"]
STORAGE_COMMITMENT_INSTANCE: Final = _UID_BY_KEYWORD["StorageCommitmentPushModelInstance"]  # PS3.4 J.3.5

# Named like storage and not: a directory is a file on a medium (PS3.4 Annex I), commitment a service.
_NO_STORAGE: Final = frozenset(
    {
        _UID_BY_KEYWORD["MediaStorageDirectoryStorage"],
        _UID_BY_KEYWORD["StorageCommitmentPushModel"],
        _UID_BY_KEYWORD["StorageCommitmentPullModel"],
    }
)

# In the Standard since, not yet in pydicom's dictionary.
_NEWER: Final[Mapping[str, str]] = {
    "1.2.840.10008.5.1.4.1.1.9.100.1": "Waveform Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
}


def _storage() -> dict[str, str]:
    named = {
        uid: row[0]
        for uid, row in UID_dictionary.items()
        if row[1] == "SOP Class" and "Storage" in row[0] and uid not in _NO_STORAGE
    }
    return {**_NEWER, **named}


# UID -> name: PS3.4 B.5 and GG.3, the retired ones of B.6, those of DICOS and DICONDE.
STORAGE: Final[Mapping[str, str]] = MappingProxyType(_storage())

RETIRED: Final = frozenset(uid for uid in STORAGE if uid in UID_dictionary and UID_dictionary[uid][3])

# Objects that belong to no patient and no study (PS3.4 Table GG.3-1).
NON_PATIENT: Final = frozenset(
    _UID_BY_KEYWORD[keyword]
    for keyword in (
        "HangingProtocolStorage",
        "ColorPaletteStorage",
        "GenericImplantTemplateStorage",
        "ImplantAssemblyTemplateStorage",
        "ImplantTemplateGroupStorage",
        "CTDefinedProcedureProtocolStorage",
        "XADefinedProcedureProtocolStorage",
        "ProtocolApprovalStorage",
        "InventoryStorage",
    )
)


def is_storage(uid: str) -> bool:
    """Whether it is a storage SOP class of the Standard. Those of manufacturers nobody can list."""
    return uid in STORAGE


def is_private(uid: str) -> bool:
    """Not below the root of the Standard (PS3.5 9.1, PS3.6 Annex A)."""
    return not uid.startswith(_DICOM_ROOT)
