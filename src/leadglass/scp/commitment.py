"""Storage Commitment Push Model as SCP (PS3.4 J.3): N-ACTION in, N-EVENT-REPORT out.

The result follows on the same association at once, beside whatever the AE asks next. When that has ended, or
the AE does not take it there, it goes out on one of our own, on which we propose to be the SCP.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from leadglass.archive.commitment import MOST_ITEMS, Commitments, Item, Reference, Report
from leadglass.archive.peers import Peers
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, is_valid_uid, transfer_syntax
from leadglass.dicom.elements import DataSet, Limits
from leadglass.dicom.values import text
from leadglass.dicom.writer import encode_dataset, number_value, text_value
from leadglass.dimse.command import Command, Field
from leadglass.dimse.sop_classes import STORAGE_COMMITMENT_INSTANCE, STORAGE_COMMITMENT_PUSH
from leadglass.dimse.status import SUCCESS, Category, category
from leadglass.errors import (
    Denied,
    LeadglassError,
    LimitExceeded,
    ProtocolViolation,
    Refused,
    Unavailable,
    Unreachable,
    Violation,
)
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.net.workers import Workers
from leadglass.scp.dialling import Dial
from leadglass.scp.proposals import FALLBACK, user_information
from leadglass.scp.session import Session
from leadglass.ul.items import ProposedContext, RoleSelection
from leadglass.ul.negotiation import AcceptedContext
from leadglass.ul.pdu import AssociateRQ

REQUEST: Final = 1  # Action Type ID (PS3.4 Table J.3-1)
SUCCESSFUL: Final = 1  # Event Type IDs (Table J.3-2)
FAILURES_EXIST: Final = 2
MOST_BYTES: Final = 4 << 20  # of a request
_LIMITS: Final = Limits(depth=4, elements=8 * MOST_ITEMS, header_bytes=64 << 20)

NO_SUCH_INSTANCE: Final = 0x0112
INVALID_ARGUMENT: Final = 0x0115
NO_SUCH_CLASS: Final = 0x0118
NO_SUCH_ACTION: Final = 0x0123
REFUSALS: Final[tuple[tuple[type[LeadglassError], int, str], ...]] = (
    (Denied, 0x0124, "Not authorized"),
    (LimitExceeded, 0x0213, "More than one request may be about"),
    (Violation, INVALID_ARGUMENT, "Not a request for storage commitment"),
    (Unavailable, 0x0213, "Not possible now, try again later"),
    (LeadglassError, 0x0110, "Failed"),
)

_TRANSACTION: Final = TAG_BY_KEYWORD["TransactionUID"]
_REFERENCED: Final = TAG_BY_KEYWORD["ReferencedSOPSequence"]
_CLASS: Final = TAG_BY_KEYWORD["ReferencedSOPClassUID"]
_INSTANCE: Final = TAG_BY_KEYWORD["ReferencedSOPInstanceUID"]
_FAILED: Final = TAG_BY_KEYWORD["FailedSOPSequence"]
_REASON: Final = TAG_BY_KEYWORD["FailureReason"]


class Commitment:
    """The N-ACTION handler of a listener."""

    def __init__(self, commitments: Commitments, workers: Workers) -> None:
        self._commitments = commitments
        self._workers = workers
        self._log = structlog.get_logger("leadglass.scp")

    async def __call__(self, link: Link, message: Message) -> None:
        command = message.command
        try:
            report = await self._asked(link, message)
        except (ProtocolViolation, Unreachable):
            raise  # of the association: there is nobody to answer
        except LeadglassError as error:
            status, comment = next((s, c) for kind, s, c in REFUSALS if isinstance(error, kind))
            if isinstance(error, _Illegal):
                status = error.status
            await link.send(message.context.id, command.respond(status, error_comment=comment))
            return
        await link.send(message.context.id, command.respond(SUCCESS))
        link.beside(self._tell(link, message.context, report))

    async def _asked(self, link: Link, message: Message) -> Report:
        session: Session = link.session
        data = b"" if message.data is None else await _read(message)
        _require_legal(message.command, message.context)
        transaction, references = parse_request(data, message.context.transfer_syntax)
        ae = (session.ae.id, session.ae.title)
        return await self._workers.run(
            lambda: self._commitments.request(session.who, ae, transaction, references, session.context())
        )

    async def _tell(self, link: Link, context: AcceptedContext, report: Report) -> None:
        """On this association, if the AE stays for it. Many hang up and wait to be called."""
        try:
            await tell(link, context, report)
        except LeadglassError as error:
            self._log.info("commitment not reported", calling=link.calling, code=error.code)
            await self._workers.run(self._commitments.untold, report, link.session.context().now)
        else:
            await self._workers.run(self._commitments.reported, report)


class Reporter:
    """Reports what is due on associations of our own: for a job that runs every few seconds."""

    def __init__(
        self,
        commitments: Commitments,
        peers: Peers,
        workers: Workers,
        *,
        dial: Dial,
        title: str,
        clock: Callable[[], int],
    ) -> None:
        self._commitments = commitments
        self._peers = peers
        self._dial = dial
        self._workers = workers
        self._title = title
        self._clock = clock
        self._log = structlog.get_logger("leadglass.scp")

    async def run(self) -> None:
        """What is due now, one AE after the other. One that is not reached keeps no other waiting for long:
        it is called once, and its next attempt is later each time."""
        gone: dict[str, Unreachable] = {}
        for report in await self._workers.run(self._commitments.due, self._clock()):
            try:
                if report.title in gone:
                    raise gone[report.title]
                await self._report(report)
            except LeadglassError as error:
                if isinstance(error, Unreachable):
                    gone[report.title] = error
                again = await self._workers.run(self._commitments.failed, report, self._clock())
                self._log.warning(
                    "commitment not reported", called=report.title, code=error.code, again=again
                )
            else:
                await self._workers.run(self._commitments.reported, report)

    async def _report(self, report: Report) -> None:
        ae = await self._workers.run(self._peers.find, report.title)
        if ae is None or ae.port is None:
            raise Unreachable("Nobody has said where this AE listens.", code="no-address")
        context = ProposedContext(1, STORAGE_COMMITMENT_PUSH, FALLBACK)
        roles = (RoleSelection(STORAGE_COMMITMENT_PUSH, scu=False, scp=True),)
        request = AssociateRQ(
            called=report.title,
            calling=self._title,
            contexts=(context,),
            user_information=user_information(roles=roles),
        )
        link = await self._dial(ae, request)
        try:
            accepted = link.context_for(STORAGE_COMMITMENT_PUSH)
            if accepted is None or not accepted.as_scp:
                raise Refused("The AE does not take reports of storage commitment.", code="context")
            await tell(link, accepted, report)
        except BaseException:
            link.abort()
            raise
        with suppress(LeadglassError):
            await link.release()


async def tell(link: Link, context: AcceptedContext, report: Report) -> None:
    """One N-EVENT-REPORT (PS3.4 J.3.3). Refused unless the AE has taken it."""
    request = Command(
        Field.N_EVENT_REPORT_RQ,
        message_id=link.next_message_id(),
        affected_sop_class_uid=STORAGE_COMMITMENT_PUSH,
        affected_sop_instance_uid=STORAGE_COMMITMENT_INSTANCE,
        event_type_id=FAILURES_EXIST if report.failed else SUCCESSFUL,
        has_dataset=True,
    )
    answer = await link.request(context.id, request, encode_report(report, context.transfer_syntax))
    status = answer.command.status or 0
    if category(status) not in {Category.SUCCESS, Category.WARNING}:
        raise Refused("The AE does not take this report.", code=f"status-{status:04x}")


# --- data sets ----------------------------------------------------------------------------------------------


class _Illegal(Violation):
    """An N-ACTION that is not this SOP class's."""

    def __init__(self, status: int) -> None:
        super().__init__("Not an action of the Storage Commitment Push Model.", code="action")
        self.status = status


