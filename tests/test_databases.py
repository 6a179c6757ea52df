"""The databases of the tests themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .databases import ended_with_us

SERVER = 'trap "rm postmaster.pid; exit 3" QUIT; echo $$ >postmaster.pid; echo; while sleep 0.05; do :; done'


def test_a_server_ends_with_whoever_started_it_and_its_files_go(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    (folder / "data").mkdir(parents=True)
    with subprocess.Popen(["sh", "-c", SERVER], cwd=folder / "data", stdout=subprocess.PIPE) as server:
        with ended_with_us(folder):
            assert server.stdout is not None and server.stdout.readline() == b"\n"
            assert server.poll() is None
        assert server.wait(20) == 3
    assert not folder.exists()
