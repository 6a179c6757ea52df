"""Objects that are built as others of their study: what becomes of those becomes of them, without a walk.

A header says the same of an object if all that was looked at is the same: the headers of its elements, the
identity, the character set. Values that nobody looked at may differ, and text where both are ASCII.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from leadglass.archive.beginning import Beginning, Source
from leadglass.dicom.seen import ESCAPE
from leadglass.dicom.splice import Edit

_MOST: Final = 16  # ways in which the objects of a study are built, of several KB each
_LONGEST: Final = 1 << 16  # bytes of a header
_TRIED: Final = 64  # objects after which it is known whether it is worth it
_WORTH: Final = 4  # if one in so many is like another


class Kind(NamedTuple):
    """`size` bytes from the data set's first to its pixels. `mask` has ones where something was looked at,
    which has to be the `same`; `text` the high bits of what is to be ASCII, and has no escape but `escapes`
    that are in headers. `total`: of the whole data set, if that counts."""

    size: int
    mask: int
    same: int
    escapes: int
    text: int
    total: int | None
    edits: Sequence[Edit]


class Alike:
    def __init__(self) -> None:
        self._kinds: deque[Kind] = deque(maxlen=_MOST)  # the newest first
        self._longest = 0
        self._tried = 0
        self._found = 0

    def find(self, source: Source, first: bytes) -> Sequence[Edit] | None:
        """The edits of an object whose first chunk this is; None: nobody knows."""
        if self._tried >= _TRIED and self._found * _WORTH < self._tried:
            return None
        self._tried += 1
        start = source.offset
        bits = int.from_bytes(first[start : start + self._longest], "little")
        total = None if source.size is None else source.size - start
        for kind in self._kinds:
            if (bits & kind.mask) ^ kind.same | bits & kind.text or kind.total not in (None, total):
                continue
            if len(first) >= start + kind.size and (
                not kind.text or first.count(ESCAPE, start, start + kind.size) == kind.escapes
            ):
                self._found += 1
                return kind.edits
        return None

    def learn(self, begun: Beginning, first: bytes, edits: Sequence[Edit], *, text: bool) -> None:
        """What became of an object, if all that decided it is in its first chunk. `text`: all of its text was
        looked at, so that nothing may stand behind its pixels."""
        finder, start = begun.finder, begun.source.offset
        looked, pixels = finder.looked_at, finder.pixel_data
        if (
            looked is None
            or pixels is None
            or not 0 < pixels.value_offset <= min(_LONGEST, len(first) - start)
        ):
            return
        if text and not begun.ends_with_pixels:
            return
        size = pixels.value_offset
        mask, beyond = 0, 0
        for at, fixed, high in looked:  # nothing of it lies behind the pixels' header
            mask |= fixed << 8 * at
            beyond |= high << 8 * at if text else 0
        same = mask & int.from_bytes(first[start : start + size], "little")
        total = pixels.value_offset + (pixels.length or 0) if text else None
        escapes = same.to_bytes(size, "little").count(ESCAPE)
        self._kinds.appendleft(Kind(size, mask, same, escapes, beyond, total, edits))
        self._longest = max(self._longest, size)
