"""The demo's images: real ones out of pydicom's collections, under made-up identities.

Each was looked at: none shows a name, a patient's number or a hospital burnt into its pixels. What says whose
it was and where it came from is taken out before the made-up identity goes in; pixels stay as they are. It is
all done in memory: nothing is written but what the archive seals.
"""

from __future__ import annotations

import importlib.util
import io
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from leadglass.demo.people import OLD_VISITS, PEOPLE, VISITS, Person, Visit
from leadglass.errors import NotFound


@dataclass(frozen=True, slots=True)
class Image:
    """A file of the package `package`, under the folder `folder` in it."""

    file: str
    modality: str
    body_part: str
    series: str
    package: str = "data_store"
    folder: str = "data"
    window: tuple[int, int] | None = None  # center and width, where the original has none


_PYDICOM: Final[dict[str, Any]] = {"package": "pydicom", "folder": "data/test_files"}

IMAGES: Final = {
    "cr_chest": Image("RG1_UNCR.dcm", "CR", "CHEST", "PA"),
    "cr_leg": Image("RG3_UNCR.dcm", "CR", "LEG", "AP"),
    "ct_head": Image("693_UNCR.dcm", "CT", "HEAD", "Axial 5 mm"),
    "ct_abdomen": Image("explicit_VR-UN.dcm", "CT", "ABDOMEN", "Axial, prone", window=(40, 400)),
    "ct_spine": Image("bad_sequence.dcm", "CT", "LSPINE", "Axial, bone"),
    "ct_brain_maps": Image("eCT_Supplemental.dcm", "CT", "BRAIN", "Perfusion maps"),
    "ct_small": Image("CT_small.dcm", "CT", "TSPINE", "Axial, small field", window=(40, 400), **_PYDICOM),
    "mr_shoulder": Image("MR2_UNCR.dcm", "MR", "SHOULDER", "PD coronal"),
    "mr_abdomen": Image(
        "MR-SIEMENS-DICOM-WithOverlays.dcm", "MR", "ABDOMEN", "T1 fat-saturated, portal venous"
    ),
    "mr_head": Image("emri_small.dcm", "MR", "HEAD", "T1, 10 images"),
    "mr_small": Image("MR_small.dcm", "MR", "HEAD", "Survey", **_PYDICOM),
    "us_heart": Image("JPGLosslessP14SV1_1s_1f_8b.dcm", "US", "HEART", "Parasternal long axis"),
    "us_heart_cine": Image("color3d_jpeg_baseline.dcm", "US", "HEART", "Four chambers, cine"),
    "us_flow": Image("color-pl.dcm", "US", "HEART", "Colour flow"),
    "nm_bone": Image("JPEG-LL.dcm", "NM", "WHOLEBODY", "Whole body, anterior"),
}

# What identifies somebody or somewhere, beyond every name of a person (VR PN), every UID but a class's, every
# private element and every sequence that is not needed to show the image.
_TAKEN_OUT: Final = frozenset({
    "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName",
    "OtherPatientIDs", "PatientAddress", "PatientTelephoneNumbers", "PatientComments", "EthnicGroup",
    "AdditionalPatientHistory", "IssuerOfPatientID", "FillerOrderNumberImagingServiceRequest",
    "PlacerOrderNumberImagingServiceRequest", "PatientAge", "PatientSize", "PatientWeight",
    "Occupation", "MedicalAlerts", "StudyComments", "ImageComments", "AdmissionID", "ProtocolName",
    "RequestedProcedureID", "RequestedProcedureDescription", "ReasonForTheRequestedProcedure",
    "ScheduledProcedureStepID", "PerformedProcedureStepID", "PerformedProcedureStepDescription",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime",
    "CommentsOnThePerformedProcedureStep", "DeviceSerialNumber",
    "PerformedStationName", "PerformedLocation", "RetrieveAETitle", "DateOfSecondaryCapture",
    "TimeOfSecondaryCapture", "DateOfLastCalibration", "TimeOfLastCalibration", "AcquisitionDateTime",
    "PatientReligiousPreference", "CurrentPatientLocation", "RequestingService",
})  # fmt: skip
_KEPT: Final = frozenset({
    "SOPClassUID",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "DimensionIndexSequence",
    "DimensionOrganizationSequence", "ModalityLUTSequence", "VOILUTSequence", "SequenceOfUltrasoundRegions",
})  # fmt: skip
_NAMESPACE: Final = uuid.UUID("4c5b7f7e-7b6a-4a5e-9d5a-0c1d2e3f4a5b")


def expected() -> int:
    """How many images there are when everything went in."""
    return sum(len(visit.images) for visit in VISITS)


