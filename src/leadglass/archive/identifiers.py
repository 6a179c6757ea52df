"""Result rows as the identifiers of C-FIND responses (PS3.4 C.4.1.1.3.2), prepared once per query."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from leadglass.dicom.charset import charset_for
from leadglass.dicom.dictionary import SPECIFIC_CHARACTER_SET, TAG_BY_KEYWORD, VR_BY_TAG, TransferSyntax
from leadglass.dicom.writer import IdentifierEncoder, encode_dataset, field_value
from leadglass.index.query import Level
from leadglass.index.rows import RequestRow

# Attribute → where a study's, series' or instance's row has it.
_OF_PATIENT: Final = {
    "PatientName": "patient_name",
    "PatientID": "patient_id",
    "IssuerOfPatientID": "issuer",
    "PatientBirthDate": "birth_date",
    "PatientSex": "sex",
}
_OF_STUDY: Final = {
    "StudyDate": "study_date",
    "StudyTime": "study_time",
    "AccessionNumber": "accession_number",
    "ModalitiesInStudy": "modalities",
    "SOPClassesInStudy": "sop_classes",
    "ReferringPhysicianName": "referring_physician",
    "StudyDescription": "description",
    "StudyInstanceUID": "study_instance_uid",
    "StudyID": "study_id",
    "NumberOfStudyRelatedSeries": "series_count",
    "NumberOfStudyRelatedInstances": "instance_count",
}
_OF_SERIES: Final = {
    "SeriesDate": "series_date",
    "SeriesTime": "series_time",
    "Modality": "modality",
    "SeriesDescription": "description",
    "BodyPartExamined": "body_part",
    "SeriesInstanceUID": "series_instance_uid",
    "SeriesNumber": "number",
    "Laterality": "laterality",
    "NumberOfSeriesRelatedInstances": "instance_count",
    "PerformedProcedureStepStartDate": "performed_date",
    "PerformedProcedureStepStartTime": "performed_time",
    "RequestAttributesSequence": "requests",
}
_OF_INSTANCE: Final = {
    "SOPClassUID": "sop_class_uid",
    "SOPInstanceUID": "sop_instance_uid",
    "AvailableTransferSyntaxUID": "transfer_syntax_uid",
    "InstanceNumber": "number",
    "NumberOfFrames": "frames",
    "Rows": "rows",
    "Columns": "columns",
    "BitsAllocated": "bits_allocated",
}
_COUNTS: Final = {
    "NumberOfPatientRelatedStudies": "study_count",
    "NumberOfPatientRelatedSeries": "series_count",
    "NumberOfPatientRelatedInstances": "instance_count",
}
_REQUEST: Final = {
    "RequestedProcedureID": "requested_procedure_id",
    "ScheduledProcedureStepID": "scheduled_step_id",
}


def _under(path: str, attributes: Mapping[str, str]) -> dict[str, str]:
    return {keyword: f"{path}.{name}" for keyword, name in attributes.items()}


_STUDY_AND_ABOVE: Final = _OF_PATIENT | _OF_STUDY

# What a response can have at each level, and where in the level's row it is.
ATTRIBUTES: Final[Mapping[Level, Mapping[str, str]]] = MappingProxyType(
    {
        Level.PATIENT: _under("study", _OF_PATIENT) | _COUNTS,
        Level.STUDY: _STUDY_AND_ABOVE,
        Level.SERIES: _under("study", _STUDY_AND_ABOVE) | _OF_SERIES,
        Level.INSTANCE: _under("series.study", _STUDY_AND_ABOVE)
        | _under("series", _OF_SERIES)
        | _OF_INSTANCE,
    }
)
ITEM_ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {"RequestAttributesSequence": tuple(_REQUEST)}

_SEQUENCE: Final = "RequestAttributesSequence"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "\\".join(value)
    return "" if value is None else str(value)


class Identifiers:
    """Encodes rows of one level. `asked` are keywords among ATTRIBUTES of the level, `items` those wanted of
    each item of a sequence; `constants` are the same in every answer.

    Text that needs more than ASCII is in `characters`, the query's own, if they have it all, else in UTF-8.
    """

    def __init__(
        self,
        level: Level,
        asked: Collection[str],
        syntax: TransferSyntax,
        *,
        characters: Sequence[str] = (),
        constants: Mapping[str, str] = MappingProxyType({}),
        items: Collection[str] = (),
    ) -> None:
        paths = {keyword: path for keyword, path in ATTRIBUTES[level].items() if keyword in asked}
        self._requests = attrgetter(paths.pop(_SEQUENCE)) if _SEQUENCE in paths else None
        self._items = tuple(keyword for keyword in _REQUEST if keyword in items)
        self._fields = [(TAG_BY_KEYWORD[k], VR_BY_TAG[TAG_BY_KEYWORD[k]]) for k in (*constants, *paths)]
        self._constants = list(constants.values())
        self._syntax = syntax
        self._characters = tuple(characters)
        self._encoder = IdentifierEncoder(self._fields, syntax, characters)
        self._read = _reader(tuple(paths.values()))

    def encode(self, row: Any) -> bytes:
        texts = self._constants + [value if type(value) is str else _text(value) for value in self._read(row)]
        if self._requests is None:
            return self._encoder.encode(texts)
        return self._with_items(texts, self._requests(row))

    def _with_items(self, texts: list[str], requests: Sequence[RequestRow]) -> bytes:
        """The slower way, for the only sequence there is."""
        items = [[(k, getattr(request, _REQUEST[k])) for k in self._items] for request in requests]
        inner = [text for item in items for _, text in item]
        terms, characters = charset_for([*texts, *inner], self._characters)

        def element(tag: int, text: str) -> tuple[int, str, bytes]:
            vr = VR_BY_TAG[tag]
            return tag, vr, field_value(vr, text, characters)

        elements: list[tuple[int, str, Any]] = [
            element(tag, text) for (tag, _), text in zip(self._fields, texts, strict=True)
        ]
        if terms:
            elements.append(element(SPECIFIC_CHARACTER_SET, "\\".join(terms)))
        sequence = tuple([element(TAG_BY_KEYWORD[k], text) for k, text in item] for item in items)
        return encode_dataset([*elements, (TAG_BY_KEYWORD[_SEQUENCE], "SQ", sequence)], self._syntax)


def _reader(paths: tuple[str, ...]) -> Callable[[Any], Sequence[Any]]:
    """`attrgetter` gives a tuple for two paths and more, which is what takes no time."""
    if len(paths) > 1:
        return attrgetter(*paths)
    getters = [attrgetter(path) for path in paths]
    return lambda row: [get(row) for get in getters]
