"""Files of the home altered, rolled back or lost, other than its objects: the index, its log, the record, keys."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from fault_home import Site, check, contents, delivered, files, recorded

from leadglass.compose import Opened
from leadglass.errors import Conflict, KeyMissing, KeyWrong, LeadglassError, Tampered
from leadglass.home import read_home, recover

PAGE = 4096
OBJECTS = files(4, per_study=2)


@pytest.fixture(scope="module")
def filled(founded: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Objects, accesses on the record, all of it published."""
    site = founded.copy_to(tmp_path_factory.mktemp("altered") / "site")
    site.store(OBJECTS)
    with site.open() as opened:
        delivered(opened, lambda uid, chunk: None)
    return site


@pytest.fixture
def copies(filled: Site, memory: Path) -> Iterator[Callable[[], Site]]:
    """A fresh copy, in place of the one before."""

    def copy() -> Site:
        shutil.rmtree(memory / "site", ignore_errors=True)
        return filled.copy_to(memory / "site")

    return copy


def flip(path: Path, offset: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)


@contextmanager
def opened_although_altered(site: Site) -> Iterator[Opened]:
    """Closing a home publishes its record, which says so too when that was altered."""
    with suppress(Tampered), site.open() as opened:
        yield opened


def found_in(site: Site) -> str:
    """How an alteration shows when everything is read; "" when it does not. Nothing altered is delivered."""
    got: dict[str, bytearray] = {}
    try:
        with opened_although_altered(site) as opened:
            delivered(opened, lambda uid, chunk: got.setdefault(uid, bytearray()).extend(chunk))
            recorded(opened)
            return "" if check(opened).ok else "check"
    except LeadglassError as error:
        return error.code
    finally:
        assert all(OBJECTS[uid].startswith(content) for uid, content in got.items())


def test_a_flipped_bit_in_any_page_of_the_index_is_found(copies: Callable[[], Site]) -> None:
    chance = random.Random(4)
    pages = (copies().root / "db" / "index.db").stat().st_size // PAGE
    assert pages > 40
    unseen = []
    for page in range(pages):
        site = copies()
        flip(site.root / "db" / "index.db", page * PAGE + chance.randrange(PAGE), chance.randrange(8))
        if not found_in(site):
            unseen.append(page)
    assert unseen == []
    assert found_in(copies()) == ""  # control: a copy that nobody touched


def test_a_flipped_bit_in_the_log_of_the_index_is_found(filled: Site, memory: Path) -> None:
    """The log that a kill leaves behind. SQLite takes what follows an altered frame for never written; what has
    been published tells otherwise."""
    live = filled.copy_to(memory / "live")
    with live.open() as opened:
        delivered(opened, lambda uid, chunk: None)
        opened.publish()
        left = live.copy_to(memory / "left")
    wal = left.root / "db" / "index.db-wal"
    frame = PAGE + 24
    frames = (wal.stat().st_size - 32) // frame
    assert frames > 20
    assert found_in(left.copy_to(memory / "control")) == ""
    chance = random.Random(5)
    for number in [0, *chance.sample(range(frames), 12), frames - 1]:
        site = left.copy_to(memory / f"frame-{number}-{chance.random()}")
        flip(
            site.root / "db" / "index.db-wal",
            32 + number * frame + chance.randrange(frame),
            chance.randrange(8),
        )
        assert found_in(site), number
        shutil.rmtree(site.folder)


def test_an_old_database_beside_newer_published_tiles_is_found(filled: Site, memory: Path) -> None:
    site = filled.copy_to(memory / "site")
    with site.open() as opened:
        delivered(opened, lambda uid, chunk: None)  # on the record, and published at the end
    published = (site.root / "record" / "checkpoint").read_bytes()
    shutil.rmtree(site.root / "db")
    shutil.copytree(filled.root / "db", site.root / "db")
    with opened_although_altered(site) as opened:
        report = check(opened)
        assert not report.ok
        assert report.record is not None
        assert not report.record.ok
        with pytest.raises(Tampered, match="rolled back"):
            opened.publish()
    assert (site.root / "record" / "checkpoint").read_bytes() == published


def test_a_flipped_bit_in_what_was_published_is_found(filled: Site, copies: Callable[[], Site]) -> None:
    """The checkpoint and the tiles of its tree. Partial tiles of smaller trees stay for those who still hold an
    older checkpoint; nothing here reads them."""
    root, chance, tried = filled.root / "record", random.Random(6), 0
    size = (root / "checkpoint").read_text().splitlines()[1]
    current = [path for path in sorted(root.rglob("*")) if path.name in {"checkpoint", size}]
    assert len(current) == 3
    for path in current:
        length = path.stat().st_size
        for offset in {0, length - 1, *chance.sample(range(length), 4)}:
            site = copies()
            flip(site.root / path.relative_to(filled.root), offset, chance.randrange(8))
            assert found_in(site), (path, offset)
            tried += 1
    assert tried > 12


