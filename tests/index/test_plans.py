"""What SQLite does for each kind of search: the narrow index, or one walk over the index of the list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.archive.queries import portal_query, query_from_pairs
from leadglass.index import candidates, lookup, schema
from leadglass.index.query import Level, Query

ONE, THREE = frozenset({1}), frozenset({1, 2, 3})


class Plans:
    """Runs a query and keeps how SQLite went about each of its statements."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def of(self, query: Query, departments: frozenset[int]) -> list[list[str]]:
        with self._statements() as statements:
            lookup.page(self.connection, query, everything=False, departments=departments)
        return [
            [row[3] for row in self.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)]
            for text, parameters in statements
        ]

    @contextmanager
    def _statements(self) -> Iterator[list[tuple[str, Any]]]:
        seen: list[tuple[str, Any]] = []

        def note(_connection: object, _cursor: object, text: str, parameters: Any, *_: object) -> None:
            seen.append((text, parameters))

        sa.event.listen(self.connection, "before_cursor_execute", note)
        yield seen
        sa.event.remove(self.connection, "before_cursor_execute", note)


@pytest.fixture
def plans(sqlcipher: Any, facts: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Plans]:
    monkeypatch.setattr(candidates, "FEW", 5)
    with sqlcipher.fresh() as shelf:
        for number in range(40):
            made = facts(
                1,
                study_instance_uid=f"1.7.{number}",
                patient_id=f"P-{number}",
                patient_name=f"ROTH^ANNA{number}",
                accession_number=f"A{number}",
                modality="ES" if number == 7 else "CT",
                study_date=f"2026{number % 12 + 1:02}01",
                birth_date=f"197001{number + 1:02}",
                study_id=str(number),
            )
            shelf.add(made, department=number % 3 + 1)
        shelf.seal()
        yield Plans(shelf.connection)


def indexes_of(plan: list[str]) -> set[str]:
    return {
        word
        for step in plan
        for word in step.split()
        if word.startswith(("ix_", "sqlite_autoindex", "PRIMARY"))
    }


NARROW = {
    "patient ID": (portal_query(patient_id="P-7"), {"ix_studies_patient_id"}),
    "patient ID by its beginning": (portal_query(patient_id="P-39*"), {"ix_studies_patient_id"}),
    "accession number": (portal_query(accession="A7"), {"ix_studies_accession_number"}),
    "modality": (portal_query(modality="ES"), {"PRIMARY"}),
    "word": (portal_query(name="anna7"), {"PRIMARY"}),
    "name": (query_from_pairs(Level.STUDY, [("PatientName", "ROTH^ANNA7")])[0], {"ix_studies_name_key"}),
    "birth date": (
        query_from_pairs(Level.STUDY, [("PatientBirthDate", "19700108")])[0],
        {"ix_studies_birth_date"},
    ),
    "study ID": (query_from_pairs(Level.STUDY, [("StudyID", "7")])[0], {"ix_studies_study_id"}),
    "study UID": (query_from_pairs(Level.STUDY, [("StudyInstanceUID", "1.7.7")])[0], None),
}


@pytest.mark.parametrize("departments", [ONE, THREE], ids=["1 department", "3 departments"])
@pytest.mark.parametrize("kind", NARROW)
def test_a_condition_that_leaves_few_is_asked_of_its_own_index(
    plans: Plans, kind: str, departments: frozenset[int]
) -> None:
    query, wanted = NARROW[kind]
    probe, *rest = plans.of(query, departments)
    assert all(step.startswith(("SEARCH", "MULTI-INDEX", "INDEX ")) for step in probe), probe
    assert wanted is None or indexes_of(probe) == wanted
    for plan in rest:
        # only a word looks itself up per study that is left
        assert plan[0].startswith(
            ("SEARCH studies USING INTEGER PRIMARY KEY", "SEARCH studies USING INDEX")
        ), plan
        assert not any(step.startswith("SCAN studies") for step in plan)


