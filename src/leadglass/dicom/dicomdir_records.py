"""Directory records of a DICOMDIR: their types by SOP class, and the keys they carry (PS3.3 F.4, F.5). Pure.

Values are those of the object's own header, byte for byte, under its own Specific Character Set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from leadglass.dicom.dictionary import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    SPECIFIC_CHARACTER_SET,
    TAG_BY_KEYWORD,
    public_vr,
)
from leadglass.dicom.elements import Bulk, DataSet
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID
from leadglass.dicom.writer import Value, encode_dataset

IMAGE: Final = "IMAGE"
PRIVATE: Final = "PRIVATE"
_MOST_BYTES: Final = 16 << 10  # of one key: a longer one is left out, and the record stays small

_STANDARD: Final = "1.2.840.10008."
_STORAGE: Final = _STANDARD + "5.1.4."
# Whatever is no image, behind the common root (PS3.4 B.5).
_CLASSES: Final = {
    "RT DOSE": "1.1.481.2",
    "RT STRUCTURE SET": "1.1.481.3",
    "RT PLAN": "1.1.481.5 1.1.481.8",
    "RT TREAT RECORD": "1.1.481.4 1.1.481.6 1.1.481.7 1.1.481.9",
    "RADIOTHERAPY": " ".join(f"1.1.481.{number}" for number in (*range(10, 23), 25)),
    "PLAN": "34.7 34.10",
    "PRESENTATION": "1.1.131 " + " ".join(f"1.1.11.{number}" for number in range(1, 13)),
    "WAVEFORM": "1.1.9.1.1 1.1.9.1.2 1.1.9.1.3 1.1.9.1.4 1.1.9.2.1 1.1.9.3.1 1.1.9.4.1 1.1.9.4.2 1.1.9.5.1"
    " 1.1.9.6.1 1.1.9.6.2 1.1.9.7.1 1.1.9.7.2 1.1.9.7.3 1.1.9.7.4 1.1.9.8.1",
    "SR DOCUMENT": "1.1.78.6 1.1.79.1 1.1.88.11 1.1.88.22 1.1.88.33 1.1.88.34 1.1.88.35 1.1.88.40 1.1.88.50"
    " 1.1.88.65 " + " ".join(f"1.1.88.{number}" for number in range(67, 78)),
    "KEY OBJECT DOC": "1.1.88.59",
    "SPECTROSCOPY": "1.1.4.2",
    "RAW DATA": "1.1.66",
    "REGISTRATION": "1.1.66.1 1.1.66.3",
    "FIDUCIAL": "1.1.66.2",
    "ENCAP DOC": "1.1.104.1 1.1.104.2 1.1.104.3 1.1.104.4 1.1.104.5",
    "VALUE MAP": "1.1.67",
    "STEREOMETRIC": "1.1.77.1.5.3",
    "MEASUREMENT": "1.1.78.1 1.1.78.2 1.1.78.3 1.1.78.4 1.1.78.5 1.1.78.7 1.1.78.8 1.1.80.1",
    "SURFACE": "1.1.66.5",
    "SURFACE SCAN": "1.1.68.1 1.1.68.2",
    "TRACT": "1.1.66.6",
    "ASSESSMENT": "1.1.90.1",
    "ANNOTATION": "1.1.91.1",
}
RECORD_TYPES: Final[Mapping[str, str]] = {
    _STORAGE + suffix: kind for kind, suffixes in _CLASSES.items() for suffix in suffixes.split()
}

_CONTENT: Final = "InstanceNumber ContentDate ContentTime"
_NAMED_CONTENT: Final = _CONTENT + " ContentLabel ContentDescription ContentCreatorName"
# The keys of each record type, types 1 and 2: empty where the object has no value. With ? in front, 1C and 3:
# left out then.
_KEYS: Final = {
    "PATIENT": "PatientName PatientID",
    "STUDY": "StudyDate StudyTime StudyDescription StudyInstanceUID StudyID AccessionNumber",
    "SERIES": "Modality SeriesInstanceUID SeriesNumber",
    IMAGE: "InstanceNumber",
    "RT DOSE": "InstanceNumber DoseSummationType ?DoseComment",
    "RT STRUCTURE SET": "InstanceNumber StructureSetLabel StructureSetDate StructureSetTime",
    "RT PLAN": "InstanceNumber RTPlanLabel RTPlanDate RTPlanTime",
    "RT TREAT RECORD": "InstanceNumber TreatmentDate TreatmentTime",
    "RADIOTHERAPY": "InstanceNumber ?UserContentLabel ?UserContentLongLabel ContentDescription"
    " ContentCreatorName",
    "PLAN": "",
    "PRESENTATION": "PresentationCreationDate PresentationCreationTime InstanceNumber ContentLabel"
    " ContentDescription ContentCreatorName ?ReferencedSeriesSequence ?BlendingSequence",
    "WAVEFORM": _CONTENT,
    "SR DOCUMENT": _CONTENT + " CompletionFlag VerificationFlag ?VerificationDateTime"
    " ConceptNameCodeSequence",
    "KEY OBJECT DOC": _CONTENT + " ConceptNameCodeSequence",
    "SPECTROSCOPY": _CONTENT + " ImageType ?ReferencedImageEvidenceSequence NumberOfFrames Rows Columns"
    " DataPointRows DataPointColumns",
    "RAW DATA": _CONTENT,
    "REGISTRATION": _NAMED_CONTENT,
    "FIDUCIAL": _NAMED_CONTENT,
    "ENCAP DOC": _CONTENT + " DocumentTitle ?HL7InstanceIdentifier ConceptNameCodeSequence"
    " MIMETypeOfEncapsulatedDocument",
    "VALUE MAP": _NAMED_CONTENT,
    "STEREOMETRIC": "",
    "MEASUREMENT": _NAMED_CONTENT,
    "SURFACE": _NAMED_CONTENT,
    "SURFACE SCAN": "ContentDate ContentTime",
    "TRACT": _NAMED_CONTENT,
    "ASSESSMENT": "InstanceNumber InstanceCreationDate ?InstanceCreationTime",
    "ANNOTATION": _NAMED_CONTENT,
    PRIVATE: "",
}


def _key(word: str) -> tuple[int, str, bool]:
    """Tag, VR, and whether it stands in the record when there is no value."""
    tag = TAG_BY_KEYWORD[word.lstrip("?")]
    vr = public_vr(tag)
    assert vr is not None
    return tag, vr, not word.startswith("?")


KEYS: Final[Mapping[str, tuple[tuple[int, str, bool], ...]]] = {
    kind: tuple(map(_key, words.split())) for kind, words in _KEYS.items()
}
# All that a header is read for.
WANTED: Final = frozenset(tag for keys in KEYS.values() for tag, _, _ in keys)

_PATIENT_ID: Final = TAG_BY_KEYWORD["PatientID"]
_RECORD_TYPE, _PRIVATE_UID, _FILE_ID = 0x00041430, 0x00041432, 0x00041500
_CLASS_IN_FILE, _INSTANCE_IN_FILE, _SYNTAX_IN_FILE = 0x00041510, 0x00041511, 0x00041512


def record_type(sop_class_uid: str, *, has_pixels: bool) -> str:
    """What the record of such an object is called (PS3.3 Table F.4-1).

    An image, unless the table knows better or it is of somebody's own class and has no pixels.
    """
    is_image = has_pixels or sop_class_uid.startswith(_STANDARD)
    return RECORD_TYPES.get(sop_class_uid, IMAGE if is_image else PRIVATE)


def patient_record(elements: DataSet, *, otherwise: str) -> bytes:
    """`otherwise` is the Patient ID of somebody who has none: the key must have a value (PS3.3 F.5.1)."""
    keys = dict(_keys("PATIENT", elements))
    if not keys[_PATIENT_ID][1]:
        keys[_PATIENT_ID] = ("LO", otherwise.encode("ascii"))
    return _record("PATIENT", ((tag, vr, value) for tag, (vr, value) in keys.items()))


def upper_record(kind: str, elements: DataSet, uid_keyword: str, uid: str) -> bytes:
    """A STUDY or SERIES record. Its UID is given: it is what the record is found by."""
    keys = dict(_keys(kind, elements)) | {TAG_BY_KEYWORD[uid_keyword]: ("UI", uid.encode("ascii"))}
    return _record(kind, ((tag, vr, value) for tag, (vr, value) in keys.items()))


def leaf_record(
    elements: DataSet, file_id: Sequence[str], *, sop_class: str, instance: str, syntax: str, pixels: bool
) -> bytes:
    """The record of one object in the file `file_id` (its components)."""
    kind = record_type(sop_class, has_pixels=pixels)
    keys: list[tuple[int, str, Value]] = [
        (_FILE_ID, "CS", "\\".join(file_id).encode("ascii")),
        (_CLASS_IN_FILE, "UI", sop_class.encode("ascii")),
        (_INSTANCE_IN_FILE, "UI", instance.encode("ascii")),
        (_SYNTAX_IN_FILE, "UI", syntax.encode("ascii")),
    ]
    if kind == PRIVATE:
        keys.append((_PRIVATE_UID, "UI", IMPLEMENTATION_CLASS_UID.encode("ascii")))
    return _record(kind, (*keys, *((tag, vr, value) for tag, (vr, value) in _keys(kind, elements))))


def _keys(kind: str, elements: DataSet) -> Iterator[tuple[int, tuple[str, Value]]]:
    """What the object has for the keys of this record type. With text comes its character set."""
    terms = elements.get(SPECIFIC_CHARACTER_SET)
    if terms is not None and terms.vr == "CS" and isinstance(terms.value, bytes) and terms.value:
        yield SPECIFIC_CHARACTER_SET, ("CS", terms.value)
    for tag, vr, always in KEYS[kind]:
        element = elements.get(tag)
        if element is not None and element.vr == vr and _fits(element.value):
            yield tag, (vr, element.value)  # _fits lets no Bulk through
        elif always:
            yield tag, (vr, () if vr == "SQ" else b"")


def _fits(value: bytes | tuple[DataSet, ...] | Bulk) -> bool:
    return _size(value) <= _MOST_BYTES


def _size(value: bytes | tuple[DataSet, ...] | Bulk) -> int:
    """Bytes of a value, all of its items' included; what is not held is too long."""
    if isinstance(value, Bulk):
        return _MOST_BYTES + 1
    if isinstance(value, bytes):
        return len(value)
    return sum(16 + _size(element.value) for item in value for element in item.values())


def _record(kind: str, keys: Iterator[tuple[int, str, Value]] | tuple[tuple[int, str, Value], ...]) -> bytes:
    """All of a record but its three elements of links, which whoever puts it in its place writes."""
    head: tuple[int, str, Value] = (_RECORD_TYPE, "CS", kind.encode("ascii"))
    return encode_dataset((head, *keys), EXPLICIT_VR_LITTLE_ENDIAN)
