"""Rows of patients, and the words that studies are found by: what every writer of an identity needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Transaction
from leadglass.db.numbers import retire
from leadglass.index import schema
from leadglass.index.names import name_words

MOST_AT_ONCE = 500  # parameters of one statement

_patients, _studies, _words = schema.patients, schema.studies, schema.study_words

_find = sa.select(_patients.c.id).where(
    _patients.c.patient_id == bindparam("patient_id"),
    _patients.c.issuer == bindparam("issuer"),
    _patients.c.anchor == bindparam("anchor"),
)
_insert_words = sa.insert(_words)
_forget_words = sa.delete(_words).where(_words.c.study_id.in_(bindparam("studies", expanding=True)))
_empty = sa.select(_patients.c.id).where(
    _patients.c.id.in_(bindparam("ids", expanding=True)),
    ~sa.exists().where(_studies.c.patient == _patients.c.id),
)
_forget = sa.delete(_patients).where(_patients.c.id.in_(bindparam("ids", expanding=True)))


def patient_of(tx: Transaction, patient_id: str, issuer: str, study_uid: str, now: int) -> int:
    """The row of a patient, made where it is not there. Without an ID he is known by his one study."""
    key: dict[str, Any] = {
        "patient_id": patient_id,
        "issuer": issuer,
        "anchor": "" if patient_id else study_uid,
    }
    found = tx.execute(_find, key).scalar_one_or_none()
    if found is not None:
        return int(found)
    made = tx.execute(sa.insert(_patients), {**key, "created": now}).inserted_primary_key
    return int(made[0])  # type: ignore[index]


def forget_empty(tx: Transaction, patients: Iterable[int]) -> None:
    """Of these patients those who have no study any more."""
    for some in in_parts(sorted(set(patients))):
        if empty := tx.execute(_empty, {"ids": some}).scalars().all():
            retire(tx, "patients", empty)
            tx.execute(_forget, {"ids": empty})


def add_words(tx: Transaction, name: str, studies: Iterable[int]) -> None:
    words = sorted(name_words(name))
    rows = [{"word": word, "study_id": study} for study in studies for word in words]
    if rows:
        tx.execute(_insert_words, rows)


def forget_words(tx: Transaction, studies: Sequence[int]) -> None:
    for some in in_parts(studies):
        tx.execute(_forget_words, {"studies": some})


def in_parts(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + MOST_AT_ONCE] for start in range(0, len(ids), MOST_AT_ONCE))
