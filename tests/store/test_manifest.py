"""What a back-up says of itself comes back as it was written, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leadglass.errors import Conflict, HomeBusy, HomeNewer, NotFound, Tampered
from leadglass.store import manifest
from leadglass.store.manifest import Absent, End, File, Heading, Kept, ManifestWriter, Object
from leadglass.store.shreds import Shred
from leadglass.store.vault import Vault
from leadglass.store.vault_files import Digested
from leadglass.store.vault_label import LABEL

KEY, HOME, STAMP = bytes(range(32)), "0123456789abcdef", "20260131T030000Z"
TEXT = '{"id": "0123456789abcdef"}\n'
DIGEST = Digested(5, bytes(32))
LINES: tuple[manifest.Line, ...] = (
    File("index.db", Digested(4096, b"\1" * 32)),
    Kept("config.toml", b"\0\xff[http]\n"),
    Object("00" * 16, DIGEST),
    Object("ff" * 16, DIGEST),
    Absent("ab" * 16, manifest.MISSING),
    Shred("cd" * 16, 7, 1_800_000_000_000),
)


def heading(generation: str, **more: Any) -> Heading:
    return Heading(generation, 1, "1.0", "0007", 3, "00" * 32, {"studies": (1, "ab")}, **more)


def write(vault: Vault, *, lines: tuple[manifest.Line, ...] = LINES, **more: Any) -> str:
    generation = vault.new_generation(STAMP)
    with vault.new_manifest(generation) as file:
        writer = ManifestWriter(file, KEY, HOME, generation)
        writer.add(heading(generation, **more))
        for line in lines:
            writer.add(line)
        writer.finish()
    return generation


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def test_it_comes_back_as_it_was_written(folder: Path) -> None:
    with Vault.prepare(folder, TEXT) as vault:
        name = write(vault)
        found = list(manifest.lines(vault, KEY, HOME, name))
        assert found == [heading(name), *LINES, End(2, 10)]
        assert manifest.heading(vault, KEY, HOME, name) == (heading(name), End(2, 10))
        content = vault.path_of(name, "manifest").read_bytes()
    assert b"index" not in content and b"config" not in content


def test_many_lines_cross_the_segments_of_the_seal(folder: Path) -> None:
    lines = tuple(Object(f"{number:032x}", Digested(number, bytes(32))) for number in range(5000))
    with Vault.prepare(folder, TEXT) as vault:
        name = write(vault, lines=lines)
        assert [line for line in manifest.lines(vault, KEY, HOME, name) if isinstance(line, Object)] == [
            *lines
        ]
        assert manifest.heading(vault, KEY, HOME, name)[1].objects == 5000


def test_no_byte_can_be_altered_and_nothing_cut_off(folder: Path) -> None:
    with Vault.prepare(folder, TEXT) as vault:
        name = write(vault)
        path = vault.path_of(name, "manifest")
        content = path.read_bytes()
        for at in range(0, len(content), 3):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            with pytest.raises(Tampered, match=name):
                list(manifest.lines(vault, KEY, HOME, name))
        for size in (0, 1, 40, len(content) - 1):
            path.write_bytes(content[:size])
            with pytest.raises(Tampered, match=name):
                manifest.heading(vault, KEY, HOME, name)


def test_another_key_another_home_and_another_generation_do_not_open_it(folder: Path) -> None:
    with Vault.prepare(folder, TEXT) as vault:
        first, second = write(vault), write(vault)
        vault.path_of(second, "manifest").write_bytes(vault.path_of(first, "manifest").read_bytes())
        for key, home, name in ((bytes(32), HOME, first), (KEY, "other", first), (KEY, HOME, second)):
            with pytest.raises(Tampered):
                list(manifest.lines(vault, key, home, name))


def test_what_it_must_hold(folder: Path) -> None:
    with Vault.prepare(folder, TEXT) as vault:
        for lines in (
            (heading("x"), heading("x")),  # and the end is missing
            (Object("00" * 16, DIGEST), End(1, 5)),
            (),
        ):
            generation = vault.new_generation(STAMP)
            with vault.new_manifest(generation) as file:
                writer = ManifestWriter(file, KEY, HOME, generation)
                for line in lines:
                    writer.add(line)
                writer._seal.finish()
            with pytest.raises(Tampered):
                list(manifest.lines(vault, KEY, HOME, generation))


@pytest.mark.parametrize(
    "line",
    [
        b'{"object":"../../../../etc/passwd0123456789","size":5,"sha256":"%s"}' % (b"00" * 32),
        b'{"object":"%s","size":5,"sha256":"00"}' % (b"00" * 16),
        b'{"object":"%s","size":-5,"sha256":"%s"}' % (b"00" * 16, b"00" * 32),
        b'{"object":5,"size":5,"sha256":"%s"}' % (b"00" * 32),
        b'{"file":null,"size":5,"sha256":"%s"}' % (b"00" * 32),
        b'{"kept":[],"content":""}',
        b'{"absent":"x","why":1}',
        b'{"shred":{"blob":"x","entry":true,"at":1}}',
        b'{"end":{"objects":1e99,"bytes":1}}',
        b"[" * 2000,
    ],
)
def test_a_line_of_another_form_is_damage(folder: Path, line: bytes) -> None:
    with Vault.prepare(folder, TEXT) as vault:
        generation = vault.new_generation(STAMP)
        with vault.new_manifest(generation) as file:
            writer = ManifestWriter(file, KEY, HOME, generation)
            writer.add(heading(generation))
            writer._seal.write(line + b"\n")
            writer.finish()
        with pytest.raises(Tampered):
            list(manifest.lines(vault, KEY, HOME, generation))


def test_a_later_format_is_refused(folder: Path) -> None:
    with Vault.prepare(folder, TEXT) as vault:
        name = write(vault, format=manifest.FORMAT + 1)
        with pytest.raises(HomeNewer):
            manifest.heading(vault, KEY, HOME, name)
        for label in folder.rglob(LABEL):
            label.write_text(label.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(HomeNewer):
        Vault.open(folder)


# --- the folder -------------------------------------------------------------------------------------------


def test_a_generation_is_there_when_its_manifest_is(folder: Path) -> None:
    with Vault.prepare(folder, TEXT) as vault:
        first = write(vault)
        started = vault.new_generation(STAMP)
        assert vault.generations() == ([first], [started])
        assert started > first
        vault.remove_generation(started)
        assert write(vault) == started  # its number is free again: nobody has ever seen it finished
        vault.remove_generation(first)
        assert vault.generations() == ([started], [])


def test_a_folder_with_something_else_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "letters.txt").write_text("mine")
    with pytest.raises(Conflict, match="something else"):
        Vault.prepare(folder, TEXT)
    assert [path.name for path in folder.iterdir()] == ["letters.txt"]
    with pytest.raises(NotFound):
        Vault.open(folder)


def test_another_homes_folder_is_left_alone(folder: Path) -> None:
    Vault.prepare(folder, TEXT).close()
    with pytest.raises(Conflict, match="another home"):
        Vault.prepare(folder, TEXT.replace("0", "1"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1}', '{"format": "1", "what": "", "home": ""}', "[" * 9000]
)
def test_a_damaged_label_is_named(folder: Path, text: str) -> None:
    Vault.prepare(folder, TEXT).close()
    (folder / LABEL).write_text(text)
    with pytest.raises(Tampered, match=LABEL):
        Vault.open(folder)


def test_a_folder_whose_disk_is_away(tmp_path: Path) -> None:
    for way in (Vault.open, lambda root: Vault.prepare(root, TEXT)):
        with pytest.raises(Exception, match="disk"):
            way(tmp_path / "mnt" / "backup")


def test_who_writes_is_alone_and_who_reads_is_not(folder: Path) -> None:
    with Vault.prepare(folder, TEXT) as one, Vault.open(folder) as other:
        with one.alone():
            for way in (other.alone, other.shared):
                with pytest.raises(HomeBusy), way():
                    pass
        with one.shared(), other.shared(), pytest.raises(HomeBusy), other.alone():
            pass
        with other.alone():
            pass


@pytest.mark.parametrize("what", ["objects", "generations", "objects/ab", "object", "manifest", "generation"])
def test_no_symbolic_link_is_followed(folder: Path, tmp_path: Path, what: str) -> None:
    name = "ab" * 16
    with Vault.prepare(folder, TEXT) as vault:
        generation = write(vault)
        vault.put_object(name, iter([b"sealed"]))
    path = {
        "object": folder / "objects" / "ab" / name,
        "manifest": folder / "generations" / generation / "manifest",
        "generation": folder / "generations" / generation,
    }.get(what, folder / what)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with Vault.open(folder) as vault, pytest.raises(Tampered, match=r"symbolic link|no folder"):
        vault.digest_object(name, 6)
        manifest.heading(vault, KEY, HOME, vault.generations()[0][0])


def test_a_pipe_in_the_place_of_an_object_does_not_block(folder: Path) -> None:
    import os

    name = "ab" * 16
    with Vault.prepare(folder, TEXT) as vault:
        vault.put_object(name, iter([b"sealed"]))
        path = folder / "objects" / "ab" / name
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(Tampered, match="no file"):
            vault.digest_object(name, 6)
