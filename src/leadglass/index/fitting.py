"""What is here already under an object's UIDs, and whether the object may join it. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction
from leadglass.db.prepared import Prepared
from leadglass.index import identity, schema
from leadglass.index.facts import ObjectFacts


class Clash(StrEnum):
    """Why an object cannot join what is already kept. The last three are faults of its own."""

    OTHER_CONTENT = "other-content"
    OTHER_STUDY = "series-of-another-study"
    OTHER_PATIENT = "study-of-another-patient"
    OTHER_DEPARTMENT = "study-of-another-department"
    HANDED_OVER = "handed-over"  # another department was sent it; nothing here contradicted it then
    ILLEGAL_IDENTITY = "illegal-identity"
    OTHER_IDENTITY = "other-identity"  # not the object that was announced
    UNREADABLE = "unreadable"


FAULTS = frozenset({Clash.ILLEGAL_IDENTITY, Clash.OTHER_IDENTITY, Clash.UNREADABLE})


@dataclass(frozen=True, slots=True)
class Known:
    """An object the index already holds: the same bytes again are welcome, other bytes are not."""

    instance_id: int
    study_id: int
    department_id: int
    digest: bytes
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Misfit:
    clash: Clash
    study_id: int | None  # the study it is at odds with


@dataclass(slots=True)
class KnownStudy:
    id: int
    patient_id: str
    issuer: str
    department_id: int
    modalities: set[str]
    study_date: str
    study_time: str
    sop_classes: set[str]
    corrected: int = 0

    def shows(self, facts: ObjectFacts) -> bool:
        """Whether it is shown under the patient that the object names."""
        return (self.patient_id, self.issuer) == (facts.patient_id, facts.issuer)


class KnownSeries(NamedTuple):
    id: int
    study_id: int


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


def find(tx: Transaction, sop_instance_uid: str) -> Known | None:
    rows = tx.fetch(_find_instance, {"uid": sop_instance_uid})
    return Known(*rows[0]) if rows else None


def find_in(connection: sa.Connection, sop_instance_uid: str) -> Known | None:
    """The same outside of a transaction that writes."""
    row = connection.execute(_find_instance.statement, {"uid": sop_instance_uid}).first()
    return Known(*row) if row is not None else None


def find_study(tx: Transaction, study_instance_uid: str) -> KnownStudy | None:
    rows = tx.fetch(_find_study, {"uid": study_instance_uid})
    return _known_study(rows[0]) if rows else None


def find_series(tx: Transaction, series_instance_uid: str) -> KnownSeries | None:
    rows = tx.fetch(_find_series, {"uid": series_instance_uid})
    return KnownSeries(*rows[0]) if rows else None


def misfit_in(
    connection: sa.Connection | Transaction, facts: ObjectFacts, department_id: int
) -> Misfit | None:
    """What would forbid the object its place, as things stand."""
    study = connection.execute(_find_study.statement, {"uid": facts.study_instance_uid}).first()
    series = connection.execute(_find_series.statement, {"uid": facts.series_instance_uid}).first()
    return misfit(
        connection,
        _known_study(study) if study is not None else None,
        KnownSeries(*series) if series is not None else None,
        facts,
        department_id,
    )


def misfit(
    connection: sa.Connection | Transaction,
    study: KnownStudy | None,
    series: KnownSeries | None,
    facts: ObjectFacts,
    department_id: int,
) -> Misfit | None:
    """What forbids the object to join the study and the series that are here under its UIDs."""
    if study is not None:
        if not _is_of(connection, study, facts):
            return Misfit(Clash.OTHER_PATIENT, study.id)
        if study.department_id != department_id:
            return Misfit(Clash.OTHER_DEPARTMENT, study.id)
    if series is not None and (study is None or series.study_id != study.id):
        return Misfit(Clash.OTHER_STUDY, series.study_id)
    return None


def _is_of(connection: sa.Connection | Transaction, study: KnownStudy, facts: ObjectFacts) -> bool:
    """Whether an object is of the study's patient: as shown, or as shown before a correction."""
    if study.shows(facts):
        return True
    return bool(study.corrected) and identity.came_as(connection, study.id, facts.patient_id, facts.issuer)


def _known_study(row: Sequence[Any]) -> KnownStudy:
    study_id, patient_id, issuer, department_id, modalities, date, time, classes, corrected = row
    return KnownStudy(
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


def _apart(joined: str) -> set[str]:
    return set(filter(None, joined.split("\\")))
