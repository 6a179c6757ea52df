"""The benchmarks run rarely: what they take from the program has to be there all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[1] / "bench"
NAMES = sorted(path.stem for path in BENCH.glob("*.py"))


def test_each_still_finds_what_it_measures() -> None:
    assert len(NAMES) > 20
    each = f"import importlib\nfor name in {NAMES!r}: importlib.import_module(name)"
    ran = subprocess.run([sys.executable, "-c", each], cwd=BENCH, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
