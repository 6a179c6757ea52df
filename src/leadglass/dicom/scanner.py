"""The walk through a data set: bytes in, elements out, in whatever chunks they come.

The scanner keeps a stack of frames, so nesting costs no recursion:

    data set ─┬─ element …                      kept, or skipped by its length
              ├─ SQ ── item (a data set) …      defined or undefined length (PS3.5 7.5)
              └─ OB, OW of undefined length ── fragment …    (PS3.5 A.4)

A step has one of three outcomes: done (True), more bytes needed (False), or the peer broke a rule
(a Violation). State changes only when a step is done, so a step that lacked bytes is simply taken again.

At top-level pixel data the header is complete. What follows is walked in the same way but nothing is kept:
so a truncated object is always found out, and its pixels are never held.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from leadglass.dicom.dictionary import (
    ITEM,
    ITEM_DELIMITER,
    PIXEL_DATA_TAGS,
    PIXEL_REPRESENTATION,
    SEQUENCE_DELIMITER,
    SPECIFIC_CHARACTER_SET,
    format_tag,
    is_private,
)
from leadglass.dicom.elements import Bulk, DataSet, Element, Limits, PixelData
from leadglass.dicom.encoding import (
    BULK_VRS,
    DELIMITER_GROUP,
    UNDEFINED,
    Encoding,
    Head,
    encoding,
    looks_explicit,
    read_head,
    swap_words,
)
from leadglass.dicom.frames import Budget, Frame, Kind
from leadglass.dicom.runs import FIRST_PIXEL_TAG, FIRST_TAG, explicit_run, implicit_run
from leadglass.dicom.vr import AMBIGUOUS, resolve_vr, settle_vr
from leadglass.dicom.window import Window
from leadglass.errors import LimitExceeded, MalformedDataSet

_NOWHERE: Final = 1 << 63  # the end of a data set that ends with its file
_NOTHING: Final[frozenset[int]] = frozenset()
_EVERYTHING: Final = range(1 << 32)  # every tag


class Scanner:
    """Feed it a data set (inflated, if it was deflated), then close it.

    `wanted` names the top-level tags to keep, None keeps all. Specific Character Set and Pixel
    Representation are always kept: other values mean nothing without them.
    """

    def __init__(self, start: Encoding, limits: Limits, wanted: frozenset[int] | None) -> None:
        self._limits = limits
        self._budget = Budget(limits)
        self._wanted: Container[int] = (
            _EVERYTHING if wanted is None else wanted | {SPECIFIC_CHARACTER_SET, PIXEL_REPRESENTATION}
        )
        self._window = Window(need=8)
        self._top = Frame(Kind.DATA_SET, 0, start, _NOWHERE, is_open=True, keep=True)
        self._stack = [self._top]
        self._unsettled: list[tuple[Frame, int]] = []
        self._started = False
        self.pixel_data: PixelData | None = None

    @property
    def elements(self) -> DataSet:
        return self._top.elements

    def feed(self, data: bytes | memoryview, start: int = 0) -> None:
        """Take the next bytes, the first time from index `start`. Raises MalformedDataSet, LimitExceeded."""
        if start:
            self._window.start_at(start)
        if self._window.add(data):
            if not self._started:
                self._start()
            self._run()
            self._window.carry()

    def close(self) -> None:
        """The end of the input. Raises MalformedDataSet if the data set does not end here."""
        if not self._window.drained or len(self._stack) > 1:
            place = self._stack[-1].tag
            raise MalformedDataSet(
                f"The data set is cut off in {format_tag(place) if place else 'an element'} "
                f"near offset {self._window.base}.",
                code="truncated",
            )
        self._settle()

    def _start(self) -> None:
        # Tolerance: files exist whose data set is explicit where the transfer syntax says implicit, and the
        # other way round; the first element shows it beyond doubt.
        explicit = looks_explicit(self._window.buffer, self._window.at)
        self._top.encoding = encoding(explicit=explicit, little_endian=self._top.encoding.little_endian)
        self._started = True

    def _run(self) -> None:
        step = {Kind.DATA_SET: self._elements, Kind.SEQUENCE: self._item, Kind.FRAGMENTS: self._fragment}
        while True:
            frame = self._stack[-1]
            if self._window.offset == frame.end:
                if frame.open:
                    raise self._malformed("The delimiter is missing in", frame.tag)
                self._pop(frame)
            elif self._window.is_beyond or not step[frame.kind](frame):
                return

    def _malformed(self, what: str, tag: int) -> MalformedDataSet:
        return MalformedDataSet(f"{what} {format_tag(tag)} at offset {self._window.offset}.")

    # --- data sets ----------------------------------------------------------------------------------------

    def _wanted_in(self, frame: Frame) -> Container[int]:
        if not frame.keep:
            return _NOTHING
        return self._wanted if frame is self._top else _EVERYTHING

    def _elements(self, frame: Frame) -> bool:
        """Elements of one data set: a run of plain ones, then one by the book."""
        code = frame.encoding
        if not code.little_endian or (self.pixel_data and frame is self._top):
            return self._element(frame)
        run = explicit_run if code.explicit else implicit_run
        count, held = run(self._window, frame, self._wanted_in(frame), self._budget.bytes)
        self._budget.element(count)
        self._budget.hold_many(held)
        return self._window.offset == frame.end or self._element(frame)

    def _element(self, frame: Frame) -> bool:
        """One element of any VR, any length, any byte order."""
        if frame.end - self._window.offset < 8:
            raise self._malformed("An item ends inside an element, in", frame.tag)
        head = read_head(self._window, frame.encoding)
        if head is None:
            return False
        tag = head.tag
        if tag & 0xFFFF0000 == DELIMITER_GROUP:
            return self._delimiter(frame, head)
        if tag < FIRST_TAG:
            raise self._malformed("Zeros, or a command, stand where an element belongs:", tag)
        if frame is self._top and (tag >= FIRST_PIXEL_TAG or self.pixel_data):
            self._pixels_or_after(head)
        keep = tag in self._wanted_in(frame)
        if keep and tag in frame.elements:
            # Readers disagree which of the two counts; two patients in one object must not pass.
            raise self._malformed("An element occurs twice:", tag)
        vr = resolve_vr(head.vr, tag, frame.elements)
        if head.length == UNDEFINED:
            return self._undefined(frame, head, vr, keep=keep)
        stop = head.body + head.length
        if self._window.base + stop > frame.end:
            raise self._malformed("A value is longer than what is around it:", tag)
        if keep and vr == "SQ":
            return self._open_sequence(frame, head, frame.encoding, stop, keep=True)
        if keep:
            return self._keep(frame, head, vr)
        self._budget.element()
        self._window.at = stop
        return True

    def _pixels_or_after(self, head: Head) -> None:
        """At the top level: note where the pixels begin; nothing that belongs before them may follow."""
        if self.pixel_data is None:
            if head.tag in PIXEL_DATA_TAGS:
                self._begin_pixels(head)
        elif head.tag <= self.pixel_data.tag:
            # PS3.5 7.1 wants ascending tags. A PatientID down here would be one that we have not seen.
            raise self._malformed("After the pixel data stands", head.tag)

    def _begin_pixels(self, head: Head) -> None:
        undefined = head.length == UNDEFINED
        vr = "OB" if undefined else resolve_vr(head.vr, head.tag, {})
        self.pixel_data = PixelData(
            head.tag,
            settle_vr(vr, []) if vr in AMBIGUOUS else vr,
            self._window.offset,
            self._window.base + head.body,
            None if undefined else head.length,
        )
        self._settle()
        self._top.keep = False

    def _undefined(self, frame: Frame, head: Head, vr: str, *, keep: bool) -> bool:
        """An element of undefined length: a sequence, or a value in fragments (PS3.5 7.1.1, 7.5, A.4)."""
        if vr == "SQ":
            return self._open_sequence(frame, head, frame.encoding, None, keep=keep)
        implicit = not frame.encoding.explicit
        if vr == "UN" or (implicit and is_private(head.tag)):
            # PS3.5 6.2.2: UN of undefined length is a sequence in implicit VR little endian. Tolerance: its
            # items are read as explicit where they show that they are.
            inner = encoding(explicit=not implicit, little_endian=True)
            return self._open_sequence(frame, head, inner, None, keep=keep)
        if vr not in BULK_VRS:
            raise self._malformed(f"VR {vr} forbids the undefined length of", head.tag)
        self._budget.element()
        self._push(Kind.FRAGMENTS, frame, head.tag, frame.encoding, None, keep=keep)
        self._window.at = head.body
        return True

    def _keep(self, frame: Frame, head: Head, vr: str) -> bool:
        """Hold the value, or where it is."""
        window, length = self._window, head.length
        stop = head.body + length
        value: bytes | Bulk = b""
        if length <= self._limits.value_bytes:
            self._budget.afford(length)
            if window.lacks(stop):
                return False
            value = window.buffer[head.body : stop]
        elif vr in BULK_VRS:
            value = Bulk(window.base + head.body, length)
        else:
            limit = self._limits.value_bytes
            raise LimitExceeded(
                f"A value of more than {limit} bytes: {format_tag(head.tag)}.", code="value-bytes"
            )
        self._budget.element()
        self._store(frame, head.tag, vr, value)
        window.at = stop
        return True

    def _store(self, frame: Frame, tag: int, vr: str, value: bytes | Bulk) -> None:
        if isinstance(value, bytes):
            self._budget.hold(len(value))
            if not frame.encoding.little_endian:
                value = swap_words(vr, value)
        frame.elements[tag] = Element(tag, vr, value)
        if vr in AMBIGUOUS:
            self._unsettled.append((frame, tag))

    def _settle(self) -> None:
        """Decide the ambiguous VRs, now that the elements they depend on are there."""
        for frame, tag in self._unsettled:
            element = frame.elements[tag]
            vr, value = settle_vr(element.vr, frame.data_sets_outwards()), element.value
            if isinstance(value, bytes) and not frame.encoding.little_endian:
                value = swap_words(vr, value)
            frame.elements[tag] = Element(tag, vr, value)
        self._unsettled.clear()

    # --- sequences and their items ------------------------------------------------------------------------

    def _push(
        self, kind: Kind, parent: Frame, tag: int, inner: Encoding, stop: int | None, *, keep: bool
    ) -> None:
        """Open a level that ends at index `stop`, or with a delimiter when that is None."""
        end = parent.end if stop is None else self._window.base + stop
        self._stack.append(Frame(kind, tag, inner, end, is_open=stop is None, keep=keep, parent=parent))

    def _pop(self, frame: Frame) -> None:
        """Close a level and hand what it holds to the one around it."""
        self._stack.pop()
        parent = self._stack[-1]
        if not frame.keep:
            return
        if frame.kind is Kind.DATA_SET:
            parent.items.append(frame.elements)
        elif frame.kind is Kind.SEQUENCE:
            parent.elements[frame.tag] = Element(frame.tag, "SQ", tuple(frame.items))
        else:
            parent.elements[frame.tag] = Element(frame.tag, "OB", b"".join(frame.parts))

    def _open_sequence(
        self, frame: Frame, head: Head, inner: Encoding, stop: int | None, *, keep: bool
    ) -> bool:
        self._budget.level(len(self._stack) // 2 + 1)
        self._budget.element()
        if keep:
            self._budget.hold(0)
        self._push(Kind.SEQUENCE, frame, head.tag, inner, stop, keep=keep)
        self._window.at = head.body
        return True

    def _mark(self, frame: Frame) -> tuple[int, int] | None:
        """Tag and length of the item or delimiter that must come next."""
        window = self._window
        if frame.end - window.offset < 8:
            raise self._malformed("No room for the next item of", frame.tag)
        if window.lacks(window.at + 8):
            return None
        group, number, length = frame.encoding.implicit_head(window.buffer, window.at)
        return group << 16 | number, length

    def _item(self, frame: Frame) -> bool:
        """The head of a sequence's next item, or the sequence's delimiter (PS3.5 7.5.1, 7.5.2)."""
        window = self._window
        mark = self._mark(frame)
        if mark is None:
            return False
        tag, length = mark
        if tag == SEQUENCE_DELIMITER:
            return self._delimited(frame, tag, length)
        if tag != ITEM:
            raise self._malformed("No item but something else is in", frame.tag)
        body = window.at + 8
        stop = None if length == UNDEFINED else body + length
        if stop is not None and window.base + stop > frame.end:
            raise self._malformed("An item is longer than its sequence:", frame.tag)
        inner = frame.encoding
        if inner.explicit and length:
            # Tolerance: implicit VR items in an explicit data set, as UN sequences have them by right.
            if window.lacks(body + 6):
                return False
            explicit = looks_explicit(window.buffer, body)
            inner = encoding(explicit=explicit, little_endian=inner.little_endian)
        self._budget.element()
        if frame.keep:
            self._budget.hold(0)
        self._push(Kind.DATA_SET, frame, frame.tag, inner, stop, keep=frame.keep)
        window.at = body
        return True

    def _delimiter(self, frame: Frame, head: Head) -> bool:
        """Among elements only the delimiter of an open item is in its place."""
        if head.tag != ITEM_DELIMITER or frame is self._top:
            raise self._malformed("An item or delimiter stands where an element belongs:", head.tag)
        return self._delimited(frame, head.tag, head.length)

    def _delimited(self, frame: Frame, tag: int, length: int) -> bool:
        if length or not frame.open:
            raise self._malformed("A delimiter that has a length or closes nothing:", tag)
        self._window.at += 8
        self._pop(frame)
        return True

    # --- fragments ----------------------------------------------------------------------------------------

    def _fragment(self, frame: Frame) -> bool:
        """One item of an encapsulated value, or its delimiter (PS3.5 A.4)."""
        window = self._window
        mark = self._mark(frame)
        if mark is None:
            return False
        tag, length = mark
        if tag == SEQUENCE_DELIMITER:
            return self._delimited(frame, tag, length)
        stop = window.at + 8 + length
        if tag != ITEM or length == UNDEFINED or window.base + stop > frame.end:
            raise self._malformed("No fragment but something else is in", frame.tag)
        if frame.keep:
            # Kept as it stands, item heads included: nested pixel data is an icon, and icons are small.
            self._budget.afford(length + 8)
            if window.lacks(stop):
                return False
            self._budget.hold(length + 8)
            frame.parts.append(window.buffer[window.at : stop])
        self._budget.fragment()
        window.at = stop
        return True
