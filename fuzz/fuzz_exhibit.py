"""Fuzz an object that was kept aside, shown beside the one it is at odds with: lines to read, never an error.

The first byte of an input chooses what is here, the rest is the file that came. Nothing may be raised, for
what came was kept just because it is damaged or contradicts. Besides: so many lines, so many characters, none
that a page would be torn by; an object does not differ from itself; what it says by itself is what it says
beside nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fuzz_dataset
import seeded

from leadglass.archive import exhibit
from leadglass.archive.facts import claims_of, facts_under
from leadglass.archive.standing import header
from leadglass.dicom.dataset import Limits
from leadglass.dicom.differences import MOST_LINES, MOST_TEXT, Difference, differences, listed

LIMITS = Limits(elements=50_000, header_bytes=4 << 20, value_bytes=1 << 20, inflate_free=1 << 20)
MOST_NAME = 1000  # characters: a path through nested sequences, each named
TEARING = {chr(code) for code in (*range(32), 127)}


class Stored:
    """A file as the store reads it."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        yield from (self._data[at : at + 4096] for at in range(start, self.size, 4096))


def read(data: bytes) -> tuple[Any, Any]:
    stored: Any = Stored(data)
    parser, _ = header(stored, LIMITS, None)
    return stored, parser


FILES = [seed[1:] for seed in fuzz_dataset.corpus() if seed[129:133] == b"DICM"]
HERE = [read(data) for data in FILES[:: max(1, len(FILES) // 16)]]


def one_input(data: bytes) -> None:
    if not data:
        return
    here, came = HERE[data[0] % len(HERE)], read(data[1:])
    claims = claims_of(came[1])
    if came[1].dataset is not None:
        facts_under(claims, came[1])
    mine, theirs = exhibit._elements(here[1]), exhibit._elements(came[1])
    lines, _ = differences(mine, theirs)
    fit_to_be_shown(lines)
    fit_to_be_shown(listed(theirs, only=exhibit._TELLING))
    fit_to_be_shown(listed(theirs))
    assert differences(theirs, theirs) == ((), False)
    assert {line.tag for line in listed(theirs)} == {line.tag for line in differences({}, theirs)[0]}
    sentence = exhibit._pixels(here, came)
    assert sentence.isprintable() and sentence.endswith(".")


def fit_to_be_shown(lines: tuple[Difference, ...]) -> None:
    assert len(lines) <= MOST_LINES
    for line in lines:
        assert len(line.name) <= MOST_NAME and line.name.isprintable()
        for value in filter(None, (line.here, line.there)):
            assert len(value) <= MOST_TEXT + 1 and TEARING.isdisjoint(value), ascii(value)
            value.encode()


def corpus() -> list[bytes]:
    """The heads of pydicom's test files, each beside some others."""
    return [bytes([number % 256]) + data for number, data in enumerate(FILES)]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, fuzz_dataset.TOKENS)