@pytest.mark.parametrize("name", ["checkpoint", "tile", "whole"])
def test_what_was_published_and_is_gone_is_found(name: str, copies: Callable[[], Site]) -> None:
    """All of it gone is what a home looks like that was never published: only a witness can tell."""
    site = copies()
    gone = site.root / "record" / name
    if name == "whole":
        shutil.rmtree(site.root / "record")
        (site.root / "record").mkdir()
        assert found_in(site) == ""
    else:
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        assert found_in(site)


# --- home.json and the keys


def test_a_flipped_bit_in_home_json_opens_nothing_else(copies: Callable[[], Site]) -> None:
    """The key check covers every field; only white space and the like may go unnoticed, and says nothing."""
    site = copies()
    path = site.root / "home.json"
    original, chance = path.read_bytes(), random.Random(7)
    refused = 0
    for offset in range(len(original)):
        flip(path, offset, chance.randrange(8))
        try:
            with site.open() as opened:
                assert opened.home.key_check.hex().encode() in original
                assert opened.home.id.encode() in original
                assert base64.b64encode(opened.home.recovery) in original
                assert str(opened.home.created).encode() in original
        except LeadglassError:
            refused += 1
        path.write_bytes(original)
    assert refused > len(original) * 2 // 3
    assert found_in(site) == ""


def test_an_altered_recovery_field_gives_no_other_key(copies: Callable[[], Site]) -> None:
    site = copies()
    path, paper = site.root / "home.json", (site.folder / "recovery").read_text()
    members = json.loads(path.read_text())
    members["recovery"] = members["recovery"].swapcase()
    path.write_text(json.dumps(members))
    (site.folder / "master.key").unlink()
    with pytest.raises(KeyWrong):
        recover(read_home(site.root), paper, site.environ)
    assert not (site.folder / "master.key").exists()


def test_a_lost_master_key_comes_back_from_the_recovery_key(copies: Callable[[], Site]) -> None:
    site = copies()
    key, paper = site.folder / "master.key", (site.folder / "recovery").read_text()
    before = key.read_bytes()
    with pytest.raises(Conflict):
        recover(read_home(site.root), paper, site.environ)
    key.unlink()
    with pytest.raises(KeyMissing), site.open():
        raise AssertionError("opened without a key")
    mistyped = ("0" if paper[0] != "0" else "1") + paper[1:]
    with pytest.raises(KeyWrong):
        recover(read_home(site.root), mistyped, site.environ)
    assert not key.exists()
    assert recover(read_home(site.root), f" {paper.lower().replace('-', ' ')}\n", site.environ) == key
    assert key.read_bytes() == before
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with site.open() as opened:
        assert contents(opened) == OBJECTS


def test_another_home_s_key_opens_nothing(copies: Callable[[], Site], founded: Site, tmp_path: Path) -> None:
    site = copies()
    shutil.copyfile(founded.folder / "master.key", tmp_path / "kept")
    text = (site.folder / "master.key").read_text().splitlines()
    text[2] = "key " + "ab" * 32
    (site.folder / "master.key").write_text("\n".join(text) + "\n")
    with pytest.raises(KeyWrong), site.open():
        raise AssertionError("opened with a wrong key")


def command(site: Site, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from leadglass.cli.main import main; main()",
            *arguments,
            "--home",
            str(site.root),
        ],
        input=typed,
        env={**os.environ, **site.environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_the_command_line_recovers_a_home(copies: Callable[[], Site]) -> None:
    site = copies()
    key, paper = site.folder / "master.key", (site.folder / "recovery").read_text()
    key.unlink()
    without = command(site, "check", "--deep")
    assert (without.returncode, key.exists()) == (1, False)
    assert "recovery key" in without.stderr
    wrong = command(site, "init", "--recover", typed=paper[::-1] + "\n")
    assert (wrong.returncode, key.exists()) == (1, False)
    assert paper not in wrong.stderr
    right = command(site, "init", "--recover", typed=paper + "\n")
    assert (right.returncode, key.exists()) == (0, True), right.stderr
    after = command(site, "check", "--deep", "--json")
    assert (after.returncode, json.loads(after.stdout)["objects"]) == (0, len(OBJECTS))
