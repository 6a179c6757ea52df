"""A table of manipulations, each found, and the first bad entry named where it can be."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.note import Signer
from leadglass.record import schema
from leadglass.record.checkpoint import Checkpoint, sign_checkpoint
from leadglass.record.entry import commitment_of, encode_body
from leadglass.record.log import expire
from leadglass.record.merkle import Frontier, leaf_hash
from leadglass.record.published import Publisher
from leadglass.record.verify import verify

from .conftest import NOW, Records, Shelf

SIZE, PUBLISHED = 600, 560  # tiles 0 and 1 full, 2 partial; forty entries not published yet
ORIGIN = "leadglass.test/record"


Manipulation = Callable[[Records], Any]


def sql(statements: str) -> Manipulation:
    return lambda records: [records.sql(statement) for statement in statements.split("; ")]


def entry(change: str) -> Manipulation:
    return sql(f"UPDATE log_entries SET {change} WHERE seq = 77")


def head(change: str) -> Manipulation:
    return sql(f"UPDATE log_head SET {change}")


def subject(change: str) -> Manipulation:
    return sql(f"{change} WHERE seq = 77 AND kind = 'patient'")


def published(name: str, change: Callable[[bytes], bytes]) -> Manipulation:
    def do(records: Records) -> None:
        path = records.published / name
        path.write_bytes(change(path.read_bytes()))

    return do


def flip(name: str, at: int) -> Manipulation:
    return published(name, lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def cut(name: str) -> Manipulation:
    return published(name, lambda data: data[:-1])


def add(name: str, count: int) -> Manipulation:
    return published(name, lambda data: data + b"x" * count)


def remove(name: str) -> Manipulation:
    return lambda records: (records.published / name).unlink()


def rewrite_entry(records: Records, seq: int = 300) -> None:
    """Body, salt, commitment and index rows all changed to fit each other: what an insider would do."""
    entry = records.entry(seq, patients=("P-OTHER",))
    body, salt = encode_body(seq, NOW, entry), bytes(16)
    records.sql(
        "UPDATE log_entries SET body = :body, salt = :salt, commitment = :commitment WHERE seq = :seq",
        body=body, salt=salt, commitment=commitment_of(salt, body), seq=seq,
    )  # fmt: skip
    records.sql("DELETE FROM log_subjects WHERE seq = :seq", seq=seq)
    for kind, value in entry.subjects():
        records.sql("INSERT INTO log_subjects VALUES (:seq, :kind, :value)", seq=seq, kind=kind, value=value)


def rewrite_tree(records: Records, signer: Signer | None = None) -> None:
    """The same, and the tree computed anew over it; without our key its signature cannot be."""
    rewrite_entry(records)
    with records.read() as connection:
        found = connection.exec_driver_sql("SELECT commitment FROM log_entries ORDER BY seq").fetchall()
    frontier = Frontier().extend(leaf_hash(row[0]) for row in found)
    root = frontier.root()
    records.sql("UPDATE log_head SET frontier = :f, root = :r", f=frontier.encode(), r=root)
    if signer:
        signed = sign_checkpoint(Checkpoint(ORIGIN, SIZE, root), signer)
        records.sql("UPDATE log_head SET checkpoint = :signed", signed=signed)


def swap(records: Records) -> None:
    for table in ("log_entries", "log_subjects"):
        records.sql(f"UPDATE {table} SET seq = -1 WHERE seq = 10")
        records.sql(f"UPDATE {table} SET seq = 10 WHERE seq = 20")
        records.sql(f"UPDATE {table} SET seq = 20 WHERE seq = -1")


def close_the_gap(records: Records) -> None:
    """Delete an entry and number all later ones down, so that nothing is missing."""
    for table in ("log_entries", "log_subjects"):
        records.sql(f"DELETE FROM {table} WHERE seq = 100")
        for offset in (-100_000, 99_999):
            records.sql(f"UPDATE {table} SET seq = seq + {offset} WHERE seq > 100 OR seq < 0")


def older_head(records: Records) -> None:
    with records.read() as connection:
        head = connection.exec_driver_sql("SELECT size, frontier, root, checkpoint FROM log_head").one()
    records.fill(5)
    records.sql(
        "UPDATE log_head SET size = :size, frontier = :frontier, root = :root, checkpoint = :checkpoint",
        **head._asdict(),
    )


def published_by_another_key(records: Records) -> None:
    stranger = Signer.from_seed(ORIGIN, bytes(32))
    (records.published / "checkpoint").write_text(
        sign_checkpoint(Checkpoint(ORIGIN, 560, bytes(32)), stranger)
    )


def another_history(records: Records) -> None:
    """Somebody with our key published a different record, complete in itself."""
    shutil.rmtree(records.published)
    other = records.beside()
    other.fill(570)
    other.publish()


def wipe(records: Records) -> None:
    for table in ("log_entries", "log_subjects", "log_head"):
        records.sql(f"DELETE FROM {table}")


def roll_back(records: Records) -> None:
    """An old database beside what was published later: consistent in itself, properly signed."""
    older = records.beside()
    with records.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM log_entries WHERE seq < 300 ORDER BY seq").all()
        subjects = connection.exec_driver_sql("SELECT * FROM log_subjects WHERE seq < 300").all()
    frontier = Frontier().extend(leaf_hash(row[5]) for row in rows)
    signed = sign_checkpoint(Checkpoint(ORIGIN, 300, frontier.root()), records.signer)
    head = {
        "id": 1,
        "size": 300,
        "frontier": frontier.encode(),
        "root": frontier.root(),
        "checkpoint": signed,
    }
    with older.engine.begin() as connection:
        connection.execute(sa.insert(schema.log_entries), [row._asdict() for row in rows])
        connection.execute(sa.insert(schema.log_subjects), [row._asdict() for row in subjects])
        connection.execute(sa.insert(schema.log_head), head)
    records.engine = older.engine


DELETE = "DELETE FROM log_entries WHERE seq = {0}; DELETE FROM log_subjects WHERE seq = {0}"
COPY = "INSERT INTO log_entries SELECT {0}, time, NULL, salt, body, commitment FROM log_entries WHERE seq = 5"
STRAY = "INSERT INTO log_subjects VALUES ({0}, 'patient', 'P1')"
PEAK = "frontier = CAST(substr(frontier, 1, 8) || zeroblob(32) || substr(frontier, 41) AS BLOB)"
ROTH = "body = CAST(replace(body, 'Roth', 'Ruth') AS BLOB)"
EMPTY = (
    "UPDATE log_entries SET body = NULL, salt = NULL WHERE seq = 77; DELETE FROM log_subjects WHERE seq = 77"
)
THIEF = Signer.from_seed(ORIGIN, bytes(32))

# What was done; the first entry that must be named; words of the sentence that must be said.
MANIPULATIONS: dict[str, tuple[Callable[[Records], Any], int | None, str]] = {
    "byte of a body": (entry(ROTH), 77, "Entry 77 of the access record was altered"),
    "body of another type": (entry("body = 'text'"), 77, "does not match its commitment"),
    "body removed": (sql(EMPTY), 77, "not by retention"),
    "byte of a salt": (entry("salt = zeroblob(16)"), 77, "does not match its commitment"),
    "salt alone removed": (entry("salt = NULL"), 77, "does not match its commitment"),
    "commitment": (entry("commitment = zeroblob(32)"), 77, "does not match its commitment"),
    "commitment cut short": (entry("commitment = zeroblob(31)"), 77, "wrong length"),
    "commitment of another type": (entry("commitment = 'text'"), 77, "wrong length"),
    "time": (entry("time = time + 1"), 77, "disagree on number, time"),
    "time of another type": (entry("time = 'noon'"), 77, "disagree on number, time"),
    "entry it closes": (entry("opens = 3"), 77, "disagree on number, time"),
    "subject altered": (subject("UPDATE log_subjects SET value = 'P1'"), 77, "Entry 77 is not found"),
    "subject removed": (subject("DELETE FROM log_subjects"), 77, "Entry 77 is not found"),
    "its subjects removed": (sql("DELETE FROM log_subjects WHERE seq = 77"), 77, "Entry 77 is not found"),
    "subject added": (sql(STRAY.format(77)), 77, "Entry 77 is not found"),
    "subject of an entry to come": (sql(STRAY.format(600)), 600, "entry 600, which does not exist"),
    "subject of a negative entry": (sql(STRAY.format(-5)), 0, "entry -5, which does not exist"),
    "entry rewritten to fit": (rewrite_entry, 300, "Entry 300 is not the one that was published"),
    "unpublished entry rewritten to fit": (lambda r: rewrite_entry(r, 590), None, "among entries 576 to 591"),
    "entry and tree rewritten": (rewrite_tree, 300, "signed for"),
    "… and signed by another": (lambda r: rewrite_tree(r, THIEF), 300, "not genuine"),
    "… and signed with the stolen key": (
        lambda r: rewrite_tree(r, r.signer),
        300,
        "Entry 300 is not the one",
    ),
    "root of the head": (head("root = zeroblob(32)"), None, "not those of the head"),
    "frontier of the head": (head(PEAK), None, "among entries 0 to 511"),
    "frontier cut short": (head("frontier = substr(frontier, 1, 20)"), None, "frontier was altered"),
    "frontier of another size": (head("frontier = zeroblob(8)"), None, "another size"),
    "frontier of another type": (head("frontier = 3.5"), None, "frontier was altered"),
    "size of the head raised": (head("size = 601"), 600, "Entries 600 to 600 of the head are missing"),
    "size of the head lowered": (head("size = 599"), 599, "Entries from 599 on are not covered"),
    "size of another type": (head("size = 'many'"), 0, "not covered"),
    "checkpoint": (head("checkpoint = replace(checkpoint, '600', '601')"), None, "signature is wrong"),
    "checkpoint removed": (head("checkpoint = ''"), None, "no signatures"),
    "checkpoint of another type": (head("checkpoint = zeroblob(9)"), None, "no signatures"),
    "head removed": (sql("DELETE FROM log_head"), 0, "not covered by the head"),
    "older head replayed": (older_head, 600, "Entries from 600 on are not covered"),
    "last entry deleted": (sql(DELETE.format(599)), 599, "Entries 599 to 599 of the head are missing"),
    "middle entry deleted": (sql(DELETE.format(100)), 100, "Entries 100 to 100 are missing"),
    "middle entry without its subjects": (
        sql(DELETE.split(";", maxsplit=1)[0].format(100)),
        100,
        "entry 100, which does",
    ),
    "middle entry deleted, later ones renumbered": (close_the_gap, 100, "Entry 100"),
    "first entry deleted": (sql(DELETE.format(0)), 0, "Entries 0 to 0 are missing"),
    "entry before the first": (sql(COPY.format(-1)), 0, "Entry -1 is out of order"),
    "entry added at the end": (sql(COPY.format(600)), 600, "not covered by the head"),
    "two entries swapped": (swap, 10, "Entry 10"),
    "everything deleted": (wipe, 0, "of the published checkpoint are missing"),
    "old database beside newer files": (roll_back, 300, "Entries 300 to 559 of the published checkpoint are"),
    "published leaf": (flip("tile/0/001", 45 * 32), 301, "Entry 301 is not the one that was published"),
    "published entry": (flip("tile/entries/000", 9 * 34 + 2), 9, "published in tile/entries/000"),
    "published partial tile": (flip("tile/0/002.p/48", 47 * 32), 559, "Entry 559 is not the one"),
    "published upper tile": (flip("tile/1/000.p/2", 3), None, "tile/1/000.p/2 is not that of the entries"),
    "tile truncated": (cut("tile/0/000"), None, "tile/0/000 is missing or of a wrong length"),
    "tile with more in it": (
        add("tile/entries/002.p/48", 1),
        None,
        "002.p/48 is missing or of a wrong length",
    ),
    "tile removed": (remove("tile/0/002.p/48"), None, "tile/0/002.p/48 is missing or of a wrong length"),
    "published checkpoint removed": (remove("checkpoint"), None, "missing beside its tiles"),
    "published checkpoint endless": (add("checkpoint", 200_000), None, "longer than one can be"),
    "published checkpoint": (flip("checkpoint", len(ORIGIN) + 1), None, "signature is wrong"),
    "published checkpoint by another key": (published_by_another_key, None, "not signed by the expected key"),
    "another history published": (another_history, 0, "Entry 0 is not the one that was published"),
}


# PostgreSQL does not let anybody do this.
UNTYPED = {f"{what} of another type" for what in ("time", "frontier", "size", "checkpoint")}


@pytest.fixture(scope="module")
def originals() -> Iterator[dict[str, Records]]:
    made: dict[str, Records] = {}
    yield made
    for records in made.values():
        records.engine.dispose()


@pytest.fixture
def original(
    originals: dict[str, Records],
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Records:
    if kind not in originals:
        folder = tmp_path_factory.mktemp("original")
        originals[kind] = records = Shelf(kind, request, folder).record(again=7)
        records.fill(PUBLISHED)
        records.publish()
        records.fill(SIZE - PUBLISHED)
    return originals[kind]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.sqlcipher] * (name in UNTYPED)) for name in MANIPULATIONS],
)
def test_every_manipulation_is_found(original: Records, records: Records, name: str) -> None:
    do, first_bad, says = MANIPULATIONS[name]
    original.copy_to(records)
    do(records)
    verdict = records.verify()
    assert not verdict.ok
    assert any(says in problem for problem in verdict.problems), verdict.problems
    assert verdict.first_bad == first_bad


def test_a_sound_record(original: Records, records: Records) -> None:
    original.copy_to(records)
    seen: list[tuple[int, int]] = []
    verdict = records.verify(progress=lambda done, total: seen.append((done, total)))
    assert (verdict.ok, verdict.problems, verdict.first_bad) == (True, (), None)
    assert (verdict.size, verdict.published, verdict.expired) == (SIZE, PUBLISHED, 0)
    with records.read() as connection:
        assert verdict.root == connection.exec_driver_sql("SELECT root FROM log_head").scalar_one()
    assert seen == [(512, SIZE), (SIZE, SIZE)]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512])
def test_sizes_around_a_tile(records: Records, size: int) -> None:
    records.fill(size)
    assert records.publish() == size
    verdict = records.verify()
    assert verdict.ok, verdict.problems
    assert (verdict.size, verdict.published) == (size, size or None)


def test_nothing_need_be_published(records: Records) -> None:
    records.fill(3)
    assert records.verify(published=None).ok
    assert records.verify().ok


def test_what_a_rollback_leaves_is_not_found_without_what_was_published(records: Records) -> None:
    """The limit of verifying alone, said in docs/design/record.md: a witness is what takes it away."""
    records.fill(PUBLISHED)
    records.publish()
    roll_back(records)
    assert records.verify(published=None).ok
    assert not records.verify().ok


def test_expired_entries_are_checked_by_their_place(records: Records) -> None:
    records.fill(40)
    records.publish()
    records.write(lambda tx: expire(tx, 30))
    verdict = records.verify()
    assert verdict.ok, verdict.problems
    assert verdict.expired == 30
    records.sql("UPDATE log_entries SET commitment = zeroblob(32) WHERE seq = 7")
    verdict = records.verify()
    assert verdict.first_bad == 7


def test_subjects_of_an_expired_entry_are_found(records: Records) -> None:
    records.fill(3)
    records.write(lambda tx: expire(tx, 2))
    records.sql("INSERT INTO log_subjects VALUES (1, 'patient', 'P1')")
    assert records.verify().first_bad == 1


def test_more_than_enough_problems_are_counted(records: Records) -> None:
    records.fill(100)
    records.sql("UPDATE log_entries SET salt = zeroblob(16)")
    verdict = records.verify()
    assert (len(verdict.problems), verdict.more_problems, verdict.first_bad) == (20, 80, 0)


def test_the_key_is_the_callers(records: Records) -> None:
    records.fill(3)
    stranger = Signer.from_seed(ORIGIN, bytes(32))
    verdict = verify(records.read, stranger.key)
    assert not verdict.ok
    assert "not signed by the expected key" in verdict.problems[0]


def test_published_under_our_name_elsewhere(records: Records) -> None:
    """The origin is part of what is signed: a checkpoint of one record cannot stand in for another's."""
    records.fill(3)
    Publisher(records.published, records.signer.key).publish(records.read)
    verdict = records.verify(origin="leadglass.test/other")
    assert sum("another record" in problem for problem in verdict.problems) == 2
