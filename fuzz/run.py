"""Every fuzzer in turn: `python fuzz/run.py [--seconds 60] [NAME…]`.

Guided by coverage where atheris is installed, from the inputs that earlier runs found (in .fuzz); else each
one's own seeded mutator. An input that fails is kept in .fuzz, and what is to be done with it is printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent / ".fuzz"
MEMORY_MB = 2048  # of a fuzzer in all; a parser that takes more is a bug
ONE_INPUT_SECONDS = 20


def guided(name: str, seconds: int) -> list[str]:
    return [
        sys.executable,
        str(HERE / "guided.py"),
        name,
        str(KEPT / name),
        f"-max_total_time={seconds}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-timeout={ONE_INPUT_SECONDS}",
        "-max_len=65536",
        "-verbosity=0",
        "-print_final_stats=1",
    ]


def main() -> int:
    options = argparse.ArgumentParser(description="Every fuzzer in turn.")
    options.add_argument("--seconds", type=int, default=60, help="for each of them")
    options.add_argument("names", nargs="*")
    asked = options.parse_args()
    has_atheris = importlib.util.find_spec("atheris") is not None
    if not has_atheris:
        print("No atheris here: each fuzzer's own mutator, blind to coverage.")
    failed = []
    for path in sorted(HERE.glob("fuzz_*.py")):
        if asked.names and path.stem not in asked.names:
            continue
        own = [sys.executable, str(path), "--seconds", str(asked.seconds)]
        started = time.monotonic()
        done = subprocess.run(guided(path.stem, asked.seconds) if has_atheris else own, check=False)
        took = time.monotonic() - started
        print(f"{path.stem}: {'FAILED' if done.returncode else 'no bug'} in {took:.0f} s\n", flush=True)
        if done.returncode:
            failed.append(path.stem)
    if failed:
        again = f"python fuzz/guided.py NAME {KEPT.name}/NAME INPUT"
        print(f"Failed: {', '.join(failed)}. The inputs lie in {KEPT.name}; to run one: {again}")
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
