"""Does importing slow down as the index grows? The same import into a home of 100 studies and one of 100,000.

    python bench/growth.py [--studies 100000] [--rounds 5] [--slices 300]

The two homes take turns, round by round, so that whatever else the machine does meets both alike.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from common import home, spread, write_slices
from ingest import imported
from search import fill

from leadglass.db.engine import migration_engine
from leadglass.home import open_master, read_home
from leadglass.store.keys import Keyring

FEW = 100
PER_STUDY = 10


def filled(root: Path, env: dict[str, str], studies: int) -> None:
    """Write the rows of that many made-up studies straight into the home's tables."""
    place = read_home(root)
    engine = migration_engine(place.database, Keyring.from_master(open_master(place, env)).database_key)
    try:
        fill(engine, studies)
    finally:
        engine.dispose()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--studies", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--slices", type=int, default=300)
    asked = options.parse_args()
    rates: dict[int, list[float]] = {FEW: [], asked.studies: []}
    with ExitStack() as stack:
        homes = {studies: stack.enter_context(home()) for studies in rates}
        for studies, (root, env) in homes.items():
            filled(root, env, studies)
        for number in range(asked.rounds):
            with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
                for study in range(asked.slices // PER_STUDY):
                    write_slices(Path(folder), PER_STUDY, study=10**6 + number * 1000 + study)
                os.sync()  # the slices' own write-back must not fall into the first home's turn
                for studies, (root, env) in homes.items():
                    rates[studies].append(imported(Path(folder), root, env, asked.slices).rate)
    for studies, found in rates.items():
        print(f"import into {studies:>7} studies       {spread(found)} slices/s")
    ratios = [many / few for few, many in zip(*rates.values(), strict=True)]
    print(f"  ratio                           {spread(ratios, '.2f')}     bound ≥ 0.90")


if __name__ == "__main__":
    main()
