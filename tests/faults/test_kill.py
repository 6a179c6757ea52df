"""kill -9 at every system call that makes something durable, and the disk failing there instead.

A child imports through the pipeline of `leadglass import` and says which objects are acknowledged. A clean
run under strace shows the calls; then each is made to be the child's last.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from fault_home import Site, aftermath, files
from fault_trace import Importer, Point, Run

pytestmark = pytest.mark.slow

OBJECTS = files(3, per_study=2)
LAST = 1 << 30

# What the calls of an import are made on, and how many of each kind are tried: the first one, the last one,
# and some between; all of them with LEADGLASS_PROOF. A call on anything else fails `test_the_table_names_every_call`.
KINDS = {
    "mkdir of the store": (r"mkdir home/objects/\w\w", LAST),
    "fsync of the store": (r"fsync home/objects", LAST),
    "fsync of an object": (r"fsync home/objects/\w\w/\w{32}", LAST),
    "fsync of a directory": (r"fsync home/objects/\w\w", LAST),
    "commit": (r"f(data)?sync home/db/index.db-wal", LAST),
    "write to the log": (r"pwrite64 home/db/index.db-wal", 10),
    "write to the database": (r"pwrite64 home/db/index.db", 5),
    "checkpoint": (r"(f(data)?sync|ftruncate) home/db/index.db", LAST),
    "end of the log": (r"(unlink home/db/index.db-(wal|shm)|f(data)?sync home/db)", LAST),
    "fsync of the record": (r"fsync home/record.*", 8),
    "mkdir, rename or unlink in the record": (r"(mkdir|rename|unlink) home/record.*", 8),
}

# The same calls answered with an error instead: what the sender of that object is told, and all later ones.
ERRORS = [
    ("fsync of an object", "EIO", "storage-failed"),
    ("fsync of an object", "ENOSPC", "storage-full"),
    ("fsync of the store", "EIO", "storage-failed"),
    ("fsync of a directory", "EIO", "storage-failed"),
    ("fsync of a directory", "ENOSPC", "storage-failed"),
    ("commit", "EIO", "storage-failed"),
    ("commit", "ENOSPC", "storage-failed"),  # after a failed fsync it does not matter why
    ("write to the log", "EIO", "storage-failed"),
    ("write to the log", "ENOSPC", "storage-full"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("objects")
    for uid, file in OBJECTS.items():
        (made / uid).write_bytes(file)
    return made


@pytest.fixture(scope="module")
def clean(
    child: Importer, founded: Site, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Point]:
    """Every call of an import that nothing happens to, in order."""
    run = child.run(founded.copy_to(tmp_path_factory.mktemp("clean") / "site"), folder)
    assert (run.status, run.acknowledged, run.injected) == (0, OBJECTS.keys(), 0)
    return run.points()


def of_kind(points: list[Point], kind: str) -> list[Point]:
    pattern, most = KINDS[kind]
    most = LAST if os.environ.get("LEADGLASS_PROOF") else most
    found = [point for point in points if re.fullmatch(pattern, f"{point.call} {point.path}")]
    if len(found) <= most:
        return found
    return [found[at * (len(found) - 1) // (most - 1)] for at in range(most)]


def test_the_table_names_every_call(clean: list[Point]) -> None:
    for point in clean:
        kinds = [
            kind
            for kind, (pattern, _) in KINDS.items()
            if re.fullmatch(pattern, f"{point.call} {point.path}")
        ]
        assert len(kinds) == 1, point
    assert all(of_kind(clean, kind) for kind in KINDS)
    assert len(of_kind(clean, "commit")) > len(OBJECTS)  # at least one each, and the log's own header


@pytest.mark.parametrize("kind", KINDS)
def test_kill_9_at_every_one(
    kind: str, child: Importer, clean: list[Point], founded: Site, folder: Path, memory: Path
) -> None:
    for number, point in enumerate(of_kind(clean, kind)):
        site = founded.copy_to(memory / str(number))
        run = child.run(site, folder, point=point)
        assert run.killed, f"{point}: the import ended with {run.status}"
        aftermath(site, OBJECTS, run.acknowledged)


def test_the_kills_come_before_during_and_after_the_acknowledgements(
    child: Importer, clean: list[Point], founded: Site, folder: Path, memory: Path
) -> None:
    """Control: were every kill before the first acknowledgement, the tests above would show nothing."""
    seen = set()
    for number, point in enumerate(of_kind(clean, "commit")):
        seen.add(len(child.run(founded.copy_to(memory / str(number)), folder, point=point).acknowledged))
    assert seen == set(range(len(OBJECTS) + 1))


def test_an_acknowledgement_before_the_commit_is_found_out(
    child: Importer, clean: list[Point], founded: Site, folder: Path, memory: Path
) -> None:
    """Control: what all of the above would say of an archive that answers too early."""
    point = of_kind(clean, "fsync of a directory")[0]
    site = founded.copy_to(memory / "site")
    run = child.run(site, folder, point=point, how="eager")
    assert (run.killed, len(run.acknowledged)) == (True, 1)
    with pytest.raises(AssertionError):
        aftermath(site, OBJECTS, run.acknowledged)


@pytest.mark.parametrize(("kind", "error", "told"), ERRORS)
def test_a_failing_disk_is_refused_and_nothing_is_lost(
    kind: str,
    error: str,
    told: str,
    child: Importer,
    clean: list[Point],
    founded: Site,
    folder: Path,
    memory: Path,
) -> None:
    points = of_kind(clean, kind)
    during = [point for point in points if point.number > len(points) // 4][:2]
    for number, point in enumerate(during or points):
        site = founded.copy_to(memory / str(number))
        run = child.run(site, folder, point=point, what=f"error={error}")
        assert (run.injected, run.status) == (1, 1), point
        assert_told(run, told)
        aftermath(site, OBJECTS, run.acknowledged)


def assert_told(run: Run, told: str) -> None:
    """Those before it were acknowledged; whoever was refused heard the reason, and nobody after them."""
    refused = [said for said in run.said.values() if said not in {"stored", "duplicate"}]
    assert set(refused) <= {told}
    assert len(run.acknowledged) < len(OBJECTS)
