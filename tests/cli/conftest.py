"""Running commands: in this process for their answers, in a process of their own for signals and locks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from leadglass.cli.main import app

# Whom a scan meets is made as for the scan's own tests; helpers beside the tests have names of their own.
sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("cli", "scan", "net", "demo")]
pytest.register_assert_rewrite("scanned", "strangers", "demo_process", "raw_peer")


PATIENCE = 120  # seconds


class Ran:
    """What a command said and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Process:
    """`leadglass …` as a process of its own; `line()` is the next line it prints, "" at the end."""

    def __init__(self, arguments: tuple[str, ...], code: str = "", **more: Any) -> None:
        """`code` runs before the command."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"{code}from leadglass.cli.main import main; main()", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ) | {"PYTHONUNBUFFERED": "1"},
            **more,
        )
        self.pid = self._process.pid
        self._err: list[str] = []
        self._reader = threading.Thread(target=self._read_err, daemon=True)
        self._reader.start()

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def until(self, text: str) -> str:
        """The first line with `text` in it."""
        while line := self.line():
            if text in line:
                return line
        raise AssertionError(f"ended without saying {text!r}: {self.end().err}")

    def stop(self, number: int = signal.SIGINT) -> Ran:
        self._process.send_signal(number)
        return self.end()

    def end(self) -> Ran:
        assert self._process.stdout is not None
        last = threading.Timer(PATIENCE, self._process.kill)  # then a test fails, and does not wait for ever
        last.start()
        out = self._process.stdout.read()
        code = self._process.wait()
        last.cancel()
        self._reader.join()
        return Ran(code, out, "".join(self._err))

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self.end()

    def _read_err(self) -> None:
        assert self._process.stderr is not None
        self._err.extend(self._process.stderr)


@pytest.fixture
def run() -> Callable[..., Ran]:
    """A command in this process."""

    def run(*arguments: str | Path, stdin: str | None = None) -> Ran:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
        unexpected = result.exception is not None and not isinstance(result.exception, SystemExit)
        if unexpected:
            raise result.exception  # type: ignore[misc]
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """A command in a process of its own; it does not outlive the test."""
    started: list[Process] = []

    def start(*arguments: str | Path, **more: Any) -> Process:
        started.append(Process(tuple(str(argument) for argument in arguments), **more))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A folder to import from."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def deep(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The innermost of folders that are nested deeper than Python may call. The working folder is in it."""
    for _ in range(1200):
        monkeypatch.chdir(inbox if _ == 0 else "d")
        os.mkdir("d")
    yield Path.cwd()
    os.chdir(inbox)
    subprocess.run(["rm", "-rf", "d"], check=True)  # shutil.rmtree would call itself


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are not to be lowered in priority by the imports they make."""
    monkeypatch.setattr("os.nice", lambda _: 0)
