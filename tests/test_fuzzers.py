"""The fuzzers themselves: what each begins with must pass, or a run would say nothing of what it finds."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "fuzz"
NAMES = sorted(path.stem for path in FUZZ.glob("fuzz_*.py"))
MOST = 25  # of a fuzzer's seeds


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """They import each other by their bare names."""
    monkeypatch.syspath_prepend(str(FUZZ))


@pytest.mark.parametrize("name", NAMES)
def test_what_it_begins_with_passes(name: str) -> None:
    fuzzer = importlib.import_module(name)
    seeds = fuzzer.corpus()
    assert seeds
    for data in seeds[:: max(1, len(seeds) // MOST)]:
        fuzzer.one_input(data)


def test_a_seeded_run_says_what_it_did() -> None:
    ran = subprocess.run(
        [sys.executable, str(FUZZ / "fuzz_assertion.py"), "--seconds", "0.2", "--seed", "7"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.endswith(" inputs, no bug\n")


def test_a_folder_of_files_takes_the_place_of_its_own_seeds(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/one").write_bytes(b"one")
    (tmp_path / "two").write_bytes(b"two")
    seeded = importlib.import_module("seeded")
    assert sorted(seeded.files_below(tmp_path)) == [b"one", b"two"]


def test_every_fuzzer_is_run_by_the_same_few_lines() -> None:
    for name in NAMES:
        words = (FUZZ / f"{name}.py").read_text()
        assert words.count("seeded.main(") == 1 and "argparse" not in words, name


def test_a_seeded_run_fails_with_the_input_that_did_it(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(FUZZ)!r})\nimport seeded\n"
        "seeded.main('', lambda data: 1 / (data != b'seed'), lambda: [b'seed'], [b'x'])\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert b"seed".hex() in ran.stderr and "ZeroDivisionError" in ran.stderr
