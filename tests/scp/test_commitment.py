"""Storage Commitment Push Model: asked on one association, told on the same or on one of our own (PS3.4 J.3)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from leadglass.access.principal import Via
from leadglass.archive import commitment as commitments
from leadglass.archive.commitment import DELAYS, FIRST, LEASE, Commitments
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, transfer_syntax
from leadglass.dicom.values import numbers, text
from leadglass.dicom.writer import encode_dataset, text_value
from leadglass.dimse.command import Command, Field
from leadglass.dimse.message import DimseLimits
from leadglass.dimse.sop_classes import STORAGE_COMMITMENT_INSTANCE, STORAGE_COMMITMENT_PUSH
from leadglass.errors import Unreachable
from leadglass.net.requestor import connect
from leadglass.scp.commitment import Commitment, Reporter
from leadglass.scp.dialling import MOST_ANSWER
from leadglass.scp.storage import Storage
from leadglass.ul.negotiation import Service

from .conftest import CT, DEADLINES, EXPLICIT, IMPLICIT, calling, run

MR = "1.2.840.10008.5.1.4.1.1.4"
TRANSACTION = "1.2.99.1"
PUSH = (STORAGE_COMMITMENT_PUSH, (EXPLICIT,))
TAGS = {word: TAG_BY_KEYWORD[word] for word in (
    "TransactionUID", "ReferencedSOPSequence", "FailedSOPSequence", "ReferencedSOPClassUID",
    "ReferencedSOPInstanceUID", "FailureReason",
)}  # fmt: skip


def asked_for(*references: tuple[str, str], transaction: str = TRANSACTION, syntax: str = EXPLICIT) -> bytes:
    items = tuple(
        [
            (TAGS["ReferencedSOPClassUID"], "UI", text_value("UI", sop_class)),
            (TAGS["ReferencedSOPInstanceUID"], "UI", text_value("UI", uid)),
        ]
        for sop_class, uid in references
    )
    elements: list[Any] = [(TAGS["ReferencedSOPSequence"], "SQ", items)]
    if transaction:
        elements.append((TAGS["TransactionUID"], "UI", text_value("UI", transaction)))
    return encode_dataset(elements, transfer_syntax(syntax))


class Told:
    """An SCU of Storage Commitment: what N-EVENT-REPORTs told it. `status` is what it answers."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.reports: list[tuple[int, str, list[str], list[tuple[str, int]]]] = []
        self.came = asyncio.Event()

    async def __call__(self, link: Any, message: Any) -> None:
        command = message.command
        assert command.field is Field.N_EVENT_REPORT_RQ
        assert command.affected_sop_class_uid == STORAGE_COMMITMENT_PUSH
        assert command.affected_sop_instance_uid == STORAGE_COMMITMENT_INSTANCE
        found = parse(await message.data.read(1 << 20), transfer_syntax(message.context.transfer_syntax))
        committed = [
            text(item[TAGS["ReferencedSOPInstanceUID"]]) for item in items(found, "ReferencedSOPSequence")
        ]
        failed = [
            (text(item[TAGS["ReferencedSOPInstanceUID"]]), int(numbers(item[TAGS["FailureReason"]])[0]))
            for item in items(found, "FailedSOPSequence")
        ]
        self.reports.append((command.event_type_id, text(found[TAGS["TransactionUID"]]), committed, failed))
        await link.send(message.context.id, command.respond(self.status))
        self.came.set()


def items(found: Any, keyword: str) -> Any:
    element = found.get(TAGS[keyword])
    if element is None:
        return ()
    assert element.value  # a sequence that is there has items
    return element.value


def action(data: bytes | None, link: Any, **other: Any) -> Command:
    what = {
        "requested_sop_class_uid": STORAGE_COMMITMENT_PUSH,
        "requested_sop_instance_uid": STORAGE_COMMITMENT_INSTANCE,
        "action_type_id": 1,
    }
    return Command(
        Field.N_ACTION_RQ, message_id=link.next_message_id(), has_dataset=data is not None, **(what | other)
    )


