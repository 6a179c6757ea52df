"""A file-set (PS3.10 8) out of objects on their way out: names without a patient's value, and the DICOMDIR.

The header is read from the very bytes that leave, so the DICOMDIR says what the files say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Protocol
from uuid import uuid4

from leadglass.dicom.dicomdir import Directory, Entry, write_link
from leadglass.dicom.dicomdir_records import WANTED, leaf_record, patient_record, upper_record
from leadglass.dicom.elements import DataSet, Limits
from leadglass.dicom.part10 import Part10Parser
from leadglass.errors import Violation
from leadglass.index.rows import InstanceRow, StudyRow

FILE_SET_ID: Final = "LEADGLASS"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Header:
    """Reads what a DICOMDIR needs out of an object's chunks as they pass by."""

    def __init__(self, limits: Limits) -> None:
        self._parser = Part10Parser(limits, WANTED)
        self._done = False

    def passing(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if not self._done:
                self.feed(chunk)
            yield chunk

    def feed(self, chunk: bytes) -> bool:
        """True when no more is needed. What cannot be read any further was still kept: its keys end there."""
        try:
            self._parser.feed(chunk)
        except Violation:
            self._done = True
        self._done = self._done or self._parser.header_complete
        return self._done

    def end(self) -> None:
        with suppress(Violation):
            self._parser.close()

    @property
    def elements(self) -> DataSet:
        return self._parser.dataset.elements if self._parser.dataset is not None else {}

    @property
    def has_pixels(self) -> bool:
        return self._parser.dataset is not None and self._parser.dataset.pixel_data is not None


class Target(Protocol):
    """Where a DICOMDIR is put together: in memory, or in a file."""

    def append(self, data: bytes) -> None: ...
    def put(self, place: int, data: bytes) -> None: ...


class FileSet:
    """The DICOMDIR of files that are written one after the other, a study's together, a patient's too."""

    def __init__(self, target: Target) -> None:
        self._directory = Directory(FILE_SET_ID, f"2.25.{uuid4().int}")
        self._target = target
        target.append(self._directory.head())

    @property
    def count(self) -> int:
        return self._directory.count

    def add(self, row: InstanceRow, header: Header, file_id: tuple[str, ...]) -> None:
        """A file that was written. LimitExceeded when a DICOMDIR can name no more."""
        header.end()
        study, elements = row.series.study, header.elements
        leaf = leaf_record(
            elements,
            file_id,
            sop_class=row.sop_class_uid,
            instance=row.sop_instance_uid,
            syntax=row.transfer_syntax_uid,
            pixels=header.has_pixels,
        )
        series_uid = row.series.series_instance_uid
        piece = self._directory.add(
            (
                Entry(patient_key(study), patient_record(elements, otherwise=_nobody(study))),
                Entry(
                    study.study_instance_uid,
                    upper_record("STUDY", elements, "StudyInstanceUID", study.study_instance_uid),
                ),
                Entry(series_uid, upper_record("SERIES", elements, "SeriesInstanceUID", series_uid)),
                Entry(row.sop_instance_uid, leaf),
            )
        )
        self._target.append(piece.data)
        for place, to in piece.links:
            write_link(place, to, self._target.put)

    def finish(self) -> None:
        """All that there is was added."""
        self._target.put(0, self._directory.head())


def patient_key(study: StudyRow) -> str:
    """Whose a study is in a DICOMDIR, where a Patient ID stands for one person (PS3.3 F.5.1)."""
    return study.patient_id or _nobody(study)


def _nobody(study: StudyRow) -> str:
    return f"NO-ID-{study.id}"


def component(letter: str, number: int) -> str:
    """A component of a File ID: up to 8 characters A-Z, 0-9 (PS3.10 8.2). `number` in base 36."""
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return letter + digits.rjust(7, "0")
