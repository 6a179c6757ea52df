"""Free memory goes back once after work, and not while there is work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from leadglass.heap import WORK_SECONDS, AfterWork

MUCH, LITTLE = 2 * WORK_SECONDS, WORK_SECONDS / 2


@pytest.mark.parametrize(
    ("spent", "given_back_after"),
    [
        ([LITTLE, LITTLE], []),
        ([MUCH, MUCH], []),
        ([MUCH, LITTLE, LITTLE, LITTLE], [1]),
        ([MUCH, MUCH, LITTLE, MUCH, LITTLE], [2, 4]),
    ],
)
def test_it_is_given_back_in_the_first_pause(spent: list[float], given_back_after: list[int]) -> None:
    intervals: list[float] = []
    given: list[int] = []
    after_work = AfterWork(lambda: sum(intervals), lambda: given.append(len(intervals) - 1))
    for seconds in spent:
        intervals.append(seconds)
        after_work()
    assert given == given_back_after


# In a process of its own: what other tests have freed here would be used first.
SCATTERED = """
import psutil
from leadglass.heap import trim
resident = lambda: psutil.Process().memory_info().rss
before = resident()
freed, kept = [], []
for _ in range(1000):
    freed.append(bytearray(b"x") * 64_000)
    kept.append(bytearray(b"x") * 700)
del freed
held = resident()
trim()
print(held - before, held - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="how much is resident is Linux's to say")
def test_what_is_free_below_what_is_not_is_given_back() -> None:
    said = subprocess.run([sys.executable, "-c", SCATTERED], capture_output=True, text=True, check=True)
    kept, given_back = map(int, said.stdout.split())
    assert kept > 48_000_000  # or the next line shows nothing
    assert given_back > 48_000_000