def test_part_of_a_name_is_looked_for_in_the_index_of_names(plans: Plans) -> None:
    probe, *_ = plans.of(portal_query(name="*nna7*"), ONE)
    assert probe == ["SCAN studies USING COVERING INDEX ix_studies_name_key"]


RECENT = {
    "everything of three departments": portal_query(),
    "a common modality": portal_query(modality="CT"),
    "a year": portal_query(date_from="2026-01-01", date_to="2026-12-31"),
    "a deep page": portal_query(offset=30),
    "a page by its place": replace(portal_query(), after=("20260601", "", 20)),
    "moments": replace(
        query_from_pairs(Level.STUDY, [("StudyDate", "20260101-20261231"), ("StudyTime", "00-23")])[0],
        moments=("StudyDate",),
    ),
}
WALKS = {
    "a common word": portal_query(name="anna"),
    "two common words": portal_query(name="anna roth"),
    "a common part": portal_query(name="*nn*"),
    "a common beginning": portal_query(patient_id="P*"),
    "common ones together": portal_query(
        name="*n*", patient_id="P*", accession="A*", modality="CT", date_from="2026-02-01"
    ),
    "a description": query_from_pairs(Level.STUDY, [("StudyDescription", "*x*")])[0],
}


@pytest.mark.parametrize("kind", [*RECENT, *WALKS])
def test_all_else_is_one_walk_that_reads_no_row_of_the_table(plans: Plans, kind: str) -> None:
    index = "ix_studies_recent" if kind in RECENT else "ix_studies_list"
    found = plans.of((RECENT | WALKS)[kind], THREE)
    [walk] = [plan for plan in found if index in plan[0]]
    assert (
        walk[0].split(" (")[0].removeprefix("SCAN").removeprefix("SEARCH")
        == f" studies USING COVERING INDEX {index}"
    )
    assert not any("TEMP B-TREE" in step for step in walk), "the index is in the order of the list"
    assert all("ix_study_words_study_id" in step for step in walk[1:] if "study_words" in step)


def test_a_page_by_its_place_begins_there(plans: Plans) -> None:
    found = plans.of(replace(portal_query(), after=("20260601", "", 20)), THREE)
    assert any("(study_date,study_time)<(?,?)" in plan[0] for plan in found), found
    found = plans.of(replace(portal_query(), after=("20260601", "", 20)), ONE)
    assert any("department_id=? AND (study_date,study_time)<(?,?)" in plan[0] for plan in found), found


PATIENTS = {
    "all": Query(Level.PATIENT),
    "by their place": Query(Level.PATIENT, after=("20260601", "", 20)),
    "a common name": query_from_pairs(Level.PATIENT, [("PatientName", "ROTH*")])[0],
}


@pytest.mark.parametrize("departments", [ONE, THREE], ids=["1 department", "3 departments"])
@pytest.mark.parametrize("kind", PATIENTS)
def test_patients_are_one_walk_with_a_look_at_the_other_studies_of_each(
    plans: Plans, kind: str, departments: frozenset[int]
) -> None:
    *_, walk, _, _, counts = plans.of(PATIENTS[kind], departments)
    assert counts[0].startswith("SEARCH studies USING INDEX ix_studies_patient_recent (patient=?"), counts
    assert " studies USING INDEX ix_studies_" in walk[0]
    newer = [step for step in walk if "newer" in step]
    assert newer == ["SEARCH newer USING INDEX ix_studies_patient_recent (patient=? AND study_date>?)"]
    assert not any("TEMP B-TREE" in step for step in walk)


