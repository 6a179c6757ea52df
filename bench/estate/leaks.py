"""Is anything of a patient anywhere? Files, and what a register says, are searched for what is planted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from estate import markers
from estate.archive import ROOT
from leadglass.scan.register import Register

# A study's UID leads to its patient, too.
PLANTED: Final = (*(word.encode("ascii") for word in markers.WORDS), f"{ROOT}.".encode("ascii"))


def planted_in(data: bytes, words: Sequence[bytes] = PLANTED) -> list[bytes]:
    """In any case of letters, and in the two bytes a letter that some write."""
    lower, narrow = data.lower(), data.replace(b"\0", b"").lower()
    return [word for word in words if word.lower() in lower or word.lower() in narrow]


def leaks_in_files(folder: Path, words: Sequence[bytes] = PLANTED) -> list[str]:
    """Of every file below it, and of their names."""
    return list(_leaks(folder, words))


def _leaks(folder: Path, words: Sequence[bytes]) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        for word in planted_in(str(path.relative_to(folder)).encode() + b"\n" + content, words):
            yield f"{word.decode()} in {path.relative_to(folder)}"


def told_by(register: Register) -> bytes:
    """All that a register holds, unsealed: every row of every table."""
    from sqlalchemy import select

    from leadglass.scan import schema

    with register._db.read() as connection:
        rows = [
            tuple(map(str, row))
            for table in schema.metadata.sorted_tables
            for row in connection.execute(select(table))
        ]
    return json.dumps(rows).encode()
