"""The access record as auditors see it; looking at it is itself on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from leadglass.access.principal import Role
from leadglass.archive.queries import portal_query
from leadglass.errors import Denied, RecordUnavailable, Tampered


@pytest.fixture
def filled(clinic: Any) -> Any:
    clinic.take_in(1)
    clinic.take_in(1, study="1.4", series="1.4.1", instance="1.4.1.1", patient_id="P-4")
    clinic.services.search.studies(clinic.doctor, portal_query(), clinic.context())
    clinic.services.retrieve.view(clinic.doctor, 1, clinic.context())
    clinic.auditor = clinic.people[Role.AUDITOR]
    return clinic


def lines(clinic: Any, **asked: Any) -> list[Any]:
    return list(clinic.services.trail.page(clinic.auditor, clinic.context(), **asked))


def test_by_patient_study_action_and_actor(filled: Any) -> None:
    actions = [line.action for line in lines(filled, patient="P-1")]
    assert actions == ["study.view", "study.search", "object.store"]
    assert [line.action for line in lines(filled, study="1.4")] == ["study.search", "object.store"]
    assert {line.actor for line in lines(filled, action="study.view")} == {filled.doctor.actor}
    assert {line.action for line in lines(filled, actor=filled.doctor.actor)} == {
        "study.view",
        "study.search",
    }


def test_looking_is_on_the_record_under_the_patient_that_was_looked_for(filled: Any) -> None:
    lines(filled, patient="P-1", action="study.view")
    newest = lines(filled, patient="P-1")[0]
    assert (newest.action, newest.actor, newest.detail) == (
        "record.read", filled.auditor.actor, {"filters": "action,patient"},
    )  # fmt: skip


def test_an_access_under_way_reads_at_least_and_its_end_completes_it(filled: Any) -> None:
    [line] = lines(filled, action="study.view")
    assert (line.at_least, line.closed) == (True, None)
    filled.services.ledger.close(filled.now + 5)
    [line] = lines(filled, action="study.view")
    assert (line.at_least, line.closed) == (False, filled.now + 5)


def test_pages_go_back_in_time_without_gap(filled: Any) -> None:
    whole = [line.seq for line in lines(filled, limit=1000)]
    below, seen = whole[0] + 1, []
    while page := lines(filled, below=below, limit=3):
        seen += [line.seq for line in page]
        below = page[-1].seq
    assert seen == whole


@pytest.mark.parametrize(
    "role", [Role.RADIOLOGIST, Role.TECHNOLOGIST, Role.PACS_ADMINISTRATOR, Role.SYSTEM_ADMINISTRATOR]
)
def test_the_record_is_for_auditors(filled: Any, role: Role) -> None:
    with pytest.raises(Denied):
        filled.services.trail.page(filled.people[role], filled.context())
    assert lines(filled, action="record.read")[0].outcome == "denied"


def test_without_an_entry_nothing_is_shown(filled: Any, mute: Callable[[], None]) -> None:
    mute()
    with pytest.raises(RecordUnavailable):
        lines(filled)


def test_an_altered_entry_is_not_shown(filled: Any) -> None:
    filled.sql("UPDATE log_entries SET body = replace(body, 'P-1', 'P-9') WHERE seq = 2")
    with pytest.raises(Tampered):
        lines(filled)