def asked(
    house: Any, data: bytes | None, told: Any = None, *, ae: Any = None, via: Via = Via.DIMSE, **other: Any
) -> int:
    """One N-ACTION, its status, and whatever is told on the same association before it is released."""

    async def whole() -> int:
        handlers = {Field.N_ACTION_RQ: Commitment(house.commitments, house.workers)}
        async with house.listening(handlers, ae or known(house), via) as port:
            async with calling(port, PUSH, receiver=told) as link:
                answer = await link.request(1, action(data, link, **other), data)
                status = answer.command.status
                if told is not None and status == 0:
                    await told.came.wait()
            while status == 0 and (told is None or told.status) and not waiting(house, due=True):
                await asyncio.sleep(0)  # until it is known that the AE was not told
            return status  # type: ignore[no-any-return]

    status = run(whole())
    house.services.db.write(lambda _: None).result(30)
    return int(status)


def known(house: Any, text: str = "SCANNER@127.0.0.1:1") -> Any:
    found = house.services.peers.find(text.partition("@")[0])
    return found or house.add_ae(text, receive_only=True, allow="store,commitment")


def waiting(house: Any, *, due: bool = False) -> int:
    """Reports that are still to be made; `due`: those to be made now."""
    condition = f" WHERE due <= {house.now}" if due else ""
    with house.services.db.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM commitments{condition}").scalar_one())


HERE, HERE_TOO, FOREIGN, ABSENT = (CT, "1.2.3.1.1"), (CT, "1.4.1.1"), (CT, "1.5.1.1"), (CT, "9.9")


# --- on the same association --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ([HERE, HERE_TOO], (1, TRANSACTION, ["1.2.3.1.1", "1.4.1.1"], [])),
        ([HERE, ABSENT], (2, TRANSACTION, ["1.2.3.1.1"], [("9.9", 0x0112)])),
        ([FOREIGN], (2, TRANSACTION, [], [("1.5.1.1", 0x0112)])),
        ([(MR, "1.2.3.1.1"), HERE_TOO], (2, TRANSACTION, ["1.4.1.1"], [("1.2.3.1.1", 0x0119)])),
        ([(MR, "1.5.1.1")], (2, TRANSACTION, [], [("1.5.1.1", 0x0112)])),
        ([HERE, HERE], (1, TRANSACTION, ["1.2.3.1.1", "1.2.3.1.1"], [])),
    ],
    ids=["all", "some", "foreign", "class", "foreign class", "twice"],
)
def test_what_is_committed_to_and_what_is_not(filled: Any, references: Any, expected: Any) -> None:
    told = Told()
    assert asked(filled, asked_for(*references), told) == 0
    assert told.reports == [expected]
    assert waiting(filled) == 0


@pytest.mark.parametrize("via", [Via.DIMSE, Via.RECEIVE])
def test_at_both_listeners_who_may(filled: Any, via: Via) -> None:
    told = Told()
    assert asked(filled, asked_for(HERE), told, via=via) == 0
    assert len(told.reports) == 1


def test_it_is_on_the_record(filled: Any) -> None:
    asked(filled, asked_for(HERE, HERE_TOO, FOREIGN, ABSENT), Told())
    own, foreign = (entry.entry for entry in filled.entries("commitment.request"))
    assert (own.outcome, own.studies, own.counts) == (
        "allowed",
        ("1.2.3", "1.4"),
        {"committed": 2, "failed": 2},
    )
    assert (foreign.outcome, foreign.studies, foreign.patients) == ("denied", ("1.5",), ("P-5",))


@pytest.mark.parametrize(
    ("other", "status"),
    [
        ({"action_type_id": 2}, 0x0123),
        ({"requested_sop_class_uid": CT}, 0x0118),
        ({"requested_sop_instance_uid": "1.2.3"}, 0x0112),
    ],
    ids=str,
)
def test_another_action_than_this(filled: Any, other: Any, status: int) -> None:
    assert asked(filled, asked_for(HERE), **other) == status
    assert waiting(filled) == 0


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"\xff\xff",
        asked_for(),
        asked_for(HERE, transaction=""),
        asked_for(("", "1.2.3.1.1")),
        asked_for((CT, "../../x")),
    ],
    ids=["nothing", "no data set", "no references", "no transaction", "no class", "no UID"],
)
def test_what_is_no_request(filled: Any, data: bytes | None) -> None:
    assert asked(filled, data) == 0x0115
    assert waiting(filled) == 0


