"""Unique keys to studies and instances, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from leadglass.index import selection
from leadglass.index.selection import Keys


@pytest.fixture
def stocked(shelf: Any, facts: Any) -> Any:
    for number in (3, None, 1):
        shelf.add(facts(1, sop_instance_uid=f"1.2.3.1.{number or 9}", instance_number=number))
    shelf.add(facts(1, sop_instance_uid="1.2.3.2.1", series_instance_uid="1.2.3.2", sop_class_uid="1.2.9"))
    for study, issuer in (("1.4", "A"), ("1.5", "B")):
        shelf.add(
            facts(
                1,
                study_instance_uid=study,
                series_instance_uid=f"{study}.1",
                sop_instance_uid=f"{study}.1.1",
                patient_id="P-9",
                issuer=issuer,
            ),
            department=2,
        )
    return shelf.seal()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (Keys(patient_id="P-9"), ["1.4", "1.5"]),
        (Keys(patient_id="P-9", issuer="B"), ["1.5"]),
        (Keys(study_uids=("1.5", "1.2.3", "7.7")), ["1.2.3", "1.5"]),
        (Keys(series_uids=("1.2.3.1", "1.2.3.2", "1.4.1")), ["1.2.3", "1.4"]),
        (Keys(study_uids=("1.4",), series_uids=("1.2.3.1",)), []),
        (Keys(patient_id="P-9", instance_uids=("1.2.3.1.1", "1.5.1.1")), ["1.5"]),
        (Keys(issuer="B"), []),
        (Keys(), []),
    ],
    ids=str,
)
def test_the_studies_that_are_concerned(stocked: Any, keys: Keys, expected: list[str]) -> None:
    found = selection.studies(stocked.connection, keys, limit=10)
    assert [row.study_instance_uid for row in found] == expected
    assert len(selection.studies(stocked.connection, keys, limit=1)) == min(1, len(expected))


def test_a_study_is_the_whole_row(stocked: Any) -> None:
    [row] = selection.studies(stocked.connection, Keys(study_uids=("1.2.3",)), limit=10)
    assert (row.modalities, row.series_count, row.instance_count) == (("CT",), 2, 4)


def test_instances_are_in_their_order_and_locate_in_the_order_asked(stocked: Any) -> None:
    [study] = selection.studies(stocked.connection, Keys(study_uids=("1.2.3",)), limit=10)
    rows = list(selection.numbered(stocked.connection, Keys(), [study.id]))
    assert [row.sop_class_uid for row in rows][3] == "1.2.9"
    ids = [row.id for row in rows]
    located = selection.located(stocked.connection, ids)
    assert [one.sop_instance_uid for one in located] == ["1.2.3.1.9", "1.2.3.1.1", "1.2.3.1.3", "1.2.3.2.1"]
    assert {one.sealed.study_id for one in located} == {study.id}
    backwards = selection.located(stocked.connection, [*ids[::-1], 10**9])
    assert backwards == located[::-1]


def test_instances_only_of_the_given_studies(stocked: Any) -> None:
    [study] = selection.studies(stocked.connection, Keys(study_uids=("1.4",)), limit=10)
    keys = Keys(instance_uids=("1.2.3.1.1", "1.4.1.1"))
    assert [row.study_id for row in selection.numbered(stocked.connection, keys, [study.id])] == [study.id]


def test_what_is_held_and_whose_it_is(stocked: Any) -> None:
    held = selection.held(stocked.connection, ["1.4.1.1", "1.2.3.2.1", "7.7"])
    assert {uid: (sop, row.study_instance_uid, row.department_id) for uid, (sop, row) in held.items()} == {
        "1.4.1.1": ("1.2.840.10008.5.1.4.1.1.2", "1.4", 2),
        "1.2.3.2.1": ("1.2.9", "1.2.3", 1),
    }
    assert selection.held(stocked.connection, ["7.7"]) == {}
