"""Back-up, one more after 100 new instances, drill and restore of a home, as people run them.

    python bench/backup.py [--slices 10000] [--matrix 512] [--new 100] [--rounds 3] [--folder DIR]

The peer copies the home's files to the same disk with `cp -a` and makes them durable with `sync -f`: it neither
seals nor checks anything, and needs the server stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from common import LEADGLASS, MB, home, spread, watch, write_slices

PER_STUDY = 500


def fill(env: dict[str, str], scratch: Path, count: int, first_study: int, matrix: int) -> None:
    """Import `count` slices, a study at a time, so that they need no room twice."""
    study = first_study
    while count:
        some = min(count, PER_STUDY)
        folder = scratch / str(study)
        folder.mkdir()
        write_slices(folder, some, study=study, matrix=matrix)
        subprocess.run(
            [LEADGLASS, "import", "--json", str(folder)], env=env, check=True, stdout=subprocess.DEVNULL
        )
        shutil.rmtree(folder)
        count, study = count - some, study + 1


def timed(env: dict[str, str], root: Path, *words: str, stdin: str = "") -> tuple[float, float, Any]:
    """Seconds of a command from its start to its end, the most memory it held, and its answer."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [LEADGLASS, *words, "--json"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with watch(process.pid, root) as seen:
        answer, _ = process.communicate(stdin)
    assert process.returncode == 0, words
    return time.perf_counter() - started, seen.rss, json.loads(answer)


def copied(root: Path, target: Path) -> float:
    started = time.perf_counter()
    subprocess.run(["cp", "-a", str(root), str(target)], check=True)
    subprocess.run(["sync", "-f", str(target)], check=True)
    return time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--slices", type=int, default=10_000)
    options.add_argument("--matrix", type=int, default=512, help="Pixels of a slice's side.")
    options.add_argument("--new", type=int, default=100)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument(
        "--folder", type=Path, help="Where all of it goes; needs four times the images' size."
    )
    asked = options.parse_args()
    if asked.folder:
        os.environ["TMPDIR"] = str(asked.folder)
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder, home() as (root, env):
        # `home` keeps no recovery key: the key file is left in its place, which a restore takes as well.
        run(Path(folder), root, env, asked)


def run(scratch: Path, root: Path, env: dict[str, str], asked: argparse.Namespace) -> None:
    fill(env, scratch, asked.slices, 1, asked.matrix)
    vault = str(scratch / "backups")
    seconds, rss, made = timed(env, root, "backup", vault)
    size = made["end"]["bytes"] / MB
    print(
        f"back-up of {asked.slices} instances, {size:.0f} MB    {seconds:.1f} s    {size / seconds:.0f} MB/s"
    )
    print(f"  resident memory, at most             {rss:.0f} MB")
    peer = copied(root, scratch / "copy")
    print(f"  cp -a and sync -f                    {peer:.1f} s    ratio {peer / seconds:.2f}")
    shutil.rmtree(scratch / "copy")
    later = []
    for number in range(asked.rounds):
        fill(env, scratch, asked.new, 100_000 + number, asked.matrix)
        seconds, _, made = timed(env, root, "backup", vault)
        assert made["copied"] == asked.new
        later.append(seconds)
    print(f"one more after {asked.new} new instances       {spread(later)} s    bound ≤ 10")
    seconds, _, _ = timed(env, root, "backup", vault, "--verify")
    print(f"verify, every byte                     {seconds:.1f} s")
    seconds, rss, drilled = timed(env, root, "backup", vault, "--drill", "--scratch", str(scratch))
    assert drilled["ok"]
    print(f"drill: restored, compared, removed     {seconds:.1f} s    {rss:.0f} MB resident")
    blank = scratch / "blank"
    seconds, rss, done = timed(env | {"LEADGLASS_HOME": str(blank)}, blank, "restore", vault)
    assert done["objects"] == asked.slices + asked.rounds * asked.new
    print(f"restore                                {seconds:.1f} s    {rss:.0f} MB resident")


if __name__ == "__main__":
    main()
