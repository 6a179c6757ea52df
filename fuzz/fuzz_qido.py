"""Fuzz the parameters of QIDO-RS and of the study list's form: an answer in DICOM JSON, or a Violation.

The first byte of an input chooses the level, or the form; the rest is a query string as it stands in a URL.
Besides the contract on exceptions: what is asked can be asked of the index, no more than a page comes back,
and what comes back is JSON; the value of a key stands in no sentence that is shown or logged.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import fuzz_identifier
import orjson
import seeded
from starlette.datastructures import QueryParams

from leadglass.archive.qido import to_dicom_json
from leadglass.archive.queries import MAX_LIMIT, Level, Query, portal_query, query_from_pairs
from leadglass.errors import Violation
from leadglass.index import lookup

LEVELS = (Level.STUDY, Level.SERIES, Level.INSTANCE)
FIELDS = ("name", "patient_id", "date_from", "date_to", "modality", "accession")
NUMBERS = ("limit", "offset")
PLANTED = "NOBODY^PLANTED"
TOKENS = (
    b"&", b"=", b"*", b"?", b"%2A", b"%5C", b"%00", b"%ED%A0%80", b"%F0%9F%A9%BB", b"%C3%A4", b"-",
    b"1.2.0", b"20260131",
    b"PatientName=", b"StudyDate=", b"StudyInstanceUID=", b"00100010=", b"00400275.00401001=", b".",
    b"ModalitiesInStudy=",
    b"PatientID=", b"SeriesNumber=", b"limit=", b"offset=", b"9" * 30, b"*a" * 30, b"%", b"_", b"'", b'"',
    b"name=",
    b"date_from=", b"+", b";", b"FFFFFFFF=", b"x" * 300, quote(PLANTED).encode(),
)  # fmt: skip


def one_input(data: bytes) -> None:
    if not data:
        return
    parameters = QueryParams(data[1:].decode("latin-1"))
    try:
        query = _query(data[0] % (len(LEVELS) + 1), parameters)
        rows, _ = lookup.page(fuzz_identifier.INDEX, query, everything=True, departments=frozenset())
    except Violation as error:
        if PLANTED in str(error) or PLANTED in error.code:
            raise AssertionError("a value is repeated") from error
        return
    assert len(rows) <= query.limit <= MAX_LIMIT
    orjson.dumps([to_dicom_json(row) for row in rows])


def _query(choice: int, parameters: QueryParams) -> Query:
    numbers: dict[str, Any] = {
        name: int(parameters[name])
        for name in NUMBERS
        if name in parameters and parameters[name].isascii() and parameters[name].isdigit()
    }
    if choice == len(LEVELS):
        return portal_query(**{name: parameters.get(name, "") for name in FIELDS}, **numbers)
    pairs = [(name, value) for name, value in parameters.multi_items() if name not in NUMBERS]
    query, _ = query_from_pairs(LEVELS[choice], pairs, **numbers)
    return query


ASKED = (
    "", "PatientName=ro*", "00100010=M%C3%BCller%5EJ?rg", "StudyDate=20260101-20261231&StudyTime=09-10",
    "limit=2&offset=1",
    "StudyInstanceUID=1.2.0%5C1.2.1", "StudyInstanceUID=1.2.0, 1.2.1", "ModalitiesInStudy=CT",
    "PatientID=0&PatientID=1",
    "RequestAttributesSequence.RequestedProcedureID=R*", "00400275.00400009=S1", "SeriesNumber=1",
    "InstanceNumber=-1",
    "PatientBirthDate=-19700101", "SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.2",
    f"PatientName={quote(PLANTED)}",
    "name=roth+anna&date_from=2026-01-01&date_to=2026-12-31&modality=ct", "name=%E5%B1%B1*",
    "accession=%25_&patient_id=*",
    f"StudyDate={quote(PLANTED)}", f"StudyInstanceUID={quote(PLANTED)}", f"date_from={quote(PLANTED)}",
)  # fmt: skip


def corpus() -> list[bytes]:
    """Query strings of every kind, for every level and for the form."""
    return [bytes([choice]) + each.encode() for choice in range(len(LEVELS) + 1) for each in ASKED]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
