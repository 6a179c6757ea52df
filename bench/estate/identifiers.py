"""What a C-FIND asks, and its answers: one template of bytes for all of them, filled in study by study.

Every value of an archive has one length, so that a response is its bytes with a few numbers put in: a million
a second, where a data set that is encoded costs twenty times that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from estate import markers
from estate.archive import Archive, Found
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import KEYWORD_BY_TAG, TAG_BY_KEYWORD, VR_BY_TAG, public_vr, transfer_syntax
from leadglass.dicom.elements import DataSet, Limits
from leadglass.dicom.writer import padded, writer
from leadglass.errors import LeadglassError
from leadglass.ul.wire import p_data

MOST: Final = 64 << 10  # bytes of an identifier
BATCH: Final = 256  # responses that are made at once
_LIMITS: Final = Limits(depth=4, elements=1000, header_bytes=1 << 20, value_bytes=MOST)
_LEVEL: Final = "QueryRetrieveLevel"


@dataclass(frozen=True, slots=True)
class Asked:
    """`values` are the keys that have one, `tags` all that are wanted back. `is_narrow`: some key matches not
    anything, in whatever sequence it is."""

    level: str
    values: Mapping[str, str]
    tags: tuple[int, ...]
    is_narrow: bool
    syntax: str

    def without(self, ignored: frozenset[str]) -> Mapping[str, str]:
        return {keyword: value for keyword, value in self.values.items() if keyword not in ignored}


@lru_cache(maxsize=1024)
def read(identifier: bytes, syntax: str) -> Asked | None:
    """None for what cannot be read."""
    try:
        elements = parse(identifier, transfer_syntax(syntax), _LIMITS)
    except LeadglassError:
        return None
    values = {
        keyword: text
        for tag, element in elements.items()
        if (keyword := KEYWORD_BY_TAG.get(tag)) and (text := _text(element.value))
    }
    level = values.pop(_LEVEL, "")
    values.pop("SpecificCharacterSet", None)
    tags = tuple(tag for tag in elements if tag & 0xFFFF and KEYWORD_BY_TAG.get(tag) not in _OURS)
    return Asked(level, values, tags, _is_narrow(elements), syntax)


def _text(value: Any) -> str:
    return value.decode("latin-1").strip(" \0") if isinstance(value, bytes) else ""


def _is_narrow(elements: DataSet) -> bool:
    for tag, element in elements.items():
        if KEYWORD_BY_TAG.get(tag) in _OURS:
            continue
        if isinstance(element.value, tuple):
            if any(map(_is_narrow, element.value)):
                return True
        elif _text(element.value) not in {"", "*"}:
            return True
    return False


_OURS: Final = frozenset({_LEVEL, "SpecificCharacterSet", "RetrieveAETitle"})

# --- values -----------------------------------------------------------------------------------------------

Value = Callable[[Archive, int], object]
Field = tuple[bytes, int | None, Value | None]  # how it is written, in how many bytes, and what


def _moment(archive: Archive, study: int) -> int:
    found = archive.moment_of(study)
    assert found is not None
    return found


def _person(archive: Archive, study: int) -> int:
    return archive.person_of(study)


def _of_person(form: str, size: int) -> Field:
    """A value that begins with a marker and ends with the person's number."""
    return (form.encode("ascii"), size, _person)


_NAME: Final = markers.NAME + "^A%dP%%07d"
_NUMBER: Final = markers.PATIENT_ID + "%dP%%07d"

