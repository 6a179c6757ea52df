"""What of a watched folder is dealt with: keyed hashes, for the names of files name patients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction, metadata

HASH: Final = 16  # bytes

watched_files = sa.Table(
    "watched_files",
    metadata,
    sa.Column("folder", sa.LargeBinary(HASH), primary_key=True),
    sa.Column("file", sa.LargeBinary(HASH), primary_key=True),
    sa.Column("mark", sa.LargeBinary(HASH), nullable=False),  # of its size and times
    sqlite_with_rowid=False,
)
_w = watched_files.c
_delete = sa.delete(watched_files).where(_w.folder == bindparam("of"), _w.file == bindparam("name"))


def known(connection: sa.Connection, folder: bytes) -> dict[bytes, bytes]:
    """The files of a folder and their marks."""
    rows = connection.execute(sa.select(_w.file, _w.mark).where(_w.folder == folder))
    return {bytes(row[0]): bytes(row[1]) for row in rows}


def note(tx: Transaction, folder: bytes, files: Mapping[bytes, bytes]) -> None:
    """These are dealt with, as they are now."""
    forget(tx, folder, files)
    rows = [{"folder": folder, "file": file, "mark": mark} for file, mark in files.items()]
    if rows:
        tx.execute(sa.insert(watched_files), rows)


def forget(tx: Transaction, folder: bytes, files: Iterable[bytes]) -> None:
    """These are not there any more."""
    rows = [{"of": folder, "name": file} for file in files]
    if rows:
        tx.execute(_delete, rows)