LOWER = {
    "series": (Query(Level.SERIES), False),
    "series by their place": (Query(Level.SERIES, after=(7, None, 7)), False),
    "series of a modality": (query_from_pairs(Level.SERIES, [("Modality", "CT")])[0], False),
    "instances": (Query(Level.INSTANCE), False),
    "instances of a modality": (query_from_pairs(Level.INSTANCE, [("Modality", "CT")])[0], False),
    "instances of a class": (query_from_pairs(Level.INSTANCE, [("SOPClassUID", "1.2")])[0], False),
    "instances of a time": (query_from_pairs(Level.INSTANCE, [("StudyDate", "20260131-")])[0], False),
    "instances by their place": (Query(Level.INSTANCE, after=(7, 1, 7)), False),
    "one instance": (query_from_pairs(Level.INSTANCE, [("SOPInstanceUID", "1.7.7.1.1")])[0], True),
    "one series": (query_from_pairs(Level.SERIES, [("SeriesInstanceUID", "1.7.7.1")])[0], True),
    "instances of one series": (
        query_from_pairs(Level.INSTANCE, [("SeriesInstanceUID", "1.7.7.1")])[0],
        True,
    ),
}


@pytest.mark.parametrize("departments", [ONE, THREE], ids=["1 department", "3 departments"])
@pytest.mark.parametrize("kind", LOWER)
def test_relational_queries_sort_no_more_than_one_owner(
    plans: Plans, kind: str, departments: frozenset[int]
) -> None:
    """Without a study to begin with, rows come in the order of an index; what has a UID is looked up."""
    query, narrow = LOWER[kind]
    plan = next(plan for plan in plans.of(query, departments) if len(plan) > 1)
    if narrow:
        assert "_uid" in plan[0] and plan[0].startswith("SEARCH"), plan
    else:
        assert all("TEMP B-TREE" not in step or "LAST" in step for step in plan), plan


def test_the_list_of_one_department_has_its_own_index(plans: Plans) -> None:
    found = plans.of(portal_query(), ONE)
    assert ["SEARCH studies USING COVERING INDEX ix_studies_department_recent (department_id=?)"] in found


def test_rows_are_fetched_by_their_ids_and_only_those_of_the_page(plans: Plans) -> None:
    *_, last = plans.of(portal_query(limit=4), THREE)
    assert last[0] == "SEARCH studies USING INTEGER PRIMARY KEY (rowid=?)"


def test_nothing_is_asked_for_when_nothing_can_match(plans: Plans) -> None:
    assert len(plans.of(portal_query(patient_id="nobody"), ONE)) == 1
    assert plans.of(portal_query(), frozenset()) == []


@pytest.mark.parametrize("level", [Level.SERIES, Level.INSTANCE])
def test_what_is_in_a_study_is_found_through_it(plans: Plans, level: Level) -> None:
    query, _ = query_from_pairs(level, [("StudyInstanceUID", "1.7.7")])
    for plan in plans.of(query, THREE):
        assert not any(step.startswith("SCAN") for step in plan), plan


def test_a_few_of_a_small_department_are_taken_by_their_ids(plans: Plans) -> None:
    plans.connection.execute(sa.update(schema.studies).where(schema.studies.c.id < 4).values(department_id=1))
    plans.connection.execute(
        sa.update(schema.studies).where(schema.studies.c.id >= 4).values(department_id=2)
    )
    found = plans.of(portal_query(name="*nn*"), ONE)
    assert not any("ix_studies_list" in step for plan in found for step in plan)


@pytest.mark.parametrize(("several", "walks"), [(50, False), (16, True)])
def test_two_common_words_that_few_have_both_are_taken_by_their_ids(
    plans: Plans, monkeypatch: pytest.MonkeyPatch, several: int, walks: bool
) -> None:
    others = [
        {"word": "anna1", "study_id": number} for number in range(20, 27)
    ]  # beside ten of anna10 to anna19
    plans.connection.execute(
        sa.delete(schema.study_words).where(schema.study_words.c.study_id.in_(range(20, 27)))
    )
    plans.connection.execute(sa.insert(schema.study_words), others)
    monkeypatch.setattr(candidates, "FEW", 12)
    monkeypatch.setattr(candidates, "SEVERAL", several)
    found = plans.of(portal_query(name="anna1 roth"), THREE)
    assert any("ix_studies_list" in plan[0] for plan in found) is walks
