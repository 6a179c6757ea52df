"""Results of Storage Commitment that an AE has not been told yet (PS3.4 Annex J): they outlive a restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction, metadata

commitments = sa.Table(
    "commitments",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("ae_id", sa.Integer, sa.ForeignKey("aes.id"), nullable=False),
    sa.Column("transaction_uid", sa.String(64), nullable=False),
    sa.Column("requested", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", sa.BigInteger, nullable=False, index=True),  # when it is to be reported next
    sa.UniqueConstraint("ae_id", "transaction_uid"),
)

commitment_items = sa.Table(
    "commitment_items",
    metadata,
    sa.Column("commitment_id", sa.Integer, sa.ForeignKey("commitments.id"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sop_class_uid", sa.String(64), nullable=False),
    sa.Column("sop_instance_uid", sa.String(64), nullable=False),
    sa.Column("failure", sa.Integer),  # Failure Reason (0008,1197), none where it is committed to
    sqlite_with_rowid=False,
)

_c, _i = commitments.c, commitment_items.c


@dataclass(frozen=True, slots=True)
class Item:
    """One SOP instance of a request. `failure` is None where it is committed to."""

    sop_class_uid: str
    sop_instance_uid: str
    failure: int | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A result that its AE is to be told."""

    id: int
    ae_id: int
    transaction_uid: str
    attempts: int  # on associations of our own, this one counted
    items: tuple[Item, ...]


def add(
    tx: Transaction, ae_id: int, transaction_uid: str, items: Sequence[Item], *, now: int, due: int
) -> Pending:
    """Keep a result until it is reported. The same transaction asked for again replaces what is there."""
    asked = {"ae": ae_id, "uid": transaction_uid}
    for number in tx.execute(_same, asked).scalars().all():
        remove(tx, number)
    row = {"ae_id": ae_id, "transaction_uid": transaction_uid, "requested": now, "attempts": 0, "due": due}
    added: int = tx.execute(_add, row).scalar_one()
    rows = [
        {
            "commitment_id": added,
            "place": place,
            "sop_class_uid": item.sop_class_uid,
            "sop_instance_uid": item.sop_instance_uid,
            "failure": item.failure,
        }
        for place, item in enumerate(items)
    ]
    tx.execute(_add_items, rows)
    return Pending(added, ae_id, transaction_uid, 0, tuple(items))


def claim(tx: Transaction, *, now: int, until: int, limit: int) -> list[Pending]:
    """Up to `limit` results that are due, for whoever asks first: they are due again at `until`."""
    rows = tx.execute(_due, {"now": now, "limit": limit}).all()
    if not rows:
        return []
    ids = [row.id for row in rows]
    tx.execute(_claim, {"ids": ids, "until": until})
    items = dict(_items_of(tx, ids))
    return [
        Pending(row.id, row.ae_id, row.transaction_uid, row.attempts + 1, items.get(row.id, ()))
        for row in rows
    ]


def postpone(tx: Transaction, number: int, due: int) -> None:
    tx.execute(_postpone, {"number": number, "next": due})


def remove(tx: Transaction, number: int) -> None:
    tx.execute(_remove_items, {"id": number})
    tx.execute(_remove, {"id": number})


def _items_of(tx: Transaction, ids: Sequence[int]) -> Iterator[tuple[int, tuple[Item, ...]]]:
    rows: Sequence[Any] = tx.execute(_items, {"ids": ids}).all()
    for number, group in groupby(rows, key=lambda row: int(row[0])):
        yield number, tuple(Item(*row[1:]) for row in group)


_add = sa.insert(commitments).returning(_c.id)
_add_items = sa.insert(commitment_items)
_same = sa.select(_c.id).where(_c.ae_id == bindparam("ae"), _c.transaction_uid == bindparam("uid"))
_due = (
    sa.select(_c.id, _c.ae_id, _c.transaction_uid, _c.attempts)
    .where(_c.due <= bindparam("now"))
    .order_by(_c.due, _c.id)
    .limit(bindparam("limit"))
)
_claim = (
    sa.update(commitments)
    .where(_c.id.in_(bindparam("ids", expanding=True)))
    .values(due=bindparam("until"), attempts=_c.attempts + 1)
)
_items = (
    sa.select(_i.commitment_id, _i.sop_class_uid, _i.sop_instance_uid, _i.failure)
    .where(_i.commitment_id.in_(bindparam("ids", expanding=True)))
    .order_by(_i.commitment_id, _i.place)
)
_postpone = sa.update(commitments).where(_c.id == bindparam("number")).values(due=bindparam("next"))
_remove_items = sa.delete(commitment_items).where(_i.commitment_id == bindparam("id"))
_remove = sa.delete(commitments).where(_c.id == bindparam("id"))
