"""Fuzz the delivery of corrected objects: the new identity, all else as it was, or a Violation comes out.

The first byte of an input chooses transfer syntax, chunking and a name: one that every character set has, or
one that few have. Besides the contract on exceptions: whole and in pieces comes the same, and what our parser
accepted it accepts again, with the new values and the other tags. What is remembered of others changes
nothing. Where the character set lacks the name, what comes is, in the form that all encodings have in common,
what comes if all text is first written anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import fuzz_dataset
import fuzz_transcode
import pydicom
import seeded

from leadglass.archive.beginning import Source
from leadglass.archive.corrected import Corrected
from leadglass.archive.facts import identity_of
from leadglass.dicom.charset import charset, charset_of
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import TransferSyntax
from leadglass.dicom.part10 import Part10Parser
from leadglass.dicom.recode import in_utf8
from leadglass.dicom.transcode import canonical
from leadglass.dicom.writer import encode_dataset
from leadglass.errors import Violation
from leadglass.index.identity import Applied, Kind

LIMITS, FORMS, CHUNKS = fuzz_transcode.LIMITS, fuzz_transcode.FORMS, fuzz_transcode.CHUNKS
NAMES = ("NEU^ANNA", "NEU^ANNA=山田^花子")
TEXTS = {
    "ISO_IR 100": "Grün",
    "ISO 2022 IR 6\\ISO 2022 IR 87": "山田",
    "ISO_IR 13": "ﾔﾏﾀﾞ",
    "GBK": "王小东",
    "\\ISO 2022 IR 149": "홍길동",
    "GB18030": "丁亿",
}
LONGEST = 20_000  # bytes of a header that is tried
PECULIAR = b"\x80\x1b\x00A"
Row = tuple[int, str, Any]
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


def corrected(name: str) -> Corrected:
    values = {"patient_name": name, "patient_id": "N-1", "issuer": "HOSP", "birth_date": "", "sex": "F"}
    return Corrected((Applied(Kind.MERGE, 1_800_000_000_000, values),), "LEADGLASS")


def through(
    made: Corrected, body: bytes, syntax: TransferSyntax, chunk: int
) -> tuple[bytes | str, int | None]:
    """What comes, or the code of the violation; and by how much it was said to be longer."""
    source = Source(lambda at: fuzz_transcode.pieces_of(body[at:], chunk), 0, len(body))
    try:
        out = made.delivered(source, syntax, LIMITS)
    except Violation as violation:
        return violation.code, None
    return fuzz_transcode.joined(out.chunks), out.growth


def delivered(body: bytes, syntax: TransferSyntax, name: str, chunk: int) -> tuple[bytes | str, int | None]:
    return through(corrected(name), body, syntax, chunk)


def same_when_remembered(body: bytes, syntax: TransferSyntax, name: str) -> None:
    """What became of others changes nothing: not for the same again, nor for one that is nearly the same."""
    made = corrected(name)
    for number in range(6):
        chance = crc32(body[:64] + bytes([number]))
        at = chance % (len(body) + 1)
        new = bytes(PECULIAR[chance >> 8 & 3 : (chance >> 8 & 3) + 1])
        other = body if number < 3 else body[:at] + new + body[at + 1 :]
        fresh = delivered(other, syntax, name, len(other) or 1)
        again = through(made, other, syntax, len(other) or 1)
        assert again == fresh or isinstance(fresh[0], str)  # it has seen what follows the pixels


def one_input(data: bytes) -> None:
    if len(data) < 2:
        return
    choice, body = data[0], data[1:]
    syntax, name = FORMS[choice % len(FORMS)], NAMES[choice >> 6 & 1]
    whole, growth = delivered(body, syntax, name, len(body))
    same_when_remembered(body, syntax, name)
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
    is_ordered = list(before) == sorted(before)  # else group lengths that go may have shown a place
    if charset_of(before).encode(name, name=True) is None and is_ordered and not syntax.deflated:
        same_as_anew(body, whole, syntax, name)
    after = parse(whole, syntax, LIMITS)
    shown = identity_of(after)
    assert (shown.patient_name, shown.patient_id, shown.issuer) == (name, "N-1", "HOSP")
    others = before.keys() - CHANGED, after.keys() - CHANGED
    assert {tag for tag in others[0] if tag & 0xFFFF} == {tag for tag in others[1] if tag & 0xFFFF}


def same_as_anew(body: bytes, whole: bytes, syntax: TransferSyntax, name: str) -> None:
    recoded = fuzz_transcode.joined(in_utf8(iter([body]), syntax, LIMITS))
    if isinstance(recoded, str):
        return
    anew, _ = delivered(recoded, syntax, name, len(recoded))
    if isinstance(anew, bytes):
        forms = [fuzz_transcode.joined(canonical(iter([one]), syntax, LIMITS)) for one in (whole, anew)]
        assert forms[0] == forms[1]


def corpus() -> list[bytes]:
    """The headers of pydicom's test files, and text beyond ASCII."""
    return [*headers(), *written()]


