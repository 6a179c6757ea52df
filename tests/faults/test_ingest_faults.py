"""Each step of taking an object in fails once, before or after it was done; nothing acknowledged is lost.

The steps are those of a clean run: one that is added to ingest without a line here fails the first test.
"""

from __future__ import annotations

import errno
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from fault_home import WAIT, Site, aftermath, check, contents, context, files, made_up, reader, take_in
from fault_system import Fault, FaultySystem, break_database

from leadglass.archive.ingest import Kind
from leadglass.archive.queries import Level, Query
from leadglass.compose import Opened
from leadglass.errors import LeadglassError, StorageFailed, StorageFull, Unavailable
from leadglass.store.blobs import Blobs

EIO, ENOSPC = errno.EIO, errno.ENOSPC
NUMBERS = {"EIO": EIO, "ENOSPC": ENOSPC}

# What a failing step does to the others. One: this object is refused, the rest is taken in. None: the group
# is rolled back and each tried again by itself. Store: nobody knows what of the directories is durable, so no
# object is taken in until a restart. Database: nobody knows what is committed, so nothing is written at all.
ONE, NONE, STORE, DATABASE = "one", "none", "store", "database"

STEPS = {
    "mkdir directory": ONE,
    "open store": ONE,
    "fsync store": STORE,
    "close store": ONE,
    "open object": ONE,
    "write object": ONE,
    "posix_fadvise object": ONE,
    "fsync object": ONE,
    "close object": ONE,
    "BEGIN": ONE,
    "read": NONE,
    "insert patients": NONE,
    "insert studies": NONE,
    "insert study_words": NONE,
    "insert series": NONE,
    "insert study_modalities": NONE,
    "insert study_keys": NONE,
    "insert instances": NONE,
    "update studies": NONE,
    "update series": NONE,
    "open directory": NONE,
    "fsync directory": STORE,
    "close directory": NONE,
    "insert log_entries": NONE,
    "insert log_subjects": NONE,
    "update log_head": NONE,
    "update arrivals": NONE,
    "COMMIT": DATABASE,
    "sync log": DATABASE,
}
CASES = [
    pytest.param(step, number, persisted, id=f"{step}-{name}-{'done' if persisted else 'not done'}")
    for step, effect in STEPS.items()
    for name, number in NUMBERS.items()
    for persisted in (False, True)
    # For statements of a transaction that is rolled back the four come to the same: two of them are tried.
    if effect != NONE or persisted == (number == ENOSPC)
]

OBJECTS = files(4, per_study=2)
BEFORE = dict(list(OBJECTS.items())[:1])
GROUP = dict(list(OBJECTS.items())[1:])  # one joins the study that is there, two make one of their own


@contextmanager
def breakable(site: Site, fault: Fault) -> Iterator[Opened]:
    """The home with one object in it, whose next steps go through `fault`."""
    site.store(BEFORE)
    with site.open() as opened:
        opened.services.ingest.commits.blobs = Blobs(
            opened.home.objects, system=FaultySystem(opened.home.objects, fault)
        )
        break_database(opened, fault)
        yield opened


@contextmanager
def one_group(opened: Opened) -> Iterator[None]:
    """What is queued meanwhile is committed together: the writer is kept busy until the end."""
    begun, go = threading.Event(), threading.Event()

    def unit(_: Any) -> None:
        begun.set()
        assert go.wait(WAIT)

    busy = opened.services.db.write(unit)
    assert begun.wait(WAIT)
    try:
        yield
    finally:
        go.set()
    busy.exception(WAIT)


def send(opened: Opened, objects: dict[str, bytes]) -> dict[str, Future[Any] | LeadglassError]:
    """What each object's sender holds: a future, or the refusal."""
    answers: dict[str, Future[Any] | LeadglassError] = {}
    for uid, file in objects.items():
        try:
            answers[uid] = take_in(opened, file)
        except LeadglassError as error:
            answers[uid] = error
    return answers


def settle(answers: dict[str, Future[Any] | LeadglassError]) -> tuple[set[str], list[BaseException]]:
    """Who was told that it is durable, and what the others were told."""
    errors = {
        uid: answer if isinstance(answer, LeadglassError) else answer.exception(WAIT)
        for uid, answer in answers.items()
    }
    return {uid for uid, error in errors.items() if error is None}, [e for e in errors.values() if e]


def attempt(opened: Opened, fault: Fault) -> tuple[set[str], list[BaseException]]:
    """Send the group with the fault armed; BEGIN is a step of the first unit of a group, whatever that is."""
    fault.armed = True
    if fault.step == "BEGIN":
        return settle(send(opened, GROUP))
    with one_group(opened):
        answers = send(opened, GROUP)
    return settle(answers)


