"""Result rows as DICOM JSON attributes: the required ones of PS3.18 Tables 10.6.3-3 to 10.6.3-5."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from leadglass.dicom.values import PersonName
from leadglass.index.rows import InstanceRow, RequestRow, SeriesRow, StudyRow

Attributes = dict[str, dict[str, Any]]


@singledispatch
def to_dicom_json(row: object) -> Attributes:
    """A study, series or instance row → attributes by tag, eight hex digits each; absent values omitted."""
    raise TypeError(type(row))


@to_dicom_json.register
def _study(row: StudyRow) -> Attributes:
    return {
        "00080020": _attribute("DA", row.study_date),
        "00080030": _attribute("TM", row.study_time),
        "00080050": _attribute("SH", row.accession_number),
        "00080056": _attribute("CS", "ONLINE"),
        "00080061": _attribute("CS", *row.modalities),
        "00080062": _attribute("UI", *row.sop_classes),
        "00080090": _person(row.referring_physician),
        "00081030": _attribute("LO", row.description),
        "00100010": _person(row.patient_name),
        "00100020": _attribute("LO", row.patient_id),
        "00100021": _attribute("LO", row.issuer),
        "00100030": _attribute("DA", row.birth_date),
        "00100040": _attribute("CS", row.sex),
        "0020000D": _attribute("UI", row.study_instance_uid),
        "00200010": _attribute("SH", row.study_id),
        "00201206": _attribute("IS", row.series_count),
        "00201208": _attribute("IS", row.instance_count),
    }


@to_dicom_json.register
def _series(row: SeriesRow) -> Attributes:
    return _study(row.study) | {
        "00080060": _attribute("CS", row.modality),
        "0008103E": _attribute("LO", row.description),
        "00080021": _attribute("DA", row.series_date),
        "00080031": _attribute("TM", row.series_time),
        "00180015": _attribute("CS", row.body_part),
        "0020000E": _attribute("UI", row.series_instance_uid),
        "00200011": _attribute("IS", row.number),
        "00200060": _attribute("CS", row.laterality),
        "00201209": _attribute("IS", row.instance_count),
        "00400244": _attribute("DA", row.performed_date),
        "00400245": _attribute("TM", row.performed_time),
        "00400275": _requests(row.requests),
    }


@to_dicom_json.register
def _instance(row: InstanceRow) -> Attributes:
    return _series(row.series) | {
        "00080016": _attribute("UI", row.sop_class_uid),
        "00080018": _attribute("UI", row.sop_instance_uid),
        "00083002": _attribute("UI", row.transfer_syntax_uid),
        "00200013": _attribute("IS", row.number),
        "00280008": _attribute("IS", row.frames),
        "00280010": _attribute("US", row.rows),
        "00280011": _attribute("US", row.columns),
        "00280100": _attribute("US", row.bits_allocated),
    }


def _requests(rows: tuple[RequestRow, ...]) -> dict[str, Any]:
    items = [
        {
            "00400009": _attribute("SH", row.scheduled_step_id),
            "00401001": _attribute("SH", row.requested_procedure_id),
        }
        for row in rows
    ]
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _attribute(vr: str, *values: str | int | None) -> dict[str, Any]:
    present = [value for value in values if value not in (None, "")]
    return {"vr": vr, "Value": present} if present else {"vr": vr}


def _person(value: str) -> dict[str, Any]:
    name = PersonName.parse(value)
    groups = {
        "Alphabetic": name.alphabetic,
        "Ideographic": name.ideographic,
        "Phonetic": name.phonetic,
    }
    present = {group: text for group, text in groups.items() if text}
    return {"vr": "PN", "Value": [present]} if present else {"vr": "PN"}
