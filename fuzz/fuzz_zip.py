"""Fuzz zips that `leadglass import` is given: sources to take in, or refusals, each with a sentence.

An input is the file. Besides the contract on exceptions: no more comes out of a zip than its members and a
sentence about the whole, no member gives more bytes than its limit, and nothing stays open.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import seeded

from leadglass.cli import sources
from leadglass.cli.sources import CHUNK, FREE_RATIO, Refused, Source, ZipLimits, find
from leadglass.errors import Violation

LIMITS = ZipLimits(members=8, ratio=10)
TOKENS = (
    b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08", b"\xff\xff\xff\xff", b"\xff\xff",
    b"\0\0\0\0", b"\1\0", b"\x08\0", b"\x0c\0", b"\x0e\0", b"\0\x08", b"\x41\0", b"../../x", b"/", b"\xff",
    b"DICOMDIR", b"\1\0\x18\0", b"\x75\x70", b"x" * 300, b"\0\0\0\0\xff\xff\xff\xff\0\0\0\0",
)  # fmt: skip


def one_input(data: bytes) -> None:
    descriptor, given, found = os.memfd_create("zip"), 0, None
    before = len(os.listdir("/proc/self/fd"))
    try:
        os.write(descriptor, data)
        for number, found in enumerate(find([Path(f"/proc/self/fd/{descriptor}")], LIMITS)):
            assert number <= LIMITS.members + 1, "more than its members"
            if isinstance(found, Refused):
                assert found.sentence and found.sentence.isprintable()
            else:
                given += taken(found)
        assert given <= max(sources.FREE_TOTAL, LIMITS.ratio * len(data)) + CHUNK
    finally:
        os.close(descriptor)
    del found  # it holds its member open
    assert len(os.listdir("/proc/self/fd")) == before - 1, "something stays open"


def taken(source: Source) -> int:
    size = 0
    stream = source.open()
    try:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            assert size <= max(FREE_RATIO, LIMITS.ratio * source.size) + CHUNK
    except (Violation, OSError):
        pass
    finally:
        stream.close()
    return size


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.comment = comment
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def corpus() -> list[bytes]:
    """Zips of every method, with folders, with a zip inside, with too much, with ZIP64, and none at all."""
    image = b"\0" * 128 + b"DICM" + bytes(range(256)) * 2
    several = [(f"a/IM{number}", image) for number in range(3)]
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    made = [zipped(*several, method=method) for method in methods]
    made += [
        zipped(("a/", b""), ("DICOMDIR", image), ("Ünï", image), comment=b"hello"),
        zipped(("inner.zip", made[0]), ("../../x", image)),
        zipped(*((f"{number}", b"") for number in range(12))),
        zipped(("bomb", bytes(1 << 20))),
        zipped(),
        image,
    ]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
        member.write(image)
    return [*made, out.getvalue(), b"before" + made[0]]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
