"""C-GET and C-MOVE take what the policy allows, and nothing before it is on the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from leadglass.access.policy import Action
from leadglass.access.principal import Role
from leadglass.archive import selection as selections
from leadglass.archive.ledger import IDLE
from leadglass.archive.selection import Keys
from leadglass.errors import Denied, LimitExceeded, RecordUnavailable, Tampered

ABSENT = "9.9.9"
EXPLICIT = "1.2.840.10008.1.2.1"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
CT = (CT_IMAGE, EXPLICIT)
GET = Action.STUDY_RETRIEVE


@pytest.fixture
def filled(clinic: Any) -> Any:
    """P-1: study 1.2.3 of two series and 1.4 of one; P-5 and another P-1 belong to another department."""
    for number in (1, 2, 3):
        clinic.take_in(number)
    clinic.take_in(1, series="1.2.3.2", instance="1.2.3.2.1")
    clinic.take_in(1, study="1.4", series="1.4.1", instance="1.4.1.1")
    for study, patient in (("1.5", "P-5"), ("1.6", "P-1")):
        clinic.take_in(
            1,
            study=study,
            series=f"{study}.1",
            instance=f"{study}.1.1",
            patient_id=patient,
            department=clinic.foreign,
        )
    return clinic


def select(clinic: Any, who: Any = None, **keys: Any) -> Any:
    return clinic.services.retrieve.select(who or clinic.doctor, GET, Keys(**keys), clinic.context())


def taken(selection: Any, wanted: Callable[[Any], bool] = lambda _: True) -> dict[str, bytes | None]:
    got = {}
    for delivery in selection.deliveries(wanted):
        if delivery.chunks is not None:
            delivery.count()
        got[delivery.sop_instance_uid] = None if delivery.chunks is None else b"".join(delivery.chunks)
    return got


def closed(clinic: Any) -> list[Any]:
    """The accesses, long after."""
    clinic.services.ledger.expire(clinic.now + IDLE)
    clinic.services.db.write(lambda _: None).result(30)
    return [e for e in clinic.entries("study.retrieve") if e.entry.phase == "open"]


FIRST = ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"patient_id": "P-1"}, [*FIRST, "1.2.3.2.1", "1.4.1.1"]),
        ({"patient_id": "P-1", "issuer": "ELSEWHERE"}, []),
        ({"study_uids": ("1.2.3",)}, [*FIRST, "1.2.3.2.1"]),
        ({"study_uids": ("1.4", "1.2.3", ABSENT)}, [*FIRST, "1.2.3.2.1", "1.4.1.1"]),
        ({"study_uids": ("1.2.3",), "series_uids": ("1.2.3.1",)}, FIRST),
        ({"series_uids": ("1.2.3.2", "1.4.1")}, ["1.2.3.2.1", "1.4.1.1"]),
        ({"instance_uids": ("1.2.3.1.3", "1.2.3.1.1")}, ["1.2.3.1.1", "1.2.3.1.3"]),
        ({"patient_id": "P-2", "study_uids": ("1.2.3",)}, []),
        ({"study_uids": ("1.4",), "series_uids": ("1.2.3.1",)}, []),
        ({"study_uids": ("1.4",), "instance_uids": ("1.2.3.1.1",)}, []),
        ({"study_uids": ("1.5",)}, []),
        ({"series_uids": ("1.5.1",)}, []),
        ({"instance_uids": ("1.5.1.1", "1.4.1.1")}, ["1.4.1.1"]),
        ({"issuer": "ELSEWHERE"}, []),
        ({}, []),
    ],
    ids=str,
)
def test_what_the_keys_select_and_in_which_order(filled: Any, keys: Any, expected: list[str]) -> None:
    selection = select(filled, **keys)
    assert selection.count == len(expected)
    assert list(taken(selection)) == expected


def test_the_data_set_comes_as_it_was_received(filled: Any, dicom: Any) -> None:
    got = taken(select(filled, series_uids=("1.2.3.1",)))
    assert got == {uid: dicom.data_set(instance=uid) for uid in FIRST}


@pytest.mark.parametrize("size", [1, 180, 181, 400, 600, 362 * 181])
def test_whatever_the_file_meta_information_takes(clinic: Any, dicom: Any, size: int) -> None:
    data_set = dicom.data_set()
    meta = dicom.part10(data_set)[: -len(data_set)] + dicom.element(0x00020100, "UI", "1.2.3")
    meta += dicom.element(0x00020102, "OB", bytes(size))
    clinic.ingest([meta + data_set])
    assert taken(select(clinic, instance_uids=("1.2.3.1.1",))) == {"1.2.3.1.1": data_set}


def test_kinds_are_counted_before_anything_is_opened(filled: Any, descriptors: None) -> None:
    selection = select(filled, patient_id="P-1")
    assert selection.kinds == {CT: 5}
    assert [access.counts for access in closed(filled)] == [{}, {}]


def test_what_nobody_wants_is_named_and_not_opened(filled: Any, descriptors: None) -> None:
    got = taken(select(filled, study_uids=("1.4",)), wanted=lambda kind: kind != CT)
    assert got == {"1.4.1.1": None}
    [access] = closed(filled)  # that it is here, and its name, is told
    assert (access.entry.studies, access.counts) == (("1.4",), {})


def test_the_entries_are_durable_before_it_is_known_that_there_is_anything(filled: Any) -> None:
    selection = select(filled, patient_id="P-1")

    def opened() -> list[Any]:
        return [e.entry.studies for e in filled.entries("study.retrieve") if e.entry.phase == "open"]

    assert sorted(opened()) == [("1.2.3",), ("1.4",)]
    for _ in selection.deliveries(lambda _: True):
        assert len(opened()) == 2  # what is delivered joins them


def test_what_is_delivered_long_after_is_an_access_of_its_own(filled: Any) -> None:
    selection = select(filled, study_uids=("1.4",))
    assert len(closed(filled)) == 1
    taken(selection)
    assert [access.counts.get("instances") for access in closed(filled)] == [None, 1]


def test_the_closing_entries_count_what_was_delivered(filled: Any, dicom: Any) -> None:
    taken(select(filled, patient_id="P-1"))
    first, second = closed(filled)
    assert (first.entry.studies, first.counts["instances"]) == (("1.2.3",), 4)
    size = len(dicom.file(1, study="1.4", series="1.4.1", instance="1.4.1.1"))
    assert second.counts == {"instances": 1, "bytes": size}
    assert not first.at_least


def test_what_was_read_ahead_and_never_left_is_not_counted(filled: Any, descriptors: None) -> None:
    deliveries = select(filled, study_uids=("1.2.3",)).deliveries(lambda _: True)
    next(deliveries).count()
    next(deliveries)
    filled.services.ledger.expire(filled.now + 10 * IDLE)  # still being served
    deliveries.close()
    [access] = closed(filled)
    assert access.counts["instances"] == 1


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"study_uids": ("1.5",)}, "other-department"),
        ({"series_uids": ("1.5.1",)}, "other-department"),
        ({"study_uids": (ABSENT,)}, "absent"),
        ({"instance_uids": (ABSENT,)}, "absent"),
        ({"study_uids": ("1.4", ABSENT)}, "absent"),
        ({"study_uids": ("1.4", "1.5")}, "other-department"),
    ],
    ids=str,
)
def test_foreign_and_absent_are_one_entry_each(filled: Any, keys: Any, reason: str) -> None:
    before = filled.record_size()
    selection = select(filled, **keys)
    [entry] = [e.entry for e in filled.entries("study.retrieve") if e.entry.outcome == "denied"]
    assert entry.reason == reason
    assert filled.record_size() == before + 1 + (selection.count > 0)


def test_a_foreign_study_is_named_on_the_record(filled: Any) -> None:
    select(filled, study_uids=("1.5",))
    [recorded] = [e for e in filled.entries(patient="P-5") if e.entry.action == "study.retrieve"]
    assert recorded.entry.outcome == "denied"


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SYSTEM_ADMINISTRATOR])
def test_who_may_retrieve_nothing_is_denied(filled: Any, role: Role) -> None:
    before = filled.record_size()
    with pytest.raises(Denied):
        select(filled, filled.people[role], study_uids=("1.2.3",))
    assert filled.record_size() == before + 1


def test_when_it_cannot_be_recorded_nothing_comes_back(filled: Any, mute: Callable[[], None]) -> None:
    mute()
    with pytest.raises(RecordUnavailable):
        select(filled, study_uids=("1.2.3",))


def test_when_it_cannot_be_recorded_any_more_nothing_comes_back(
    filled: Any, mute: Callable[[], None]
) -> None:
    selection = select(filled, study_uids=("1.2.3",))
    closed(filled)
    mute()
    with pytest.raises(RecordUnavailable):
        next(selection.deliveries(lambda _: True))


def test_no_transaction_is_held_while_the_peer_takes_its_time(filled: Any) -> None:
    deliveries = select(filled, study_uids=("1.2.3",)).deliveries(lambda _: True)
    next(deliveries)
    assert filled.services.db._readers.pool.checkedout() == 0
    deliveries.close()


def test_pages_make_no_difference(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = taken(select(filled, patient_id="P-1"))
    monkeypatch.setattr(selections, "_PAGE", 2)
    assert taken(select(filled, patient_id="P-1")) == expected


def test_what_arrives_meanwhile_shifts_nothing(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selections, "_PAGE", 2)
    deliveries = select(filled, series_uids=("1.2.3.1",)).deliveries(lambda _: True)
    got = [next(deliveries).sop_instance_uid]
    filled.take_in(0, instance="1.2.3.1.0")
    got += [delivery.sop_instance_uid for delivery in deliveries]
    assert got == FIRST


@pytest.mark.parametrize("how", ["flipped", "cut short", "gone", "no key"])
def test_one_object_that_cannot_be_opened_keeps_no_other_back(
    filled: Any, dicom: Any, descriptors: None, how: str
) -> None:
    name = filled.scalar("SELECT blob FROM instances WHERE sop_instance_uid = '1.2.3.1.2'")
    path = filled.root / "objects" / name[:2] / name
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    if how == "gone":
        path.unlink()
    elif how == "no key":
        filled.sql("DELETE FROM study_keys WHERE study_id = 1")
    else:
        path.write_bytes(content if how == "flipped" else content[:-3])
    errors, whole = [], []
    for delivery in select(filled, series_uids=("1.2.3.1",)).deliveries(lambda _: True):
        errors += [] if delivery.error is None else [delivery.error]
        whole += [] if delivery.chunks is None else [b"".join(delivery.chunks)]
    assert all(isinstance(error, Tampered) for error in errors)
    expected = [] if how == "no key" else ["1.2.3.1.1", "1.2.3.1.3"]
    assert whole == [dicom.data_set(instance=uid) for uid in expected]
    assert len(errors) + len(whole) == 3


@pytest.mark.sqlcipher
def test_damage_inside_of_a_large_one_is_known_before_it_is_begun(filled: Any, descriptors: None) -> None:
    filled.take_in(7, rows=800)
    name = filled.scalar("SELECT blob FROM instances WHERE sop_instance_uid = '1.2.3.1.7'")
    path = filled.root / "objects" / name[:2] / name
    content = bytearray(path.read_bytes())
    content[1_100_000] ^= 1
    path.write_bytes(content)
    found = {
        one.sop_instance_uid: one.chunks is None and isinstance(one.error, Tampered)
        for one in select(filled, series_uids=("1.2.3.1",)).deliveries(lambda _: True)
    }
    assert found == dict.fromkeys(FIRST, False) | {"1.2.3.1.7": True}


@pytest.mark.parametrize("bound", ["MOST_STUDIES", "MOST_INSTANCES"])
def test_a_retrieval_is_bounded(filled: Any, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(selections, bound, 2)
    with pytest.raises(LimitExceeded):
        select(filled, patient_id="P-1")
    monkeypatch.setattr(selections, bound, 5)
    assert select(filled, patient_id="P-1").count == 5
