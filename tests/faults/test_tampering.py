"""Stored bytes altered behind our back: found when read, and nothing altered is ever delivered."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from fault_home import OPERATOR, Site, check, contents, context, files, made_up, reader

from leadglass.compose import Opened
from leadglass.errors import LeadglassError, Tampered
from leadglass.index.schema import instances
from leadglass.store.schema import study_keys
from leadglass.store.sealed import SEGMENT

SMALL = made_up("1.2.3.9.1.0", study="1.2.3.9", size=100)
LARGE = made_up("1.2.3.8.1.0", study="1.2.3.8", size=2 * SEGMENT + 5000)
OBJECTS = files(4, per_study=2) | {"1.2.3.9.1.0": SMALL, "1.2.3.8.1.0": LARGE}


@pytest.fixture(scope="module")
def filled(founded: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = founded.copy_to(tmp_path_factory.mktemp("tampering") / "site")
    site.store(OBJECTS)
    return site


@pytest.fixture
def site(filled: Site, tmp_path: Path) -> Site:
    return filled.copy_to(tmp_path / "site")


def blob_of(opened: Opened, uid: str) -> Path:
    with opened.services.db.read() as connection:
        query = sa.select(instances.c.blob).where(instances.c.sop_instance_uid == uid)
        name: str = connection.execute(query).scalar_one()
    return opened.home.objects / name[:2] / name


def flip(path: Path, offset: int, bit: int) -> None:
    """Twice is never."""
    with path.open("r+b") as file:
        file.seek(offset)
        octet = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([octet ^ (1 << bit)]))


def deliver(opened: Opened, study: str) -> tuple[dict[str, bytes], LeadglassError | None]:
    """What of one study reached its reader, and what ended it."""
    got: dict[str, bytes] = {}
    try:
        for item in opened.services.retrieve.objects(reader(), context(), study_uid=study):
            got[item.row.sop_instance_uid] = b""
            for chunk in item.chunks:
                got[item.row.sop_instance_uid] += chunk
    except LeadglassError as error:
        return got, error
    return got, None


def assert_found(opened: Opened, uid: str, what: str = "") -> None:
    """The object's reader is told, and has received nothing but its true beginning; so does the check."""
    got, error = deliver(opened, uid.rsplit(".", 2)[0])
    assert isinstance(error, Tampered), what
    assert OBJECTS[uid].startswith(got.get(uid, b"")), what
    assert all(OBJECTS[other] == content for other, content in got.items() if other != uid), what


# --- objects


def test_a_flipped_bit_in_any_byte_of_an_object_is_found(site: Site) -> None:
    with site.open() as opened:
        path = blob_of(opened, "1.2.3.9.1.0")
        chance = random.Random(1)
        for offset in range(path.stat().st_size):
            bit = chance.randrange(8)
            flip(path, offset, bit)
            assert_found(opened, "1.2.3.9.1.0", f"bit {bit} of byte {offset}")
            flip(path, offset, bit)
        assert contents(opened) == OBJECTS  # and back as it was


def test_a_flipped_bit_in_any_segment_is_found(site: Site) -> None:
    """What comes before the altered segment may have been delivered: it was authenticated."""
    with site.open() as opened:
        path = blob_of(opened, "1.2.3.8.1.0")
        size, chance = path.stat().st_size, random.Random(2)
        edges = {at + near for at in range(0, size, SEGMENT) for near in (-17, -16, -1, 0, 1)}
        offsets = {at for at in edges if 0 <= at < size} | {size - 1, *chance.sample(range(size), 40)}
        for offset in sorted(offsets):
            bit = chance.randrange(8)
            flip(path, offset, bit)
            assert_found(opened, "1.2.3.8.1.0", f"bit {bit} of byte {offset}")
            flip(path, offset, bit)
        assert contents(opened) == OBJECTS


