from __future__ import annotations

import errno
import gc
import os
import resource
import stat
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadglass.errors import BrokenInvariant, StorageFailed, StorageFull, Tampered
from leadglass.store.ahead import BATCH, STREAM
from leadglass.store.blobs import PER_DIRECTORY, WRITEBACK, Blobs, StoredBlob
from leadglass.store.sealed import SEGMENT, sealed_size

CONTENT = os.urandom(3 * SEGMENT + 17)


class FaultySystem:
    """The module `os`, but for one call that fails; it notes every call."""

    def __init__(self, call: str = "", number: int = 0, occurrence: int = 1) -> None:
        self._fault = (call, number)
        self._left = occurrence
        self.calls: list[str] = []
        self.open_files: set[int] = set()
        self.fired = False

    def __getattr__(self, name: str):
        def call(*arguments, **named):
            self.calls.append(name)
            if name == self._fault[0]:
                self._left -= 1
                if self._left == 0:
                    self.fired = True
                    raise OSError(self._fault[1], "injected")
            result = getattr(os, name)(*arguments, **named)
            if name == "open":
                self.open_files.add(result)
            elif name == "close":
                self.open_files.discard(arguments[0])
            return result

        return call


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path)


def store(blobs: Blobs, content: bytes = CONTENT) -> tuple[str, bytes]:
    with blobs.create() as writer:
        writer.write(content)
        writer.finish()
    blobs.sync_directories([writer.name])
    return writer.name, writer.key


def files_in(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


# Put, get, delete


def test_what_was_put_is_got(blobs, tmp_path):
    writer = blobs.create()
    for start in range(0, len(CONTENT), 100_000):
        writer.write(CONTENT[start : start + 100_000])
    size = writer.finish()
    with blobs.open(writer.name, writer.key) as reader:
        assert reader.size == size.plain == len(CONTENT)
        assert b"".join(reader.chunks()) == CONTENT
        assert reader.read(SEGMENT - 10, 20) == CONTENT[SEGMENT - 10 : SEGMENT + 10]
    assert size.sealed == sealed_size(len(CONTENT))
    assert [path.stat().st_size for path in files_in(tmp_path)] == [size.sealed]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_range_of_a_file_is_the_slice(data, tmp_path_factory):
    blobs = Blobs(tmp_path_factory.mktemp("blobs"))
    content = CONTENT[: data.draw(st.integers(0, len(CONTENT)))]
    name, key = store(blobs, content)
    with blobs.open(name, key) as reader:
        start, end = data.draw(st.tuples(*[st.integers(0, len(content) + 10)] * 2))
        assert b"".join(reader.chunks(start, end)) == content[start:end]
        assert reader.read(start, end) == content[start : start + end]


def test_nothing_readable_is_on_disk(blobs, tmp_path):
    store(blobs, b"DOE^JANE" * 20_000)
    (path,) = files_in(tmp_path)
    assert b"DOE^JANE" not in path.read_bytes()


def test_only_the_owner_can_enter_and_the_name_says_nothing(blobs, tmp_path):
    name, _ = store(blobs)
    path = tmp_path / name[:2] / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_names_lists_every_blob_and_no_other_file(blobs, tmp_path):
    stored = {store(blobs, b"x" * n)[0]: sealed_size(n) for n in (0, 10, SEGMENT)}
    (directory,) = (path for path in tmp_path.iterdir())
    (directory / "notes.txt").write_text("x")
    (directory / ("A" * 32)).write_text("x")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "zz").write_text("x")
    found = list(blobs.names())
    assert {blob.name: blob.sealed_size for blob in found} == stored
    path = directory / found[0].name
    assert found[0] == StoredBlob(path.name, path.stat().st_size, path.stat().st_mtime_ns // 1_000_000)


def test_delete_and_delete_again(blobs):
    name, key = store(blobs)
    blobs.delete(name)
    blobs.delete(name)
    blobs.sync_directories([name])
    assert list(blobs.names()) == []
    with pytest.raises(Tampered, match="gone") as caught:
        blobs.open(name, key)
    assert caught.value.code == "object-missing"


def test_an_abandoned_blob_leaves_nothing(blobs, tmp_path):
    writer = blobs.create()
    writer.write(CONTENT)
    writer.abandon()
    writer.abandon()
    assert files_in(tmp_path) == []
    with pytest.raises(BrokenInvariant):
        writer.write(b"more")


def test_leaving_without_finish_abandons(blobs, tmp_path):
    with suppress(ZeroDivisionError), blobs.create() as writer:
        writer.write(CONTENT)
        raise ZeroDivisionError
    assert files_in(tmp_path) == []


def test_a_finished_blob_can_still_be_abandoned(blobs, tmp_path):
    with blobs.create() as writer:
        writer.finish()
    assert len(files_in(tmp_path)) == 1
    writer.abandon()
    assert files_in(tmp_path) == []


def test_buffers_go_with_the_last_reference(blobs):
    gc.disable()  # a cycle would keep 256 KiB per object until the collector comes
    try:
        writer = blobs.create()
        writer.finish()
        reader = blobs.open(writer.name, writer.key)
        reader.close()
        gone = weakref.ref(writer), weakref.ref(reader)
        del writer, reader
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["", "ab", "A" * 32, "g" * 32, "../" + "a" * 29, "a" * 33, "a" * 32 + "\n"])
def test_a_name_that_is_not_ours_never_reaches_the_disk(name, tmp_path):
    system = FaultySystem()
    blobs = Blobs(tmp_path, system=system)
    for use in (lambda: blobs.open(name, bytes(32)), lambda: blobs.delete(name)):
        with pytest.raises(BrokenInvariant):
            use()
    with pytest.raises(BrokenInvariant):
        blobs.sync_directories([name])
    assert system.calls == []


