"""Fuzz the list that an interrupted export left in its folder: files to go on from, or a Conflict.

An input is the file as it lies there. Besides the contract on exceptions: what it names lies in the folder,
three levels deep; everything it has of a study is found by the study's number; and what a crash cut short is
gone, so that the next line begins where the last whole one ends.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import seeded

from leadglass.archive.export_folder import ExportFolder
from leadglass.archive.export_manifest import MANIFEST, Kept
from leadglass.dicom.elements import Limits
from leadglass.errors import Conflict

HOME = "0123456789abcdef"
HEAD = orjson.dumps({"leadglass": "export", "format": 1, "home": HOME}) + b"\n"
FILES = ("T0000001/S0000001/I0000001", "T0000001/S0000002/I0000002", "T000000Z/S000000Z/I000000Z")
LINES = tuple(orjson.dumps(Kept(name, "1.2.3", 5, "00" * 32, "11" * 32, True)) + b"\n" for name in FILES)
TOKENS = (
    b"\n", b"\r", b"null", b"[]", b"{}", b"true", b"-1", b"1e999", b'"../x"', b'"T0000001/../I0000001"', b"/",
    b"\0", b"\xff", b"\\u0000", b"[" * 1200, b"x" * 4100, LINES[0], HEAD, b'"uid":[]', b'"size":', b",",
    "T0000001/S000000１/I0000001".encode(),
)  # fmt: skip
MEMORY = "/dev/shm"


def one_input(data: bytes) -> None:
    """A folder for each: libFuzzer ends without clearing anything away."""
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix="leadglass-fuzz-", dir=where) as name:
        gone_on_with(Path(name), data)


def gone_on_with(root: Path, data: bytes) -> None:
    (root / MANIFEST).write_bytes(data)
    try:
        folder = ExportFolder(root, HOME, Limits())
    except Conflict:
        assert (root / MANIFEST).read_bytes() == data, "it was not ours, and was touched"
        return
    try:
        kept = (root / MANIFEST).read_bytes()
        assert kept.endswith(b"\n") and (data or HEAD).startswith(kept[: len(data)])
        found = [each for study in folder.studies for each in folder.of_study(study).values()]
        assert len(found) <= kept.count(b"\n") - 1
        for each in found:
            folder.holds(each)
            path = (root / each.file).relative_to(root)
            assert len(path.parts) == 3 and ".." not in path.parts
            assert all(isinstance(text, str) for text in (each.uid, each.sha256, each.data_set))
            assert type(each.size) is int and type(each.as_received) is bool
    finally:
        folder.close()
        assert os.listdir(root) == [MANIFEST]


def corpus() -> list[bytes]:
    """Lists of none, one and several files, cut short and not."""
    whole = HEAD + b"".join(LINES)
    return [b"", HEAD, HEAD + LINES[0], whole, whole + LINES[0], whole[:-20], HEAD[:10], whole * 2]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
