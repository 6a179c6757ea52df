"""Fuzz the transcoder: whatever comes in, a data set in the target's encoding or a Violation comes out.

The first byte of an input chooses source, target and chunking, or to try the form that all encodings have in
common. Besides the contract on exceptions: feeding whole and in pieces gives the same, what our parser
accepted it accepts again with the same tags, from the transcoder as from the writer, and the form of a form
is itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import fuzz_dataset
import seeded

from leadglass.dicom.dataset import DataSet, Limits, parse
from leadglass.dicom.dictionary import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    TransferSyntax,
    transfer_syntax,
)
from leadglass.dicom.transcode import UNCOMPRESSED, canonical, transcode
from leadglass.dicom.writer import encode_dataset
from leadglass.errors import Violation

LIMITS = Limits(elements=50_000, header_bytes=4 << 20, value_bytes=1 << 20, inflate_free=1 << 20)
SYNTAXES = tuple(UNCOMPRESSED.values())
FORMS = (*SYNTAXES, transfer_syntax("1.2.840.10008.1.2.4.50"))
CHUNKS = (1, 7, 64, 4096)
PADDING = 0xFFFCFFFC


def pieces_of(data: bytes, chunk: int) -> Iterator[bytes]:
    return (data[at : at + chunk] for at in range(0, len(data), chunk))


def joined(written: Iterator[bytes]) -> bytes | str:
    """The output, or the code of the violation. Anything else that is raised is a bug."""
    try:
        return b"".join(written)
    except Violation as violation:
        return violation.code


def outcome(data: bytes, source: TransferSyntax, target: TransferSyntax, chunk: int) -> bytes | str:
    return joined(transcode(pieces_of(data, chunk), source, target, LIMITS))


def one_form(choice: int, body: bytes) -> None:
    syntax = FORMS[choice % len(FORMS)]
    whole = joined(canonical(iter([body]), syntax, LIMITS))
    pieces = joined(canonical(pieces_of(body, CHUNKS[choice >> 4 & 3]), syntax, LIMITS))
    if isinstance(whole, str):
        assert isinstance(pieces, str)
        return
    assert whole == pieces or len(whole) > LIMITS.value_bytes
    plain = EXPLICIT_VR_LITTLE_ENDIAN if syntax.deflated else syntax
    assert joined(canonical(iter([whole]), plain, LIMITS)) == whole
    try:
        found = parse(body, syntax, LIMITS)
    except Violation:
        return
    same_tags(found, parse(whole, plain, LIMITS), frozenset({PADDING}))


def one_input(data: bytes) -> None:
    if not data:
        return
    choice, body = data[0], data[1:]
    if choice & 0x40:
        one_form(choice, body)
        return
    source, target = SYNTAXES[choice & 3], SYNTAXES[choice >> 2 & 3]
    whole = outcome(body, source, target, len(body) or 1)
    pieces = outcome(body, source, target, CHUNKS[choice >> 4 & 3])
    if isinstance(whole, str):
        assert isinstance(pieces, str)
        return
    assert isinstance(pieces, bytes)
    # What is deflated in other pieces is other bytes; how long a sign is waited for depends on them too.
    assert target.deflated or len(whole) == len(pieces)
    try:
        found = parse(body, source, LIMITS)
    except Violation:
        return
    same_tags(found, parse(whole, target, LIMITS))
    same_tags(found, parse(encode_dataset(found, target), target, LIMITS))


def same_tags(before: DataSet, after: DataSet, without: frozenset[int] = frozenset()) -> None:
    assert {tag for tag in before if tag & 0xFFFF} - without == {tag for tag in after if tag & 0xFFFF}
    for tag, element in after.items():
        items = before[tag].value
        if isinstance(element.value, tuple) and isinstance(items, tuple):
            assert len(items) == len(element.value)
            for one, other in zip(items, element.value, strict=True):
                same_tags(one, other, without)


def corpus() -> list[bytes]:
    """The data sets of pydicom's test files, claimed to be of each syntax."""
    seeds = fuzz_dataset.corpus()
    bodies = [seed[1:] for seed in seeds if seed[129:133] == b"DICM"]
    starts = ((body, body.find(b"\x08\0", 300)) for body in bodies)
    return [bytes([i * 37 % 128]) + body[at:] for i, (body, at) in enumerate(starts) if at > 0]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, fuzz_dataset.TOKENS)
