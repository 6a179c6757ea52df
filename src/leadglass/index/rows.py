"""What the index says of a study, a series, an instance: frozen rows, values as the Standard writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class StudyRow:
    id: int
    study_instance_uid: str
    patient_name: str  # PN as received, component groups and all (PS3.5 6.2.1)
    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    accession_number: str
    study_id: str
    description: str
    referring_physician: str
    modalities: tuple[str, ...]
    series_count: int
    instance_count: int
    department_id: int
    received: int  # ms since the epoch, UTC
    sop_classes: tuple[str, ...] = ()
    corrected: int = 0  # changes of its patient's identity in force: 0, and it is delivered as it came


@dataclass(frozen=True, slots=True)
class PatientRow:
    """A patient as the newest of the studies found shows them; the counts are of the studies found."""

    id: int
    study: StudyRow
    study_count: int
    series_count: int
    instance_count: int


@dataclass(frozen=True, slots=True)
class RequestRow:
    """An item of Request Attributes Sequence (0040,0275)."""

    requested_procedure_id: str
    scheduled_step_id: str


@dataclass(frozen=True, slots=True)
class SeriesRow:
    id: int
    study: StudyRow
    series_instance_uid: str
    modality: str
    number: int | None
    description: str
    body_part: str
    laterality: str
    series_date: str
    series_time: str
    instance_count: int
    performed_date: str = ""  # when the performed procedure step began
    performed_time: str = ""
    poster: int | None = None  # the instance in the middle of the series, for its thumbnail
    requests: tuple[RequestRow, ...] = ()  # with a sequence key, those that match it


@dataclass(frozen=True, slots=True)
class InstanceRow:
    id: int
    series: SeriesRow
    sop_instance_uid: str
    sop_class_uid: str
    number: int | None
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    frames: int
    transfer_syntax_uid: str
    size: int  # bytes of the Part 10 file


NO_STUDY: Final = 0  # in the place of a study's number: the home's own key for what is kept aside


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where an object lies and what opens it, with the study whose key that is, or NO_STUDY."""

    study_id: int
    blob: str
    wrapped_key: bytes
    size: int
    digest: bytes
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class AsideRow:
    """An object kept aside. `study` is the one that it is at odds with, where the reader may see that."""

    id: int
    reason: str
    study: StudyRow | None
    sop_instance_uid: str  # empty where it has none that is legal
    source: str
    received: int  # ms since the epoch, UTC
    size: int


@dataclass(frozen=True, slots=True)
class KeptRow:
    """An object kept aside, with what opens it. `study_id` is of the study that it is at odds with."""

    sealed: Sealed
    id: int
    reason: str
    study_id: int | None
    department_id: int
    sop_instance_uid: str
    source: str
    received: int


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What is kept aside of one source in one department; `counted` are its bytes as limits count them."""

    department_id: int
    source: str
    objects: int
    size: int
    counted: int


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the index says of one object, and would have to say again if it were put back."""

    sop_instance_uid: str
    sop_class_uid: str
    number: int | None
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    frames: int
    received: int


@dataclass(frozen=True, slots=True)
class VersionRow:
    """Other bytes of an instance: `replaced` ones, or as they were `received`."""

    facts: ImageFacts
    study: StudyRow
    size: int
    id: int
    kind: str
    made: int  # ms since the epoch, UTC
    instance_uid: str  # of the instance it is a version of
    source: str
