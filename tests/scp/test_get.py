"""C-GET: sub-operations, their counts and statuses (PS3.4 C.4.3), over the network's own code."""

from __future__ import annotations

import os
from typing import Any

import pytest

from leadglass.access.principal import Via
from leadglass.archive import selection as selections
from leadglass.db.engine import Transaction
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import transfer_syntax
from leadglass.dicom.part10 import Part10Parser
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import Command, Field
from leadglass.errors import LeadglassError, StorageFull
from leadglass.scp import ahead, suboperations
from leadglass.scp.get import Get

from .conftest import (
    CT,
    EXPLICIT,
    GET,
    GET_ROLES,
    IMPLICIT,
    JPEG,
    Answer,
    Receiver,
    ask,
    calling,
    identifier,
    run,
)

FIRST = ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"]
STUDY = identifier("STUDY", StudyInstanceUID="1.2.3")
SUCCESS, CANCELLED, INCOMPLETE, NONE_DONE = 0x0000, 0xFE00, 0xB000, 0xA702


def got(
    house: Any,
    data: bytes = STUDY,
    receiver: Receiver | None = None,
    *,
    syntaxes: tuple[str, ...] = (EXPLICIT,),
    model: tuple[str, tuple[str, ...]] = GET,
    ae: Any = None,
    via: Via = Via.DIMSE,
    message_id: int = 1,
) -> tuple[Answer, Receiver]:
    """One C-GET on an association that proposes CT images in each of `syntaxes`."""
    receiver = receiver or Receiver()

    async def whole() -> Answer:
        handlers = {Field.C_GET_RQ: Get(house.services.retrieve, house.workers)}
        async with house.listening(handlers, ae or house.ae(), via) as port:
            contexts = [(CT, (syntax,)) for syntax in syntaxes]
            async with calling(port, model, *contexts, receiver=receiver, roles=GET_ROLES) as link:
                return await ask(link, Field.C_GET_RQ, data, message_id=message_id)

    return run(whole()), receiver


def listed(answer: Answer) -> list[str]:
    element = parse(answer.listed, transfer_syntax(EXPLICIT))[0x00080058]
    assert isinstance(element.value, bytes)
    return element.value.decode().rstrip("\0").split("\\")


def test_a_study_comes_byte_for_byte_and_in_order(filled: Any) -> None:
    answer, receiver = got(filled)
    assert answer.counts == (SUCCESS, None, 3, 0, 0)
    assert list(receiver.contents.items()) == [(uid, filled.dicom.data_set(instance=uid)) for uid in FIRST]
    assert answer.listed == b""


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (identifier("PATIENT", PatientID="P-1"), [*FIRST, "1.4.1.1"]),
        (identifier("STUDY", StudyInstanceUID="1.4\\1.2.3"), [*FIRST, "1.4.1.1"]),
        (identifier("SERIES", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1"), FIRST),
        (identifier("IMAGE", SOPInstanceUID="1.2.3.1.3\\1.4.1.1"), ["1.2.3.1.3", "1.4.1.1"]),
    ],
    ids=["patient", "study", "series", "image"],
)
def test_every_level(filled: Any, data: bytes, expected: list[str]) -> None:
    answer, receiver = got(filled, data, model=(uids.PATIENT_ROOT_GET, (EXPLICIT,)))
    assert answer.counts == (SUCCESS, None, len(expected), 0, 0)
    assert list(receiver.contents) == expected


def test_each_c_store_is_a_whole_request(filled: Any) -> None:
    _, receiver = got(filled)
    commands = [one.command for one in receiver.stored]
    assert {(c.affected_sop_class_uid, c.priority, c.move_originator_title) for c in commands} == {
        (CT, 0, "")
    }
    assert len({c.message_id for c in commands}) == 3


# --- transfer syntaxes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [IMPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
def test_what_was_not_accepted_as_it_is_kept_is_re_encoded(filled: Any, syntax: str) -> None:
    answer, receiver = got(filled, syntaxes=(syntax,))
    assert answer.counts == (SUCCESS, None, 3, 0, 0)
    for one in receiver.stored:
        assert one.transfer_syntax == syntax
        original = filled.dicom.data_set(instance=one.command.affected_sop_instance_uid)
        assert parse(one.data, transfer_syntax(syntax)) == parse(original, transfer_syntax(EXPLICIT))


