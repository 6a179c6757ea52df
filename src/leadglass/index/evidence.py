"""Rows beside what their objects say: what the index holds of a study, and how it is put right.

A study's and a series' row hold what the first of their objects said. Others may differ in all but what
identifies them, so a value is wrong only when none of the objects says it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from leadglass.db.engine import Transaction
from leadglass.index import schema
from leadglass.index.counts import recount
from leadglass.index.facts import ObjectFacts
from leadglass.index.names import name_key, name_words
from leadglass.index.rows import Sealed

_studies, _series, _instances = schema.studies, schema.series, schema.instances

# Column: field of ObjectFacts.
STUDY: Final[Mapping[str, str]] = {
    "patient_name": "patient_name",
    "birth_date": "birth_date",
    "sex": "sex",
    "study_date": "study_date",
    "study_time": "study_time",
    "accession_number": "accession_number",
    "study_id": "study_id",
    "description": "study_description",
    "referring_physician": "referring_physician",
}
_IDENTITY: Final = frozenset({"patient_name", "birth_date", "sex"})
SERIES: Final[Mapping[str, str]] = {
    "modality": "modality",
    "number": "series_number",
    "description": "series_description",
    "body_part": "body_part",
    "laterality": "laterality",
    "series_date": "series_date",
    "series_time": "series_time",
    "performed_date": "performed_date",
    "performed_time": "performed_time",
}
INSTANCE: Final[Mapping[str, str]] = {
    "sop_class_uid": "sop_class_uid",
    "number": "instance_number",
    "rows": "rows",
    "columns": "columns",
    "bits_allocated": "bits_allocated",
    "frames": "frames",
}


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """What the index says of a study; `values` by column. `corrected`: people changed whose it is
    (leadglass.index.identity), so that its objects say otherwise."""

    id: int
    study_instance_uid: str
    patient_id: str
    issuer: str
    corrected: bool
    values: Mapping[str, Any]

    @property
    def columns(self) -> frozenset[str]:
        """Those that the objects have to say."""
        return frozenset(STUDY) - (_IDENTITY if self.corrected else frozenset())


@dataclass(frozen=True, slots=True)
class SeriesEntry:
    id: int
    series_instance_uid: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InstanceEntry:
    id: int
    series_id: int
    sop_instance_uid: str
    received: int
    values: Mapping[str, Any]
    sealed: Sealed


_study_page = (
    sa.select(_studies)
    .where(_studies.c.id > sa.bindparam("after"))
    .order_by(_studies.c.id)
    .limit(sa.bindparam("limit"))
)
_series_of = sa.select(_series).where(_series.c.study_id == sa.bindparam("study")).order_by(_series.c.id)
_objects_of = (
    sa.select(_instances)
    .where(
        _instances.c.series_id == sa.bindparam("series"),
        _instances.c.id > sa.bindparam("after"),
    )
    .order_by(_instances.c.id)
    .limit(sa.bindparam("limit"))
)


def studies(connection: sa.Connection, after: int, limit: int = 200) -> list[StudyEntry]:
    """The next studies by number behind `after`."""
    rows = connection.execute(_study_page, {"after": after, "limit": limit})
    return [
        StudyEntry(
            r.id,
            r.study_instance_uid,
            r.patient_id,
            r.issuer,
            r.corrected > 0,
            {name: getattr(r, name) for name in STUDY},
        )
        for r in rows
    ]


def series(connection: sa.Connection, study_id: int) -> list[SeriesEntry]:
    rows = connection.execute(_series_of, {"study": study_id}).mappings()
    return [SeriesEntry(r["id"], r["series_instance_uid"], {n: r[n] for n in SERIES}) for r in rows]


def objects(
    connection: sa.Connection, study_id: int, series_id: int, after: int = 0, limit: int = 500
) -> list[InstanceEntry]:
    """The next instances of a series by number behind `after`."""
    rows = connection.execute(_objects_of, {"series": series_id, "after": after, "limit": limit}).mappings()
    return [instance_entry(study_id, row) for row in rows]


def instance_entry(study_id: int, row: Mapping[str, Any] | sa.RowMapping) -> InstanceEntry:
    """Of a row of `instances` or of `lost`."""
    kept = ("blob", "wrapped_key", "size", "digest", "transfer_syntax_uid")
    sealed = Sealed(study_id, *(row[name] for name in kept))
    values = {name: row[name] for name in INSTANCE}
    return InstanceEntry(
        row["id"], row["series_id"], row["sop_instance_uid"], row["received"], values, sealed
    )


def differences(columns: Mapping[str, str], held: Mapping[str, Any], facts: ObjectFacts) -> frozenset[str]:
    """The columns whose value the object does not say."""
    return frozenset(name for name, fact in columns.items() if held[name] != getattr(facts, fact))


def correct_instance(tx: Transaction, instance_id: int, facts: ObjectFacts, columns: Sequence[str]) -> None:
    values = {name: getattr(facts, INSTANCE[name]) for name in columns}
    tx.execute(sa.update(_instances).where(_instances.c.id == instance_id).values(values))


def correct_series(tx: Transaction, series_id: int, facts: ObjectFacts, columns: Sequence[str]) -> None:
    values = {name: getattr(facts, SERIES[name]) for name in columns}
    tx.execute(sa.update(_series).where(_series.c.id == series_id).values(values))


def correct_study(tx: Transaction, study_id: int, facts: ObjectFacts, columns: Sequence[str]) -> None:
    """With what the row repeats of these values for searches. `recount` follows, for dates of modalities."""
    values = {name: getattr(facts, STUDY[name]) for name in columns}
    if "patient_name" in values:
        values["name_key"] = name_key(facts.patient_name)
        words = schema.study_words
        tx.execute(sa.delete(words).where(words.c.study_id == study_id))
        for word in sorted(name_words(facts.patient_name)):
            tx.execute(sa.insert(words), {"word": word, "study_id": study_id})
    if "referring_physician" in values:
        values["referring_key"] = name_key(facts.referring_physician)
    tx.execute(sa.update(_studies).where(_studies.c.id == study_id).values(values))
    recount(tx, study_id)


_first_of_study = (
    sa.select(sa.func.min(_instances.c.id))
    .join_from(_instances, _series, _instances.c.series_id == _series.c.id)
    .where(_series.c.study_id == sa.bindparam("study"))
)
_first_of_series = sa.select(sa.func.min(_instances.c.id)).where(
    _instances.c.series_id == sa.bindparam("series")
)


def follow(tx: Transaction, study_id: int, series_id: int, instance_id: int, facts: ObjectFacts) -> None:
    """An instance is another object now, which says this: rows that hold what it said follow it, if it is the
    first of its series or study."""
    if instance_id == tx.execute(_first_of_series, {"series": series_id}).scalar_one():
        [row] = [row for row in series(tx.connection, study_id) if row.id == series_id]
        if wrong := differences(SERIES, row.values, facts):
            correct_series(tx, series_id, facts, sorted(wrong))
    [study] = studies(tx.connection, study_id - 1, 1)
    if instance_id == tx.execute(_first_of_study, {"study": study_id}).scalar_one():
        wrong = differences(STUDY, study.values, facts) & study.columns
        if wrong:
            correct_study(tx, study_id, facts, sorted(wrong))
    recount(tx, study_id)
