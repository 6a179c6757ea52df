"""Two locks that let writers alternate, in threads and across processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from leadglass.db.turnstile import Turnstile

# Passes again and again, each time writing its letter, until the file is long enough.
GREEDY = """
import os, sys
from pathlib import Path
from leadglass.db.turnstile import Turnstile
home, letter, until = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
turnstile = Turnstile(home)
out = os.open(home / "passes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
print("ready", flush=True)
sys.stdin.readline()
while os.fstat(out).st_size < until:
    with turnstile.passed():
        os.write(out, letter.encode())
        sum(range(5000))
"""
HOLDER = """
import sys
from pathlib import Path
from leadglass.db.turnstile import Turnstile
with Turnstile(Path(sys.argv[1])).passed():
    print("ready", flush=True)
    sys.stdin.readline()
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def go(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def test_two_greedy_processes_take_turns(tmp_path: Path) -> None:
    children = [start(GREEDY, tmp_path, letter, 2000) for letter in "ab"]
    for child in children:
        go(child)
    for child in children:
        child.communicate(timeout=60)
    passes = (tmp_path / "passes").read_text()
    shares = Counter(passes)
    # From the moment both are there: nobody waits for many turns of the other, as with SQLite's own locks.
    both = passes[max(passes.index("a"), passes.index("b")) : min(passes.rindex("a"), passes.rindex("b"))]
    assert len(both) > 100
    assert min(shares[letter] for letter in "ab") > 0.3 * len(both)
    assert max(len(list(run)) for _, run in groupby(both)) <= len(both) // 4


def test_whoever_is_killed_on_the_floor_frees_it(tmp_path: Path) -> None:
    holder = start(HOLDER, tmp_path)
    passed = threading.Event()

    def wait() -> None:
        turnstile = Turnstile(tmp_path)
        with turnstile.passed():
            passed.set()
        turnstile.close()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not passed.wait(0.05)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate(timeout=30)
    assert passed.wait(30)
    waiting.join()


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    inside, worst = [0], [0]

    def work() -> None:
        turnstile = Turnstile(tmp_path)
        for _ in range(100):
            with turnstile.passed():
                inside[0] += 1
                worst[0] = max(worst[0], inside[0])
                inside[0] -= 1
        turnstile.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert worst == [1]


def test_an_error_on_the_floor_frees_it(tmp_path: Path) -> None:
    turnstile, other = Turnstile(tmp_path), Turnstile(tmp_path)
    with pytest.raises(ZeroDivisionError), turnstile.passed():
        raise ZeroDivisionError
    with other.passed():
        pass
    turnstile.close()
    other.close()


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gate.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        Turnstile(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_two_processes_on_one_database_lose_nothing(make: Any) -> None:
    """Two databases in one process are as strange to each other as two processes: separate connections."""
    first, second = make(), make()
    futures = [desk.write(f"{name}{n}") for n in range(100) for name, desk in (("a", first), ("b", second))]
    for future in futures:
        future.result(60)
    assert sorted(first.notes()) == sorted(f"{name}{n}" for n in range(100) for name in "ab")
