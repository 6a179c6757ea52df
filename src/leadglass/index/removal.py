"""Row removals: everything the index holds of a study, a series or one instance, in one transaction.

What is found first (`found`) is what `remove` takes away. Keys and blobs are the caller's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from leadglass.db.engine import Transaction
from leadglass.db.numbers import retire
from leadglass.index import identity, persons, records, schema
from leadglass.index.counts import recount
from leadglass.index.fitting import Clash
from leadglass.index.upkeep_schema import damage, lost

_CHUNK: Final = 500
_studies, _series, _instances, _aside = schema.studies, schema.series, schema.instances, schema.kept_aside


@dataclass(frozen=True, slots=True)
class Doomed:
    """What is to go. `blobs` are of its instances and their versions, of what was lost of it, and of what is
    kept aside with it;
    `freed` are the numbers of objects kept aside that contradict it and stay, on their own from then on."""

    study_id: int
    series: tuple[int, ...]
    instances: tuple[int, ...]
    versions: tuple[int, ...]
    asides: tuple[int, ...]
    freed: tuple[int, ...]
    blobs: tuple[str, ...]
    bytes: int
    whole: bool  # the study itself goes, with its key


def found(
    tx: sa.Connection | Transaction,
    study_id: int,
    *,
    series_uid: str | None = None,
    instance_uid: str | None = None,
    blobs: Container[str] | None = None,
) -> Doomed | None:
    """What is to be removed of a study: all of it, one series, one instance, or what lies in these `blobs`.
    None when it is not there. The last series or instance takes its study along.
    """
    everything = _objects(tx, study_id)
    series = tx.execute(_series_of(study_id)).all()
    wanted = {s.id for s in series if series_uid in (None, s.series_instance_uid)}
    rows = [
        row
        for row in everything
        if row.series_id in wanted
        and instance_uid in (None, row.sop_instance_uid)
        and (blobs is None or row.blob in blobs)
    ]
    by_object = instance_uid is not None or blobs is not None
    if not wanted or (by_object and not rows):
        return None
    left = Counter(row.series_id for row in everything) - Counter(row.series_id for row in rows)
    emptied = {s for s in wanted if not left[s]} if by_object else wanted
    whole = len(emptied) == len(series)
    goes, freed = _asides(tx, study_id, {row.sop_instance_uid for row in rows}, whole=whole)
    versions = _versions_of(tx, sorted(wanted), emptied, {row.sop_instance_uid for row in rows})
    taken = [*rows, *goes, *versions]
    return Doomed(
        study_id,
        tuple(sorted(emptied)),
        tuple(row.id for row in rows if not row.is_lost),
        tuple(row.id for row in versions),
        tuple(each.id for each in goes),
        tuple(each.id for each in freed) if whole else (),
        tuple(each.blob for each in taken),
        sum(each.size for each in taken),
        whole,
    )


def remove(tx: Transaction, doomed: Doomed) -> None:
    """Take the rows away. The study's key goes before, by whoever holds it."""
    records.forget(tx, doomed.study_id)
    _delete(tx, _aside, doomed.asides)
    for ids in _chunks(doomed.freed):
        tx.execute(sa.update(_aside).where(_aside.c.id.in_(ids)).values(study_id=None))
    for blobs in _chunks(doomed.blobs):
        tx.execute(sa.delete(lost).where(lost.c.blob.in_(blobs)))
        tx.execute(sa.delete(damage).where(damage.c.blob.in_(blobs)))
    _delete(tx, schema.versions, doomed.versions)
    _delete(tx, _instances, doomed.instances)
    for ids in _chunks(doomed.series):
        tx.execute(sa.delete(schema.series_requests).where(schema.series_requests.c.series_id.in_(ids)))
    _delete(tx, _series, doomed.series)
    if doomed.whole:
        _remove_study(tx, doomed.study_id)
    else:
        recount(tx, doomed.study_id)


