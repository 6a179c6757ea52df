"""A fuzzer run by itself: `python fuzz/NAME.py [--seconds 30] [--seed 1] [FOLDER]`.

Seeds, mutated at random from a seed of their own, blind to coverage. `guided.py` runs the same `one_input`
from the same `corpus` with atheris, which finds more. With FOLDER, the files below it are the seeds.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Mutator = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def mutate(chance: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """A few cuts, flips, tokens and repetitions, or none."""
    out = bytearray(data)
    for _ in range(chance.randint(0, 5)):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(5):
            case 0:
                del out[at : at + chance.choice((1, 2, 4, 8, 40))]
            case 1 if at < len(out):
                out[at] = chance.randrange(256)
            case 2:
                token = chance.choice(tokens)
                out[at : at + len(token)] = token
            case 3:
                out[at:at] = chance.choice(tokens)
            case _:
                out[at:at] = out[at : at + chance.choice((1, 4, 12, 40))]
    return bytes(out)


def main(
    purpose: str,
    one_input: Callable[[bytes], None],
    corpus: Callable[[], list[bytes]],
    tokens: Sequence[bytes] = (),
    mutator: Mutator = mutate,
) -> None:
    options = argparse.ArgumentParser(description=purpose.partition("\n")[0])
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("folder", type=Path, nargs="?", help="seeds instead of its own")
    chosen = options.parse_args()
    seeds = files_below(chosen.folder) if chosen.folder else corpus()
    chance = random.Random(chosen.seed)
    until = time.monotonic() + chosen.seconds
    done = 0
    while time.monotonic() < until:
        data = mutator(chance, chance.choice(seeds), tokens)
        try:
            one_input(data)
        except BaseException:
            print(f"input {done} of seed {chosen.seed}: {data.hex()}", file=sys.stderr)
            raise
        done += 1
    print(f"{done} inputs, no bug")


def files_below(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
