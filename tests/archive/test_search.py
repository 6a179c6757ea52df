"""Lists: narrowed, on the record with their studies before they leave, and silent about what was asked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from leadglass.access.principal import Role
from leadglass.archive.queries import MAX_LIMIT, Level, Query, portal_query, query_from_pairs
from leadglass.errors import Denied, RecordUnavailable


@pytest.fixture
def filled(clinic: Any) -> Any:
    clinic.take_in(1)
    clinic.take_in(2)
    clinic.take_in(1, study="1.4", series="1.4.1", instance="1.4.1.1", name="Other^One", patient_id="P-4")
    clinic.take_in(
        1,
        study="1.5",
        series="1.5.1",
        instance="1.5.1.1",
        name="Foreign^F",
        patient_id="P-5",
        department=clinic.foreign,
    )
    return clinic


def itself(page: Any) -> Any:
    return page


def uids(page: Any) -> set[str]:
    return {row.study_instance_uid for row in page.rows}


def test_everybody_sees_the_own_department(filled: Any) -> None:
    search, context = filled.services.search, filled.context()
    assert uids(search.studies(filled.doctor, portal_query(), context)) == {"1.2.3", "1.4"}
    assert uids(search.studies(filled.stranger, portal_query(), context)) == {"1.5"}
    both = filled.person(7, Role.TECHNOLOGIST, filled.own, filled.foreign)
    assert uids(search.studies(both, portal_query(), context)) == {"1.2.3", "1.4", "1.5"}


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SYSTEM_ADMINISTRATOR])
def test_who_sees_no_images_sees_no_list(filled: Any, role: Role) -> None:
    with pytest.raises(Denied):
        filled.services.search.studies(filled.people[role], portal_query(), filled.context())
    assert filled.entries("study.search")[-1].entry.outcome == "denied"


def test_the_page_is_on_the_record_with_exactly_its_studies(filled: Any) -> None:
    query = portal_query(name="roentgen", patient_id="P-*")
    filled.services.search.studies(filled.doctor, query, filled.context())
    [recorded] = filled.entries("study.search")
    entry = recorded.entry
    assert (entry.studies, entry.patients) == (("1.2.3",), ("P-1",))
    assert entry.counts == {"rows": 1, "studies": 1}
    assert entry.detail == {"level": "STUDY", "keys": "PatientID,PatientName"}


@pytest.mark.parametrize("level", [Level.SERIES, Level.INSTANCE])
def test_rows_below_name_their_studies_once(filled: Any, level: Level) -> None:
    query, _ = query_from_pairs(level, [("StudyInstanceUID", "1.2.3")])
    ask = {Level.SERIES: filled.services.search.series, Level.INSTANCE: filled.services.search.instances}[
        level
    ]
    page = ask(filled.doctor, query, filled.context())
    entry = filled.entries("study.search")[-1].entry
    assert entry.studies == ("1.2.3",)
    assert entry.counts == {"rows": len(page.rows), "studies": 1}


def test_an_empty_page_is_recorded_too(filled: Any) -> None:
    assert not filled.services.search.studies(
        filled.doctor, portal_query(name="nobody"), filled.context()
    ).rows
    assert filled.entries("study.search")[-1].entry.counts == {"rows": 0, "studies": 0}


def test_without_an_entry_no_page(filled: Any, mute: Callable[[], None]) -> None:
    mute()
    with pytest.raises(RecordUnavailable):
        filled.services.search.studies(filled.doctor, portal_query(), filled.context())


def test_what_was_asked_for_stands_nowhere(filled: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "Zzyzxian"
    filled.services.search.studies(
        filled.doctor, portal_query(name=secret, patient_id=secret, accession=secret), filled.context()
    )
    query, ignored = query_from_pairs(
        Level.STUDY, [("PatientName", secret), ("00081030", secret), ("Foo", secret)]
    )
    filled.services.search.studies(filled.doctor, query, filled.context())
    assert ignored == ("Foo",)
    assert all(secret.lower() not in str(recorded).lower() for recorded in filled.entries())
    assert secret.lower() not in caplog.text.lower()


def test_paging(filled: Any) -> None:
    search, context = filled.services.search, filled.context()
    first = search.studies(filled.doctor, portal_query(limit=1), context)
    second = search.studies(filled.doctor, portal_query(limit=1, offset=1), context)
    assert (first.more, second.more) == (True, False)
    assert uids(first) | uids(second) == {"1.2.3", "1.4"}


def test_the_largest_page_fits_its_entry(clinic: Any) -> None:
    """500 studies with the longest identifiers there may be."""
    entry = clinic.services.doorkeeper.entry(
        clinic.doctor,
        "study.search",
        clinic.context(),
        studies=tuple(f"1.{n}.".ljust(64, "9") for n in range(MAX_LIMIT)),
        patients=tuple(f"{n:04}" + "\U0001f600" * 60 for n in range(MAX_LIMIT)),
    )
    clinic.services.doorkeeper.record(entry, clinic.now)


# --- a whole list, page by page -----------------------------------------------------------------------------


@pytest.fixture
def many(clinic: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Seven studies of five patients; pages of two, then of three."""
    for number in range(7):
        study = f"1.8.{number}"
        what = {"study": study, "series": f"{study}.1", "instance": f"{study}.1.1"}
        clinic.take_in(1, **what, patient_id=f"P-{number % 5}", name=f"Name^{number}")
    monkeypatch.setattr("leadglass.archive.search.FIRST_PAGE", 2)
    monkeypatch.setattr("leadglass.archive.search.MAX_LIMIT", 3)
    return clinic


