"""Appending to the record, in the transaction of whatever is recorded.

    log = Log(signer)
    def unit(tx):
        ...                                # rows of the thing itself
        return log.append(tx, entry, now)  # the entry's number

Units that are committed together share one tree head: the first append of a group reads it inside the
transaction, further ones extend it in memory, and one action before the commit writes rows, head and a newly
signed checkpoint. A rolled-back group takes its numbers with it, so the record has no gaps.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from leadglass.db.engine import Transaction
from leadglass.db.prepared import Prepared
from leadglass.errors import BrokenInvariant, Tampered, Violation
from leadglass.note import Signer
from leadglass.record.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from leadglass.record.entry import MIN_SALT, Entry, commitment_of, encode_body
from leadglass.record.merkle import EMPTY_ROOT, Frontier, leaf_hash
from leadglass.record.schema import log_entries, log_head, log_subjects

__all__ = ["Entry", "Head", "Log", "expire", "read_head"]

_PENDING: Final = "record"
_HEAD: Final = "record-head"

_READ_HEAD = Prepared(
    sa.select(log_head.c.size, log_head.c.frontier, log_head.c.root, log_head.c.checkpoint).where(
        log_head.c.id == 1
    )
)
_ANY_ENTRY = sa.select(log_entries.c.seq).limit(1)
_ADD_ENTRIES = Prepared(sa.insert(log_entries), log_entries.columns.keys())
_ADD_SUBJECTS = Prepared(sa.insert(log_subjects), log_subjects.columns.keys())
_ADD_HEAD = sa.insert(log_head)
_MOVE_HEAD = Prepared(
    sa.update(log_head)
    .where(log_head.c.id == 1, log_head.c.size == sa.bindparam("old_size"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("size", "frontier", "root", "checkpoint")})
)
_EXPIRE_ENTRIES = (
    sa.update(log_entries)
    .where(log_entries.c.seq < sa.bindparam("below"), log_entries.c.body.is_not(None))
    .values(salt=None, body=None)
)
_EXPIRE_SUBJECTS = sa.delete(log_subjects).where(log_subjects.c.seq < sa.bindparam("below"))


@dataclass(frozen=True, slots=True)
class Head:
    """The row of `log_head` as it is stored, not checked."""

    size: int = 0
    frontier: bytes = Frontier().encode()
    root: bytes = EMPTY_ROOT
    checkpoint: str = ""


def read_head(connection: sa.Connection) -> Head | None:
    """The head of the tree; None when nothing was ever recorded."""
    row = connection.execute(_READ_HEAD.statement).one_or_none()
    return None if row is None else _head(row)


def _head(row: Sequence[Any]) -> Head:
    # SQLite stores any type anywhere; what we did not write must be found wrong, not crash who looks for it.
    size, frontier, root, checkpoint = row
    return Head(
        size if isinstance(size, int) else 0,
        frontier if isinstance(frontier, bytes) else b"",
        root if isinstance(root, bytes) else b"",
        checkpoint if isinstance(checkpoint, str) else "",
    )


@dataclass(slots=True)
class _Pending:
    """What one group has appended so far."""

    stored: Head | None
    frontier: Frontier
    entries: list[dict[str, Any]] = field(default_factory=list)
    subjects: list[dict[str, Any]] = field(default_factory=list)


class Log:
    """The record of one home, open for appending. In checkpoints it is called `origin`, or as its key."""

    def __init__(self, signer: Signer, origin: str | None = None) -> None:
        self.origin = origin or signer.key.name
        self._signer = signer
        self._trusted: tuple[str, Checkpoint] | None = None  # the last one this object signed or verified
        self._written: tuple[Head, Frontier] | None = None  # the last that it wrote, committed or not

    def append(self, tx: Transaction, entry: Entry, now: int) -> int:
        """Record `entry` at `now` (ms, UTC) when `tx` commits, and return its number.

        LimitExceeded or Violation when the entry is too large or not Unicode; Tampered when the stored head
        is not the one we signed: nothing may be built, or shown, on top of a record somebody has touched.
        """
        pending = self._pending(tx)
        seq = pending.frontier.size
        body, salt = encode_body(seq, now, entry), os.urandom(MIN_SALT)
        row = {"seq": seq, "time": now, "opens": entry.opens, "salt": salt, "body": body}
        row["commitment"] = commitment = commitment_of(salt, body)
        pending.entries.append(row)
        pending.subjects += [{"seq": seq, "kind": kind, "value": value} for kind, value in entry.subjects()]
        pending.frontier = pending.frontier.append(leaf_hash(commitment))
        return seq

    def signed_head(self, connection: sa.Connection) -> Checkpoint:
        """The head as it is stored. Tampered unless we signed it and it says what is stored beside it."""
        stored = read_head(connection)
        if stored is None:
            return Checkpoint(self.origin, 0, EMPTY_ROOT)
        try:
            said = open_checkpoint(stored.checkpoint, self._signer.key, self.origin)
        except (Violation, Tampered) as error:
            raise Tampered(f"The head of the access record was altered. {error}", code=_HEAD) from error
        if (stored.size, stored.root) != (said.size, said.root):
            raise Tampered("The head of the access record contradicts itself.", code=_HEAD)
        return said

    def _pending(self, tx: Transaction) -> _Pending:
        pending = tx.state.get(_PENDING)
        if pending is None:
            rows = tx.fetch(_READ_HEAD, {})
            stored = _head(rows[0]) if rows else None
            pending = tx.state[_PENDING] = _Pending(stored, self._checked(tx, stored))
            tx.before_commit(_PENDING, self._flush)
        assert isinstance(pending, _Pending)
        return pending

    def _checked(self, tx: Transaction, stored: Head | None) -> Frontier:
        """The frontier to build on. Without this check our next signature would launder an altered head."""
        if stored is None:
            if tx.execute(_ANY_ENTRY).first() is not None:
                raise Tampered("The access record has entries but no head.", code=_HEAD)
            return Frontier()
        if self._written is not None and stored == self._written[0]:
            return self._written[1]
        try:
            frontier = Frontier.decode(stored.frontier)
            agreed = Checkpoint(self.origin, frontier.size, frontier.root())
            said = self._opened(stored.checkpoint, agreed)
        except (Violation, Tampered) as error:
            raise Tampered(f"The head of the access record was altered. {error}", code=_HEAD) from error
        if (stored.size, stored.root) != (agreed.size, agreed.root) or said != agreed:
            raise Tampered("The head of the access record contradicts itself.", code=_HEAD)
        return frontier

    def _opened(self, signed: str, expected: Checkpoint) -> Checkpoint:
        """What the head says, if we signed it. One made or checked last is known. One that another process
        signed is looked up by signing it again: Ed25519 gives the same bytes (RFC 8032 5.1.6), in a third
        of the time of a check."""
        if self._trusted is None or signed != self._trusted[0]:
            if signed == sign_checkpoint(expected, self._signer):
                self._trusted = (signed, expected)
            else:
                self._trusted = (signed, open_checkpoint(signed, self._signer.key, self.origin))
        return self._trusted[1]

    def _flush(self, tx: Transaction) -> None:
        pending = self._pending(tx)
        frontier, old = pending.frontier, pending.stored
        root = frontier.root()
        checkpoint = Checkpoint(self.origin, frontier.size, root)
        signed = sign_checkpoint(checkpoint, self._signer)
        tx.change(_ADD_ENTRIES, pending.entries)
        if pending.subjects:
            tx.change(_ADD_SUBJECTS, pending.subjects)
        head = Head(frontier.size, frontier.encode(), root, signed)
        columns = {name: getattr(head, name) for name in ("size", "frontier", "root", "checkpoint")}
        if old is None:
            tx.execute(_ADD_HEAD, {"id": 1, **columns})
        else:
            moved = tx.change(
                _MOVE_HEAD, {"old_size": old.size} | {f"new_{k}": v for k, v in columns.items()}
            )
            if moved != 1:
                raise BrokenInvariant("The head of the record moved inside our own transaction.")
        # Ours whether or not the commit succeeds: the signature makes it trusted, not its being stored.
        self._trusted = (signed, checkpoint)
        self._written = (head, frontier)


def expire(tx: Transaction, below: int) -> int:
    """Empty the bodies of all entries before number `below`, forget what they were about; returns how many.

    Commitments stay, so the tree does. Always from the oldest on: a hole among younger ones is no retention.
    """
    tx.execute(_EXPIRE_SUBJECTS, {"below": below})
    return tx.execute(_EXPIRE_ENTRIES, {"below": below}).rowcount
