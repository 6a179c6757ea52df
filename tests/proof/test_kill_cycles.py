"""kill -9 at random moments of an import with its usual threads and groups."""

from __future__ import annotations

import random
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from fault_home import Site, aftermath
from fault_trace import Importer, acknowledged, acknowledgements

pytestmark = pytest.mark.slow


def whole(importer: Importer, site: Site, folder: Path) -> float:
    """How long an import takes that nothing happens to."""
    with importer.child(site, folder) as child:
        began = time.monotonic()
        child.go()
        assert child.wait() == 0
    return time.monotonic() - began


def test_no_kill_loses_what_was_acknowledged(
    cycles: int,
    chance: random.Random,
    importer: Importer,
    founded: Site,
    objects: dict[str, bytes],
    folder: Path,
    tmp_path: Path,
) -> None:
    longest = whole(importer, founded.copy_to(tmp_path / "whole"), folder)
    found: Counter[str] = Counter()
    for cycle in range(cycles):
        site = founded.copy_to(tmp_path / str(cycle))
        with importer.child(site, folder) as child:
            child.go()
            threading.Event().wait(chance.uniform(0, longest))
            child.kill()
            status = child.wait()
        said = acknowledged(acknowledgements(site.folder))
        first = aftermath(site, objects, said)
        found["killed"] += status == -signal.SIGKILL
        found["amid"] += 0 < len(said) < len(objects)
        found["acknowledged"] += len(said)
        found["orphans"] += first.orphans
        shutil.rmtree(site.folder)
    print(f"{cycles} cycles: {dict(found)}")
    assert found["killed"] >= cycles // 2
    if cycles >= 100:
        assert found["amid"] >= cycles // 5
