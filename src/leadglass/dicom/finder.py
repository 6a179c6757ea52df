"""Where the wanted elements of a data set's top level lie, or belong, and what they say: up to its pixels.

Only what is looked for is held, so that a value of any length passes. The order of elements is not relied
upon (PS3.5 7.1 wants it ascending, writers exist that do not care): before the pixels none is overlooked, and
behind them the parser lets none pass that belongs before.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from leadglass.dicom.dictionary import (
    PIXEL_REPRESENTATION,
    SPECIFIC_CHARACTER_SET,
    TransferSyntax,
)
from leadglass.dicom.elements import Element, Limits
from leadglass.dicom.encoding import SHORT_VRS, Encoding, encoding, read_head
from leadglass.dicom.frames import Frame
from leadglass.dicom.runs import FIRST_PIXEL_TAG, PLAIN_VRS
from leadglass.dicom.scanner import Scanner
from leadglass.dicom.seen import ESCAPE, LONGEST, Memory, Noted, Run, Seen
from leadglass.dicom.seen import memory as unremembered
from leadglass.dicom.writer import Writer, writer

Span = tuple[int, int]  # offsets in the (inflated) data set: where an element begins and ends

_new: Final = tuple.__new__  # as in `runs`
_NO_MORE: Final = 1 << 32
_SHORT: Final = 0xFFFF


class _Plan(NamedTuple):
    wanted: frozenset[int]
    ahead: tuple[int, ...]  # the last one first
    numbers: frozenset[int]  # the lower halves of tags to be looked at


@lru_cache(maxsize=16)
def _plan(wanted: frozenset[int]) -> _Plan:
    wanted |= {SPECIFIC_CHARACTER_SET}
    numbers = frozenset(tag & 0xFFFF for tag in (*wanted, PIXEL_REPRESENTATION))
    return _Plan(wanted, tuple(sorted(wanted, reverse=True)), numbers)


class Finder(Scanner):
    """Feed a data set (inflated) until it is `done`, or close it at its end. Raises as the parser does.

    `elements` has the wanted elements that are there, and Specific Character Set.
    """

    texts: frozenset[str] = frozenset()  # VRs of which `_text` is to hear; "" for one that is not known

    def __init__(
        self,
        syntax: TransferSyntax,
        limits: Limits,
        wanted: frozenset[int],
        memory: Memory | None = None,
    ) -> None:
        """`memory`: of other objects, which are likely to be built alike; made for these `texts`."""
        start = encoding(explicit=syntax.explicit, little_endian=syntax.little_endian)
        plan = _plan(wanted)
        super().__init__(start, limits, plan.wanted)
        self._seen = memory or unremembered(self.texts, 0)
        self._spans: dict[int, Span] = {}
        self._to_place = list(plan.ahead)  # whose places are still ahead, the next one last
        self._begun: Span | None = None  # tag and offset of a wanted element whose end is not known yet
        self._numbers = plan.numbers
        # All that decided anything: from which offset, which bits had to be so, and which of text had to be
        # ASCII's. None once an element was walked that was not seen before.
        self.looked_at: list[tuple[int, int, int]] | None = []

    def close(self) -> None:
        super().close()
        self._ended(self._window.offset)
        self._pass(_NO_MORE, self._window.offset)

    @property
    def done(self) -> bool:
        return self.pixel_data is not None

    @property
    def ahead(self) -> int:
        """So many of the next bytes are passed over unseen, whatever they are: `skip` them or feed them."""
        return self._window.ahead

    def skip(self, count: int) -> None:
        self._window.skip(count)

    @property
    def encoding(self) -> Encoding:
        return self._top.encoding

    @property
    def writer(self) -> Writer:
        """What writes elements as those around them are written."""
        return writer(explicit=self.encoding.explicit, little_endian=self.encoding.little_endian)

    def span(self, tag: int) -> Span:
        """Where a wanted element lies; if it is not there, the empty place where it belongs."""
        return self._spans[tag]

    # --- the walk -----------------------------------------------------------------------------------------

    def _elements(self, frame: Frame) -> bool:
        if frame is not self._top:
            if frame.encoding.little_endian and not frame.keep:
                self._pass_plain(frame)
            return self._window.offset == frame.end or self._element(frame)
        if self.pixel_data is not None:
            return self._element(frame)
        code, window = frame.encoding, self._window
        self._ended(window.offset)
        if code.little_endian:
            self._pass_plain(frame)
        if window.lacks(window.at + 8):
            return False
        group, number, _ = code.implicit_head(window.buffer, window.at)
        self._pass(group << 16 | number, window.offset)
        return self._element(frame)

    def _pass_plain(self, frame: Frame) -> None:
        """Elements while they are plain, as in `runs`: most of a header; at once what was seen so in other
        objects. A tag is looked at only when its group or its number says that it may be one to be kept or
        placed.
        """
        window, buffer, at = self._window, self._window.buffer, self._window.at
        explicit, numbers, texts = frame.encoding.explicit, self._numbers, self.texts
        head = frame.encoding.explicit_head if explicit else frame.encoding.implicit_head
        trail = _Trail(self._seen[explicit], buffer)
        end, count, bar = min(len(buffer), frame.end - window.base), 0, self._bar()
        last = end - 8
        while at <= last:
            ahead = len(self._to_place) if frame is self._top else -1
            run = trail.seen.passed(ahead, buffer, at, end)
            if run is not None and self._skips(frame, run, at):
                trail.stop(at)
                at, count, bar = at + run.size, count + len(run.places), self._bar()
                continue
            if explicit:
                group, number, code, length = head(buffer, at)
                vr = SHORT_VRS.get(code)
            else:
                group, number, length = head(buffer, at)
                vr = PLAIN_VRS.get(group << 16 | number, "")
            stop = at + 8 + length
            if vr is None or stop > end:
                break
            trail.step(at, ahead)
            if group >= bar or number in numbers:
                noted = self._passes(frame, group << 16 | number, vr, at, stop)
                if noted is None:
                    trail.back()
                    break
                trail.noted += noted
                bar = self._bar()
            is_new = True
            if vr in texts and ((number < 0x100 and group & 1) or is_beyond(buffer[at + 8 : stop])):
                if not vr:
                    trail.back()
                    break
                is_new = not self._text(frame, group << 16 | number, vr, (at, stop))
            if is_new:
                self.looked_at = None
            else:
                trail.back()
                trail.stop(at)
            at, count = stop, count + 1
        trail.stop(at)
        window.at = at
        self._budget.element(count)

    def _skips(self, frame: Frame, run: Run, at: int) -> bool:
        """Pass a run, if nothing of it was found before: it notes what a walk through it would."""
        if not self._spans.keys().isdisjoint(run.tags):
            return False
        elements, spans, ahead = self._top.elements, self._spans, self._to_place
        buffer, base = self._window.buffer, self._window.base + at
        for tag, vr, start, stop in run.noted:
            if vr:
                elements[tag] = _new(Element, (tag, vr, buffer[at + start + 8 : at + stop]))
                spans[tag] = base + start, base + stop
                self._look(base + start + 8, ones(stop - start - 8))
            else:
                spans.setdefault(tag, (base + start, base + start))
        while ahead and ahead[-1] in run.placed:
            ahead.pop()
        self._look(base, run.mask, run.text)
        self._budget.hold_many(run.held)
        frame.elements.update(run.creators)
        return True

    def _look(self, offset: int, fixed: int, text: int = 0) -> None:
        if self.looked_at is not None:
            self.looked_at.append((offset, fixed, text))

    def _element(self, frame: Frame) -> bool:
        """By the book. Its header decides, and its value where that is kept."""
        window = self._window
        if self.looked_at is not None and self.pixel_data is None:
            head = read_head(window, frame.encoding)
            if head is not None:
                kept = head.tag in self._wanted_in(frame)
                if kept and head.length > _SHORT:
                    self.looked_at = None
                else:
                    end = head.body + head.length if kept else head.body
                    self._look(window.offset, ones(end - window.at))
        return super()._element(frame)

    def _mark(self, frame: Frame) -> tuple[int, int] | None:
        if self.pixel_data is None:
            self._look(self._window.offset, ones(8))
        return super()._mark(frame)

    def _bar(self) -> int:
        """The next group in which a place has to be noted."""
        return (self._to_place[-1] if self._to_place else FIRST_PIXEL_TAG) >> 16

    def _passes(self, frame: Frame, tag: int, vr: str, at: int, stop: int) -> list[Noted] | None:
        """Note a plain element of the top level, if it is one to be noted. None: it goes by the book."""
        if tag >= FIRST_PIXEL_TAG:
            return None
        if frame is not self._top:
            return []
        is_wanted = tag in self._wanted
        if is_wanted:
            if not vr or tag in self.elements or stop - at - 8 > _SHORT:
                return None
            self.elements[tag] = Element(tag, vr, self._window.buffer[at + 8 : stop])
        elif not self._to_place or self._to_place[-1] > tag:
            return []
        base, before = self._window.base, self._to_place[::-1]
        self._pass(tag, base + at)
        self._ended(base + stop)
        gone = before[: len(before) - len(self._to_place)]
        return [
            Noted(one, vr if one == tag else "", at, stop)
            for one in dict.fromkeys((*gone, tag))
            if one != tag or is_wanted
        ]

    def _text(self, frame: Frame, tag: int, vr: str, place: Span) -> bool:
        """A plain text of other than ASCII, or one that names a private block: whether it is the first. See
        TextFinder."""
        return False

    def _ended(self, offset: int) -> None:
        """What began before this offset ends there."""
        if self._begun is not None and self._begun[1] < offset:
            self._spans[self._begun[0]] = (self._begun[1], offset)
            self._begun = None

    def _pass(self, tag: int, offset: int) -> None:
        """An element begins here: what belongs before it is not there."""
        while self._to_place and self._to_place[-1] < tag:
            self._spans.setdefault(self._to_place.pop(), (offset, offset))
        if tag in self._wanted:
            self._begun = (tag, offset)
            if self._to_place and self._to_place[-1] == tag:
                self._to_place.pop()


def is_beyond(raw: bytes) -> bool:
    """Whether a text is other than ASCII, or switches to it."""
    return not raw.isascii() or ESCAPE in raw


def ones(count: int) -> int:
    """So many bytes of ones."""
    return (1 << 8 * count) - 1


class _Trail:
    """The plain elements walked since the last that was none, to be remembered."""

    __slots__ = ("_ahead", "_buffer", "_mark", "_places", "noted", "seen")

    def __init__(self, seen: Seen, buffer: bytes) -> None:
        self.seen = seen
        self.noted: list[Noted] = []
        self._buffer = buffer
        self._ahead = 0
        self._places: list[int] = []
        self._mark = 0

    def step(self, at: int, ahead: int) -> None:
        """Here begins one more."""
        if len(self._places) == LONGEST:
            self.stop(at)
        if not self._places:
            self._ahead = ahead
        self._places.append(at)
        self._mark = len(self.noted)

    def back(self) -> None:
        """The last was none."""
        self._places.pop()
        del self.noted[self._mark :]

    def stop(self, at: int) -> None:
        """They end here."""
        self.seen.learn(self._ahead, self._buffer, self._places, at, self.noted)
        self._places, self.noted = [], []
