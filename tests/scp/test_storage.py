"""C-STORE: 0x0000 for what is durable; for what cannot be kept a failure with a comment, and it is kept aside."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from leadglass.access.principal import Via
from leadglass.dicom.part10 import Part10Parser
from leadglass.dimse.command import Command, Field
from leadglass.scp.storage import Storage

from .conftest import CT, EXPLICIT, calling, run

MR = "1.2.840.10008.5.1.4.1.1.4"
UID = "1.2.3.1.1"
CONTRADICTION = (0xC001, "It contradicts what is kept here; kept aside")
ILLEGAL = (0xA900, "A UID is missing or illegal; kept aside")
OTHER = (0xA900, "It is not what the command names; kept aside")
UNREADABLE = (0xC000, "It cannot be read; kept aside")
NO_ROOM = 0xA700


def data_set(file: bytes) -> bytes:
    parser = Part10Parser()
    parser.feed(file)
    return file[parser.dataset_offset :]


def store(
    house: Any, *sent: tuple[str, bytes], sop_class: str = CT, department: int | None = None
) -> list[tuple[int, str]]:
    """Status and Error Comment for each (SOP Instance UID, data set), all on one association."""

    async def whole() -> list[tuple[int, str]]:
        handlers = {Field.C_STORE_RQ: Storage(house.services.ingest, house.workers, LARGEST)}
        ae = house.ae(department=department)
        async with (
            house.listening(handlers, ae, Via.DIMSE) as port,
            calling(port, (sop_class, (EXPLICIT,))) as link,
        ):
            return [await one(link, *each) for each in sent]

    async def one(link: Any, uid: str, data: bytes) -> tuple[int, str]:
        request = Command(
            Field.C_STORE_RQ,
            message_id=link.next_message_id(),
            affected_sop_class_uid=sop_class,
            affected_sop_instance_uid=uid,
            priority=0,
            has_dataset=True,
        )
        answer = (await link.request(1, request, data)).command
        return answer.status, answer.error_comment or ""

    found: list[tuple[int, str]] = run(whole())
    return found


def rows(house: Any, sql: str) -> list[tuple[Any, ...]]:
    with house.services.db.read() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


LARGEST = 4 << 20


def aside(house: Any) -> list[tuple[Any, ...]]:
    return rows(house, "SELECT reason, sop_instance_uid, source FROM kept_aside ORDER BY id")


def test_stored_and_again(house: Any) -> None:
    one = data_set(house.dicom.file(1))
    assert store(house, (UID, one), (UID, one)) == [(0, ""), (0, "")]
    assert aside(house) == []
    assert rows(house, "SELECT sop_instance_uid FROM instances") == [(UID,)]


@pytest.mark.parametrize(
    ("what", "answer", "reason", "kept_as"),
    [
        ({"instance": ""}, ILLEGAL, "illegal-identity", ""),
        ({"instance": "1.2.03"}, ILLEGAL, "illegal-identity", ""),
        ({"study": ""}, ILLEGAL, "illegal-identity", UID),
        ({"instance": "1.2.99"}, OTHER, "other-identity", "1.2.99"),
    ],
)
def test_what_is_not_what_the_command_names(
    house: Any, what: dict[str, str], answer: tuple[int, str], reason: str, kept_as: str
) -> None:
    assert store(house, (UID, data_set(house.dicom.file(1, **what)))) == [answer]
    assert aside(house) == [(reason, kept_as, "C-STORE from STATION")]


def test_another_sop_class_than_the_command_s(house: Any) -> None:
    assert store(house, (UID, data_set(house.dicom.file(1))), sop_class=MR) == [OTHER]
    assert aside(house) == [("other-identity", UID, "C-STORE from STATION")]


def test_what_cannot_be_read_and_the_next_is_unaffected(house: Any) -> None:
    one = data_set(house.dicom.file(1, rows=600))
    broken = one[:300] + b"\xff" * 100_000
    assert store(house, (UID, one[:-1]), (UID, broken), (UID, one)) == [UNREADABLE, UNREADABLE, (0, "")]
    assert [row[0] for row in aside(house)] == ["unreadable"] * 2
    assert [e.entry.reason for e in house.entries("object.store")] == ["unreadable", "unreadable", "stored"]


def test_a_contradiction_is_said_each_time_and_kept_once(house: Any) -> None:
    one, other = (data_set(house.dicom.file(1, fill=fill)) for fill in (1, 9))
    assert store(house, (UID, one), (UID, other), (UID, other)) == [(0, ""), CONTRADICTION, CONTRADICTION]
    assert [row[0] for row in aside(house)] == ["other-content"]


def test_nobody_learns_what_another_department_has(house: Any) -> None:
    one = data_set(house.dicom.file(1))
    assert store(house, (UID, one)) == [(0, "")]
    assert store(house, (UID, one), department=house.foreign) == [CONTRADICTION]
    assert [row[0] for row in aside(house)] == ["study-of-another-department"]


def test_without_room_for_more_of_that_it_is_out_of_resources(house: Any) -> None:
    house.services.ingest.room_aside.homeless = 1 << 16
    one = data_set(house.dicom.file(1))
    answers = store(house, (UID, one[:-1]), (UID, one[:-2]), (UID, one))
    assert [status for status, _ in answers] == [UNREADABLE[0], NO_ROOM, 0]
    assert len(aside(house)) == 1
    assert [e.entry.detail.get("refused", 0) for e in house.entries("object.store")] == [0, 1, 0]


def test_more_than_an_object_may_have_is_let_pass_by_and_the_next_is_unaffected(house: Any) -> None:
    one = data_set(house.dicom.file(1))
    with structlog.testing.capture_logs() as lines:
        answers = store(house, ("1.2.7", bytes(LARGEST + 2)), (UID, one))
    assert [status for status, _ in answers] == [UNREADABLE[0], 0]
    assert [line["code"] for line in lines if line["event"] == "object not kept"] == ["object-bytes"]
    assert [e.entry.detail.get("refused", 0) for e in house.entries("object.store")] == [1, 0]
    assert rows(house, "SELECT sop_instance_uid FROM instances") == [(UID,)]
    assert len(list(house.services.ingest.blobs.names())) == 1
