"""From an object's header to what the index keeps of it.

Lengths are cut to what the index holds; the object itself keeps every byte. What has no UIDs, or illegal
ones, cannot be kept at all: nothing could find it again, and names on disk never come from a peer.
"""

from __future__ import annotations

import re
from typing import Any, Final

from leadglass.dicom.charset import Charset, charset_of
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, is_valid_uid
from leadglass.dicom.elements import DataSet
from leadglass.dicom.part10 import Part10Parser
from leadglass.dicom.values import integer, numbers, parse_date, text
from leadglass.errors import IllegalIdentity
from leadglass.index.facts import ObjectFacts
from leadglass.index.identity import FIELDS, Identity

_UIDS: Final = ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")
_SPELT: Final = ("SOP Instance UID", "SOP Class UID", "Study Instance UID", "Series Instance UID")

# field of ObjectFacts: (attribute, longest the index holds)
_TEXTS: Final = {
    "patient_id": ("PatientID", 64),
    "issuer": ("IssuerOfPatientID", 64),
    "patient_name": ("PatientName", 400),
    "sex": ("PatientSex", 16),
    "accession_number": ("AccessionNumber", 64),
    "study_id": ("StudyID", 64),
    "study_description": ("StudyDescription", 256),
    "referring_physician": ("ReferringPhysicianName", 400),
    "modality": ("Modality", 16),
    "series_description": ("SeriesDescription", 256),
    "body_part": ("BodyPartExamined", 64),
    "laterality": ("Laterality", 16),
}
_DATES: Final = {
    "birth_date": "PatientBirthDate",
    "study_date": "StudyDate",
    "series_date": "SeriesDate",
    "performed_date": "PerformedProcedureStepStartDate",
}
_TIMES: Final = {
    "study_time": "StudyTime",
    "series_time": "SeriesTime",
    "performed_time": "PerformedProcedureStepStartTime",
}
_INTEGERS: Final = {"series_number": "SeriesNumber", "instance_number": "InstanceNumber"}
_SHORTS: Final = {"rows": "Rows", "columns": "Columns", "bits_allocated": "BitsAllocated"}

_REQUESTS: Final = "RequestAttributesSequence"
_MAX_REQUESTS: Final = 32

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_TIME: Final = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?", re.ASCII)

WANTED: Final = frozenset(
    TAG_BY_KEYWORD[keyword]
    for keyword in (
        *_UIDS,
        *(keyword for keyword, _ in _TEXTS.values()),
        *_DATES.values(),
        *_TIMES.values(),
        *_INTEGERS.values(),
        *_SHORTS.values(),
        _REQUESTS,
        "NumberOfFrames",
    )
)


def facts_of(parser: Part10Parser) -> ObjectFacts:
    """What a wholly parsed object says of itself. IllegalIdentity when it cannot be identified."""
    assert parser.dataset is not None
    found = parser.dataset.elements
    return _facts(found, *map(_uid, (found,) * 4, _UIDS, _SPELT))


def facts_under(claims: ObjectFacts, parser: Part10Parser) -> ObjectFacts:
    """The same for an object that cannot be identified by itself, with the UIDs of `claims`."""
    assert parser.dataset is not None
    return _facts(
        parser.dataset.elements,
        claims.sop_instance_uid,
        claims.sop_class_uid,
        claims.study_instance_uid,
        claims.series_instance_uid,
    )


def _facts(found: DataSet, sop_instance: str, sop_class: str, study: str, series: str) -> ObjectFacts:
    charset = charset_of(found)
    facts: dict[str, Any] = {
        **{field: _text(found, keyword, charset)[:most] for field, (keyword, most) in _TEXTS.items()},
        **{field: _date(_text(found, keyword, charset)) for field, keyword in _DATES.items()},
        **{field: _time(_text(found, keyword, charset)) for field, keyword in _TIMES.items()},
        **{field: _integer(_text(found, keyword, charset)) for field, keyword in _INTEGERS.items()},
        **{field: _short(found, keyword) for field, keyword in _SHORTS.items()},
    }
    return ObjectFacts(
        sop_instance,
        sop_class,
        study,
        series,
        frames=_frames(found),
        requests=_requests(found, charset),
        **facts,
    )


def identity_of(found: DataSet) -> Identity:
    """Whose an object says it is, as the index reads it."""
    charset = charset_of(found)
    values = {
        name: _text(found, _TEXTS[name][0], charset)[: _TEXTS[name][1]] for name in FIELDS if name in _TEXTS
    }
    return Identity(**values, birth_date=_date(_text(found, _DATES["birth_date"], charset)))


def claims_of(parser: Part10Parser) -> ObjectFacts:
    """What an object that is not kept among the rest says of itself, as far as it was read: whose it may be.
    A UID that is missing or illegal is empty."""
    found = parser.dataset.elements if parser.dataset is not None else {}
    charset = charset_of(found)
    uids = (text(found.get(TAG_BY_KEYWORD[keyword])) for keyword in _UIDS)
    sop_instance, sop_class, study, series = (uid if is_valid_uid(uid) else "" for uid in uids)
    patient_id = _text(found, "PatientID", charset)[:64]
    return ObjectFacts(sop_instance, sop_class, study, series, patient_id)


def _uid(found: DataSet, keyword: str, spelt: str) -> str:
    uid = text(found.get(TAG_BY_KEYWORD[keyword]))
    if not uid:
        raise IllegalIdentity(f"It has no {spelt}.")
    if not is_valid_uid(uid):
        raise IllegalIdentity(f"Its {spelt} is not a legal UID.")
    return uid


def _text(found: DataSet, keyword: str, charset: Charset) -> str:
    value = text(found.get(TAG_BY_KEYWORD[keyword]), charset)
    return (value if value.isprintable() else _CONTROL.sub(" ", value)).strip()


def _date(value: str) -> str:
    day = parse_date(value)
    return day.strftime("%Y%m%d") if day else ""


def _time(value: str) -> str:
    digits = value.replace(":", "")  # as ACR-NEMA wrote it (PS3.5 Table 6.2-1, TM)
    return digits if _TIME.fullmatch(digits) else ""


def _integer(value: str) -> int | None:
    number = integer(value)
    return number if number is not None and abs(number) < 1 << 31 else None


def _short(found: DataSet, keyword: str) -> int | None:
    element = found.get(TAG_BY_KEYWORD[keyword])
    values = numbers(element) if element is not None else ()
    return int(values[0]) if values and 0 <= values[0] < 1 << 31 else None


def _requests(found: DataSet, around: Charset) -> tuple[tuple[str, str], ...]:
    element = found.get(TAG_BY_KEYWORD[_REQUESTS])
    if element is None or not isinstance(element.value, tuple):
        return ()
    items = ((item, charset_of(item, around)) for item in element.value[:_MAX_REQUESTS])
    requests = (
        (_text(item, "RequestedProcedureID", its)[:64], _text(item, "ScheduledProcedureStepID", its)[:64])
        for item, its in items
    )
    return tuple(request for request in requests if any(request))


def _frames(found: DataSet) -> int:
    number = _integer(text(found.get(TAG_BY_KEYWORD["NumberOfFrames"])))
    return number if number is not None and number > 0 else 1
