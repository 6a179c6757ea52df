"""A data set written anew while it streams: in another uncompressed transfer syntax (PS3.5 10, Annex A)
or in its own, in the one form that all its encodings have in common.

The same walk as the scanner's, but every element is written again as soon as it is known: a short value at
once, a long one (pixels above all) in pieces as they come. Sequences and items get delimiters, as their new
length is not known when they begin. Nothing else changes but what the target demands:

    VRs        implicit → explicit: the dictionary's, or its private creator's; UN where nobody knows
    words      swapped by VR where the byte order changes; OB and UN stay as they are
    lengths    even (PS3.5 7.1.1); group lengths are left out (retired, PS3.5 7.2)

Encapsulated pixel data stays as it is: in another transfer syntax there is no place for it without decoding.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from leadglass.dicom.dictionary import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    ITEM,
    ITEM_DELIMITER,
    LUT_DESCRIPTOR,
    PIXEL_REPRESENTATION,
    SEQUENCE_DELIMITER,
    TAG_BY_KEYWORD,
    TransferSyntax,
    format_tag,
    is_private,
    is_private_creator,
)
from leadglass.dicom.elements import Element, Limits
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
    word_size,
)
from leadglass.dicom.frames import Budget, Frame, Kind
from leadglass.dicom.inflate import Inflater
from leadglass.dicom.vr import AMBIGUOUS, resolve_vr, settle_vr
from leadglass.dicom.window import Window
from leadglass.dicom.writer import padded, writer
from leadglass.errors import BrokenInvariant, MalformedDataSet

UNCOMPRESSED: Final = {
    syntax.uid: syntax
    for syntax in (
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    )
}

_NOWHERE: Final = 1 << 63
_WHOLE: Final = 1 << 16  # values up to here are waited for, and so can be looked at
_PADDING: Final = TAG_BY_KEYWORD["DataSetTrailingPadding"]
_VR_DEPENDS_ON: Final = frozenset({PIXEL_REPRESENTATION, LUT_DESCRIPTOR})


def can_transcode(source_uid: str, target_uid: str) -> bool:
    """Whether `transcode` gets from one transfer syntax to the other."""
    return source_uid in UNCOMPRESSED and target_uid in UNCOMPRESSED


def transcode(
    chunks: Iterable[bytes], source: TransferSyntax, target: TransferSyntax, limits: Limits | None = None
) -> Iterator[bytes]:
    """The data set (no preamble, no File Meta Information) in the target's encoding, in chunks.

    Raises MalformedDataSet or LimitExceeded, also after chunks came out: what was sent is void then.
    BrokenInvariant where `can_transcode` says no.
    """
    if not can_transcode(source.uid, target.uid):
        raise BrokenInvariant(f"{source.name} is not made into {target.name} here.")
    return _transcoded(chunks, source, target, limits or Limits())


def canonical(chunks: Iterable[bytes], syntax: TransferSyntax, limits: Limits) -> Iterator[bytes]:
    """The data set in the form that all its encodings in this transfer syntax have in common, in chunks:
    delimiters for lengths (PS3.5 7.5), no group lengths, no padding of a file (PS3.10 7.2), not deflated, and
    fragments are OB (A.4). All else counts, order too. Any transfer syntax. Raises as `transcode`."""
    rewriter = Rewriter(syntax, syntax, limits, is_canonical=True)
    return rewriter.rewritten(inflated(chunks, Inflater(limits)) if syntax.deflated else chunks)


def _transcoded(
    chunks: Iterable[bytes], source: TransferSyntax, target: TransferSyntax, limits: Limits
) -> Iterator[bytes]:
    rewriter = Rewriter(source, target, limits)
    inflater = Inflater(limits) if source.deflated else None
    written = rewriter.rewritten(inflated(chunks, inflater) if inflater else chunks)
    yield from deflated_chunks(written) if target.deflated else written


def inflated(chunks: Iterable[bytes], inflater: Inflater) -> Iterator[bytes]:
    for chunk in chunks:
        yield from inflater.feed(chunk)
    inflater.close()


def deflated_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    size = 0
    for chunk in chunks:
        if packed := stream.compress(chunk):
            size += len(packed)
            yield packed
    rest = stream.flush()
    yield rest + b"\0" * ((size + len(rest)) % 2)  # PS3.5 A.5


class _Rest(NamedTuple):
    """A long value on its way: what is left of it ends at offset `end`."""

    end: int
    vr: str  # by which it is swapped
    swap: bool
    pad: bytes


class _Held(NamedTuple):
    """A header that is not written yet: whether its values have a sign is said further on."""

    place: int  # in the output
    frame: Frame
    tag: int
    length: int


class Rewriter:
    """Bytes of a data set in, bytes of the same data set out."""

    def __init__(
        self, source: TransferSyntax, target: TransferSyntax, limits: Limits, *, is_canonical: bool = False
    ) -> None:
        start = encoding(explicit=source.explicit, little_endian=source.little_endian)
        self._to = writer(explicit=target.explicit, little_endian=target.little_endian)
        self._is_canonical = is_canonical
        self._limits = limits
        self._budget = Budget(limits)
        self._window = Window(need=8)
        self._top = Frame(Kind.DATA_SET, 0, start, _NOWHERE, is_open=True, keep=True)
        self._stack = [self._top]
        self._started = False
        self._rest: _Rest | None = None
        self._held: list[_Held] = []
        self._out: list[bytes] = []

    def rewritten(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._window.add(chunk):
                if not self._started:
                    self._start()
                self._run()
                self._window.carry()
                if written := self._written():
                    yield written
        if not self._window.drained or self._rest or len(self._stack) > 1:
            raise MalformedDataSet(
                f"The data set is cut off near offset {self._window.base}.", code="truncated"
            )
        self._settle()
        if written := self._written():
            yield written

    def _start(self) -> None:
        # Tolerance: as the scanner has it, the first element shows whether VRs are there.
        explicit = looks_explicit(self._window.buffer, self._window.at)
        self._top.encoding = encoding(explicit=explicit, little_endian=self._top.encoding.little_endian)
        self._started = True

    def _run(self) -> None:
        step = {Kind.DATA_SET: self._element, Kind.SEQUENCE: self._item, Kind.FRAGMENTS: self._item}
        while True:
            frame = self._stack[-1]
            if self._rest is not None:
                done = self._copy(self._rest)
            elif self._window.offset == frame.end:
                done = self._end(frame)
            else:
                done = step[frame.kind](frame)
            if not done:
                return

    def _written(self) -> bytes:
        """What there is to send, once nothing in it is open. So much at most is held back for one sign."""
        if self._held:
            if sum(map(len, self._out)) < self._limits.value_bytes:
                return b""
            self._settle()
        written = b"".join(self._out)
        self._out.clear()
        return written

    def _malformed(self, what: str, tag: int) -> MalformedDataSet:
        return MalformedDataSet(f"{what} {format_tag(tag)} at offset {self._window.offset}.")

    # --- elements -----------------------------------------------------------------------------------------

    def _element(self, frame: Frame) -> bool:
        window = self._window
        if frame.end - window.offset < 8:
            raise self._malformed("An item ends inside an element, in", frame.tag)
        head = read_head(window, frame.encoding)
        if head is None:
            return False
        tag = head.tag
        if tag & 0xFFFF0000 == DELIMITER_GROUP:
            if tag != ITEM_DELIMITER or frame is self._top:
                raise self._malformed("An item or delimiter stands where an element belongs:", tag)
            return self._delimited(frame, tag, head.length)
        if self._held and frame is self._top and tag > PIXEL_REPRESENTATION:
            self._settle()
        vr = resolve_vr(head.vr, tag, frame.elements)
        if vr == "SQ" or head.length == UNDEFINED:
            return self._sequence(frame, head, vr)
        if window.base + head.body + head.length > frame.end:
            raise self._malformed("A value is longer than what is around it:", tag)
        return self._value(frame, head, vr)

    def _value(self, frame: Frame, head: Head, vr: str) -> bool:
        """A value that is here is written; a long one is begun."""
        window, stop = self._window, head.body + head.length
        here = head.length <= _WHOLE
        if here and window.lacks(stop):
            return False
        self._budget.element()
        if not head.tag & 0xFFFF or (self._is_canonical and head.tag == _PADDING):
            window.at = stop
            return True
        swap = frame.encoding.little_endian != self._to.little_endian
        vr = self._write_head(frame, head, vr, swap=swap)
        window.at = head.body
        end = window.base + stop
        pad = padded(vr, b"0")[1:] if head.length % 2 else b""
        if not here:
            self._rest = _Rest(end, vr, swap, pad)
            return True
        value = window.buffer[head.body : stop]
        if head.tag in _VR_DEPENDS_ON or is_private_creator(head.tag):
            self._budget.hold(len(value))
            known = value if frame.encoding.little_endian else swap_words(vr, value)
            frame.elements[head.tag] = Element(head.tag, vr, known)
        value += pad
        self._out.append(swap_words(vr, value) if swap else value)
        window.at = stop
        return True

    def _write_head(self, frame: Frame, head: Head, vr: str, *, swap: bool) -> str:
        """Write the header; the VR that rules how the value goes on, and how it is padded."""
        tag, length = head.tag, head.length + head.length % 2
        if vr in AMBIGUOUS:
            if self._to.explicit and vr == "US or SS" and not self._sign_is_known(frame, tag):
                self._held.append(_Held(len(self._out), frame, tag, length))
                self._out.append(b"")
                return "US"
            vr = settle_vr(vr, frame.data_sets_outwards())
        if swap and head.length % word_size(vr) and vr != "OW":
            vr = "UN"  # no whole number of words: nobody knows what it is, so it stays as it is
        self._out.append(self._to.head(tag, vr, length))
        return vr

    def _copy(self, rest: _Rest) -> bool:
        """As much of a long value as is here, in whole words."""
        window = self._window
        left = rest.end - window.offset
        have = len(window.buffer) - window.at
        if have < left:
            word = word_size(rest.vr) if rest.swap else 1
            have -= have % word
            window.need = min(word, left - have)
        size = min(have, left)
        piece = window.buffer[window.at : window.at + size]
        if size == left:
            self._rest = None
            piece += rest.pad
        self._out.append(swap_words(rest.vr, piece) if rest.swap else piece)
        window.at += size
        return self._rest is None

    # --- what has a sign ----------------------------------------------------------------------------------

    def _sign_is_known(self, frame: Frame, tag: int) -> bool:
        """Whether Pixel Representation was seen, or cannot come any more."""
        if any(PIXEL_REPRESENTATION in level for level in frame.data_sets_outwards()):
            return True
        top_tag = tag if frame is self._top else self._stack[1].tag
        return top_tag > PIXEL_REPRESENTATION

    def _settle(self) -> None:
        for place, frame, tag, length in self._held:
            vr = settle_vr("US or SS", frame.data_sets_outwards())
            self._out[place] = self._to.head(tag, vr, length)
        self._held.clear()

    # --- levels -------------------------------------------------------------------------------------------

    def _sequence(self, frame: Frame, head: Head, vr: str) -> bool:
        kind, inner = Kind.SEQUENCE, frame.encoding
        if vr != "SQ":
            implicit = not inner.explicit
            if vr == "UN" or (implicit and is_private(head.tag)):
                # PS3.5 6.2.2, and the scanner's tolerance.
                inner = encoding(explicit=not implicit, little_endian=True)
            elif self._is_canonical and vr in BULK_VRS:
                kind = Kind.FRAGMENTS  # PS3.5 A.4
            else:
                raise self._malformed(
                    "No value of undefined length belongs in this transfer syntax:", head.tag
                )
        self._budget.level(len(self._stack) // 2 + 1)
        self._budget.element()
        self._out.append(self._to.head(head.tag, "SQ" if kind is Kind.SEQUENCE else "OB", UNDEFINED))
        self._push(kind, frame, head, inner)
        return True

    def _item(self, frame: Frame) -> bool:
        """The head of the next item of a sequence or of fragments, or the delimiter (PS3.5 7.5.1, 7.5.2)."""
        window = self._window
        if frame.end - window.offset < 8:
            raise self._malformed("No room for the next item of", frame.tag)
        if window.lacks(window.at + 8):
            return False
        group, number, length = frame.encoding.implicit_head(window.buffer, window.at)
        head = Head(group << 16 | number, None, window.at + 8, length)
        if head.tag == SEQUENCE_DELIMITER:
            return self._delimited(frame, head.tag, length)
        if head.tag != ITEM:
            raise self._malformed("No item but something else is in", frame.tag)
        if frame.kind is Kind.FRAGMENTS:
            return self._fragment(frame, head)
        inner = frame.encoding
        if inner.explicit and length:
            # Tolerance: implicit VR items in an explicit data set, as UN sequences have them by right.
            if window.lacks(head.body + 6):
                return False
            explicit = looks_explicit(window.buffer, head.body)
            inner = encoding(explicit=explicit, little_endian=inner.little_endian)
        self._budget.element()
        self._out.append(self._to.head(ITEM, "", UNDEFINED))
        self._push(Kind.DATA_SET, frame, head, inner)
        return True

    def _fragment(self, frame: Frame, head: Head) -> bool:
        """One item of an encapsulated value: its bytes as they are."""
        end = self._window.base + head.body + head.length
        if head.length == UNDEFINED or end > frame.end:
            raise self._malformed("No fragment but something else is in", frame.tag)
        self._budget.fragment()
        self._out.append(self._to.head(ITEM, "", head.length))
        self._window.at = head.body
        self._rest = _Rest(end, "OB", swap=False, pad=b"")
        return True

    def _push(self, kind: Kind, parent: Frame, head: Head, inner: Encoding) -> None:
        is_open = head.length == UNDEFINED
        end = parent.end if is_open else self._window.base + head.body + head.length
        if end > parent.end:
            raise self._malformed("A level is longer than what is around it:", parent.tag)
        tag = parent.tag if kind is Kind.DATA_SET else head.tag
        self._stack.append(Frame(kind, tag, inner, end, is_open=is_open, keep=True, parent=parent))
        self._window.at = head.body

    def _delimited(self, frame: Frame, tag: int, length: int) -> bool:
        if length or not frame.open:
            raise self._malformed("A delimiter that has a length or closes nothing:", tag)
        self._window.at += 8
        self._pop(frame)
        return True

    def _end(self, frame: Frame) -> bool:
        if frame.open:
            raise self._malformed("The delimiter is missing in", frame.tag)
        self._pop(frame)
        return True

    def _pop(self, frame: Frame) -> None:
        self._stack.pop()
        for element in frame.elements.values():
            assert isinstance(element.value, bytes)
            self._budget.release(len(element.value))
        tag = ITEM_DELIMITER if frame.kind is Kind.DATA_SET else SEQUENCE_DELIMITER
        self._out.append(self._to.head(tag, "", 0))