def test_who_was_not_allowed_it_hears_so(filled: Any) -> None:
    assert asked(filled, asked_for(HERE), ae=filled.ae(allow=frozenset({"store"}))) == 0x0124
    assert waiting(filled) == 0
    [entry] = filled.entries("commitment.request")
    assert entry.entry.outcome == "denied"


def test_more_than_one_request_may_be_about(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitments, "MOST_ITEMS", 1)
    assert asked(filled, asked_for(HERE, HERE_TOO)) == 0x0213


def test_who_sends_on_before_it_answers_the_report_is_heard(house: Any) -> None:
    """A scanner that asks, and goes on sending while the report is on its way."""
    one = house.dicom.data_set(instance="1.2.3.1.1")
    large = one + bytes(2 << 20)  # more than may wait: no data set, and kept aside for it
    held = asyncio.Event()

    async def report_later(link: Any, message: Any) -> None:
        await held.wait()
        await message.data.drain()
        await link.send(message.context.id, message.command.respond(0))

    async def whole() -> list[int]:
        handlers = {
            Field.N_ACTION_RQ: Commitment(house.commitments, house.workers),
            Field.C_STORE_RQ: Storage(house.services.ingest, house.workers, 8 << 20),
        }
        async with (
            house.listening(handlers, known(house)) as port,
            calling(port, PUSH, (CT, (EXPLICIT,)), receiver=report_later) as link,
        ):
            data = asked_for(("1.2.3", "9.9"))
            found = [(await link.request(1, action(data, link), data)).command.status]
            for content in (large, one):
                store = Command(
                    Field.C_STORE_RQ,
                    message_id=link.next_message_id(),
                    affected_sop_class_uid=CT,
                    affected_sop_instance_uid="1.2.3.1.1",
                    priority=0,
                    has_dataset=True,
                )
                found.append((await link.request(3, store, content)).command.status)
            held.set()
            async with asyncio.timeout(20):
                while waiting(house):
                    await asyncio.sleep(0.01)
        return found

    assert run(whole()) == [0, 0xC000, 0]


# --- on an association of our own ---------------------------------------------------------------------------


async def dial(ae: Any, request: Any) -> Any:
    """As the archive's own dialler does it, without TLS."""
    limits = DimseLimits(data_set_bytes=MOST_ANSWER)
    return await connect(ae.host, ae.port, request, deadlines=DEADLINES, dimse=limits)


def report(
    house: Any, told: Any, *, offer: Any = None, syntaxes: Any = None, rounds: int = 1, dial: Any = dial
) -> None:
    """What is due, with the AE listening at its port if `told` says how."""

    async def whole() -> None:
        async with AsyncExitStack() as stack:
            if told is not None:
                given = offer or {STORAGE_COMMITMENT_PUSH: Service(syntaxes, scp=True, scu=True)}
                port = await stack.enter_async_context(
                    house.listening({Field.N_EVENT_REPORT_RQ: told}, house.ae(), offer=given)
                )
                house.services.db.write(
                    lambda tx: tx.connection.exec_driver_sql(f"UPDATE aes SET port = {port}")
                ).result(30)
            reporter = Reporter(
                house.commitments,
                house.services.peers,
                house.workers,
                dial=dial,
                title="LEADGLASS",
                clock=lambda: house.now,
            )
            for _ in range(rounds):
                await reporter.run()

    run(whole())


def test_who_releases_at_once_is_told_on_an_association_of_our_own(filled: Any) -> None:
    assert asked(filled, asked_for(HERE, ABSENT)) == 0
    assert waiting(filled) == 1
    told = Told()
    report(filled, told)
    assert told.reports == [(2, TRANSACTION, ["1.2.3.1.1"], [("9.9", 0x0112)])]
    assert waiting(filled) == 0


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_in_the_syntax_it_takes(filled: Any, syntax: str) -> None:
    asked(filled, asked_for(HERE))
    told = Told()
    report(filled, told, syntaxes=(syntax,))
    assert [committed for _, _, committed, _ in told.reports] == [["1.2.3.1.1"]]


def test_while_it_is_told_on_the_same_association_nobody_calls_it(filled: Any) -> None:
    due: list[int] = []

    class Looking(Told):
        async def __call__(self, link: Any, message: Any) -> None:
            due.append(waiting(filled, due=True))
            await super().__call__(link, message)

    asked(filled, asked_for(HERE), Looking())
    assert due == [0]


