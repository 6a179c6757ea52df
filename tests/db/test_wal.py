"""A log that failed to be synced: the kernel says so once, and whoever opens the log later must not build on it."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from leadglass.db.sqlcipher import SealedFile
from leadglass.db.wal import Doubt
from leadglass.errors import StorageFailed

pytestmark = pytest.mark.sqlcipher


def fail_once(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fsync of the log fails; those behind it succeed, as the kernel has it."""
    real, failures = os.fdatasync, [OSError(errno.EIO, "the disk")]

    def fdatasync(descriptor: int) -> None:
        if failures:
            raise failures.pop()
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    with pytest.raises(StorageFailed):
        desk.write("in doubt").result(30)
    assert not failures


def test_who_opens_the_log_after_it_failed_does_not_build_on_it(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make(), make()
    first.write("before").result(30)
    fail_once(first, monkeypatch)
    with pytest.raises(StorageFailed):  # its writer has not opened the log yet
        second.write("behind it").result(30)
    with pytest.raises(StorageFailed, match="end whatever uses this home"):
        make()


def test_who_had_it_open_is_told_too(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make(), make()
    second.write("before").result(30)
    fail_once(first, monkeypatch)
    for _ in range(2):
        with pytest.raises(StorageFailed):
            second.write("behind it").result(30)


def test_who_opens_it_alone_begins_a_new_log(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make()
    first.write("before").result(30)
    fail_once(first, monkeypatch)
    first.db.close()
    assert Doubt(first.path)
    second = make()
    assert not Doubt(second.path)
    assert "before" in second.notes()
    assert second.write("after").result(30)
    assert second.notes()[-1] == "after"


def test_what_the_log_lost_is_lost_whole(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk never got the last frame, and the page cache has forgotten it: what was before is there."""
    first = make()
    first.write("before").result(30)
    first.db.overwrite_deleted()
    fail_once(first, monkeypatch)
    folder = first.path.parent / "after"
    folder.mkdir()
    copy, log = folder / first.path.name, first.path.with_name(first.path.name + "-wal")
    copy.write_bytes(first.path.read_bytes())
    frames = bytearray(log.read_bytes())
    frames[-100] ^= 1
    copy.with_name(log.name).write_bytes(frames)
    Doubt(copy).begin()
    db = SealedFile(copy, first.site.key).open()
    try:
        with db.read() as connection:
            assert connection.exec_driver_sql("SELECT text FROM notes").scalars().all() == ["before"]
        assert db.damaged_pages() == []
    finally:
        db.close()