def test_what_is_kept_goes_before_what_can_be_made(filled: Any) -> None:
    _, receiver = got(filled, syntaxes=(IMPLICIT, EXPLICIT, "1.2.840.10008.1.2.2"))
    assert {one.transfer_syntax for one in receiver.stored} == {EXPLICIT}


def compressed(house: Any, instance: str) -> None:
    data_set = house.dicom.data_set(instance=instance, pixels=b"")
    fragments = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0\4\0\0\0\xff\xd8\xff\xd9"
    head = data_set[: data_set.rindex(b"\xe0\x7f\x10\x00")] + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
    house.take_in(
        house.dicom.part10(head + fragments + b"\xfe\xff\xdd\xe0\0\0\0\0", syntax=JPEG, instance=instance)
    )


def test_what_has_no_context_is_a_failed_sub_operation(filled: Any) -> None:
    compressed(filled, "1.2.3.1.7")
    answer, receiver = got(filled)
    assert answer.counts == (INCOMPLETE, None, 3, 1, 0)
    assert listed(answer) == ["1.2.3.1.7"]
    assert list(receiver.contents) == FIRST


def test_what_is_compressed_goes_as_it_is(filled: Any) -> None:
    compressed(filled, "1.2.3.1.7")
    answer, receiver = got(filled, identifier("IMAGE", SOPInstanceUID="1.2.3.1.7"), syntaxes=(EXPLICIT, JPEG))
    assert answer.counts == (SUCCESS, None, 1, 0, 0)
    assert [one.transfer_syntax for one in receiver.stored] == [JPEG]


def test_when_nothing_can_be_sent_the_operation_failed(filled: Any) -> None:
    answer, receiver = got(filled, syntaxes=(JPEG,))
    assert answer.counts == (NONE_DONE, None, 0, 3, 0)
    assert (listed(answer), receiver.stored) == (FIRST, [])
    [access] = filled.accesses("study.retrieve")  # that it is here, and what it is made of, was told
    assert (access.entry.studies, access.counts) == (("1.2.3",), {})


def test_without_the_role_nothing_is_sent(filled: Any) -> None:
    """PS3.7 D.3.3.4: a requestor that does not say so is no SCP of Storage."""

    async def whole() -> Answer:
        handlers = {Field.C_GET_RQ: Get(filled.services.retrieve, filled.workers)}
        async with (
            filled.listening(handlers, filled.ae()) as port,
            calling(port, GET, (CT, (EXPLICIT,)), receiver=Receiver()) as link,
        ):
            return await ask(link, Field.C_GET_RQ, STUDY)

    assert run(whole()).counts == (NONE_DONE, None, 0, 3, 0)


# --- counts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "counts", "failed"),
    [
        ({FIRST[0]: 0xB007}, (INCOMPLETE, None, 2, 0, 1), None),
        ({FIRST[1]: 0xA700}, (INCOMPLETE, None, 2, 1, 0), FIRST[1:2]),
        ({FIRST[0]: 0xB000, FIRST[2]: 0x0122}, (INCOMPLETE, None, 1, 1, 1), FIRST[2:]),
        (dict.fromkeys(FIRST, 0xC000), (NONE_DONE, None, 0, 3, 0), FIRST),
        (dict.fromkeys(FIRST, 0xB000), (INCOMPLETE, None, 0, 0, 3), None),
    ],
    ids=str,
)
def test_what_the_other_side_says_is_counted(filled: Any, statuses: Any, counts: Any, failed: Any) -> None:
    answer, _ = got(filled, receiver=Receiver(statuses))
    assert answer.counts == counts
    assert (listed(answer) if answer.listed else None) == failed


def test_the_first_response_says_how_many_there_are(filled: Any) -> None:
    answer, _ = got(filled)
    pending, _ = answer.responses
    assert (pending.status, pending.remaining, pending.completed) == (0xFF00, 2, 1)


