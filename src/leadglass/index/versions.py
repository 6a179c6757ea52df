"""Rows of versions: other bytes of an instance than those that are shown, and how the two change places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction
from leadglass.db.numbers import retire
from leadglass.index import schema
from leadglass.index.building import STUDY, study_row
from leadglass.index.matching import within
from leadglass.index.records import object_values
from leadglass.index.rows import ImageFacts, Sealed, VersionRow

_versions, _instances, _series, _studies = schema.versions, schema.instances, schema.series, schema.studies


class Kind(StrEnum):
    REPLACED = "replaced"  # another took its place
    RECEIVED = "received"  # what the instance was made of: it came under UIDs that it could not have


_FACTS: Final = tuple(field.name for field in fields(ImageFacts))
_SEALED: Final = ("blob", "wrapped_key", "size", "digest", "transfer_syntax_uid")
_WHOLE: Final = _versions.join(_series, _versions.c.series_id == _series.c.id).join(
    _studies, _series.c.study_id == _studies.c.id
)
_HEAD: Final = (
    _versions.c.id,
    _versions.c.kind,
    _versions.c.made,
    _versions.c.instance_uid,
    _versions.c.source,
    *(_versions.c[name] for name in _FACTS),
    _versions.c.size,
)
_page = sa.select(*_HEAD, *STUDY).select_from(_WHOLE)
_one = _page.where(_versions.c.id == bindparam("id"))
_sealed_of = (
    sa.select(_series.c.study_id, *(_versions.c[name] for name in _SEALED))
    .select_from(_WHOLE)
    .where(_versions.c.id == bindparam("id"))
)
_current = (
    sa.select(
        _series.c.id,
        *(_instances.c[name] for name in _FACTS),
        _series.c.study_id,
        *(_instances.c[name] for name in _SEALED),
    )
    .join_from(_instances, _series, _instances.c.series_id == _series.c.id)
    .where(_instances.c.id == bindparam("id"))
)
_received = (
    sa.select(_instances.c.id)
    .select_from(_WHOLE.join(_instances, _instances.c.sop_instance_uid == _versions.c.instance_uid))
    .where(
        _versions.c.sop_instance_uid == bindparam("uid"),
        _versions.c.digest == bindparam("digest"),
        _versions.c.kind == Kind.RECEIVED.value,
        _studies.c.department_id == bindparam("department"),
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Shown:
    """An object as it is, or was, an instance: where, what the index says of it, and what opens it by the key
    of its study. `uid` is the instance's, whatever the object says."""

    series_id: int
    uid: str
    facts: ImageFacts
    sealed: Sealed


def add(tx: Transaction, kind: Kind, shown: Shown, *, source: str, now: int) -> None:
    """It is a version from now on."""
    values = {"series_id": shown.series_id, "instance_uid": shown.uid, "kind": kind.value, "made": now}
    values |= {"source": source, **asdict(shown.facts), **object_values(shown.sealed)}
    tx.execute(sa.insert(_versions), values)


def current(connection: sa.Connection | Transaction, instance_id: int) -> Shown | None:
    """What the instance shows now."""
    row = connection.execute(_current, {"id": instance_id}).first()
    if row is None:
        return None
    series_id, facts, sealed = row[0], ImageFacts(*row[1 : 1 + len(_FACTS)]), row[1 + len(_FACTS) :]
    return Shown(series_id, facts.sop_instance_uid, facts, Sealed(*sealed))


def show(tx: Transaction, instance_id: int, facts: ImageFacts, sealed: Sealed) -> None:
    """From now on the instance is this object. Its SOP Instance UID stays."""
    values = {**asdict(facts), **object_values(sealed)}
    del values["sop_instance_uid"]
    tx.execute(sa.update(_instances).where(_instances.c.id == instance_id).values(values))


def find(connection: sa.Connection | Transaction, version_id: int) -> tuple[VersionRow, Sealed] | None:
    row = connection.execute(_one, {"id": version_id}).first()
    sealed = connection.execute(_sealed_of, {"id": version_id}).first()
    return (_row(row), Sealed(*sealed)) if row is not None and sealed is not None else None


def remove(tx: Transaction, version_id: int) -> None:
    """Its row; its blob has another row by then."""
    retire(tx, _versions.name, [version_id])
    tx.execute(sa.delete(_versions).where(_versions.c.id == version_id))


def received_as(
    connection: sa.Connection | Transaction, uid: str, digest: bytes, department_id: int
) -> int | None:
    """The instance of this department that was made of these very bytes."""
    found = connection.execute(_received, {"uid": uid, "digest": digest, "department": department_id}).first()
    return int(found[0]) if found is not None else None


def page(
    connection: sa.Connection, *, everything: bool, departments: frozenset[int], limit: int, offset: int
) -> tuple[list[VersionRow], bool]:
    """Newest first, of these departments, and whether there are more."""
    if not everything and not departments:
        return [], False
    statement = _page.where(*within(everything, departments)).order_by(_versions.c.id.desc())
    rows = connection.execute(statement.limit(limit + 1).offset(offset)).all()
    return [_row(row) for row in rows[:limit]], len(rows) > limit


def _row(row: Sequence[Any]) -> VersionRow:
    facts, (size, *study) = row[5 : 5 + len(_FACTS)], row[5 + len(_FACTS) :]
    return VersionRow(ImageFacts(*facts), study_row(study), size, *row[:5])
