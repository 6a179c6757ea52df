"""Bytes of a connection to PDUs, and back.

PDUs that control the association are collected and decoded. P-DATA-TF is never collected: its headers are
checked as they come and its fragments are handed on as slices of what was fed. Every length is checked
before anything is kept for it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from leadglass.errors import BrokenInvariant, ProtocolViolation
from leadglass.ul.pdu import Kind, Pdu, decode, pdv_head

HEADER: Final = 6  # bytes of a PDU's header, and of a PDV's
_HEAD: Final = struct.Struct(">BxI")
_P_DATA: Final = struct.Struct(">BxIIBB")
_LONGEST_P_DATA: Final = 0xFFFFFFFF - HEADER


@dataclass(frozen=True, slots=True)
class UlLimits:
    """How much of a PDU we take, in bytes of its body. What we advertise for P-DATA-TF goes before
    `p_data_pdu`, which holds where that is 0: no limit told."""

    control_pdu: int = 64 << 10
    p_data_pdu: int = 1 << 20


class Fragment(NamedTuple):
    """Bytes of a PDV, as many as were there. `is_last` comes with the last bytes of a message's command or
    data set. `data` may be empty."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


_NOTHING: Final = memoryview(b"")


class PduReader:
    """Feed it what was received; it gives back PDUs and fragments. Raises ProtocolViolation only.

    After that, or when it was not listened to until the end of a chunk, it is of no more use.
    """

    def __init__(self, limits: UlLimits) -> None:
        self._control = limits.control_pdu
        self.p_data_limit = limits.p_data_pdu
        self._part = bytearray()  # of a header, or of a PDU that controls the association
        self._need = HEADER
        self._step: Callable[[bytes], Pdu | Fragment | None] = self._pdu_head
        self._kind = 0
        self._pdu_rest = 0  # bytes of the P-DATA-TF that lie behind the current PDV
        self._pdv_rest = 0  # bytes of the current PDV that are still to come
        self._context_id = 0
        self._is_command = self._ends = False

    def feed(self, data: bytes) -> Iterator[Pdu | Fragment]:
        view = memoryview(data)
        at, end = 0, len(view)
        part = self._part
        while at < end:
            if rest := self._pdv_rest:
                taken = min(rest, end - at)
                self._pdv_rest = rest - taken
                piece = view[at : at + taken]
                at += taken
                yield Fragment(self._context_id, self._is_command, self._ends and rest == taken, piece)
                continue
            lacking = self._need - len(part)
            part += view[at : at + lacking]
            at += lacking
            if at > end:
                return
            whole = bytes(part)
            part.clear()
            found = self._step(whole)
            if found is not None:
                yield found

    def _pdu_head(self, head: bytes) -> None:
        kind, length = _HEAD.unpack(head)
        if not Kind.ASSOCIATE_RQ <= kind <= Kind.ABORT:
            raise ProtocolViolation("There is no PDU of that type.", code="unrecognized-pdu")
        if kind == Kind.P_DATA_TF:
            least, most = HEADER, self.p_data_limit
        elif kind in _ASSOCIATES:
            least, most = 68, self._control
        else:
            least = most = 4
        if not least <= length <= most:
            raise ProtocolViolation("The length of a PDU is not one we take.", code="pdu-length")
        if kind == Kind.P_DATA_TF:
            self._pdu_rest = length
            self._step = self._pdv_head
        else:
            self._kind = kind
            self._need = length
            self._step = self._body

    def _pdv_head(self, head: bytes) -> Fragment | None:
        length, self._context_id, control = pdv_head(head, 0, self._pdu_rest)
        self._is_command, self._ends = bool(control & 1), bool(control & 2)
        self._pdv_rest = length - 2
        self._pdu_rest -= length + 4
        if not self._pdu_rest:
            self._step = self._pdu_head
        elif self._pdu_rest < HEADER:
            raise ProtocolViolation("A PDV is cut off.", code="pdv-length")
        if self._pdv_rest:
            return None
        return Fragment(self._context_id, self._is_command, self._ends, _NOTHING)

    def _body(self, body: bytes) -> Pdu:
        self._need = HEADER
        self._step = self._pdu_head
        return decode(self._kind, body)


_ASSOCIATES: Final = frozenset({Kind.ASSOCIATE_RQ, Kind.ASSOCIATE_AC})


def p_data(context_id: int, is_command: bool, is_last: bool, length: int) -> bytes:
    """What goes before a fragment of `length` bytes in a P-DATA-TF of its own."""
    if not 0 <= length <= _LONGEST_P_DATA or not 0 < context_id < 256:
        raise BrokenInvariant("No P-DATA-TF can be that long, or have that context.")
    return _P_DATA.pack(Kind.P_DATA_TF, length + HEADER, length + 2, context_id, is_command | is_last << 1)