def test_one_that_was_lost_with_the_process_is_due_before_long(filled: Any) -> None:
    ae = known(filled)
    filled.commitments.request(
        ae.principal, (ae.id, ae.title), TRANSACTION, [HERE], filled.context(Via.RECEIVE)
    )
    assert filled.commitments.due(filled.now + FIRST - 1) == []
    assert len(filled.commitments.due(filled.now + FIRST)) == 1


def test_a_report_survives_a_restart(filled: Any) -> None:
    asked(filled, asked_for(HERE))
    filled.commitments = Commitments(filled.services.doorkeeper)
    told = Told()
    report(filled, told)
    assert len(told.reports) == 1


def test_one_that_refuses_it_on_the_same_association_is_told_again(filled: Any) -> None:
    told = Told(status=0x0110)
    asked(filled, asked_for(HERE), told)
    assert waiting(filled) == 1
    told.status = 0
    report(filled, told)
    assert len(told.reports) == 2
    assert waiting(filled) == 0


def test_asking_again_replaces_what_is_waiting(filled: Any) -> None:
    asked(filled, asked_for(HERE))
    asked(filled, asked_for(HERE, HERE_TOO))
    assert waiting(filled) == 1
    told = Told()
    report(filled, told)
    assert [committed for _, _, committed, _ in told.reports] == [["1.2.3.1.1", "1.4.1.1"]]


FAILING = {
    "nobody there": (None, None),
    "refuses the report": (0x0110, None),
    "refuses the context": (0, {"1.2.840.10008.1.1": Service()}),
    "refuses the role": (0, {STORAGE_COMMITMENT_PUSH: Service(scp=True, scu=False)}),
}


@pytest.mark.parametrize("how", FAILING)
def test_it_is_tried_so_often_and_no_more(filled: Any, how: str) -> None:
    status, offer = FAILING[how]
    asked(filled, asked_for(HERE))
    for delay in DELAYS:
        told = None if status is None else Told(status)
        report(filled, told, offer=offer)
        assert waiting(filled) == 1
        filled.now += delay - 1
        assert filled.commitments.due(filled.now) == []
        filled.now += 1
    report(filled, None if status is None else Told(status), offer=offer)
    assert waiting(filled) == 0


def test_one_that_is_not_there_is_called_once_for_all_it_is_to_be_told(filled: Any) -> None:
    """Else somebody who answers nothing would keep all others waiting, a deadline for each report."""
    for transaction in ("1.2.99.1", "1.2.99.2", "1.2.99.3"):
        asked(filled, asked_for(HERE, transaction=transaction))
    filled.now += FIRST
    calls = []

    async def unanswered(ae: Any, request: Any) -> Any:
        calls.append(ae.title)
        raise Unreachable("The other side does not answer.")

    report(filled, None, dial=unanswered)
    assert calls == ["SCANNER"]
    assert waiting(filled) == 3
    assert filled.commitments.due(filled.now) == []
    filled.now += DELAYS[0]
    told = Told()
    report(filled, told)
    assert len(told.reports) == 3


def test_an_answer_that_never_ends_is_no_answer_and_the_next_is_told(filled: Any) -> None:
    asked(filled, asked_for(HERE))
    filled.now += FIRST

    async def talkative(link: Any, message: Any) -> None:
        async def ever() -> Any:
            while True:
                yield bytes(1 << 16)

        await message.data.drain()
        await link.send(message.context.id, message.command.respond(0, has_dataset=True), ever())

    report(filled, talkative)
    assert waiting(filled) == 1
    filled.now += DELAYS[0]
    told = Told()
    report(filled, told)
    assert len(told.reports) == 1
    assert waiting(filled) == 0


def test_one_that_somebody_took_and_never_finished_is_due_again(filled: Any) -> None:
    asked(filled, asked_for(HERE))
    assert len(filled.commitments.due(filled.now)) == 1
    assert filled.commitments.due(filled.now) == []
    assert len(filled.commitments.due(filled.now + LEASE)) == 1


def test_an_ae_that_was_removed_is_told_nothing(filled: Any) -> None:
    asked(filled, asked_for(HERE))
    filled.services.db.write(lambda tx: tx.connection.exec_driver_sql("UPDATE aes SET removed = 1")).result(
        30
    )
    assert filled.commitments.due(filled.now) == []
    assert waiting(filled) == 0
