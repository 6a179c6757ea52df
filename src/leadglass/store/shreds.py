"""The durable list of what was destroyed on purpose, so that no back-up brings it back.

A row is written in the transaction that deletes the object's row and keys, so it is there exactly when the
object is gone. It holds a random name, the number of the record's entry that says who did it and why, and the
time; no patient's value. Rows are never removed: a back-up may be older than anything.

Whoever restores an older back-up compares: every object in the restored index whose blob stands in the newest
list there is (the lost home's, or that of a later back-up) is deleted again, with its study's key when that
was the study's last object. `leadglass.archive.deletion.Deletion.replay` does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from leadglass.db.engine import Transaction
from leadglass.store.schema import shreds

_COLUMNS = (shreds.c.blob, shreds.c.entry, shreds.c.at)
_ALL = (
    sa.select(*_COLUMNS)
    .where(shreds.c.blob > sa.bindparam("after"))
    .order_by(shreds.c.blob)
    .limit(sa.bindparam("limit"))
)
_KNOWN = sa.select(shreds.c.blob).where(shreds.c.blob.in_(sa.bindparam("blobs", expanding=True)))
_INSERT = sa.insert(shreds)
_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Shred:
    """One destroyed object. `entry`: the number on the record of the deletion; `at`: ms, UTC."""

    blob: str
    entry: int
    at: int


def add(tx: Transaction, destroyed: Iterable[Shred]) -> None:
    """Put these on the list; one that stands there stays as it is."""
    batch = {one.blob: one for one in destroyed}
    names = list(batch)
    for at in range(0, len(names), _CHUNK):
        part = names[at : at + _CHUNK]
        there = known(tx, part)
        new = [batch[name] for name in part if name not in there]
        rows = [{"blob": one.blob, "entry": one.entry, "at": one.at} for one in new]
        if rows:
            tx.execute(_INSERT, rows)


def known(connection: sa.Connection | Transaction, blobs: Sequence[str]) -> set[str]:
    """Those of at most 1000 blobs that are on the list."""
    return set(connection.execute(_KNOWN, {"blobs": blobs}).scalars())


def page(connection: sa.Connection, after: str = "", limit: int = 1000) -> list[Shred]:
    """Up to `limit` of the list, in order of their names, behind the name `after`."""
    return [Shred(*row) for row in connection.execute(_ALL, {"after": after, "limit": limit})]


def entries(connection: sa.Connection) -> Iterator[int]:
    """The numbers of all the record's entries that the list names."""
    yield from connection.execute(sa.select(shreds.c.entry).distinct().order_by(shreds.c.entry)).scalars()
