"""C-GET and C-MOVE as SCU (PS3.4 C.4.2, C.4.3): patients, studies, series, objects into the archive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final

from leadglass.dicom.dataset import DataSet, parse
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, TRANSFER_SYNTAXES, is_valid_uid, transfer_syntax
from leadglass.dicom.values import text, texts
from leadglass.dimse.command import Command, Field, Priority
from leadglass.dimse.sop_classes import (
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from leadglass.dimse.status import CANCEL, SUCCESS, Category, Service, category
from leadglass.errors import LeadglassError, Refused
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.transfer import query
from leadglass.transfer.association import SMALL, Proposal, associated, context_of
from leadglass.transfer.contexts import Kinds, rounds
from leadglass.transfer.query import Level, Outcome, Query, explained, find
from leadglass.transfer.receive import Receiver
from leadglass.transfer.target import Endpoint

INCOMPLETE: Final = 0xB000
NOTHING_PERFORMED: Final = 0xA702
MOST_FINAL: Final = 8 << 20  # bytes of the data set with the UIDs of what failed
MOST_KINDS: Final = 1000  # SOP classes of one study that we propose
MOST_ROWS: Final = 200_000  # series or instances of one study that we want to hear about

_FAILED: Final = TAG_BY_KEYWORD["FailedSOPInstanceUIDList"]
_UNIQUE: Final = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to retrieve: a patient, or a study, or some series of it, or some objects of one of those."""

    patient_id: str = ""
    study: str = ""
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()

    @property
    def level(self) -> Level:
        if self.instances:
            return Level.IMAGE
        if self.series:
            return Level.SERIES
        return Level.STUDY if self.study else Level.PATIENT

    def keys(self) -> dict[str, str]:
        """The unique keys, which is all that a retrieval may have (PS3.4 C.4.2.1.4.1)."""
        given = {
            "PatientID": self.patient_id,
            "StudyInstanceUID": self.study,
            "SeriesInstanceUID": "\\".join(self.series),
            "SOPInstanceUID": "\\".join(self.instances),
        }
        return {keyword: value for keyword, value in given.items() if value}


@dataclass(slots=True)
class Counts:
    """Sub-operations as the other side counts them. What it does not say stays 0."""

    remaining: int = 0
    completed: int = 0
    failed: int = 0
    warning: int = 0
    status: int = SUCCESS
    comment: str = ""
    failed_uids: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.remaining + self.completed + self.failed + self.warning

    def joined(self, later: Counts) -> Counts:
        """With those of the same retrieval on other contexts, where what came before fails again."""
        done = self.completed + later.completed, self.warning + later.warning
        failed = max(0, max(self.total, later.total) - sum(done))
        return Counts(0, done[0], failed, done[1], later.status, later.comment, later.failed_uids)

    def take(self, command: Command) -> None:
        """A response. Only one that is pending, or cancelled, has sub-operations that remain."""
        self.remaining = 0
        for name in ("remaining", "completed", "failed", "warning"):
            value = getattr(command, name)
            if value is not None:
                setattr(self, name, value)
        self.status = command.status or 0
        self.comment = command.error_comment


Tell = Callable[[Counts], None]


async def get(endpoint: Endpoint, wanted: Wanted, receiver: Receiver, tell: Tell) -> Counts:
    """By C-GET, into `receiver`: with the contexts that promise most first, and with others what failed then.

    Refused when the other side does not do it at all; `receiver.stopped` is raised when we cannot go on.
    """
    kinds, modalities = await _kinds(endpoint, wanted)
    counts: Counts | None = None
    refused = receiver.received.refusals
    for proposals in rounds(kinds, modalities):
        try:
            these = await _get_once(endpoint, wanted, receiver, proposals, tell)
        except Refused:
            if counts is None:
                raise
            break  # it gave what it gives
        counts = these if counts is None else counts.joined(these)
        if receiver.stopped is not None:
            raise receiver.stopped
        if counts.failed <= receiver.received.refusals - refused:
            break  # what failed was for us to say
    assert counts is not None
    counts.failed_uids = [uid for uid in counts.failed_uids if uid not in receiver.received.seen]
    return counts


async def _get_once(
    endpoint: Endpoint, wanted: Wanted, receiver: Receiver, proposals: list[Proposal], tell: Tell
) -> Counts:
    model = PATIENT_ROOT_GET if wanted.level is Level.PATIENT else STUDY_ROOT_GET
    classes = [abstract for abstract, _ in proposals]
    async with associated(endpoint, [(model, SMALL), *proposals], as_scp=classes) as link:
        context = context_of(link, model, "retrieval by C-GET")
        request = Command(
            Field.C_GET_RQ,
            message_id=link.next_message_id(),
            affected_sop_class_uid=model,
            priority=Priority.MEDIUM,
            has_dataset=True,
        )
        serving = asyncio.get_running_loop().create_task(receiver.serve(link))
        serving.add_done_callback(lambda done: _give_up(link, done))
        cancelled = False
        counts = Counts()
        try:
            async for message in _responses(link, context.id, request, wanted, context.transfer_syntax):
                await _take(message, counts, context.transfer_syntax)
                tell(counts)
                if receiver.stopped is not None and not cancelled:
                    cancelled = True
                    cancel = Command(Field.C_CANCEL_RQ, responding_to=request.message_id)
                    await link.send(context.id, cancel)
        except LeadglassError:
            if serving.done() and not serving.cancelled() and serving.exception() is not None:
                raise serving.exception() from None  # type: ignore[misc]  # what began it
            raise
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError, LeadglassError):
                await serving
    return _judged(counts, Service.GET)


