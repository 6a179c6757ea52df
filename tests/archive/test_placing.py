"""What becomes of an object that is like, or unlike, what is here; and what the record says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leadglass.archive.ingest import Kind, Outcome
from leadglass.index.fitting import Clash


def test_the_same_object_again_is_welcome_and_kept_once(clinic: Any, dicom: Any) -> None:
    first = clinic.take_in()
    kept = clinic.blobs()
    again = clinic.take_in()
    other_envelope = clinic.ingest([b"\1" * 128 + dicom.file()[128:]])
    assert again == other_envelope == Outcome(Kind.DUPLICATE, first.instance_id)
    assert clinic.blobs() == kept
    assert [e.entry.reason for e in clinic.entries("object.store")] == ["stored", "duplicate", "duplicate"]


CLASHES: dict[Clash, dict[str, Any]] = {
    Clash.OTHER_CONTENT: {"number": 1, "fill": 9},
    Clash.OTHER_PATIENT: {"number": 2, "patient_id": "P-2"},
    Clash.OTHER_STUDY: {"number": 3, "study": "1.9"},
}


@pytest.mark.parametrize("clash", CLASHES)
def test_what_is_at_odds_is_kept_aside_sealed_and_said(clinic: Any, clash: Clash) -> None:
    clinic.take_in(1)
    before = clinic.retrieved(clinic.doctor)
    outcome = clinic.take_in(**CLASHES[clash])
    assert (outcome.kind, outcome.clash, outcome.instance_id) == (Kind.KEPT_ASIDE, clash, None)
    assert outcome.reason.endswith("Kept aside.")
    assert clinic.retrieved(clinic.doctor) == before
    assert len(clinic.blobs()) == 2
    assert all(b"DICM" not in path.read_bytes() for path in clinic.blobs())
    entry = clinic.entries("object.store")[-1].entry
    assert (entry.outcome, entry.reason) == ("failed", clash.value)
    again = clinic.take_in(**CLASHES[clash])
    assert again == replace(outcome, again=True)
    assert len(clinic.blobs()) == 2


def test_the_same_object_for_another_department_is_kept_aside(clinic: Any) -> None:
    clinic.take_in(1)
    outcome = clinic.take_in(1, department=clinic.foreign)
    assert outcome.clash is Clash.OTHER_DEPARTMENT
    assert clinic.scalar("SELECT count(*) FROM instances") == 1


def test_the_entry_says_who_what_whose_and_from_where(clinic: Any) -> None:
    clinic.take_in(4)
    [recorded] = clinic.entries("object.store")
    entry = recorded.entry
    assert (entry.actor, entry.department, entry.via) == ("operator:1000", clinic.own, "command")
    assert (entry.patients, entry.studies) == (("P-1",), ("1.2.3",))
    assert entry.detail == {"instance": "1.2.3.1.4", "source": "import"}
    assert entry.counts["bytes"] == clinic.scalar("SELECT size FROM instances")