def studies_of(tx: sa.Connection | Transaction, blobs: Sequence[str]) -> set[int]:
    """The studies of the instances, lost ones too, that lie in these blobs."""
    studies: set[int] = set()
    for chunk in _chunks(blobs):
        for table in (_instances, lost):
            of = sa.select(_series.c.study_id).join_from(table, _series, table.c.series_id == _series.c.id)
            studies |= set(tx.execute(of.where(table.c.blob.in_(chunk))).scalars())
    return studies


def remove_asides(tx: Transaction, blobs: Sequence[str]) -> int:
    """The rows of what is kept aside in these blobs; how many they were."""
    ids: list[int] = []
    for chunk in _chunks(blobs):
        ids += tx.execute(sa.select(_aside.c.id).where(_aside.c.blob.in_(chunk))).scalars()
    _delete(tx, _aside, ids)
    return len(ids)


def _remove_study(tx: Transaction, study_id: int) -> None:
    patient = tx.execute(sa.select(_studies.c.patient).where(_studies.c.id == study_id)).scalar_one()
    for table in (schema.study_words, schema.study_modalities):
        tx.execute(sa.delete(table).where(table.c.study_id == study_id))
    identity.forget_study(tx, study_id)
    _delete(tx, _studies, (study_id,))
    persons.forget_empty(tx, (patient,))


def _objects(tx: sa.Connection | Transaction, study_id: int) -> Sequence[Any]:
    def of(table: sa.Table, is_lost: int) -> sa.Select[Any]:
        columns = (table.c[name] for name in ("id", "series_id", "sop_instance_uid", "blob", "size"))
        return (
            sa.select(*columns, sa.literal(is_lost, sa.Integer).label("is_lost"))
            .join_from(table, _series, table.c.series_id == _series.c.id)
            .where(_series.c.study_id == study_id)
        )

    return tx.execute(sa.union_all(of(_instances, 0), of(lost, 1))).all()


def _series_of(study_id: int) -> sa.Select[Any]:
    return sa.select(_series.c.id, _series.c.series_instance_uid).where(_series.c.study_id == study_id)


def _asides(
    tx: sa.Connection | Transaction, study_id: int, uids: set[str], *, whole: bool
) -> tuple[list[Any], list[Any]]:
    """Of what is kept aside because it contradicts the study: what goes with these objects, what stays.

    What is under the study's own key goes with it. Other content of an object that goes is the same
    patient's, in all likelihood, and goes too; anything else may be another's, and a person decides on it.
    """
    department_id = sa.select(_studies.c.department_id).where(_studies.c.id == study_id).scalar_subquery()
    rows = tx.execute(
        sa.select(_aside, (_aside.c.department_id == department_id).label("is_own")).where(
            _aside.c.study_id == study_id
        )
    ).all()
    goes = [
        row
        for row in rows
        if (whole and not row.own_key)
        or (row.is_own and row.reason == Clash.OTHER_CONTENT.value and row.sop_instance_uid in uids)
    ]
    return goes, [row for row in rows if row not in goes]


def _versions_of(
    tx: sa.Connection | Transaction, series: Sequence[int], emptied: Container[int], uids: Container[str]
) -> list[Any]:
    """Other bytes of the instances with these UIDs, and of whatever was in a series that is emptied."""
    versions = schema.versions
    asked = sa.select(*(versions.c[name] for name in ("id", "series_id", "instance_uid", "blob", "size")))
    rows: list[Any] = []
    for chunk in _chunks(series):
        rows += tx.execute(asked.where(versions.c.series_id.in_(chunk))).all()
    return [row for row in rows if row.series_id in emptied or row.instance_uid in uids]


def _delete(tx: Transaction, table: sa.Table, ids: Sequence[int]) -> None:
    retire(tx, table.name, ids)
    for chunk in _chunks(ids):
        tx.execute(sa.delete(table).where(table.c.id.in_(chunk)))


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(items), _CHUNK):
        yield items[at : at + _CHUNK]
