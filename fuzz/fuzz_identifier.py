"""Fuzz the identifiers of C-FIND, C-GET and C-MOVE: a query, or a Violation; and each query has an answer.

The first byte of an input chooses the SOP class, the transfer syntax and what was negotiated. Besides the
contract on exceptions: what is asked can be asked of the index, no response has an attribute that was not in
the request or must be there, and the parser reads it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress

import fuzz_dataset
import seeded
import sqlalchemy as sa

import leadglass.store.schema  # noqa: F401 - study_keys refers to studies
from leadglass.access.schema import departments
from leadglass.archive.identifiers import ATTRIBUTES, Identifiers
from leadglass.archive.queries import KEYS, Level
from leadglass.db.engine import Transaction, metadata
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TAG_BY_KEYWORD,
    VR_BY_TAG,
    TransferSyntax,
)
from leadglass.dicom.writer import encode_dataset
from leadglass.dimse import sop_classes as uids
from leadglass.errors import Violation
from leadglass.index import lookup, records
from leadglass.index.facts import ObjectFacts
from leadglass.index.records import Place
from leadglass.index.rows import Sealed
from leadglass.scp.extended import Options
from leadglass.scp.identifiers import UNIQUE, Asked, read_identifier
from leadglass.scp.unique_keys import unique_keys

SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)
MODELS = (uids.STUDY_ROOT_FIND, uids.PATIENT_ROOT_FIND)
RETRIEVALS = (uids.STUDY_ROOT_GET, uids.PATIENT_ROOT_MOVE)
ALWAYS = {"QueryRetrieveLevel": "X", "RetrieveAETitle": "FUZZ", "InstanceAvailability": "ONLINE"}
NAMES = ("Roth^Anna", "Müller^Jörg", "Yamada^Tarou=山田^太郎=やまだ^たろう", "")


def _index() -> sa.Connection:
    """A few studies in memory."""
    connection = sa.create_engine("sqlite://").connect()
    metadata.create_all(connection)
    connection.execute(sa.insert(departments), {"id": 1, "name": "A", "created": 0})
    tx = Transaction(connection)
    for number, name in enumerate(NAMES):
        uid = f"1.2.{number}"
        requests = (("R1", "S1"), ("", "検査"))[: number % 3]
        made = ObjectFacts(
            f"{uid}.1.1",
            "1.2.840.10008.5.1.4.1.1.2",
            uid,
            f"{uid}.1",
            patient_id=str(number % 2),
            patient_name=name,
            study_date="20260131",
            study_time="0930",
            modality="CT",
            requests=requests,
        )
        place = records.place(tx, made, 1, 0)
        assert isinstance(place, Place)
        sealed = Sealed(place.study_id, str(number), bytes(40), 1, bytes(32), "1.2.840.10008.1.2.1")
        records.add_instance(tx, made, place.series_id, sealed, 0)
    tx.seal()
    return connection


INDEX = _index()


def one_input(data: bytes) -> None:
    if not data:
        return
    choice, body = data[0], data[1:]
    syntax = SYNTAXES[choice & 3]
    with suppress(Violation):
        unique_keys(body, RETRIEVALS[choice >> 2 & 1], syntax.uid)
    try:
        options = Options(relational=bool(choice & 8), moments=bool(choice & 16))
        asked = read_identifier(body, MODELS[choice >> 2 & 1], syntax.uid, options)
    except Violation:
        return
    answered(asked, body, syntax)


def answered(asked: Asked, body: bytes, syntax: TransferSyntax) -> None:
    rows, more = lookup.page(INDEX, asked.query, everything=True, departments=frozenset())
    assert not more
    given = Identifiers(asked.query.level, asked.keywords, syntax, characters=asked.characters,
                        constants=ALWAYS, items=asked.items)  # fmt: skip
    mandatory = {TAG_BY_KEYWORD[word] for word in (*ALWAYS, *UNIQUE.values(), "SpecificCharacterSet")}
    allowed = parse(body, syntax).keys() | mandatory
    for row in rows:
        assert parse(given.encode(row), syntax).keys() <= allowed


def corpus() -> list[bytes]:
    """Requests of every level with keys of every kind."""
    return [
        bytes([choice]) + encode_dataset(each, SYNTAXES[choice & 3]) for choice in range(32) for each in ASKED
    ]


def _request(level: str, **keys: str) -> list[tuple[int, str, bytes | tuple[object, ...]]]:
    given = {"QueryRetrieveLevel": level, **keys}
    return [(TAG_BY_KEYWORD[k], VR_BY_TAG[TAG_BY_KEYWORD[k]], v.encode()) for k, v in given.items()]


_CLASS = "1.2.840.10008.5.1.4.1.1.2"
_DAYS = {"StudyDate": "20260101-20261231", "StudyTime": "09-10"}
_ITEM = (0x00400275, "SQ", ([(TAG_BY_KEYWORD["RequestedProcedureID"], "SH", b"R*")],))
ASKED = (
    _request("PATIENT", PatientID="", PatientName="ro*", NumberOfPatientRelatedStudies=""),
    _request("STUDY", SpecificCharacterSet="ISO_IR 192", PatientName="Müller^J?rg", StudyDate="20260101-"),
    _request("STUDY", PatientID="0", ModalitiesInStudy="CT\\MR", **_DAYS),
    _request("STUDY", SpecificCharacterSet="\\ISO 2022 IR 87", PatientName="*=\x1b$B;3ED\x1b(B^*"),
    _request("STUDY", StudyInstanceUID="1.2.0\\1.2.1", SOPClassesInStudy=_CLASS, StudyID="*"),
    [*_request("SERIES", PatientID="1", StudyInstanceUID="1.2.1", SeriesNumber=""), _ITEM],
    _request("IMAGE", StudyInstanceUID="1.2.0", SeriesInstanceUID="1.2.0.1", InstanceNumber="-1", Rows=""),
)


WORDS = tuple(sorted({*KEYS[Level.INSTANCE], *ATTRIBUTES[Level.PATIENT], "InstitutionName", "Rows"}))
VALUES = (
    b"", b"*", b"?", b"-", b"1", b"0930", b"09-", b"20260131", b"-20260131", b"20260101-20261231", b"roth*",
    b"CT\\MR", b"1.2.0", b"1.2.0\\1.2.1", b"1.2.0.1", b"*=*", b"\xff\xfe", b"\x1b$B;3ED\x1b(B", b"ISO_IR 192",
    b"\0", b"%_\\", b"*a" * 20, b"x" * 500, b"-2147483648",
)  # fmt: skip


def built(chance: random.Random) -> bytes:
    """Keys and values drawn from the above, as somebody would write them who knows how to."""
    keys = {"QueryRetrieveLevel": chance.choice(tuple(UNIQUE)).encode()}
    for word in chance.sample(WORDS, chance.randint(0, 6)):
        keys[word] = chance.choice(VALUES)
    rows = [(TAG_BY_KEYWORD[word], VR_BY_TAG[TAG_BY_KEYWORD[word]], value) for word, value in keys.items()]
    choice = chance.randrange(32)
    return bytes([choice]) + encode_dataset([row for row in rows if row[1] != "SQ"], SYNTAXES[choice & 3])


def mutate(chance: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """Half of them are built, half of these left as they are."""
    if chance.randrange(2):
        data = built(chance)
        if chance.randrange(2):
            return data
    return seeded.mutate(chance, data, tokens)


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, fuzz_dataset.TOKENS, mutate)
