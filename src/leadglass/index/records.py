"""Row writes: an object gets its place among patients, studies, series and instances.

Everything runs inside the write transaction, where there is no second writer: look first, then
insert. What a group of objects shares (which study, which series, how many more instances) is
remembered in the transaction's state and dies with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction
from leadglass.db.prepared import Prepared
from leadglass.index import fitting, identity, persons, schema
from leadglass.index.facts import ObjectFacts
from leadglass.index.fitting import KnownSeries, KnownStudy, Misfit
from leadglass.index.identity import FIELDS, Identity
from leadglass.index.names import name_key
from leadglass.index.rows import Sealed


@dataclass(frozen=True, slots=True)
class Place:
    study_id: int
    series_id: int
    is_new_study: bool


@dataclass(slots=True)
class _Group:
    """What the units of one group commit know together."""

    studies: dict[str, KnownStudy] = field(default_factory=dict)
    series: dict[str, KnownSeries] = field(default_factory=dict)
    study_growth: Counter[int] = field(default_factory=Counter)
    series_growth: Counter[int] = field(default_factory=Counter)
    new_series: Counter[int] = field(default_factory=Counter)


MAX_SOP_CLASSES = 4096  # characters of all their UIDs together
_KEY: Hashable = "index.records"

_insert_instance = Prepared(
    sa.insert(schema.instances),
    [column.name for column in schema.instances.columns if column.name != "id"],
)
_insert_modality = sa.insert(schema.study_modalities)
_insert_requests = sa.insert(schema.series_requests)
_set_modalities = (
    sa.update(schema.studies)
    .where(schema.studies.c.id == bindparam("study"))
    .values(modalities=bindparam("joined"))
)
_set_sop_classes = (
    sa.update(schema.studies)
    .where(schema.studies.c.id == bindparam("study"))
    .values(sop_classes=bindparam("joined"))
)
_grow_study = Prepared(
    sa.update(schema.studies)
    .where(schema.studies.c.id == bindparam("study"))
    .values(
        instance_count=schema.studies.c.instance_count + bindparam("more"),
        series_count=schema.studies.c.series_count + bindparam("series"),
    )
)
_grow_series = Prepared(
    sa.update(schema.series)
    .where(schema.series.c.id == bindparam("series"))
    .values(instance_count=schema.series.c.instance_count + bindparam("more"))
)


def place(tx: Transaction, facts: ObjectFacts, department_id: int, now: int) -> Place | Misfit:
    """Find or make the object's patient, study and series; say what forbids it instead."""
    group = _group(tx)
    study, series = _study(tx, group, facts.study_instance_uid), _series(tx, group, facts.series_instance_uid)
    if (forbids := fitting.misfit(tx, study, series, facts, department_id)) is not None:
        return forbids
    is_new_study = study is None
    if study is not None and study.corrected and study.shows(facts):
        identity.note_joined(tx, study.id)
    if study is None:
        study = group.studies[facts.study_instance_uid] = _new_study(tx, facts, department_id, now)
    if series is None:
        series = group.series[facts.series_instance_uid] = _new_series(tx, facts, study.id)
        group.new_series[study.id] += 1
        _add_modality(tx, study, facts.modality)
    _add_sop_class(tx, study, facts.sop_class_uid)
    return Place(study.id, series.id, is_new_study)


def forget_studies(tx: Transaction) -> None:
    """To be called when a unit has changed what studies show: what the group remembers of them may be old."""
    _group(tx).studies.clear()


def add_instance(tx: Transaction, facts: ObjectFacts, series_id: int, sealed: Sealed, now: int) -> int:
    """Insert the instance row; its study and series grow when the group commits."""
    group = _group(tx)
    group.study_growth[sealed.study_id] += 1
    group.series_growth[series_id] += 1
    return tx.insert(
        _insert_instance,
        {
            "sop_instance_uid": facts.sop_instance_uid,
            "series_id": series_id,
            "sop_class_uid": facts.sop_class_uid,
            "number": facts.instance_number,
            "rows": facts.rows,
            "columns": facts.columns,
            "bits_allocated": facts.bits_allocated,
            "frames": facts.frames,
            "received": now,
            **object_values(sealed),
        },
    )


def forget(tx: Transaction, study_id: int) -> None:
    """The study is about to be changed or removed by other means: what the group knows of it counts no more.

    Its growth so far is written now.
    """
    if _KEY not in tx.state:
        return
    _flush(tx)
    group: _Group = tx.state[_KEY]
    group.studies = {uid: study for uid, study in group.studies.items() if study.id != study_id}
    group.series = {uid: of for uid, of in group.series.items() if of.study_id != study_id}


def _group(tx: Transaction) -> _Group:
    group = tx.state.get(_KEY)
    if group is None:
        group = tx.state[_KEY] = _Group()
        tx.before_commit(_KEY, _flush)
    return group