def test_it_is_said_how_far_it_is(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suboperations, "EVERY", 1)
    answer, _ = got(filled)
    pending = [(c.status, c.remaining, c.completed, c.failed, c.warning) for c in answer.responses[:-1]]
    assert pending == [(0xFF00, 2, 1, 0, 0), (0xFF00, 1, 2, 0, 0)]


def test_a_list_of_failures_ends_where_its_length_does(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suboperations, "MOST_LISTED", len(FIRST[0]) * 2 + 3)
    answer, _ = got(filled, syntaxes=(JPEG,))
    assert answer.counts == (NONE_DONE, None, 0, 3, 0)
    assert listed(answer) == FIRST[:2]


def test_cancelled_after_the_first(filled: Any) -> None:
    class Cancelling(Receiver):
        async def __call__(self, link: Any, message: Any) -> None:
            await link.send(1, Command(Field.C_CANCEL_RQ, responding_to=77))
            await super().__call__(link, message)

    answer, receiver = got(filled, receiver=Cancelling(), message_id=77)
    assert answer.counts == (CANCELLED, 2, 1, 0, 0)
    assert list(receiver.contents) == FIRST[:1]
    [access] = filled.accesses("study.retrieve")
    assert access.counts["instances"] == 1


# --- who may have what ------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", ["1.5", "9.9.9"], ids=["foreign", "absent"])
def test_foreign_and_absent_are_answered_alike(filled: Any, study: str) -> None:
    answer, receiver = got(filled, identifier("STUDY", StudyInstanceUID=study))
    [final] = answer.responses
    assert final == Command(
        Field.C_GET_RSP,
        responding_to=1,
        affected_sop_class_uid=uids.STUDY_ROOT_GET,
        status=SUCCESS,
        completed=0,
        failed=0,
        warning=0,
    )
    assert receiver.stored == []
    [entry] = filled.entries("study.retrieve")
    assert (entry.entry.outcome, entry.entry.actor, entry.entry.via) == ("denied", "ae:7", "dimse")


@pytest.mark.parametrize(
    ("allow", "via"),
    [
        (frozenset(), Via.DIMSE),
        (frozenset({"store", "find", "move"}), Via.DIMSE),
        (frozenset({"get"}), Via.RECEIVE),
    ],
    ids=["nothing", "all but get", "at the receive-only listener"],
)
def test_who_was_not_allowed_it_hears_so(filled: Any, allow: frozenset[str], via: Via) -> None:
    answer, receiver = got(filled, ae=filled.ae(allow=allow), via=via)
    assert answer.counts == (0x0124, None, None, None, None)
    assert receiver.stored == []
    [entry] = filled.entries("study.retrieve")
    assert entry.entry.outcome == "denied"


@pytest.mark.parametrize(
    "data",
    [
        identifier("PATIENT", PatientID="P-1"),
        identifier("STUDY"),
        identifier("STUDY", StudyInstanceUID="1.2.*"),
        identifier(StudyInstanceUID="1.2.3"),
        b"\xff\xff",
    ],
    ids=["level", "no key", "wild card", "no level", "no data set"],
)
def test_what_is_no_identifier_of_the_model(filled: Any, data: bytes) -> None:
    answer, _ = got(filled, data)
    assert answer.counts == (0xA900, None, None, None, None)
    assert answer.final.error_comment


def test_more_than_one_retrieval_may_be_about(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selections, "MOST_INSTANCES", 2)
    answer, _ = got(filled)
    assert answer.final.status == 0xA701


def test_each_access_is_on_the_record_with_what_went_out(filled: Any) -> None:
    got(filled, identifier("STUDY", StudyInstanceUID="1.4\\1.2.3"))
    accesses = filled.accesses("study.retrieve")
    assert [(a.entry.studies, a.counts["instances"]) for a in accesses] == [(("1.2.3",), 3), (("1.4",), 1)]


# --- what goes wrong --------------------------------------------------------------------------------------


