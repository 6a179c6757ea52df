"""What of a data set has to be written anew so that all of its text is in UTF-8, found in the walk that finds
the wanted elements: as edits, so that every other byte stays as it came.

As a rule that is nothing: text of ASCII alone is the same bytes in UTF-8. Where it is not, the element is
replaced, and so are the lengths of the items and sequences around it. Group lengths go (retired, PS3.5 7.2).
Where this here gives up, `recode` writes the whole data set anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from leadglass.dicom.charset import DEFAULT, Charset, charset_of
from leadglass.dicom.dictionary import (
    SPECIFIC_CHARACTER_SET,
    TransferSyntax,
    is_private_creator,
)
from leadglass.dicom.elements import Element, Limits
from leadglass.dicom.encoding import DELIMITER_GROUP, UNDEFINED, Encoding, Head, read_head
from leadglass.dicom.finder import Finder, Span, is_beyond, ones
from leadglass.dicom.frames import Frame, Kind
from leadglass.dicom.recode import recoded
from leadglass.dicom.seen import Memory, Noted
from leadglass.dicom.splice import Edit
from leadglass.dicom.values import ENCODED_VRS
from leadglass.dicom.vr import resolve_vr
from leadglass.dicom.writer import padded, writer
from leadglass.errors import LimitExceeded


class _Length(NamedTuple):
    """Of an open level: where it stands, what it says."""

    place: int
    value: int
    little_endian: bool


class _Noted(NamedTuple):
    """An element to be looked at: its text, or None for one to be left out; and the levels around it."""

    span: Span
    tag: int
    vr: str
    raw: bytes | None
    came: Charset
    code: Encoding
    around: tuple[_Length, ...]


@lru_cache(maxsize=16)
def _numbers(these: frozenset[int]) -> frozenset[int]:
    """And group lengths."""
    return these | {0}


class TextFinder(Finder):
    """A finder that may be fed what is behind the pixels too, to its end, and then has `edits`."""

    texts = ENCODED_VRS | {""}

    def __init__(
        self,
        syntax: TransferSyntax,
        limits: Limits,
        wanted: frozenset[int],
        memory: Memory | None = None,
    ) -> None:
        super().__init__(syntax, limits, wanted, memory)
        self._numbers = _numbers(self._numbers)
        self._noted: list[_Noted] = []
        self._lengths: list[_Length | None] = []  # of the levels that are open, the top left out
        self._opening: _Length | None = None
        self._gives_up = False

    @property
    def gives_up(self) -> bool:
        """What is big endian (retired), a character set out of its place, a text that is too long to be held,
        a sequence whose length has 16 bits."""
        return self._gives_up or not self.encoding.little_endian

    def edits(self, without: Sequence[Span]) -> list[Edit]:
        """In no order. Elements that begin `without` are others' business. LimitExceeded."""
        edits: list[Edit] = []
        grown: defaultdict[_Length, int] = defaultdict(int)
        for one in self._noted:
            start, stop = one.span
            new = _written(one)
            if new is None or any(begin <= start < end for begin, end in without):
                continue
            edits.append((start, stop, new))
            for length in one.around:
                grown[length] += len(new) - (stop - start)
        return edits + [_lengthened(length, more) for length, more in grown.items() if more]

    # --- the walk -----------------------------------------------------------------------------------------

    def _passes(self, frame: Frame, tag: int, vr: str, at: int, stop: int) -> list[Noted] | None:
        if not tag & 0xFFFF:
            return None
        if frame is not self._top and tag == SPECIFIC_CHARACTER_SET:
            return None
        return super()._passes(frame, tag, vr, at, stop)

    def _element(self, frame: Frame) -> bool:
        window = self._window
        head = read_head(window, frame.encoding) if frame.end - window.offset >= 8 else None
        if head is None or head.tag & 0xFFFF0000 == DELIMITER_GROUP or head.length == UNDEFINED:
            return super()._element(frame)
        tag, stop = head.tag, head.body + head.length
        if window.base + stop > frame.end:
            return super()._element(frame)  # which refuses it
        vr = resolve_vr(head.vr, tag, frame.elements)
        if vr == "SQ" and tag not in self._wanted_in(frame):
            if frame is self._top and self.pixel_data:
                self._pixels_or_after(head)
            self._look(window.offset, ones(head.body - window.at))
            return self._open_sequence(frame, head, frame.encoding, stop, keep=False)
        if vr in ENCODED_VRS or tag == SPECIFIC_CHARACTER_SET or not tag & 0xFFFF:
            if head.length > self._limits.value_bytes:
                self._gives_up = True
                return super()._element(frame)
            if window.lacks(stop):
                return False
            self._see(frame, head, vr)
        return super()._element(frame)

    def _see(self, frame: Frame, head: Head, vr: str) -> None:
        window, stop = self._window, head.body + head.length
        place, size = (window.at, stop), head.length
        if not head.tag & 0xFFFF:
            self._note(frame, head.tag, vr, place, None)
        elif head.tag == SPECIFIC_CHARACTER_SET:
            self._hold(frame, Element(head.tag, "CS", window.buffer[head.body : stop]))
            self._look(window.base + head.body, ones(size))
        elif not self._text(frame, head.tag, vr, place, head.body):
            fixed = ones(size) if is_private_creator(head.tag) else 0
            self._look(window.base + head.body, fixed, 0 if fixed else ones(size) // 0xFF * 0x80)

    def _text(self, frame: Frame, tag: int, vr: str, place: Span, body: int | None = None) -> bool:
        raw = self._window.buffer[place[0] + 8 if body is None else body : place[1]]
        if is_private_creator(tag):
            self._hold(frame, Element(tag, vr, raw))
        if not is_beyond(raw):
            return False
        self._budget.hold(len(raw))
        self._note(frame, tag, vr, place, raw)
        self._look(self._window.base + place[0], ones(place[1] - place[0]))
        return True

    def _hold(self, frame: Frame, element: Element) -> None:
        """What others of its data set depend on; what is wanted is held anyway."""
        if element.tag not in self._wanted_in(frame):
            assert isinstance(element.value, bytes)
            self._budget.hold(len(element.value))
            frame.elements[element.tag] = element

    def _note(self, frame: Frame, tag: int, vr: str, place: Span, raw: bytes | None) -> None:
        came = self._charset(frame)
        if raw is None or came is not None:
            span = self._window.base + place[0], self._window.base + place[1]
            around = tuple(filter(None, self._lengths))
            self._noted.append(_Noted(span, tag, vr, raw, came or DEFAULT, frame.encoding, around))

    def _charset(self, frame: Frame) -> Charset | None:
        """By which its text is read; None where an item has one of its own, which it keeps."""
        level: Frame | None = frame
        while level is not None:
            if level.kind is Kind.DATA_SET and SPECIFIC_CHARACTER_SET in level.elements:
                return charset_of(level.elements) if level is self._top else None
            level = level.parent
        return DEFAULT

    def _pass(self, tag: int, offset: int) -> None:
        self._gives_up |= tag == SPECIFIC_CHARACTER_SET and tag in self._spans
        super()._pass(tag, offset)

    # --- levels -------------------------------------------------------------------------------------------

    def _open_sequence(
        self, frame: Frame, head: Head, inner: Encoding, stop: int | None, *, keep: bool
    ) -> bool:
        self._opening = None
        if stop is not None:  # the length is the last of its head
            self._gives_up |= head.vr is not None and head.body - self._window.at == 8
            self._opening = self._length(head.body - 4, head.length, frame)
        return super()._open_sequence(frame, head, inner, stop, keep=keep)

    def _push(
        self, kind: Kind, parent: Frame, tag: int, inner: Encoding, stop: int | None, *, keep: bool
    ) -> None:
        at, length = self._window.at, None
        if kind is Kind.SEQUENCE:
            length = self._opening
        elif kind is Kind.DATA_SET and stop is not None:
            length = self._length(at + 4, stop - at - 8, parent)
        self._lengths.append(length)
        super()._push(kind, parent, tag, inner, stop, keep=keep)

    def _length(self, at: int, value: int, frame: Frame) -> _Length:
        return _Length(self._window.base + at, value, frame.encoding.little_endian)

    def _pop(self, frame: Frame) -> None:
        super()._pop(frame)
        self._lengths.pop()
        if not frame.keep:
            for element in frame.elements.values():
                assert isinstance(element.value, bytes)
                self._budget.release(len(element.value))


def _written(one: _Noted) -> bytes | None:
    """What stands there instead; None: nothing else."""
    if one.raw is None:
        return b""
    value = recoded(one.raw, one.vr, one.came)
    if value == one.raw:
        return None
    value = padded(one.vr, value)
    to = writer(explicit=one.code.explicit, little_endian=one.code.little_endian)
    return to.head(one.tag, one.vr, len(value)) + value


def _lengthened(length: _Length, more: int) -> Edit:
    new = length.value + more
    if new >= UNDEFINED:
        raise LimitExceeded("A sequence of more than 4 GiB.", code="value-bytes")
    order: Literal["little", "big"] = "little" if length.little_endian else "big"
    return length.place, length.place + 4, new.to_bytes(4, order)
