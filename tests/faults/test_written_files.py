"""Where a whole run of the commands writes: nowhere but the home and beside the master key. No core dumps."""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fault_home import made_up
from fault_trace import require_strace

pytestmark = pytest.mark.slow

LEADGLASS = (sys.executable, "-c", "from leadglass.cli.main import main; main()")
PASSWORD = "murmeltier-grillparzer-quendel"
MADE = "open,openat,openat2,creat,truncate,mknod,mknodat,mkdir,mkdirat,link,linkat,symlink,symlinkat,rename,renameat,renameat2"

# 12 openat(AT_FDCWD</cwd>, "name", O_RDWR|O_CREAT, 0600) = 5</cwd/name>
_OPENED = re.compile(
    r"^\d+ +(?:open|openat|openat2|creat)\(.*(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE).*\) += \d+<([^>]*)>(?:\(deleted\))?$"
)
# 12 rename("/from", "/to") = 0      12 mkdirat(AT_FDCWD</cwd>, "name", 0700) = 0
_NAMED = re.compile(r"^\d+ +(?:truncate|mk\w+|link\w*|symlink\w*|rename\w*)\((.*)\) += 0$")
_PATH = re.compile(r'(?:\w+<([^>]*)>, )?"([^"]*)"')
_UNNAMED = re.compile(r"(pipe|socket|anon_inode|/memfd):.*")
_ALLOWED = ("/dev/null", "/dev/tty", "/dev/pts/")


