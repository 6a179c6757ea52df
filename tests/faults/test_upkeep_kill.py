"""kill -9 at the system calls of a deletion and of a repair: it happened or it did not, and nothing else is touched.

As for imports: a clean run under strace shows the calls, then each is made to be the child's last.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_home import OPERATOR, Site, check, contents, context, files
from fault_trace import Importer, chosen

from leadglass.compose import Opened
from leadglass.store import shreds

pytestmark = pytest.mark.slow

OBJECTS = files(4, per_study=2)
STUDY, OTHER = "1.2.3.0", "1.2.3.1"
KINDS = {  # how many of each are tried; all of them with LEADGLASS_PROOF
    r"f(data)?sync home/db/index.db-wal": 2,
    r"pwrite64 home/db/index.db-wal": 2,
    r"pwrite64 home/db/index.db": 1,
    r"(fsync|ftruncate) home/db/index.db(-wal)?": 2,
    r"unlink home/objects/.*": 2,
    r"fsync home/objects/\w\w": 1,
}


@pytest.fixture(scope="module")
def filled(founded: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = founded.copy_to(tmp_path_factory.mktemp("filled") / "site")
    site.store(OBJECTS)
    return site


@pytest.fixture(scope="module")
def broken(filled: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One object is missing, one altered, one count wrong, and there is an orphan."""
    site = filled.copy_to(tmp_path_factory.mktemp("broken") / "site")
    with site.open() as opened:
        names = [blobs_of(opened, study)[0] for study in (STUDY, OTHER)]
        paths = [opened.home.objects / name[:2] / name for name in names]
        paths[0].unlink()
        paths[1].write_bytes(paths[1].read_bytes()[:-1])
        (paths[1].parent / (paths[1].parent.name + "0" * 30)).write_bytes(b"left")
        sql = "UPDATE studies SET instance_count = 9 WHERE study_instance_uid = '1.2.3.0'"
        opened.services.db.write(lambda tx: tx.connection.exec_driver_sql(sql)).result(30)
    return site


def blobs_of(opened: Opened, study: str) -> list[str]:
    sql = (
        "SELECT blob FROM instances JOIN series ON series_id = series.id "
        f"JOIN studies ON series.study_id = studies.id WHERE study_instance_uid = '{study}' ORDER BY instances.id"
    )
    with opened.services.db.read() as connection:
        return [row[0] for row in connection.exec_driver_sql(sql)]


def assert_deleted_or_not(site: Site, names: set[str]) -> bool:
    """Whether the deletion happened."""
    with site.open() as opened:
        held = contents(opened)
        with opened.services.db.read() as connection:
            listed = {one.blob for one in shreds.page(connection)}
            keys = connection.exec_driver_sql("SELECT count(*) FROM study_keys").scalar_one()
        entries = opened.services.trail.page(OPERATOR, context(), action="study.delete")
        happened = bool(listed)
        assert listed == (names if happened else set())
        assert (keys, len(entries)) == ((1, 1) if happened else (2, 0))
        kept = {uid: file for uid, file in OBJECTS.items() if not (happened and uid.startswith(STUDY + "."))}
        assert held == kept
        report = check(opened, collect=True)
        assert (report.ok, report.objects) == (True, len(kept))
    with site.open() as opened:
        last = check(opened)
        assert (last.ok, last.orphans, contents(opened)) == (True, 0, kept)
    return happened


def test_a_deletion_happens_or_does_not(child: Importer, filled: Site, memory: Path) -> None:
    with filled.copy_to(memory / "names").open() as opened:
        names = set(blobs_of(opened, STUDY))
    clean = filled.copy_to(memory / "clean")
    run = child.run(clean, Path(STUDY), how="delete")
    assert (run.status, run.said) == (0, {STUDY: "deleted"})
    assert assert_deleted_or_not(clean, names)
    seen = set()
    for number, point in enumerate(chosen(run.points(), KINDS)):
        site = filled.copy_to(memory / str(number))
        killed = child.run(site, Path(STUDY), how="delete", point=point)
        assert killed.killed, point
        happened = assert_deleted_or_not(site, names)
        assert happened or not killed.said, point
        seen.add(happened)
    assert seen == {True, False}  # control: some kills come before the commit, some after


def test_a_repair_that_is_killed_is_completed_by_the_next(
    child: Importer, broken: Site, memory: Path
) -> None:
    clean = broken.copy_to(memory / "clean")
    run = child.run(clean, Path("all"), how="repair")
    assert (run.status, run.said) == (0, {"repair": "done"})
    for number, point in enumerate(chosen(run.points(), KINDS)):
        site = broken.copy_to(memory / str(number))
        assert child.run(site, Path("all"), how="repair", point=point).killed, point
        with site.open() as opened:
            report = check(opened, repair=True)
            assert report.record is not None
            assert report.record.ok
            assert (report.lost, report.missing, report.altered) == (2, [], [])
        with site.open() as opened:
            last = check(opened)
            assert (last.lost, last.orphans, last.wrong_counts, last.unrecorded) == (2, 0, [], [])
            assert len(contents(opened)) == 2
            lost = opened.services.trail.page(OPERATOR, context(), action="object.lost")
            assert len(lost) == 2
