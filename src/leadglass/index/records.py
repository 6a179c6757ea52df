"""Row writes: one object's place among patients, studies, series and instances.

Everything runs inside the write transaction, where there is no second writer: look first, then
insert. What a group of objects shares (which study, which series, how many more instances) is
remembered in the transaction's state and dies with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction
from leadglass.db.prepared import Prepared
from leadglass.index import identity, persons, schema
from leadglass.index.identity import FIELDS, Identity
from leadglass.index.names import name_key
from leadglass.index.rows import Sealed


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What an object's header says of it, decoded and bounded; empty text where it says nothing."""

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str = ""
    issuer: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    study_date: str = ""
    study_time: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_description: str = ""
    referring_physician: str = ""
    modality: str = ""
    series_number: int | None = None
    series_description: str = ""
    body_part: str = ""
    laterality: str = ""
    series_date: str = ""
    series_time: str = ""
    performed_date: str = ""  # when the performed procedure step began
    performed_time: str = ""
    requests: tuple[tuple[str, str], ...] = ()  # requested procedure, scheduled procedure step
    instance_number: int | None = None
    rows: int | None = None
    columns: int | None = None
    bits_allocated: int | None = None
    frames: int = 1


class Clash(StrEnum):
    """Why an object cannot join what is already kept. The last three are faults of its own."""

    OTHER_CONTENT = "other-content"
    OTHER_STUDY = "series-of-another-study"
    OTHER_PATIENT = "study-of-another-patient"
    OTHER_DEPARTMENT = "study-of-another-department"
    ILLEGAL_IDENTITY = "illegal-identity"
    OTHER_IDENTITY = "other-identity"  # not the object that was announced
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Known:
    """An object the index already holds: the same bytes again are welcome, other bytes are not."""

    instance_id: int
    study_id: int
    department_id: int
    digest: bytes
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Place:
    study_id: int
    series_id: int
    is_new_study: bool


@dataclass(frozen=True, slots=True)
class Misfit:
    clash: Clash
    study_id: int | None  # the study it is at odds with


@dataclass(slots=True)
class _Study:
    id: int
    patient_id: str
    issuer: str
    department_id: int
    modalities: set[str]
    study_date: str
    study_time: str
    sop_classes: set[str]
    corrected: int = 0


@dataclass(slots=True)
class _Group:
    """What the units of one group commit know together."""

    studies: dict[str, _Study] = field(default_factory=dict)
    series: dict[str, tuple[int, int]] = field(default_factory=dict)  # UID: (series, study)
    study_growth: Counter[int] = field(default_factory=Counter)
    series_growth: Counter[int] = field(default_factory=Counter)
    new_series: Counter[int] = field(default_factory=Counter)


MAX_SOP_CLASSES = 4096  # characters of all their UIDs together
_KEY: Hashable = "index.records"

_find_instance = Prepared(
    sa.select(
        schema.instances.c.id,
        schema.series.c.study_id,
        schema.studies.c.department_id,
        schema.instances.c.digest,
        schema.instances.c.transfer_syntax_uid,
    )
    .join_from(schema.instances, schema.series, schema.instances.c.series_id == schema.series.c.id)
    .join(schema.studies, schema.series.c.study_id == schema.studies.c.id)
    .where(schema.instances.c.sop_instance_uid == bindparam("uid"))
)
_find_study = Prepared(
    sa.select(
        schema.studies.c.id,
        schema.studies.c.patient_id,
        schema.studies.c.issuer,
        schema.studies.c.department_id,
        schema.studies.c.modalities,
        schema.studies.c.study_date,
        schema.studies.c.study_time,
        schema.studies.c.sop_classes,
        schema.studies.c.corrected,
    ).where(schema.studies.c.study_instance_uid == bindparam("uid"))
)
_find_series = Prepared(
    sa.select(schema.series.c.id, schema.series.c.study_id).where(
        schema.series.c.series_instance_uid == bindparam("uid")
    )
)
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


def find(tx: Transaction, sop_instance_uid: str) -> Known | None:
    rows = tx.fetch(_find_instance, {"uid": sop_instance_uid})
    return Known(*rows[0]) if rows else None


def find_in(connection: sa.Connection, sop_instance_uid: str) -> Known | None:
    """The same outside of a transaction that writes."""
    row = connection.execute(_find_instance.statement, {"uid": sop_instance_uid}).first()
    return Known(*row) if row is not None else None


