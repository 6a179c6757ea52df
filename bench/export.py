"""Everything out to plain files, as people run it: megabytes a second, beside `cp -a` of the same files.

    python bench/export.py [--slices 2000] [--matrix 512] [--rounds 5] [--folder DIR] [--command PATH]

Ours opens sealed objects, makes each file durable, reads it back from the disk, compares it with the digest that was
taken when it came, and writes a DICOMDIR. The peer copies what came out to the same disk with `cp -a` and makes it
durable with `sync -f`: it opens nothing, reads nothing back and compares nothing. In turns, both at the low priority
that an export gives itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import common
from backup import fill, timed
from common import MB, home, spread


def copied(source: Path, target: Path) -> float:
    started = time.perf_counter()
    subprocess.run(["nice", "-n", "19", "cp", "-a", str(source), str(target)], check=True)
    subprocess.run(["nice", "-n", "19", "sync", "-f", str(target)], check=True)
    return time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--slices", type=int, default=2000)
    options.add_argument("--matrix", type=int, default=512, help="Pixels of a slice's side.")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument(
        "--folder", type=Path, help="Where all of it goes; needs four times the images' size."
    )
    options.add_argument(
        "--command", action="append", help="Another installation's, in turns with this one's."
    )
    asked = options.parse_args()
    if asked.folder:
        os.environ["TMPDIR"] = str(asked.folder)
    commands = {"this": common.LEADGLASS} | {path: path for path in asked.command or ()}
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder, home() as (root, env):
        scratch = Path(folder)
        fill(env, scratch, asked.slices, 1, asked.matrix)
        measure(scratch, root, env, commands, asked.rounds)


def measure(scratch: Path, root: Path, env: dict[str, str], commands: dict[str, str], rounds: int) -> None:
    out, copy = scratch / "out", scratch / "copy"
    rates: dict[str, list[float]] = {name: [] for name in (*commands, "cp -a, sync -f")}
    again: list[float] = []
    memory = 0.0
    for _ in range(rounds):
        for name, command in commands.items():
            shutil.rmtree(out, ignore_errors=True)
            subprocess.run(["sync", "-f", str(scratch)], check=True)
            common.LEADGLASS = timed.__globals__["LEADGLASS"] = command
            seconds, rss, made = timed(env, root, "export", "--all", str(out))
            assert made["failures"] == 0
            rates[name].append(made["bytes"] / seconds / MB)
            memory = max(memory, rss)
        size = made["bytes"]
        seconds, _, made = timed(env, root, "export", "--all", str(out))
        assert made["written"] == 0
        again.append(seconds)
        rates["cp -a, sync -f"].append(size / copied(out, copy) / MB)
        shutil.rmtree(copy)
    for name, found in rates.items():
        print(f"{name:<28}{spread(found)} MB/s")
    base = rates["this"]
    for name, found in rates.items():
        if name != "this":
            print(f"  ours : {name:<21}{spread([a / b for a, b in zip(base, found, strict=True)], '.2f')}")
    print(f"once more, all there          {spread(again)} s")
    print(f"resident memory, at most      {memory:.0f} MB")


if __name__ == "__main__":
    main()