@pytest.fixture(autouse=True)
def _every_step_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small objects ask for writeback as well; a group is all that is queued, however slow the machine."""
    monkeypatch.setattr("leadglass.store.blobs.WRITEBACK", 1)
    monkeypatch.setattr("leadglass.db.writer.GROUP_SECONDS", WAIT)


def test_the_table_names_every_step_of_a_clean_run(fast_site: Site) -> None:
    fault = Fault("nothing fails", EIO, persisted=False)
    with breakable(fast_site, fault) as opened:
        acknowledged, errors = attempt(opened, fault)
    assert (acknowledged, errors) == (GROUP.keys(), [])
    assert set(fault.seen) | {"BEGIN"} == STEPS.keys()
    # The order that durability rests on: object, its directory, then the commit.
    order = [fault.seen.index(step) for step in ("fsync object", "fsync directory", "COMMIT")]
    assert order == sorted(order)


@pytest.mark.parametrize(("step", "number", "persisted"), CASES)
def test_a_failing_step_loses_nothing(step: str, number: int, persisted: bool, fast_site: Site) -> None:
    fault = Fault(step, number, persisted)
    with breakable(fast_site, fault) as opened:
        acknowledged, errors = attempt(opened, fault)
        assert fault.fired == 1
        assert all(isinstance(error, Unavailable) for error in errors)
        EFFECTS[_effect(step, number)](opened, fault, acknowledged, errors)
    aftermath(fast_site, OBJECTS, acknowledged | BEFORE.keys())


def _effect(step: str, number: int) -> str:
    """A commit that finds the disk full was rolled back, which is a known state: units are tried again."""
    return NONE if (step, number) == ("COMMIT", ENOSPC) else STEPS[step]


def _refused(error: BaseException, fault: Fault) -> bool:
    return isinstance(error, StorageFull if fault.number == ENOSPC else (StorageFailed, Unavailable))


def one_is_refused(opened: Opened, fault: Fault, acknowledged: set[str], errors: list[Any]) -> None:
    assert (len(acknowledged), len(errors)) == (len(GROUP) - 1, 1)
    assert _refused(errors[0], fault)
    again, _ = settle(send(opened, GROUP))
    assert again == GROUP.keys()


def none_is_refused(opened: Opened, fault: Fault, acknowledged: set[str], errors: list[Any]) -> None:
    assert (acknowledged, errors) == (GROUP.keys(), [])
    assert contents(opened).keys() == OBJECTS.keys()


def store_is_closed(opened: Opened, fault: Fault, acknowledged: set[str], errors: list[Any]) -> None:
    """A failed fsync of a directory is not tried again; what is here can still be seen."""
    assert (acknowledged, len(errors)) == (set(), len(GROUP))
    assert all(isinstance(error, StorageFailed) for error in errors)
    tried = fault.seen.count(fault.step)
    again, refusals = settle(send(opened, GROUP))
    assert (again, {type(error) for error in refusals}) == (set(), {StorageFailed})
    assert tried == fault.seen.count(fault.step) == 1
    assert contents(opened) == BEFORE


def database_is_closed(opened: Opened, fault: Fault, acknowledged: set[str], errors: list[Any]) -> None:
    """A failed COMMIT is not tried again, nor is any other; and so nothing is shown either."""
    assert (acknowledged, len(errors)) == (set(), len(GROUP))
    assert all(isinstance(error, StorageFailed) for error in errors)
    again, refusals = settle(send(opened, GROUP))
    assert (again, {type(error) for error in refusals}) == (set(), {StorageFailed})
    assert fault.seen.count("COMMIT") == 1
    with pytest.raises(Unavailable):
        opened.services.search.studies(reader(), Query(Level.STUDY), context())


EFFECTS = {ONE: one_is_refused, NONE: none_is_refused, STORE: store_is_closed, DATABASE: database_is_closed}


@pytest.mark.parametrize(("number", "error"), [(EIO, StorageFailed), (ENOSPC, StorageFull)], ids=NUMBERS)
@pytest.mark.parametrize("step", ["shutil.disk_usage", "fcntl.flock"])
def test_what_comes_before_an_object_fails_as_the_disk_and_not_as_the_file(
    step: str, number: int, error: type[Unavailable], fast_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare OSError would be taken for the file that is being imported."""

    def failing(*_: object) -> None:
        raise OSError(number, "injected")

    module = {"shutil.disk_usage": "leadglass.db.reserve", "fcntl.flock": "leadglass.archive.presence"}[step]
    with fast_site.open() as opened:
        with monkeypatch.context() as patch, pytest.raises(error):
            patch.setattr(f"{module}.{step}", failing)
            take_in(opened, next(iter(OBJECTS.values())))
        acknowledged, _ = settle(send(opened, OBJECTS))
        with opened.services.upkeep._check._presence.alone() as alone:
            assert not alone  # whoever checks sees that somebody is storing
    aftermath(fast_site, OBJECTS, acknowledged)


