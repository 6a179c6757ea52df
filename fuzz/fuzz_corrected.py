"""Fuzz the delivery of corrected objects: the new identity, all else as it was, or a Violation comes out.

The first byte of an input chooses transfer syntax, chunking and a name: one that every character set has, or
one that few have. Besides the contract on exceptions: whole and in pieces comes the same, and what our parser
accepted it accepts again, with the new values and the other tags.
"""

from __future__ import annotations

import fuzz_dataset
import fuzz_transcode
import seeded

from leadglass.archive.corrected import Corrected
from leadglass.archive.facts import identity_of
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import TransferSyntax
from leadglass.errors import Violation
from leadglass.index.identity import Applied, Kind

LIMITS, FORMS, CHUNKS = fuzz_transcode.LIMITS, fuzz_transcode.FORMS, fuzz_transcode.CHUNKS
NAMES = ("NEU^ANNA", "NEU^ANNA=山田^花子")
CHANGED = frozenset(
    {
        0x00080005,
        0x00100010,
        0x00100020,
        0x00100021,
        0x00100024,
        0x00100030,
        0x00100040,
        0x04000561,
        0xFFFCFFFC,
    }
)


def delivered(body: bytes, syntax: TransferSyntax, name: str, chunk: int) -> tuple[bytes | str, int | None]:
    values = {"patient_name": name, "patient_id": "N-1", "issuer": "HOSP", "birth_date": "", "sex": "F"}
    corrected = Corrected((Applied(Kind.MERGE, 1_800_000_000_000, values),), "LEADGLASS")
    try:
        made = corrected.delivered(lambda: fuzz_transcode.pieces_of(body, chunk), syntax, LIMITS)
    except Violation as violation:
        return violation.code, None
    return fuzz_transcode.joined(made.chunks), made.growth


def one_input(data: bytes) -> None:
    if len(data) < 2:
        return
    choice, body = data[0], data[1:]
    syntax, name = FORMS[choice % len(FORMS)], NAMES[choice >> 6 & 1]
    whole, growth = delivered(body, syntax, name, len(body))
    pieces, _ = delivered(body, syntax, name, CHUNKS[choice >> 4 & 3])
    if isinstance(whole, bytes) and growth is not None:
        assert len(whole) == len(body) + growth
        assert whole == pieces or isinstance(pieces, str)  # what follows the pixels is walked no further
    try:
        before = parse(body, syntax, LIMITS)
    except Violation:
        return
    if isinstance(whole, str):
        return
    after = parse(whole, syntax, LIMITS)
    shown = identity_of(after)
    assert (shown.patient_name, shown.patient_id, shown.issuer) == (name, "N-1", "HOSP")
    others = before.keys() - CHANGED, after.keys() - CHANGED
    assert {tag for tag in others[0] if tag & 0xFFFF} == {tag for tag in others[1] if tag & 0xFFFF}


corpus = fuzz_transcode.corpus


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, fuzz_dataset.TOKENS)
