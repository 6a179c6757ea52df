"""SOP classes against pynetdicom's lists, and every one that it does not have explained."""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec

import pytest
from pydicom.uid import UID

from leadglass.dicom.dictionary import is_valid_uid
from leadglass.dimse import sop_classes as ours

# A copy of its own: other tests add to the lists of the one that everybody shares.
_spec = find_spec("pynetdicom.sop_class")
assert _spec is not None and _spec.loader is not None
theirs = module_from_spec(_spec)
_spec.loader.exec_module(theirs)

# Storage SOP classes that pynetdicom does not list under storage: how their UIDs begin, how many there are,
# and why they are in our table all the same.
EXTRAS = {
    "retired: objects of then still exist": frozenset(
        {
            "StoredPrintStorage",
            "HardcopyGrayscaleImageStorage",
            "HardcopyColorImageStorage",
            "UltrasoundMultiFrameImageStorageRetired",
            "NuclearMedicineImageStorageRetired",
            "UltrasoundImageStorageRetired",
            "StandaloneOverlayStorage",
            "StandaloneCurveStorage",
            "WaveformStorageTrial",
            "StandaloneModalityLUTStorage",
            "StandaloneVOILUTStorage",
            "XRayAngiographicBiPlaneImageStorage",
            "VLImageStorageTrial",
            "VLMultiFrameImageStorageTrial",
            "TextSRStorageTrial",
            "AudioSRStorageTrial",
            "DetailSRStorageTrial",
            "ComprehensiveSRStorageTrial",
            "StandalonePETCurveStorage",
            "RTBeamsDeliveryInstructionStorageTrial",
        }
    ),
    "no patient's (PS3.4 Annex GG), which pynetdicom lists apart": frozenset(
        {
            "CTDefinedProcedureProtocolStorage",
            "XADefinedProcedureProtocolStorage",
            "ProtocolApprovalStorage",
            "InventoryStorage",
            "HangingProtocolStorage",
            "ColorPaletteStorage",
            "GenericImplantTemplateStorage",
            "ImplantAssemblyTemplateStorage",
            "ImplantTemplateGroupStorage",
        }
    ),
    "security screening (DICOS)": frozenset(
        {
            "DICOSCTImageStorage",
            "DICOSDigitalXRayImageStorageForPresentation",
            "DICOSDigitalXRayImageStorageForProcessing",
            "DICOSThreatDetectionReportStorage",
            "DICOS2DAITStorage",
            "DICOS3DAITStorage",
            "DICOSQuadrupoleResonanceStorage",
        }
    ),
    "testing of materials (DICONDE)": frozenset(
        {"EddyCurrentImageStorage", "EddyCurrentMultiFrameImageStorage"}
    ),
}


def test_every_storage_class_of_pynetdicom_is_ours() -> None:
    assert set(theirs._STORAGE_CLASSES.values()) <= set(ours.STORAGE)


def test_every_other_one_is_explained() -> None:
    extras = set(ours.STORAGE) - set(theirs._STORAGE_CLASSES.values())
    explained = {keyword for keywords in EXTRAS.values() for keyword in keywords}
    assert {UID(uid).keyword for uid in extras} == explained


def test_those_of_no_patient() -> None:
    assert set(theirs._NON_PATIENT_OBJECT_CLASSES.values()) == ours.NON_PATIENT
    assert set(ours.STORAGE) >= ours.NON_PATIENT


def test_the_retired_ones_are_those_of_the_dictionary() -> None:
    assert {UID(uid).keyword for uid in ours.RETIRED} == EXTRAS["retired: objects of then still exist"]


@pytest.mark.parametrize("uid", ours.STORAGE)
def test_a_storage_class(uid: str) -> None:
    assert is_valid_uid(uid)
    assert "Storage" in ours.STORAGE[uid]
    assert ours.is_storage(uid) and not ours.is_private(uid)


@pytest.mark.parametrize("uid", ours._NEWER)
def test_names_that_pydicom_lacks_still_are_lacking(uid: str) -> None:
    """When this fails, the dictionary has it and the line can go."""
    assert not UID(uid).keyword
    assert uid in theirs._STORAGE_CLASSES.values()


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        ("VERIFICATION", "1.2.840.10008.1.1"),
        ("PATIENT_ROOT_FIND", "1.2.840.10008.5.1.4.1.2.1.1"),
        ("PATIENT_ROOT_MOVE", "1.2.840.10008.5.1.4.1.2.1.2"),
        ("PATIENT_ROOT_GET", "1.2.840.10008.5.1.4.1.2.1.3"),
        ("STUDY_ROOT_FIND", "1.2.840.10008.5.1.4.1.2.2.1"),
        ("STUDY_ROOT_MOVE", "1.2.840.10008.5.1.4.1.2.2.2"),
        ("STUDY_ROOT_GET", "1.2.840.10008.5.1.4.1.2.2.3"),
        ("STORAGE_COMMITMENT_PUSH", "1.2.840.10008.1.20.1"),
        ("STORAGE_COMMITMENT_INSTANCE", "1.2.840.10008.1.20.1.1"),
    ],
)
def test_the_other_services(name: str, uid: str) -> None:
    assert getattr(ours, name) == uid
    assert not ours.is_storage(uid)


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.1.3.10",
        "1.2.840.10008.1.20.2",
        "1.2.840.10008.1.2.1",
        "1.2.3",
        "",
        "1.2.840.10008.5.1.4.1.1",
    ],
    ids=[
        "media storage directory",
        "storage commitment pull",
        "a transfer syntax",
        "private",
        "empty",
        "a stem",
    ],
)
def test_no_storage_class(uid: str) -> None:
    assert not ours.is_storage(uid)


def test_private() -> None:
    assert ours.is_private("1.2.840.113619.4.26")
    assert ours.is_private("1.2.840.100080.1")
    assert not ours.is_private(ours.VERIFICATION)
