"""The disk of the back-ups, or of the home that comes out of them, is full or goes away."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from fault_disk import small_disk
from fault_home import OPERATOR, Site, clock, contents, context, files

from leadglass.archive.backup_check import verify
from leadglass.errors import StorageFailed, StorageFull
from leadglass.restoring import Hand, restore

OBJECTS = files(12, per_study=3, size=200_000)


def back_up(site: Site, folder: Path, **options: Any) -> Any:
    with site.open() as opened:
        return opened.services.backups.make(OPERATOR, context(), folder, clock, **options)


def is_whole(site: Site, folder: Path) -> bool:
    with site.open() as opened:
        return verify(opened.services.backups, OPERATOR, context(), folder, clock).ok


def test_a_full_disk_leaves_earlier_ones_whole_and_the_next_goes_on(site: Site, tmp_path: Path) -> None:
    some = dict(list(OBJECTS.items())[:3])
    site.store(some)
    with small_disk(tmp_path / "small", 5) as disk:
        folder = disk / "backups"
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(2 << 20))
        first = back_up(site, folder)
        site.store({uid: file for uid, file in OBJECTS.items() if uid not in some})
        with pytest.raises(StorageFull, match="disk"):
            back_up(site, folder)
        assert is_whole(site, folder)
        with site.open() as opened:
            kept = opened.services.backups.list(OPERATOR, context(), folder)
        assert [one.name for one in kept] == [first.generation]
        ballast.unlink()
        second = back_up(site, folder)
        assert second.end.objects == 12 and second.copied < 9
        assert is_whole(site, folder)


def test_no_room_for_the_database_alone(site: Site, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1) as disk:
        (disk / "ballast").write_bytes(bytes(900 << 10))
        (disk / "backups").mkdir()
        with pytest.raises(StorageFull, match="full"):
            back_up(site, disk / "backups")


def test_a_disk_that_goes_away_amid_it(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    back_up(site, folder)
    site.store(files(100, per_study=50, size=10_000))

    def pulled(done: int, _: int) -> None:
        if done == 5:
            shutil.rmtree(folder)

    with pytest.raises(StorageFailed, match="disk"):
        back_up(site, folder, progress=pulled)
    with site.open() as opened:
        line = opened.services.trail.page(OPERATOR, context(), action="system.backup", limit=1)[0]
        assert line.outcome == "failed"
        assert opened.services.upkeep.verify_record(OPERATOR, context()).ok


def test_a_home_that_does_not_fit(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The room is asked for beforehand; somebody else may take it meanwhile."""
    site.store(OBJECTS)
    folder = tmp_path / "backups"
    back_up(site, folder)
    paper = (site.folder / "recovery").read_text()
    with small_disk(tmp_path / "small", 2) as disk:
        blank = Site(disk)
        for sized in (True, False):
            with pytest.raises(StorageFull):
                restore(folder, blank.root, blank.environ, lambda: paper, Hand(OPERATOR, context, clock))
            assert list(disk.iterdir()) == []
            if sized:
                monkeypatch.setattr("leadglass.restoring._require_room", lambda *_: None)
    roomy = Site(tmp_path / "roomy")
    roomy.folder.mkdir()
    restore(folder, roomy.root, roomy.environ, lambda: paper, Hand(OPERATOR, context, clock))
    with roomy.open() as opened:
        assert contents(opened) == OBJECTS