def test_the_check_names_every_altered_object(site: Site) -> None:
    with site.open() as opened:
        paths = {uid: blob_of(opened, uid) for uid in OBJECTS}
        assert check(opened).ok
        for path in paths.values():
            flip(path, path.stat().st_size // 2, 3)
        report = check(opened)
        assert (report.ok, sorted(report.altered)) == (False, sorted(path.name for path in paths.values()))
        shallow = opened.services.upkeep.check(OPERATOR, context())
        assert shallow.objects == len(OBJECTS)


def swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def cut_to(size: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, size if size >= 0 else path.stat().st_size + size)


def _lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


ALTERATIONS: dict[str, Callable[[Path], object]] = {
    "empty": cut_to(0),
    "header only": cut_to(40),
    "cut at a segment": cut_to(SEGMENT),
    "cut at two segments": cut_to(2 * SEGMENT),
    "a byte short": cut_to(-1),
    "a byte long": _lengthen,
    "missing": Path.unlink,
    "a link to itself": _link,
    "a fifo": _fifo,
}


@pytest.mark.parametrize("how", ALTERATIONS)
def test_an_object_that_is_no_longer_whole_is_found(how: str, site: Site) -> None:
    with site.open() as opened:
        path = blob_of(opened, "1.2.3.8.1.0")
        ALTERATIONS[how](path)
        assert_found(opened, "1.2.3.8.1.0")
        report = check(opened)
        assert [*report.missing, *report.altered] == [path.name]
        if how == "missing":
            assert report.missing


@pytest.mark.parametrize("other", ["1.2.3.0.1.1", "1.2.3.1.1.2"], ids=["of its study", "of another study"])
def test_two_objects_that_changed_places_are_found(other: str, site: Site) -> None:
    one = "1.2.3.0.1.0"
    with site.open() as opened:
        swap(blob_of(opened, one), blob_of(opened, other))
        for uid in (one, other):
            got, error = deliver(opened, uid.rsplit(".", 2)[0])
            assert isinstance(error, Tampered)
            assert not any(got.values())
        assert len(check(opened).altered) == 2


# --- rows, changed by somebody who has the database's key


def sql(opened: Opened, *statements: sa.Executable | str) -> None:
    def unit(tx: object) -> None:
        for statement in statements:
            text = sa.text(statement) if isinstance(statement, str) else statement
            assert tx.execute(text).rowcount > 0  # type: ignore[attr-defined]

    opened.services.db.write(unit).result()


def test_study_keys_that_changed_places_open_nothing(site: Site) -> None:
    with site.open() as opened:
        with opened.services.db.read() as connection:
            first, second = connection.execute(
                sa.select(study_keys.c.study_id, study_keys.c.wrapped).limit(2)
            )
        put = sa.update(study_keys)
        sql(
            opened,
            put.where(study_keys.c.study_id == first.study_id).values(wrapped=second.wrapped),
            put.where(study_keys.c.study_id == second.study_id).values(wrapped=first.wrapped),
        )
        assert len(check(opened).altered) == 4
        for study in ("1.2.3.0", "1.2.3.1"):
            got, error = deliver(opened, study)
            assert (isinstance(error, Tampered), got) == (True, {})
        assert deliver(opened, "1.2.3.9") == ({"1.2.3.9.1.0": SMALL}, None)


ROW_CHANGES = {
    "its blob": "UPDATE instances SET blob = '" + "0" * 32 + "' WHERE id = 1",
    "its key": "UPDATE instances SET wrapped_key = (SELECT wrapped_key FROM instances WHERE id = 2) WHERE id = 1",
    "its size": "UPDATE instances SET size = size - 1 WHERE id = 1",
    "the study's key": "DELETE FROM study_keys WHERE study_id = 1",
}


@pytest.mark.parametrize("what", ROW_CHANGES)
def test_a_row_that_does_not_fit_its_object_delivers_nothing(what: str, site: Site) -> None:
    with site.open() as opened:
        sql(opened, ROW_CHANGES[what])
        got, error = deliver(opened, "1.2.3.0")
        assert (isinstance(error, Tampered), got) == (True, {})
        assert not check(opened).ok


def test_a_row_with_another_digest_is_found_by_the_deep_check(site: Site) -> None:
    with site.open() as opened:
        sql(opened, "UPDATE instances SET digest = zeroblob(32) WHERE id = 1")
        assert len(check(opened).altered) == 1


LOG_CHANGES = {
    "a byte": "UPDATE log_entries SET body = body || x'20' WHERE seq = 3",
    "a salt": "UPDATE log_entries SET salt = zeroblob(16) WHERE seq = 3",
    "a time": "UPDATE log_entries SET time = time + 1 WHERE seq = 3",
    "a commitment": "UPDATE log_entries SET commitment = zeroblob(32) WHERE seq = 3",
    "an emptied body": "UPDATE log_entries SET body = NULL WHERE seq = 3",
    "a deleted entry": "DELETE FROM log_entries WHERE seq = 3",
    "a subject": "UPDATE log_subjects SET value = 'nobody' WHERE seq = 3 AND kind = 'actor'",
    "a removed subject": "DELETE FROM log_subjects WHERE seq = 3 AND kind = 'action'",
}


@pytest.mark.parametrize("what", LOG_CHANGES)
def test_an_entry_altered_with_the_right_key_is_named(what: str, site: Site) -> None:
    with site.open() as opened:
        opened.publish()
        assert opened.services.upkeep.verify_record(OPERATOR, context()).ok
        sql(opened, LOG_CHANGES[what])
        verdict = opened.services.upkeep.verify_record(OPERATOR, context())
        assert (verdict.ok, verdict.first_bad) == (False, 3)
        assert not check(opened).ok


def test_removed_entries_at_the_end_are_found(site: Site) -> None:
    with site.open() as opened:
        opened.publish()
        sql(opened, "DELETE FROM log_subjects WHERE seq >= 4", "DELETE FROM log_entries WHERE seq >= 4")
        verdict = opened.services.upkeep.verify_record(OPERATOR, context())
        assert (verdict.ok, verdict.first_bad) == (False, 4)
