"""What is known of an object, and what forbids it to join that. On both databases."""

from __future__ import annotations

from typing import Any

import pytest

from leadglass.index import fitting, schema
from leadglass.index.fitting import Clash, Misfit
from leadglass.index.records import Place


def test_a_known_object_is_found_with_its_digest(shelf: Any, facts: Any) -> None:
    assert fitting.find(shelf.tx, "1.2.3.1.1") is None
    place = shelf.add(facts(1), department=2)
    shelf.seal()
    known = fitting.find(shelf.tx, "1.2.3.1.1")
    assert known is not None
    assert (known.study_id, known.department_id) == (place.study_id, 2)
    assert known.digest == shelf.sealed(facts(1), place.study_id).digest


CLASHES = {
    Clash.OTHER_PATIENT: {"patient_id": "P-2"},
    Clash.OTHER_STUDY: {
        "study_instance_uid": "1.9",
        "series_instance_uid": "1.2.3.1",
        "sop_instance_uid": "1.9.9",
    },
}


@pytest.mark.parametrize("sealed", [False, True], ids=["in the same group", "in a later group"])
@pytest.mark.parametrize("clash", CLASHES)
def test_clashes_of_identity(shelf: Any, facts: Any, clash: Clash, sealed: bool) -> None:
    place = shelf.add(facts(1))
    if sealed:
        shelf.seal()
    before = [shelf.rows(table, "id") for table in (schema.patients, schema.studies, schema.series)]
    assert shelf.add(facts(2, **CLASHES[clash])) == Misfit(clash, place.study_id)
    assert [shelf.rows(table, "id") for table in (schema.patients, schema.studies, schema.series)] == before


def test_another_issuer_is_another_patient(shelf: Any, facts: Any) -> None:
    place = shelf.add(facts(1, issuer="Hospital A"))
    assert shelf.add(facts(2, issuer="Hospital B")) == Misfit(Clash.OTHER_PATIENT, place.study_id)


def test_a_study_of_another_department_is_not_added_to(shelf: Any, facts: Any) -> None:
    place = shelf.add(facts(1), department=1)
    assert shelf.add(facts(2), department=2) == Misfit(Clash.OTHER_DEPARTMENT, place.study_id)


def test_an_existing_study_does_not_take_another_studys_series(shelf: Any, facts: Any) -> None:
    first = shelf.add(facts(1))
    shelf.add(facts(1, study_instance_uid="1.9"))
    stray = facts(2, study_instance_uid="1.9", series_instance_uid="1.2.3.1")
    assert shelf.add(stray) == Misfit(Clash.OTHER_STUDY, first.study_id)


def test_the_name_may_differ_within_a_study(shelf: Any, facts: Any) -> None:
    """A married or misspelt name is for a person to resolve; the patient is who the ID says."""
    shelf.add(facts(1))
    assert isinstance(shelf.add(facts(2, patient_name="ROTH^A")), Place)
