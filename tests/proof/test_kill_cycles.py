"""kill -9 at random moments of an import with its usual threads and groups."""

from __future__ import annotations

import random
import shutil
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
from fault_home import Site, aftermath
from fault_trace import Importer, acknowledged, acknowledgements, wait_for

pytestmark = pytest.mark.slow


def test_no_kill_loses_what_was_acknowledged(
    cycles: int,
    chance: random.Random,
    importer: Importer,
    founded: Site,
    objects: dict[str, bytes],
    folder: Path,
    tmp_path: Path,
) -> None:
    found: Counter[str] = Counter()
    for cycle in range(cycles):
        site = founded.copy_to(tmp_path / str(cycle))
        with importer.child(site, folder) as child:
            child.go()
            wait_for(site.folder, chance.randrange(len(objects)))
            threading.Event().wait(chance.uniform(0, 0.01))
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
        assert found["orphans"] > 0