_BY_KEYWORD: Final[Mapping[str, Callable[[Archive], Field]]] = {
    "StudyInstanceUID": lambda a: (f"{a.uid_root}%d".encode(), len(a.uid(0)), lambda _, s: 10_000_000 + s),
    "StudyDate": lambda _: (b"%08d", 8, lambda a, s: _moment(a, s) // 1_000_000),
    "StudyTime": lambda _: (b"%06d", 6, lambda a, s: _moment(a, s) % 1_000_000),
    "ModalitiesInStudy": lambda _: (b"%b", 2, lambda a, s: a.modality_of(s).encode("ascii")),
    "NumberOfStudyRelatedInstances": lambda _: (b"%-6d", 6, Archive.images_of),
    "NumberOfStudyRelatedSeries": lambda _: (b"1 ", None, None),
    "AccessionNumber": lambda _: (f"{markers.ACCESSION}%09d".encode(), 14, lambda _, s: s),
    "StudyID": lambda _: (b"%08d", 8, lambda _, s: s),
    "StudyDescription": lambda _: (f"{markers.DESCRIPTION} %07d ".encode(), 18, lambda _, s: s),
    "PatientName": lambda a: _of_person(_NAME % a.number, 24),
    "PatientID": lambda a: _of_person(_NUMBER % a.number, 18),
    "PatientBirthDate": lambda _: (f"{markers.BORN}%04d".encode(), 8, lambda a, s: 101 + a.person_of(s) % 28),
    "PatientSex": lambda _: (b"O ", None, None),
    "OtherPatientIDs": lambda _: _of_person(markers.OTHER_ID + "%07d", 12),
    "PatientAddress": lambda _: _of_person(markers.ADDRESS + " %07d", 16),
    "PatientTelephoneNumbers": lambda _: _of_person(markers.PHONE + "%08d", 13),
    "ReferringPhysicianName": lambda _: _of_person(markers.DOCTOR + "^%07d", 16),
    "InstitutionName": lambda a: (f"{markers.CLINIC} {a.number}".encode(), None, None),
}
KNOWN: Final = frozenset(_BY_KEYWORD)
_OF_PERSONS: Final = frozenset({
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "OtherPatientIDs", "PatientAddress",
    "PatientTelephoneNumbers",
})  # fmt: skip
_DATED: Final = frozenset({"StudyDate", "StudyTime"})


class _Template:
    """A response with places for values. `size`: bytes of its data set."""

    def __init__(self, asked: Asked, archive: Archive, fields: frozenset[str]) -> None:
        self.size = 0
        self._archive = archive
        self._form: list[bytes] = []
        self._values: list[Value] = []
        syntax = transfer_syntax(asked.syntax)
        self._to = writer(explicit=syntax.explicit, little_endian=True)
        level = {TAG_BY_KEYWORD[_LEVEL]} if asked.level else set()  # a worklist knows none
        for tag in sorted({*asked.tags, *level}):
            keyword = KEYWORD_BY_TAG.get(tag, "")
            if keyword == _LEVEL:
                self._add(tag, padded("CS", asked.level.encode("latin-1")))
            elif keyword in fields:
                self._add(tag, *_BY_KEYWORD[keyword](archive))
            else:
                self._add(tag, b"")

    def _add(self, tag: int, text: bytes, size: int | None = None, value: Value | None = None) -> None:
        """An element whose value is `size` bytes long once `value` stands in `text`; else `text` itself."""
        vr = (VR_BY_TAG.get(tag) or public_vr(tag) or "UN")[:2]
        size = len(text) if size is None else size
        pad = padded(vr, b"0")[1:] if size % 2 else b""
        head = self._to.head(tag, vr, size + len(pad))
        self.size += len(head) + size + len(pad)
        self._form += (_escaped(head), text, pad)
        if value is not None:
            self._values.append(value)

    def filler(self, before: bytes) -> Callable[[int], bytes]:
        """What makes the whole response of a number; `before` goes before its data set."""
        archive, values = self._archive, tuple(self._values)
        form = _escaped(before) + b"".join(self._form)
        if len(values) == 1:
            (value,) = values
            return lambda number: form % value(archive, number)
        return lambda number: form % tuple([value(archive, number) for value in values])


def _escaped(raw: bytes) -> bytes:
    return raw.replace(b"%", b"%%")


# --- answers ----------------------------------------------------------------------------------------------


def responses(
    asked: Asked, archive: Archive, found: Found, context_id: int, pending: bytes
) -> Iterator[bytes]:
    """P-DATA-TFs with a Pending response for each of `found`, many of them in each piece. `pending`: its
    encoded command set, the same for all."""
    of_people = asked.level == "PATIENT"
    fields = _OF_PERSONS if of_people else KNOWN
    head = p_data(context_id, True, True, len(pending)) + pending

    def filler(fields: frozenset[str]) -> Callable[[int], bytes]:
        template = _Template(asked, archive, fields)
        return template.filler(head + p_data(context_id, False, True, template.size))

    dated, undated = filler(fields), filler(fields - _DATED)
    last = archive.people if of_people else archive.studies if archive.holding.hollow else archive.dated
    for at in range(0, len(found), BATCH):
        batch = found[at : at + BATCH]
        yield b"".join([dated(each) if each < last else undated(each) for each in batch])