def test_a_closed_reader_reads_nothing(blobs):
    name, key = store(blobs)
    with blobs.open(name, key) as reader:
        chunks = reader.chunks()
        next(chunks)
    reader.close()
    with pytest.raises(BrokenInvariant):
        next(chunks)


# Alterations on disk


def test_two_blobs_swapped(blobs, tmp_path):
    (one, its_key), (two, _) = store(blobs), store(blobs)
    first, second = tmp_path / one[:2] / one, tmp_path / two[:2] / two
    swapped = first.read_bytes(), second.read_bytes()
    second.write_bytes(swapped[0])
    first.write_bytes(swapped[1])
    with pytest.raises(Tampered):
        blobs.open(one, its_key)
    with pytest.raises(Tampered):  # the right bytes and key under the wrong name
        blobs.open(two, its_key)


@pytest.mark.parametrize("replace", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_something_that_is_no_file(replace, blobs, tmp_path):
    name, key = store(blobs)
    blobs.delete(name)
    replace(tmp_path / name[:2] / name)
    with pytest.raises(Tampered):
        blobs.open(name, key)


def test_a_refused_blob_keeps_no_file_open(tmp_path):
    system = FaultySystem()
    blobs = Blobs(tmp_path, system=system)
    name, key = store(blobs)
    with pytest.raises(Tampered):
        blobs.open(name, key[::-1])
    assert system.open_files == set()


# Directories


def test_objects_share_a_directory_until_it_is_full(tmp_path):
    system = FaultySystem()
    blobs = Blobs(tmp_path, system=system, random=Draws())
    names = [blobs.create() for _ in range(PER_DIRECTORY + 1)]
    for writer in names:
        writer.abandon()
    assert len({writer.name[:2] for writer in names[:PER_DIRECTORY]}) == 1
    assert names[0].name[:2] != names[-1].name[:2]
    assert system.calls.count("mkdir") == 2


class Draws:
    """Random bytes whose first bytes differ."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return bytes([self._count % 256]) + os.urandom(size - 1)


def test_a_group_costs_one_directory_fsync(tmp_path):
    system = FaultySystem()
    blobs = Blobs(tmp_path, system=system)
    writers = [blobs.create() for _ in range(20)]
    for writer in writers:
        writer.finish()
    system.calls.clear()
    blobs.sync_directories(writer.name for writer in writers)
    assert system.calls == ["open", "fsync", "close"]


def test_in_a_stream_of_objects_most_take_a_name_whose_entry_is_durable(tmp_path):
    system = FaultySystem()
    blobs = Blobs(tmp_path, system=system, ahead=True)
    taken = []
    while not (taken and taken[-1].is_entered):  # as many as it takes until the thread has made the first
        taken.append(blobs.create())
    assert not any(writer.is_entered for writer in taken[:STREAM])
    last = taken[-1]
    last.write(CONTENT)
    last.finish()
    blobs.close()
    for writer in taken[:-1]:
        writer.abandon()
    assert [path.name for path in files_in(tmp_path)] == [last.name]
    assert system.open_files == set()
    with blobs.open(last.name, last.key) as reader:
        assert reader.read(0, len(CONTENT)) == CONTENT


def test_a_name_made_ahead_that_was_removed_is_not_missed(tmp_path):
    blobs = Blobs(tmp_path, ahead=True)
    while not blobs.create().is_entered:
        pass
    for path in files_in(tmp_path):
        path.unlink()
    for _ in range(2 * BATCH):  # more than were there
        store(blobs)
    blobs.close()


def test_a_directory_that_cannot_be_synced_ahead_is_the_end_as_it_is_otherwise(tmp_path):
    system = FaultySystem("fsync", errno.EIO, 2)  # the first is that of the directory's own entry
    blobs = Blobs(tmp_path, system=system, ahead=True)
    with pytest.raises(StorageFailed):
        while True:
            blobs.create()
    blobs.close()


def test_a_full_disk_ahead_is_met_by_who_needs_room(tmp_path):
    blobs = Blobs(tmp_path, system=FaultySystem("open", errno.ENOSPC, STREAM + 10), ahead=True)
    with suppress(StorageFull):
        for _ in range(STREAM + 9):
            blobs.create()
    assert store(blobs)[0]
    blobs.close()


def test_the_parent_is_synced_although_the_directory_exists(tmp_path):
    Blobs(tmp_path, random=bytes).create().abandon()  # zeros: both take directory 00
    system = FaultySystem()
    Blobs(tmp_path, system=system, random=bytes).create().abandon()
    assert system.calls[:4] == ["mkdir", "open", "fsync", "close"]


def test_the_file_is_synced_before_finish_returns(tmp_path):
    system = FaultySystem()
    writer = Blobs(tmp_path, system=system).create()
    writer.write(CONTENT)
    system.calls.clear()
    writer.finish()
    assert system.calls == ["write", "fsync", "close"]


def test_writers_in_threads_never_meet(blobs):
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda n: (n, *store(blobs, bytes([n]) * 1000)), range(64)))
    assert len({name for _, name, _ in stored}) == 64
    for n, name, key in stored:
        with blobs.open(name, key) as reader:
            assert reader.read(0, 1000) == bytes([n]) * 1000


# Faults: each step fails, once, and what is left is seen


FAULTS = [  # call, its occurrence, files left behind
    ("mkdir", 1, 0),  # entering a directory
    ("open", 1, 0),
    ("fsync", 1, 0),
    ("close", 1, 0),
    ("open", 2, 0),  # the object
    ("write", 1, 0),
    ("write", 3, 0),
    ("fsync", 2, 0),
    ("close", 2, 0),
    ("open", 3, 1),  # the group: the object is finished, and the archive's to delete
    ("fsync", 3, 1),
    ("close", 3, 1),
]
ERRORS = {
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
    errno.EIO: StorageFailed,
    errno.EROFS: StorageFailed,
}


DIRECTORY_FSYNCS = {("fsync", 1), ("fsync", 3)}


@pytest.mark.parametrize(("number", "error"), ERRORS.items(), ids=errno.errorcode.get)
@pytest.mark.parametrize(("call", "occurrence", "left"), FAULTS)
def test_each_step_of_a_put_fails_once(call, occurrence, left, number, error, tmp_path):
    system = FaultySystem(call, number, occurrence)
    blobs = Blobs(tmp_path, system=system)
    if (call, occurrence) in DIRECTORY_FSYNCS:
        error = StorageFailed
    with pytest.raises(error) as caught:
        store(blobs)
    assert system.fired
    assert str(tmp_path) not in str(caught.value)
    assert len(files_in(tmp_path)) == left
    if call in {"write", "fsync"}:
        assert system.calls.count(call) == occurrence  # never tried again
    if (call, occurrence) in DIRECTORY_FSYNCS:
        assert_closed(blobs, system)
        return
    name, key = store(blobs)  # and the next object is none the worse
    with blobs.open(name, key) as reader:
        assert reader.read(0, len(CONTENT)) == CONTENT


def assert_closed(blobs: Blobs, system: FaultySystem) -> None:
    """Nobody knows which entries of the directory are durable, and the next fsync would not say."""
    before = list(system.calls)
    with pytest.raises(StorageFailed):
        blobs.create()
    with pytest.raises(StorageFailed):
        blobs.sync_directories(["ab" * 16])
    assert system.calls == before


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_after_a_fault_the_writer_is_dead(call, tmp_path):
    writer = Blobs(tmp_path, system=FaultySystem(call, errno.EIO, 2 if call == "fsync" else 1)).create()

    def put() -> None:
        writer.write(CONTENT)
        writer.finish()

    with pytest.raises(StorageFailed):
        put()
    with pytest.raises(BrokenInvariant):
        put()
    assert files_in(tmp_path) == []


def test_a_disk_too_broken_to_clean_up_still_gives_the_first_error(tmp_path):
    class Broken(FaultySystem):
        def unlink(self, path: str) -> None:
            raise OSError(errno.EIO, "injected")

    with pytest.raises(StorageFull):
        store(Blobs(tmp_path, system=Broken("write", errno.ENOSPC)))


@pytest.mark.parametrize(("call", "occurrence"), [("open", 1), ("fstat", 1), ("pread", 1), ("pread", 3)])
def test_each_step_of_a_get_fails_once(call, occurrence, tmp_path):
    name, key = store(Blobs(tmp_path))
    system = FaultySystem(call, errno.EIO, occurrence)
    blobs = Blobs(tmp_path, system=system)

    def get() -> bytes:
        with blobs.open(name, key) as reader:
            return reader.read(0, len(CONTENT))

    with pytest.raises(StorageFailed):
        get()
    assert system.fired
    assert system.open_files == set()
    assert get() == CONTENT


def test_short_writes_are_carried_on(tmp_path):
    class Short(FaultySystem):
        def write(self, descriptor: int, data: memoryview) -> int:
            return os.write(descriptor, data[:50_000])

    blobs = Blobs(tmp_path, system=Short())
    name, key = store(blobs)
    with blobs.open(name, key) as reader:
        assert reader.read(0, len(CONTENT)) == CONTENT


def test_a_file_system_limit_that_is_real(blobs, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * SEGMENT + 1000, hard))
    try:
        with pytest.raises(StorageFull):
            store(blobs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_in(tmp_path) == []


def test_a_large_object_is_handed_to_the_disk_as_it_comes(tmp_path):
    system = FaultySystem()
    with Blobs(tmp_path, system=system).create() as writer:
        for _ in range(2 * WRITEBACK // len(CONTENT) + 1):
            writer.write(CONTENT)
        assert system.calls.count("posix_fadvise") == 2