@dataclass(frozen=True, slots=True)
class Tracer:
    """Runs commands under strace and collects the log."""

    log: Path
    cwd: Path

    def command(self, *command: str) -> list[str]:
        return [
            "strace",
            "-f",
            "-y",
            "--seccomp-bpf",
            "-A",
            "-o",
            str(self.log),
            "-e",
            f"trace={MADE}",
            *command,
        ]

    def run(self, *command: str, **options: Any) -> str:
        done = subprocess.run(
            self.command(*command),
            cwd=self.cwd,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
            **options,
        )
        return done.stdout

    def written(self) -> set[str]:
        """Every path that was opened for writing or made; what has no path in the file system is left out."""
        found: set[str] = set()
        for line in self.log.read_text(errors="replace").splitlines():
            if match := _OPENED.match(line):
                found.add(match[2])
            elif match := _NAMED.match(line):
                found |= {str(self.cwd / (at or "") / name) for at, name in _PATH.findall(match[1])}
        return {path for path in found if not _UNNAMED.fullmatch(path) and not path.startswith(_ALLOWED)}


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty user's folder. Python's compiled modules are the installation's, not ours to judge."""
    (tmp_path / "user").mkdir()
    for name in [name for name in os.environ if name.startswith(("LEADGLASS_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("LEADGLASS_STORAGE_RESERVE_MIB", "1")


@pytest.fixture
def tracer(tmp_path: Path, environ: None) -> Tracer:
    require_strace()
    (tmp_path / "cwd").mkdir()
    return Tracer(tmp_path / "strace.log", tmp_path / "cwd")


@contextmanager
def served(tracer: Tracer, home: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """The server under strace: its process, host and port."""
    command = tracer.command(*LEADGLASS, "serve", "--home", str(home), "--http", "127.0.0.1:0")
    with subprocess.Popen(
        command, cwd=tracer.cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://localhost:(\d+)", process.stdout.readline())
            assert address
            yield process, "127.0.0.1", int(address[1])
        finally:
            for child in children(process.pid):
                os.kill(child, signal.SIGTERM)
            process.wait(60)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Browser:
    """One session over plain HTTP."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=60)
        self._headers = {"Host": f"localhost:{port}", "Sec-Fetch-Site": "same-origin"}

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, bytes]:
        sent = self._headers | headers
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, sent)
        answer = self._connection.getresponse()
        if cookie := answer.getheader("Set-Cookie"):
            self._headers["Cookie"] = cookie.split(";")[0]
        return answer.status, answer.read()


def use(browser: Browser, token: str) -> None:
    """Sign in, search, open a study, have a frame rendered, fetch it over DICOMweb, fail to sign in."""
    assert browser.ask("POST", "/sign-in", "name=dr.roth&password=wrong-wrong-wrong")[0] in {
        200,
        401,
        403,
        429,
    }
    assert browser.ask("POST", "/sign-in", f"name=dr.roth&password={PASSWORD}")[0] == 303
    status, page = browser.ask("POST", "/studies", "name=made")
    assert status in {200, 303}
    status, page = browser.ask("GET", "/studies/1")
    assert status == 200
    frame = re.search(rb"/instances/\d+/frames/1\?edge=192", page)
    assert frame
    status, image = browser.ask("GET", frame[0].decode())
    assert (status, image[:2]) == (200, b"\xff\xd8"), image
    status, found = browser.ask("GET", "/dicom-web/studies", Authorization=f"Bearer {token}")
    assert (status, len(json.loads(found))) == (200, 1)
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    status, _ = browser.ask("GET", "/dicom-web/studies/1.2.3", Authorization=f"Bearer {token}", Accept=accept)
    assert status == 200


def test_nothing_is_written_outside_the_home(tracer: Tracer, tmp_path: Path) -> None:
    home, folder = tmp_path / "data" / "home", tmp_path / "images"
    folder.mkdir()
    (folder / "ROTH^ANNA.dcm").write_bytes(made_up("1.2.3.1.1", size=32_000))
    (folder / "notes.txt").write_text("no DICOM")
    at_home = ("--home", str(home))
    made = json.loads(tracer.run(*LEADGLASS, "init", *at_home, "--json"))
    imported = subprocess.run(
        tracer.command(*LEADGLASS, "import", *at_home, str(folder)),
        cwd=tracer.cwd,
        capture_output=True,
        timeout=120,
    )
    assert imported.returncode == 1  # the notes
    user = ("user", "add", "dr.roth", "--role", "radiologist", *at_home, "--password-stdin")
    tracer.run(*LEADGLASS, *user, input=PASSWORD + "\n")
    token = tracer.run(*LEADGLASS, "token", "create", *at_home, "--user", "dr.roth").strip()
    with served(tracer, home) as (process, host, port):
        use(Browser(host, port), token)
        (server,) = children(process.pid)
        limits = Path(f"/proc/{server}/limits").read_text()
    tracer.run(*LEADGLASS, "check", *at_home, "--deep")

    written = {Path(path) for path in tracer.written()}
    outside = {path for path in written if not path.is_relative_to(home)}
    key = Path(made["master_key_file"])
    assert key.is_relative_to(tmp_path / "user")
    folders = {parent for parent in (*key.parents, *home.parents) if parent.is_relative_to(tmp_path)}
    assert outside <= {key, *folders}, outside
    # Control: the trace has seen the kinds of file that there are.
    assert {path.relative_to(home).parts[0] for path in written if path != home and path.is_relative_to(home)} >= {
        "home.json", "config.toml", "db", "objects", "record", "serve.lock",
    }  # fmt: skip
    assert key in written
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


def test_the_trace_sees_what_is_written_elsewhere(tracer: Tracer, tmp_path: Path) -> None:
    """Control: every way in which a file could come to be."""
    program = (
        "import os, tempfile; open('relative', 'w'); tempfile.TemporaryFile(dir='.'); os.mkdir('folder');"
        "os.symlink('x', 'link'); os.rename('relative', 'renamed'); os.truncate('renamed', 0);"
        "os.open('folder/in', os.O_RDWR | os.O_CREAT); open('/dev/null', 'w'); os.pipe(); os.memfd_create('m');"
        "open('renamed')"
    )
    tracer.run(sys.executable, "-c", program)
    seen = {Path(path).name for path in tracer.written()}
    assert seen >= {"relative", "folder", "link", "renamed", "in"}
    assert any(re.fullmatch(r"#\d+|tmp\w+", name) for name in seen)  # an unnamed file is one too
    assert not seen & {"null", "m"}


def test_a_crash_leaves_no_core_dump(tmp_path: Path, environ: None) -> None:
    """Every command lowers the limit before it reads anything; the control raises it and is seen to dump."""
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if limit == 0:
        pytest.skip("Core dumps are off for this whole session already.")
    raised = f"import resource, os; resource.setrlimit(resource.RLIMIT_CORE, ({limit}, {limit}));"
    die = "os.abort()"
    harden = "from leadglass.cli.main import harden; harden();"
    dumped = {}
    for name, program in (("control", raised + die), ("hardened", raised + harden + die)):
        (tmp_path / name).mkdir()
        with subprocess.Popen(
            [sys.executable, "-c", program], cwd=tmp_path / name, stderr=subprocess.DEVNULL
        ) as process:
            _, status, _ = os.wait4(process.pid, 0)
            process.returncode = -signal.SIGABRT
        dumped[name] = os.WCOREDUMP(status)
        assert os.WTERMSIG(status) == signal.SIGABRT
    assert dumped == {"control": True, "hardened": False}
    assert list((tmp_path / "hardened").iterdir()) == []
