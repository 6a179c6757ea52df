"""Which kinds of identifiers have values in a record: values to words, and nothing of the values stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from leadglass.dicom.dataset import DataSet
from leadglass.dicom.dictionary import TAG_BY_KEYWORD

# What is asked for, by the kind it shows. All are of the study level or made available there (PS3.4 C.6.2.1).
KINDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "name": ("PatientName",),
        "birth-date": ("PatientBirthDate",),
        "sex": ("PatientSex",),
        "patient-id": ("PatientID",),
        "other-ids": ("OtherPatientIDs", "OtherPatientIDsSequence"),
        "other-names": ("OtherPatientNames", "PatientBirthName"),
        "mothers-name": ("PatientMotherBirthName",),
        "address": ("PatientAddress",),
        "telephone": ("PatientTelephoneNumbers",),
        "occupation": ("Occupation",),
        "comments": ("PatientComments", "AdditionalPatientHistory"),
        "accession-number": ("AccessionNumber",),
        "physician": ("ReferringPhysicianName", "NameOfPhysiciansReadingStudy"),
        "institution": ("InstitutionName",),
        "diagnosis": ("AdmittingDiagnosesDescription",),
        "description": ("StudyDescription",),
    }
)
NATIONAL: Final = "national-id"  # an ID that looks like a social security number or its like elsewhere
# What even a server that aborts for keys it does not know should know (PS3.4 Tables C.6-1, C.6-2).
CORE: Final = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber")
KEYWORDS: Final = tuple(keyword for keywords in KINDS.values() for keyword in keywords)
TAGS: Final = frozenset(TAG_BY_KEYWORD[keyword] for keyword in KEYWORDS)

_BY_KIND: Final = {kind: tuple(TAG_BY_KEYWORD[k] for k in keywords) for kind, keywords in KINDS.items()}
_IDS: Final = tuple(TAG_BY_KEYWORD[k] for k in ("PatientID", "OtherPatientIDs", "OtherPatientIDsSequence"))
_PATIENT_ID: Final = TAG_BY_KEYWORD["PatientID"]
# What is written where there is nothing to write.
_NO_VALUES: Final = frozenset(
    b"anon anonym anonymous anonymized anonymised deleted na n/a nil no-name noname none null removed test"
    b" unk unknown unnamed x xx xxx 0 00010101 11111111 18000101 19000101 99991231 00000000".split()
)


def kinds_of(record: DataSet) -> frozenset[str]:
    """The kinds of which `record` has a value."""
    found = {kind for kind, tags in _BY_KIND.items() if any(_values(record, tag) for tag in tags)}
    if any(_is_national(value) for tag in _IDS for value in _values(record, tag)):
        found.add(NATIONAL)
    return frozenset(found)


def _values(record: DataSet, tag: int) -> list[bytes]:
    """What is worth the name of a value; of a sequence, the patient IDs in it."""
    element = record.get(tag)
    if element is None:
        return []
    if isinstance(element.value, tuple):
        return [value for item in element.value for value in _values(item, _PATIENT_ID)]
    if not isinstance(element.value, bytes):
        return []
    return [value for value in element.value.split(b"\\") if _says_something(value)]


def _says_something(value: bytes) -> bool:
    bare = value.strip(b" \0^=-?.*").lower()
    return bool(bare) and bare not in _NO_VALUES


# --- numbers that a state gives a person -------------------------------------------------------------------


def _date_in(text: str, order: str) -> bool:
    """Whether digits `order` (for example YYMMDD) of it can be a day."""
    month, day = int(text[order.index("M") :][:2]), int(text[order.index("D") :][:2])
    return 1 <= month % 20 <= 12 and 1 <= day % 40 <= 31


def _pesel(text: str) -> bool:
    total = sum(
        int(digit) * weight for digit, weight in zip(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=False)
    )
    return _date_in(text, "YYMMDD") and (10 - total % 10) % 10 == int(text[10])


def _nhs(text: str) -> bool:
    digits = [int(digit) for digit in text if digit.isdigit()]
    total = sum(digit * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False))
    return (11 - total % 11) % 11 == digits[9] and len(set(digits)) > 1


def _nir(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 1 <= int(digits[3:5]) <= 12 and 97 - int(digits[:13]) % 97 == int(digits[13:15])


def _ahv(text: str) -> bool:
    digits = [int(digit) for digit in text if digit.isdigit()]
    total = sum(digit * (3 if n % 2 else 1) for n, digit in enumerate(digits[:12]))
    return (10 - total % 10) % 10 == digits[12]


_NATIONAL: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    (r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}", lambda _: True),  # US social security number
    (r"\d{11}", _pesel),  # Poland
    (r"\d{3} ?\d{3} ?\d{4}", _nhs),  # England
    (r"[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}", _nir),  # France
    (r"756\.?\d{4}\.?\d{4}\.?\d{2}", _ahv),  # Switzerland
    (r"\d{6}-\d{4}", lambda text: _date_in(text, "DDMMYY")),  # Denmark
    (r"\d{6}[-+]\d{4}|\d{8}-\d{4}", lambda text: _date_in(text[-11:], "YYMMDD")),  # Sweden
    (r"\d{6}[-+A]\d{3}[0-9A-Y]", lambda text: _date_in(text, "DDMMYY")),  # Finland
    (r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", lambda _: True),  # Italy
    (r"[A-Z]\d{9}", lambda text: text[0] not in "OQ" and len(set(text[1:])) > 4),  # German insurance number
)
_SHAPES: Final = tuple((re.compile(shape, re.ASCII), check) for shape, check in _NATIONAL)


def _is_national(value: bytes) -> bool:
    """Whether it looks like one: a check digit or a date in it speaks for that, not more."""
    text = value.strip(b" \0").decode("ascii", "replace").upper()
    return any(shape.fullmatch(text) and check(text) for shape, check in _SHAPES)
