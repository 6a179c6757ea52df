"""The one way out: decided, on the record before the first byte, authenticated, and nothing left open."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from leadglass.access.principal import Role, Via
from leadglass.archive.ledger import IDLE
from leadglass.errors import LeadglassError, NotFound, RecordUnavailable, Tampered

ABSENT = "9.9.9"


@pytest.fixture
def filled(clinic: Any) -> Any:
    for number in (1, 2, 3):
        clinic.take_in(number)
    clinic.take_in(1, series="1.2.3.2", instance="1.2.3.2.1")
    clinic.take_in(
        1, study="1.5", series="1.5.1", instance="1.5.1.1", patient_id="P-5", department=clinic.foreign
    )
    return clinic


def ways(clinic: Any, who: Any, study: str) -> dict[str, Callable[[], Any]]:
    """Every question about one study by its UIDs or numbers; `study` may be foreign or absent."""
    retrieve, render, context = clinic.services.retrieve, clinic.services.renderer, clinic.context()
    number = clinic.scalar(f"SELECT id FROM studies WHERE study_instance_uid = '{study}'") or 10**9
    series = clinic.scalar(f"SELECT id FROM series WHERE study_id = {number}") or 10**9
    instance = clinic.scalar(f"SELECT id FROM instances WHERE series_id = {series}") or 10**9
    uids = {"study_uid": study, "series_uid": f"{study}.1", "instance_uid": f"{study}.1.1"}
    return {
        "view": lambda: retrieve.view(who, number, context),
        "series": lambda: retrieve.series_instances(who, series, context),
        "study objects": lambda: retrieve.objects(who, context, study_uid=study),
        "instance object": lambda: retrieve.objects(who, context, **uids),
        "metadata": lambda: retrieve.metadata(who, context, study_uid=study),
        "frame": lambda: render.frame(who, instance, context),
    }


WAYS = ["view", "series", "study objects", "instance object", "metadata", "frame"]


def test_the_bytes_are_those_that_came(filled: Any, dicom: Any) -> None:
    expected = [dicom.file(number) for number in (1, 2, 3)]
    objects = filled.services.retrieve.objects(
        filled.doctor, filled.context(), study_uid="1.2.3", series_uid="1.2.3.1"
    )
    got = [(one.size, b"".join(one.chunks)) for one in objects]
    assert got == [(len(content), content) for content in expected]


def test_metadata_is_one_json_object_per_instance_without_pixels(filled: Any) -> None:
    found = [orjson.loads(item) for item in filled.services.retrieve.metadata(
        filled.doctor, filled.context(), study_uid="1.2.3", series_uid="1.2.3.1"
    )]  # fmt: skip
    assert [item["00080018"]["Value"] for item in found] == [[f"1.2.3.1.{n}"] for n in (1, 2, 3)]
    assert all("7FE00010" not in item for item in found)


def test_a_study_and_its_series_in_order(filled: Any) -> None:
    view = filled.services.retrieve.view(filled.doctor, 1, filled.context())
    assert view.study.study_instance_uid == "1.2.3"
    assert [series.instance_count for series in view.series] == [3, 1]
    rows = filled.services.retrieve.series_instances(filled.doctor, view.series[0].id, filled.context())
    assert [row.sop_instance_uid for row in rows] == ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"]


@pytest.mark.parametrize("way", WAYS)
def test_foreign_and_absent_are_one_answer_and_one_entry_each(filled: Any, way: str) -> None:
    answers = []
    for study in ("1.5", ABSENT):
        before = filled.record_size()
        with pytest.raises(NotFound) as caught:
            ways(filled, filled.doctor, study)[way]()
        answers.append(
            (type(caught.value), str(caught.value), caught.value.code, filled.record_size() - before)
        )
    assert answers[0] == answers[1]
    assert answers[0][3] == 1


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SYSTEM_ADMINISTRATOR])
@pytest.mark.parametrize("way", WAYS)
def test_who_sees_no_images_cannot_tell_either(filled: Any, way: str, role: Role) -> None:
    for study in ("1.2.3", "1.5", ABSENT):
        before = filled.record_size()
        with pytest.raises(NotFound):
            ways(filled, filled.people[role], study)[way]()
        assert filled.record_size() == before + 1


def test_an_attempt_on_a_foreign_study_is_found_by_its_patient(filled: Any) -> None:
    with pytest.raises(NotFound):
        ways(filled, filled.doctor, "1.5")["view"]()
    [recorded] = [e for e in filled.entries(patient="P-5") if e.entry.action == "study.view"]
    assert (recorded.entry.outcome, recorded.entry.reason) == ("denied", "other-department")


@pytest.mark.parametrize(
    "uids",
    [
        {"study_uid": "1.2.3", "series_uid": "1.5.1"},
        {"study_uid": "1.2.3", "series_uid": "1.5.1", "instance_uid": "1.5.1.1"},
        {"study_uid": "1.2.3", "instance_uid": "1.5.1.1"},
        {"study_uid": "1.5", "series_uid": "1.2.3.1"},
    ],
    ids=str,
)
def test_an_own_study_is_no_way_to_a_foreign_series(filled: Any, uids: dict[str, str]) -> None:
    before = filled.record_size()
    with pytest.raises(NotFound):
        filled.services.retrieve.objects(filled.doctor, filled.context(), **uids)
    assert filled.record_size() == before + 1


@pytest.mark.parametrize("way", WAYS)
def test_when_it_cannot_be_recorded_nothing_comes_back(
    filled: Any, mute: Callable[[], None], way: str
) -> None:
    asks = ways(filled, filled.doctor, "1.2.3")
    mute()
    with pytest.raises(RecordUnavailable):
        asks[way]()


@pytest.mark.parametrize("way", ["study objects", "metadata"])
def test_the_entry_is_durable_before_anything_is_there_to_iterate(filled: Any, way: str) -> None:
    before = filled.record_size()
    iterator = ways(filled, filled.doctor, "1.2.3")[way]()
    assert filled.record_size() == before + 1
    [entry] = filled.entries("study.retrieve")
    assert (entry.entry.phase, entry.entry.studies, entry.at_least) == ("open", ("1.2.3",), True)
    del iterator


def finish(filled: Any) -> Any:
    """Long after: what is idle is closed, and says what was delivered."""
    filled.services.ledger.expire(filled.now + IDLE)
    filled.services.db.write(lambda _: None).result(30)
    [entry] = filled.entries("study.retrieve")
    return entry


def test_the_closing_entry_counts_what_was_delivered(filled: Any) -> None:
    contents = filled.retrieved(filled.doctor)
    entry = finish(filled)
    assert not entry.at_least
    assert entry.counts == {"instances": 4, "bytes": sum(map(len, contents))}


@pytest.mark.parametrize("way", ["study objects", "metadata"])
def test_an_iterator_that_nobody_starts_holds_nothing(filled: Any, descriptors: None, way: str) -> None:
    iterator = ways(filled, filled.doctor, "1.2.3")[way]()
    entry = finish(filled)  # closed although the iterator is still there
    assert (entry.at_least, entry.counts) == (False, {})
    del iterator


@pytest.mark.parametrize("end", ["closed", "dropped", "failed"])
@pytest.mark.parametrize("way", ["study objects", "metadata"])
def test_an_iterator_left_midway_lets_go_of_everything(
    filled: Any, descriptors: None, way: str, end: str
) -> None:
    iterator: Iterator[Any] = ways(filled, filled.doctor, "1.2.3")[way]()
    next(iterator)
    if end == "closed":
        iterator.close()  # type: ignore[attr-defined]
    elif end == "failed":
        with pytest.raises(ZeroDivisionError):
            iterator.throw(ZeroDivisionError)  # type: ignore[attr-defined]
    del iterator
    gc.collect()
    entry = finish(filled)
    assert not entry.at_least
    assert entry.counts.get("instances", entry.counts.get("headers", 0)) <= 1


def test_an_access_under_way_is_not_closed_by_time(filled: Any) -> None:
    objects = filled.services.retrieve.objects(filled.doctor, filled.context(), study_uid="1.2.3")
    next(objects)
    filled.services.ledger.expire(filled.now + 10 * IDLE)
    assert filled.entries("study.retrieve")[0].at_least
    objects.close()


def test_no_read_transaction_is_held_while_the_peer_takes_its_time(filled: Any) -> None:
    objects = filled.services.retrieve.objects(filled.doctor, filled.context(), study_uid="1.2.3")
    next(objects)
    assert filled.services.db._readers.pool.checkedout() == 0
    objects.close()


def blob_of(clinic: Any, sop_instance_uid: str) -> Any:
    name = clinic.scalar(f"SELECT blob FROM instances WHERE sop_instance_uid = '{sop_instance_uid}'")
    return clinic.root / "objects" / name[:2] / name


def spoil(clinic: Any, how: str) -> None:
    path, other = blob_of(clinic, "1.2.3.1.2"), blob_of(clinic, "1.2.3.1.3")
    content = bytearray(path.read_bytes())
    if how == "a flipped bit":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "cut short":
        path.write_bytes(content[:-20])
    elif how == "gone":
        path.unlink()
    elif how == "another's":
        path.write_bytes(other.read_bytes())
    elif how == "rows swapped":
        clinic.sql("UPDATE instances SET blob = 'x' WHERE sop_instance_uid = '1.2.3.1.2'")
        clinic.sql("UPDATE instances SET blob = :b WHERE sop_instance_uid = '1.2.3.1.3'", b=path.name)
        clinic.sql("UPDATE instances SET blob = :b WHERE sop_instance_uid = '1.2.3.1.2'", b=other.name)
    elif how == "no key":
        clinic.sql("DELETE FROM study_keys WHERE study_id = 1")


@pytest.mark.parametrize("how", ["a flipped bit", "cut short", "gone", "another's", "rows swapped", "no key"])
def test_what_was_altered_is_not_served(filled: Any, dicom: Any, descriptors: None, how: str) -> None:
    spoil(filled, how)
    got: list[bytes] = []
    objects = filled.services.retrieve.objects(
        filled.doctor, filled.context(), study_uid="1.2.3", series_uid="1.2.3.1"
    )
    with pytest.raises(Tampered):
        got.extend(b"".join(one.chunks) for one in objects)
    assert got == [dicom.file(number) for number in (1, 2, 3)][: len(got)]
    del objects


def test_a_foreign_session_cannot_ride_on_an_open_access(filled: Any) -> None:
    """The access that is open is per person: the policy is asked each time all the same."""
    filled.services.retrieve.view(filled.doctor, 1, filled.context())
    thief = filled.person(
        10, Role.RADIOLOGIST, filled.foreign
    )  # the same credential, moved to another department
    with pytest.raises(LeadglassError):
        filled.services.retrieve.view(thief, 1, filled.context(Via.WEB))