@pytest.mark.parametrize(
    ("level", "sizes"), [(Level.PATIENT, [2, 3]), (Level.STUDY, [2, 3, 2]), (Level.INSTANCE, [2, 3, 2])]
)
def test_a_whole_list_comes_in_pages_each_on_the_record_first(
    many: Any, level: Level, sizes: list[int]
) -> None:
    seen: list[Any] = []
    pages = many.services.search.pages(many.doctor, Query(level), many.context, itself)
    for number, page in enumerate(pages):
        entries = [recorded.entry for recorded in many.entries("study.search")]
        assert len(entries) == number + 1, "recorded before it is handed out, and not sooner"
        assert entries[-1].counts == {"rows": len(page.rows), "studies": len(page.rows)}
        assert len(entries[-1].studies) == len(page.rows)
        assert entries[-1].detail["level"] == level.value
        seen.append([row.id for row in page.rows])
        assert page.more is (number < len(sizes) - 1)
    assert [len(page) for page in seen] == sizes
    assert len({row_id for page in seen for row_id in page}) == sum(sizes)


def test_who_stops_asking_leaves_no_further_entry(many: Any) -> None:
    pages = many.services.search.pages(many.doctor, Query(Level.STUDY), many.context, itself)
    next(pages)
    pages.close()
    assert len(many.entries("study.search")) == 1


def test_a_page_that_cannot_be_recorded_is_not_handed_out(many: Any, mute: Callable[[], None]) -> None:
    pages = many.services.search.pages(many.doctor, Query(Level.STUDY), many.context, itself)
    next(pages)
    mute()
    with pytest.raises(RecordUnavailable):
        next(pages)
    assert len(many.entries("study.search")) == 1


def test_an_entry_has_the_time_of_its_page(many: Any) -> None:
    for _ in many.services.search.pages(many.doctor, Query(Level.STUDY), many.context, itself):
        many.now += 5000
    times = [recorded.time for recorded in many.entries("study.search")]
    assert [time - times[0] for time in times] == [0, 5000, 10_000]


def test_a_right_that_is_gone_ends_the_list(many: Any) -> None:
    with pytest.raises(Denied):
        next(many.services.search.pages(many.people[Role.AUDITOR], Query(Level.STUDY), many.context, itself))
    assert many.entries("study.search")[-1].entry.outcome == "denied"


def test_an_empty_list_is_one_page_on_the_record(clinic: Any) -> None:
    [page] = clinic.services.search.pages(clinic.doctor, Query(Level.PATIENT), clinic.context, itself)
    assert page.rows == () and not page.more
    assert len(clinic.entries("study.search")) == 1


def test_patients_of_others_are_not_counted(filled: Any) -> None:
    filled.take_in(1, study="1.6", series="1.6.1", instance="1.6.1.1", department=filled.foreign)
    [page] = filled.services.search.pages(filled.doctor, Query(Level.PATIENT), filled.context, itself)
    found = {row.study.patient_id: (row.study.study_instance_uid, row.study_count) for row in page.rows}
    assert found == {"P-1": ("1.2.3", 1), "P-4": ("1.4", 1)}
