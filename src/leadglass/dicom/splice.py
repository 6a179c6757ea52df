"""Elements of a data set's top level replaced while it streams: every other byte stays as it came.

    Finder     where the wanted elements lie, or belong, and what they say: up to the pixel data
    spliced    the data set with other bytes in those places

Only what is looked for is held, so that a value of any length passes. The order of elements is not relied
upon (PS3.5 7.1 wants it ascending, writers exist that do not care): before the pixels none is overlooked, and
behind them the parser lets none pass that belongs before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from leadglass.dicom.dictionary import VR_BY_TAG, TransferSyntax
from leadglass.dicom.elements import DataSet, Element, Limits
from leadglass.dicom.encoding import SHORT_VRS, Encoding, encoding
from leadglass.dicom.frames import Frame
from leadglass.dicom.runs import FIRST_PIXEL_TAG
from leadglass.dicom.scanner import Scanner
from leadglass.dicom.writer import Writer, writer

Span = tuple[int, int]  # offsets in the (inflated) data set: where an element begins and ends
Edit = tuple[int, int, bytes]  # what stands from here to there instead

_NO_MORE: Final = 1 << 32
_SHORT: Final = 0xFFFF
_PLAIN: Final = {tag: vr for tag, vr in VR_BY_TAG.items() if vr in SHORT_VRS.values()}


class Finder:
    """Feed a data set (inflated) until it is `done`, else close it at its end. Raises as the parser does."""

    def __init__(self, syntax: TransferSyntax, limits: Limits, wanted: frozenset[int]) -> None:
        start = encoding(explicit=syntax.explicit, little_endian=syntax.little_endian)
        self._scanner = _Scanner(start, limits, wanted)

    def feed(self, data: bytes) -> None:
        self._scanner.feed(data)

    def close(self) -> None:
        self._scanner.close()
        self._scanner.end()

    @property
    def done(self) -> bool:
        return self._scanner.pixel_data is not None

    @property
    def elements(self) -> DataSet:
        """The wanted elements that are there, and Specific Character Set."""
        return self._scanner.elements

    @property
    def writer(self) -> Writer:
        """What writes elements as those around them are written."""
        code = self._scanner.encoding
        return writer(explicit=code.explicit, little_endian=code.little_endian)

    def span(self, tag: int) -> Span:
        """Where a wanted element lies; if it is not there, the empty place where it belongs."""
        return self._scanner.spans[tag]


class _Scanner(Scanner):
    """The scanner, with an eye on where the wanted elements of the top level are."""

    def __init__(self, start: Encoding, limits: Limits, wanted: frozenset[int]) -> None:
        super().__init__(start, limits, wanted)
        self.spans: dict[int, Span] = {}
        self._to_place = sorted(wanted, reverse=True)  # whose places are still ahead, the next one last
        self._begun: Span | None = None  # tag and offset of a wanted element whose end is not known yet

    @property
    def encoding(self) -> Encoding:
        return self._top.encoding

    def end(self) -> None:
        self._ended(self._window.offset)
        self._pass(_NO_MORE, self._window.offset)

    def _elements(self, frame: Frame) -> bool:
        if frame is not self._top or self.pixel_data is not None:
            return super()._elements(frame)
        code, window = frame.encoding, self._window
        self._ended(window.offset)
        if code.little_endian:
            self._budget.element(self._run_plain(frame, explicit=code.explicit))
        if window.lacks(window.at + 8):
            return False
        group, number, _ = code.implicit_head(window.buffer, window.at)
        self._pass(group << 16 | number, window.offset)
        return self._element(frame)

    def _run_plain(self, frame: Frame, *, explicit: bool) -> int:
        """Elements while they are plain, as in `runs`: most of a header, in a third of the time. How many."""
        window, elements, wanted = self._window, frame.elements, self._wanted
        buffer, at, base = window.buffer, window.at, window.base
        end, count, bar = len(buffer), 0, self._bar()
        head = frame.encoding.explicit_head if explicit else frame.encoding.implicit_head
        while end - at >= 8:
            if explicit:
                group, number, code, length = head(buffer, at)
                vr = SHORT_VRS.get(code)
            else:
                group, number, length = head(buffer, at)
                vr = ""
            tag = group << 16 | number
            stop = at + 8 + length
            if vr is None or stop > end or tag >= FIRST_PIXEL_TAG:
                break
            if tag >= bar or tag in wanted:
                vr = vr or _PLAIN.get(tag)
                if vr is None or tag in elements or length > _SHORT:
                    break  # by the book
                if tag in wanted:
                    elements[tag] = Element(tag, vr, buffer[at + 8 : stop])
                self._pass(tag, base + at)
                self._ended(base + stop)
                bar = self._bar()
            at = stop
            count += 1
        window.at = at
        return count

    def _bar(self) -> int:
        """The next tag at which a place has to be noted."""
        return self._to_place[-1] if self._to_place else FIRST_PIXEL_TAG

    def _ended(self, offset: int) -> None:
        """What began before this offset ends there."""
        if self._begun is not None and self._begun[1] < offset:
            self.spans[self._begun[0]] = (self._begun[1], offset)
            self._begun = None

    def _pass(self, tag: int, offset: int) -> None:
        """An element begins here: what belongs before it is not there."""
        while self._to_place and self._to_place[-1] < tag:
            self.spans.setdefault(self._to_place.pop(), (offset, offset))
        if tag in self._wanted:
            self._begun = (tag, offset)
            if self._to_place and self._to_place[-1] == tag:
                self._to_place.pop()


def spliced(chunks: Iterable[bytes], edits: Iterable[Edit]) -> Iterator[bytes]:
    """The chunks with `edits` made, which are in order and do not overlap."""
    todo, at, kept_from = deque(edits), 0, 0
    for chunk in chunks:
        end = at + len(chunk)
        if kept_from <= at and (not todo or todo[0][0] >= end):
            at = end
            yield chunk
            continue
        out: list[bytes] = []
        begin = min(max(at, kept_from), end)
        while todo and todo[0][0] < end:
            start, stop, new = todo.popleft()
            out += (chunk[begin - at : start - at], new)
            begin, kept_from = min(stop, end), stop
        out.append(chunk[begin - at :])
        at = end
        if piece := b"".join(out):  # one for one: each costs whoever takes it a change of threads
            yield piece
    if rest := b"".join(new for _, _, new in todo):
        yield rest
