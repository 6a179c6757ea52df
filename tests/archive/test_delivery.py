"""Many objects of one sender: each with its own outcome, in their order, durable before it is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from leadglass.access.principal import Role
from leadglass.archive.delivery import IN_FLIGHT, Deliveries, Delivery, Received
from leadglass.archive.ingest import Kind
from leadglass.errors import Denied, IllegalIdentity, LimitExceeded, NotDicom, StorageFull, Unavailable


def begun(clinic: Any, role: Role = Role.TECHNOLOGIST, **options: Any) -> Delivery:
    who = clinic.people[role]
    return clinic.services.deliveries.begin(lambda: who, clinic.own, "test", clinic.context, **options)  # type: ignore[no-any-return]


def brought(delivery: Delivery, *files: bytes) -> list[Received]:
    for file in files:
        delivery.begin()
        for at in range(0, len(file), 500):
            delivery.write(memoryview(file)[at : at + 500])
        delivery.end()
    return delivery.complete()


def image(dicom: Any, number: int) -> bytes:
    return dicom.file(number)  # type: ignore[no-any-return]


def test_each_with_its_own_outcome_in_their_order(clinic: Any, dicom: Any) -> None:
    files = [image(dicom, 1), b"no image", image(dicom, 2), image(dicom, 1), image(dicom, 3)[:-1]]
    received = brought(begun(clinic), *files)
    assert [one.outcome and one.outcome.kind for one in received] == [
        Kind.STORED, None, Kind.STORED, Kind.DUPLICATE, None
    ]  # fmt: skip
    assert [one.is_kept for one in received] == [True, False, True, True, False]
    assert isinstance(received[1].error, NotDicom)
    assert [one.claims.sop_instance_uid for one in received] == [
        f"1.2.3.1.{n}" if n else "" for n in (1, 0, 2, 1, 3)
    ]


def test_more_than_may_be_in_flight(clinic: Any, dicom: Any) -> None:
    received = brought(begun(clinic), *(image(dicom, number) for number in range(1, 2 * IN_FLIGHT)))
    assert all(one.is_kept for one in received)


def test_of_another_study(clinic: Any, dicom: Any) -> None:
    (refused,) = brought(begun(clinic, study="1.2.99"), image(dicom, 1))
    assert isinstance(refused.error, IllegalIdentity)
    (aside,) = brought(begun(clinic, study="1.2.99", keep_unidentified=True), image(dicom, 1))
    assert aside.outcome is not None
    assert (aside.outcome.kind, aside.outcome.status) == (Kind.KEPT_ASIDE, 0xA900)
    study = aside.claims.study_instance_uid
    (kept,) = brought(begun(clinic, study=study), image(dicom, 1))
    assert kept.is_kept


def test_too_large_is_given_up_and_the_next_is_kept(clinic: Any, dicom: Any) -> None:
    small, large = image(dicom, 1), dicom.file(2, rows=32)
    deliveries = Deliveries(clinic.services.ingest, largest=len(small))
    who = clinic.people[Role.TECHNOLOGIST]
    first, second = brought(deliveries.begin(lambda: who, clinic.own, "test", clinic.context), large, small)
    assert isinstance(first.error, LimitExceeded)
    assert second.is_kept
    deliveries.close()


def test_who_may_not(clinic: Any, dicom: Any) -> None:
    (refused,) = brought(begun(clinic, Role.RADIOLOGIST), image(dicom, 1))
    assert isinstance(refused.error, Denied)


def test_a_full_disk_keeps_each_out_by_itself(
    clinic: Any, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clinic.services.db.reserve, "room_for_objects", lambda: False)
    received = brought(begun(clinic), image(dicom, 1), image(dicom, 2))
    assert [type(one.error) for one in received] == [StorageFull] * 2


def test_our_own_failure_tells_nothing(clinic: Any, dicom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("ROTH^ANNA")

    monkeypatch.setattr("leadglass.archive.ingest.facts_of", broken)
    (refused,) = brought(begun(clinic), image(dicom, 1))
    assert isinstance(refused.error, Unavailable)
    assert "ROTH" not in str(refused.error)


def test_abandoned_in_the_middle_of_an_object(clinic: Any, dicom: Any) -> None:
    delivery = begun(clinic)
    delivery.begin()
    delivery.write(image(dicom, 1))
    delivery.end()
    delivery.begin()
    delivery.write(image(dicom, 2)[:400])
    delivery.abandon()
    for late in (delivery.begin, lambda: delivery.write(b"x"), delivery.end, delivery.abandon):
        late()
    assert [one.claims.sop_instance_uid for one in delivery.complete()] == ["1.2.3.1.1"]
    objects = [
        path for path in (clinic.root / "objects").rglob("*") if path.is_file() and path.stat().st_size
    ]
    assert len(objects) == 1


def test_several_deliveries_at_once(clinic: Any, dicom: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(brought, begun(clinic), *(image(dicom, n * 10 + i) for i in range(8)))
            for n in range(1, 5)
        ]
        assert all(one.is_kept for each in asked for one in each.result())