def place(tx: Transaction, facts: ObjectFacts, department_id: int, now: int) -> Place | Misfit:
    """Find or make the object's patient, study and series; say what forbids it instead."""
    group = _group(tx)
    study, series = _study(tx, group, facts.study_instance_uid), _series(tx, group, facts.series_instance_uid)
    if (forbids := _misfit(tx, study, series, facts, department_id)) is not None:
        return forbids
    is_new_study = study is None
    if study is not None and study.corrected and _shows(study, facts):
        identity.note_joined(tx, study.id)
    if study is None:
        study = group.studies[facts.study_instance_uid] = _new_study(tx, facts, department_id, now)
    if series is None:
        series = group.series[facts.series_instance_uid] = _new_series(tx, facts, study.id)
        group.new_series[study.id] += 1
        _add_modality(tx, study, facts.modality)
    _add_sop_class(tx, study, facts.sop_class_uid)
    return Place(study.id, series[0], is_new_study)


def forget_studies(tx: Transaction) -> None:
    """To be called when a unit has changed what studies show: what the group remembers of them may be old."""
    _group(tx).studies.clear()


def _shows(study: _Study, facts: ObjectFacts) -> bool:
    return (study.patient_id, study.issuer) == (facts.patient_id, facts.issuer)


def misfit(connection: sa.Connection | Transaction, facts: ObjectFacts, department_id: int) -> Misfit | None:
    """What would forbid the object its place, as things stand."""
    studies = connection.execute(_find_study.statement, {"uid": facts.study_instance_uid}).all()
    series = connection.execute(_find_series.statement, {"uid": facts.series_instance_uid}).all()
    study = _known_study(studies[0]) if studies else None
    place = (series[0][0], series[0][1]) if series else None
    return _misfit(connection, study, place, facts, department_id)


def _misfit(
    tx: sa.Connection | Transaction,
    study: _Study | None,
    series: tuple[int, int] | None,
    facts: ObjectFacts,
    department_id: int,
) -> Misfit | None:
    if study is not None:
        if not _is_of(tx, study, facts):
            return Misfit(Clash.OTHER_PATIENT, study.id)
        if study.department_id != department_id:
            return Misfit(Clash.OTHER_DEPARTMENT, study.id)
    if series is not None and (study is None or series[1] != study.id):
        return Misfit(Clash.OTHER_STUDY, series[1])
    return None


def _is_of(tx: sa.Connection | Transaction, study: _Study, facts: ObjectFacts) -> bool:
    """Whether an object is of the study's patient: as shown, or as shown before a correction."""
    if _shows(study, facts):
        return True
    return bool(study.corrected) and identity.came_as(tx, study.id, facts.patient_id, facts.issuer)


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
    group.series = {uid: of for uid, of in group.series.items() if of[1] != study_id}


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


def _study(tx: Transaction, group: _Group, uid: str) -> _Study | None:
    known = group.studies.get(uid)
    if known is None and (rows := tx.fetch(_find_study, {"uid": uid})):
        known = group.studies[uid] = _known_study(rows[0])
    return known


def _known_study(row: Sequence[Any]) -> _Study:
    study_id, patient_id, issuer, department_id, modalities, date, time, classes, corrected = row
    return _Study(
        study_id,
        patient_id,
        issuer,
        department_id,
        _apart(modalities),
        date,
        time,
        _apart(classes),
        corrected,
    )


def _series(tx: Transaction, group: _Group, uid: str) -> tuple[int, int] | None:
    known = group.series.get(uid)
    if known is None and (rows := tx.fetch(_find_series, {"uid": uid})):
        series_id, study_id = rows[0]
        known = group.series[uid] = (series_id, study_id)
    return known


def _new_study(tx: Transaction, facts: ObjectFacts, department_id: int, now: int) -> _Study:
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
    return _Study(
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


def _new_series(tx: Transaction, facts: ObjectFacts, study_id: int) -> tuple[int, int]:
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
    return series_id, study_id


def _add_modality(tx: Transaction, study: _Study, modality: str) -> None:
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


def _add_sop_class(tx: Transaction, study: _Study, sop_class_uid: str) -> None:
    """What the column cannot hold any more is not listed; no study has that many classes."""
    if sop_class_uid in study.sop_classes:
        return
    joined = "\\".join(sorted({*study.sop_classes, sop_class_uid}))
    if len(joined) <= MAX_SOP_CLASSES:
        study.sop_classes.add(sop_class_uid)
        tx.execute(_set_sop_classes, {"study": study.id, "joined": joined})


def _apart(joined: str) -> set[str]:
    return set(filter(None, joined.split("\\")))


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
