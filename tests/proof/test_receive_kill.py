"""kill -9 of a server at random moments of C-STORE over several associations, and of its second process too."""

from __future__ import annotations

import random
import shutil
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
from fault_home import Site, aftermath
from proof_server import Sender, data_set, serving

pytestmark = pytest.mark.slow


def test_no_kill_loses_what_was_acknowledged(
    cycles: int, chance: random.Random, known: Site, objects: dict[str, bytes], tmp_path: Path
) -> None:
    found: Counter[str] = Counter()
    for cycle in range(cycles):
        site = known.copy_to(tmp_path / str(cycle))
        with serving(site) as server:
            if chance.randrange(3) == 0:  # with the second process, and before it is there
                server.wait_for_both()
            sender = Sender(server.port, objects)
            sender.connect()
            found["both processes"] += server.both_attend()
            sender.send()
            sender.wait_for(chance.randrange(len(objects)))
            threading.Event().wait(chance.uniform(0, 0.01))
            status = server.kill()
        sender.join()
        aftermath(site, objects, sender.acknowledged, of=data_set)
        found["killed"] += status == -signal.SIGKILL
        found["amid"] += 0 < len(sender.acknowledged) < len(objects)
        found["acknowledged"] += len(sender.acknowledged)
        shutil.rmtree(site.folder)
    print(f"{cycles} cycles: {dict(found)}")
    assert found["killed"] == cycles
    assert found["acknowledged"] > 0