def headers() -> Iterator[bytes]:
    for path in sorted((Path(pydicom.__file__).parent / "data").rglob("*.dcm")):
        parser, data = Part10Parser(LIMITS), path.read_bytes()
        with suppress(Violation):
            parser.feed(data)
            parser.close()
            assert parser.transfer_syntax and parser.dataset and parser.dataset_offset
            pixels = parser.dataset.pixel_data_offset or len(data) - parser.dataset_offset
            if parser.transfer_syntax in FORMS and pixels < LONGEST:
                body = data[parser.dataset_offset :][:pixels]
                plain = not (parser.transfer_syntax.encapsulated or parser.transfer_syntax.deflated)
                more = (
                    encode_dataset([(0x7FE00010, "OW", bytes(8))], parser.transfer_syntax) if plain else b""
                )
                yield chosen(parser.transfer_syntax, body + more)


def chosen(syntax: TransferSyntax, body: bytes) -> bytes:
    """An input: the data set after what says how it is encoded, and that its character set lacks the name."""
    return bytes([next(at for at in range(0x40, 0x80) if FORMS[at % len(FORMS)] == syntax)]) + body


def written() -> Iterator[bytes]:
    """Text beyond ASCII at the top, in sequences with lengths and without, under a character set of an item's
    own, of private elements, and behind the pixels; in each syntax."""
    for terms, text in TEXTS.items():
        raw = charset(terms.split("\\")).encode(text)
        assert raw is not None
        own: list[Row] = [
            (0x00080005, "CS", b"ISO_IR 192"),
            (0x00081030, "LO", text.encode()),
            (0x00080104, "LO", b"-"),
        ]
        inner: list[Row] = [(0x00080104, "LO", raw), (0x00081140, "SQ", ([(0x00100010, "PN", raw)], own))]
        private: list[Row] = [(0x00290010, "LO", b"SIEMENS MEDCOM HEADER"), (0x00291009, "UN", raw)]
        rows: list[Row] = [
            (0x00080005, "CS", terms.encode()),
            (0x00081032, "SQ", (inner, inner)),
            (0x00100010, "PN", raw),
            (0x00100020, "LO", b"P-1"),
            (0x00104000, "LT", raw),
            *private,
            (0x04000561, "SQ", (inner,)),
            (0x7FE00010, "OW", bytes(40)),
            (0x7FE10010, "LO", raw),
        ]
        for syntax in fuzz_transcode.SYNTAXES:
            body = encode_dataset(rows, syntax)
            opened = fuzz_transcode.joined(canonical(iter([body]), syntax, LIMITS))
            assert isinstance(opened, bytes)
            yield chosen(syntax, body)
            yield chosen(syntax, encode_dataset(rows[:-1], syntax))
            if not syntax.deflated:
                yield chosen(syntax, opened)


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, fuzz_dataset.TOKENS)
