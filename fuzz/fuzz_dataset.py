"""Fuzz the data set and Part 10 parsers: whatever comes in, elements or a Violation come out.

    python fuzz/fuzz_dataset.py [--seconds 30] [--seed 1] [corpus directory]     a seeded mutator
    python fuzz/fuzz_dataset.py --atheris [libFuzzer options]            coverage-guided, if installed

The first byte of an input chooses the syntax and the chunking, so that one corpus reaches all of them.
Besides the contract on exceptions, feeding whole and feeding in pieces must have the same outcome, and what
was parsed must be writable as JSON.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

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


def mutate(chance: random.Random, data: bytes) -> bytes:
    """A few cuts, flips, tokens and repetitions."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(5):
            case 0:
                del out[at : at + chance.choice((1, 2, 4, 8, 64))]
            case 1 if at < len(out):
                out[at] = chance.randrange(256)
            case 2:
                token = chance.choice(TOKENS)
                out[at : at + len(token)] = token
            case 3:
                out[at:at] = chance.choice(TOKENS)
            case _:
                out[at:at] = out[at : at + chance.choice((8, 12, 40))]
    return bytes(out)


def corpus(folder: Path | None) -> list[bytes]:
    """Files below `folder`, else heads of pydicom's test files; each with a first byte for Part 10."""
    if folder is not None:
        return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    import pydicom

    files = sorted((Path(pydicom.__file__).parent / "data").rglob("*.dcm"))
    seeds = [b"\0" + path.read_bytes()[:6000] for path in files]
    # The same without preamble, as bare data sets in each syntax.
    return seeds + [bytes([i % 20]) + seed[133:] for i, seed in enumerate(seeds)]


def mutated(seconds: float, seed: int, seeds: list[bytes], try_one: Callable[[bytes], None]) -> int:
    """Try mutations of the seeds for that long; how many were tried."""
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    done = 0
    while time.monotonic() < until:
        data = mutate(chance, chance.choice(seeds))
        try:
            try_one(data)
        except Exception:
            print(f"input {done} of seed {seed}: {data.hex()}", file=sys.stderr)
            raise
        done += 1
    return done


def main() -> None:
    if "--atheris" in sys.argv:
        import atheris

        sys.argv.remove("--atheris")
        atheris.instrument_all()
        atheris.Setup(sys.argv, one_input)
        atheris.Fuzz()
    options = argparse.ArgumentParser(description="Fuzz the data set parser.")
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("corpus", type=Path, nargs="?")
    chosen = options.parse_args()
    done = mutated(chosen.seconds, chosen.seed, corpus(chosen.corpus), one_input)
    print(f"{done} inputs, no bug")


if __name__ == "__main__":
    main()
