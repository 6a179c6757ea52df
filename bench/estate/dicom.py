"""A DICOM peer as the estate plays it: what it lets in, what it offers, how it answers C-FIND."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final

from estate import identifiers, wire
from estate.archive import Archive, Found
from estate.door import Door, Peer
from estate.wire import Agreed, Answering, Software
from leadglass.dicom.dictionary import KEYWORD_BY_TAG
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import Command, Field
from leadglass.dimse.status import CANCEL, SUCCESS
from leadglass.ul.pdu import AssociateRJ, Kind

WORKLIST: Final = "1.2.840.10008.5.1.4.31"
MPPS: Final = "1.2.840.10008.3.1.2.3.3"
PRINT: Final = "1.2.840.10008.5.1.1.9"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"

ECHO: Final = frozenset({uids.VERIFICATION})
FIND: Final = frozenset({uids.STUDY_ROOT_FIND, uids.PATIENT_ROOT_FIND})
RETRIEVE: Final = frozenset(
    {uids.STUDY_ROOT_GET, uids.PATIENT_ROOT_GET, uids.STUDY_ROOT_MOVE, uids.PATIENT_ROOT_MOVE}
)
STORE: Final = frozenset({CT, SECONDARY_CAPTURE, "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.1"})
DEPARTMENT: Final = frozenset({WORKLIST, MPPS, uids.STORAGE_COMMITMENT_PUSH, PRINT})
ARCHIVE: Final = ECHO | FIND | RETRIEVE | STORE

_MOST_PDU: Final = 1 << 20
_MOST_COMMAND: Final = 16 << 10
_HEAD: Final = struct.Struct(">BxI")
_PDV: Final = struct.Struct(">IBB")
_CANNOT: Final = 0xC000
_OUT_OF_RESOURCES: Final = 0xA700
_DOES_NOT_MATCH: Final = 0xA900
_NO_SUCH_CLASS: Final = 0x0122


class Finding(Enum):
    """What comes of a C-FIND."""

    ANSWERS = "answers"
    ABORTS = "aborts"  # as Orthanc does to whom it does not know: an A-ABORT instead of a response
    REFUSES = "refuses"  # with a status: not authorized


@dataclass(frozen=True, slots=True)
class Manner:
    """How one kind of peer behaves. `software`: of its back ends, which take turns."""

    software: tuple[Software, ...]
    services: frozenset[str] | None = ARCHIVE
    turns_away: AssociateRJ | None = None  # everybody
    checks_called: bool = False
    checks_calling: bool = False
    finding: Finding = Finding.ANSWERS
    cap: int = 0  # matches after which it stops without a word
    limit: int = 0  # matches above which it refuses
    ignores: frozenset[str] = frozenset()  # keys that match anything
    knows: frozenset[str] | None = None  # keys that do not make it abort
    cancels: bool = True
    endless: bool = False  # Pending for ever
    worklist: int = 0  # entries
    pause: float = 0.0  # s before it answers anything


@cache
def _answering(manner: Manner) -> tuple[Answering, ...]:
    return tuple(Answering(software, manner.services) for software in manner.software)


class DicomPeer(Peer):
    """One connection. Bytes in, prepared bytes out."""

    def __init__(self, door: Door, manner: Manner) -> None:
        super().__init__(door)
        self._manner = manner
        self._buffer = bytearray()
        self._agreed: Agreed | None = None
        self._end = 0  # which back end
        self._command = b""
        self._data = b""
        self._request: tuple[int, Command] | None = None  # whose data set is due
        self._answers: Iterator[bytes] | None = None
        self._asked: tuple[int, Command] | None = None  # what they answer
        self._cancelled = False
        self._scheduled = False

    def take(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= wire.HEADER and self.is_open and not self.transport.is_closing():
            kind, length = _HEAD.unpack_from(buffer, at)
            handle = _HANDLERS.get(kind)
            if handle is None or length > _MOST_PDU:
                self._leave()
                return
            end = at + wire.HEADER + length
            if len(buffer) < end:
                break
            handle(self, bytes(buffer[at:end]))
            at = end
        del buffer[:at]

    def _leave(self) -> None:
        """As a peer does that was told something it does not understand."""
        self.say(wire.ABORTED)
        self.transport.close()

    def _later(self, what: Callable[[], None]) -> None:
        if self._manner.pause:
            asyncio.get_running_loop().call_later(self._manner.pause, what)
        else:
            what()

    # --- PDUs ---------------------------------------------------------------------------------------------

    def _associate(self, request: bytes) -> None:
        manner, door = self._manner, self.door
        if len(request) < wire.ITEMS or self._agreed is not None:
            self._leave()
            return
        if (refusal := self._refusal(request)) is not None:
            door.happened["rejections"] += 1
            self._later(lambda: self.say(refusal.encode()))
            return
        back_ends = _answering(manner)
        self._end = door.turn() % len(back_ends)
        agreed = back_ends[self._end].agree(request)
        if agreed is None:
            self._leave()
            return
        self._agreed = agreed
        door.happened["associations"] += 1
        self._later(lambda: self.say(wire.accepted(request, agreed)))

    def _refusal(self, request: bytes) -> AssociateRJ | None:
        manner = self._manner
        if manner.turns_away is not None or not (manner.checks_called or manner.checks_calling):
            return manner.turns_away
        called, calling = wire.titles(request)
        if manner.checks_calling and calling != f"{self.door.title[:14]}_S":
            return AssociateRJ.CALLING_NOT_RECOGNIZED
        if manner.checks_called and called != self.door.title:
            return AssociateRJ.CALLED_NOT_RECOGNIZED
        return None

    def _p_data(self, pdu: bytes) -> None:
        at, end = wire.HEADER, len(pdu)
        while at + _PDV.size <= end:
            length, context_id, control = _PDV.unpack_from(pdu, at)
            start, at = at + _PDV.size, at + 4 + length
            if length < 2 or at > end or self._agreed is None:
                self._leave()
                return
            self._fragment(context_id, bool(control & 1), bool(control & 2), pdu[start:at])

    def _fragment(self, context_id: int, is_command: bool, is_last: bool, piece: bytes) -> None:
        if not is_command:
            kept = len(self._data) + len(piece) <= identifiers.MOST
            self._data = self._data + piece if kept else self._data
            if is_last and self._request is not None:
                request, data = self._request, self._data
                self._request, self._data = None, b""
                self._perform(*request, data)
            return
        self._command += piece
        if len(self._command) > _MOST_COMMAND:
            self._leave()
        elif is_last:
            command, self._command = wire.command(self._command), b""
            if command is None:
                self._leave()
            elif command.has_dataset:
                self._request = (context_id, command)
            else:
                self._perform(context_id, command, b"")

    def _release(self, _: bytes) -> None:
        self.door.happened["releases"] += 1
        self.say(wire.RELEASED)

    def _abort(self, _: bytes) -> None:
        self.door.happened["aborts"] += 1
        self.transport.close()

    # --- operations ---------------------------------------------------------------------------------------

    def _perform(self, context_id: int, command: Command, data: bytes) -> None:
        self.door.happened[command.field.name] += 1
        if command.field is Field.C_CANCEL_RQ:
            self._cancelled = self._manner.cancels
        elif self._agreed is None or context_id not in self._agreed.contexts:
            self._leave()
        elif command.field is Field.C_FIND_RQ:
            self._later(lambda: self._find(context_id, command, data))
        elif command.field in _ANSWERED:
            self._later(lambda: self.say(wire.response(context_id, command, SUCCESS)))
        else:
            self._leave()

    def _find(self, context_id: int, command: Command, data: bytes) -> None:
        manner = self._manner
        assert self._agreed is not None
        context = self._agreed.contexts[context_id]
        if manner.finding is Finding.ABORTS:
            self._leave()
            return
        asked = identifiers.read(data, context.transfer_syntax)
        status = self._begin(context_id, command, context.abstract_syntax, asked)
        if status is not None:
            self.say(wire.response(context_id, command, status))
        else:
            self.go_on()

    def _begin(
        self, context_id: int, command: Command, sop_class: str, asked: identifiers.Asked | None
    ) -> int | None:
        """Prepare the answers; a status where there are none to be prepared."""
        manner = self._manner
        if manner.finding is Finding.REFUSES:
            return 0x0124
        if asked is None:
            return _CANNOT
        if manner.knows is not None and not manner.knows.issuperset(
            asked.values.keys() | _keywords(asked.tags)
        ):
            self._leave()
            return None
        archive = self.door.archives[self._end % len(self.door.archives)]
        try:
            found = self._found(archive, sop_class, asked)
        except ValueError:
            return _DOES_NOT_MATCH
        if found is None:
            return _NO_SUCH_CLASS
        if manner.limit and len(found) > manner.limit:
            return _OUT_OF_RESOURCES
        found = found[: manner.cap] if manner.cap else found
        answers = identifiers.responses(asked, archive, found, context_id, wire.pending(command))
        self._answers = _for_ever(list(answers)) if manner.endless and found else answers
        self._asked, self._cancelled = (context_id, command), False
        return None

    def _found(self, archive: Archive, sop_class: str, asked: identifiers.Asked) -> Found | None:
        if sop_class == WORKLIST:
            return range(0 if asked.is_narrow else min(self._manner.worklist, archive.studies))
        if sop_class not in FIND and self._manner.services is not None:
            return None
        values = asked.without(self._manner.ignores)
        return archive.matching_people(values) if asked.level == "PATIENT" else archive.matching(values)

    def go_on(self) -> None:
        if self._answers is not None and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        """One piece of the answers. Before the next, the other side takes it, and what it says is listened to."""
        self._scheduled = False
        if self._answers is None or self._asked is None or self.stalled or not self.is_open:
            return
        piece = None if self._cancelled else next(self._answers, None)
        if piece is not None:
            self.say(piece)
            self.go_on()
            return
        status = CANCEL if self._cancelled else SUCCESS
        asked, self._answers, self._asked = self._asked, None, None
        self.say(wire.response(*asked, status))

    def end(self) -> None:
        self._answers = None


def _keywords(tags: tuple[int, ...]) -> frozenset[str]:
    return frozenset(KEYWORD_BY_TAG.get(tag, "") for tag in tags)


def _for_ever(pieces: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from pieces


# What would be a sin to ask of a stranger is counted, and answered so that whoever asks goes on asking.
_ANSWERED: Final = frozenset({Field.C_ECHO_RQ, Field.C_STORE_RQ, Field.C_GET_RQ, Field.C_MOVE_RQ})

_HANDLERS: Final[dict[int, Callable[[DicomPeer, bytes], None]]] = {
    Kind.ASSOCIATE_RQ: DicomPeer._associate,
    Kind.P_DATA_TF: DicomPeer._p_data,
    Kind.RELEASE_RQ: DicomPeer._release,
    Kind.ABORT: DicomPeer._abort,
}