def _require_legal(command: Command, context: AcceptedContext) -> None:
    sop_class = command.requested_sop_class_uid
    for fits, status in (
        (sop_class == context.abstract_syntax == STORAGE_COMMITMENT_PUSH, NO_SUCH_CLASS),
        (command.requested_sop_instance_uid == STORAGE_COMMITMENT_INSTANCE, NO_SUCH_INSTANCE),
        (command.action_type_id == REQUEST, NO_SUCH_ACTION),
    ):
        if not fits:
            raise _Illegal(status)


async def _read(message: Message) -> bytes:
    assert message.data is not None
    try:
        return await message.data.read(MOST_BYTES)
    except LimitExceeded:
        await message.data.drain()
        raise


def parse_request(data: bytes, transfer_syntax_uid: str) -> tuple[str, list[Reference]]:
    """Transaction UID and references (PS3.4 Table J.3-1). Violation unless both are there."""
    found = parse(data, transfer_syntax(transfer_syntax_uid), _LIMITS, frozenset({_TRANSACTION, _REFERENCED}))
    transaction = text(found.get(_TRANSACTION))
    sequence = found.get(_REFERENCED)
    if not is_valid_uid(transaction) or sequence is None or not isinstance(sequence.value, tuple):
        raise Violation("A request without a Transaction UID or references.", code="request")
    references = [_reference(item) for item in sequence.value]
    if not references:
        raise Violation("A request about nothing.", code="request")
    return transaction, references


def _reference(item: DataSet) -> Reference:
    sop_class, uid = text(item.get(_CLASS)), text(item.get(_INSTANCE))
    if not is_valid_uid(sop_class) or not is_valid_uid(uid):
        raise Violation("A reference without legal UIDs.", code="request")
    return sop_class, uid


def encode_report(report: Report, transfer_syntax_uid: str) -> bytes:
    """The event information (PS3.4 Table J.3-2). A sequence that would be empty is left out."""
    elements = [(_TRANSACTION, "UI", text_value("UI", report.pending.transaction_uid))]
    sequences = [
        (tag, "SQ", tuple(_encoded(item) for item in items))
        for tag, items in ((_FAILED, report.failed), (_REFERENCED, report.committed))
        if items
    ]
    return encode_dataset([*elements, *sequences], transfer_syntax(transfer_syntax_uid))


def _encoded(item: Item) -> list[tuple[int, str, bytes]]:
    elements = [
        (_CLASS, "UI", text_value("UI", item.sop_class_uid)),
        (_INSTANCE, "UI", text_value("UI", item.sop_instance_uid)),
    ]
    if item.failure is not None:
        elements.append((_REASON, "US", number_value("US", item.failure)))
    return elements
