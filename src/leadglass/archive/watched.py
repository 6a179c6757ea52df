"""Which files of a watched folder are dealt with, so that a restart does not read them all again.

Nobody can tell a file's name from what is kept of it: names carry patients' names, and an index on PostgreSQL
is not sealed by us.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Final

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.index import watched

_CHUNK: Final = 1000


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file does: bytes, and times of content and of everything else in ns."""

    size: int
    modified: int
    changed: int


class Watched:
    """`key`: 32 bytes of this home's, for nothing else."""

    def __init__(self, doorkeeper: Doorkeeper, key: bytes) -> None:
        self._doorkeeper = doorkeeper
        self._key = key

    def open(self, who: Principal, context: Context, folder: bytes, department_id: int) -> Seen:
        """What is known of a folder whose images belong to a department. Denied."""
        self._doorkeeper.require(who, Action.OBJECT_INGEST, context, department_id)
        return Seen(self._doorkeeper, self._key, self._hash(b"%d\0%b" % (department_id, folder)))

    def _hash(self, value: bytes) -> bytes:
        return blake2b(value, digest_size=watched.HASH, key=self._key).digest()


class Seen:
    """The files of one folder that are dealt with. Paths as the operating system has them."""

    def __init__(self, doorkeeper: Doorkeeper, key: bytes, folder: bytes) -> None:
        self._doorkeeper = doorkeeper
        self._new = blake2b(digest_size=watched.HASH, key=key)
        self._folder = folder
        with doorkeeper.db.read() as connection:
            self._known = watched.known(connection, folder)

    def has(self, path: bytes, stamp: Stamp) -> bool:
        return self._known.get(self._file(path)) == self._mark(stamp)

    def note(self, files: Mapping[bytes, Stamp]) -> None:
        """They were stored, or refused for good. Durable when it returns."""
        marks = {self._file(path): self._mark(stamp) for path, stamp in files.items()}
        self._doorkeeper.db.write(lambda tx: watched.note(tx, self._folder, marks)).result()
        self._known.update(marks)

    def keep_only(self, paths: Iterable[bytes]) -> None:
        """Forget all others: they are not there any more."""
        gone = list(self._known.keys() - {self._file(path) for path in paths})
        for start in range(0, len(gone), _CHUNK):
            some = gone[start : start + _CHUNK]
            self._doorkeeper.db.write(partial(watched.forget, folder=self._folder, files=some)).result()
        for file in gone:
            del self._known[file]

    def _file(self, path: bytes) -> bytes:
        return self._hash(b"file\0" + path)

    def _mark(self, stamp: Stamp) -> bytes:
        return self._hash(b"mark\0%d %d %d" % (stamp.size, stamp.modified, stamp.changed))

    def _hash(self, value: bytes) -> bytes:
        made = self._new.copy()
        made.update(value)
        return made.digest()
