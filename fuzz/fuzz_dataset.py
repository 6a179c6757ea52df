"""Fuzz the data set and Part 10 parsers: whatever comes in, elements or a Violation come out.

The first byte of an input chooses the syntax and the chunking, so that one corpus reaches all of them.
Besides the contract on exceptions, feeding whole and feeding in pieces must have the same outcome, and what
was parsed must be writable as JSON.
"""

from __future__ import annotations

from pathlib import Path

import seeded

from leadglass.dicom import dictionary
from leadglass.dicom.dataset import DataSet, DatasetParser, Limits
from leadglass.dicom.json import dumps
from leadglass.dicom.part10 import Part10Parser
from leadglass.errors import Violation

LIMITS = Limits(elements=50_000, header_bytes=4 << 20, value_bytes=1 << 20, inflate_free=1 << 20)
SYNTAXES = (
    None,  # a Part 10 file
    dictionary.EXPLICIT_VR_LITTLE_ENDIAN,
    dictionary.IMPLICIT_VR_LITTLE_ENDIAN,
    dictionary.EXPLICIT_VR_BIG_ENDIAN,
    dictionary.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)
CHUNKS = (1, 7, 64, 4096)
# Bytes that mean something in a data set, for the mutator.
TOKENS = (
    b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff", b"\0\0\0\0", b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0",
    b"\xfe\xff\xdd\xe0", b"\xe0\x7f\x10\x00", b"SQ\0\0", b"UN\0\0", b"OB\0\0", b"UI", b"PN", b"\x1b$B", b"\\",
)  # fmt: skip


def outcome(syntax: dictionary.TransferSyntax | None, data: bytes, chunk: int) -> DataSet | str:
    """The elements, or the code of the violation. Anything else that is raised is a bug."""
    parser = DatasetParser(syntax, LIMITS) if syntax else Part10Parser(LIMITS)
    try:
        for at in range(0, len(data), chunk):
            parser.feed(data[at : at + chunk])
        parser.close()
    except Violation as violation:
        return violation.code
    found = parser.dataset if isinstance(parser, Part10Parser) else parser
    assert found is not None
    return found.elements


def one_input(data: bytes) -> None:
    if not data:
        return
    syntax = SYNTAXES[data[0] % len(SYNTAXES)]
    chunk = CHUNKS[data[0] // len(SYNTAXES) % len(CHUNKS)]
    body = data[1:]
    whole = outcome(syntax, body, len(body) or 1)
    pieces = outcome(syntax, body, chunk)
    # Deflated input reaches the scanner in other pieces, so that another limit may be met first.
    assert whole == pieces or (isinstance(whole, str) and isinstance(pieces, str))
    if not isinstance(whole, str):
        dumps(whole)


def corpus() -> list[bytes]:
    """Heads of pydicom's test files; each with a first byte for Part 10."""
    import pydicom

    files = sorted((Path(pydicom.__file__).parent / "data").rglob("*.dcm"))
    seeds = [b"\0" + path.read_bytes()[:6000] for path in files]
    # The same without preamble, as bare data sets in each syntax.
    return seeds + [bytes([i % 20]) + seed[133:] for i, seed in enumerate(seeds)]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
