"""Tiles and checkpoint on disk: complete, durable in the right order, never backwards."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadglass.errors import LimitExceeded, StorageFailed, StorageFull, Tampered
from leadglass.note import Signer
from leadglass.record.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from leadglass.record.log import expire
from leadglass.record.merkle import leaf_hash, tree_root
from leadglass.record.published import read_checkpoint, read_tile
from leadglass.record.tiles import ENTRIES, Tile, partial_tiles

from .conftest import Records, Shelf


def files(records: Records) -> dict[str, bytes]:
    root = records.published
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def commitments(records: Records) -> list[bytes]:
    with records.read() as connection:
        found = connection.exec_driver_sql("SELECT commitment FROM log_entries ORDER BY seq")
        return [row[0] for row in found]


def test_nothing_recorded_nothing_published(records: Records) -> None:
    assert records.publish() == 0
    assert files(records) == {}
    assert records.verify().published is None


def test_tiles_and_checkpoint(records: Records) -> None:
    records.fill(300)
    assert records.publish() == 300
    entries = commitments(records)
    leaves = [leaf_hash(commitment) for commitment in entries]
    found = files(records)
    assert found == {
        "checkpoint": found["checkpoint"],
        "tile/0/000": b"".join(leaves[:256]),
        "tile/0/001.p/44": b"".join(leaves[256:]),
        "tile/1/000.p/1": tree_root(leaves[:256]),
        "tile/entries/000": b"".join(b"\x00\x20" + entry for entry in entries[:256]),
        "tile/entries/001.p/44": b"".join(b"\x00\x20" + entry for entry in entries[256:]),
    }
    checkpoint = open_checkpoint(found["checkpoint"], records.signer.key, "leadglass.test/record")
    assert (checkpoint.size, checkpoint.root) == (300, tree_root(leaves))


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_published_bit_by_bit_is_published_at_once(shelf: Shelf, steps: list[int]) -> None:
    records = shelf.record(again=0)
    for step in steps:
        records.fill(step)
        records.publish()
    step_by_step, in_steps = files(records), records.published
    records.published = in_steps.with_name(f"{in_steps.name}-at-once")
    records.publish()
    size = sum(steps)
    extra = step_by_step.keys() - files(records).keys()
    assert {name: step_by_step[name] for name in files(records)} == files(records)
    # Partial tiles of earlier checkpoints stay until the full one is there, as tlog-tiles wants it.
    assert all(Path(name).parent.name.endswith(".p") for name in extra)
    assert not any((in_steps / Path(name).parent).with_suffix("").exists() for name in extra)
    assert all(read_tile(records.published, tile) for tile in partial_tiles(size))


def test_modes(records: Records) -> None:
    records.fill(3)
    records.publish()
    modes = {path.is_file(): path.stat().st_mode & 0o777 for path in records.published.rglob("*")}
    assert modes[True] == 0o600
    assert records.published.stat().st_mode & 0o777 == 0o700


def test_a_partial_tile_is_found_in_its_full_form(records: Records) -> None:
    records.fill(256)
    records.publish()
    whole = (records.published / "tile/0/000").read_bytes()
    assert read_tile(records.published, Tile(0, 0, 9)) == whole[: 9 * 32]
    assert read_tile(records.published, Tile(ENTRIES, 1, 9)) is None


def test_expired_bodies_change_nothing_published(records: Records) -> None:
    records.fill(5)
    records.publish()
    before = files(records)
    records.write(lambda tx: expire(tx, 5))
    assert records.publish() == 5
    assert files(records) == before


def test_an_older_database_is_refused(records: Records) -> None:
    records.fill(5)
    records.publish()
    newer = files(records)
    older = records.beside()
    older.fill(4)
    with pytest.raises(Tampered, match="5 entries were published, but the database has 4"):
        older.publish()
    with pytest.raises(Tampered, match="rolled back"):
        records.beside().publish()
    assert files(records) == newer


@pytest.mark.parametrize("more", [0, 3, 400])
def test_another_history_is_refused(records: Records, more: int) -> None:
    records.fill(5)
    records.publish()
    other = records.beside()
    other.fill(5 + more)
    with pytest.raises(Tampered, match="first 5 entries"):
        other.publish()
    assert (records.published / "checkpoint").read_text().split("\n")[1] == "5"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log_entries SET commitment = zeroblob(32) WHERE seq = 7",
        "UPDATE log_entries SET commitment = zeroblob(31) WHERE seq = 7",
        "DELETE FROM log_entries WHERE seq = 7",
        "DELETE FROM log_entries WHERE seq = 9",
        "UPDATE log_head SET checkpoint = 'no checkpoint'",
    ],
)
def test_nothing_altered_is_published(records: Records, change: str) -> None:
    records.fill(5)
    records.publish()
    records.fill(5)
    records.sql(change)
    with pytest.raises(Tampered):
        records.publish()
    assert (records.published / "checkpoint").read_text().split("\n")[1] == "5"


@pytest.mark.parametrize("damage", [b"", b"\x00" * 32, b"\x00" * 33])
def test_a_damaged_tile_is_not_built_upon(records: Records, damage: bytes) -> None:
    records.fill(260)
    records.publish()
    records.fill(3)
    (records.published / "tile/1/000.p/1").write_bytes(damage)
    with pytest.raises(Tampered):
        records.publish()


def test_a_checkpoint_without_end(records: Records) -> None:
    records.fill(1)
    records.publish()
    (records.published / "checkpoint").write_bytes(b"x" * 200_000)
    with pytest.raises(LimitExceeded):
        read_checkpoint(records.published)


def test_a_checkpoint_of_another_key_is_not_followed(records: Records) -> None:
    records.fill(2)
    records.publish()
    stranger = Signer.from_seed("leadglass.test/record", bytes(32))
    signed = sign_checkpoint(Checkpoint("leadglass.test/record", 1, bytes(32)), stranger)
    (records.published / "checkpoint").write_text(signed)
    with pytest.raises(Tampered):
        records.publish()


class _Faults:
    """Counts the system calls that make publishing durable, and fails the chosen one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, number: int) -> None:
        self.calls = 0
        for name in ("fsync", "replace", "open"):
            monkeypatch.setattr(os, name, self._counted(getattr(os, name), at, number))

    def _counted(self, call: Any, at: int, number: int) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == at:
                raise OSError(number, os.strerror(number))
            return call(*arguments, **options)

        return counted


# What fails is the folder: each error needs but one of the databases.
@pytest.mark.parametrize(
    ("number", "error"),
    [
        pytest.param(errno.ENOSPC, StorageFull, marks=pytest.mark.postgresql),
        pytest.param(errno.EIO, StorageFailed, marks=pytest.mark.sqlcipher),
    ],
)
def test_whatever_fails_the_old_checkpoint_or_the_new_one_stands(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    """Each system call fails once; then verification finds a whole record, and the next attempt finishes."""
    original = shelf.record()
    original.fill(250)
    original.publish()
    original.fill(10)
    at, fired = 0, 0
    while True:
        at += 1
        records = shelf.record(again=1)
        original.copy_to(records)
        with monkeypatch.context() as patched:
            faults = _Faults(patched, at, number)
            try:
                records.publish()
            except error:
                fired += 1
        verdict = records.verify()
        assert verdict.ok, verdict.problems
        if faults.calls < at:
            break
        assert verdict.published in (250, 260)
        assert records.publish() == 260
        assert records.verify().published == 260
    assert fired == at - 1 >= 15
