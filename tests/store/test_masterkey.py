from __future__ import annotations

import errno
import os
import stat

import pytest

from leadglass.errors import BrokenInvariant, Conflict, KeyMissing, KeyWrong, StorageFailed, StorageFull
from leadglass.store.masterkey import read_master_key, write_master_key

MASTER = bytes(range(32))
HOME = "6f1d2c"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "home.key"


@pytest.fixture
def written(path):
    write_master_key(path, MASTER, HOME)
    return path


def test_it_reads_back(written):
    assert read_master_key(written, HOME) == MASTER


def test_only_the_owner_can_read_it_whatever_the_umask(path):
    before = os.umask(0)
    try:
        write_master_key(path, MASTER, HOME)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_key_is_never_overwritten(written):
    with pytest.raises(Conflict):
        write_master_key(written, MASTER[::-1], HOME)
    assert read_master_key(written, HOME) == MASTER


def test_no_file(path):
    with pytest.raises(KeyMissing, match="recovery key"):
        read_master_key(path, HOME)


def test_another_homes_file(written):
    with pytest.raises(KeyWrong, match="another home"):
        read_master_key(written, "other")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o610, 0o601, 0o666])
def test_a_file_that_others_can_use_is_refused(written, mode):
    written.chmod(mode)
    with pytest.raises(KeyWrong, match="chmod 600"):
        read_master_key(written, HOME)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_modes_that_are_fine(written, mode):
    written.chmod(mode)
    assert read_master_key(written, HOME) == MASTER


DAMAGE = {
    "empty": lambda text: "",
    "cut short": lambda text: text[:-1],
    "other version": lambda text: text.replace("key 1", "key 2", 1),
    "trailing": lambda text: text + "\n",
    "Windows lines": lambda text: text.replace("\n", "\r\n"),
    "one digit": lambda text: text.replace("key 0001", "key 0002"),
    "check": lambda text: text.replace("check ", "check 0")[:-2] + "\n",
    "upper case": lambda text: text.replace("1f\n", "1F\n"),
    "endless": lambda text: text * 1000,
    "not text": lambda text: "\udcff" + text,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file(written, damage):
    text = written.read_text()
    altered = damage(text)
    assert altered != text
    written.write_bytes(altered.encode("utf-8", "surrogateescape"))
    with pytest.raises(KeyWrong, match="damaged") as caught:
        read_master_key(written, HOME)
    assert MASTER.hex()[8:40] not in str(caught.value)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(KeyWrong, match="no file"):
        read_master_key(tmp_path / "fifo", HOME)
    with pytest.raises((KeyWrong, KeyMissing)):
        read_master_key(tmp_path, HOME)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(KeyMissing, match="cannot be opened"):
        read_master_key(tmp_path / "loop", HOME)


@pytest.mark.parametrize("call", ["write", "fsync", "fchmod"])
@pytest.mark.parametrize(("number", "error"), [(errno.EIO, StorageFailed), (errno.ENOSPC, StorageFull)])
def test_a_disk_that_fails_leaves_no_half_key(path, call, number, error, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(number, "injected")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(error):
        write_master_key(path, MASTER, HOME)
    monkeypatch.undo()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("home", ["", "a b", "x" * 65, "a\nkey 00", "../home\x00", "é"])
def test_a_home_id_that_would_break_the_file_is_our_bug(path, home):
    with pytest.raises(BrokenInvariant):
        write_master_key(path, MASTER, home)
    assert not path.exists()
