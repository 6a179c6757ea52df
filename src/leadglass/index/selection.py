"""What a retrieval by unique keys is about (PS3.4 C.4.2.1.4, C.4.3.1.3): its studies, then their instances.

The instances are numbered once, in their order, and read by those numbers a page at a time: what arrives
meanwhile shifts nothing, and no transaction has to last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.index import schema
from leadglass.index.rows import Sealed, StudyRow

_studies, _series, _instances = schema.studies, schema.series, schema.instances
_STUDY = tuple(_studies.c[field.name] for field in fields(StudyRow))
_JOINED = _instances.join(_series, _instances.c.series_id == _series.c.id)


@dataclass(frozen=True, slots=True)
class Keys:
    """Unique keys of PATIENT, STUDY, SERIES and IMAGE level; what is empty is not asked for.

    All that are given must hold. An issuer alone selects nothing: it belongs to a Patient ID.
    """

    patient_id: str = ""
    issuer: str = ""
    study_uids: tuple[str, ...] = ()
    series_uids: tuple[str, ...] = ()
    instance_uids: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        return not (self.patient_id or self.study_uids or self.series_uids or self.instance_uids)


@dataclass(frozen=True, slots=True)
class Numbered:
    """An instance that is selected: its number, its study's, and what a peer must accept to get it."""

    id: int
    study_id: int
    sop_class_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Located:
    """An instance with its place in the store."""

    sop_class_uid: str
    sop_instance_uid: str
    sealed: Sealed


def studies(connection: sa.Connection, keys: Keys, *, limit: int) -> list[StudyRow]:
    """Up to `limit` studies that hold what is asked for, whoever's they are, in the order they came."""
    statement = sa.select(*_STUDY).where(*_study_conditions(keys)).order_by(_studies.c.id).limit(limit)
    if keys.series_uids or keys.instance_uids:
        holding = sa.select(_series.c.study_id).select_from(_JOINED if keys.instance_uids else _series)
        statement = statement.where(_studies.c.id.in_(holding.where(*_lower_conditions(keys))))
    return [_study_row(row) for row in connection.execute(statement)]


@dataclass(frozen=True, slots=True)
class Listed:
    """A study with no more than a list of all of them needs."""

    id: int
    uid: str
    instance_count: int


def by_patient(connection: sa.Connection, narrowed: Sequence[sa.ColumnElement[bool]]) -> Iterator[Listed]:
    """All studies that the policy leaves, a patient's together."""
    columns = _studies.c.id, _studies.c.study_instance_uid, _studies.c.instance_count
    rows = connection.execute(
        sa.select(*columns).where(*narrowed).order_by(_studies.c.patient_id, _studies.c.id)
    )
    return (Listed(*row) for row in rows)


def numbered(connection: sa.Connection, keys: Keys, study_ids: Sequence[int]) -> Iterator[Numbered]:
    """The instances in these studies that `keys` ask for: by study, series, and in their order."""
    rows = connection.execute(
        sa.select(
            _instances.c.id, _series.c.study_id, _instances.c.sop_class_uid, _instances.c.transfer_syntax_uid
        )
        .select_from(_JOINED)
        .where(_series.c.study_id.in_(study_ids), *_lower_conditions(keys))
        .order_by(
            _series.c.study_id, _instances.c.series_id, _instances.c.number.nulls_first(), _instances.c.id
        )
    )
    return (Numbered(*row) for row in rows)


def located(connection: sa.Connection, ids: Sequence[int]) -> list[Located]:
    """These instances in this order; one that is gone since is left out."""
    rows = {row[0]: row for row in connection.execute(_located, {"ids": ids})}
    return [Located(row[1], row[2], Sealed(*row[3:])) for number in ids if (row := rows.get(number))]


def held(connection: sa.Connection, uids: Sequence[str]) -> dict[str, tuple[str, StudyRow]]:
    """SOP Class UID and study of those of these SOP instances that are here, whoever's they are."""
    found = {row[0]: row[1:] for row in connection.execute(_held, {"uids": uids})}
    of = {row[1] for row in found.values()}
    rows = {row[0]: _study_row(row) for row in connection.execute(_by_id, {"ids": sorted(of)})} if of else {}
    return {uid: (sop_class, rows[study_id]) for uid, (sop_class, study_id) in found.items()}


_located = (
    sa.select(
        _instances.c.id,
        _instances.c.sop_class_uid,
        _instances.c.sop_instance_uid,
        _series.c.study_id,
        _instances.c.blob,
        _instances.c.wrapped_key,
        _instances.c.size,
        _instances.c.digest,
        _instances.c.transfer_syntax_uid,
    )
    .select_from(_JOINED)
    .where(_instances.c.id.in_(bindparam("ids", expanding=True)))
)
_held = (
    sa.select(_instances.c.sop_instance_uid, _instances.c.sop_class_uid, _series.c.study_id)
    .select_from(_JOINED)
    .where(_instances.c.sop_instance_uid.in_(bindparam("uids", expanding=True)))
)
_by_id = sa.select(*_STUDY).where(_studies.c.id.in_(bindparam("ids", expanding=True)))


def _study_conditions(keys: Keys) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if keys.patient_id:
        where.append(_studies.c.patient_id == keys.patient_id)
        if keys.issuer:
            where.append(_studies.c.issuer == keys.issuer)
    if keys.study_uids:
        where.append(_studies.c.study_instance_uid.in_(keys.study_uids))
    return where or ([] if keys.series_uids or keys.instance_uids else [sa.false()])


def _lower_conditions(keys: Keys) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if keys.series_uids:
        where.append(_series.c.series_instance_uid.in_(keys.series_uids))
    if keys.instance_uids:
        where.append(_instances.c.sop_instance_uid.in_(keys.instance_uids))
    return where


def _study_row(row: Sequence[Any]) -> StudyRow:
    values = dict(zip((column.name for column in _STUDY), row, strict=True))
    for name in ("modalities", "sop_classes"):
        values[name] = tuple(filter(None, values[name].split("\\")))
    return StudyRow(**values)
