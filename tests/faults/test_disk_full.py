"""A disk that fills up: ingest stops first, viewing last, and both go on when there is room again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_disk import small_disk
from fault_home import WAIT, Site, aftermath, check, contents, context, files, reader, take_in

from leadglass.access.principal import Kind, Principal, Role
from leadglass.archive.queries import Level, Query
from leadglass.compose import Opened
from leadglass.errors import LeadglassError, RecordUnavailable, StorageFull

pytestmark = pytest.mark.slow

OBJECTS = files(40, per_study=10, size=400_000)
MIB = 14


@pytest.fixture
def site(founded: Site, tmp_path: Path) -> Iterator[Site]:
    with small_disk(tmp_path / "small", MIB) as disk:
        (disk / "ballast").write_bytes(bytes(3 << 20))
        yield founded.copy_to(disk / "site")


def free_some(site: Site) -> None:
    """What the operator does in the end."""
    (site.folder.parent / "ballast").unlink()


def import_until_full(opened: Opened) -> tuple[set[str], LeadglassError]:
    """Who was told that it is durable, and what the first one was told that was not."""
    stored: set[str] = set()
    for uid, file in OBJECTS.items():
        try:
            take_in(opened, file).result(WAIT)
        except LeadglassError as error:
            return stored, error
        stored.add(uid)
    raise AssertionError("the disk never filled up")


def fill(site: Site) -> Path:
    """Somebody else takes what room is left."""
    filler = site.folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return filler


def look(opened: Opened) -> int:
    """One recorded page of the study list; how many studies are on it."""
    return len(opened.services.search.studies(reader(), Query(Level.STUDY), context()).rows)


def look_until_refused(opened: Opened) -> int:
    """How many pages the reserve is good for."""
    shown = 0
    try:
        while look(opened):
            shown += 1
    except RecordUnavailable:
        return shown
    raise AssertionError("an empty page")


def test_ingest_stops_first_and_viewing_last(site: Site) -> None:
    with site.open() as opened:
        reserve = opened.services.db.reserve
        stored, error = import_until_full(opened)
        assert isinstance(error, StorageFull)
        assert 0 < len(stored) < len(OBJECTS)
        assert reserve.intact()  # ingest stopped before it touched what is kept for the record

        filler = fill(site)
        studies = look(opened)  # from the reserve
        assert studies > 0
        assert not reserve.intact()
        with pytest.raises(StorageFull):
            take_in(opened, next(iter(OBJECTS.values())))

        assert look_until_refused(opened) > 3
        with pytest.raises(RecordUnavailable):  # nothing is shown that is not on the record
            look(opened)

        filler.unlink()
        free_some(site)
        assert look(opened) == studies
        for uid in list(stored)[:2]:
            assert take_in(opened, OBJECTS[uid]).result(WAIT)
        assert reserve.intact()
        assert contents(opened).keys() == stored
    with site.open() as opened:
        report = check(opened)
        assert (report.ok, report.orphans) == (True, 0)


def test_a_full_disk_is_what_deleting_is_for(site: Site) -> None:
    """It uses the space that is kept back for the record, and makes room."""
    who = Principal(Kind.USER, 9, 9, "pacs", "pacs", Role.PACS_ADMINISTRATOR, frozenset({1}), "session:9")
    with site.open() as opened:
        stored, _ = import_until_full(opened)
        fill(site)
        deletion = opened.services.deletion
        plan = deletion.plan_of(who, "1.2.3.0", context())
        done = deletion.delete(who, plan, context(), reason="to make room")
        assert (done.instances, done.left) == (10, 0)
        assert take_in(opened, next(iter(OBJECTS.values()))).result(WAIT)
        assert opened.services.db.reserve.intact()
        assert len(contents(opened)) == len(stored) - 9
        assert check(opened).ok


def test_what_was_committed_survives_and_the_rest_fits_on_a_larger_disk(site: Site, tmp_path: Path) -> None:
    with site.open() as opened:
        stored, _ = import_until_full(opened)
    aftermath(site.copy_to(tmp_path / "larger"), OBJECTS, stored)


def test_a_home_opens_on_a_full_disk(site: Site) -> None:
    """The operator must be able to look, and to see why nothing comes in."""
    with site.open() as opened:
        stored, _ = import_until_full(opened)
    filler = fill(site)
    with site.open() as opened:
        assert contents(opened).keys() == stored
        with pytest.raises(StorageFull):
            take_in(opened, next(iter(OBJECTS.values())))
        filler.unlink()
        free_some(site)
        assert take_in(opened, OBJECTS[next(iter(stored))]).result(WAIT)
        assert opened.services.db.reserve.intact()


def test_without_room_for_the_reserve_no_home_is_made(tmp_path: Path) -> None:
    from leadglass.compose import found_home

    with small_disk(tmp_path / "small", 1) as disk:
        made = Site(disk)
        with pytest.raises(StorageFull):
            found_home(made.root, made.environ, context().now)
        assert list(disk.iterdir()) == []
