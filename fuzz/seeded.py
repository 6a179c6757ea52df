"""A fuzzer run by itself: seeds, mutated at random from a seed of their own, blind to coverage.

`guided.py` runs the same `one_input` from the same seeds with atheris, which finds more.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence


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
    purpose: str, one_input: Callable[[bytes], None], seeds: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    options = argparse.ArgumentParser(description=purpose)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    chance = random.Random(chosen.seed)
    until = time.monotonic() + chosen.seconds
    done = 0
    while time.monotonic() < until:
        data = mutate(chance, chance.choice(seeds), tokens)
        try:
            one_input(data)
        except BaseException:
            print(f"input {done} of seed {chosen.seed}: {data.hex()}", file=sys.stderr)
            raise
        done += 1
    print(f"{done} inputs, no bug")
