"""What one object's header says of it, as the index takes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What an object's header says of it, decoded and bounded; empty text where it says nothing."""

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str = ""
    issuer: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    study_date: str = ""
    study_time: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_description: str = ""
    referring_physician: str = ""
    modality: str = ""
    series_number: int | None = None
    series_description: str = ""
    body_part: str = ""
    laterality: str = ""
    series_date: str = ""
    series_time: str = ""
    performed_date: str = ""  # when the performed procedure step began
    performed_time: str = ""
    requests: tuple[tuple[str, str], ...] = ()  # requested procedure, scheduled procedure step
    instance_number: int | None = None
    rows: int | None = None
    columns: int | None = None
    bits_allocated: int | None = None
    frames: int = 1
