"""Fuzz what another archive answers to our queries and retrievals: rows to show, or a Violation.

The first byte of an input chooses the transfer syntax and the level; the rest is a response's identifier.
Besides the contract on exceptions: each cell of a table can be printed and no terminal acts on it, what is
printed as JSON is JSON, and what is asked for because of an answer can be asked for.
"""

from __future__ import annotations

import json
import unicodedata

import fuzz_dataset
import seeded

from leadglass.cli import find, show
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG, transfer_syntax
from leadglass.dicom.json import to_json
from leadglass.dicom.writer import encode_dataset
from leadglass.errors import Violation
from leadglass.transfer.association import SMALL
from leadglass.transfer.query import RETURN_KEYS, Level, Query
from leadglass.transfer.retrieve import text_of

LEVELS = tuple(Level)
# Control and format characters, ends of lines and paragraphs, halves of surrogate pairs.
ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
MORE = (
    "FailedSOPInstanceUIDList",
    "RequestAttributesSequence.RequestedProcedureID",
    "ReferringPhysicianName",
)


def one_input(data: bytes) -> None:
    if not data:
        return
    syntax, level = SMALL[data[0] & 1], LEVELS[data[0] >> 1 & 3]
    try:
        row = parse(data[1:], transfer_syntax(syntax))
    except Violation:
        return
    json.loads(json.dumps(to_json(row)))
    for word in (*RETURN_KEYS[level], *(word for word, _ in find.COLUMNS[level.value]), *MORE):
        shown = show.printable(find._shown(row, word))
        assert ACTING.isdisjoint(map(unicodedata.category, shown)), ascii(shown)
    for word in RETURN_KEYS[level]:
        text_of(row, word)
    asked_again(row)


def asked_again(row: object) -> None:
    """A series is asked for by what was said of its study."""
    uid = text_of(row, "StudyInstanceUID")  # type: ignore[arg-type]
    try:
        for syntax in SMALL:
            Query.of(Level.SERIES, {"StudyInstanceUID": uid}).encode(syntax)
    except Violation:
        return


WORDS = (
    "SpecificCharacterSet", "QueryRetrieveLevel", "PatientName", "PatientID", "PatientBirthDate",
    "StudyDate", "StudyTime",
    "ModalitiesInStudy", "StudyDescription", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID",
    "SOPClassUID",
    "SeriesNumber", "InstanceNumber", "NumberOfStudyRelatedInstances", "AvailableTransferSyntaxUID",
)  # fmt: skip
VALUES = (
    b"",
    b"1.2.3",
    b"CT\\MR",
    b"20260131",
    b"M\xfcller^J\xf6rg",
    b"\x1b$B;3ED\x1b(B^",
    b"\x1b[2J",
    b"12",
    b"1e9",
    b"\xe2\x80\xae",
)


def corpus() -> list[bytes]:
    """Rows of every level, with every attribute we ask for in turn being something else."""
    seeds = []
    for choice in range(8):
        for number, value in enumerate(VALUES):
            rows = [
                (
                    TAG_BY_KEYWORD[word],
                    VR_BY_TAG[TAG_BY_KEYWORD[word]],
                    VALUES[at % len(VALUES)] if at % 3 else value,
                )
                for at, word in enumerate(WORDS, number)
            ]
            rows[0] = (rows[0][0], "CS", (b"", b"ISO_IR 192", b"ISO_IR 100", b"\\ISO 2022 IR 87")[number % 4])
            seeds.append(bytes([choice]) + encode_dataset(rows, transfer_syntax(SMALL[choice & 1])))
    return seeds


if __name__ == "__main__":
    seeded.main(
        __doc__, one_input, corpus, (*fuzz_dataset.TOKENS, b"\x1b[2J", "\u202e".encode(), b"\x07", b"\x9b")
    )
