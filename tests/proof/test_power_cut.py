"""The power goes amid an import: an ext4 that loses everything it was not told to make durable."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from fault_disk import Disk
from fault_home import Site, aftermath
from fault_trace import Importer, acknowledged, acknowledgements, wait_for
from proof_power import laid_on, lose_power

from leadglass.errors import LeadglassError

pytestmark = pytest.mark.slow


def cut_amid_import(
    disk: Disk, importer: Importer, founded: Site, folder: Path, notes: Path, how: str, wanted: int
) -> tuple[Site, set[str]]:
    """The site as the disk has it after the power came back, and what had been acknowledged before.

    Power goes once `wanted` objects are acknowledged.
    """
    site = laid_on(disk, founded)
    notes.mkdir()
    with importer.child(site, folder, how=how, notes=notes) as child:
        child.go()
        wait_for(notes, wanted)

        def kill() -> None:
            child.kill()
            child.wait()

        said = lose_power(disk, site, lambda: acknowledged(acknowledgements(notes)), kill)
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