def spoil(house: Any, uid: str, at: int) -> None:
    with house.services.db.read() as connection:
        name = connection.exec_driver_sql(
            f"SELECT blob FROM instances WHERE sop_instance_uid = '{uid}'"
        ).scalar_one()
    path = house.root / "objects" / name[:2] / name
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_an_object_that_was_altered_fails_alone(filled: Any) -> None:
    spoil(filled, FIRST[1], 200)
    answer, receiver = got(filled)
    assert answer.counts == (INCOMPLETE, None, 2, 1, 0)
    assert listed(answer) == [FIRST[1]]
    assert list(receiver.contents) == [FIRST[0], FIRST[2]]


def test_an_object_of_many_pieces_comes_whole(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "PIECE", 1 << 17)
    house.take_in(house.dicom.file(1, rows=600, pixels=os.urandom(720_000)))
    answer, receiver = got(house)
    assert answer.counts == (SUCCESS, None, 1, 0, 0)
    [data] = receiver.contents.values()
    assert len(data) > 720_000
    parser = Part10Parser()
    parser.feed(house.dicom.part10(data))
    parser.close()


def test_damage_deep_inside_of_one_fails_it_alone(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "PIECE", 1 << 17)
    monkeypatch.setattr(selections, "_READ_TWICE", range((1 << 17) + 1, 1 << 20))
    for number in (1, 2, 3):
        house.take_in(house.dicom.file(number, rows=600, pixels=bytes(720_000)))
    spoil(house, FIRST[1], 300_000)
    answer, receiver = got(house)
    assert answer.counts == (INCOMPLETE, None, 2, 1, 0)
    assert listed(answer) == [FIRST[1]]
    assert list(receiver.contents) == [FIRST[0], FIRST[2]]


def test_an_object_that_proves_altered_under_way_ends_the_association(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was begun cannot be taken back: nobody may take half of an image for the whole."""
    monkeypatch.setattr(ahead, "PIECE", 1 << 17)
    house.take_in(house.dicom.file(1, rows=600, pixels=bytes(720_000)))
    spoil(house, FIRST[0], 300_000)
    receiver = Receiver()
    with pytest.raises(LeadglassError) as caught:
        got(house, receiver=receiver)
    assert caught.value.code == "aborted"
    assert receiver.stored == []


def test_when_it_cannot_be_recorded_nothing_leaves(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    log, append = filled.services.doorkeeper.log, filled.services.doorkeeper.log.append

    def full(tx: Transaction, entry: Any, now: int) -> int:
        if entry.phase == "open":
            raise StorageFull("The disk is full.")
        return int(append(tx, entry, now))

    monkeypatch.setattr(log, "append", full)
    answer, receiver = got(filled)
    assert answer.counts == (0xA701, None, None, None, None)  # not even that there is something
    assert (receiver.stored, answer.listed) == ([], b"")


def test_a_peer_that_goes_away_leaves_nothing_open(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Leaving(Receiver):
        async def __call__(self, link: Any, message: Any) -> None:
            link.abort()

    with pytest.raises(LeadglassError):
        got(filled, receiver=Leaving())
    filled.workers.close()  # what was under way is finished
    targets = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if fd_is_there(n)]
    assert not [target for target in targets if target.startswith(str(filled.root / "objects"))]
    [access] = filled.accesses("study.retrieve")
    assert (access.at_least, access.counts["instances"]) == (False, 1)


def test_who_cancels_at_once_was_told_how_many_there_are(filled: Any) -> None:
    """The number that remain says that there is such a patient here: that is on the record too."""
    get = Get(filled.services.retrieve, filled.workers)

    async def cancelled(link: Any, message: Any) -> None:
        link._cancelled.add(message.command.message_id)
        await get(link, message)

    async def whole() -> Answer:
        async with (
            filled.listening({Field.C_GET_RQ: cancelled}, filled.ae()) as port,
            calling(port, GET, (CT, (EXPLICIT,)), receiver=Receiver(), roles=GET_ROLES) as link,
        ):
            return await ask(link, Field.C_GET_RQ, STUDY)

    assert run(whole()).counts == (CANCELLED, 3, 0, 0, 0)
    [access] = filled.accesses("study.retrieve")
    assert (access.entry.studies, access.counts) == (("1.2.3",), {})


def fd_is_there(number: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{number}")
