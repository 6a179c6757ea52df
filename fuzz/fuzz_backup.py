"""Fuzz what restore believes of a back-up's folder: a home, lines of a manifest, or Tampered or HomeNewer.

The first byte of an input chooses: the label, which anybody with the folder can write; or a manifest's lines,
as if whoever holds the key had sealed them. Besides the contract on exceptions: a home's id can be a file's
name, numbers are numbers, a digest has its size, and an object's name leads nowhere else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import seeded

from leadglass.errors import HomeNewer, Tampered
from leadglass.home import Home, parse_home
from leadglass.store import manifest
from leadglass.store.manifest import Absent, End, File, Heading, Kept, Object
from leadglass.store.sealed import SealingWriter
from leadglass.store.shreds import Shred
from leadglass.store.vault import is_object
from leadglass.store.vault_files import Digested
from leadglass.store.vault_label import WHAT, home_text_of

KEY, HOME, GENERATION = bytes(range(32)), "0123456789abcdef", "000001-20260131T030000Z"
ROOT = Path("/nowhere")
TEXT = Home(ROOT, HOME, 1_800_000_000_000, bytes(32), bytes(40)).text
LABEL = json.dumps({"format": 1, "what": WHAT, "home": TEXT})
LINES: tuple[manifest.Line, ...] = (
    Heading(GENERATION, 1, "1.0", "0007", 3, "00" * 32, {"studies": (1, "ab")}),
    File("index.db", Digested(4096, bytes(32))),
    Kept("config.toml", b"\0\xff[http]\n"),
    Object("00" * 16, Digested(5, bytes(32))),
    Absent("ab" * 16, manifest.MISSING),
    Shred("cd" * 16, 7, 1_800_000_000_000),
    End(1, 5),
)
TOKENS = (
    b"null", b"true", b"-1", b"1e999", b"Infinity", b"NaN", b"[]", b"{}", b'""', b"9" * 400, b"[" * 1200,
    b'{"a":' * 600, b'"../x"', b'"\\u0000"', b'"\\ud800"', b"\n", b"\xff", b"\\n", b'\\"', b'\\"format\\": 2',
    b'{"object":', b'{"end":{"objects":1,"bytes":5}}\n', b'"sha256":"00"', b'"size":', b'"format":', b"1e999",
)  # fmt: skip


class Folder:
    """A vault with one manifest, in memory."""

    def __init__(self, plain: bytes) -> None:
        self._descriptor = os.memfd_create("manifest")
        about = manifest._about(HOME, GENERATION)
        seal = SealingWriter(lambda piece: os.write(self._descriptor, piece), KEY, about)
        seal.write(plain)
        seal.finish()

    @contextmanager
    def manifest(self, _: str) -> Iterator[int]:
        yield self._descriptor

    def close(self) -> None:
        os.close(self._descriptor)


def one_input(data: bytes) -> None:
    if not data:
        return
    if data[0] & 1:
        labelled(data[1:])
        return
    folder: Any = Folder(data[1:])
    try:
        listed(folder)
    finally:
        folder.close()


def labelled(body: bytes) -> None:
    try:
        home = parse_home(ROOT, home_text_of(body))
    except (Tampered, HomeNewer) as error:
        fit_to_be_shown(str(error))
        return
    assert home.id.isalnum() and home.id.isascii()
    assert parse_home(ROOT, home.text) == home


def fit_to_be_shown(sentence: str) -> None:
    assert sentence.isprintable()


def listed(folder: Any) -> None:
    try:
        found = list(manifest.lines(folder, KEY, HOME, GENERATION))
    except (Tampered, HomeNewer):
        found = []
    for line in found:
        sound(line)
    try:
        first, last = manifest.heading(folder, KEY, HOME, GENERATION)
    except (Tampered, HomeNewer):
        return
    sound(first)
    sound(last)
    assert not found or (first, last) == (found[0], found[-1])


def sound(line: manifest.Line) -> None:
    match line:
        case Object(name, done):
            assert is_object(name)
            sized(done)
        case File(name, done):
            assert isinstance(name, str)
            sized(done)
        case Shred(name, entry, at):
            assert isinstance(name, str)
            numbers(entry, at)
        case End(objects, size):
            numbers(objects, size)
        case Heading():
            numbers(line.format, line.created, line.record_size, *(rows for rows, _ in line.tables.values()))
            texts = (line.generation, line.program, line.revision, line.record_root)
            assert all(isinstance(each, str) for each in (*texts, *line.tables))
        case Kept(name, _) | Absent(name, _):
            assert isinstance(name, str)


def sized(done: Digested) -> None:
    numbers(done.size)
    assert len(done.sha256) == 32


def numbers(*given: object) -> None:
    assert all(type(each) is int and each >= 0 for each in given), given


def corpus() -> list[bytes]:
    """A label and a manifest that are right, and each line of it at every place."""
    lines = [orjson.dumps(manifest._encoded(line)) + b"\n" for line in LINES]
    whole = b"".join(lines)
    missing = [whole.replace(line, b"") for line in lines]
    doubled = [whole.replace(line, line * 2) for line in lines]
    return [b"\1" + LABEL.encode()] * 7 + [b"\0" + each for each in (whole, whole, *missing, *doubled)]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
