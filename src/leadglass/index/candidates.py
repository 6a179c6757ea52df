"""The few studies that a query can be about, when one of its conditions alone leaves only a few.

Without statistics a planner guesses, and guessed wrong by a factor of a hundred: it walked a whole
department by date to find one accession number. So each condition that has an index is asked how many
studies it leaves, up to a bound. The first that leaves few drives the search; otherwise the search walks the
index `ix_studies_list`, which holds all that a study list is searched by and is in the order of the list.

What counts is how many pages are read, not how many rows: after every commit, that is after every recorded
search, a connection reads and decrypts its pages anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa

from leadglass.dicom.values import fold
from leadglass.index import schema
from leadglass.index.matching import Query, Single, begins, condition, within

FEW: Final = 500
SEVERAL: Final = 5000  # bearers of one word whose ids are compared with those of the next

_study, _words, _modalities = schema.studies.c, schema.study_words.c, schema.study_modalities.c
_INDEXED: Final = (
    "StudyInstanceUID",
    "AccessionNumber",
    "PatientID",
    "StudyID",
    "PatientName",
    "PatientBirthDate",
)


def few(
    connection: sa.Connection, query: Query, *, everything: bool, departments: frozenset[int]
) -> list[int] | None:
    """The ids of FEW studies at most, among them all that match; None when no condition leaves so few."""
    if query.study_id is not None:
        return [query.study_id]
    for probe in (*_probes(query), *(sa.select(_study.id).where(c) for c in within(everything, departments))):
        found = connection.execute(probe.limit(FEW + 1)).scalars().all()
        if len(found) <= FEW:
            return sorted(set(found))
    return _with_all_words(connection, query.words) if len(query.words) > 1 else None


def _with_all_words(connection: sa.Connection, words: tuple[str, ...]) -> list[int] | None:
    """Two common words are seldom one person's: Anna and Roth are many, Anna Roth is not."""
    some = [
        set(connection.execute(_bearers(word)).scalars()) for word in words if _are_several(connection, word)
    ]
    both = set.intersection(*some) if some else set()
    return sorted(both) if some and len(both) <= FEW else None


def _are_several(connection: sa.Connection, word: str) -> bool:
    bearers = _bearers(word).limit(SEVERAL + 1).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(bearers)).scalar_one() <= SEVERAL


def _probes(query: Query) -> Iterator[sa.Select[Any]]:
    """What selects a superset of the answer by one index, the likely narrowest first."""
    asked = dict(query.match)
    for keyword in _INDEXED:
        if keyword in asked:
            yield sa.select(_study.id).where(condition(keyword, asked[keyword]))
    for word in query.words:
        yield _bearers(word)
    modality = asked.get("ModalitiesInStudy")
    if isinstance(modality, Single):
        yield sa.select(_modalities.study_id).where(_modalities.modality == modality.value)


def _bearers(word: str) -> sa.Select[Any]:
    return sa.select(_words.study_id).where(begins(_words.word, fold(word)))
