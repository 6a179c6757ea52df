"""C-MOVE: to whom, over which associations, and what is said of it (PS3.4 C.4.2)."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import transfer_syntax
from leadglass.dimse.command import Command, Field
from leadglass.net.requestor import connect
from leadglass.scp.move import Move
from leadglass.ul.negotiation import Service

from .conftest import (
    CT,
    DEADLINES,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    MOVE,
    Answer,
    Receiver,
    ask,
    calling,
    identifier,
    run,
)
from .test_get import CANCELLED, FIRST, INCOMPLETE, NONE_DONE, STUDY, SUCCESS, compressed, listed

TITLE = "DESTINATION"


async def dial(ae: Any, request: Any) -> Any:
    return await connect(ae.host, ae.port, request, deadlines=DEADLINES)


def moved(
    house: Any,
    data: bytes = STUDY,
    receiver: Any = None,
    *,
    to: str = TITLE,
    ae: Any = None,
    offer: Any = None,
    department: str = "Radiology",
    message_id: int = 5,
) -> tuple[Answer, Any]:
    """One C-MOVE; the destination listens with what is in `offer`."""
    receiver = receiver or Receiver()

    async def whole() -> Answer:
        mover = Move(house.services.retrieve, house.services.peers, dial, house.workers)

        async def answering(link: Any, message: Any) -> None:
            receiver.asked = link
            await mover(link, message)

        stores = {Field.C_STORE_RQ: receiver}
        async with house.listening(stores, house.ae(), offer=offer or {CT: Service()}) as destination:
            house.add_ae(f"{TITLE}@127.0.0.1:{destination}", department)
            async with (
                house.listening({Field.C_MOVE_RQ: answering}, ae or house.ae()) as port,
                calling(port, MOVE) as link,
            ):
                receiver.asking = link
                return await ask(link, Field.C_MOVE_RQ, data, message_id=message_id, move_destination=to)

    return run(whole()), receiver


def test_a_study_goes_to_the_destination_byte_for_byte(filled: Any) -> None:
    answer, receiver = moved(filled)
    assert answer.counts == (SUCCESS, None, 3, 0, 0)
    assert list(receiver.contents.items()) == [(uid, filled.dicom.data_set(instance=uid)) for uid in FIRST]


def test_each_c_store_says_who_asked_for_it(filled: Any) -> None:
    _, receiver = moved(filled, message_id=321)
    said = {(c.command.move_originator_title, c.command.move_originator_message_id) for c in receiver.stored}
    assert said == {("STATION", 321)}


def test_the_record_says_where_it_went(filled: Any) -> None:
    moved(filled)
    [access] = filled.accesses("study.send")
    assert (access.entry.detail, access.entry.studies) == ({"to": TITLE}, ("1.2.3",))
    assert access.counts["instances"] == 3


@pytest.mark.parametrize("to", ["NOBODY", "STATION", TITLE.lower()], ids=["unknown", "caller", "case"])
def test_an_unknown_destination(filled: Any, to: str) -> None:
    answer, receiver = moved(filled, to=to)
    assert answer.counts == (0xA801, None, None, None, None)
    assert receiver.stored == []


def test_a_receive_only_ae_is_no_destination(filled: Any) -> None:
    filled.add_ae("SCANNER@127.0.0.1:1", receive_only=True)
    assert moved(filled, to="SCANNER")[0].final.status == 0xA801


def test_a_destination_of_another_department_is_sent_nothing(filled: Any) -> None:
    answer, receiver = moved(filled, department="Cardiology")
    assert answer.counts == (0x0124, None, None, None, None)
    assert receiver.stored == []
    [entry] = filled.entries("study.send")
    assert (entry.entry.outcome, entry.entry.reason, entry.entry.studies) == (
        "denied",
        "receiver-not-entitled",
        ("1.2.3",),
    )


def test_who_was_not_allowed_to_hears_so(filled: Any) -> None:
    answer, receiver = moved(filled, ae=filled.ae(allow=frozenset({"find", "get", "store"})))
    assert answer.counts == (0x0124, None, None, None, None)
    assert receiver.stored == []


@pytest.mark.parametrize("study", ["1.5", "9.9.9"], ids=["foreign", "absent"])
def test_foreign_and_absent_are_answered_alike(filled: Any, study: str) -> None:
    answer, receiver = moved(filled, identifier("STUDY", StudyInstanceUID=study))
    assert answer.counts == (SUCCESS, None, 0, 0, 0)
    assert receiver.stored == []


def test_no_identifier_of_the_model(filled: Any) -> None:
    assert moved(filled, identifier("PATIENT", PatientID="P-1"))[0].final.status == 0xA900


# --- associations with the destination ----------------------------------------------------------------------


def test_a_destination_that_takes_another_syntax_gets_it_re_encoded(filled: Any) -> None:
    answer, receiver = moved(filled, offer={CT: Service((IMPLICIT,))})
    assert answer.counts == (SUCCESS, None, 3, 0, 0)
    for one in receiver.stored:
        original = filled.dicom.data_set(instance=one.command.affected_sop_instance_uid)
        assert parse(one.data, transfer_syntax(IMPLICIT)) == parse(original, transfer_syntax(EXPLICIT))


def test_a_compressed_image_goes_only_as_it_is(filled: Any) -> None:
    compressed(filled, "1.2.3.1.7")
    answer, receiver = moved(filled, offer={CT: Service((EXPLICIT,))})
    assert (answer.counts, listed(answer)) == ((INCOMPLETE, None, 3, 1, 0), ["1.2.3.1.7"])
    assert list(receiver.contents) == FIRST


def test_a_compressed_image_that_is_taken_as_it_is(filled: Any) -> None:
    compressed(filled, "1.2.3.1.7")
    answer, receiver = moved(filled)
    assert answer.counts == (SUCCESS, None, 4, 0, 0)
    assert {one.transfer_syntax for one in receiver.stored} == {EXPLICIT, JPEG}


def test_a_destination_that_takes_nothing(filled: Any) -> None:
    answer, receiver = moved(filled, offer={"1.2.840.10008.1.1": Service()})
    assert (answer.counts, listed(answer)) == ((NONE_DONE, None, 0, 3, 0), FIRST)
    assert receiver.stored == []


def test_a_destination_that_is_not_there(filled: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    filled.add_ae(f"GONE@127.0.0.1:{port}")
    answer, _ = moved(filled, to="GONE")
    assert (answer.counts, listed(answer)) == ((NONE_DONE, None, 0, 3, 0), FIRST)
    [access] = filled.accesses("study.send")  # whoever asked was told what there is
    assert (access.entry.detail, access.counts) == ({"to": "GONE"}, {})


def test_a_destination_that_goes_away(filled: Any) -> None:
    class Leaving(Receiver):
        async def __call__(self, link: Any, message: Any) -> None:
            if self.stored:
                link.abort()
            else:
                await super().__call__(link, message)

    answer, receiver = moved(filled, receiver=Leaving())
    assert (answer.counts, listed(answer)) == ((INCOMPLETE, None, 1, 2, 0), FIRST[1:])
    assert list(receiver.contents) == FIRST[:1]


def test_what_the_destination_says_is_counted(filled: Any) -> None:
    answer, _ = moved(filled, receiver=Receiver({FIRST[0]: 0xA700, FIRST[1]: 0xB000}))
    assert (answer.counts, listed(answer)) == ((INCOMPLETE, None, 1, 1, 1), FIRST[:1])


def test_more_kinds_than_one_association_has_contexts_for(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadglass.scp.proposals.MOST_CONTEXTS", 2)
    compressed(filled, "1.2.3.1.7")
    answer, receiver = moved(filled)
    assert answer.counts == (SUCCESS, None, 4, 0, 0)
    assert sorted(receiver.contents) == [*FIRST, "1.2.3.1.7"]


def test_cancelled_after_the_first(filled: Any) -> None:
    class Cancelling(Receiver):
        async def __call__(self, link: Any, message: Any) -> None:
            await self.asking.send(1, Command(Field.C_CANCEL_RQ, responding_to=5))  # type: ignore[attr-defined]
            while not self.asked.is_cancelled(5):  # type: ignore[attr-defined]
                await asyncio.sleep(0)
            await super().__call__(link, message)

    answer, receiver = moved(filled, receiver=Cancelling(), message_id=5)
    assert answer.counts == (CANCELLED, 2, 1, 0, 0)
    assert list(receiver.contents) == FIRST[:1]