@dataclass(frozen=True, slots=True)
class Made:
    """One image to make: of which visit, as which of its series, dated from which day."""

    number: int  # of the visit, from 0
    visit: Visit
    place: int
    key: str
    today: datetime
    pixels: str  # whose pixels it gets: its own, but for one

    @property
    def name(self) -> str:
        return f"demo study {self.number + 1}, series {self.place}"

    def file(self, *, pixels: bool = True) -> bytes:
        """The DICOM file, or without `pixels` what stands before them."""
        import pydicom

        # The originals break a rule here and there (identifiers that were hashed); those elements go.
        pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
        original = io.BytesIO(_original(IMAGES[self.pixels]))
        dataset = pydicom.dcmread(original, stop_before_pixels=not pixels)
        _anonymous(dataset)
        _identify(dataset, PEOPLE[self.visit.person - 1])
        _describe(dataset, self)
        out = io.BytesIO()
        dataset.save_as(out, enforce_file_format=True)
        return out.getvalue()


def images(created: int) -> Iterator[Made]:
    """Every image of every visit, dated back from `created` (ms, UTC), then one that contradicts another.

    The same `created` gives the same bytes, so an interrupted set-up goes on where it was.
    """
    today = datetime.fromtimestamp(created / 1000, UTC)
    yield from _of(enumerate(VISITS), today)
    # A chest under its own SOP Instance UID but with the pixels of a leg: kept aside for a person to decide.
    yield Made(1, VISITS[1], 1, "cr_chest", today, pixels="cr_leg")


def old_images(created: int) -> Iterator[Made]:
    """Those of the old PACS: of everybody but the last, the same images and those of years before."""
    visits = [(n, visit) for n, visit in enumerate(VISITS + OLD_VISITS) if visit.person < len(PEOPLE)]
    yield from _of(visits, datetime.fromtimestamp(created / 1000, UTC))


def _of(visits: Iterable[tuple[int, Visit]], today: datetime) -> Iterator[Made]:
    for number, visit in visits:
        for place, key in enumerate(visit.images, 1):
            yield Made(number, visit, place, key, today, pixels=key)


@cache
def _original(image: Image) -> bytes:
    spec = importlib.util.find_spec(image.package)
    if spec is None or spec.origin is None:
        raise NotFound(f"The package {image.package} is not installed; the demo takes its images from there.")
    return (Path(spec.origin).parent / image.folder / image.file).read_bytes()


def _anonymous(dataset: Any) -> None:
    """Everything goes that says whose it was and where; what says how the pixels are to be read stays."""
    dataset.remove_private_tags()
    for element in list(dataset):  # the top level: what is kept of sequences says how to read the pixels
        gone = element.VR in ("PN", "UI", "SQ") and element.keyword not in _KEPT
        if gone or element.keyword in _TAKEN_OUT:
            del dataset[element.tag]
    dataset.file_meta.pop("SourceApplicationEntityTitle", None)


def _identify(dataset: Any, person: Person) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = person.name
    dataset.PatientID = person.patient_id
    dataset.IssuerOfPatientID = "LEADGLASS-DEMO"
    dataset.PatientBirthDate = person.born
    dataset.PatientSex = person.sex


def _describe(dataset: Any, slot: Made) -> None:
    visit, image, day = slot.visit, IMAGES[slot.key], slot.today - timedelta(days=slot.visit.days)
    date, time = f"{day:%Y%m%d}", f"{visit.time}00"
    for what in ("Study", "Series", "Content", "Acquisition", "InstanceCreation"):
        setattr(dataset, f"{what}Date", date)
        setattr(dataset, f"{what}Time", time)
    dataset.StudyInstanceUID = _uid("study", slot.number)
    dataset.SeriesInstanceUID = _uid("series", slot.number, slot.place)
    dataset.SOPInstanceUID = _uid("instance", slot.number, slot.place)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyID = f"{slot.number + 1}"
    dataset.AccessionNumber = f"A{day:%y%m}{1000 + 7 * slot.number}"
    dataset.StudyDescription = visit.description
    dataset.SeriesDescription = image.series
    dataset.ReferringPhysicianName = visit.referrer
    dataset.InstitutionName = "Leadglass Demo Clinic"
    dataset.Modality = image.modality
    dataset.BodyPartExamined = image.body_part
    if image.window:
        dataset.WindowCenter, dataset.WindowWidth = image.window
    dataset.SeriesNumber, dataset.InstanceNumber = slot.place, 1


def _uid(*what: object) -> str:
    """The same UID for the same thing in every demo: a UUID under 2.25 (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, ' '.join(map(str, what))).int}"