def test_a_reserve_that_cannot_be_let_go_does_not_stop_the_writer(
    fast_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault("COMMIT", ENOSPC, persisted=False)

    def failing(*_: object) -> None:
        raise OSError(EIO, "injected")

    with breakable(fast_site, fault) as opened:
        monkeypatch.setattr("os.truncate", failing)
        fault.armed = True
        with pytest.raises(Unavailable):
            opened.services.search.studies(reader(), Query(Level.STUDY), context())
        assert fault.fired == 1
        assert contents(opened) == BEFORE


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_a_duplicate_that_cannot_be_removed_is_an_orphan(
    number: int, persisted: bool, fast_site: Site
) -> None:
    """The unlink after the commit: the answer stands, the blob waits for `check`."""
    fault = Fault("unlink object", number, persisted)
    with breakable(fast_site, fault) as opened:
        fault.armed = True
        assert take_in(opened, next(iter(BEFORE.values()))).result(WAIT).kind is Kind.DUPLICATE
        assert fault.fired == 1
    first = aftermath(fast_site, BEFORE, set(BEFORE))
    assert first.orphans == (0 if persisted else 1)


@pytest.mark.parametrize("step", ["fsync object", "COMMIT"])
def test_what_is_kept_aside_survives_the_same_faults(step: str, fast_site: Site) -> None:
    """Other content under a known UID, its COMMIT done but reported as failed."""
    fault = Fault(step, ENOSPC, persisted=True)
    uid = next(iter(BEFORE))
    other = made_up(uid, study="1.2.3.0", PatientName="OTHER^NAME")
    with breakable(fast_site, fault) as opened:
        fault.armed = True
        _, errors = settle(send(opened, {uid: other}))
        assert (fault.fired, [type(error) for error in errors]) == (1, [StorageFull])
        again = take_in(opened, other).result(WAIT)
        assert (again.kind, again.clash) != (Kind.STORED, None)
        assert check(opened).ok
        assert contents(opened) == BEFORE
    with fast_site.open() as opened:
        report = check(opened)
        assert (report.ok, report.objects) == (True, 2)


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("step", ["write object", "fsync object", "insert kept_aside", "COMMIT"])
def test_what_cannot_be_read_is_kept_aside_or_refused(step: str, persisted: bool, fast_site: Site) -> None:
    """Half an object from a network door: whoever is told that it is kept aside finds it there."""
    fault = Fault(step, ENOSPC, persisted)
    half = next(iter(GROUP.values()))[:-1]
    with breakable(fast_site, fault) as opened:
        fault.armed = True
        with pytest.raises(StorageFull):
            take_in(opened, half, keep_unidentified=True).result(WAIT)
        assert fault.fired == 1
        assert take_in(opened, half, keep_unidentified=True).result(WAIT).kind is Kind.KEPT_ASIDE
        assert check(opened).ok
        assert contents(opened) == BEFORE
    with fast_site.open() as opened:
        report = check(opened, collect=True)
        assert (report.ok, report.objects) == (True, 2)


def recoded(file: bytes) -> bytes:
    """The same object with the padding of a file (PS3.10 7.2)."""
    return file + struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 64) + bytes(64)


# A step of meeting what is here in another encoding, and what its failure makes of the object that came.
MEETING = [
    pytest.param("open object", 2, Kind.KEPT_ASIDE, id="what is here cannot be opened"),
    pytest.param("pread object", 1, Kind.KEPT_ASIDE, id="nor be read"),
    pytest.param("open object", 3, Kind.KEPT_ASIDE, id="what came cannot be opened"),
    pytest.param("COMMIT", 1, None, id="finding out that they meet"),
    pytest.param("insert log_entries", 1, None, id="putting it on the record"),
    pytest.param("COMMIT", 2, None, id="deciding"),
]


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize(("step", "occurrence", "became"), MEETING)
def test_what_may_be_the_same_is_acknowledged_kept_aside_or_refused(
    step: str, occurrence: int, became: Kind | None, persisted: bool, fast_site: Site
) -> None:
    """Whatever fails while two objects are compared, what is here stays and what came is not lost in silence."""
    fault = Fault(step, ENOSPC, persisted, occurrence)
    again = recoded(next(iter(BEFORE.values())))
    with breakable(fast_site, fault) as opened:
        fault.armed = True
        answer = take_in(opened, again)
        error = answer.exception(WAIT)
        assert fault.fired == 1
        assert answer.result().kind is became if error is None else became is None
        assert isinstance(error, StorageFull | None)
        retried = take_in(opened, again).result(WAIT)
        assert (retried.kind, retried.recoded) == (became or Kind.DUPLICATE, became is None)
        assert contents(opened) == BEFORE
    with fast_site.open() as opened:
        report = check(opened, collect=True)
        assert (report.ok, report.objects) == (True, 1 if became is None else 2)
        assert contents(opened) == BEFORE
