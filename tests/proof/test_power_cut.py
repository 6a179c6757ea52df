"""The power goes amid an import: an ext4 that loses everything it was not told to make durable."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_disk import Disk, loop_disk
from fault_home import Site, aftermath
from fault_trace import Importer, acknowledged, acknowledgements, wait_for

from leadglass.errors import LeadglassError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with loop_disk(tmp_path_factory.mktemp("power"), mib=64) as made:
        yield made


def cut_amid_import(
    disk: Disk, importer: Importer, founded: Site, folder: Path, notes: Path, how: str, wanted: int
) -> tuple[Site, set[str]]:
    """The site as the disk has it after the power came back, and what had been acknowledged before.

    Power goes once `wanted` objects are acknowledged. Control of the cut itself: a file that was written and
    not synced is empty or gone afterwards.
    """
    shutil.rmtree(disk.folder / "site", ignore_errors=True)
    site = founded.copy_to(disk.folder / "site")
    os.sync()
    notes.mkdir()
    with importer.child(site, folder, how=how, notes=notes) as child:
        child.go()
        wait_for(notes, wanted)
        said = acknowledged(acknowledgements(notes))
        (site.folder / "unsynced").write_bytes(b"x")
        disk.cut()
        child.kill()
        child.wait()
    disk.unmount()
    disk.mount()
    unsynced = site.folder / "unsynced"
    assert not unsynced.exists() or unsynced.read_bytes() == b""
    return site, said


def test_no_power_cut_loses_what_was_acknowledged(
    cycles: int,
    chance: random.Random,
    disk: Disk,
    importer: Importer,
    founded: Site,
    objects: dict[str, bytes],
    folder: Path,
    tmp_path: Path,
) -> None:
    found: Counter[str] = Counter()
    for cycle in range(cycles):
        wanted = chance.randrange(len(objects) + 1)
        notes = tmp_path / str(cycle)
        site, said = cut_amid_import(disk, importer, founded, folder, notes, "", wanted)
        first = aftermath(site, objects, said)
        found["acknowledged"] += len(said)
        found["orphans"] += first.orphans
        found["amid"] += 0 < first.objects < len(objects)
    print(f"{cycles} power cuts: {dict(found)}")
    assert found["acknowledged"] > 0


def test_an_archive_that_does_not_sync_is_found_out(
    disk: Disk, importer: Importer, founded: Site, objects: dict[str, bytes], folder: Path, tmp_path: Path
) -> None:
    """Control: with the fsync of objects and directories left out, acknowledged ones are lost."""
    site, said = cut_amid_import(
        disk, importer, founded, folder, tmp_path / "notes", "unsynced", len(objects)
    )
    assert len(said) == len(objects)
    with pytest.raises((AssertionError, LeadglassError)):
        aftermath(site, objects, said)