def _flush(tx: Transaction) -> None:
    group: _Group = tx.state[_KEY]
    studies = group.study_growth.keys() | group.new_series.keys()
    if studies:
        tx.change(
            _grow_study,
            [{"study": s, "more": group.study_growth[s], "series": group.new_series[s]} for s in studies],
        )
    if group.series_growth:
        tx.change(_grow_series, [{"series": s, "more": n} for s, n in group.series_growth.items()])
    for grown in (group.study_growth, group.series_growth, group.new_series):
        grown.clear()


def _study(tx: Transaction, group: _Group, uid: str) -> KnownStudy | None:
    known = group.studies.get(uid)
    if known is None and (known := fitting.find_study(tx, uid)) is not None:
        group.studies[uid] = known
    return known


def _series(tx: Transaction, group: _Group, uid: str) -> KnownSeries | None:
    known = group.series.get(uid)
    if known is None and (known := fitting.find_series(tx, uid)) is not None:
        group.series[uid] = known
    return known


def _new_study(tx: Transaction, facts: ObjectFacts, department_id: int, now: int) -> KnownStudy:
    came = Identity(*(getattr(facts, name) for name in FIELDS))
    merges, shown = identity.rules(tx, came, department_id)
    uid = facts.study_instance_uid
    values = {
        "study_instance_uid": uid,
        "patient": persons.patient_of(tx, shown.patient_id, shown.issuer, uid, now),
        "department_id": department_id,
        "patient_name": shown.patient_name,
        "name_key": name_key(shown.patient_name),
        "patient_id": shown.patient_id,
        "issuer": shown.issuer,
        "birth_date": shown.birth_date,
        "sex": shown.sex,
        "study_date": facts.study_date,
        "study_time": facts.study_time,
        "accession_number": facts.accession_number,
        "study_id": facts.study_id,
        "description": facts.study_description,
        "referring_physician": facts.referring_physician,
        "referring_key": name_key(facts.referring_physician),
        "sop_classes": facts.sop_class_uid,
        "received": now,
        "corrected": len(merges),
    }
    study_id = _inserted(tx, sa.insert(schema.studies), values)
    persons.add_words(tx, shown.patient_name, (study_id,))
    identity.note_came(tx, study_id, merges)
    return KnownStudy(
        study_id,
        shown.patient_id,
        shown.issuer,
        department_id,
        set(),
        facts.study_date,
        facts.study_time,
        {facts.sop_class_uid},
        len(merges),
    )


def _new_series(tx: Transaction, facts: ObjectFacts, study_id: int) -> KnownSeries:
    values = {
        "series_instance_uid": facts.series_instance_uid,
        "study_id": study_id,
        "modality": facts.modality,
        "number": facts.series_number,
        "description": facts.series_description,
        "body_part": facts.body_part,
        "laterality": facts.laterality,
        "series_date": facts.series_date,
        "series_time": facts.series_time,
        "performed_date": facts.performed_date,
        "performed_time": facts.performed_time,
    }
    series_id = _inserted(tx, sa.insert(schema.series), values)
    if facts.requests:
        names = ("position", "requested_procedure_id", "scheduled_step_id")
        items = (dict(zip(names, (at, *item), strict=True)) for at, item in enumerate(facts.requests))
        tx.execute(_insert_requests, [{"series_id": series_id, **item} for item in items])
    return KnownSeries(series_id, study_id)


def _add_modality(tx: Transaction, study: KnownStudy, modality: str) -> None:
    if not modality or modality in study.modalities:
        return
    study.modalities.add(modality)
    tx.execute(
        _insert_modality,
        {
            "modality": modality,
            "study_date": study.study_date,
            "study_time": study.study_time,
            "study_id": study.id,
        },
    )
    tx.execute(_set_modalities, {"study": study.id, "joined": "\\".join(sorted(study.modalities))})


def _add_sop_class(tx: Transaction, study: KnownStudy, sop_class_uid: str) -> None:
    """What the column cannot hold any more is not listed; no study has that many classes."""
    if sop_class_uid in study.sop_classes:
        return
    joined = "\\".join(sorted({*study.sop_classes, sop_class_uid}))
    if len(joined) <= MAX_SOP_CLASSES:
        study.sop_classes.add(sop_class_uid)
        tx.execute(_set_sop_classes, {"study": study.id, "joined": joined})


def object_values(sealed: Sealed) -> dict[str, Any]:
    """The columns that say where an object lies and what opens it."""
    return {
        "blob": sealed.blob,
        "wrapped_key": sealed.wrapped_key,
        "size": sealed.size,
        "digest": sealed.digest,
        "transfer_syntax_uid": sealed.transfer_syntax_uid,
    }


def _inserted(tx: Transaction, statement: sa.Insert, values: dict[str, Any]) -> int:
    return int(tx.execute(statement, values).inserted_primary_key[0])  # type: ignore[index]
