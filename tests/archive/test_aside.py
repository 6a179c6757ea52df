"""What was kept aside is listed for who puts the department's images in order, and for nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from leadglass.access.principal import Role
from leadglass.errors import Denied, RecordUnavailable


@pytest.fixture
def filled(clinic: Any) -> Any:
    clinic.take_in(1)
    clinic.take_in(1, fill=9)
    clinic.take_in(2, patient_id="P-2")
    clinic.take_in(3, study="1.9")
    foreign = {"study": "1.5", "series": "1.5.1", "instance": "1.5.1.1", "department": clinic.foreign}
    clinic.take_in(1, **foreign)
    clinic.take_in(1, **foreign, fill=9)
    return clinic


def page(clinic: Any, who: Any, **options: int) -> Any:
    return clinic.services.aside.page(who, clinic.context(), **options)


def test_newest_first_with_a_sentence_and_the_study_it_is_at_odds_with(filled: Any) -> None:
    found = page(filled, filled.people[Role.PACS_ADMINISTRATOR])
    assert [line.row.reason for line in found.rows] == [
        "series-of-another-study", "study-of-another-patient", "other-content",
    ]  # fmt: skip
    assert all(line.sentence.endswith("Kept aside.") for line in found.rows)
    assert {line.row.study.study_instance_uid for line in found.rows} == {"1.2.3"}
    assert {line.row.source for line in found.rows} == {"import"}
    assert not found.more


def test_each_department_has_its_own(filled: Any) -> None:
    other = filled.person(50, Role.PACS_ADMINISTRATOR, filled.foreign)
    [line] = page(filled, other).rows
    assert line.row.study.study_instance_uid == "1.5"
    both = filled.person(51, Role.PACS_ADMINISTRATOR, filled.own, filled.foreign)
    assert len(page(filled, both).rows) == 4


@pytest.mark.parametrize(
    "role", [Role.RADIOLOGIST, Role.TECHNOLOGIST, Role.AUDITOR, Role.SYSTEM_ADMINISTRATOR]
)
def test_others_are_refused_on_the_record(filled: Any, role: Role) -> None:
    with pytest.raises(Denied):
        page(filled, filled.people[role])
    assert [e.entry.outcome for e in filled.entries("aside.review")] == ["denied"]


def test_the_page_is_on_the_record_with_its_studies(filled: Any) -> None:
    page(filled, filled.people[Role.PACS_ADMINISTRATOR])
    [recorded] = filled.entries("aside.review")
    assert recorded.entry.studies == ("1.2.3",)
    assert recorded.entry.counts == {"rows": 3}


def test_without_an_entry_no_page(filled: Any, mute: Callable[[], None]) -> None:
    mute()
    with pytest.raises(RecordUnavailable):
        page(filled, filled.people[Role.PACS_ADMINISTRATOR])


def test_pages(filled: Any) -> None:
    who = filled.people[Role.PACS_ADMINISTRATOR]
    first, second = page(filled, who, limit=2), page(filled, who, limit=2, offset=2)
    assert (len(first.rows), first.more, len(second.rows), second.more) == (2, True, 1, False)
    assert not {line.row.id for line in first.rows} & {line.row.id for line in second.rows}