def _give_up(link: Link, done: asyncio.Task[None]) -> None:
    """Nobody takes what is being sent any more: without this the responses would be waited for."""
    if not done.cancelled() and done.exception() is not None:
        error = done.exception()
        link.abort(error if isinstance(error, LeadglassError) else None)


async def move(endpoint: Endpoint, wanted: Wanted, destination: str, tell: Tell) -> Counts:
    """By C-MOVE: the other side sends to `destination`, on an association of its own."""
    model = PATIENT_ROOT_MOVE if wanted.level is Level.PATIENT else STUDY_ROOT_MOVE
    async with associated(endpoint, [(model, SMALL)]) as link:
        context = context_of(link, model, "retrieval by C-MOVE")
        request = Command(
            Field.C_MOVE_RQ,
            message_id=link.next_message_id(),
            affected_sop_class_uid=model,
            priority=Priority.MEDIUM,
            move_destination=destination,
            has_dataset=True,
        )
        counts = Counts()
        async for message in _responses(link, context.id, request, wanted, context.transfer_syntax):
            await _take(message, counts, context.transfer_syntax)
            tell(counts)
    return _judged(counts, Service.MOVE)


async def _responses(
    link: Link, context_id: int, request: Command, wanted: Wanted, syntax: str
) -> AsyncIterator[Message]:
    identifier = Query.of(wanted.level, wanted.keys(), returned=()).encode(syntax)
    async with aclosing(link.responses(context_id, request, identifier)) as responses:
        async for message in responses:
            yield message


async def _take(message: Message, counts: Counts, syntax: str) -> None:
    counts.take(message.command)
    if category(counts.status) is Category.PENDING or message.data is None:
        return
    elements = parse(await message.data.read(MOST_FINAL), transfer_syntax(syntax))
    if _FAILED in elements:
        counts.failed_uids = [uid for uid in texts(elements[_FAILED]) if uid]


def _judged(counts: Counts, service: Service) -> Counts:
    """Some that failed are for the caller to look at; anything else that is no success is an error."""
    if counts.status in (SUCCESS, CANCEL, INCOMPLETE) or (
        counts.status == NOTHING_PERFORMED and counts.total
    ):
        counts.failed += counts.remaining
        return counts
    raise Refused(explained(service, counts.status, counts.comment), code=f"status-{counts.status:04x}")


# --- what it is made of -----------------------------------------------------------------------------------


async def _kinds(endpoint: Endpoint, wanted: Wanted) -> tuple[Kinds, list[str]]:
    """SOP classes with their transfer syntaxes, as far as a query tells, and the modalities of the series.
    What the other side says that cannot be proposed is as if it had said nothing."""
    if not wanted.study:
        return {}, []
    kinds: dict[str, set[str]] = {}
    modalities: list[str] = []
    try:
        async with associated(endpoint, query.PROPOSALS) as link:
            series = wanted.series
            if not series:
                found = await rows(link, Level.SERIES, {"StudyInstanceUID": wanted.study}, ("Modality",))
                modalities = list(dict.fromkeys(row["Modality"] for row in found))
                uids = (row["SeriesInstanceUID"] for row in found)
                series = tuple(dict.fromkeys(filter(is_valid_uid, uids)))
            for uid in series:
                keys = {"StudyInstanceUID": wanted.study, "SeriesInstanceUID": uid}
                asked = ("SOPClassUID", "AvailableTransferSyntaxUID")
                for row in await rows(link, Level.IMAGE, keys, asked, most=1000):
                    syntaxes = TRANSFER_SYNTAXES.keys() & row["AvailableTransferSyntaxUID"].split("\\")
                    if is_valid_uid(row["SOPClassUID"]) and len(kinds) < MOST_KINDS:
                        kinds.setdefault(row["SOPClassUID"], set()).update(syntaxes)
    except Refused:
        pass  # an archive may retrieve and not tell
    return {uid: frozenset(syntaxes) for uid, syntaxes in kinds.items()}, modalities


async def rows(
    link: Link, level: Level, keys: dict[str, str], wanted: Iterable[str], most: int = MOST_ROWS
) -> list[dict[str, str]]:
    """The matches as text by keyword: unique keys and what is `wanted`. Refused unless all of them came.

    Some archives (pynetdicom's qrscp) answer once for each image at every level: each UID is one match."""
    unique = _UNIQUE[level]
    asked = dict.fromkeys((*keys, unique, *wanted))
    outcome = Outcome()
    matches = find(link, Query.of(level, keys, returned=asked), outcome, most=most)
    found: list[dict[str, str]] = []
    known: set[str] = set()
    async for elements in matches:
        row = {word: text_of(elements, word) for word in asked}
        if row[unique] not in known:
            found.append(row)
        known.update({row[unique]} - {""})
    query.require_success(outcome)
    if outcome.untold:
        raise Refused("There is more of it than can be asked for at once.", code="too-many")
    return found


def text_of(elements: DataSet, keyword: str) -> str:
    element = elements.get(TAG_BY_KEYWORD[keyword])
    if element is None:
        return ""
    return "\\".join(texts(element)) or text(element)
