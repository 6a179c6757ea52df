"""The power goes amid C-STORE over several associations, which two processes of one home attend to."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Sequence

import pytest
from fault_disk import Disk
from fault_home import Site, aftermath
from fault_trace import require_strace
from proof_power import laid_on, lose_power
from proof_server import Sender, data_set, serving

from leadglass.errors import LeadglassError

pytestmark = pytest.mark.slow

# Every fsync succeeds and none is done: a disk, or a server, that lies.
_CALLS = "fsync,fdatasync"
WITHOUT_SYNC = ("strace", "-f", "-o", os.devnull, "-e", f"trace={_CALLS}", "-e", f"inject={_CALLS}:retval=0")


def cut_amid_receiving(
    disk: Disk, known: Site, objects: dict[str, bytes], wanted: int, pause: float, under: Sequence[str] = ()
) -> tuple[Site, set[str]]:
    """The site as the disk has it after the power came back, and what had been acknowledged before.

    Power goes `pause` seconds after `wanted` objects are acknowledged. Both processes have associations.
    """
    site = laid_on(disk, known)
    with serving(site, under) as server:
        server.wait_for_both()
        sender = Sender(server.port, objects)
        sender.connect()
        assert server.both_attend()
        sender.send()
        sender.wait_for(wanted)
        threading.Event().wait(pause)
        said = lose_power(disk, site, lambda: set(sender.acknowledged), server.kill)
    sender.join()
    return site, said


def test_no_power_cut_loses_what_was_acknowledged(
    cycles: int, chance: random.Random, disk: Disk, known: Site, objects: dict[str, bytes]
) -> None:
    found: Counter[str] = Counter()
    for _ in range(cycles):
        wanted, pause = chance.randrange(len(objects)), chance.uniform(0, 0.01)
        site, said = cut_amid_receiving(disk, known, objects, wanted, pause)
        first = aftermath(site, objects, said, of=data_set)
        found["acknowledged"] += len(said)
        found["kept"] += first.objects
        found["orphans"] += first.orphans
        found["amid"] += 0 < len(said) < len(objects)
    print(f"{cycles} power cuts: {dict(found)}")
    assert found["acknowledged"] > 0
    if cycles >= 100:
        assert found["amid"] >= cycles // 5
        assert found["orphans"] > 0


def test_a_server_that_does_not_sync_is_found_out(disk: Disk, known: Site, objects: dict[str, bytes]) -> None:
    """Control: with every fsync left out, acknowledged objects are lost."""
    require_strace()
    site, said = cut_amid_receiving(disk, known, objects, len(objects), 0, WITHOUT_SYNC)
    assert len(said) == len(objects)
    with pytest.raises((AssertionError, LeadglassError)):
        aftermath(site, objects, said, of=data_set)
