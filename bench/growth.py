"""Does taking in slow down as the index grows? Import at 100 studies and at 100,000; C-STORE at 1,000 instances
and at 1,000,000, with as many entries on the record.

    python bench/growth.py [--studies 100000] [--instances 1000000] [--rounds 5] [--slices 300] [--only import]

Of two homes each, which take turns, round by round, so that whatever else the machine does meets both alike.
Their servers run all the time; the first round warms their caches and does not count.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from common import home, spread, write_slices
from full import with_instances, with_studies
from ingest import imported
from receive import raw
from receivers import serving

FEW_STUDIES, FEW_INSTANCES = 100, 1000
PER_STUDY = 10
FIRST = 1_000_001  # of the studies that are sent; those that are there have lower numbers
BOUND = 0.90

Rates = Mapping[int, list[float]]
T = TypeVar("T")
Fill = Callable[[Path, dict[str, str], int], None]


def homes(stack: ExitStack, fill: Fill, *counts: int) -> dict[int, tuple[Path, dict[str, str]]]:
    """One of each size; the smallest is made last, so that none is still in the page cache alone."""
    made = {}
    for count in sorted(counts, reverse=True):
        made[count] = stack.enter_context(home())
        fill(*made[count], count)
    return {count: made[count] for count in counts}


def in_turn(pair: Mapping[int, T], number: int) -> list[tuple[int, T]]:
    """Each of the two goes first every other round."""
    return list(pair.items())[:: -1 if number % 2 else 1]


def importing(studies: int, rounds: int, slices: int) -> Rates:
    rates: dict[int, list[float]] = {FEW_STUDIES: [], studies: []}
    with ExitStack() as stack:
        pair = homes(stack, with_studies, *rates)
        for number in range(rounds):
            with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
                for study in range(slices // PER_STUDY):
                    write_slices(Path(folder), PER_STUDY, study=10**6 + number * 1000 + study)
                os.sync()  # the slices' own write-back must not fall into the first home's turn
                for count, (root, env) in in_turn(pair, number):
                    rates[count].append(imported(Path(folder), root, env, slices).rate)
    return rates


def receiving(instances: int, rounds: int, slices: int) -> Mapping[int, Rates]:
    """By associations at once."""
    found: dict[int, dict[int, list[float]]] = {
        associations: {FEW_INSTANCES: [], instances: []} for associations in (1, 4)
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leadglass-bench-")))
        write_slices(folder, slices, study=1_000_000)
        pair = homes(stack, with_instances, FEW_INSTANCES, instances)
        servers = {
            count: stack.enter_context(serving(*place, f"{count} instances")) for count, place in pair.items()
        }
        for number in range(rounds + 1):
            for associations, rates in found.items():
                for count, server in in_turn(servers, number):
                    os.sync()
                    study = str(FIRST + 10 * number + associations)
                    took = raw(server, folder, slices, associations, "--study", study)
                    if number:
                        rates[count].append(took.rate)
    return found


def report(title: str, rates: Rates, what: str) -> None:
    print(title)
    for count, taken in rates.items():
        print(f"  into {count:>9,} {what:<12} {spread(taken)}/s")
    few, many = rates.values()
    ratios = [b / a for a, b in zip(few, many, strict=True)]
    print(f"  ratio                       {spread(ratios, '.2f')}     bound ≥ {BOUND:.2f}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--studies", type=int, default=100_000)
    options.add_argument("--instances", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--slices", type=int, default=300)
    options.add_argument("--only", choices=("import", "receive"))
    asked = options.parse_args()
    if asked.only != "receive":
        report("import", importing(asked.studies, asked.rounds, asked.slices), "studies")
    if asked.only != "import":
        for associations, rates in receiving(asked.instances, asked.rounds, asked.slices).items():
            report(f"C-STORE, associations at once: {associations}", rates, "instances")


if __name__ == "__main__":
    main()
