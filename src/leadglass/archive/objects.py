"""Stored objects by their rows: which key opens which blob."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Final

import sqlalchemy as sa

from leadglass.archive.beginning import Source
from leadglass.db.engine import Database, Transaction
from leadglass.db.prepared import Prepared
from leadglass.dicom.elements import Limits
from leadglass.dicom.part10 import Part10Parser, data_set_offset
from leadglass.errors import NotFound, Tampered
from leadglass.index import lookup
from leadglass.index.rows import NO_STUDY, Sealed
from leadglass.index.selection import Located, located
from leadglass.store.blobs import BlobReader, Blobs
from leadglass.store.keys import Keyring, new_key, unwrap_object_key, wrap_object_key
from leadglass.store.schema import study_keys

_FIND = Prepared(sa.select(study_keys.c.wrapped).where(study_keys.c.study_id == sa.bindparam("study")))
_FIND_ALL = sa.select(study_keys.c.study_id, study_keys.c.wrapped).where(
    study_keys.c.study_id.in_(sa.bindparam("studies", expanding=True))
)
_ADD = sa.insert(study_keys)
_REMOVE = sa.delete(study_keys).where(study_keys.c.study_id == sa.bindparam("study"))
_STATE = "archive.study_keys"
_PEEK: Final = 512  # bytes in which File Meta Information ends as a rule
_NO_KEY = "The key of a study is missing."


class StudyKeys:
    """One random key per study, wrapped by the home's. Deleting its row is the study's crypto-shred."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def of(self, connection: sa.Connection, study_id: int) -> bytes:
        """The study's key, for NO_STUDY the home's own. Tampered when the row is gone or not ours."""
        if study_id == NO_STUDY:
            return self._keyring.aside_wrapping_key
        return self.unwrap(connection.execute(_FIND.statement, {"study": study_id}).scalar_one_or_none())

    def of_all(self, connection: sa.Connection, study_ids: Iterable[int]) -> dict[int, bytes]:
        """The wrapped keys of those of these studies that have one."""
        rows = connection.execute(_FIND_ALL, {"studies": sorted(set(study_ids))})
        return {row[0]: row[1] for row in rows}

    def unwrap(self, wrapped: bytes | None) -> bytes:
        """The study's key. Tampered when there is none or it is not ours."""
        if wrapped is None:
            raise Tampered(_NO_KEY, code="study-key-missing")
        return self._keyring.unwrap_study_key(wrapped)

    def wrap(self, tx: Transaction, study_id: int, object_key: bytes) -> bytes:
        """The object's key under the key of its study, which a group looks up once."""
        keys = tx.state.setdefault(_STATE, {})
        if study_id not in keys:
            keys[study_id] = self._of(tx, study_id)
        return wrap_object_key(keys[study_id], object_key)

    def _of(self, tx: Transaction, study_id: int) -> bytes:
        if study_id == NO_STUDY:
            return self._keyring.aside_wrapping_key
        rows = tx.fetch(_FIND, {"study": study_id})
        return self.unwrap(rows[0][0] if rows else None)

    def create(self, tx: Transaction, study_id: int, now: int) -> None:
        key = new_key()
        tx.execute(_ADD, {"study_id": study_id, "wrapped": self._keyring.wrap_study_key(key), "created": now})
        tx.state.setdefault(_STATE, {})[study_id] = key

    def destroy(self, tx: Transaction, study_id: int) -> None:
        """The study's crypto-shred: when this is committed, nothing in the home opens its objects."""
        tx.execute(_REMOVE, {"study": study_id})
        tx.state.get(_STATE, {}).pop(study_id, None)


class Objects:
    """Opens stored objects. Whether somebody may see them has been decided before."""

    def __init__(self, db: Database, blobs: Blobs, keys: StudyKeys) -> None:
        self._db = db
        self._blobs = blobs
        self._keys = keys

    def open(self, instance_id: int) -> BlobReader:
        """The Part 10 file of an instance. Tampered when the blob, its key or its size are not as stored."""
        with self._db.read() as connection:
            sealed = lookup.sealed(connection, instance_id)
            if sealed is None:
                raise NotFound("There is no such image.")
            study_key = self._keys.of(connection, sealed.study_id)
        return self.open_sealed(sealed, study_key)

    def digest(self, instance_id: int) -> bytes:
        """SHA-256 over the data set of an instance as it was received."""
        with self._db.read() as connection:
            sealed = lookup.sealed(connection, instance_id)
        if sealed is None:
            raise NotFound("There is no such image.")
        return sealed.digest

    def page(self, ids: Sequence[int]) -> list[tuple[Located, Callable[[], BlobReader]]]:
        """These instances, each with what opens it: two questions for all of them.

        Opening raises Tampered as `open` does.
        """
        with self._db.read() as connection:
            found = located(connection, ids)
            keys = self._keys.of_all(connection, (one.sealed.study_id for one in found))
        return [(one, partial(self._open, one.sealed, keys.get(one.sealed.study_id))) for one in found]

    def _open(self, sealed: Sealed, wrapped: bytes | None) -> BlobReader:
        return self.open_sealed(sealed, self._keys.unwrap(wrapped))

    def open_sealed(self, sealed: Sealed, study_key: bytes) -> BlobReader:
        reader = self._blobs.open(sealed.blob, unwrap_object_key(study_key, sealed.wrapped_key))
        if reader.size != sealed.size:
            reader.close()
            raise Tampered("A stored object has another size than when it was received.")
        return reader


def source(reader: BlobReader, limits: Limits) -> Source:
    """A stored Part 10 file, of which it is known where its data set begins."""
    _, offset = _head(reader.chunks(), limits)
    return Source(reader.chunks, offset, reader.size)


def data_set(chunks: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    """The data set of a stored Part 10 file: everything behind its envelope."""
    head, offset = _head(chunks, limits)
    return chain((head[offset:],), chunks)


def _head(chunks: Iterator[bytes], limits: Limits) -> tuple[bytes, int]:
    """The beginning of a file, and where its data set begins."""
    head = next(chunks, b"")
    offset = data_set_offset(head)
    if offset is not None:
        return head, offset
    parser, at = Part10Parser(limits, frozenset()), 0
    while head[at:]:
        while parser.dataset_offset is None and at < len(head):
            parser.feed(head[at : at + _PEEK])
            at += _PEEK
        if parser.dataset_offset is not None:
            return head, parser.dataset_offset
        at, head = len(head), head + next(chunks, b"")
    raise Tampered("A stored object has no data set.")
