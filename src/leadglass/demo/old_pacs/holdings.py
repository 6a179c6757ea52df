"""What the old PACS holds, and which of it a query is about (PS3.4 C.2.2.2, C.6.1). No I/O.

Sixty studies need no index: every query looks at all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from leadglass.dicom.charset import charset_of
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG, transfer_syntax
from leadglass.dicom.elements import DataSet
from leadglass.dicom.part10 import Part10Parser
from leadglass.dicom.values import fold, texts
from leadglass.errors import LimitExceeded, MalformedDataSet

MOST_BYTES: Final = 256 << 20  # of what is sent to it, in all

# The levels from the top, each with its unique key and what it is asked for (PS3.4 C.6.1.1, C.6.2.1).
UNIQUE: Final[Mapping[str, str]] = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
LEVELS: Final = tuple(UNIQUE)
_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "PATIENT": ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    "STUDY": (
        "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription",
        "ReferringPhysicianName", "InstitutionName",
    ),
    "SERIES": (
        "SeriesInstanceUID", "SeriesNumber", "SeriesDate", "SeriesTime", "SeriesDescription", "Modality",
        "BodyPartExamined",
    ),
    "IMAGE": (
        "SOPInstanceUID", "SOPClassUID", "InstanceNumber", "NumberOfFrames", "ContentDate", "ContentTime",
    ),
}  # fmt: skip
_TAGS: Final = frozenset(TAG_BY_KEYWORD[keyword] for level in _OF.values() for keyword in level)
_COUNTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "PATIENT": (
        ("NumberOfPatientRelatedStudies", "StudyInstanceUID"),
        ("NumberOfPatientRelatedSeries", "SeriesInstanceUID"),
        ("NumberOfPatientRelatedInstances", "SOPInstanceUID"),
    ),
    "STUDY": (
        ("NumberOfStudyRelatedSeries", "SeriesInstanceUID"),
        ("NumberOfStudyRelatedInstances", "SOPInstanceUID"),
    ),
    "SERIES": (("NumberOfSeriesRelatedInstances", "SOPInstanceUID"),),
    "IMAGE": (),
}

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Held:
    """One object: its attributes by keyword, its transfer syntax, and how to get at its data set."""

    values: Row
    syntax: str
    data_set: Callable[[], bytes]

    @property
    def kind(self) -> tuple[str, str]:
        return self.values["SOPClassUID"], self.syntax


def from_file(header: bytes, file: Callable[[], bytes]) -> Held:
    """`header`: a DICOM file that may end where its pixels begin. `file`: the whole of it."""
    parser = Part10Parser(wanted=_TAGS)
    parser.feed(header)
    assert parser.transfer_syntax is not None and parser.dataset is not None
    start = parser.dataset_offset
    return Held(_values(parser.dataset.elements), parser.transfer_syntax.uid, lambda: file()[start:])


def from_network(data_set: bytes, syntax: str) -> Held:
    """An object that was sent. MalformedDataSet when it cannot be read or has no identity."""
    held = Held(_values(parse(data_set, transfer_syntax(syntax), wanted=_TAGS)), syntax, lambda: data_set)
    if not all(held.values.get(keyword) for keyword in (*UNIQUE.values(), "SOPClassUID")):
        raise MalformedDataSet("An object without the identifiers that it is found by.", code="identity")
    return held


def _values(elements: DataSet) -> dict[str, str]:
    characters = charset_of(elements)
    return {
        keyword: "\\".join(texts(elements[tag], characters))
        for level in _OF.values()
        for keyword in level
        if (tag := TAG_BY_KEYWORD[keyword]) in elements
    }


class Holdings:
    def __init__(self) -> None:
        self._held: dict[str, Held] = {}  # by SOP Instance UID
        self._sent = 0  # bytes that others sent

    def add(self, held: Held, sent: int = 0) -> None:
        """The same UID again replaces what was there: nobody looks. LimitExceeded when full."""
        if self._sent + sent > MOST_BYTES:
            raise LimitExceeded("The old PACS is full.", code="full")
        self._sent += sent
        self._held[held.values["SOPInstanceUID"]] = held

    def find(self, level: str, keys: Mapping[str, str]) -> list[Row]:
        """A row for each entity of that level that matches all keys; unknown keys match anything."""
        groups: dict[str, list[Held]] = {}
        for held in self._held.values():
            groups.setdefault(held.values[UNIQUE[level]], []).append(held)
        rows = (_row(level, group) for group in groups.values())
        asked = {keyword: value for keyword, value in keys.items() if value}
        return [
            row for row in rows if all(_matches(k, value, row[k]) for k, value in asked.items() if k in row)
        ]

    def select(self, keys: Mapping[str, str]) -> list[Held]:
        """The objects that unique keys name (PS3.4 C.4.3.1.3.1)."""
        wanted = {k: keys[k].split("\\") for k in UNIQUE.values() if keys.get(k)}
        return [
            held
            for held in self._held.values()
            if wanted and all(held.values[keyword] in values for keyword, values in wanted.items())
        ]


def _row(level: str, group: list[Held]) -> Row:
    row: dict[str, str] = {}
    for each in LEVELS[: LEVELS.index(level) + 1]:
        row |= {keyword: group[0].values.get(keyword, "") for keyword in _OF[each]}
    for keyword, counted in _COUNTS[level]:
        row[keyword] = str(len(_distinct(group, counted)))
    if level == "STUDY":
        row["ModalitiesInStudy"] = "\\".join(_distinct(group, "Modality"))
    return row


def _distinct(group: Iterable[Held], keyword: str) -> list[str]:
    return sorted({held.values.get(keyword, "") for held in group})


# --- matching ---------------------------------------------------------------------------------------------


def _matches(keyword: str, asked: str, value: str) -> bool:
    vr = VR_BY_TAG[TAG_BY_KEYWORD[keyword]]
    if vr == "UI":
        return value in asked.split("\\")
    if vr in ("DA", "TM") and value:
        return _in_range(asked, value)
    if vr == "PN":
        return _wild(fold(asked), fold(value))
    return any(_wild(asked, one) for one in value.split("\\"))


def _in_range(asked: str, value: str) -> bool:
    """A time that is said to the hour or the minute is all of it, at both ends."""
    low, dash, high = (part.strip().partition(".")[0] for part in asked.partition("-"))
    high = high if dash else low
    value = value.partition(".")[0]
    return value >= low and (not high or value[: len(high)] <= high)


def _wild(pattern: str, value: str) -> bool:
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(c, re.escape(c)) for c in pattern), value, re.DOTALL) is not None
