"""Runs of plain elements that were seen before: the objects of a study are built alike.

A run is known by its headers. Where the same headers stand at the same distances, the same elements stand,
whatever their values say; one comparison of large numbers shows it, instead of a step from each to the next.

    (0018,0010) LO 6 ...... (0018,0022) CS 4 .... (0018,0050) DS 8 ........    headers equal: passed at once

Where a length differs, a run is cut before that element, which begins one of its own from then on. So after
some objects only what is really new is walked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from leadglass.dicom.dictionary import is_private_creator
from leadglass.dicom.elements import ELEMENT_COST, DataSet, Element
from leadglass.dicom.encoding import SHORT_VRS, encoding
from leadglass.dicom.runs import PLAIN_VRS

ESCAPE: Final = 0x1B
LONGEST: Final = 256  # elements of a run
MOST: Final = 256  # runs, each of some KB


class Noted(NamedTuple):
    """A wanted element that stands here; without a VR: that would belong here, and does not stand here."""

    tag: int
    vr: str
    start: int
    stop: int

    def moved(self, by: int) -> Noted:
        return Noted(self.tag, self.vr, self.start + by, self.stop + by)


class Run(NamedTuple):
    """`places`: where its elements begin, from its own beginning. `mask` has ones where headers are, and what
    else has to be the same; `same` is what stands there, with so many `escapes`. `text` has the high bits of
    text, which is to be ASCII."""

    size: int
    places: tuple[int, ...]
    mask: int
    same: int
    escapes: int
    text: int
    noted: tuple[Noted, ...]
    tags: frozenset[int]  # of wanted elements
    placed: frozenset[int]  # and of those that are not there
    creators: DataSet  # which name private blocks
    held: int  # bytes that those are charged with


class Seen:
    """Of data sets in one encoding, little endian. `texts`: VRs of which all has to be ASCII to be passed; ""
    stands for one that is not known. `most`: runs that are remembered."""

    def __init__(self, *, explicit: bool, texts: frozenset[str], most: int) -> None:
        # By how many places are still ahead (in an item none), and by the header of the first element.
        self.runs: defaultdict[int, dict[bytes, Run]] = defaultdict(dict)
        self._left = most
        self._explicit = explicit
        self._texts = texts
        code = encoding(explicit=explicit, little_endian=True)
        self._head = code.explicit_head if explicit else code.implicit_head

    def passed(self, ahead: int, buffer: bytes, at: int, end: int) -> Run | None:
        """What is known and stands at index `at`, to `end` at most."""
        run = self.runs[ahead].get(buffer[at : at + 8])
        if run is None or at + run.size > end:
            return None
        piece = buffer[at : at + run.size]
        bits = int.from_bytes(piece, "little")
        if differs := (bits & run.mask) ^ run.same | bits & run.text:
            first = ((differs & -differs).bit_length() - 1) // 8
            alike = bisect_right(run.places, first) - 1
            places, size = run.places[:alike], run.places[alike]
            noted = [one.moved(at) for one in run.noted if one.start < size]
            self.learn(ahead, buffer, [at + place for place in places], at + size, noted)
            return self.passed(ahead, buffer, at, end) if alike else None
        return run if piece.count(ESCAPE) == run.escapes or not run.text else None

    def learn(
        self, ahead: int, buffer: bytes, places: Sequence[int], stop: int, noted: Sequence[Noted]
    ) -> None:
        """Plain elements one after the other from these indices to `stop`."""
        runs = self.runs[ahead]
        if not places or len({one.tag for one in noted}) < len(noted):
            return
        key = buffer[places[0] : places[0] + 8]
        if key not in runs:
            if not self._left:
                return
            self._left -= 1
        runs[key] = self._run(buffer, places, stop, noted)

    def _run(self, buffer: bytes, places: Sequence[int], stop: int, noted: Sequence[Noted]) -> Run:
        start, creators, held = places[0], dict[int, Element](), 0
        mask, text = bytearray(stop - start), bytearray(stop - start)
        for at, end in pairwise((*places, stop)):
            tag, vr = self._tag(buffer, at)
            fixed = 8
            if vr in self._texts and is_private_creator(tag):
                creators[tag] = Element(tag, vr, buffer[at + 8 : end])
                fixed = end - at
                held += fixed - 8 + ELEMENT_COST
            elif vr in self._texts:
                text[at - start + 8 : end - start] = b"\x80" * (end - at - 8)
            mask[at - start : at - start + fixed] = b"\xff" * fixed
        bits = int.from_bytes(mask, "little")
        same = bits & int.from_bytes(buffer[start:stop], "little")
        return Run(
            stop - start,
            tuple(at - start for at in places),
            bits,
            same,
            same.to_bytes(stop - start, "little").count(ESCAPE),
            int.from_bytes(text, "little"),
            tuple(one.moved(-start) for one in noted),
            frozenset(one.tag for one in noted if one.vr),
            frozenset(one.tag for one in noted),
            creators,
            held,
        )

    def _tag(self, buffer: bytes, at: int) -> tuple[int, str]:
        group, number, *written = self._head(buffer, at)
        tag = group << 16 | number
        return tag, SHORT_VRS[written[0]] if self._explicit else PLAIN_VRS.get(tag, "")


Memory = tuple[Seen, Seen]  # of what is implicit, and of what is explicit


def memory(texts: frozenset[str], most: int = MOST) -> Memory:
    implicit, explicit = (Seen(explicit=explicit, texts=texts, most=most) for explicit in (False, True))
    return implicit, explicit
