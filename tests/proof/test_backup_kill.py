"""Back-ups beside a server that takes objects in, the loss of the machine, restores: each killed with -9 somewhere."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from fault_home import Site, check, contents, recorded
from proof_backup import back_up, restoring
from proof_server import Sender, data_set, serving

from leadglass.errors import NotFound
from leadglass.home import read_home
from leadglass.store.vault import Vault

pytestmark = pytest.mark.slow

FEW, MANY = 2, 50  # losses: in CI, and at most of as many as are asked for


def test_nothing_is_missing_that_was_in_a_finished_back_up(
    cycles: int, chance: random.Random, known: Site, objects: dict[str, bytes], tmp_path: Path
) -> None:
    found: Counter[str] = Counter()
    rounds = FEW if cycles < 10 else min(cycles, MANY)
    for cycle in range(rounds):
        site, folder = known.copy_to(tmp_path / f"{cycle}"), tmp_path / f"{cycle}-backups"
        paper = (site.folder / "recovery").read_text()
        with serving(site) as server:
            sender = Sender(server.port, objects)
            sender.connect()
            sender.send()
            sender.wait_for(chance.randrange(len(objects) // 2))
            promised = set(sender.acknowledged)
            took = back_up(site, folder).seconds()
            first = finished(folder)
            sender.wait_for(chance.randrange(len(promised), len(objects)))
            before_second = set(sender.acknowledged)
            found["back-ups killed"] += back_up(site, folder).killed_after(chance.uniform(0, took))
            server.kill()
        sender.join()
        if finished(folder) != first:  # it was at its end already, or past it
            promised = before_second
        shutil.rmtree(site.folder)  # the machine is lost

        blank = Site(tmp_path / f"{cycle}-blank")
        blank.folder.mkdir()
        attempt = restoring(blank, folder, paper)
        found["restores killed"] += attempt.killed_after(chance.uniform(0, took))
        if is_home(blank):
            found["restores in time"] += 1
        else:
            restoring(blank, folder, paper).seconds()
        assert is_home(blank)
        found["promised"] += len(promised)
        found["restored"] += sound(blank, objects, promised)
        for used in (blank.folder, folder):
            shutil.rmtree(used)
    print(f"{rounds} losses: {dict(found)}")
    assert found["restored"] >= found["promised"]
    if rounds > FEW:
        assert found["back-ups killed"] >= rounds // 5
        assert found["restores killed"] >= rounds // 5


def sound(site: Site, objects: dict[str, bytes], promised: set[str]) -> int:
    """Everything that was promised is there, byte by byte and on the record; how many objects there are."""
    with site.open() as opened:
        held = {uid: data_set(file) for uid, file in contents(opened).items()}
        assert promised <= held.keys() <= recorded(opened)
        assert all(data_set(objects[uid]) == content for uid, content in held.items())
        report = check(opened)
        assert report.ok, report
        assert report.objects == len(held)
    return len(held)


def finished(folder: Path) -> list[str]:
    with Vault.open(folder) as vault:
        return vault.generations()[0]


def is_home(site: Site) -> bool:
    try:
        read_home(site.root)
    except NotFound:
        return False
    return True
